"""Transposed convolution into few channels: multiply each pixel first, then add, shifted.

    z[r, s, c, p, q] = Σ_k  w[k, c, r, s]  x[k, p, q]
    y[c, sh p + r - ph, sw q + s - pw] += z[r, s, c, p, q]

The last layer of a generator makes 3 channels out of 64. To gather windows of its input would copy
the 64 channels once for each tap; the products to be added have only 3.

Each thread has rows of the image to itself, and goes through the pixels whose products fall there.
"""

import math
from typing import NamedTuple

import numpy as np

from ..memory_order import PIXELS, in_order
from .im2col import overlap
from .memory import empty, scratch
from .threads import parallel, split, thread_count

_PRODUCTS = 1 << 20  # numbers in z: 4 MB


class Axis(NamedTuple):
    """One axis: the product of pixel p with tap r falls on place stride p + r - padding."""

    pixels: int
    taps: int
    stride: int
    padding: int

    def sources(self, places):
        """The range of pixels that have products in a range of places."""
        last_tap = self.taps - 1
        first = self._pixel_above(places.start - last_tap)
        stop = self._pixel_above(places.stop)
        return overlap(range(first, stop), range(self.pixels))

    def sources_of_tap(self, tap, places):
        """The range of pixels whose products with one tap fall into a range of places."""
        first = self._pixel_above(places.start - tap)
        stop = self._pixel_above(places.stop - tap)
        return overlap(range(first, stop), range(self.pixels))

    def _pixel_above(self, place):
        """The first pixel whose product with tap 0 falls on this place or behind it."""
        padded = place + self.padding
        return math.ceil(padded / self.stride)

    def places(self, pixels, tap):
        """The slice of places on which the products of a range of pixels with a tap fall."""
        start = pixels.start * self.stride + tap - self.padding
        steps = len(pixels) - 1
        stop = start + steps * self.stride + 1
        return slice(start, stop, self.stride)


def conv_transpose2d(x, weight, stride, padding, size):
    """(N, K, P, Q), (K, C, R, S) -> images (N, C, *size)."""
    x = in_order(x, PIXELS)  # (P, Q, N, K)
    p, q, batch, k = x.shape
    _, c, r, s = weight.shape
    down = Axis(p, r, stride[0], padding[0])
    across = Axis(q, s, stride[1], padding[1])
    matrix = weight.transpose(2, 3, 1, 0)  # (R, S, C, K)
    matrix = matrix.reshape(-1, k)
    shape = c, *size, batch
    y = empty(shape, x.dtype)
    products_of_a_row = len(matrix) * q * batch
    step = max(1, _PRODUCTS // products_of_a_row)  # rows of x that are multiplied at once

    def task(rows):
        y[:, rows] = 0
        rows = range(rows.start, rows.stop)
        used = down.sources(rows)
        begin = used.start // step * step  # so that any rows are added in the same order
        for start in range(begin, used.stop, step):
            some = overlap(range(start, start + step), used)
            pixels = x[some.start : some.stop]
            pixels = pixels.reshape(-1, k)
            shape = len(matrix), len(pixels)
            z = scratch("products", shape, x.dtype)
            np.matmul(matrix, pixels.T, out=z)
            z = z.reshape(r, s, c, len(some), q, batch)
            _add_shifted(z, some, y, rows, down, across)

    parallel(task, split(size[0], thread_count()))
    return y.transpose(3, 0, 1, 2)


def _add_shifted(z, pixels, y, rows, down, across):
    """Add z (R, S, C, pixels, Q, N) to those rows of y (C, H, W, N) into which it falls."""
    all_columns = range(y.shape[2])
    for i in range(down.taps):
        of_tap = down.sources_of_tap(i, rows)
        used = overlap(of_tap, pixels)
        to_rows = down.places(used, i)
        first = used.start - pixels.start
        from_rows = slice(first, first + len(used))
        for j in range(across.taps):
            columns = across.sources_of_tap(j, all_columns)
            if used and columns:
                to_columns = across.places(columns, j)
                from_columns = slice(columns.start, columns.stop)
                target = y[:, to_rows, to_columns]
                target += z[i, j, :, from_rows, from_columns]
