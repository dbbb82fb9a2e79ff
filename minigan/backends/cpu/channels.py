"""Operations per channel in NumPy: sums, biases and batch norm.

Images come out as NCHW views of (H, W, N, C) memory, in which a channel's pixels form a column of
one tall matrix. Every operation works piece by piece: a piece that fits a core's cache goes
through all the steps of a formula before the next piece is touched, and the pieces are shared out
between threads.
"""

import numpy as np

from ..summation import pieces
from . import threads
from .elementwise import _leaky_relu, _leaky_relu_grad
from .memory import empty, scratch
from .products import matmul
from .threads import parallel

_NEAR = 3  # a mean that is no more standard deviations away from 0 costs no digits
_FEW_ROWS = 1 << 8  # rows of a matrix whose columns one product adds up with little rounding


def channel_sum(g):
    """(N, C, ...) -> (C,): the sum over all axes but the channels'; the gradient of a bias."""
    if g.ndim == 2 and len(g) <= _FEW_ROWS:  # a perceptron's bias: one matrix product is fastest
        ones = np.ones((1, len(g)), g.dtype)
        sums = matmul(ones, g)
        return sums[0]
    rows = _rows(g)
    parts = pieces(rows.shape, threads.PIECE)
    sums = np.zeros((len(parts), rows.shape[1]), np.float64)

    def add(i):
        piece = parts[i]
        sums[i] = piece.sums(piece.lines(rows))

    parallel(add, range(len(parts)))
    return sums.sum(axis=0).astype(g.dtype)


def add_bias(x, bias):
    """(N, C, ...), (C,) -> x + bias, each channel its own."""
    rows = _rows(x)
    y = empty(rows.shape, rows.dtype)

    def add(piece):
        np.add(
            piece.lines(rows),
            piece.repeat(bias),
            out=piece.lines(y),
        )

    _by_lines(add, rows)
    return _image(y, x)


