"""The kernel-backed operations in NumPy: array in, array out, no autograd.

Every one works piece by piece: a piece of the arrays that fits a core's cache goes through all the
steps of a formula before the next piece is touched, and the pieces are shared out between threads.
Memory may lie in any order; images come out as NCHW views of (H, W, N, C) memory, in which a
channel's pixels form a column of one tall matrix.
"""
import math

import numpy as np

from . import im2col, winograd
from .summation import pieces, total
from .threads import empty, parallel, product, scratch, split

# Elements in a piece: half a dozen of them should share a second-level cache, but each NumPy call
# must be long enough (tens of microseconds) that two threads seldom meet at Python's lock.
_PIECE = 1 << 17
_FEW = 1 << 21      # numbers that Adam updates no sooner on two threads than on one
_NEAR = 3           # a mean that is no more standard deviations away from 0 costs no digits
_FEW_ROWS = 1 << 8  # rows of a matrix whose columns one product adds up with little rounding


# ---- convolution ---------------------------------------------------------------------------------------------------

def conv2d(x, weight, stride, padding):
    """(N, C, H, W), (K, C, R, S) -> (N, K, P, Q): y[k, p] = Σ_c,r x[c, s p + r - padding] w[k, c, r]."""
    if winograd.applies(weight.shape, stride, padding, x.shape[2:]):
        return winograd.conv2d(x, weight)
    return im2col.conv2d(x, weight, stride, padding)


def conv_transpose2d(x, weight, stride, padding, output_padding):
    """(N, K, P, Q), (K, C, R, S) -> (N, C, H, W): the adjoint of conv2d, so also its input gradient."""
    if output_padding == (0, 0) and winograd.applies(weight.shape, stride, padding, [2 * n for n in x.shape[2:]]):
        return winograd.conv_transpose2d(x, weight)
    return im2col.conv_transpose2d(x, weight, stride, padding, output_padding)


def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """(N, C, H, W), (N, K, P, Q) -> (K, C, R, S): the gradient of conv2d with respect to its weight."""
    shape = (g.shape[1], x.shape[1], *kernel_size)
    if winograd.applies(shape, stride, padding, x.shape[2:]):
        return winograd.conv2d_weight_grad(x, g)
    return im2col.conv2d_weight_grad(x, g, kernel_size, stride, padding)


# ---- channels ------------------------------------------------------------------------------------------------------

def channel_sum(g):
    """(N, C, ...) -> (C,): the sum over all axes but the channels'; the gradient of a bias."""
    if g.ndim == 2 and len(g) <= _FEW_ROWS:         # of a network of products
        return product(np.ones((1, len(g)), g.dtype), g)[0]
    rows = _rows(g)
    parts = pieces(rows.shape, _PIECE)
    sums = np.zeros((len(parts), rows.shape[1]), np.float64)

    def add(i):
        sums[i] = parts[i].sums(parts[i].lines(rows))

    parallel(add, range(len(parts)))
    return sums.sum(axis=0).astype(g.dtype)


def add_bias(x, bias):
    """(N, C, ...), (C,) -> x + bias, each channel its own."""
    rows = _rows(x)
    y = empty(rows.shape, rows.dtype)
    _by_lines(lambda piece: np.add(piece.lines(rows), piece.repeat(bias), out=piece.lines(y)), rows)
    return _image(y, x)


