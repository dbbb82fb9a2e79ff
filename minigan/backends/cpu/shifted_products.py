"""Transposed convolution into few channels: multiply each pixel first, then add, shifted.

    z[r, s, c, p, q] = Σ_k  w[k, c, r, s]  x[k, p, q]
    y[c, sh p + r - ph, sw q + s - pw] += z[r, s, c, p, q]

The last layer of a generator makes 3 channels out of 64. To gather windows of its input would copy
the 64 channels once for each tap; the products to be added have only 3.
"""

import math

import numpy as np

from ..memory_order import PIXELS, in_order
from .memory import empty, scratch
from .threads import parallel, split, thread_count

_PRODUCTS = 1 << 20  # numbers in z: 4 MB


def conv_transpose2d(x, weight, stride, padding, size):
    """(N, K, P, Q), (K, C, R, S) -> images (N, C, *size)."""
    x = in_order(x, PIXELS)  # (P, Q, N, K)
    p, q, batch, k = x.shape
    _, c, r, s = weight.shape
    taps = r * s * c
    height, width = size
    sh, sw = stride
    ph, pw = padding
    matrix = weight.transpose(2, 3, 1, 0)  # (R, S, C, K)
    matrix = matrix.reshape(taps, k)
    y = empty((c, height, width, batch), x.dtype)
    all_columns = range(width)
    columns = [_sources(all_columns, j, sw, pw, 1, q) for j in range(s)]
    to_columns = [_places(columns[j], j, sw, pw) for j in range(s)]
    step = max(1, _PRODUCTS // (taps * q * batch))  # rows of x that are multiplied at once

    def block(rows):
        """Some rows of y, to which nobody else writes."""
        y[:, rows.start : rows.stop] = 0
        first, last = _sources(rows, 0, sh, ph, r, p)
        begin = first // step * step  # so that the order of the sums is the same for any rows
        for start in range(begin, last, step):
            add_products(rows, max(start, first), min(start + step, last))

    def add_products(rows, first, last):
        """Add the products of rows first..last of x that fall into these rows of y."""
        pixels = x[first:last].reshape(-1, k)
        z = scratch("products", (taps, len(pixels)), x.dtype)
        np.matmul(matrix, pixels.T, out=z)
        z = z.reshape(r, s, c, last - first, q, batch)
        for i in range(r):
            low, high = _sources(rows, i, sh, ph, 1, p)
            down = max(low, first), min(high, last)
            if _is_empty(down):
                continue
            to_rows = _places(down, i, sh, ph)
            from_rows = slice(down[0] - first, down[1] - first)
            for j in range(s):
                if _is_empty(columns[j]):
                    continue
                from_columns = slice(*columns[j])
                target = y[:, to_rows, to_columns[j]]
                target += z[i, j, :, from_rows, from_columns]

    parallel(block, split(height, thread_count()))
    return y.transpose(3, 0, 1, 2)


def _sources(rows, tap, stride, padding, taps, count):
    """The range of p in [0, count) whose products with some of the taps fall into `rows`.

    A product with tap r falls into row stride p + r - padding; the taps are tap, tap + 1, ...
    """
    low = rows.start + padding - tap - taps + 1
    high = rows.stop - 1 + padding - tap
    first = math.ceil(low / stride)
    last = high // stride + 1
    return max(0, first), min(count, last)


def _is_empty(sources):
    first, last = sources
    return first >= last


def _places(sources, tap, stride, padding):
    """Where the products of pixels p0..p1 with a tap belong: stride p + tap - padding."""
    p0, p1 = sources
    start = p0 * stride + tap - padding
    length = (p1 - p0 - 1) * stride + 1
    return slice(start, start + length, stride)
