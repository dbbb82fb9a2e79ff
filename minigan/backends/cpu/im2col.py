"""Convolution of every shape as a matrix product: gather each window of the image into a row,
then multiply.

    y[p, q, n, k] = Σ_r,s,c  x[sh p + r - ph, sw q + s - pw, n, c]  w[k, c, r, s]

Arrays are NCHW to the caller, but lie in memory as (H, W, N, C): a slice of rows or columns is
then a few long runs, a window of one image row is a run of channels, and the product's result is
already the next layer's input. Two thoughts keep the gathered matrix small. The transposed
convolution is taken apart by output phase: the outputs h with (h + ph) mod sh = a meet only the
taps r = a, a + sh, ..., so each phase is an ordinary stride-1 convolution and no inserted zero is
ever multiplied. And where one side has few channels (an image), the other side is multiplied
first and the products are added shifted, so that the many channels are never gathered.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .products import is_long_sum, long_sum, shared_matmul
from .threads import empty, parallel, scratch, split, thread_count

_BAND = 1 << 19  # elements of the gathered matrix per band: 2 MB, one core's second-level cache
_THIN = 16  # fewer channels than this are gathered pixel by pixel, not channel by channel


def conv2d(x, weight, stride, padding):
    """(N, C, H, W), (K, C, R, S) -> (N, K, P, Q) with P = (H + 2 ph - R) // sh + 1, Q likewise."""
    (batch, c, height, width), (k, _, r, s) = x.shape, weight.shape
    p, q = (
        (height + 2 * padding[0] - r) // stride[0] + 1,
        (width + 2 * padding[1] - s) // stride[1] + 1,
    )
    if (
        stride == (1, 1)
        and 4 * k * height * width <= c * p * q
        and padding[0] < r
        and padding[1] < s
    ):
        return conv_transpose2d(
            x, _mirror(weight), stride, (r - 1 - padding[0], s - 1 - padding[1]), (0, 0)
        )
    if p == q == 1:
        window = (
            _crop(_hwnc(x), -padding[0], r, -padding[1], s).transpose(2, 3, 0, 1).reshape(batch, -1)
        )
        return shared_matmul(window, weight.reshape(k, -1).T).reshape(batch, k, 1, 1)
    y = empty((p, q, batch, k), x.dtype)
    _correlate(_hwnc(x), weight, stride, padding, y)
    return _nchw(y)


def conv_transpose2d(x, weight, stride, padding, output_padding):
    """(N, K, P, Q), (K, C, R, S) -> (N, C, H, W) with H = (P - 1) sh - 2 ph + R + oph: the
    adjoint of conv2d.
    """
    (batch, k, p, q), (_, c, r, s) = x.shape, weight.shape
    height = (p - 1) * stride[0] - 2 * padding[0] + r + output_padding[0]
    width = (q - 1) * stride[1] - 2 * padding[1] + s + output_padding[1]
    if p == q == 1:
        return _multiply_one_pixel(x.reshape(batch, k), weight, padding, (height, width))
    if 4 * c <= k:
        return _multiply_then_shift(_hwnc(x), weight, stride, padding, (height, width))
    y = empty((height, width, batch, c), x.dtype)
    taps = weight.transpose(1, 0, 2, 3)  # (C, K, R, S)
    for a in range(stride[0]):
        for b in range(stride[1]):
            rows, columns = (
                (a - padding[0]) % stride[0],
                (b - padding[1]) % stride[1],
            )  # first of this phase
            phase = y[rows :: stride[0], columns :: stride[1]]
            sub = taps[:, :, a :: stride[0], b :: stride[1]][:, :, ::-1, ::-1]
            if sub.size == 0:  # a stride longer than the kernel leaves gaps
                phase[...] = 0
            elif phase.size:
                offset = (
                    sub.shape[2] - 1 - (rows + padding[0]) // stride[0],
                    sub.shape[3] - 1 - (columns + padding[1]) // stride[1],
                )
                _correlate(_hwnc(x), sub, (1, 1), offset, phase)
    return _nchw(y)


