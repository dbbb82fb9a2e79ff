"""Which algorithm computes a convolution in NumPy: Winograd's if it applies, otherwise im2col."""

from . import im2col, winograd


def conv2d(x, weight, stride, padding):
    """y[n, k, p, q] = sum of x[n, c, sh p + r - ph, sw q + s - pw] w[k, c, r, s] over c, r, s.

    (N, C, H, W), (K, C, R, S) -> (N, K, P, Q).
    """
    image = x.shape[2:]
    if winograd.applies(weight.shape, stride, padding, image):
        return winograd.conv2d(x, weight)
    return im2col.conv2d(
        x,
        weight,
        stride,
        padding,
    )


def conv_transpose2d(x, weight, stride, padding, output_padding):
    """The adjoint of conv2d, so also its input gradient: (N, K, P, Q), (K, C, R, S) -> images.

    The images are (N, C, H, W).
    """
    if output_padding == (0, 0):
        image = [2 * n for n in x.shape[2:]]
        if winograd.applies(weight.shape, stride, padding, image):
            return winograd.conv_transpose2d(x, weight)
    return im2col.conv_transpose2d(
        x,
        weight,
        stride,
        padding,
        output_padding,
    )


def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """The gradient of conv2d with respect to its weight.

    (N, C, H, W), (N, K, P, Q) -> (K, C, R, S).
    """
    image = x.shape[2:]
    weight_shape = (g.shape[1], x.shape[1], *kernel_size)
    if winograd.applies(weight_shape, stride, padding, image):
        return winograd.conv2d_weight_grad(x, g)
    return im2col.conv2d_weight_grad(x, g, kernel_size, stride, padding)