def batch_norm_statistics(x, weight, bias, running_mean, running_var, momentum, eps):
    """(N, C, ...) -> mean (2, C), inv_std, scale, shift (C,); takes the running ones a step on.

    The mean is the sum of two numbers, centre and rest: mostly its nearest in x's dtype and what
    that rounding left over; where the means are small, 0 and the mean. With the biased variance

        inv_std = 1 / sqrt(var + eps),  scale = weight inv_std,  shift = bias - rest scale,

    so (x - centre) scale + shift is the normalised x times weight plus bias. The running mean and
    variance change in place, by momentum towards the mean and the unbiased variance.
    weight, bias, running_mean, running_var: (C,) or None.
    """
    mean, rest, var = _moments(_rows(x))
    if running_mean is not None:
        n = x.size // x.shape[1]
        running_mean[...] = (1 - momentum) * running_mean + momentum * (mean + rest)
        running_var[...] = (1 - momentum) * running_var + momentum * n / (n - 1) * var
    if np.all(np.square(mean) <= _NEAR ** 2 * var):     # a centre of 0 need not be subtracted
        mean, rest = np.zeros_like(mean), mean + rest
    inv_std = 1 / np.sqrt(var + eps)
    scale = inv_std if weight is None else weight * inv_std
    shift = -rest * scale if bias is None else bias - rest * scale
    pair = np.stack([mean, rest]).astype(x.dtype)
    return pair, inv_std.astype(x.dtype), scale.astype(x.dtype), shift.astype(x.dtype)


def _moments(rows):
    """(rows, C) -> float64 (C,) each: the mean rounded to the rows' dtype, its rest, the variance.

    E[x²] - E[x]² would lose every digit of the variance where the mean is large. So each piece is
    centred first, and the sum of what is left corrects both moments. A centre need not be the
    piece's mean: that of every eighth line is at most √7 deviations away, which costs no digit.
    Then Chan et al. (1979) merge the pieces by the distances between their means.
    """
    parts = pieces(rows.shape, _PIECE)
    counts = np.array([[part.stop - part.start] for part in parts])
    centres, first, second = (np.empty((len(parts), rows.shape[1]), np.float64) for _ in range(3))

    def add(i):
        piece = parts[i]
        lines = piece.lines(rows)
        some = lines[::8]
        centre = (piece.sums(some) / (len(some) * piece.many)).astype(rows.dtype)
        centred = scratch("centred", lines.shape, lines.dtype)
        np.subtract(lines, piece.repeat(centre), out=centred)
        centres[i] = centre
        first[i] = piece.sums(centred)
        second[i] = piece.sums(centred, centred)

    parallel(add, range(len(parts)))
    origin = centres[0]         # from which means are measured: then a large mean costs no digits
    means = centres - origin + first / counts
    mean = (counts * means).sum(axis=0) / len(rows)
    squares = second - np.square(first) / counts + counts * np.square(means - mean)
    var = np.maximum(squares.sum(axis=0), 0) / len(rows)
    rounded = (origin + mean).astype(rows.dtype).astype(np.float64)
    return rounded, origin - rounded + mean, var


def batch_norm_forward(x, centre, scale, shift, negative_slope):
    """(N, C, ...), three (C,) -> act((x - centre[c]) scale[c] + shift[c]).

    A slope of None is no activation, 0 is ReLU. As x scale + shift it would lose the digits that a
    large mean takes up.
    """
    rows = _rows(x)
    y = empty(rows.shape, rows.dtype)
    is_centred = not centre.any()

    def apply(piece):
        lines, out = piece.lines(rows), piece.lines(y)
        if not is_centred:
            lines = np.subtract(lines, piece.repeat(centre), out=out)
        np.multiply(lines, piece.repeat(scale), out=out)
        out += piece.repeat(shift)
        if negative_slope is not None:
            _leaky_relu(out, negative_slope, out)

    _by_lines(apply, rows)
    return _image(y, x)


