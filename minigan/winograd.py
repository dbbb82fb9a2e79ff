"""The DCGAN layer, 4x4 kernel with stride 2 and padding 1, with 9/16 of the multiplications (Winograd, F(2, 2)).

(derivation to come)
"""
import numpy as np

from .threads import parallel, scratch, split, thread_count

_ROWS = 256             # rows of a matrix product below which BLAS is slow
_SLAB = 6 << 20         # elements of transformed image that the weight gradient holds at once


def applies(kernel_size, stride, padding, output_size):
    """Whether this is the 4x4, stride 2, padding 1 layer with an even number of output rows and columns."""
    return (kernel_size == (4, 4) and stride == (2, 2) and padding == (1, 1)
            and output_size[0] % 2 == 0 and output_size[1] % 2 == 0)


def conv2d(x, weight):
    """(N, C, 2P, 2Q), (K, C, 4, 4) -> (N, K, P, Q)."""
    (batch, c, height, width), k = x.shape, len(weight)
    x, u = x.transpose(2, 3, 0, 1), _transform_weight(weight)
    y = np.empty((height // 2, width // 2, batch, k), x.dtype)

    def band(where):
        n, tiles = where
        for t in _steps(tiles, width // 4 * (n.stop - n.start)):
            v = _transform_image(x[:, :, n], t)
            m = scratch("winograd m", v.shape[:5] + (k,), x.dtype)
            np.matmul(v.reshape(9, -1, 4 * c), u.transpose(0, 2, 1), out=m.reshape(9, -1, k))
            _inverse_output(m, y[2 * t.start:2 * t.stop, :, n])

    parallel(band, _bands(batch, height // 4))
    return y.transpose(2, 3, 0, 1)


def conv_transpose2d(x, weight):
    """(N, K, P, Q), (K, C, 4, 4) -> (N, C, 2P, 2Q)."""
    (batch, k, p, q), c = x.shape, weight.shape[1]
    x, u = x.transpose(2, 3, 0, 1), _transform_weight(weight)
    y = np.empty((2 * p, 2 * q, batch, c), x.dtype)
    bands = _bands(batch, p // 2)
    overlaps = {}

    def band(where):
        n, tiles = where
        below = None
        for t in _steps(tiles, q // 2 * (n.stop - n.start)):
            d = _transform_output(x[2 * t.start:2 * t.stop, :, n])
            v = scratch("winograd v", d.shape[:5] + (4 * c,), x.dtype)
            np.matmul(d.reshape(9, -1, k), u, out=v.reshape(9, -1, 4 * c))
            s = _inverse_image(v, below)
            below = scratch("winograd below", s.shape[1:], x.dtype)
            np.copyto(below, s[-1])
            _write_blocks(s if t.stop == p // 2 else s[:-1], y[:, :, n], 2 * t.start)
        if tiles.stop < p // 2:
            overlaps[n.start, tiles.stop] = n, below.copy()

    parallel(band, bands)
    for (_, t), (n, below) in overlaps.items():
        blocks = below.reshape(below.shape[:2] + (2, 2, c)).transpose(2, 0, 3, 1, 4).reshape(2, -1, below.shape[1], c)
        y[4 * t - 1:4 * t + 1, :, n] += blocks[:, 1:-1]
    return y.transpose(2, 3, 0, 1)


def conv2d_weight_grad(x, g):
    """(N, C, 2P, 2Q), (N, K, P, Q) -> (K, C, 4, 4)."""
    (batch, k, p, q), c = g.shape, x.shape[1]
    x, g = x.transpose(2, 3, 0, 1), g.transpose(2, 3, 0, 1)
    dw = np.zeros((k, 4, 4, c), x.dtype)
    for slab in split(batch, -(-9 * p * q * batch * c // _SLAB)):
        _add_weight_grad(x[:, :, slab], g[:, :, slab], dw)
    return dw.transpose(0, 3, 1, 2)


def _add_weight_grad(x, g, dw):
    (p, q, batch, k), c = g.shape, x.shape[3]
    v = scratch("winograd all v", (3, 3, p // 2, q // 2, batch, 4 * c), x.dtype)
    d = scratch("winograd all d", (3, 3, p // 2, q // 2, batch, k), x.dtype)

    def transform(where):
        n, tiles = where
        for t in _steps(tiles, q // 2 * (n.stop - n.start)):
            _transform_image(x[:, :, n], t, v[:, :, t, :, n])
            _transform_output(g[2 * t.start:2 * t.stop, :, n], d[:, :, t, :, n])

    parallel(transform, _bands(batch, p // 2))

    def multiply(ks):
        du = scratch("winograd du", (9, ks.stop - ks.start, 4 * c), x.dtype)
        np.matmul(d.reshape(9, -1, k)[:, :, ks].transpose(0, 2, 1), v.reshape(9, -1, 4 * c), out=du)
        du = du.reshape(3, 3, -1, 2, 2, c)
        rows = scratch("winograd du rows", (2,) + du.shape[1:], x.dtype)
        np.add(du[:2], du[1:], out=rows)
        taps = dw[ks].reshape(-1, 2, 2, 2, 2, c).transpose(1, 3, 0, 2, 4, 5)      # (i, j, K, a, b, C): (2i + a, 2j + b)
        taps += rows[:, :2]
        taps += rows[:, 1:]

    parallel(multiply, split(k, max(thread_count(), -(-k // 64))))


def _bands(batch, tiles):
    """One band per thread: a share of the batch and, if there are more threads than images, of the tile rows."""
    images = split(batch, thread_count())
    return [(n, t) for n in images for t in split(tiles, -(-thread_count() // len(images)))]


def _steps(tiles, row):
    """The tile rows of a band, as many at a time as make a matrix of some 256 rows; `row` is one's length."""
    count = tiles.stop - tiles.start
    return [slice(tiles.start + t.start, tiles.start + t.stop) for t in split(count, -(-count * row // _ROWS))]


def _transform_weight(weight):
    """(K, C, 4, 4) -> u (9, K, 4C)."""
    k, c = weight.shape[:2]
    u = scratch("winograd u", (3, 3, k, 2, 2, c), weight.dtype)

    def transform(ks):
        taps = weight[ks].reshape(-1, c, 2, 2, 2, 2).transpose(2, 4, 0, 3, 5, 1)        # (i, j, K, a, b, C)
        part = u[:, :, ks]
        part[0:3:2, 0:3:2] = taps
        np.add(part[0:3:2, 0], part[0:3:2, 2], out=part[0:3:2, 1])
        np.add(part[0], part[2], out=part[1])

    parallel(transform, split(k, max(thread_count(), k * c // 4096)))
    return u.reshape(9, k, 4 * c)


def _transform_image(x, t, v=None):
    """Tile rows t of x (H, W, N, C) -> v (3, 3, T, W/4, N, 4C)."""
    s = _read_blocks(x, 2 * t.start, 2 * t.stop + 1)
    count, (_, columns, batch, size) = t.stop - t.start, s.shape
    if v is None:
        v = scratch("winograd v", (3, 3, count, columns // 2, batch, size), x.dtype)
    rows = scratch("winograd rows", (2, count, columns, batch, size), x.dtype)
    even, odd, after = s[0:-1:2], s[1::2], s[2::2]
    np.subtract(even, odd, out=rows[0])
    np.subtract(after, odd, out=rows[1])
    for i, row in enumerate((rows[0], odd, rows[1])):
        even_, odd_, after_ = row[:, 0:-1:2], row[:, 1::2], row[:, 2::2]
        np.subtract(even_, odd_, out=v[i, 0])
        v[i, 1] = odd_
        np.subtract(after_, odd_, out=v[i, 2])
    return v


def _inverse_image(v, below):
    _, _, count, columns, batch, size = v.shape
    rows = scratch("winograd rows", (3, count, 2 * columns + 1, batch, size), v.dtype)
    rows[:, :, 0] = v[:, 0, :, 0]
    rows[:, :, -1] = v[:, 2, :, -1]
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
    return s


def _read_blocks(x, first, last):
    """Block rows [first, last) of x (H, W, N, C) padded by one pixel -> s (rows, W/2 + 1, N, 4C)."""
    height, width, batch, c = x.shape
    s = scratch("winograd blocks", (last - first, width // 2 + 1, batch, 2, 2, c), x.dtype)
    for pixels, blocks in _corners(x, s, first):
        blocks[...] = pixels
    if first == 0:
        s[0, :, :, 0] = 0
    if last == height // 2 + 1:
        s[-1, :, :, 1] = 0
    s[:, 0, :, :, 0] = s[:, -1, :, :, 1] = 0
    return s.reshape(s.shape[:3] + (4 * c,))


def _write_blocks(s, y, first):
    s = s.reshape(s.shape[:3] + (2, 2, y.shape[3]))
    for pixels, blocks in _corners(y, s, first):
        pixels[...] = blocks


def _corners(x, s, first):
    """For each corner (a, b) of the 2x2 blocks: the pixels of x there, and their places in s."""
    for a in (0, 1):
        low = 1 if a == 0 and first == 0 else 0
        high = len(s) - (1 if a == 1 and first + len(s) == len(x) // 2 + 1 else 0)
        rows = slice(2 * (first + low) + a - 1, 2 * (first + high - 1) + a, 2)
        for b in (0, 1):
            yield x[rows, 1 - b::2], s[low:high, 1 - b:s.shape[1] - b, :, a, b]


def _inverse_output(m, y):
    """m (3, 3, T, Q/2, N, K) -> y (2T, Q, N, K)."""
    rows = scratch("winograd out", m.shape[1:], m.dtype)
    for i in (0, 1):
        np.add(m[i], m[i + 1], out=rows)
        for j in (0, 1):
            np.add(rows[j], rows[j + 1], out=y[i::2, j::2])


def _transform_output(g, d=None):
    """g (2T, Q, N, K) -> d (3, 3, T, Q/2, N, K)."""
    if d is None:
        d = scratch("winograd d", (3, 3, len(g) // 2, g.shape[1] // 2) + g.shape[2:], g.dtype)
    for j, pixels in ((0, g[:, 0::2]), (2, g[:, 1::2])):
        d[0, j], d[2, j] = pixels[0::2], pixels[1::2]
    np.add(d[0:3:2, 0], d[0:3:2, 2], out=d[0:3:2, 1])
    np.add(d[0], d[2], out=d[1])
    return d