def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """(N, C, H, W), (N, K, P, Q) -> (K, C, R, S): Σ over pixels of g[p, q] times the window of x
    at (p, q).
    """
    (_, c, height, width), (batch, k, p, q), (r, s) = x.shape, g.shape, kernel_size
    if (
        stride == (1, 1)
        and 4 * k * height * width <= c * p * q
        and padding[0] < r
        and padding[1] < s
    ):
        return _mirror(
            conv2d_weight_grad(g, x, kernel_size, stride, (r - 1 - padding[0], s - 1 - padding[1]))
        )
    if p == q == 1:
        window = (
            _crop(_hwnc(x), -padding[0], r, -padding[1], s).transpose(2, 3, 0, 1).reshape(batch, -1)
        )
        return shared_matmul(g.reshape(batch, k).T, window).reshape(k, c, r, s)
    x, g = _hwnc(x), _hwnc(g)
    bands = _bands(p, p * q * batch * r * s * c, max(_BAND, k * r * s * c))
    groups = split(len(bands), thread_count())
    sums = empty((len(groups), r * s * c, k), x.dtype)

    def accumulate(i):
        for j in range(groups[i].start, groups[i].stop):
            columns = _gather(x, bands[j], q, kernel_size, stride, padding)
            first = j == groups[i].start
            product = sums[i] if first else scratch("product", sums[i].shape, x.dtype)
            pixels = g[bands[j]].reshape(-1, k)
            if is_long_sum(columns.T, pixels):
                product[...] = long_sum(columns.T, pixels)
            else:
                np.matmul(columns.T, pixels, out=product)
            if not first:
                sums[i] += product

    parallel(accumulate, range(len(groups)))
    total = sums[0]
    for other in sums[1:]:
        total += other
    return np.ascontiguousarray(total.reshape(r, s, c, k).transpose(3, 2, 0, 1))


def _correlate(x, weight, stride, offset, out):
    """out[p, q, n, k] = Σ x[sh p + r - top, sw q + s - left, n, c] w[k, c, r, s], zero outside x;
    out a view.
    """
    (p, q, batch, k), (_, c, r, s) = out.shape, weight.shape
    matrix = weight.transpose(0, 2, 3, 1).reshape(k, r * s * c).T

    def band(rows):
        columns = _gather(x, rows, q, (r, s), stride, offset)
        if out[rows].flags.c_contiguous:
            np.matmul(columns, matrix, out=out[rows].reshape(-1, k))
        else:  # one phase of a transposed convolution
            product = scratch("product", (len(columns), k), out.dtype)
            out[rows] = np.matmul(columns, matrix, out=product).reshape(out[rows].shape)

    parallel(band, _bands(p, p * q * batch * r * s * c))


