"""Batch norm in NumPy: its statistics, its output, and its gradient.

In memory an image batch is (H, W, N, C), so a channel's pixels form a column of one tall matrix
(memory_order.py). Each function goes through that matrix block by block (blocks.py).
"""

import numpy as np

from ..memory_order import as_image, as_rows
from .blocks import blocks_of, for_each_block
from .elementwise import leaky_relu_grad_into, leaky_relu_into
from .memory import empty, scratch
from .threads import parallel

_NEAR = 3  # a mean within this many standard deviations of 0 costs no digits


def batch_norm_statistics(x, weight, bias, running_mean, running_var, momentum, eps):
    """(N, C, ...) -> centre_and_rest (2, C), inv_std, scale, shift (C,).

    centre_and_rest is the mean as two numbers: see reference.py. Where all means are small, the
    centre is 0 and the rest is the mean. With the biased variance

        inv_std = 1 / sqrt(var + eps),  scale = weight inv_std,  shift = bias - rest scale,

    so (x - centre) scale + shift is the normalised x times weight plus bias. The running mean and
    variance change in place, by momentum towards the mean and the unbiased variance.
    weight, bias, running_mean, running_var: (C,) or None.
    """
    mean, rest, var = _moments(as_rows(x))
    if running_mean is not None:
        n = x.size // x.shape[1]
        kept = 1 - momentum
        running_mean[...] = kept * running_mean + momentum * (mean + rest)
        running_var[...] = kept * running_var + momentum * n / (n - 1) * var
    is_near_0 = np.all(np.square(mean) <= _NEAR**2 * var)
    if is_near_0:  # a centre of 0 need not be subtracted
        rest = mean + rest
        mean = np.zeros_like(mean)
    std = np.sqrt(var + eps)
    inv_std = 1 / std
    scale = inv_std if weight is None else weight * inv_std
    shift = -rest * scale if bias is None else bias - rest * scale
    centre_and_rest = np.stack([mean, rest])
    return tuple(a.astype(x.dtype) for a in (centre_and_rest, inv_std, scale, shift))


def _moments(rows):
    """(rows, C) -> float64 (C,) each: the mean rounded to the rows' dtype, its rest, the variance.

    E[x²] - E[x]² would lose every digit of the variance where the mean is large. So each block is
    centred first, and the sum of what is left corrects both moments. The centre need not be the
    block's mean: the mean of every eighth line is at most √7 deviations away, which costs no digit.
    Then Chan et al. (1979) merge the blocks by the distances between their means.
    """
    blocks = blocks_of(rows.shape)
    counts = [block.stop - block.start for block in blocks]
    counts = np.reshape(counts, (-1, 1))  # of each block's rows
    shape = len(blocks), rows.shape[1]
    centres = np.empty(shape, np.float64)
    first = np.empty(shape, np.float64)  # Σ (x - centre)
    second = np.empty(shape, np.float64)  # Σ (x - centre)²

    def add(i):
        block = blocks[i]
        lines = block.lines(rows)
        some = lines[::8]
        centre = block.sums(some) / (len(some) * block.rows_per_line)
        centre = centre.astype(rows.dtype)
        centred = scratch("centred", lines.shape, lines.dtype)
        np.subtract(lines, block.repeat(centre), out=centred)
        centres[i] = centre
        first[i] = block.sums(centred)
        second[i] = block.sums(centred, centred)

    parallel(add, range(len(blocks)))
    origin = centres[0]  # from which means are measured: then a large mean costs no digits
    means = centres - origin + first / counts
    mean = (counts * means).sum(axis=0) / len(rows)
    within = second - np.square(first) / counts
    distances = means - mean
    between = counts * np.square(distances)
    squares = (within + between).sum(axis=0)
    var = np.maximum(squares, 0) / len(rows)
    rounded = (origin + mean).astype(rows.dtype)
    rounded = rounded.astype(np.float64)
    return rounded, origin - rounded + mean, var


def batch_norm_forward(x, centre, scale, shift, negative_slope):
    """(N, C, ...), three (C,) -> act((x - centre[c]) scale[c] + shift[c]).

    A slope of None means no activation, 0 means ReLU. As x scale + shift it would lose the digits
    that a large mean takes up.
    """
    rows = as_rows(x)
    y = empty(rows.shape, rows.dtype)
    is_centred = not centre.any()

    def apply(block):
        lines = block.lines(rows)
        out = block.lines(y)
        if not is_centred:
            lines = np.subtract(lines, block.repeat(centre), out=out)
        np.multiply(lines, block.repeat(scale), out=out)
        out += block.repeat(shift)
        if negative_slope is not None:
            leaky_relu_into(out, out, negative_slope)

    for_each_block(apply, rows)
    return as_image(y, x)


def batch_norm_grad(g, x, y, centre_and_rest, inv_std, weight, negative_slope):
    """The gradient of batch norm in training and its activation: dx, dweight, dbias.

    dx (N, C, ...), the others (C,). With z the normalised x, dz = g act'(y) and averages E over the
    channel,
    dbias = Σ dz, dweight = Σ dz z, dx = weight inv_std (dz - E[dz] - z E[dz z]).
    centre_and_rest: see reference.batch_norm_statistics.
    """
    g = as_rows(g)
    rows = as_rows(x)
    y = None if negative_slope is None else as_rows(y)
    centre, rest = centre_and_rest
    blocks = blocks_of(rows.shape)
    channels = rows.shape[1]
    sums = np.empty((2, len(blocks), channels), np.float64)
    dx = empty(rows.shape, rows.dtype)  # holds dz until the sums are known
    is_centred = not centre.any()

    def reduce(i):
        block = blocks[i]
        dz = block.lines(g)
        if negative_slope is not None:
            dz = leaky_relu_grad_into(block.lines(dx), dz, block.lines(y), negative_slope)
        centred = _centred(block, rows, centre, is_centred)
        sums[0, i] = block.sums(dz)
        sums[1, i] = block.sums(dz, centred)

    def apply(block):
        out = block.lines(dx)
        dz = block.lines(g) if negative_slope is None else out
        np.multiply(dz, block.repeat(a), out=out)
        centred = _centred(block, rows, centre, is_centred)
        x_part = scratch("centred", out.shape, out.dtype)
        np.multiply(centred, block.repeat(b), out=x_part)
        out += x_part
        out += block.repeat(c)

    parallel(reduce, range(len(blocks)))
    dbias, products = sums.sum(axis=1)
    dweight = inv_std * (products - rest * dbias)
    # the last line of the formula as a dz + b (x - centre) + c, with a, b and c per channel
    a = inv_std if weight is None else inv_std * weight
    b = -a * inv_std * dweight / len(rows)
    c = -a * dbias / len(rows) - b * rest
    dtype = x.dtype
    a = a.astype(dtype)
    b = b.astype(dtype)
    c = c.astype(dtype)
    for_each_block(apply, rows)
    dx = as_image(dx, x)
    return dx, dweight.astype(dtype), dbias.astype(dtype)


def _centred(block, rows, centre, is_centred):
    """A block's lines minus the centre of each channel; is_centred: it is 0 everywhere."""
    lines = block.lines(rows)
    if is_centred:
        return lines
    out = scratch("centred", lines.shape, lines.dtype)
    return np.subtract(lines, block.repeat(centre), out=out)
