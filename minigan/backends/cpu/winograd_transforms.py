"""The matrices A, B and G of Winograd's algorithm, and their transposes, applied to images.

    y = A [(B s) * (G w)]     A = |1 1 0|      B = |1 -1 0|      G = |1 0|
                                  |0 1 1|          |0  1 0|          |1 1|
                                                   |0 -1 1|          |0 1|

winograd.py derives the formula. All coefficients are 0 and ±1, so each function only adds and
subtracts neighbours: first down the rows, then along the columns. T is a number of tile rows; a
tile is 2x2 outputs, and sees 3x3 cells of 2x2 pixels.
"""

import numpy as np

from .memory import scratch
from .threads import parallel, split, thread_count

_WEIGHTS = 1 << 13  # pairs of channels whose taps are transformed at a time


# ---- B: images -----------------------------------------------------------------------------------


def apply_B(x, t, v):
    """v = B s: tile rows t of x (H, W, N, C) -> v (3, 3, T, W/4, N, 4C)."""
    first = 2 * t.start
    last = 2 * t.stop + 1
    s = _read_cells(x, first, last)
    s0 = s[0:-1:2]
    s1 = s[1::2]
    s2 = s[2::2]
    rows = scratch("winograd rows", s1.shape, x.dtype)
    np.subtract(s0, s1, out=rows)
    _apply_B_along_columns(rows, v[0])
    _apply_B_along_columns(s1, v[1])
    np.subtract(s2, s1, out=rows)
    _apply_B_along_columns(rows, v[2])


def _apply_B_along_columns(row, v):
    """One row of B s: row (T, W/2 + 1, N, 4C) -> v (3, T, W/4, N, 4C)."""
    s0 = row[:, 0:-1:2]
    s1 = row[:, 1::2]
    s2 = row[:, 2::2]
    np.subtract(s0, s1, out=v[0])
    v[1] = s1
    np.subtract(s2, s1, out=v[2])


def apply_B_transposed(v, below):
    """s' = B' v: v (3, 3, T, W/4, N, 4C) -> cells (2T + 1, W/2 + 1, N, 4C).

    below: what the tiles above add to the first row, or None. Also returns the last row, to which
    the next tiles add.
    """
    _, _, count, columns, batch, size = v.shape
    height = 2 * count + 1
    width = 2 * columns + 1
    rows = scratch("winograd rows", (3, count, width, batch, size), v.dtype)
    v_by_column = v.transpose(1, 3, 0, 2, 4, 5)  # (3, W/4, 3, T, N, 4C)
    rows_by_column = rows.transpose(2, 0, 1, 3, 4)  # (W/2 + 1, 3, T, N, 4C)
    _overlap_add(v_by_column, rows_by_column)

    s = scratch("winograd cells", (height, width, batch, size), v.dtype)
    _overlap_add(rows, s)
    if below is not None:
        s[0] += below
    below = scratch("winograd below", s.shape[1:], v.dtype)
    np.copyto(below, s[-1])
    return s, below


def _overlap_add(v, s):
    """s' = B' v along the first axis of s: neighbouring tiles share a cell, and both add to it.

    s'[2t] = v0[t] + v2[t - 1]  and  s'[2t + 1] = v1[t] - v0[t] - v2[t].
    """
    v0, v1, v2 = v
    s[0] = v0[0]
    s[-1] = v2[-1]
    np.add(v0[1:], v2[:-1], out=s[2:-1:2])
    odd = s[1::2]
    np.subtract(v1, v0, out=odd)
    odd -= v2


# ---- A: outputs ----------------------------------------------------------------------------------


def apply_A(m, y):
    """y = A m: m (3, 3, T, Q/2, N, K) -> y (2T, Q, N, K)."""
    rows = scratch("winograd rows", m.shape[1:], m.dtype)
    for i in (0, 1):
        np.add(m[i], m[i + 1], out=rows)
        for j in (0, 1):
            outputs = y[i::2, j::2]
            np.add(rows[j], rows[j + 1], out=outputs)