def batch_norm_grad(g, x, y, mean, inv_std, weight, negative_slope):
    """The gradient of batch norm in training and its activation: dx (N, C, ...), dweight, dbias (C,).

    With z the normalised x, dz = g act'(y) and averages E over the channel,
    dbias = Σ dz, dweight = Σ dz z, dx = weight inv_std (dz - E[dz] - z E[dz z]).
    mean (2, C): see batch_norm_statistics.
    """
    g, rows = _rows(g), _rows(x)
    y = None if negative_slope is None else _rows(y)
    centre, rest = mean
    parts = pieces(rows.shape, _PIECE)
    sums = np.empty((2, len(parts), rows.shape[1]), np.float64)
    dx = empty(rows.shape, rows.dtype)
    is_centred = not centre.any()

    def centred(piece):
        lines = piece.lines(rows)
        if is_centred:
            return lines
        out = scratch("centred", lines.shape, lines.dtype)
        return np.subtract(lines, piece.repeat(centre), out=out)

    def reduce(i):
        piece = parts[i]
        dz = piece.lines(g)
        if negative_slope is not None:
            dz = _leaky_relu_grad(dz, piece.lines(y), negative_slope, piece.lines(dx))
        sums[0, i] = piece.sums(dz)
        sums[1, i] = piece.sums(dz, centred(piece))

    def apply(piece):
        out = piece.lines(dx)
        dz = piece.lines(g) if negative_slope is None else out
        np.multiply(dz, piece.repeat(a), out=out)
        x_part = scratch("centred", out.shape, out.dtype)
        np.multiply(centred(piece), piece.repeat(b), out=x_part)
        out += x_part
        out += piece.repeat(c)

    parallel(reduce, range(len(parts)))
    dbias, products = sums.sum(axis=1)
    dweight = inv_std * (products - rest * dbias)
    # the last line of the formula as a dz + b (x - centre) + c, with a, b and c per channel
    a = inv_std if weight is None else inv_std * weight
    b = -a * inv_std * dweight / len(rows)
    c = -a * dbias / len(rows) - b * rest
    a, b, c, dweight, dbias = (v.astype(x.dtype) for v in (a, b, c, dweight, dbias))
    _by_lines(apply, rows)
    return _image(dx, x), dweight, dbias


def _rows(x):
    """(N, C, ...) as a matrix with a column per channel; a copy only where memory lies in another order."""
    return np.ascontiguousarray(x.transpose(*range(2, x.ndim), 0, 1)).reshape(-1, x.shape[1])


def _image(rows, x):
    """The inverse of _rows, in the shape of x."""
    return rows.reshape(x.shape[2:] + x.shape[:2]).transpose(x.ndim - 2, x.ndim - 1, *range(x.ndim - 2))


def _by_lines(task, rows):
    """Call task(piece) for the Pieces of a matrix."""
    parts = pieces(rows.shape, _PIECE)
    if rows.size <= _PIECE:             # a small array is not worth setting BLAS's threads
        for piece in parts:
            task(piece)
    else:
        parallel(task, parts)


# ---- elementwise ---------------------------------------------------------------------------------------------------

def leaky_relu(x, negative_slope):
    """x where x > 0, else negative_slope x. Any shape, negative_slope >= 0."""
    (x,), restore = _flatten(x)
    y = empty(x.shape, x.dtype)
    _by_slices(lambda piece: _leaky_relu(x[piece], negative_slope, y[piece]), x)
    return restore(y)


def leaky_relu_grad(g, y, negative_slope):
    """g where y > 0, else negative_slope g: at the kink the slope is the negative side's, as in PyTorch."""
    (y, g), restore = _flatten(y, g)
    dx = empty(y.shape, y.dtype)
    _by_slices(lambda piece: _leaky_relu_grad(g[piece], y[piece], negative_slope, dx[piece]), y)
    return restore(dx)


def _leaky_relu(x, slope, out):
    if slope == 0:
        return np.maximum(x, 0, out=out)            # not 0 x, which is NaN at infinity
    with np.errstate(over="ignore"):
        scaled = np.multiply(x, x.dtype.type(slope), out=scratch("scaled", x.shape, x.dtype) if out is x else out)
    return (np.maximum if slope <= 1 else np.minimum)(x, scaled, out=out)


def _leaky_relu_grad(g, y, slope, out):
    positive = np.greater(y, 0, out=scratch("positive", y.shape, bool))
    if slope > 1:
        return np.multiply(g, np.where(positive, y.dtype.type(1), y.dtype.type(slope)), out=out)
    # Arithmetic, which takes a tenth of np.where's time; (1 - slope) + slope rounds to 1 exactly,
    # for no error of 1 - slope is more than half the distance from 1 to its neighbours.
    factor = np.multiply(positive, y.dtype.type(1) - y.dtype.type(slope), out=scratch("factor", y.shape, y.dtype))
    factor += y.dtype.type(slope)
    return np.multiply(g, factor, out=out)


