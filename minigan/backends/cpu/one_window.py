"""Convolutions with one window per image: the map has one pixel, as at both ends of a DCGAN.

    y[n, k] = Σ_c,r,s  x[n, c, r - ph, s - pw]  w[k, c, r, s]

The window of each image is a row of one matrix, so all three functions are one matrix product.
"""

from ..memory_order import PIXELS
from .im2col import crop
from .memory import empty
from .products import shared_matmul


def conv2d(x, weight, padding):
    """(N, C, H, W), (K, C, R, S) -> (N, K, 1, 1)."""
    k, _, r, s = weight.shape
    windows = _windows(x, (r, s), padding)
    rows = weight.reshape(k, -1)
    y = shared_matmul(windows, rows.T)
    return y.reshape(len(x), k, 1, 1)


def conv_transpose2d(x, weight, padding, size):
    """(N, K, 1, 1), (K, C, R, S) -> images (N, C, *size): y[n, c, r - ph, s - pw] = x w[r, s]."""
    k, c, r, s = weight.shape
    batch = len(x)
    pixels = x.reshape(batch, k)
    y = empty((*size, batch, c), x.dtype)
    y.fill(0)
    image = shared_matmul(pixels, weight.reshape(k, -1))
    image = image.reshape(batch, c, r, s)
    image = image.transpose(PIXELS)  # (R, S, N, C)
    top, left = padding
    bottom = top + size[0]
    right = left + size[1]
    image = image[top:bottom, left:right]
    y[: image.shape[0], : image.shape[1]] = image
    return y.transpose(PIXELS)


def conv2d_weight_grad(x, g, kernel_size, padding):
    """(N, C, H, W), (N, K, 1, 1) -> (K, C, R, S)."""
    k = g.shape[1]
    windows = _windows(x, kernel_size, padding)
    columns = g.reshape(len(g), k)
    dw = shared_matmul(columns.T, windows)
    return dw.reshape(k, x.shape[1], *kernel_size)


def _windows(x, kernel_size, padding):
    """The only window of each image, as a row: (N, C, H, W) -> (N, C R S)."""
    r, s = kernel_size
    top, left = padding
    window = crop(x.transpose(PIXELS), -top, r, -left, s)  # (R, S, N, C)
    window = window.transpose(PIXELS)  # (N, C, R, S)
    return window.reshape(len(x), -1)
