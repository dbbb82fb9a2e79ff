"""What the tests draw: shapes, strides, paddings, dtypes, memory layouts and a seed, never values.

Values come from a generator with the drawn seed, so Hypothesis shrinks a failure to the smallest
shape, not to a row of zeros. Every choice goes through one function, choose(low, high) -> int:
Hypothesis draws it in a property test, and a seeded generator answers where a test only wants
some fixed examples.
"""

import numpy as np
from hypothesis import strategies as st

DTYPES = (np.float32, np.float64)
LAYOUTS = ("contiguous", "transposed", "HWNC", "offset", "negative", "broadcast")


class Case:
    """One example: ``choose`` for shapes and options, ``rng`` for values."""

    def __init__(self, choose, seed):
        self.choose, self.rng = choose, np.random.default_rng(seed)

    def of(self, *options):
        """One of the options; simple ones first, for shrinking."""
        return options[self.choose(0, len(options) - 1)]

    def shape(self, low=1, high=4, least=1, most=4):
        """A shape of low to high axes, each least to most long."""
        return tuple(self.choose(least, most) for _ in range(self.choose(low, high)))

    def normal(self, *shape):
        return np.asarray(self.rng.standard_normal(shape))

    def positive(self, *shape):
        """Between 0.5 and 2: far from the poles of log, sqrt and division."""
        return np.asarray(self.rng.uniform(0.5, 2, shape))

    def spread(self, shape, axes):
        """Any mean, and a variance between 0.5 and 2 over the axes: what is divided by its root
        loses no digits.
        """
        x = self.normal(*shape)
        x -= x.mean(axes, keepdims=True)
        size = np.sqrt(
            self.positive(*x.var(axes, keepdims=True).shape) / x.var(axes, keepdims=True)
        )
        return x * size + self.normal(*size.shape)

    def away(self, shape, *kinks, gap=0.05):
        """Normal numbers at least ``gap`` away from each kink, on both sides of it."""
        x = self.normal(*shape)
        for kink in kinks:
            x = np.where(np.abs(x - kink) < gap, np.where(x > kink, kink + gap, kink - gap), x)
        return x

    def distinct(self, *shape):
        """Numbers in (-2, 2) no two of which are closer than 0.6 / size: no ties for a maximum."""
        n = int(np.prod(shape))
        steps = self.rng.permutation(n) + self.rng.uniform(0, 0.85, n)
        return (4 * steps / n - 2).reshape(shape)


@st.composite
def cases(draw):
    """A Case whose choices Hypothesis makes."""
    return Case(lambda low, high: draw(st.integers(low, high)), draw(st.integers(0, 2**32 - 1)))


def fixed_case(seed):
    """A Case whose choices are made by a seed: no Hypothesis, always the same."""
    choices = np.random.default_rng([seed, 1])
    return Case(lambda low, high: int(choices.integers(low, high + 1)), seed)


layouts = st.sampled_from(LAYOUTS)
dtypes = st.sampled_from(DTYPES)


def in_layout(a, layout):
    """The same values in another memory layout, and read-only: no function may write to what it
    is given.

    "broadcast" repeats the first entry along axis 0, so its values differ from a's.
    """
    if a.ndim == 0:
        a = a.copy()
    elif layout == "transposed":
        a = np.ascontiguousarray(a.T).T
    elif layout == "HWNC":
        order = (*range(2, a.ndim), *range(min(a.ndim, 2)))
        a = np.ascontiguousarray(a.transpose(order)).transpose(np.argsort(order))
    elif layout in ("offset", "negative"):  # every second entry of a larger array of NaN
        step = slice(1, None, 2) if layout == "offset" else slice(-2, None, -2)
        wide = np.full([2 * n + 1 for n in a.shape], np.nan, a.dtype)
        view = wide[(step,) * a.ndim]
        view[...] = a
        a = view
    elif layout == "broadcast":
        a = np.broadcast_to(a[:1], a.shape)
    a = a.view()
    a.flags.writeable = False
    return a


def convolution(case):
    """Images x, weights w, and the stride and padding (pairs) of a convolution that fits: odd
    shapes welcome.
    """
    kernel = case.choose(1, 4), case.choose(1, 4)
    stride = (case.choose(1, 3), case.choose(1, 3))
    padding = (case.choose(0, 2), case.choose(0, 2))
    size = [case.choose(max(1, r - 2 * p), r + 4) for r, p in zip(kernel, padding)]
    n = case.choose(1, 3)
    c = case.choose(1, 3)
    k = case.choose(1, 3)
    return case.normal(n, c, *size), case.normal(k, c, *kernel), stride, padding


def transposed_convolution(case):
    """Maps x, weights w, stride, padding and output_padding (pairs) of a transposed convolution
    that leaves a pixel.
    """
    kernel = (case.choose(1, 4), case.choose(1, 4))
    stride = (case.choose(1, 3), case.choose(1, 3))
    padding = (case.choose(0, 2), case.choose(0, 2))
    extra = tuple(case.choose(0, s - 1) for s in stride)
    # the output has (p - 1) s - 2 pad + r + extra >= 1 pixels
    size = [
        case.choose(least := max(1, -(-(1 + 2 * pad - r - e) // s) + 1), least + 3)
        for pad, r, e, s in zip(padding, kernel, extra, stride)
    ]
    n = case.choose(1, 3)
    c = case.choose(1, 3)
    k = case.choose(1, 3)
    return case.normal(n, k, *size), case.normal(k, c, *kernel), stride, padding, extra


def dcgan_convolution(case):
    """The 4x4 stride 2 padding 1 layer of even size with enough channels for the Winograd path."""
    size = (4 * case.choose(1, 2), 4 * case.choose(1, 2))
    k = case.choose(16, 18)
    n = case.choose(1, 3)
    c = case.choose(16, 17)
    return case.normal(n, c, *size), case.normal(k, c, 4, 4), (2, 2), (1, 1)


def kink_free_bias(normal, weight):
    """Per channel, a bias that puts 0 in the widest gap between the values normal * weight of (N,
    C, ...).
    """
    z = np.moveaxis(normal, 1, 0).reshape(normal.shape[1], -1) * weight[:, None]
    z.sort(axis=1)
    gap = np.diff(z, axis=1).argmax(axis=1)[:, None]
    return -(np.take_along_axis(z, gap, 1) + np.take_along_axis(z, gap + 1, 1))[:, 0] / 2
