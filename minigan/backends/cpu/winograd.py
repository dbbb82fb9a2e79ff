"""The layer of DCGAN (4x4 kernel, stride 2, padding 1) with 9/16 of the multiplications.

**From stride 2 to stride 1.** Pad the image by one pixel and cut it into cells of 2x2 pixels. A 4x4
window that moves two pixels at a time covers two by two whole cells, and moves one cell at a time.
So the layer is a 2x2 convolution with stride 1 on cells s of 4C channels: a row and a column of the
cell, then c. (Seen as an operation of its own, this is space-to-depth, or pixel unshuffle.)

**One dimension.** Two neighbouring outputs see three cells through two taps: y0 = s0 w0 + s1 w1,
y1 = s1 w0 + s2 w1. That is four products. Winograd's algorithm F(2, 2) (in Lavin and Gray 2016,
from Winograd 1980) makes three:

    m0 = (s0 - s1) w0        m1 = s1 (w0 + w1)        m2 = (s2 - s1) w1
    y0 = m0 + m1             y1 = m1 + m2

Multiply out, and the terms s1 w0 in y0 and s1 w1 in y1 cancel. In matrices, with * the product
element by element,

    y = A [(B s) * (G w)]     A = |1 1 0|      B = |1 -1 0|      G = |1 0|
                                  |0 1 1|          |0  1 0|          |1 1|
                                                   |0 -1 1|          |0 1|

**Two dimensions.** Rows first, then columns: a tile of 2x2 outputs takes 9 products instead of 16.
A product is not of numbers but of a vector of 4C channels with a (4C, K) matrix, and all tiles of
the batch share that matrix. So the layer is v = B s (nine matrices, tiles x 4C), u = G w (nine,
K x 4C), nine matrix products m = v uᵀ, and y = A m. The transforms only add neighbours; v holds
2.25 numbers per pixel, where im2col writes 4. All coefficients are 0 and ±1, so the rounding error
stays near the direct convolution's; larger tiles (F(4, 2)) save more products and lose a digit.

**The other two passes.** With A' the transpose of A, <y, g> = Σ (B s) * (G w) * (A' g) is linear in
s, in w and in g, and each gradient can be read off it:

    input gradient (and transposed convolution)   s' = B' [(A' g) * (G w)]       v' = d u
    weight gradient                               w' = G' [(A' g) * (B s)]       u' = dᵀ v

with d = A' g. So these are nine products of the same size again, no inserted zeros, and no
overlapping additions but B's own: s'_2t = v'0[t] + v'2[t-1] and s'_2t+1 = v'1 - v'0 - v'2.

A thread takes some images of the batch and goes through them in blocks of a few tile rows:
transform, multiply, transform back, all in its own cache. Where the weights are larger than the
images, in the last layers, it takes some output channels instead. So does the weight gradient,
because its sum is over all pixels. The transforms are in winograd_transforms.py. In memory, images
are (H, W, N, C), so every transform adds long runs of numbers.
"""

import math

import numpy as np

from ..memory_order import PIXELS, in_order
from .memory import empty, scratch
from .threads import parallel, split, thread_count
from .winograd_transforms import (
    apply_A,
    apply_A_transposed,
    apply_B,
    apply_B_transposed,
    apply_G,
    apply_G_transposed,
    copy_cells,
)

_LEAST_TILES = 64
_LEAST_CHANNELS = 16
_MOST_CHANNELS = 256
_LEAST_ROWS = 256  # of a matrix product: with fewer, BLAS is slow
_TASK_CHANNELS = 128  # output channels of a task, where tasks share the channels
_MOST_ELEMENTS = 6 << 20  # of v, that the weight gradient holds at once: 24 MB of float32