def _bands(rows, elements, size=_BAND):
    """`rows` in slices of some `size` of all the elements, as many for every thread; one slice of
    a small array.
    """
    threads = thread_count()
    return split(rows, threads * -(-elements // (size * threads)) if elements > _BAND // 16 else 1)


def _gather(x, rows, q, kernel_size, stride, offset):
    """The windows of output rows `rows` as a matrix (rows Q N, R S C), zeros where they leave x
    (H, W, N, C).
    """
    (r, s), (sh, sw), count, (_, _, batch, c) = kernel_size, stride, rows.stop - rows.start, x.shape
    patch = _crop(
        x, rows.start * sh - offset[0], (count - 1) * sh + r, -offset[1], (q - 1) * sw + s
    )
    dh, dw, dn, dc = patch.strides
    windows = as_strided(patch, (count, q, batch, r, s, c), (sh * dh, sw * dw, dn, dh, dw, dc))
    if c < _THIN:  # runs of pixels are longer than runs of channels
        columns = scratch("columns", (r, s, c, count, q, batch), x.dtype)
        np.copyto(columns, windows.transpose(3, 4, 5, 0, 1, 2))
        return columns.reshape(r * s * c, -1).T
    columns = scratch("columns", windows.shape, x.dtype)
    np.copyto(columns, windows)
    return columns.reshape(-1, r * s * c)


def _crop(x, top, height, left, width):
    """x[top : top + height, left : left + width], with zeros where that leaves x; top and left
    may be negative.
    """
    batch, c = x.shape[2:]
    inside = top >= 0 and left >= 0 and top + height <= len(x) and left + width <= x.shape[1]
    if c < _THIN:  # in the order in which its windows will be read
        patch = scratch("patch", (c, height, width, batch), x.dtype).transpose(1, 2, 3, 0)
    elif inside:
        return x[top : top + height, left : left + width]
    else:
        patch = scratch("patch", (height, width, batch, c), x.dtype)
    patch.fill(0)
    rows = slice(max(top, 0), max(0, min(top + height, len(x))))
    columns = slice(max(left, 0), max(0, min(left + width, x.shape[1])))
    if rows.start < rows.stop and columns.start < columns.stop:
        patch[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = x[
            rows, columns
        ]
    return patch


def _multiply_then_shift(x, weight, stride, padding, size):
    """Transposed convolution into few channels: z = w x pixel by pixel, then y[c, sh p + r - ph]
    += z[r, s, c, p].
    """
    (p, q, batch, k), (_, c, r, s), (height, width) = x.shape, weight.shape, size
    matrix = weight.transpose(2, 3, 1, 0).reshape(r * s * c, k)
    y = empty((c, height, width, batch), x.dtype)
    y.fill(0)

    def band(rows):
        first, last = _sources(rows, 0, stride[0], padding[0], r, p)
        if first >= last:
            return
        pixels = x[first:last].reshape(-1, k)
        z = scratch("products", (r * s * c, len(pixels)), x.dtype)
        np.matmul(matrix, pixels.T, out=z)
        z = z.reshape(r, s, c, last - first, q, batch)
        for i in range(r):
            p0, p1 = _sources(rows, i, stride[0], padding[0], 1, p)
            for j in range(s):
                q0, q1 = _sources(slice(0, width), j, stride[1], padding[1], 1, q)
                if p0 < p1 and q0 < q1:
                    h, w = p0 * stride[0] + i - padding[0], q0 * stride[1] + j - padding[1]
                    target = y[
                        :,
                        h : h + (p1 - p0 - 1) * stride[0] + 1 : stride[0],
                        w : w + (q1 - q0 - 1) * stride[1] + 1 : stride[1],
                    ]
                    target += z[i, j, :, p0 - first : p1 - first, q0:q1]

    parallel(
        band, _bands(height, 2 * p * q * batch * r * s * c)
    )  # z is read and written: half as long
    return y.transpose(3, 0, 1, 2)


def _multiply_one_pixel(x, weight, padding, size):
    """Transposed convolution of one pixel x (N, K), the first layer of a generator: y[r - ph, s -
    pw] = x w[r, s].
    """
    y = empty(size + (len(x), weight.shape[1]), x.dtype)
    y.fill(0)
    image = (
        shared_matmul(x, weight.reshape(len(weight), -1))
        .reshape(len(x), *weight.shape[1:])
        .transpose(2, 3, 0, 1)
    )
    image = image[padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
    y[: image.shape[0], : image.shape[1]] = image
    return _nchw(y)


def _sources(rows, tap, stride, padding, taps, count):
    """The range of p in [0, count) for which some r in [tap, tap + taps) has stride p + r -
    padding in `rows`.
    """
    return (
        max(0, -(-(rows.start + padding - tap - taps + 1) // stride)),
        min(count, (rows.stop - 1 + padding - tap) // stride + 1),
    )


def _mirror(weight):
    """A stride-1 convolution is the transposed one with its taps reversed and its channels
    exchanged.
    """
    return weight.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]


def _hwnc(x):
    return x.transpose(2, 3, 0, 1)


def _nchw(y):
    return y.transpose(2, 3, 0, 1)
