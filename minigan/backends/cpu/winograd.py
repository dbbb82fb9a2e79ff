"""The layer of DCGAN (4x4 kernel, stride 2, padding 1) with 9/16 of the multiplications.

**From stride 2 to stride 1.** Pad the image by one pixel and cut it into 2x2 blocks. A 4x4 window
that moves two pixels at a time covers two by two whole blocks and moves one block at a time: the
layer is a 2x2 convolution with stride 1 on blocks s of 4C channels (a row and a column of the
block, then c).

**One dimension.** Two neighbouring outputs see three blocks through two taps: y0 = s0 w0 + s1 w1,
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

A thread takes some images of the batch and goes through them a few tile rows at a time: transform,
multiply, transform back, all in its own cache. Where the weights are larger than the images, in
the last layers, it takes some output channels instead; so does the weight gradient, whose sum is
over all pixels. Images are (H, W, N, C) in memory, so that every transform adds long runs of
numbers.
"""

import math

import numpy as np

from .memory import empty, scratch
from .threads import parallel, split, thread_count

_PIXELS = 256  # rows of a matrix product below which BLAS is slow
_CHANNELS = 128  # output channels per task, where tasks are of channels
_WEIGHTS = 1 << 13  # pairs of channels whose taps are transformed at a time
_MOST = 6 << 20  # elements of v that the weight gradient holds at once: 24 MB of float32


def applies(weight_shape, stride, padding, image_size):
    """Is it the 4x4, stride 2, padding 1 layer, with whole tiles and enough channels to pay?

    A tile sees 4 x 4 pixels.
    """
    kernel = tuple(weight_shape[2:])
    if kernel != (4, 4) or stride != (2, 2) or padding != (1, 1):
        return False
    has_whole_tiles = all(n % 4 == 0 for n in image_size)
    channels = min(weight_shape[:2])
    return has_whole_tiles and channels >= 16


