"""Convolution of every shape as a matrix product: gather each window into a row, then multiply.

    y[p, q, n, k] = Σ_r,s,c  x[sh p + r - ph, sw q + s - pw, n, c]  w[k, c, r, s]

The gathered matrix has a row (r, s, c) for each output pixel (p, q, n). It would be R S times as
large as the image, so it is made and multiplied a few output rows at a time: a block.

In memory, images are (H, W, N, C): see memory_order.py. So a slice of rows or columns is a few long
runs of numbers, and a window of one image row is a run of channels.

The transposed convolution is taken apart by output phase. The outputs h with (h + ph) mod sh = a
meet only the taps r = a, a + sh, ..., so each phase is an ordinary stride-1 convolution, and no
inserted zero is ever multiplied.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..memory_order import PIXELS, TAPS, in_order
from .memory import empty, scratch
from .products import is_long_sum, long_sum
from .threads import parallel, split, thread_count

_BLOCK = 1 << 19  # elements of the gathered matrix per block: 2 MB, one core's second-level cache
_CHANNELS = 8  # their weights are reordered at once: what is read stays in the first-level cache
_THIN = 16  # fewer channels than this are gathered pixel by pixel, not channel by channel


def conv2d(x, weight, stride, padding, size):
    """(N, C, H, W), (K, C, R, S) -> maps (N, K, *size)."""
    y = empty((*size, len(x), len(weight)), x.dtype)  # (P, Q, N, K)
    _correlate(_pixels(x), weight, stride, padding, y)
    return y.transpose(PIXELS)


def conv_transpose2d(x, weight, stride, padding, size):
    """(N, K, P, Q), (K, C, R, S) -> images (N, C, *size): the adjoint of conv2d."""
    c = weight.shape[1]
    y = empty((*size, len(x), c), x.dtype)  # (H, W, N, C)
    pixels = _pixels(x)
    for a in range(stride[0]):
        for b in range(stride[1]):
            _correlate_phase(pixels, weight, stride, padding, y, a, b)
    return y.transpose(PIXELS)


def _correlate_phase(x, weight, stride, padding, y, a, b):
    """The outputs of phase (a, b) of y (H, W, N, C): those that meet only every stride-th tap."""
    sh, sw = stride
    row = (a - padding[0]) % sh  # the first of this phase
    column = (b - padding[1]) % sw
    phase = y[row::sh, column::sw]
    taps = weight.transpose(1, 0, 2, 3)  # (C, K, R, S)
    taps = taps[:, :, a::sh, b::sw]  # (C, K, R / sh, S / sw)
    taps = taps[:, :, ::-1, ::-1]
    if taps.size == 0:  # a stride longer than the kernel leaves gaps
        phase[...] = 0
    elif phase.size:
        r, s = taps.shape[2:]
        top = r - 1 - (row + padding[0]) // sh
        left = s - 1 - (column + padding[1]) // sw
        _correlate(x, taps, (1, 1), (top, left), phase)


def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """(N, C, H, W), (N, K, P, Q) -> (K, C, R, S): the sum over pixels of g times x's window."""
    k = g.shape[1]
    c = x.shape[1]
    windows = Windows(_pixels(x), kernel_size, stride, padding)
    total = _sum_of_products(windows, in_order(g, PIXELS))  # (K, R S C)
    dw = total.reshape(k, *kernel_size, c)
    dw = dw.transpose(0, 3, 1, 2)  # (K, C, R, S)
    return np.ascontiguousarray(dw)


def _pixels(x):
    """(N, C, H, W) -> (H, W, N, C), in this order in memory where it is read along the channels."""
    return x.transpose(PIXELS) if x.shape[1] < _THIN else in_order(x, PIXELS)


class Windows(NamedTuple):
    """The windows that a convolution sees in x."""

    x: np.ndarray  # (H, W, N, C)
    kernel_size: tuple  # (R, S)
    stride: tuple
    offset: tuple  # how many rows above and columns beside x the first window begins


# ---- two matrix products -------------------------------------------------------------------------


def _correlate(x, weight, stride, offset, out):
    """out[p, q, n, k] = Σ x[sh p + r - top, sw q + s - left, n, c] w[k, c, r, s].

    x (H, W, N, C) is zero outside; out (P, Q, N, K) is a view.
    """
    p, q, batch, k = out.shape
    _, c, r, s = weight.shape
    size = r * s * c
    windows = Windows(x, (r, s), stride, offset)
    matrix = _matrix(weight)

    def block(rows):
        gathered = _gather(windows, rows, q)  # (rows Q N, R S C)
        target = out[rows]
        if target.flags.c_contiguous:
            pixels = target.reshape(-1, k)
            np.matmul(gathered, matrix, out=pixels)
        else:  # one phase of a transposed convolution
            product = scratch("product", (len(gathered), k), out.dtype)
            np.matmul(gathered, matrix, out=product)
            target[...] = product.reshape(target.shape)

    elements = p * q * batch * size
    parallel(block, _row_blocks(p, elements, weight.size))