def apply_A_transposed(g, t, d):
    """d = A' g: tile rows t of g (P, Q, N, K) -> d (3, 3, T, Q/2, N, K)."""
    rows = slice(2 * t.start, 2 * t.stop)
    g = g[rows]
    even = g[0::2]
    odd = g[1::2]
    for j in (0, 1):
        d[0, 2 * j] = even[:, j::2]
        d[2, 2 * j] = odd[:, j::2]
    _add_the_middle(d)


def _add_the_middle(d):
    """The middle row and column of (3, 3, ...) are the sums of the outer ones: A' and G."""
    outer = d[::2]
    left = outer[:, 0]
    right = outer[:, 2]
    np.add(left, right, out=outer[:, 1])
    np.add(d[0], d[2], out=d[1])


# ---- G: weights ----------------------------------------------------------------------------------


def apply_G(weight):
    """u = G w: (K, C, 4, 4) -> nine matrices (K, 4C)."""
    k, c = weight.shape[:2]
    u = scratch("winograd u", (3, 3, k, 2, 2, c), weight.dtype)

    def transform(ks):
        part = u[:, :, ks]
        corners = part[::2, ::2]
        corners[...] = _taps(weight[ks])
        _add_the_middle(part)

    parts = k * c // _WEIGHTS
    tasks = split(k, max(thread_count(), parts))
    parallel(transform, tasks)
    return u.reshape(9, k, 4 * c)


def apply_G_transposed(du, dw):
    """dw = G' du: nine matrices (K, 4C) -> (K, C, 4, 4)."""
    k, c = dw.shape[:2]
    du = du.reshape(3, 3, k, 2, 2, c)
    rows = scratch("winograd rows", (2, *du.shape[1:]), du.dtype)
    above = du[:2]
    below = du[1:]
    np.add(above, below, out=rows)
    left = rows[:, :2]
    right = rows[:, 1:]
    np.add(left, right, out=_taps(dw))


def _taps(weight):
    """(K, C, 4, 4) -> (i, j, K, a, b, C): the tap of row 2i + a and column 2j + b.

    It is pixel (a, b) of cell (i, j).
    """
    k, c = weight.shape[:2]
    taps = weight.reshape(k, c, 2, 2, 2, 2)  # (K, C, i, a, j, b)
    return taps.transpose(2, 4, 0, 3, 5, 1)


# ---- cells of 2x2 pixels -------------------------------------------------------------------------


def _read_cells(x, first, last):
    """Rows [first, last) of the cells of x (H, W, N, C), which is padded by one pixel.

    -> s (rows, W/2 + 1, N, 4C).
    """
    height, width, batch, c = x.shape
    down = height // 2 + 1
    across = width // 2 + 1
    shape = last - first, across, batch, 2, 2, c
    s = scratch("winograd cells", shape, x.dtype)
    if first == 0:
        s[0, :, :, 0] = 0
    if last == down:
        s[-1, :, :, 1] = 0
    s[:, 0, :, :, 0] = 0
    s[:, -1, :, :, 1] = 0
    copy_cells(x, s, first)
    return s.reshape(*shape[:3], 4 * c)


def copy_cells(x, s, first, to_image=False):
    """Copy between the image x and its cells s, whose first row is row `first` of all cells.

    Pixel (2i + a - 1, 2j + b - 1) is s[i, j, a, b]; what would lie outside the image is left out.
    """
    c = x.shape[3]
    down, across, batch = s.shape[:3]
    s = s.reshape(down, across, batch, 2, 2, c)
    last = first + down
    for a in (0, 1):
        low = first  # rows of cells whose pixel row a lies in the image
        high = last
        is_padding_above = a == 0 and first == 0
        is_padding_below = a == 1 and last == len(x) // 2 + 1
        if is_padding_above:
            low += 1
        if is_padding_below:
            high -= 1
        first_pixel = 2 * low + a - 1
        last_pixel = 2 * high + a - 2
        pixel_rows = slice(first_pixel, last_pixel, 2)
        cell_rows = slice(low - first, high - first)
        for b in (0, 1):
            pixel_columns = slice(1 - b, None, 2)
            pixels = x[pixel_rows, pixel_columns]
            cell_columns = slice(1 - b, across - b)
            cells = s[cell_rows, cell_columns, :, a, b]
            if to_image:
                pixels[...] = cells
            else:
                cells[...] = pixels
