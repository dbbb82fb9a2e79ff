"""The DCGAN layer, 4x4 kernel with stride 2 and padding 1, with 9/16 of the multiplications (Winograd, F(2, 2)).

(derivation to come)
"""
import numpy as np

from .threads import parallel, scratch, split, thread_count


def applies(kernel_size, stride, padding, output_size):
    """Whether this is the 4x4, stride 2, padding 1 layer with an even number of output rows and columns."""
    return (kernel_size == (4, 4) and stride == (2, 2) and padding == (1, 1)
            and output_size[0] % 2 == 0 and output_size[1] % 2 == 0)


def conv2d(x, weight):
    """(N, C, 2P, 2Q), (K, C, 4, 4) -> (N, K, P, Q)."""
    (batch, c, height, width), k = x.shape, len(weight)
    x, u = x.transpose(2, 3, 0, 1), _weights(weight)
    y = np.empty((height // 2, width // 2, batch, k), x.dtype)

    def band(n):
        for t in range(height // 4):
            v = scratch("winograd v", (3, 3, width // 4, n.stop - n.start, 2, 2, c), x.dtype)
            _transform_input(x[:, :, n], t, v)
            m = scratch("winograd m", (3, 3, width // 4, n.stop - n.start, k), x.dtype)
            np.matmul(v.reshape(9, -1, 4 * c), u.reshape(9, k, 4 * c).transpose(0, 2, 1), out=m.reshape(9, -1, k))
            for i in (0, 1):
                rows = m[i] + m[i + 1]
                np.add(rows[0], rows[1], out=y[2 * t + i, 0::2, n])
                np.add(rows[1], rows[2], out=y[2 * t + i, 1::2, n])

    parallel(band, split(batch, thread_count()))
    return y.transpose(2, 3, 0, 1)


def conv_transpose2d(x, weight):
    """(N, K, P, Q), (K, C, 4, 4) -> (N, C, 2P, 2Q)."""
    (batch, k, p, q), c = x.shape, weight.shape[1]
    x, u = x.transpose(2, 3, 0, 1), _weights(weight)
    y = np.empty((2 * p, 2 * q, batch, c), x.dtype)

    def band(n):
        count = n.stop - n.start
        below = None
        for t in range(p // 2):
            d = scratch("winograd d", (3, 3, q // 2, count, k), x.dtype)
            _transform_output_grad(x[:, :, n], t, d)
            v = scratch("winograd v", (3, 3, q // 2, count, 2, 2, c), x.dtype)
            np.matmul(d.reshape(9, -1, k), u.reshape(9, k, 4 * c), out=v.reshape(9, -1, 4 * c))
            blocks = np.zeros((3, q + 1, count, 2, 2, c), x.dtype)        # (v0, v1, v2) rows of 2x2 blocks
            blocks[:, 0:-1:2] = v[:, 0]
            blocks[:, 2::2] += v[:, 2]
            blocks[:, 1::2] = v[:, 1] - v[:, 0] - v[:, 2]
            even = blocks[0] if below is None else blocks[0] + below
            odd = blocks[1] - blocks[0] - blocks[2]
            below = blocks[2]
            _write(even, y[:, :, n], 4 * t - 1)
            _write(odd, y[:, :, n], 4 * t + 1)
        _write(below, y[:, :, n], 2 * p - 1)

    parallel(band, split(batch, thread_count()))
    return y.transpose(2, 3, 0, 1)


def _write(blocks, y, row):
    pixels = blocks.transpose(2, 0, 3, 1, 4).reshape(2, -1, blocks.shape[1], blocks.shape[4])
    for a in (0, 1):
        if 0 <= row + a < len(y):
            y[row + a] = pixels[a, 1:-1]


def conv2d_weight_grad(x, g):
    """(N, C, 2P, 2Q), (N, K, P, Q) -> (K, C, 4, 4)."""
    (batch, k, p, q), c = g.shape, x.shape[1]
    x, g = x.transpose(2, 3, 0, 1), g.transpose(2, 3, 0, 1)
    v = scratch("winograd all v", (3, 3, p // 2, q // 2, batch, 2, 2, c), x.dtype)
    d = scratch("winograd all d", (3, 3, p // 2, q // 2, batch, k), x.dtype)

    def transform(n):
        for t in range(p // 2):
            _transform_input(x[:, :, n], t, v[:, :, t, :, n])
            _transform_output_grad(g[:, :, n], t, d[:, :, t, :, n])

    parallel(transform, split(batch, thread_count()))
    dw = np.empty((k, 4, 4, c), x.dtype)

    def multiply(ks):
        du = np.matmul(d.reshape(9, -1, k)[:, :, ks].transpose(0, 2, 1), v.reshape(9, -1, 4 * c))
        du = du.reshape(3, 3, -1, 2, 2, c)
        rows = du[:2] + du[1:]
        taps = rows[:, :2] + rows[:, 1:]                        # (i, j, k, a, b, c): tap (2i + a, 2j + b)
        dw[ks].reshape(-1, 2, 2, 2, 2, c)[...] = taps.transpose(2, 0, 3, 1, 4, 5)

    parallel(multiply, split(k, max(thread_count(), -(-k // 64))))
    return dw.transpose(0, 3, 1, 2)


def _weights(weight):
    """u (3, 3, K, 2, 2, C)."""
    k, c = weight.shape[:2]
    u = scratch("winograd u", (3, 3, k, 2, 2, c), weight.dtype)

    def transform(ks):
        taps = weight[ks].reshape(-1, c, 2, 2, 2, 2).transpose(2, 4, 0, 3, 5, 1)        # (i, j, k, a, b, c)
        part = u[:, :, ks]
        part[0:3:2, 0:3:2] = taps
        np.add(taps[:, 0], taps[:, 1], out=part[0:3:2, 1])
        np.add(part[0], part[2], out=part[1])

    parallel(transform, split(k, thread_count()))
    return u


def _transform_input(x, t, v):
    height, width, batch, c = x.shape
    rows = scratch("winograd rows", (3, 2, width + 2, batch, c), x.dtype)
    rows[:, :, 0] = rows[:, :, -1] = 0
    inner = rows[:, :, 1:-1]
    for a in (0, 1):
        above, here, below = 4 * t + a - 1, 4 * t + a + 1, 4 * t + a + 3
        inner[1, a] = x[here]
        np.subtract(x[above] if above >= 0 else 0, x[here], out=inner[0, a])
        np.subtract(x[below] if below < height else 0, x[here], out=inner[2, a])
    blocks = rows.reshape(3, 2, width // 2 + 1, 2, batch, c).transpose(0, 2, 4, 1, 3, 5)
    np.subtract(blocks[:, 0:-1:2], blocks[:, 1::2], out=v[:, 0])
    v[:, 1] = blocks[:, 1::2]
    np.subtract(blocks[:, 2::2], blocks[:, 1::2], out=v[:, 2])


def _transform_output_grad(g, t, d):
    even, odd = g[2 * t], g[2 * t + 1]
    for i, row in enumerate((even, even + odd, odd)):
        d[i, 0] = row[0::2]
        np.add(row[0::2], row[1::2], out=d[i, 1])
        d[i, 2] = row[1::2]
