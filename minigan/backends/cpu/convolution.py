"""Which algorithm computes a convolution in NumPy.

| layer                                                | algorithm                                |
|------------------------------------------------------|------------------------------------------|
| 4x4, stride 2, padding 1, 16 to 256 channels, enough | Winograd's, with 9/16 of the products    |
| pixels                                               |                                          |
| 3x3, stride 1, at least 16 channels, enough pixels   | Winograd's, with 1/4 to 4/9 of them      |
| one window in each image, or a map of one pixel      | one matrix product, and nothing to gather|
| into few channels (an image)                         | multiply first, then add shifted         |
| any other                                            | im2col: gather the windows, then multiply|

Each function below asks these questions from top to bottom. Which side has few channels decides one
thing more. With stride 1, a convolution is also a transposed convolution, of its mirrored weight.
So a stride-1 convolution into few channels becomes a transposed one, and is multiplied first.
"""

from ..convolution_sizes import output_size, transposed_size
from . import im2col, one_window, shifted_products, winograd, winograd3x3
from .winograd_tiles import FOUR, THREE, TWO, tile_for

_TILES = TWO, THREE
_WEIGHT_TILES = TWO, THREE, FOUR  # FOUR loses too many digits elsewhere
_FEWER = 4  # with a quarter of the numbers to gather, the mirrored convolution is cheaper


def conv2d(x, weight, stride, padding):
    """y[n, k, p, q] = Σ x[n, c, sh p + r - ph, sw q + s - pw] w[k, c, r, s] over c, r, s.

    (N, C, H, W), (K, C, R, S) -> (N, K, P, Q) with P = (H + 2 ph - R) // sh + 1, Q likewise.
    """
    image = x.shape[2:]
    batch = len(x)
    if winograd.applies(batch, weight.shape, stride, padding, image):
        return winograd.conv2d(x, weight)
    kernel_size = weight.shape[2:]
    size = output_size(image, kernel_size, stride, padding)
    tile = tile_for(batch, weight.shape, size, stride, padding, _TILES)
    if tile is not None:
        return winograd3x3.conv2d(x, weight, padding, tile)
    y_shape = len(weight), *size
    if _is_cheaper_mirrored(x.shape, y_shape, kernel_size, stride, padding):
        mirrored = _mirror(weight)
        other = _mirrored_padding(kernel_size, padding)
        return _transpose(x, mirrored, stride, other, size)
    has_one_window = size == (1, 1)
    if has_one_window:
        return one_window.conv2d(x, weight, padding)
    return im2col.conv2d(x, weight, stride, padding, size)


def conv_transpose2d(x, weight, stride, padding, output_padding):
    """The adjoint of conv2d, so also its input gradient.

    (N, K, P, Q), (K, C, R, S) -> (N, C, H, W) with H = (P - 1) sh - 2 ph + R + oph, W likewise.
    """
    image = x.shape[2:]
    kernel_size = weight.shape[2:]
    size = transposed_size(image, kernel_size, stride, padding, output_padding)
    if output_padding == (0, 0):
        batch = len(x)
        if winograd.applies(batch, weight.shape, stride, padding, size):
            return winograd.conv_transpose2d(x, weight)
        tile = tile_for(batch, weight.shape, size, stride, padding, _TILES)
        if tile is not None:
            return winograd3x3.conv_transpose2d(x, weight, padding, tile)
    return _transpose(x, weight, stride, padding, size)


def _transpose(x, weight, stride, padding, size):
    """conv_transpose2d of a layer that is not Winograd's, into images of this size (H, W)."""
    image = x.shape[2:]
    has_one_pixel = image == (1, 1)
    if has_one_pixel:
        return one_window.conv_transpose2d(x, weight, padding, size)
    k, c = weight.shape[:2]
    if _FEWER * c <= k:
        return shifted_products.conv_transpose2d(x, weight, stride, padding, size)
    return im2col.conv_transpose2d(x, weight, stride, padding, size)


def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """The gradient of conv2d with respect to its weight: Σ over n, p, q of g times x's window.

    (N, C, H, W), (N, K, P, Q) -> (K, C, R, S).
    """
    y_shape = g.shape[1:]
    k = g.shape[1]
    c = x.shape[1]
    weight_shape = (k, c, *kernel_size)
    image = x.shape[2:]
    batch = len(x)
    if winograd.applies(batch, weight_shape, stride, padding, image):
        return winograd.conv2d_weight_grad(x, g)
    size = y_shape[1:]
    tile = tile_for(batch, weight_shape, size, stride, padding, _WEIGHT_TILES)
    if tile is not None:
        return winograd3x3.conv2d_weight_grad(x, g, padding, tile)
    if _is_cheaper_mirrored(x.shape, y_shape, kernel_size, stride, padding):
        other = _mirrored_padding(kernel_size, padding)
        mirrored = conv2d_weight_grad(g, x, kernel_size, stride, other)
        return _mirror(mirrored)
    has_one_window = size == (1, 1)
    if has_one_window:
        return one_window.conv2d_weight_grad(x, g, kernel_size, padding)
    return im2col.conv2d_weight_grad(x, g, kernel_size, stride, padding)


# ---- the mirror image of a stride-1 convolution --------------------------------------------------


def _is_cheaper_mirrored(x_shape, y_shape, kernel_size, stride, padding):
    """Whether a convolution is cheaper as the transposed convolution of its mirrored weight.

    Then the many channels are multiplied first, and only few are gathered.
    """
    if stride != (1, 1):
        return False
    mirrored_padding = _mirrored_padding(kernel_size, padding)
    if min(mirrored_padding) < 0:
        return False
    _, c, height, width = x_shape
    k, p, q = y_shape
    gathered_mirrored = k * height * width
    gathered = c * p * q
    return _FEWER * gathered_mirrored <= gathered


def _mirrored_padding(kernel_size, padding):
    """The padding of the transposed convolution that is this convolution."""
    rows = kernel_size[0] - 1 - padding[0]
    columns = kernel_size[1] - 1 - padding[1]
    return rows, columns


def _mirror(weight):
    """The weight of that transposed convolution: taps reversed, channels exchanged."""
    exchanged = weight.transpose(1, 0, 2, 3)
    return exchanged[:, :, ::-1, ::-1]
