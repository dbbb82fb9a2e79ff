"""Convolution of every shape as a matrix product: gather each window into a row, then multiply.

    y[p, q, n, k] = Σ_r,s,c  x[sh p + r - ph, sw q + s - pw, n, c]  w[k, c, r, s]

Arrays are NCHW to the caller, but lie in memory as (H, W, N, C): a slice of rows or columns is
then a few long runs, a window of one image row is a run of channels, and the product's result is
already the next layer's input. Two ideas keep the gathered matrix small. The transposed
convolution is taken apart by output phase: the outputs h with (h + ph) mod sh = a meet only the
taps r = a, a + sh, ..., so each phase is an ordinary stride-1 convolution and no inserted zero is
ever multiplied. And where one side has few channels (an image), the other side is multiplied
first and the products are added shifted, so that the many channels are never gathered.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .memory import empty, scratch
from .products import is_long_sum, long_sum, shared_matmul
from .threads import parallel, split, thread_count

_BLOCK = 1 << 19  # elements of the gathered matrix per block: 2 MB, one core's second-level cache
_THIN = 16  # fewer channels than this are gathered pixel by pixel, not channel by channel


def conv2d(x, weight, stride, padding):
    """(N, C, H, W), (K, C, R, S) -> (N, K, P, Q) with P = (H + 2 ph - R) // sh + 1, Q likewise."""
    batch, c, height, width = x.shape
    k, _, r, s = weight.shape
    p = _windows_along(height, r, stride[0], padding[0])
    q = _windows_along(width, s, stride[1], padding[1])
    kernel = r, s
    if _is_cheaper_mirrored(x.shape, (k, p, q), kernel, stride, padding):
        mirrored = _mirror(weight)
        other = _mirrored_padding(kernel, padding)
        return conv_transpose2d(x, mirrored, stride, other, (0, 0))
    if p == q == 1:
        window = _one_window(x, kernel, padding)
        rows = weight.reshape(k, -1)
        y = shared_matmul(window, rows.T)
        return y.reshape(batch, k, 1, 1)
    y = empty((p, q, batch, k), x.dtype)
    _correlate(_hwnc(x), weight, stride, padding, y)
    return _nchw(y)


def _windows_along(length, kernel, stride, padding):
    """How many windows fit along an axis."""
    free = length + 2 * padding - kernel
    return free // stride + 1


def _is_cheaper_mirrored(x_shape, y_shape, kernel, stride, padding):
    """With stride 1 and few output channels: is it cheaper to exchange the two sides?

    A stride-1 convolution is the transposed one with its taps reversed and its channels exchanged.
    Then the many channels are multiplied first, and only few are gathered.
    """
    _, c, height, width = x_shape
    k, p, q = y_shape
    if stride != (1, 1):
        return False
    if padding[0] >= kernel[0] or padding[1] >= kernel[1]:
        return False
    gathered_mirrored = k * height * width
    gathered = c * p * q
    return 4 * gathered_mirrored <= gathered


def _mirrored_padding(kernel, padding):
    """The padding of the transposed convolution that is this convolution."""
    rows = kernel[0] - 1 - padding[0]
    columns = kernel[1] - 1 - padding[1]
    return rows, columns


def _mirror(weight):
    """The weight of that transposed convolution: taps reversed, channels exchanged."""
    exchanged = weight.transpose(1, 0, 2, 3)
    return exchanged[:, :, ::-1, ::-1]


def _one_window(x, kernel, padding):
    """The only window of each image, as a row: (N, C, H, W) -> (N, C R S)."""
    r, s = kernel
    top, left = padding
    window = _crop(_hwnc(x), -top, r, -left, s)  # (R, S, N, C)
    window = window.transpose(2, 3, 0, 1)
    return window.reshape(len(x), -1)


def conv_transpose2d(x, weight, stride, padding, output_padding):
    """(N, K, P, Q), (K, C, R, S) -> (N, C, H, W): the adjoint of conv2d.

    H = (P - 1) sh - 2 ph + R + oph, W likewise.
    """
    batch, k, p, q = x.shape
    _, c, r, s = weight.shape
    height = (p - 1) * stride[0] - 2 * padding[0] + r
    height += output_padding[0]
    width = (q - 1) * stride[1] - 2 * padding[1] + s
    width += output_padding[1]
    size = height, width
    if p == q == 1:
        pixels = x.reshape(batch, k)
        return _multiply_one_pixel(pixels, weight, padding, size)
    if 4 * c <= k:
        return _multiply_then_shift(_hwnc(x), weight, stride, padding, size)
    y = empty((height, width, batch, c), x.dtype)
    for a in range(stride[0]):
        for b in range(stride[1]):
            _correlate_phase(_hwnc(x), weight, stride, padding, y, a, b)
    return _nchw(y)