def _by_slices(task, vector):
    """Call task(slice) for the slices of a vector."""
    if vector.size <= _PIECE:
        task(slice(0, len(vector)))
    else:
        parallel(task, _slices(vector))


def _slices(vector):
    return split(len(vector), -(-vector.size // _PIECE))


def _flatten(first, *others):
    """All arrays as vectors in the order in which the first lies in memory, and the way back for a result."""
    if first.flags.forc:
        way = "C" if first.flags.c_contiguous else "F"
        return [a.ravel(way) for a in (first, *others)], lambda vector: vector.reshape(first.shape, order=way)
    order = sorted(range(first.ndim), key=lambda axis: -abs(first.strides[axis]))
    turned = [a.transpose(order) for a in (first, *others)]
    inverse = np.argsort(order) if order else ()
    return ([np.ascontiguousarray(a).reshape(-1) for a in turned],
            lambda vector: vector.reshape(turned[0].shape).transpose(inverse))


# ---- loss and optimiser --------------------------------------------------------------------------------------------

def bce_with_logits(x, target, reduction):
    """max(x, 0) - x t + log(1 + exp(-|x|)), for each element or their "sum" or "mean"."""
    zero = x.dtype.type(0)      # before NumPy 2 a 0-d float32 array and a Python 0 make float64
    target = _in_dtype_of(x, target)
    value = np.maximum(x, zero) - x * target
    value += np.log1p(np.exp(-np.abs(x)))
    if reduction == "none":
        return value
    summed = total(value)
    return np.asarray(summed if reduction == "sum" else summed / x.dtype.type(x.size))


def bce_with_logits_grad(x, target, g, reduction):
    """(sigmoid(x) - t) g, over the number of elements for "mean"."""
    one = x.dtype.type(1)
    small = np.exp(-np.abs(x))
    sigmoid = np.where(x >= 0, one, small) / (one + small)
    sigmoid -= _in_dtype_of(x, target)
    sigmoid *= g / x.dtype.type(x.size) if reduction == "mean" else g
    return sigmoid


def _in_dtype_of(x, target):
    """The target as it is, or a number in x's dtype."""
    return x.dtype.type(target) if np.ndim(target) == 0 else target


def adam(params, grads, exp_avgs, exp_avg_sqs, step, lr, betas, eps, weight_decay):
    """One Adam step (Kingma and Ba 2015) on lists of arrays, in place; step counts from 1.

    m = β1 m + (1 - β1) g, v = β2 v + (1 - β2) g², p -= lr m / (1 - β1ᵗ) / (√v / √(1 - β2ᵗ) + eps),
    with weight_decay p added to g first.
    """
    root = math.sqrt(1 - betas[1] ** step)
    rates = 1 - betas[0], betas[1], eps * root, lr * root / (1 - betas[0] ** step), weight_decay
    todo = []
    for arrays in zip(params, grads, exp_avgs, exp_avg_sqs):
        (p, g, m, v), _ = _flatten(*arrays)
        if all(np.may_share_memory(vector, arrays[i]) for i, vector in ((0, p), (2, m), (3, v))):
            todo += [(p[piece], g[piece], m[piece], v[piece]) for piece in _slices(p)]
        else:               # a view with gaps, or state in another order: a copy would not be in place
            todo.append(arrays)
    if sum(p.size for p, *_ in todo) < _FEW:
        for arrays in todo:
            _adam(*arrays, *rates)
    else:
        parallel(lambda arrays: _adam(*arrays, *rates), todo)


def _adam(p, g, m, v, rate1, beta2, eps, lr, weight_decay):
    a = scratch("adam", p.shape, p.dtype)
    if weight_decay:
        g = g + weight_decay * p
    np.multiply(g, rate1, out=a)
    m *= 1 - rate1
    m += a
    a *= a                              # (rate1 g)²: in place, which is half the traffic of g² anew
    a *= (1 - beta2) / rate1 ** 2
    v *= beta2
    v += a
    np.sqrt(v, out=a)
    a += eps
    np.divide(m, a, out=a)
    a *= lr
    p -= a