def applies(batch, weight_shape, stride, padding, image_size):
    """Whether this is the 4x4, stride 2, padding 1 layer, with whole tiles, and Winograd pays.

    A tile sees 4 x 4 pixels. Matrix products of fewer tiles are slow, and with few channels the
    transforms cost more than they save. With many, float32 loses more than three times the digits
    that it loses in PyTorch, because four times as many numbers are added one by one.
    """
    kernel_size = tuple(weight_shape[2:])
    if kernel_size != (4, 4) or stride != (2, 2) or padding != (1, 1):
        return False
    height, width = image_size
    has_whole_tiles = height % 4 == 0 and width % 4 == 0
    tiles = batch * (height // 4) * (width // 4)
    fewest = min(weight_shape[:2])
    added = weight_shape[1]
    has_fit_channels = fewest >= _LEAST_CHANNELS and added <= _MOST_CHANNELS
    return has_whole_tiles and tiles >= _LEAST_TILES and has_fit_channels


# ---- y = A [(B s) * (G w)] -----------------------------------------------------------------------


def conv2d(x, weight):
    """(N, C, 2P, 2Q), (K, C, 4, 4) -> (N, K, P, Q)."""
    batch, c, height, width = x.shape
    k = len(weight)
    down = height // 4  # tiles
    across = width // 4
    x = in_order(x, PIXELS)  # (H, W, N, C)
    shape = height // 2, width // 2, batch, k
    y = empty(shape, x.dtype)  # (P, Q, N, K)

    if _share_channels(batch, down * across):
        v_of_all = _transform_whole(apply_B, x, down, across, 4 * c)

        def some_channels(ks):
            u = apply_G(weight[ks])
            _multiply(v_of_all, u, y[..., ks])

        parallel(some_channels, _channel_tasks(k))
    else:
        u_of_all = apply_G(weight)

        def some_images(n):
            for t in _blocks(n, slice(0, down), across):
                v = _scratch("v", n, t, across, 4 * c, x.dtype)
                apply_B(x[:, :, n], t, v)
                rows = slice(2 * t.start, 2 * t.stop)
                _multiply(v, u_of_all, y[rows, :, n])

        parallel(some_images, split(batch, thread_count()))
    return y.transpose(PIXELS)


def _multiply(v, u, some_of_y):
    """Write A [v * u], some of the layer's outputs."""
    shape = v.shape[:5] + u.shape[1:2]  # (3, 3, T, columns, N, K)
    m = scratch("winograd m", shape, v.dtype)
    np.matmul(_matrices(v), u.transpose(0, 2, 1), out=_matrices(m))
    apply_A(m, some_of_y)


# ---- s' = B' [(A' g) * (G w)] --------------------------------------------------------------------


def conv_transpose2d(x, weight):
    """(N, K, P, Q), (K, C, 4, 4) -> (N, C, 2P, 2Q): the adjoint of conv2d."""
    batch, k, p, q = x.shape
    c = weight.shape[1]
    down = p // 2  # tiles
    across = q // 2
    x = in_order(x, PIXELS)  # (P, Q, N, K)
    shape = 2 * p, 2 * q, batch, c
    y = empty(shape, x.dtype)  # (H, W, N, C)

    if _share_channels(batch, down * across):
        d_of_all = _transform_whole(apply_A_transposed, x, down, across, k)

        def some_channels(cs):
            u = apply_G(weight[:, cs])
            s, _ = _multiply_transposed(d_of_all, u, None)
            copy_cells(y[..., cs], s, 0, to_image=True)

        parallel(some_channels, _channel_tasks(c))
    else:
        u_of_all = apply_G(weight)

        def some_images(n):
            below = None  # what the tiles above add to the first row of cells
            for t in _blocks(n, slice(0, down), across):
                d = _scratch("d", n, t, across, k, x.dtype)
                apply_A_transposed(x[:, :, n], t, d)
                s, below = _multiply_transposed(d, u_of_all, below)
                if t.stop < down:
                    s = s[:-1]  # the next tiles add to this row of cells
                copy_cells(y[:, :, n], s, 2 * t.start, to_image=True)

        parallel(some_images, split(batch, thread_count()))
    return y.transpose(PIXELS)


def _multiply_transposed(d, u, below):
    """B' [d * u] -> (some rows of cells, what they add to the row of cells below them)."""
    shape = d.shape[:5] + u.shape[2:]  # (3, 3, T, columns, N, 4C)
    v = scratch("winograd v'", shape, d.dtype)
    np.matmul(_matrices(d), u, out=_matrices(v))
    return apply_B_transposed(v, below)


# ---- w' = G' [(A' g) * (B s)] --------------------------------------------------------------------


def conv2d_weight_grad(x, g):
    """(N, C, 2P, 2Q), (N, K, P, Q) -> (K, C, 4, 4)."""
    batch, _, p, q = g.shape
    c = x.shape[1]
    x = in_order(x, PIXELS)  # (2P, 2Q, N, C)
    g = in_order(g, PIXELS)  # (P, Q, N, K)
    elements = 9 * p * q * batch * c  # of v
    parts = math.ceil(elements / _MOST_ELEMENTS)
    first, *others = split(batch, parts)
    dw = _weight_grad(x[:, :, first], g[:, :, first])
    for some in others:
        dw += _weight_grad(x[:, :, some], g[:, :, some])
    return dw


def _weight_grad(x, g):
    """The same for images (H, W, N, C) that fit: all pixels are transformed before the products.

    Then each task takes some of the channels K.
    """
    p, q, _, k = g.shape
    c = x.shape[3]
    down = p // 2  # tiles
    across = q // 2
    dw = empty((k, c, 4, 4), x.dtype)
    v = _transform_whole(apply_B, x, down, across, 4 * c)
    d = _transform_whole(apply_A_transposed, g, down, across, k)

    def some_channels(ks):
        shape = 9, ks.stop - ks.start, 4 * c
        du = scratch("winograd du", shape, v.dtype)
        d_ks = _matrices(d)[:, :, ks]
        np.matmul(d_ks.transpose(0, 2, 1), _matrices(v), out=du)
        apply_G_transposed(du, dw[ks])

    parallel(some_channels, _channel_tasks(k))
    return dw


# ---- who does what -------------------------------------------------------------------------------


def _share_channels(batch, tiles):
    """Whether threads share the output channels: if images are few or very small."""
    return batch < thread_count() or batch * tiles < _LEAST_ROWS


def _channel_tasks(channels):
    """Slices of the output channels; the weights and products of one fit a second-level cache."""
    parts = math.ceil(channels / _TASK_CHANNELS)
    return split(channels, max(thread_count(), parts))


def _transform_whole(transform, x, tiles, columns, channels):
    """All tiles of x (H, W, N, C) at once.

    The threads share the images or, if there are few, the tile rows.
    """
    batch = x.shape[2]
    all_images = slice(0, batch)
    all_tiles = slice(0, tiles)
    v = _scratch(transform.__name__, all_images, all_tiles, columns, channels, x.dtype)

    def task(part):
        n, rows = part
        for t in _blocks(n, rows, columns):
            transform(x[:, :, n], t, v[:, :, t, :, n])

    images = split(batch, thread_count())
    groups = math.ceil(thread_count() / len(images))
    parts = []
    for n in images:
        for rows in split(tiles, groups):
            parts.append((n, rows))
    parallel(task, parts)
    return v


def _blocks(n, tiles, columns):
    """Some tile rows of images n, as many at a time as make matrices of _LEAST_ROWS rows."""
    first = tiles.start
    count = tiles.stop - first
    images = n.stop - n.start
    matrix_rows = count * columns * images  # of a matrix with all of them
    found = []
    for t in split(count, math.ceil(matrix_rows / _LEAST_ROWS)):
        block = slice(first + t.start, first + t.stop)
        found.append(block)
    return found


def _scratch(name, n, t, columns, channels, dtype):
    """Room for the transformed tile rows t of images n: (3, 3, T, columns, N, channels)."""
    rows = t.stop - t.start
    batch = n.stop - n.start
    shape = 3, 3, rows, columns, batch, channels
    return scratch(f"winograd {name}", shape, dtype)


def _matrices(v):
    """(3, 3, T, columns, N, channels) -> nine matrices (tiles, channels)."""
    channels = v.shape[-1]
    return v.reshape(9, -1, channels)
