"""The layer that DCGAN is made of (4x4 kernel, stride 2, padding 1) with 9/16 of the
multiplications.

**From stride 2 to stride 1.** Pad the image by one pixel and cut it into 2x2 blocks. A 4x4 window that moves two pixels
at a time covers two by two whole blocks and moves one block at a time: the layer is a 2x2 convolution with stride 1 on
blocks s of 4C channels (a row and a column of the block, then c).

**One dimension.** Two neighbouring outputs see three blocks through two taps: y0 = s0 w0 + s1 w1, y1 = s1 w0 + s2 w1.
That is four products. Winograd's algorithm F(2, 2) (in Lavin and Gray 2016, from Winograd 1980) makes three:

    m0 = (s0 - s1) w0        m1 = s1 (w0 + w1)        m2 = (s2 - s1) w1
    y0 = m0 + m1             y1 = m1 + m2

Multiply out and the terms s1 w0 in y0 and s1 w1 in y1 cancel. In matrices, with * the product
element by element,

    y = A [(B s) * (G w)]     A = |1 1 0|      B = |1 -1 0|      G = |1 0|
                                  |0 1 1|          |0  1 0|          |1 1|
                                                   |0 -1 1|          |0 1|

**Two dimensions.** Rows first, then columns: a tile of 2x2 outputs takes 9 products instead of 16. A product is not of
numbers but of a vector of 4C channels with a (4C, K) matrix, and all tiles of the batch share that matrix. So the layer
is v = B s (nine matrices, tiles x 4C), u = G w (nine, K x 4C), nine matrix products m = v uᵀ, and y = A m. The
transforms only add neighbours; v holds 2.25 numbers per pixel, where im2col writes 4. All coefficients are 0 and ±1, so
the rounding error stays near the direct convolution's; larger tiles (F(4, 2)) save more products and lose a digit.

**The other two passes.** With A' the transpose of A, <y, g> = Σ (B s) * (G w) * (A' g) is linear in s, in w and in g,
and each gradient can be read off it:

    input gradient (and transposed convolution)   s' = B' [(A' g) * (G w)]       v' = d u
    weight gradient                               w' = G' [(A' g) * (B s)]       u' = dᵀ v        with d = A' g

so nine products of the same size again, no inserted zeros, and no overlapping additions but B's
own: s'_2t = v'0[t] + v'2[t-1] and s'_2t+1 = v'1 - v'0 - v'2.

A thread takes a share of the batch and goes through it a few tile rows at a time: transform,
multiply, transform back, all in its own cache. Where the weights are larger than the images, in
the last layers, it takes a share of the output channels instead; so does the weight gradient,
whose sum is over all pixels. Images are (H, W, N, C) in memory, so that every transform adds long
runs of numbers.
"""

import numpy as np

from .threads import empty, parallel, scratch, split, thread_count

_PIXELS = 256  # rows of a matrix product below which BLAS is slow
_CHANNELS = 128  # output channels per task, where tasks are of channels
_WEIGHTS = 1 << 13  # pairs of channels whose taps are transformed at a time
_SLAB = 6 << 20  # elements of v that the weight gradient holds at once: 24 MB of float32


def applies(weight_shape, stride, padding, image_size):
    """Whether this is the 4x4, stride 2, padding 1 layer, with tiles of 4 x 4 pixels, and
    channels enough to pay.
    """
    return (
        tuple(weight_shape[2:]) == (4, 4)
        and stride == (2, 2)
        and padding == (1, 1)
        and image_size[0] % 4 == image_size[1] % 4 == 0
        and min(weight_shape[:2]) >= 16
    )