def _correlate_phase(x, weight, stride, padding, y, a, b):
    """The outputs of phase (a, b) of y (H, W, N, C): those that meet only every stride-th tap."""
    sh, sw = stride
    row = (a - padding[0]) % sh  # the first of this phase
    column = (b - padding[1]) % sw
    phase = y[row::sh, column::sw]
    taps = weight.transpose(1, 0, 2, 3)  # (C, K, R, S)
    taps = taps[:, :, a::sh, b::sw]  # (C, K, R / sh, S / sw)
    taps = taps[:, :, ::-1, ::-1]
    if taps.size == 0:  # a stride longer than the kernel leaves gaps
        phase[...] = 0
    elif phase.size:
        r, s = taps.shape[2:]
        top = r - 1 - (row + padding[0]) // sh
        left = s - 1 - (column + padding[1]) // sw
        offset = top, left
        _correlate(x, taps, (1, 1), offset, phase)


def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """The sum over pixels of g[p, q] times the window of x at (p, q).

    (N, C, H, W), (N, K, P, Q) -> (K, C, R, S).
    """
    batch, k, p, q = g.shape
    r, s = kernel_size
    if _is_cheaper_mirrored(x.shape, (k, p, q), kernel_size, stride, padding):
        other = _mirrored_padding(kernel_size, padding)
        mirrored = conv2d_weight_grad(g, x, kernel_size, stride, other)
        return _mirror(mirrored)
    c = x.shape[1]
    if p == q == 1:
        window = _one_window(x, (r, s), padding)
        columns = g.reshape(batch, k)
        dw = shared_matmul(columns.T, window)
        return dw.reshape(k, c, r, s)
    windows = Windows(_hwnc(x), kernel_size, stride, padding)
    total = _sum_of_products(windows, _hwnc(g))  # (R S C, K)
    dw = total.reshape(r, s, c, k)
    dw = dw.transpose(3, 2, 0, 1)
    return np.ascontiguousarray(dw)


class Windows(NamedTuple):
    """The windows that a convolution sees in x."""

    x: np.ndarray  # (H, W, N, C)
    kernel: tuple  # (R, S)
    stride: tuple
    offset: tuple  # how many rows above and columns beside x the first window begins


def _sum_of_products(windows, g):
    """Σ over pixels of window times g: g (P, Q, N, K) -> (R S C, K).

    Each thread adds up the products of some blocks of rows.
    """
    p, q, batch, k = g.shape
    r, s = windows.kernel
    size = r * s * windows.x.shape[3]
    elements = p * q * batch * size
    blocks = _blocks(p, elements, max(_BLOCK, k * size))
    groups = split(len(blocks), thread_count())
    sums = empty((len(groups), size, k), g.dtype)

    def accumulate(i):
        group = groups[i]
        for j in range(group.start, group.stop):
            rows = blocks[j]
            columns = _gather(windows, rows, q)
            pixels = g[rows].reshape(-1, k)
            if j == group.start:
                _multiply(columns.T, pixels, sums[i])
            else:
                product = scratch("product", sums[i].shape, g.dtype)
                _multiply(columns.T, pixels, product)
                sums[i] += product

    parallel(accumulate, range(len(groups)))
    total = sums[0]
    for other in sums[1:]:
        total += other
    return total


def _multiply(a, b, out):
    """out = a @ b."""
    if is_long_sum(a, b):
        out[...] = long_sum(a, b)
    else:
        np.matmul(a, b, out=out)


def _correlate(x, weight, stride, offset, out):
    """out[p, q, n, k] = Σ x[sh p + r - top, sw q + s - left, n, c] w[k, c, r, s].

    x (H, W, N, C) is zero outside; out is a view.
    """
    p, q, batch, k = out.shape
    _, c, r, s = weight.shape
    size = r * s * c
    windows = Windows(x, (r, s), stride, offset)
    matrix = weight.transpose(0, 2, 3, 1)  # (K, R, S, C)
    matrix = matrix.reshape(k, size).T

    def block(rows):
        columns = _gather(windows, rows, q)
        target = out[rows]
        if target.flags.c_contiguous:
            np.matmul(
                columns,
                matrix,
                out=target.reshape(-1, k),
            )
        else:  # one phase of a transposed convolution
            product = scratch("product", (len(columns), k), out.dtype)
            np.matmul(columns, matrix, out=product)
            target[...] = product.reshape(target.shape)

    elements = p * q * batch * size
    parallel(block, _blocks(p, elements))


def _blocks(rows, elements, size=_BLOCK):
    """`rows` in slices of about `size` of all the elements, as many for every thread.

    A small array is one slice.
    """
    if elements <= _BLOCK // 16:
        return split(rows, 1)
    threads = thread_count()
    rounds = math.ceil(elements / (size * threads))
    return split(rows, threads * rounds)


def _gather(windows, rows, q):
    """The windows of some output rows as a matrix (rows Q N, R S C), zero where they leave x."""
    x = windows.x
    r, s = windows.kernel
    sh, sw = windows.stride
    top, left = windows.offset
    batch, c = x.shape[2:]
    count = rows.stop - rows.start
    height = (count - 1) * sh + r
    width = (q - 1) * sw + s
    first = rows.start * sh - top
    patch = _crop(x, first, height, -left, width)
    dh, dw, dn, dc = patch.strides
    shape = count, q, batch, r, s, c
    strides = sh * dh, sw * dw, dn, dh, dw, dc
    found = as_strided(patch, shape, strides)
    if c < _THIN:  # runs of pixels are longer than runs of channels
        shape = r, s, c, count, q, batch
        columns = scratch("columns", shape, x.dtype)
        columns[...] = found.transpose(3, 4, 5, 0, 1, 2)
        return columns.reshape(r * s * c, -1).T
    columns = scratch("columns", shape, x.dtype)
    np.copyto(columns, found)
    return columns.reshape(-1, r * s * c)


