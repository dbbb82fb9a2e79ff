"""The layer that DCGAN is made of (4x4 kernel, stride 2, padding 1) with 9/16 of the multiplications.

**From stride 2 to stride 1.** Pad the image by one pixel and cut it into 2x2 blocks. A 4x4 window that moves two pixels
at a time covers two by two whole blocks and moves one block at a time: the layer is a 2x2 convolution with stride 1 on
blocks s of 4C channels (a row and a column of the block, then c).

**One dimension.** Two neighbouring outputs see three blocks through two taps: y0 = s0 w0 + s1 w1, y1 = s1 w0 + s2 w1.
That is four products. Winograd's algorithm F(2, 2) (in Lavin and Gray 2016, from Winograd 1980) makes three:

    m0 = (s0 - s1) w0        m1 = s1 (w0 + w1)        m2 = (s2 - s1) w1
    y0 = m0 + m1             y1 = m1 + m2

Multiply out and the terms s1 w0 in y0 and s1 w1 in y1 cancel. In matrices, with * the product element by element,

    y = A [(B s) * (G w)]     A = |1 1 0|      B = |1 -1 0|      G = |1 0|
                                  |0 1 1|          |0  1 0|          |1 1|
                                                   |0 -1 1|          |0 1|

**Two dimensions.** Rows first, then columns: a tile of 2x2 outputs takes 3x3 products instead of 16. Each product is not
of numbers but of a vector of 4C channels with a (4C, K) matrix, and all tiles of the batch share that matrix: the layer
is nine matrix products, v = B s (nine of pixels x 4C), u = G w (nine of K x 4C), m = v uᵀ, y = A m. The transforms are
additions of neighbours; v holds 2.25 numbers per pixel, where im2col writes 4. All coefficients are 0 and ±1, so the
rounding error stays near the direct convolution's; larger tiles (F(4, 2)) save more products and lose a digit.

**The other two passes.** <y, g> = Σ (B s) * (G w) * (A'g), A' the transpose of A, is linear in s, in w and in g, and each gradient is read off it:

    input gradient (and transposed convolution)   s' = B' [(A' g) * (G w)]       v' = d u
    weight gradient                               w' = G' [(A' g) * (B s)]       u' = dᵀ v        with d = A' g

so nine products of the same size again, no inserted zeros, and no overlapping additions but B's own:
s'_2t = v'0[t] + v'2[t-1] and s'_2t+1 = v'1 - v'0 - v'2.

Each pass transforms its whole input, then each thread takes some output channels, transforms their weights, multiplies
tile rows by them and transforms back, all in its own cache. Images are (H, W, N, C) in memory.
"""
import numpy as np

from .threads import parallel, scratch, split, thread_count

_PIXELS = 256           # rows of a matrix product below which BLAS is slow
_CHANNELS = 64          # output channels per task: their weights and products fit a second-level cache
_SLAB = 6 << 20         # elements of transformed image that are held at once: 24 MB of float32


def applies(weight_shape, stride, padding, output_size):
    """Whether this is the 4x4, stride 2, padding 1 layer, with even output size and channels enough to be worth it."""
    return (tuple(weight_shape[2:]) == (4, 4) and stride == (2, 2) and padding == (1, 1)
            and output_size[0] % 2 == output_size[1] % 2 == 0 and min(weight_shape[:2]) >= 16)


