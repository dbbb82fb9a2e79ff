"""Inputs for operations on numbers, shapes and matrices: away from kinks by construction.

Each is a function case -> (float64 arrays, options), and the options go to the operation by name.
Shapes, axes and options are drawn; values come from the case's generator. What convolutions,
norms and losses take is in inputs_of_layers.py.
"""


def any_shape(values="normal", **options):
    """One tensor of 0 to 3 axes. values: a method of the case."""

    def inputs(case):
        draw = getattr(case, values)
        shape = case.shape(0, 3)
        return [draw(*shape)], options

    return inputs


def away_from(*kinks, **options):
    """One tensor of 0 to 3 axes with no number near a kink."""

    def inputs(case):
        shape = case.shape(0, 3)
        return [case.away(shape, *kinks)], options

    return inputs


def broadcast_pair(values="normal", second=None):
    """Two tensors whose shapes broadcast against each other: axes of one stretched or missing."""

    def stretched(case, shape):
        return [n if case.choose(0, 3) else 1 for n in shape]

    def inputs(case):
        shape = case.shape(0, 3)
        x_shape = stretched(case, shape)
        y_shape = stretched(case, shape)
        if case.choose(0, 3) == 0:
            missing = case.choose(0, len(shape))
            x_shape = x_shape[missing:]
        missing = case.choose(0, min(1, len(shape)))
        y_shape = y_shape[missing:]
        x = getattr(case, values)(*x_shape)
        y = getattr(case, second or values)(*y_shape)
        return [x, y], {}

    return inputs


def power(case):
    """x and a number p: away from 0, and positive where p is a fraction."""
    p = case.of(2, 3, 1, 0, -1, 0.5, -1.5)
    shape = case.shape(0, 3)
    if p == int(p):
        x = case.away(shape, 0, gap=0.5)
    else:
        x = case.positive(*shape)
    return [x], dict(p=p)


def limits(case):
    """x, and the two bounds of clamp, or one of them."""
    low, high = case.of((-0.7, 0.6), (None, 0.6), (-0.7, None))
    shape = case.shape(0, 3)
    return [case.away(shape, -0.7, 0.6)], dict(min=low, max=high)


def slope(case):
    """x, and the slope of a LeakyReLU."""
    x = case.away(case.shape(0, 3), 0)
    return [x], dict(negative_slope=case.of(0.2, 0.0, 1.5))


def slope_and_output(case):
    """A gradient, the output y of a LeakyReLU, which is a constant, and its slope."""
    y = case.away(case.shape(0, 3), 0)
    g = case.normal(*y.shape)
    return [g], dict(y=y, negative_slope=case.of(0.2, 0.0))


# ---- reductions ----------------------------------------------------------------------------------


def reduced(values="normal", least=1):
    """A tensor and the axes to reduce: all, one, or several, with or without keepdim."""

    def inputs(case):
        shape = case.shape(1, 3, least=least)
        ndim = len(shape)
        dims = [axis - ndim * case.choose(0, 1) for axis in range(ndim)]
        options = case.of(
            {},
            {"dim": dims[0]},
            {"dim": dims[-1]},
            {"dim": tuple(dims[:2])},
            {"dim": tuple(dims)},
        )
        keeps = case.flip()
        if options and keeps:
            options = {**options, "keepdim": True}
        x = getattr(case, values)(*shape)
        return [x], options

    return inputs


def centred(case):
    """A tensor with at least two numbers along each axis, and the axes of the mean."""
    shape = case.shape(1, 3, least=2)
    every_axis = tuple(range(len(shape)))
    options = case.of({}, {"dim": 0}, {"dim": every_axis})
    return [case.normal(*shape)], options


# ---- shapes --------------------------------------------------------------------------------------


def with_shape(make):
    """One tensor of 1 to 3 axes, and options that make(case, shape) draws."""

    def inputs(case):
        shape = case.shape(1, 3)
        x = case.normal(*shape)
        return [x], make(case, shape)

    return inputs


def reshaped(case, shape):
    """Another shape for the same numbers."""
    return dict(shape=case.of((-1,), (1, -1), (*shape, 1), (shape[0], -1), shape[::-1]))


def merged(case, shape):
    """The first and the last axis to flatten; the last may count from behind."""
    ndim = len(shape)
    start = case.choose(0, ndim - 1)
    end = case.choose(start, ndim - 1)
    if case.flip():
        end -= ndim
    return dict(start_dim=start, end_dim=end)


def swapped(case, shape):
    """Two axes to transpose."""
    ndim = len(shape)
    first, second = case.numbers(2, -ndim, ndim - 1)
    return dict(dim0=first, dim1=second)


def shuffled(case, shape):
    """All axes in another order; some count from behind."""
    ndim = len(shape)
    order = case.rng.permutation(ndim)
    dims = tuple(int(axis) - ndim * case.choose(0, 1) for axis in order)
    return dict(dims=dims)


def one_axis(case, shape):
    """One of the axes."""
    ndim = len(shape)
    return dict(dim=case.choose(-ndim, ndim - 1))


def expanded(case):
    """Axes of length one stretched, axes put in front, -1 for an axis that stays."""
    shape = case.shape(1, 3)
    before = [case.of(1, n) for n in shape]
    after = []
    for n, old in zip(shape, before):
        stays = n == old
        after.append(case.of(n, -1) if stays else n)
    in_front = case.shape(0, 1)
    return [case.normal(*before)], dict(shape=(*in_front, *after))


def joined(grows):
    """Three tensors to join along dim. For cat they grow along it."""

    def inputs(case):
        shape = case.shape(1, 3)
        ndim = len(shape)
        dim = case.choose(-ndim, ndim - 1)
        tensors = []
        for i in range(3):
            sizes = list(shape)
            if grows:
                sizes[dim] += i
            tensors.append(case.normal(*sizes))
        return tensors, {"dim": dim}

    return inputs


def indexed(case):
    """x (3 axes) and an index.

    The index is made of ints, slices, new axes, an ellipsis, arrays with repeated positions, or a
    mask.
    """
    shape = case.shape(3, 3, least=2)
    x = case.normal(*shape)
    rows = case.rng.integers(-shape[0], shape[0], (2, 3))
    columns = rows[0] % shape[1]
    depths = rows[0] % shape[2]
    index = case.of(
        1,
        -1,
        slice(1, None),
        (slice(None, None, 2), 0),
        (..., None, 1),
        (None, slice(0, 1), ..., 1),
        rows,
        (slice(None), columns),
        (rows[0], 0, depths),
        x > 0,
        (0, x[0] > 0),
    )
    return [x], {"index": index}


# ---- matrices ------------------------------------------------------------------------------------


def products(case):
    """Two operands of matmul: vectors, matrices, or batches that broadcast."""
    m, k, n, b = case.numbers(4, 1, 3)
    x_shape, y_shape = case.of(
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
    return [case.normal(*x_shape), case.normal(*y_shape)], {}


def left_factor(case, shape):
    """An array that is multiplied with the tensor from the left."""
    k = shape[-2] if len(shape) > 1 else shape[0]
    return dict(array=case.normal(2, k))


def linear_layer(case):
    """x (..., in), weight (out, in) and sometimes a bias (out,)."""
    in_front = case.shape(0, 2)
    features = case.choose(1, 4)
    out = case.choose(1, 4)
    x = case.normal(*in_front, features)
    weight = case.normal(out, features)
    bias = case.normal(out)
    count = case.of(2, 3)
    return [x, weight, bias][:count], {}
