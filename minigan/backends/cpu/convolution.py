"""Which algorithm computes a convolution in NumPy: Winograd's where it applies, im2col elsewhere."""

from . import im2col, winograd


def conv2d(x, weight, stride, padding):
    """(N, C, H, W), (K, C, R, S) -> (N, K, P, Q): y[k, p] = Σ_c,r x[c, s p + r - padding] w[k, c,
    r].
    """
    if winograd.applies(weight.shape, stride, padding, x.shape[2:]):
        return winograd.conv2d(x, weight)
    return im2col.conv2d(x, weight, stride, padding)


def conv_transpose2d(x, weight, stride, padding, output_padding):
    """(N, K, P, Q), (K, C, R, S) -> (N, C, H, W): the adjoint of conv2d, so also its input
    gradient.
    """
    if output_padding == (0, 0) and winograd.applies(
        weight.shape, stride, padding, [2 * n for n in x.shape[2:]]
    ):
        return winograd.conv_transpose2d(x, weight)
    return im2col.conv_transpose2d(x, weight, stride, padding, output_padding)


def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """(N, C, H, W), (N, K, P, Q) -> (K, C, R, S): the gradient of conv2d with respect to its
    weight.
    """
    shape = (g.shape[1], x.shape[1], *kernel_size)
    if winograd.applies(shape, stride, padding, x.shape[2:]):
        return winograd.conv2d_weight_grad(x, g)
    return im2col.conv2d_weight_grad(x, g, kernel_size, stride, padding)