def conv2d(x, weight):
    """(N, C, 2P, 2Q), (K, C, 4, 4) -> (N, K, P, Q)."""
    batch, c, height, width = x.shape
    k = len(weight)
    down = height // 4  # tiles
    across = width // 4
    x = x.transpose(2, 3, 0, 1)  # (H, W, N, C)
    shape = height // 2, width // 2, batch, k
    y = empty(shape, x.dtype)

    def multiply(v, u, y):
        shape = v.shape[:5] + u.shape[1:2]  # (3, 3, T, columns, N, K)
        m = scratch("winograd m", shape, y.dtype)
        np.matmul(
            _matrices(v),
            u.transpose(0, 2, 1),
            out=_matrices(m),
        )
        _inverse_output(m, y)

    def channels(ks):
        multiply(whole, _transform_weight(weight[ks]), y[..., ks])

    def images(n):
        for t in _steps(n, slice(0, down), across):
            v = _scratch("v", n, t, across, 4 * c, x.dtype)
            _transform_image(x[:, :, n], t, v)
            multiply(v, u, y[_twice(t), :, n])

    if _share_channels(batch, height // 4 * width // 4):
        whole = _transform_whole(_transform_image, x, down, across, 4 * c)
        parallel(channels, _channel_tasks(k))
    else:
        u = _transform_weight(weight)
        parallel(images, split(batch, thread_count()))
    return y.transpose(2, 3, 0, 1)


def _twice(t):
    """The rows of the output in some tile rows: two for each."""
    return slice(2 * t.start, 2 * t.stop)


def conv_transpose2d(x, weight):
    """(N, K, P, Q), (K, C, 4, 4) -> (N, C, 2P, 2Q): the adjoint of conv2d."""
    batch, k, p, q = x.shape
    c = weight.shape[1]
    down = p // 2  # tiles
    across = q // 2
    x = x.transpose(2, 3, 0, 1)  # (P, Q, N, K)
    shape = 2 * p, 2 * q, batch, c
    y = empty(shape, x.dtype)

    def multiply(d, u, below):
        shape = d.shape[:5] + u.shape[2:]  # (3, 3, T, columns, N, 4C)
        v = scratch("winograd v'", shape, d.dtype)
        np.matmul(_matrices(d), u, out=_matrices(v))
        return _inverse_image(v, below)

    def channels(cs):
        s, _ = multiply(whole, _transform_weight(weight[:, cs]), None)
        _copy_blocks(y[..., cs], s, 0, to_image=True)

    def images(n):
        below = None  # what the tiles above add to the first row of blocks
        for t in _steps(n, slice(0, down), across):
            d = _scratch("d", n, t, across, k, x.dtype)
            _transform_output(x[:, :, n], t, d)
            s, below = multiply(d, u, below)
            if t.stop < down:
                s = s[:-1]  # the next tiles add to this row of blocks
            _copy_blocks(y[:, :, n], s, 2 * t.start, to_image=True)

    if _share_channels(batch, p * q // 4):
        whole = _transform_whole(_transform_output, x, down, across, k)
        parallel(channels, _channel_tasks(c))
    else:
        u = _transform_weight(weight)
        parallel(images, split(batch, thread_count()))
    return y.transpose(2, 3, 0, 1)


def conv2d_weight_grad(x, g):
    """(N, C, 2P, 2Q), (N, K, P, Q) -> (K, C, 4, 4)."""
    batch, _, p, q = g.shape
    c = x.shape[1]
    x = x.transpose(2, 3, 0, 1)  # (2P, 2Q, N, C)
    g = g.transpose(2, 3, 0, 1)  # (P, Q, N, K)
    elements = 9 * p * q * batch * c  # of v
    first, *others = split(batch, math.ceil(elements / _MOST))
    dw = _weight_grad(x[:, :, first], g[:, :, first])
    for some in others:
        x_some = x[:, :, some]
        g_some = g[:, :, some]
        dw += _weight_grad(x_some, g_some)
    return dw


def _weight_grad(x, g):
    """The same for images (H, W, N, C) that fit: all pixels are transformed before the products.

    Then each task takes some of the channels K.
    """
    p, q, _, k = g.shape
    c = x.shape[3]
    dw = empty((k, c, 4, 4), x.dtype)
    v = _transform_whole(_transform_image, x, p // 2, q // 2, 4 * c)
    d = _transform_whole(_transform_output, g, p // 2, q // 2, k)

    def multiply(ks):
        shape = 9, ks.stop - ks.start, 4 * c
        du = scratch("winograd m", shape, v.dtype)
        d_ks = _matrices(d)[:, :, ks]
        np.matmul(
            d_ks.transpose(0, 2, 1),
            _matrices(v),
            out=du,
        )
        _inverse_weight(du, dw[ks])

    parallel(multiply, _channel_tasks(k))
    return dw


def _share_channels(batch, tiles):
    """Do threads share the output channels? If images are fewer than threads, or very small."""
    return batch < thread_count() or batch * tiles < _PIXELS


def _channel_tasks(channels):
    """Slices of the output channels; the weights and products of one fit a second-level cache."""
    parts = math.ceil(channels / _CHANNELS)
    return split(channels, max(thread_count(), parts))


def _transform_whole(transform, x, tiles, columns, channels):
    """All tiles of x (H, W, N, C) at once.

    The threads share the images or, if there are few, the tile rows.
    """
    batch = x.shape[2]
    everything = slice(0, batch), slice(0, tiles)
    v = _scratch(transform.__name__, *everything, columns, channels, x.dtype)

    def block(task):
        n, rows = task
        for t in _steps(n, rows, columns):
            transform(x[:, :, n], t, v[:, :, t, :, n])

    images = split(batch, thread_count())
    parts = math.ceil(thread_count() / len(images))
    tasks = []
    for n in images:
        for rows in split(tiles, parts):
            tasks.append((n, rows))
    parallel(block, tasks)
    return v


def _steps(n, tiles, columns):
    """Some tile rows of images n, as many at a time as make matrices of _PIXELS rows."""
    first = tiles.start
    count = tiles.stop - first
    rows = count * columns * (n.stop - n.start)  # of a matrix with all of them
    steps = split(count, math.ceil(rows / _PIXELS))
    found = []
    for t in steps:
        found.append(slice(first + t.start, first + t.stop))
    return found


def _scratch(name, n, t, columns, channels, dtype):
    rows = t.stop - t.start
    batch = n.stop - n.start
    shape = 3, 3, rows, columns, batch, channels
    return scratch(f"winograd {name}", shape, dtype)


def _matrices(v):
    """(3, 3, T, columns, N, channels) -> nine matrices (tiles, channels)."""
    return v.reshape(9, -1, v.shape[-1])


def _transform_image(x, t, v):
    """v = B s: tile rows t of x (H, W, N, C) -> v (3, 3, T, W/4, N, 4C)."""
    s = _read_blocks(x, 2 * t.start, 2 * t.stop + 1)
    s0 = s[0:-1:2]
    s1 = s[1::2]
    s2 = s[2::2]
    rows = scratch("winograd rows", s1.shape, x.dtype)
    np.subtract(s0, s1, out=rows)
    _transform_columns(rows, v[0])
    _transform_columns(s1, v[1])
    np.subtract(s2, s1, out=rows)
    _transform_columns(rows, v[2])


def _transform_columns(row, v):
    """One row of B s: the same along the columns, row (T, W/2 + 1, N, 4C) -> v (3, T, ...)."""
    s0 = row[:, 0:-1:2]
    s1 = row[:, 1::2]
    s2 = row[:, 2::2]
    np.subtract(s0, s1, out=v[0])
    v[1] = s1
    np.subtract(s2, s1, out=v[2])


def _inverse_image(v, below):
    """s' = B' v: v (3, 3, T, W/4, N, 4C) -> blocks (2T + 1, W/2 + 1, N, 4C).

    below: what the tiles above add to the first row, or None. Also returns the last row, to which
    the next tiles add.
    """
    _, _, count, columns, batch, size = v.shape
    shape = 3, count, 2 * columns + 1, batch, size
    rows = scratch("winograd rows", shape, v.dtype)
    v0 = v[:, 0]  # (3, T, W/4, N, 4C)
    v1 = v[:, 1]
    v2 = v[:, 2]
    rows[:, :, 0] = v0[:, :, 0]
    rows[:, :, -1] = v2[:, :, -1]
    np.add(
        v0[:, :, 1:],
        v2[:, :, :-1],
        out=rows[:, :, 2:-1:2],
    )
    odd = rows[:, :, 1::2]
    np.subtract(v1, v0, out=odd)
    odd -= v2

    shape = 2 * count + 1, 2 * columns + 1, batch, size
    s = scratch("winograd blocks", shape, v.dtype)
    v0, v1, v2 = rows  # (T, W/2 + 1, N, 4C)
    if below is None:
        s[0] = v0[0]
    else:
        np.add(v0[0], below, out=s[0])
    s[-1] = v2[-1]
    np.add(
        v0[1:],
        v2[:-1],
        out=s[2:-1:2],
    )
    odd = s[1::2]
    np.subtract(v1, v0, out=odd)
    odd -= v2
    below = scratch("winograd below", s.shape[1:], v.dtype)
    np.copyto(below, s[-1])
    return s, below


def _transform_output(g, t, d):
    """d = A' g: tile rows t of g (P, Q, N, K) -> d (3, 3, T, Q/2, N, K)."""
    g = g[_twice(t)]
    even = g[0::2]
    odd = g[1::2]
    for j in (0, 1):
        d[0, 2 * j] = even[:, j::2]
        d[2, 2 * j] = odd[:, j::2]
    _add_the_middle(d)


def _add_the_middle(d):
    """The middle row and column of (3, 3, ...) are the sums of the outer ones: A' and G."""
    outer = d[0:3:2]
    np.add(
        outer[:, 0],
        outer[:, 2],
        out=outer[:, 1],
    )
    np.add(d[0], d[2], out=d[1])


def _inverse_output(m, y):
    """y = A m: m (3, 3, T, Q/2, N, K) -> y (2T, Q, N, K)."""
    rows = scratch("winograd rows", m.shape[1:], m.dtype)
    for i in (0, 1):
        np.add(m[i], m[i + 1], out=rows)
        for j in (0, 1):
            np.add(
                rows[j],
                rows[j + 1],
                out=y[i::2, j::2],
            )


def _transform_weight(weight):
    """u = G w: (K, C, 4, 4) -> nine matrices (K, 4C)."""
    k, c = weight.shape[:2]
    shape = 3, 3, k, 2, 2, c
    u = scratch("winograd u", shape, weight.dtype)

    def transform(ks):
        part = u[:, :, ks]
        part[0:3:2, 0:3:2] = _taps(weight[ks])
        _add_the_middle(part)

    tasks = max(thread_count(), k * c // _WEIGHTS)
    parallel(transform, split(k, tasks))
    return u.reshape(9, k, 4 * c)


def _taps(weight):
    """(K, C, 4, 4) -> (i, j, K, a, b, C): the tap of row 2i + a and column 2j + b.

    It is pixel (a, b) of block (i, j).
    """
    k, c = weight.shape[:2]
    taps = weight.reshape(k, c, 2, 2, 2, 2)
    return taps.transpose(2, 4, 0, 3, 5, 1)


def _inverse_weight(du, dw):
    """dw = G' du: nine matrices (K, 4C) -> (K, C, 4, 4)."""
    k, c = dw.shape[:2]
    du = du.reshape(3, 3, k, 2, 2, c)
    shape = (2,) + du.shape[1:]
    rows = scratch("winograd rows", shape, du.dtype)
    np.add(du[:2], du[1:], out=rows)
    np.add(
        rows[:, :2],
        rows[:, 1:],
        out=_taps(dw),
    )


def _read_blocks(x, first, last):
    """Block rows [first, last) of x (H, W, N, C), padded by one pixel.

    -> s (rows, W/2 + 1, N, 4C).
    """
    height, width, batch, c = x.shape
    shape = last - first, width // 2 + 1, batch, 2, 2, c
    s = scratch("winograd blocks", shape, x.dtype)
    if first == 0:
        s[0, :, :, 0] = 0
    if last == height // 2 + 1:
        s[-1, :, :, 1] = 0
    s[:, 0, :, :, 0] = 0
    s[:, -1, :, :, 1] = 0
    _copy_blocks(x, s, first)
    return s.reshape(s.shape[:3] + (4 * c,))


def _copy_blocks(x, s, first, to_image=False):
    """Copy between the image and its blocks from block row `first` on.

    Pixel (2i + a - 1, 2j + b - 1) is s[i, j, a, b]; what would lie outside the image is left out.
    """
    c = x.shape[3]
    s = s.reshape(s.shape[:3] + (2, 2, c))
    last = first + len(s)
    for a in (0, 1):
        low = first  # block rows whose pixel row a lies in the image
        high = last
        if a == 0 and first == 0:
            low += 1
        if a == 1 and last == len(x) // 2 + 1:
            high -= 1
        rows = slice(2 * low + a - 1, 2 * high + a - 2, 2)
        for b in (0, 1):
            pixels = x[rows, 1 - b :: 2]
            columns = slice(1 - b, s.shape[1] - b)
            blocks = s[low - first : high - first, columns, :, a, b]
            if to_image:
                pixels[...] = blocks
            else:
                blocks[...] = pixels
