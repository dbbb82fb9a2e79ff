"""Inputs for each operation: a function case -> (float64 arrays, options), away from kinks by
construction.

The options go to the operation by name. Shapes, axes and options are drawn; values come from the
case's generator.
"""

import numpy as np
from strategies import convolution, kink_free_bias


def any_shape(values="normal", **options):
    """One tensor of 0 to 3 axes."""
    return lambda case: ([getattr(case, values)(*case.shape(0, 3))], options)


def away_from(*kinks, **options):
    return lambda case: ([case.away(case.shape(0, 3), *kinks)], options)


def broadcast_pair(values="normal", second=None):
    """Two tensors whose shapes broadcast against each other: axes of one stretched or missing."""

    def inputs(case):
        shape = case.shape(0, 3)
        x, y = ([n if case.choose(0, 3) else 1 for n in shape] for _ in range(2))
        x = x[case.choose(0, len(x)) if case.choose(0, 3) == 0 else 0 :]
        y = y[case.choose(0, min(1, len(y))) :]
        return [getattr(case, values)(*x), getattr(case, second or values)(*y)], {}

    return inputs


def reduced(values="normal", least=1):
    """A tensor and the axes to reduce: all, one, or several, with or without keepdim."""

    def inputs(case):
        shape = case.shape(1, 3, least=least)
        dims = [d - len(shape) * case.choose(0, 1) for d in range(len(shape))]
        dim = case.of(
            {}, {"dim": dims[0]}, {"dim": dims[-1]}, {"dim": tuple(dims[:2])}, {"dim": tuple(dims)}
        )
        return [getattr(case, values)(*shape)], {
            **dim,
            **case.of({}, {"keepdim": True} if dim else {}),
        }

    return inputs


def centred(case):
    """A tensor of at least two numbers along each axis, and the axes over which its mean is taken
    out.
    """
    shape = case.shape(1, 3, least=2)
    return [case.normal(*shape)], case.of({}, {"dim": 0}, {"dim": tuple(range(len(shape)))})


def indexed(case):
    """x (3 axes) and an index: ints, slices, new axes, an ellipsis, arrays (with repeats), a
    mask.
    """
    x = case.normal(*case.shape(3, 3, least=2))
    rows = case.rng.integers(-x.shape[0], x.shape[0], (2, 3))
    index = case.of(
        1,
        -1,
        slice(1, None),
        (slice(None, None, 2), 0),
        (..., None, 1),
        (None, slice(0, 1), ..., 1),
        rows,
        (slice(None), rows[0] % x.shape[1]),
        (rows[0], 0, rows[0] % x.shape[2]),
        x > 0,
        (0, x[0] > 0),
    )
    return [x], {"index": index}


def products(case):
    """Two operands of matmul: vectors, matrices, or batches that broadcast."""
    m, k, n, b = (case.choose(1, 3) for _ in range(4))
    x, y = case.of(
        ((m, k), (k, n)),
        ((k,), (k,)),
        ((k,), (k, n)),
        ((m, k), (k,)),
        ((b, m, k), (k, n)),
        ((k,), (b, k, n)),
        ((b, 1, m, k), (2, k, n)),
        ((1, m, k), (b, k, n)),
        ((b, m, k), (k,)),
    )
    return [case.normal(*x), case.normal(*y)], {}


def joined(grows):
    """Three tensors to join along dim; for cat they grow along it."""

    def inputs(case):
        shape = case.shape(1, 3)
        dim = case.choose(-len(shape), len(shape) - 1)
        return [
            case.normal(
                *[n + i * (grows and axis == dim % len(shape)) for axis, n in enumerate(shape)]
            )
            for i in range(3)
        ], {"dim": dim}

    return inputs


def with_bias(convolution):
    """x, weight and sometimes a bias, with the options of a (transposed) convolution."""

    def inputs(case):
        x, w, stride, padding, *extra = convolution(case)
        options = dict(stride=stride, padding=padding)
        options.update(zip(["output_padding"], extra))
        bias = case.normal(w.shape[1 if extra else 0])
        return [x, w, bias][: case.of(2, 3)], options

    return inputs


def weight_gradient(case):
    x, w, stride, padding = convolution(case)
    size = [
        (n + 2 * p - r) // s + 1 for n, p, r, s in zip(x.shape[2:], padding, w.shape[2:], stride)
    ]
    return [x, case.normal(len(x), len(w), *size)], dict(
        kernel_size=w.shape[2:], stride=stride, padding=padding
    )


def linear_layer(case):
    x = case.normal(*case.shape(0, 2), case.choose(1, 4))
    out = case.choose(1, 4)
    return [x, case.normal(out, x.shape[-1]), case.normal(out)][: case.of(2, 3)], {}


def channels(case):
    return [case.normal(*case.shape(2, 4, most=3))], {}


def bias(case):
    (x,), _ = channels(case)
    return [x, case.normal(x.shape[1])], {}


def batch_norm(negative_slope=None, training=True):
    """x (N, C), (N, C, L) or (N, C, H, W), weight and bias (or none), with no output at the kink
    of the activation.
    """

    def inputs(case):
        shape = (case.choose(2, 4), case.choose(1, 3), *case.shape(0, 2, most=3))
        c = shape[1]
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
        weight = case.rng.choice([-1, 1], c) * case.positive(c)
        per_channel = (-1,) + (1,) * (x.ndim - 2)
        normal = (x - mean.reshape(per_channel)) / np.sqrt(var + eps).reshape(per_channel)
        return [
            x,
            weight,
            case.normal(c) if negative_slope is None else kink_free_bias(normal, weight),
        ], options

    return inputs