def batch_norm_statistics(x, weight, bias, running_mean, running_var, momentum, eps):
    """(N, C, ...) -> mean (2, C), inv_std, scale, shift (C,); updates the running statistics.

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
        unbiased = momentum * n / (n - 1) * var
        running_var[...] = (1 - momentum) * running_var + unbiased
    is_near_0 = np.all(np.square(mean) <= _NEAR**2 * var)
    if is_near_0:  # a centre of 0 need not be subtracted
        rest = mean + rest
        mean = np.zeros_like(mean)
    inv_std = 1 / np.sqrt(var + eps)
    scale = inv_std if weight is None else weight * inv_std
    shift = -rest * scale if bias is None else bias - rest * scale
    parts = np.stack([mean, rest])
    return tuple(a.astype(x.dtype) for a in (parts, inv_std, scale, shift))


def _moments(rows):
    """(rows, C) -> float64 (C,) each: the mean rounded to the rows' dtype, its rest, the variance.

    E[x²] - E[x]² would lose every digit of the variance where the mean is large. So each piece is
    centred first, and the sum of what is left corrects both moments. A centre need not be the
    piece's mean: that of every eighth line is at most √7 deviations away, which costs no digit.
    Then Chan et al. (1979) merge the pieces by the distances between their means.
    """
    parts = pieces(rows.shape, threads.PIECE)
    counts = np.array([[part.stop - part.start] for part in parts])
    shape = len(parts), rows.shape[1]
    centres = np.empty(shape, np.float64)
    first = np.empty(shape, np.float64)  # the sum of what is left
    second = np.empty(shape, np.float64)  # and of its squares

    def add(i):
        piece = parts[i]
        lines = piece.lines(rows)
        some = lines[::8]
        centre = piece.sums(some) / (len(some) * piece.many)
        centre = centre.astype(rows.dtype)
        centred = scratch("centred", lines.shape, lines.dtype)
        np.subtract(lines, piece.repeat(centre), out=centred)
        centres[i] = centre
        first[i] = piece.sums(centred)
        second[i] = piece.sums(centred, centred)

    parallel(add, range(len(parts)))
    origin = centres[0]  # from which means are measured: then a large mean costs no digits
    means = centres - origin + first / counts
    mean = (counts * means).sum(axis=0) / len(rows)
    within = second - np.square(first) / counts
    between = counts * np.square(means - mean)
    squares = (within + between).sum(axis=0)
    var = np.maximum(squares, 0) / len(rows)
    rounded = (origin + mean).astype(rows.dtype)
    rounded = rounded.astype(np.float64)
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
        lines = piece.lines(rows)
        out = piece.lines(y)
        if not is_centred:
            lines = np.subtract(lines, piece.repeat(centre), out=out)
        np.multiply(lines, piece.repeat(scale), out=out)
        out += piece.repeat(shift)
        if negative_slope is not None:
            _leaky_relu(out, negative_slope, out)

    _by_lines(apply, rows)
    return _image(y, x)


def batch_norm_grad(g, x, y, mean, inv_std, weight, negative_slope):
    """The gradient of batch norm in training and its activation: dx, dweight, dbias.

    dx (N, C, ...), the others (C,). With z the normalised x, dz = g act'(y) and averages E over the
    channel,
    dbias = Σ dz, dweight = Σ dz z, dx = weight inv_std (dz - E[dz] - z E[dz z]).
    mean (2, C): see batch_norm_statistics.
    """
    g = _rows(g)
    rows = _rows(x)
    y = None if negative_slope is None else _rows(y)
    centre, rest = mean
    parts = pieces(rows.shape, threads.PIECE)
    sums = np.empty((2, len(parts), rows.shape[1]), np.float64)
    dx = empty(rows.shape, rows.dtype)
    is_centred = not centre.any()

    def reduce(i):
        piece = parts[i]
        dz = piece.lines(g)
        if negative_slope is not None:
            room = piece.lines(dx)
            dz = _leaky_relu_grad(dz, piece.lines(y), negative_slope, room)
        centred = _centred(piece, rows, centre, is_centred)
        sums[0, i] = piece.sums(dz)
        sums[1, i] = piece.sums(dz, centred)

    def apply(piece):
        out = piece.lines(dx)
        dz = piece.lines(g) if negative_slope is None else out
        np.multiply(dz, piece.repeat(a), out=out)
        centred = _centred(piece, rows, centre, is_centred)
        x_part = scratch("centred", out.shape, out.dtype)
        np.multiply(centred, piece.repeat(b), out=x_part)
        out += x_part
        out += piece.repeat(c)

    parallel(reduce, range(len(parts)))
    dbias, products = sums.sum(axis=1)
    dweight = inv_std * (products - rest * dbias)
    # the last line of the formula as a dz + b (x - centre) + c, with a, b and c per channel
    a = inv_std if weight is None else inv_std * weight
    b = -a * inv_std * dweight / len(rows)
    c = -a * dbias / len(rows) - b * rest
    a = a.astype(x.dtype)
    b = b.astype(x.dtype)
    c = c.astype(x.dtype)
    _by_lines(apply, rows)
    return _image(dx, x), dweight.astype(x.dtype), dbias.astype(x.dtype)


def _centred(piece, rows, centre, is_centred):
    """A piece's lines minus the centre of each channel; is_centred: it is 0 everywhere."""
    lines = piece.lines(rows)
    if is_centred:
        return lines
    out = scratch("centred", lines.shape, lines.dtype)
    np.subtract(
        lines,
        piece.repeat(centre),
        out=out,
    )
    return out


def _rows(x):
    """(N, C, ...) as a matrix with a column per channel.

    It is a copy only if the memory has another order.
    """
    inner = x.transpose(*range(2, x.ndim), 0, 1)  # (..., N, C)
    return np.ascontiguousarray(inner).reshape(-1, x.shape[1])


def _image(rows, x):
    """The inverse of _rows, in the shape of x."""
    inner = rows.reshape(x.shape[2:] + x.shape[:2])  # (..., N, C)
    pixels = x.ndim - 2
    return inner.transpose(pixels, pixels + 1, *range(pixels))


def _by_lines(task, rows):
    """Call task(piece) for the Pieces of a matrix."""
    parts = pieces(rows.shape, threads.PIECE)
    if rows.size <= threads.PIECE:  # a small array is not worth setting BLAS's threads
        for piece in parts:
            task(piece)
    else:
        parallel(task, parts)
