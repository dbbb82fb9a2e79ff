"""Inputs for convolutions, norms, changes of images and losses: away from kinks by construction.

Each is a function case -> (float64 arrays, options), as in inputs.py.
"""

import numpy as np
from strategies import convolution, kink_free_bias

# ---- convolutions --------------------------------------------------------------------------------


def with_bias(convolution):
    """x, weight and sometimes a bias, with the options of a (transposed) convolution."""

    def inputs(case):
        options = convolution(case)._asdict()
        x = options.pop("x")
        w = options.pop("w")
        is_transposed = "output_padding" in options
        channels = w.shape[1 if is_transposed else 0]
        bias = case.normal(channels)
        count = case.of(2, 3)
        return [x, w, bias][:count], options

    return inputs


def weight_gradient(case):
    """Images x and the gradient g of a convolution's output, with the options of the gradient."""
    x, w, stride, padding = convolution(case)
    kernel = w.shape[2:]
    size = []
    for n, p, r, s in zip(x.shape[2:], padding, kernel, stride):
        size.append((n + 2 * p - r) // s + 1)
    g = case.normal(len(x), len(w), *size)
    return [x, g], dict(kernel_size=kernel, stride=stride, padding=padding)


def channels(case):
    """One tensor of 2 to 4 axes, the second of which is for channels."""
    shape = case.shape(2, 4, most=3)
    return [case.normal(*shape)], {}


def bias(case):
    """x (N, C, ...) and a bias (C,)."""
    (x,), _ = channels(case)
    return [x, case.normal(x.shape[1])], {}


# ---- norms ---------------------------------------------------------------------------------------


def along_channels(vector, ndim):
    """(C,) -> (C, 1, ...), which broadcasts against (N, C, ...) of ndim axes."""
    return vector.reshape(-1, *[1] * (ndim - 2))


def batch_norm(negative_slope=None, training=True):
    """x (N, C), (N, C, L) or (N, C, H, W), and weight and bias, or none of them.

    With a negative_slope, no output lies at the kink of the activation.
    """

    def inputs(case):
        n = case.choose(2, 4)
        c = case.choose(1, 3)
        shape = (n, c, *case.shape(0, 2, most=3))
        axes = (0, *range(2, len(shape)))
        eps = case.of(1e-5, 0.1)
        x = case.spread(shape, axes)
        mean = x.mean(axes)
        var = x.var(axes)
        options = dict(training=training, eps=eps)
        if negative_slope is not None:
            options.update(negative_slope=negative_slope)
        if not training:
            mean = case.normal(c)
            var = case.positive(c)
            options.update(running_mean=mean, running_var=var)
        if negative_slope is None and case.choose(0, 2) == 0:
            return [x], options
        weight = case.signed(c)
        if negative_slope is None:
            return [x, weight, case.normal(c)], options
        deviation = np.sqrt(var + eps)
        difference = x - along_channels(mean, x.ndim)
        normal = difference / along_channels(deviation, x.ndim)
        return [x, weight, kink_free_bias(normal, weight)], options

    return inputs


def affine(negative_slope):
    """x (N, C, ...), and centre, scale and shift (C,), with no output at the activation's kink."""

    def inputs(case):
        shape = case.shape(2, 4, least=2, most=3)
        c = shape[1]
        x = case.normal(*shape)
        centre = case.normal(c)
        scale = case.signed(c)
        difference = x - along_channels(centre, x.ndim)
        shift = kink_free_bias(difference, scale)
        return [x, centre, scale, shift], dict(negative_slope=negative_slope)

    return inputs


def instance_norm(case):
    """x (N, C, H, W), or x, weight and bias."""
    n = case.choose(1, 3)
    c = case.choose(1, 3)
    h = case.choose(1, 3)
    w = case.choose(2, 4)
    x = case.spread((n, c, h, w), axes=(2, 3))
    weight = case.positive(c)
    bias = case.normal(c)
    count = case.of(1, 3)
    return [x, weight, bias][:count], {}


def layer_norm(case):
    """x, or x, weight and bias; the last axes of x are normalised."""
    shape = case.shape(1, 2, least=2)
    in_front = case.shape(1, 2)
    last_axes = tuple(range(-len(shape), 0))
    x = case.spread((*in_front, *shape), last_axes)
    weight = case.positive(*shape)
    bias = case.normal(*shape)
    count = case.of(1, 3)
    return [x, weight, bias][:count], dict(normalized_shape=shape)


def maxout(case):
    """x (N, units * pieces, ...) without equal numbers."""
    units = case.choose(1, 3)
    pieces = case.choose(1, 4)
    rest = case.shape(0, 2)
    n = case.choose(1, 3)
    x = case.distinct(n, units * pieces, *rest)
    return [x], dict(pieces=pieces)


# ---- images --------------------------------------------------------------------------------------


def image(case, least=1):
    """(N, C, H, W), with H and W at least ``least``."""
    n, c = case.numbers(2, 1, 2)
    h = case.choose(least, 4)
    w = case.choose(least, 5)
    return case.normal(n, c, h, w)


def padded(mode):
    """An image and its padding. mode "reflect" needs an image larger than the padding."""

    def inputs(case):
        sides = case.of(4, 2) if mode == "constant" else 4
        padding = case.numbers(sides, 0, 2)
        options = dict(padding=padding, mode=mode)
        if mode == "constant":
            options.update(value=case.of(0.0, 0.5))
        return [image(case, least=3)], options

    return inputs


def shifted(case):
    """x (N, C, H, W) and the distances down and right, which may be as long as a side."""
    shape = case.shape(4, 4, most=3)
    n, _, height, width = shape
    down = case.numbers(n, -height, height)
    right = case.numbers(n, -width, width)
    return [case.normal(*shape)], {"down": down, "right": right}


def resized(case):
    """An image and its new size, or the factor, and how to interpolate."""
    h, w = case.numbers(2, 1, 7)
    options = case.of(
        {"size": (h, w)},
        {"scale_factor": 2},
        {"scale_factor": (1.5, 2.5)},
        {"size": 4},
    )
    x = image(case, least=2)
    mode = case.of("nearest", "bilinear")
    return [x], dict(**options, mode=mode)


def pixels(case):
    """x (N, C r r, H, W) and the factor r of pixel_shuffle."""
    r = case.choose(1, 3)
    n, c, h, w = case.numbers(4, 1, 3)
    return [case.normal(n, c * r * r, h, w)], dict(factor=r)


# ---- losses --------------------------------------------------------------------------------------


def reduction(case):
    """How a loss sums up."""
    return {"reduction": case.of("mean", "sum", "none")}


def predictions(kinked=False):
    """Predictions and targets of one shape, no two equal where |x - t| has its kink."""

    def inputs(case):
        shape = case.shape(1, 3)
        x = case.normal(*shape)
        if kinked:
            error = case.away(shape, 0)
        else:
            error = case.normal(*shape)
        return [x, x - error], reduction(case)

    return inputs


def logits_and_targets(case):
    """Logits and their targets between 0.1 and 0.9."""
    shape = case.shape(0, 3)
    x = 3 * case.normal(*shape)
    targets = case.rng.uniform(0.1, 0.9, x.shape)
    return [x, np.asarray(targets)], reduction(case)


def logits_and_number(case):
    """Logits and one target for all of them."""
    shape = case.shape(0, 3)
    x = 3 * case.normal(*shape)
    target = case.of(0.0, 1.0, 0.9)
    return [x], dict(t=target, **reduction(case))


def logits_and_labels(case):
    """Logits (N, classes) and a class for each row."""
    n = case.choose(1, 4)
    classes = case.choose(1, 4)
    x = 2 * case.normal(n, classes)
    labels = case.rng.integers(0, classes, n)
    return [x], dict(labels=labels, **reduction(case))