def conv2d(x, weight):
    """(N, C, 2P, 2Q), (K, C, 4, 4) -> (N, K, P, Q)."""
    (batch, c, height, width), k = x.shape, len(weight)
    x, y = x.transpose(2, 3, 0, 1), empty((height // 2, width // 2, batch, k), x.dtype)

    def multiply(v, u, y):
        m = scratch("winograd m", v.shape[:5] + u.shape[1:2], y.dtype)
        np.matmul(_matrices(v), u.transpose(0, 2, 1), out=_matrices(m))
        _inverse_output(m, y)

    if _share_channels(batch, height // 4 * width // 4):
        v = _transform_whole(_transform_image, x, height // 4, width // 4, 4 * c)
        parallel(
            lambda ks: multiply(v, _transform_weight(weight[ks]), y[..., ks]), _channel_tasks(k)
        )
        return y.transpose(2, 3, 0, 1)
    u = _transform_weight(weight)

    def images(n):
        for t in _steps(n, slice(0, height // 4), width // 4):
            v = _scratch("v", n, t, width // 4, 4 * c, x.dtype)
            _transform_image(x[:, :, n], t, v)
            multiply(v, u, y[2 * t.start : 2 * t.stop, :, n])

    parallel(images, split(batch, thread_count()))
    return y.transpose(2, 3, 0, 1)


def conv_transpose2d(x, weight):
    """(N, K, P, Q), (K, C, 4, 4) -> (N, C, 2P, 2Q): the adjoint of conv2d."""
    (batch, k, p, q), c = x.shape, weight.shape[1]
    x, y = x.transpose(2, 3, 0, 1), empty((2 * p, 2 * q, batch, c), x.dtype)

    def multiply(d, u, below):
        v = scratch("winograd v'", d.shape[:5] + u.shape[2:], d.dtype)
        np.matmul(_matrices(d), u, out=_matrices(v))
        return _inverse_image(v, below)

    def channels(cs):
        s, _ = multiply(d, _transform_weight(weight[:, cs]), None)
        _copy_blocks(y[..., cs], s, 0, to_image=True)

    if _share_channels(batch, p * q // 4):
        d = _transform_whole(_transform_output, x, p // 2, q // 2, k)
        parallel(channels, _channel_tasks(c))
        return y.transpose(2, 3, 0, 1)
    u = _transform_weight(weight)

    def images(n):
        below = None  # what the tiles above add to the first row of blocks
        for t in _steps(n, slice(0, p // 2), q // 2):
            d = _scratch("d", n, t, q // 2, k, x.dtype)
            _transform_output(x[:, :, n], t, d)
            s, below = multiply(d, u, below)
            _copy_blocks(y[:, :, n], s if t.stop == p // 2 else s[:-1], 2 * t.start, to_image=True)

    parallel(images, split(batch, thread_count()))
    return y.transpose(2, 3, 0, 1)


def conv2d_weight_grad(x, g):
    """(N, C, 2P, 2Q), (N, K, P, Q) -> (K, C, 4, 4)."""
    (batch, _, p, q), c = g.shape, x.shape[1]
    x, g = x.transpose(2, 3, 0, 1), g.transpose(2, 3, 0, 1)
    slabs = split(batch, -(-9 * p * q * batch * c // _SLAB))
    dw = _weight_grad(x[:, :, slabs[0]], g[:, :, slabs[0]])
    for slab in slabs[1:]:
        dw += _weight_grad(x[:, :, slab], g[:, :, slab])
    return dw


def _weight_grad(x, g):
    """The whole image is transformed first, for the sum over pixels; then each task takes some of
    the channels K.
    """
    (p, q, _, k), c = g.shape, x.shape[3]
    dw = empty((k, c, 4, 4), x.dtype)
    v = _transform_whole(_transform_image, x, p // 2, q // 2, 4 * c)
    d = _transform_whole(_transform_output, g, p // 2, q // 2, k)

    def multiply(ks):
        du = scratch("winograd m", (9, ks.stop - ks.start, 4 * c), v.dtype)
        np.matmul(_matrices(d)[:, :, ks].transpose(0, 2, 1), _matrices(v), out=du)
        _inverse_weight(du, dw[ks])

    parallel(multiply, _channel_tasks(k))
    return dw


def _share_channels(batch, tiles):
    """Whether threads share the output channels: where images are fewer than threads, or smaller
    than weights.
    """
    return batch < thread_count() or batch * tiles < _PIXELS


def _channel_tasks(channels):
    """Slices of the output channels, few enough that their weights and products fit a
    second-level cache.
    """
    return split(channels, max(thread_count(), -(-channels // _CHANNELS)))


def _transform_whole(transform, x, tiles, columns, channels):
    """All tiles of x (H, W, N, C) at once; the threads share the images or, if there are few, the
    tile rows.
    """
    batch = x.shape[2]
    v = _scratch(transform.__name__, slice(0, batch), slice(0, tiles), columns, channels, x.dtype)

    def band(share):
        n, rows = share
        for t in _steps(n, rows, columns):
            transform(x[:, :, n], t, v[:, :, t, :, n])

    shares = split(batch, thread_count())
    parallel(
        band,
        [(n, rows) for n in shares for rows in split(tiles, -(-thread_count() // len(shares)))],
    )
    return v


def _steps(n, tiles, columns):
    """Some tile rows of images n, as many at a time as make matrices of _PIXELS rows."""
    count = tiles.stop - tiles.start
    steps = split(count, -(-count * columns * (n.stop - n.start) // _PIXELS))
    return [slice(tiles.start + t.start, tiles.start + t.stop) for t in steps]


def _scratch(name, n, t, columns, channels, dtype):
    return scratch(
        f"winograd {name}", (3, 3, t.stop - t.start, columns, n.stop - n.start, channels), dtype
    )


def _matrices(v):
    """(3, 3, T, columns, N, channels) -> nine matrices (tiles, channels)."""
    return v.reshape(9, -1, v.shape[-1])


def _transform_image(x, t, v):
    """v = B s: tile rows t of x (H, W, N, C) -> v (3, 3, T, W/4, N, 4C)."""
    s = _read_blocks(x, 2 * t.start, 2 * t.stop + 1)
    even, odd, after = s[0:-1:2], s[1::2], s[2::2]
    rows = scratch("winograd rows", odd.shape, x.dtype)
    for i, other in enumerate((even, None, after)):
        row = odd if other is None else np.subtract(other, odd, out=rows)
        even, middle, after = row[:, 0:-1:2], row[:, 1::2], row[:, 2::2]
        np.subtract(even, middle, out=v[i, 0])
        v[i, 1] = middle
        np.subtract(after, middle, out=v[i, 2])


def _inverse_image(v, below):
    """s' = B' v: v (3, 3, T, W/4, N, 4C) -> blocks (2T + 1, W/2 + 1, N, 4C), and the last row for
    the next tile.
    """
    _, _, count, columns, batch, size = v.shape
    rows = scratch("winograd rows", (3, count, 2 * columns + 1, batch, size), v.dtype)
    rows[:, :, 0], rows[:, :, -1] = v[:, 0, :, 0], v[:, 2, :, -1]
    np.add(v[:, 0, :, 1:], v[:, 2, :, :-1], out=rows[:, :, 2:-1:2])
    np.subtract(v[:, 1], v[:, 0], out=rows[:, :, 1::2])
    rows[:, :, 1::2] -= v[:, 2]
    s = scratch("winograd blocks", (2 * count + 1, 2 * columns + 1, batch, size), v.dtype)
    if below is None:
        s[0] = rows[0, 0]
    else:
        np.add(rows[0, 0], below, out=s[0])
    s[-1] = rows[2, -1]
    np.add(rows[0, 1:], rows[2, :-1], out=s[2:-1:2])
    np.subtract(rows[1], rows[0], out=s[1::2])
    s[1::2] -= rows[2]
    below = scratch("winograd below", s.shape[1:], v.dtype)
    np.copyto(below, s[-1])
    return s, below


def _transform_output(g, t, d):
    """d = A' g: tile rows t of g (P, Q, N, K) -> d (3, 3, T, Q/2, N, K)."""
    g = g[2 * t.start : 2 * t.stop]
    for j in (0, 1):
        d[0, 2 * j], d[2, 2 * j] = g[0::2, j::2], g[1::2, j::2]
    np.add(d[0:3:2, 0], d[0:3:2, 2], out=d[0:3:2, 1])
    np.add(d[0], d[2], out=d[1])


def _inverse_output(m, y):
    """y = A m: m (3, 3, T, Q/2, N, K) -> y (2T, Q, N, K)."""
    rows = scratch("winograd rows", m.shape[1:], m.dtype)
    for i in (0, 1):
        np.add(m[i], m[i + 1], out=rows)
        for j in (0, 1):
            np.add(rows[j], rows[j + 1], out=y[i::2, j::2])


def _transform_weight(weight):
    """u = G w: (K, C, 4, 4) -> nine matrices (K, 4C)."""
    k, c = weight.shape[:2]
    u = scratch("winograd u", (3, 3, k, 2, 2, c), weight.dtype)

    def transform(ks):
        part = u[:, :, ks]
        part[0:3:2, 0:3:2] = _taps(weight[ks])
        np.add(part[0:3:2, 0], part[0:3:2, 2], out=part[0:3:2, 1])
        np.add(part[0], part[2], out=part[1])

    parallel(transform, split(k, max(thread_count(), k * c // _WEIGHTS)))
    return u.reshape(9, k, 4 * c)


def _taps(weight):
    """(K, C, 4, 4) -> (i, j, K, a, b, C), the tap of row 2i + a and column 2j + b: block (i, j),
    pixel (a, b).
    """
    return weight.reshape(weight.shape[:2] + (2, 2, 2, 2)).transpose(2, 4, 0, 3, 5, 1)


def _inverse_weight(du, dw):
    """dw = G' du: nine matrices (K, 4C) -> (K, C, 4, 4)."""
    k, c = dw.shape[:2]
    du = du.reshape(3, 3, k, 2, 2, c)
    rows = scratch("winograd rows", (2,) + du.shape[1:], du.dtype)
    np.add(du[:2], du[1:], out=rows)
    np.add(rows[:, :2], rows[:, 1:], out=_taps(dw))


def _read_blocks(x, first, last):
    """Block rows [first, last) of x (H, W, N, C) padded by one pixel -> s (rows, W/2 + 1, N, 4C)."""
    height, width, batch, c = x.shape
    s = scratch("winograd blocks", (last - first, width // 2 + 1, batch, 2, 2, c), x.dtype)
    if first == 0:
        s[0, :, :, 0] = 0
    if last == height // 2 + 1:
        s[-1, :, :, 1] = 0
    s[:, 0, :, :, 0] = s[:, -1, :, :, 1] = 0
    _copy_blocks(x, s, first)
    return s.reshape(s.shape[:3] + (4 * c,))


def _copy_blocks(x, s, first, to_image=False):
    """Copy between the image and its blocks from block row `first`: pixel (2i + a - 1, 2j + b -
    1) is s[i, j, a, b].
    """
    s = s.reshape(s.shape[:3] + (2, 2, x.shape[3]))
    for a in (0, 1):
        low = 1 if a == 0 and first == 0 else 0
        high = len(s) - (1 if a == 1 and first + len(s) == len(x) // 2 + 1 else 0)
        rows = slice(2 * (first + low) + a - 1, 2 * (first + high - 1) + a, 2)
        for b in (0, 1):
            pixels, blocks = x[rows, 1 - b :: 2], s[low:high, 1 - b : s.shape[1] - b, :, a, b]
            np.copyto(*((pixels, blocks) if to_image else (blocks, pixels)))