def conv2d(x, weight):
    """(N, C, 2P, 2Q), (K, C, 4, 4) -> (N, K, P, Q)."""
    (batch, c, height, width), k = x.shape, len(weight)
    x, y = x.transpose(2, 3, 0, 1), np.empty((height // 2, width // 2, batch, k), x.dtype)
    for n in _slabs(batch, 9 * height * width // 4 * c):
        v = _transform(_transform_image, x[:, :, n], 4 * c)

        def channels(ks):
            u = _transform_weight(weight[ks])
            for t in _steps(v):
                m = scratch("winograd m", (3, 3, t.stop - t.start) + v.shape[3:5] + (len(u[0]),), v.dtype)
                np.matmul(_matrices(v[:, :, t]), u.transpose(0, 2, 1), out=_matrices(m))
                _inverse_output(m, y[2 * t.start:2 * t.stop, :, n, ks])

        parallel(channels, _tasks(k))
    return y.transpose(2, 3, 0, 1)


def conv_transpose2d(x, weight):
    """(N, K, P, Q), (K, C, 4, 4) -> (N, C, 2P, 2Q): the adjoint of conv2d."""
    (batch, k, p, q), c = x.shape, weight.shape[1]
    x, y = x.transpose(2, 3, 0, 1), np.empty((2 * p, 2 * q, batch, c), x.dtype)
    for n in _slabs(batch, 9 * p * q * max(k // 4, c)):
        d = _transform(_transform_output, x[:, :, n], k)

        def channels(cs):
            u = _transform_weight(weight[:, cs])
            below = None
            for t in _steps(d):
                v = scratch("winograd m", (3, 3, t.stop - t.start) + d.shape[3:5] + u.shape[2:], d.dtype)
                np.matmul(_matrices(d[:, :, t]), u, out=_matrices(v))
                s, below = _inverse_image(v, below)
                last = t.stop == d.shape[2]
                _copy_blocks(y[:, :, n, cs], s if last else s[:-1], 2 * t.start, to_image=True)

        parallel(channels, _tasks(c))
    return y.transpose(2, 3, 0, 1)


def conv2d_weight_grad(x, g):
    """(N, C, 2P, 2Q), (N, K, P, Q) -> (K, C, 4, 4)."""
    (batch, k, p, q), c = g.shape, x.shape[1]
    x, g = x.transpose(2, 3, 0, 1), g.transpose(2, 3, 0, 1)
    dw = np.zeros((k, 4, 4, c), x.dtype)
    for n in _slabs(batch, 9 * p * q * c):
        v = _matrices(_transform(_transform_image, x[:, :, n], 4 * c))
        d = _matrices(_transform(_transform_output, g[:, :, n], k))

        def channels(ks):
            du = scratch("winograd m", (9, ks.stop - ks.start, 4 * c), v.dtype)
            np.matmul(d[:, :, ks].transpose(0, 2, 1), v, out=du)
            _inverse_weight(du, dw[ks])

        parallel(channels, _tasks(k))
    return dw.transpose(0, 3, 1, 2)


def _slabs(batch, elements):
    """Shares of the batch, each of at most _SLAB elements when one image has `elements`."""
    return split(batch, -(-batch * elements // _SLAB))


def _tasks(channels):
    return split(channels, max(thread_count(), -(-channels // _CHANNELS)))


def _steps(v):
    """Slices of the tile rows of v (3, 3, T, columns, N, channels), each a product of some _PIXELS rows."""
    rows, columns, batch = v.shape[2:5]
    return split(rows, -(-rows * columns * batch // (2 * _PIXELS)))


def _matrices(v):
    """(3, 3, T, columns, N, channels) -> nine matrices (tiles, channels), without copying."""
    return v.reshape(9, -1, v.shape[-1])


def _transform(function, x, channels):
    """All tiles of x (H, W, N, C) by `function`, the threads sharing the batch or, for few images, the rows."""
    height, width, batch, _ = x.shape
    tiles, columns = (height // 4, width // 4) if function is _transform_image else (height // 2, width // 2)
    out = scratch(function.__name__, (3, 3, tiles, columns, batch, channels), x.dtype)

    def band(where):
        n, rows = where
        for t in split(rows.stop - rows.start, -(-(rows.stop - rows.start) * columns * (n.stop - n.start) // _PIXELS)):
            t = slice(rows.start + t.start, rows.start + t.stop)
            function(x[:, :, n], t, out[:, :, t, :, n])

    shares = split(batch, thread_count())
    parallel(band, [(n, rows) for n in shares for rows in split(tiles, -(-thread_count() // len(shares)))])
    return out


def _transform_image(x, t, v):
    """v = B s: tile rows t of x (H, W, N, C) -> v (3, 3, T, W/4, N, 4C)."""
    s = _read_blocks(x, 2 * t.start, 2 * t.stop + 1)
    even, odd, after = s[0:-1:2], s[1::2], s[2::2]
    rows = scratch("winograd rows", (2,) + odd.shape, x.dtype)
    np.subtract(even, odd, out=rows[0])
    np.subtract(after, odd, out=rows[1])
    for i, row in enumerate((rows[0], odd, rows[1])):
        even, middle, after = row[:, 0:-1:2], row[:, 1::2], row[:, 2::2]
        np.subtract(even, middle, out=v[i, 0])
        v[i, 1] = middle
        np.subtract(after, middle, out=v[i, 2])


def _inverse_image(v, below):
    """s' = B' v: v (3, 3, T, W/4, N, 4C) -> blocks (2T + 1, W/2 + 1, N, 4C), and the last row for the next tile."""
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
    g = g[2 * t.start:2 * t.stop]
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
    u[0:3:2, 0:3:2] = weight.reshape(k, c, 2, 2, 2, 2).transpose(2, 4, 0, 3, 5, 1)      # tap (2i + a, 2j + b)
    np.add(u[0:3:2, 0], u[0:3:2, 2], out=u[0:3:2, 1])
    np.add(u[0], u[2], out=u[1])
    return u.reshape(9, k, 4 * c)


def _inverse_weight(du, dw):
    """dw += G' du: nine matrices (K, 4C) -> (K, 4, 4, C)."""
    du = du.reshape(3, 3, len(dw), 2, 2, -1)
    rows = scratch("winograd rows", (2,) + du.shape[1:], du.dtype)
    np.add(du[:2], du[1:], out=rows)
    taps = dw.reshape(len(dw), 2, 2, 2, 2, -1).transpose(1, 3, 0, 2, 4, 5)
    taps += rows[:, :2]
    taps += rows[:, 1:]


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
    """Copy between the image and its blocks from block row `first`: pixel (2i + a - 1, 2j + b - 1) is s[i, j, a, b]."""
    s = s.reshape(s.shape[:3] + (2, 2, x.shape[3]))
    for a in (0, 1):
        low = 1 if a == 0 and first == 0 else 0
        high = len(s) - (1 if a == 1 and first + len(s) == len(x) // 2 + 1 else 0)
        rows = slice(2 * (first + low) + a - 1, 2 * (first + high - 1) + a, 2)
        for b in (0, 1):
            pixels, blocks = x[rows, 1 - b::2], s[low:high, 1 - b:s.shape[1] - b, :, a, b]
            np.copyto(*((pixels, blocks) if to_image else (blocks, pixels)))
