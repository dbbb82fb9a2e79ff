"""What the tests draw: shapes, strides, paddings, dtypes, memory layouts and a seed, never values.

Values come from a generator with the drawn seed, so Hypothesis shrinks a failure to the smallest
shape, not to a row of zeros. Every choice goes through one function, choose(low, high) -> int:
Hypothesis draws it in a property test, and a seeded generator answers where a test only wants
some fixed examples.
"""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

DTYPES = (np.float32, np.float64)
LAYOUTS = ("contiguous", "transposed", "HWNC", "offset", "negative", "broadcast")


class Case:
    """One example: ``choose`` for shapes and options, ``rng`` for values."""

    def __init__(self, choose, seed):
        self.choose = choose
        self.rng = np.random.default_rng(seed)

    def of(self, *options):
        """One of the options. The simple ones come first, because Hypothesis shrinks to them."""
        return options[self.choose(0, len(options) - 1)]

    def flip(self):
        """Yes or no."""
        return self.choose(0, 1) == 1

    def numbers(self, count, least, most):
        """``count`` whole numbers, each from least to most."""
        return tuple(self.choose(least, most) for _ in range(count))

    def shape(self, low=1, high=4, least=1, most=4):
        """A shape of low to high axes, each least to most long."""
        axes = self.choose(low, high)
        return self.numbers(axes, least, most)

    def normal(self, *shape):
        """Normal numbers, also as a 0-d array."""
        return np.asarray(self.rng.standard_normal(shape))

    def positive(self, *shape):
        """Between 0.5 and 2: far from the poles of log, sqrt and division."""
        return np.asarray(self.rng.uniform(0.5, 2, shape))

    def spread(self, shape, axes):
        """Any mean over the axes, and a variance between 0.5 and 2.

        So what is divided by its standard deviation loses no digits.
        """
        x = self.normal(*shape)
        x -= x.mean(axes, keepdims=True)
        variance = x.var(axes, keepdims=True)
        wanted = self.positive(*variance.shape)
        factor = np.sqrt(wanted / variance)
        return x * factor + self.normal(*factor.shape)

    def away(self, shape, *kinks, gap=0.05):
        """Normal numbers at least ``gap`` away from each kink, on both sides of it."""
        x = self.normal(*shape)
        for kink in kinks:
            near = np.abs(x - kink) < gap
            moved = np.where(x > kink, kink + gap, kink - gap)
            x = np.where(near, moved, x)
        return x

    def signed(self, n):
        """n numbers between 0.5 and 2 in size, of random signs."""
        signs = self.rng.choice([-1, 1], n)
        return signs * self.positive(n)

    def distinct(self, *shape):
        """Numbers in (-2, 2) no two of which are closer than 0.6 / size: no ties for a maximum."""
        n = int(np.prod(shape))
        order = self.rng.permutation(n)
        steps = order + self.rng.uniform(0, 0.85, n)
        return (4 * steps / n - 2).reshape(shape)


@st.composite
def cases(draw):
    """A Case whose choices Hypothesis makes."""

    def choose(low, high):
        return draw(st.integers(low, high))

    seed = draw(st.integers(0, 2**32 - 1))
    return Case(choose, seed)


def fixed_case(seed):
    """A Case whose choices are made by a seed: no Hypothesis, always the same."""
    choices = np.random.default_rng([seed, 1])

    def choose(low, high):
        return int(choices.integers(low, high + 1))

    return Case(choose, seed)


layouts = st.sampled_from(LAYOUTS)
dtypes = st.sampled_from(DTYPES)


# ---- memory layouts ------------------------------------------------------------------------------


def in_layout(a, layout):
    """The same values in another memory layout, and read-only.

    Read-only, because no function may write to what it is given. "broadcast" repeats the first
    entry along axis 0, so its values differ from a's.
    """
    if a.ndim == 0:
        a = a.copy()
    elif layout == "transposed":
        a = np.ascontiguousarray(a.T).T
    elif layout == "HWNC":
        a = _pixels_first(a)
    elif layout == "offset":
        a = _every_second(a, slice(1, None, 2))
    elif layout == "negative":
        a = _every_second(a, slice(-2, None, -2))
    elif layout == "broadcast":
        a = np.broadcast_to(a[:1], a.shape)
    a = a.view()
    a.flags.writeable = False
    return a