def affine(negative_slope):
    """x (N, C, ...), and centre, scale and shift per channel, with no output at the kink of the
    activation.
    """

    def inputs(case):
        x = case.normal(*case.shape(2, 4, least=2, most=3))
        c = x.shape[1]
        per_channel = (-1,) + (1,) * (x.ndim - 2)
        centre = case.normal(c)
        scale = case.rng.choice([-1, 1], c) * case.positive(c)
        shift = kink_free_bias(x - centre.reshape(per_channel), scale)
        return [x, centre, scale, shift], dict(negative_slope=negative_slope)

    return inputs


def instance_norm(case):
    n = case.choose(1, 3)
    c = case.choose(1, 3)
    x = case.spread((n, c, case.choose(1, 3), case.choose(2, 4)), (2, 3))
    return [x, case.positive(c), case.normal(c)][: case.of(1, 3)], {}


def layer_norm(case):
    shape = case.shape(1, 2, least=2)
    x = case.spread((*case.shape(1, 2), *shape), tuple(range(-len(shape), 0)))
    return [x, case.positive(*shape), case.normal(*shape)][: case.of(1, 3)], dict(
        normalized_shape=shape
    )


def maxout(case):
    units = case.choose(1, 3)
    pieces = case.choose(1, 4)
    rest = case.shape(0, 2)
    return [case.distinct(case.choose(1, 3), units * pieces, *rest)], dict(pieces=pieces)


def image(case, least=1):
    return case.normal(
        case.choose(1, 2), case.choose(1, 2), case.choose(least, 4), case.choose(least, 5)
    )


def padded(mode):
    """mode "reflect" needs an image larger than the padding."""

    def inputs(case):
        padding = tuple(
            case.choose(0, 2) for _ in range(case.of(4, 2) if mode == "constant" else 4)
        )
        options = {"value": case.of(0.0, 0.5)} if mode == "constant" else {}
        return [image(case, least=3)], dict(padding=padding, mode=mode, **options)

    return inputs


def resized(case):
    size = case.of(
        {"size": (case.choose(1, 7), case.choose(1, 7))},
        {"scale_factor": 2},
        {"scale_factor": (1.5, 2.5)},
        {"size": 4},
    )
    return [image(case, least=2)], dict(**size, mode=case.of("nearest", "bilinear"))


def pixels(case):
    r = case.choose(1, 3)
    n, c, h, w = (case.choose(1, 3) for _ in range(4))
    return [case.normal(n, c * r * r, h, w)], dict(factor=r)


def reduction(case):
    return {"reduction": case.of("mean", "sum", "none")}


def predictions(kinked=False):
    """Predictions and targets of one shape, no two equal where |x - t| has its kink."""

    def inputs(case):
        x = case.normal(*case.shape(1, 3))
        return [x, x - (case.away(x.shape, 0) if kinked else case.normal(*x.shape))], reduction(
            case
        )

    return inputs


def logits_and_targets(case):
    x = 3 * case.normal(*case.shape(0, 3))
    return [x, np.asarray(case.rng.uniform(0.1, 0.9, x.shape))], reduction(case)


def logits_and_number(case):
    return [3 * case.normal(*case.shape(0, 3))], dict(t=case.of(0.0, 1.0, 0.9), **reduction(case))


def logits_and_labels(case):
    x = 2 * case.normal(case.choose(1, 4), case.choose(1, 4))
    return [x], dict(labels=case.rng.integers(0, x.shape[1], len(x)), **reduction(case))


def with_shape(make):
    """One tensor of 1 to 3 axes and options made from the case and its shape."""

    def inputs(case):
        shape = case.shape(1, 3)
        return [case.normal(*shape)], make(case, shape)

    return inputs


def merged(case, shape):
    start = case.choose(0, len(shape) - 1)
    return dict(
        start_dim=start, end_dim=case.choose(start, len(shape) - 1) - len(shape) * case.choose(0, 1)
    )


def swapped(case, shape):
    return dict(zip(("dim0", "dim1"), (case.choose(-len(shape), len(shape) - 1) for _ in range(2))))


def shuffled(case, shape):
    return dict(
        dims=tuple(
            int(d) - len(shape) * case.choose(0, 1) for d in case.rng.permutation(len(shape))
        )
    )


def left_factor(case, shape):
    return dict(array=case.normal(2, shape[-2] if len(shape) > 1 else shape[0]))


def reshaped(case, shape):
    return dict(shape=case.of((-1,), (1, -1), (*shape, 1), (shape[0], -1), shape[::-1]))


def one_axis(case, shape):
    return dict(dim=case.choose(-len(shape), len(shape) - 1))


def expanded(case):
    """Axes of length one stretched, axes put in front, -1 for an axis that stays."""
    shape = case.shape(1, 3)
    ones = [case.of(1, n) for n in shape]
    target = tuple(case.of(n, -1) if n == one else n for n, one in zip(shape, ones))
    return [case.normal(*ones)], dict(shape=case.shape(0, 1) + target)


def slope(case):
    return [case.away(case.shape(0, 3), 0)], dict(negative_slope=case.of(0.2, 0.0, 1.5))


def slope_and_output(case):
    y = case.away(case.shape(0, 3), 0)
    return [case.normal(*y.shape)], dict(y=y, negative_slope=case.of(0.2, 0.0))


def power(case):
    p = case.of(2, 3, 1, 0, -1, 0.5, -1.5)
    shape = case.shape(0, 3)
    return [case.positive(*shape) if p != int(p) else case.away(shape, 0, gap=0.5)], dict(p=p)


def limits(case):
    low, high = case.of((-0.7, 0.6), (None, 0.6), (-0.7, None))
    return [case.away(case.shape(0, 3), -0.7, 0.6)], dict(min=low, max=high)