def _matrix(weight):
    """(K, C, R, S) -> (R S C, K), copied so that what is read next lies near what was read last."""
    k, c, r, s = weight.shape
    if weight.strides[0] > weight.strides[1]:
        matrix = weight.transpose(TAPS)  # (K, R, S, C)
        return matrix.reshape(k, -1).T
    matrix = np.empty((r, s, c, k), weight.dtype)
    for some in split(c, math.ceil(c / _CHANNELS)):
        matrix[:, :, some] = weight[:, some].transpose(2, 3, 1, 0)
    return matrix.reshape(-1, k)


def _sum_of_products(windows, g):
    """Σ over pixels of g times window: g (P, Q, N, K) -> (K, R S C).

    Each thread adds up the products of some blocks of rows.
    """
    p, q, batch, k = g.shape
    r, s = windows.kernel_size
    c = windows.x.shape[3]
    size = r * s * c
    elements = p * q * batch * size
    blocks = _row_blocks(p, elements, k * size)
    groups = split(len(blocks), thread_count())
    is_thin = c < _THIN
    shape = (size, k) if is_thin else (k, size)
    sums = empty((len(groups), *shape), g.dtype)

    def accumulate(i):
        first, *others = blocks[groups[i]]
        multiply(first, sums[i])
        for rows in others:
            product = scratch("product", shape, g.dtype)
            multiply(rows, product)
            sums[i] += product

    def multiply(rows, out):
        gathered = _gather(windows, rows, q)  # (rows Q N, R S C), by columns where C is small
        pixels = g[rows].reshape(-1, k)
        if is_thin:
            _multiply(gathered.T, pixels, out)
        else:
            _multiply(pixels.T, gathered, out)

    parallel(accumulate, range(len(groups)))
    total = sums[0]
    for other in sums[1:]:
        total += other
    return total.T if is_thin else total


def _multiply(a, b, out):
    """out = a @ b."""
    if is_long_sum(a, b):
        out[...] = long_sum(a, b)
    else:
        np.matmul(a, b, out=out)


def _row_blocks(rows, elements, of_weight):
    """`rows` output rows in blocks of the gathered matrix's elements, as many for every thread.

    A block has about _BLOCK of them, but no fewer than the weight has, which is read anew for each.
    A small array is one block.
    """
    if elements <= _BLOCK // 16:
        return split(rows, 1)
    size = max(_BLOCK, of_weight)
    threads = thread_count()
    rounds = math.ceil(elements / (size * threads))
    return split(rows, threads * rounds)


# ---- gathering -----------------------------------------------------------------------------------


def _gather(windows, rows, q):
    """The windows of some output rows as a matrix (rows Q N, R S C), zero where they leave x."""
    x = windows.x
    r, s = windows.kernel_size
    sh, sw = windows.stride
    top, left = windows.offset
    batch, c = x.shape[2:]
    count = rows.stop - rows.start
    height = (count - 1) * sh + r
    width = (q - 1) * sw + s
    first = rows.start * sh - top
    patch = crop(x, first, height, -left, width)
    dh, dw, dn, dc = patch.strides
    shape = count, q, batch, r, s, c
    strides = sh * dh, sw * dw, dn, dh, dw, dc
    found = as_strided(patch, shape, strides)  # overlapping windows, not yet copied
    if c < _THIN:  # runs of pixels are longer than runs of channels
        shape = r, s, c, count, q, batch
        gathered = scratch("columns", shape, x.dtype)
        gathered[...] = found.transpose(3, 4, 5, 0, 1, 2)
        return gathered.reshape(r * s * c, -1).T
    gathered = scratch("columns", shape, x.dtype)
    np.copyto(gathered, found)
    return gathered.reshape(-1, r * s * c)


def crop(x, top, height, left, width):
    """x[top : top + height, left : left + width] of x (H, W, N, C), with zeros where it leaves x.

    top and left may be negative.
    """
    batch, c = x.shape[2:]
    bottom = top + height
    right = left + width
    is_inside = min(top, left) >= 0
    is_inside = is_inside and bottom <= len(x) and right <= x.shape[1]
    if c < _THIN:  # in the order in which its windows will be read
        patch = scratch("patch", (c, height, width, batch), x.dtype)
        patch = patch.transpose(1, 2, 3, 0)
    elif is_inside:
        return x[top:bottom, left:right]
    else:
        patch = scratch("patch", (height, width, batch, c), x.dtype)
    patch.fill(0)
    rows = overlap(range(top, bottom), range(len(x)))
    columns = overlap(range(left, right), range(x.shape[1]))
    if rows and columns:
        to_rows = slice(rows.start - top, rows.stop - top)
        to_columns = slice(columns.start - left, columns.stop - left)
        from_rows = slice(rows.start, rows.stop)
        from_columns = slice(columns.start, columns.stop)
        patch[to_rows, to_columns] = x[from_rows, from_columns]
    return patch


def overlap(a, b):
    """What two ranges have in common: a range, perhaps an empty one."""
    start = max(a.start, b.start)
    stop = min(a.stop, b.stop)
    return range(start, stop)