def _pixels_first(a):
    """(N, C, H, W) stored as (H, W, N, C)."""
    order = (*range(2, a.ndim), *range(min(a.ndim, 2)))
    stored = np.ascontiguousarray(a.transpose(order))
    return stored.transpose(np.argsort(order))


def _every_second(a, step):
    """The values of a in every second entry of a larger array, which holds NaN elsewhere."""
    larger = [2 * n + 1 for n in a.shape]
    wide = np.full(larger, np.nan, a.dtype)
    view = wide[(step,) * a.ndim]
    view[...] = a
    return view


# ---- convolutions --------------------------------------------------------------------------------


class Convolution(NamedTuple):
    """What a convolution takes."""

    x: np.ndarray  # images (N, C, H, W)
    w: np.ndarray  # weights (K, C, R, S)
    stride: tuple  # a pair
    padding: tuple  # a pair


class TransposedConvolution(NamedTuple):
    """What a transposed convolution takes."""

    x: np.ndarray  # feature maps (N, K, P, Q)
    w: np.ndarray  # weights (K, C, R, S)
    stride: tuple  # a pair
    padding: tuple  # a pair
    output_padding: tuple  # a pair


def convolution(case):
    """A convolution that fits, with odd sizes too."""
    kernel = case.numbers(2, 1, 4)
    stride = case.numbers(2, 1, 3)
    padding = case.numbers(2, 0, 2)
    size = []
    for r, p in zip(kernel, padding):
        least = max(1, r - 2 * p)
        size.append(case.choose(least, r + 4))
    n, c, k = case.numbers(3, 1, 3)
    x = case.normal(n, c, *size)
    w = case.normal(k, c, *kernel)
    return Convolution(x, w, stride, padding)


def transposed_convolution(case):
    """A transposed convolution whose output has at least one pixel."""
    kernel = case.numbers(2, 1, 4)
    stride = case.numbers(2, 1, 3)
    padding = case.numbers(2, 0, 2)
    extra = tuple(case.choose(0, s - 1) for s in stride)
    size = []  # P, Q
    for r, s, pad, e in zip(kernel, stride, padding, extra):
        # the output has (p - 1) s - 2 pad + r + e pixels, which must be at least one
        steps = -(-(1 + 2 * pad - r - e) // s)
        least = max(1, steps + 1)
        size.append(case.choose(least, least + 3))
    n, c, k = case.numbers(3, 1, 3)
    x = case.normal(n, k, *size)
    w = case.normal(k, c, *kernel)
    return TransposedConvolution(x, w, stride, padding, extra)


def dcgan_convolution(case):
    """A layer of 4 x 4 weights, stride 2, padding 1 and even size: DCGAN's.

    It has enough channels for the Winograd path.
    """
    h = 4 * case.choose(1, 2)
    w = 4 * case.choose(1, 2)
    k = case.choose(16, 18)
    n = case.choose(1, 3)
    c = case.choose(16, 17)
    x = case.normal(n, c, h, w)
    weight = case.normal(k, c, 4, 4)
    return Convolution(x, weight, stride=(2, 2), padding=(1, 1))


def kink_free_bias(normal, weight):
    """A bias for each channel that keeps normal * weight + bias away from 0.

    It puts 0 in the middle of the widest gap between the values normal * weight. normal: (N, C,
    ...), weight (C,) -> (C,).
    """
    c = normal.shape[1]
    z = np.moveaxis(normal, 1, 0).reshape(c, -1) * weight[:, None]
    z.sort(axis=1)
    widest = np.diff(z, axis=1).argmax(axis=1)[:, None]
    below = np.take_along_axis(z, widest, 1)
    above = np.take_along_axis(z, widest + 1, 1)
    middle = (below + above) / 2
    return -middle[:, 0]