def _crop(x, top, height, left, width):
    """x[top : top + height, left : left + width], with zeros where that leaves x.

    top and left may be negative.
    """
    batch, c = x.shape[2:]
    bottom = top + height
    right = left + width
    is_inside = min(top, left) >= 0
    is_inside = is_inside and bottom <= len(x) and right <= x.shape[1]
    if c < _THIN:  # in the order in which its windows will be read
        patch = scratch("patch", (c, height, width, batch), x.dtype)
        patch = patch.transpose(1, 2, 3, 0)
    elif is_inside:
        return x[top:bottom, left:right]
    else:
        patch = scratch("patch", (height, width, batch, c), x.dtype)
    patch.fill(0)
    rows = _overlap(top, bottom, len(x))
    columns = _overlap(left, right, x.shape[1])
    if rows and columns:
        to_rows = slice(rows.start - top, rows.stop - top)
        to_columns = slice(columns.start - left, columns.stop - left)
        from_rows = slice(rows.start, rows.stop)
        from_columns = slice(columns.start, columns.stop)
        patch[to_rows, to_columns] = x[from_rows, from_columns]
    return patch


def _overlap(start, stop, length):
    """What of start..stop lies within an axis of this length: a range, perhaps an empty one."""
    start = max(start, 0)
    stop = min(stop, length)
    return range(start, stop)


def _multiply_then_shift(x, weight, stride, padding, size):
    """Transposed convolution into few channels: the products first, then their sum.

    z = w x pixel by pixel, then y[c, sh p + r - ph] += z[r, s, c, p].
    """
    p, q, batch, k = x.shape
    _, c, r, s = weight.shape
    height, width = size
    sh, sw = stride
    ph, pw = padding
    matrix = weight.transpose(2, 3, 1, 0)  # (R, S, C, K)
    matrix = matrix.reshape(r * s * c, k)
    y = empty((c, height, width, batch), x.dtype)
    y.fill(0)

    def block(rows):
        first, last = _sources(rows, 0, sh, ph, r, p)
        if first >= last:
            return
        pixels = x[first:last].reshape(-1, k)
        shape = r * s * c, len(pixels)
        z = scratch("products", shape, x.dtype)
        np.matmul(matrix, pixels.T, out=z)
        z = z.reshape(r, s, c, last - first, q, batch)
        for i in range(r):
            down = _sources(rows, i, sh, ph, 1, p)
            wanted = slice(down[0] - first, down[1] - first)
            for j in range(s):
                across = _sources(range(width), j, sw, pw, 1, q)
                if down[0] < down[1] and across[0] < across[1]:
                    to_rows = _places(down, i, sh, ph)
                    to_columns = _places(across, j, sw, pw)
                    target = y[:, to_rows, to_columns]
                    from_columns = slice(*across)
                    target += z[i, j, :, wanted, from_columns]

    elements = 2 * p * q * batch * r * s * c  # twice, because z is read and written
    parallel(block, _blocks(height, elements))
    return y.transpose(3, 0, 1, 2)


def _places(sources, tap, stride, padding):
    """Where the products of pixels p0..p1 with a tap belong: stride p + tap - padding."""
    p0, p1 = sources
    start = p0 * stride + tap - padding
    length = (p1 - p0 - 1) * stride + 1
    return slice(start, start + length, stride)


def _multiply_one_pixel(x, weight, padding, size):
    """Transposed convolution of one pixel x (N, K), the first layer of a generator.

    y[r - ph, s - pw] = x w[r, s].
    """
    k, c, r, s = weight.shape
    batch = len(x)
    y = empty((*size, batch, c), x.dtype)
    y.fill(0)
    image = shared_matmul(x, weight.reshape(k, -1))
    image = image.reshape(batch, c, r, s)
    image = image.transpose(2, 3, 0, 1)
    top, left = padding
    bottom = top + size[0]
    right = left + size[1]
    image = image[top:bottom, left:right]
    y[: image.shape[0], : image.shape[1]] = image
    return _nchw(y)


def _sources(rows, tap, stride, padding, taps, count):
    """The range of p in [0, count) whose products with some of the taps fall into `rows`.

    A product with tap r falls into row stride p + r - padding; the taps are tap, tap + 1, ...
    """
    low = rows.start + padding - tap - taps + 1
    high = rows.stop - 1 + padding - tap
    first = math.ceil(low / stride)
    last = high // stride + 1
    return max(0, first), min(count, last)


def _hwnc(x):
    return x.transpose(2, 3, 0, 1)


def _nchw(y):
    return y.transpose(2, 3, 0, 1)
