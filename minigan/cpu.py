"""The kernel-backed operations in NumPy: array in, array out, no autograd.

Every one works band by band: a piece of the arrays that fits a core's cache goes through all the steps of a formula
before the next piece is touched, and the pieces are shared out between threads.
"""
import math

import numpy as np

from . import im2col, winograd
from .threads import parallel, scratch, split

_CHUNK = 1 << 16        # elements: 256 KB of float32, a fraction of a core's second-level cache


def conv2d(x, weight, stride, padding):
    """(N, C, H, W), (K, C, R, S) -> (N, K, P, Q): y[p] = Σ_r x[s p + r - padding] w[r]."""
    output_size = _output_size(x.shape, weight.shape[2:], stride, padding)
    if _winograd(x.shape, len(weight), weight.shape[2:], stride, padding, output_size):
        return winograd.conv2d(x, weight)
    return im2col.conv2d(x, weight, stride, padding)


def conv_transpose2d(x, weight, stride, padding, output_padding):
    """(N, K, P, Q), (K, C, R, S) -> (N, C, H, W): the adjoint of conv2d, so also its input gradient."""
    shape = (0, weight.shape[1]) + x.shape[2:]
    if output_padding == (0, 0) and _winograd(shape, x.shape[1], weight.shape[2:], stride, padding, x.shape[2:]):
        return winograd.conv_transpose2d(x, weight)
    return im2col.conv_transpose2d(x, weight, stride, padding, output_padding)


def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """(N, C, H, W), (N, K, P, Q) -> (K, C, R, S): the gradient of conv2d with respect to its weight."""
    if x.shape[2] % 2 == x.shape[3] % 2 == 0 and _winograd(x.shape, g.shape[1], kernel_size, stride, padding, g.shape[2:]):
        return winograd.conv2d_weight_grad(x, g)
    return im2col.conv2d_weight_grad(x, g, kernel_size, stride, padding)


def _output_size(shape, kernel_size, stride, padding):
    return tuple((n + 2 * p - r) // s + 1 for n, r, s, p in zip(shape[2:], kernel_size, stride, padding))


def _winograd(shape, k, kernel_size, stride, padding, output_size):
    return (min(shape[1], k) >= 16 and winograd.applies(tuple(kernel_size), tuple(stride), tuple(padding), output_size))


def linear(x, weight, bias):
    """(N, in), (out, in), (out,) or None -> (N, out): x weightᵀ + bias."""
    y = x @ weight.T
    if bias is not None:
        y += bias
    return y


def channel_sum(g):
    """(N, C, ...) -> (C,): the sum over all axes but the channels'."""
    return g.sum(axis=_all_but_channels(g))


def add_bias(x, bias):
    """(N, C, ...), (C,) -> x + bias, each channel its own."""
    return x + _per_channel(bias, x)


def batch_norm_statistics(x):
    """(N, C, ...) -> mean (C,), biased variance (C,), by the two-pass formula."""
    axes = _all_but_channels(x)
    mean = x.mean(axis=axes, dtype=np.float64).astype(x.dtype)
    centred = x - _per_channel(mean, x)
    return mean, np.square(centred).mean(axis=axes) - np.square(centred.mean(axis=axes))


def batch_norm_forward(x, scale, shift, negative_slope):
    """(N, C, ...), (C,), (C,) -> act(x scale + shift)."""
    y = x * _per_channel(scale, x) + _per_channel(shift, x)
    return y if negative_slope is None else leaky_relu(y, negative_slope)


def batch_norm_grad(g, x, y, mean, inv_std, weight, negative_slope):
    """The gradient of training-mode batch norm and its activation: -> dx (N, C, ...), dweight (C,), dbias (C,)."""
    dz = g if negative_slope is None else leaky_relu_grad(g, y, negative_slope)
    axes, count = _all_but_channels(x), x.size // x.shape[1]
    normal = (x - _per_channel(mean, x)) * _per_channel(inv_std, x)
    dbias, dweight = dz.sum(axis=axes), (dz * normal).sum(axis=axes)
    scale = inv_std if weight is None else inv_std * weight
    dx = (dz - _per_channel(dbias / count, x) - normal * _per_channel(dweight / count, x)) * _per_channel(scale, x)
    return dx, dweight, dbias


def leaky_relu(x, negative_slope):
    """x where x > 0, else negative_slope x. Any shape."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if negative_slope == 0:
            return np.maximum(x, 0)
        return (np.maximum if negative_slope <= 1 else np.minimum)(x, x * x.dtype.type(negative_slope))


def leaky_relu_grad(g, y, negative_slope):
    """g where y > 0, else negative_slope g: at the kink the slope is the negative side's, as in PyTorch."""
    return g * np.where(y > 0, g.dtype.type(1), g.dtype.type(negative_slope))


def bce_with_logits(x, target, reduction):
    """max(x, 0) - x t + log(1 + exp(-|x|)), its mean, or its sum."""
    value = np.maximum(x, 0) - x * target + np.log1p(np.exp(-np.abs(x)))
    return value if reduction == "none" else getattr(value, reduction)()


def bce_with_logits_grad(x, target, g, reduction):
    """(sigmoid(x) - t) g, over the count for the mean."""
    small = np.exp(-np.abs(x))
    sigmoid = np.where(x >= 0, 1, small) / (1 + small)
    return (sigmoid - target) * (g / x.dtype.type(x.size) if reduction == "mean" else g)


def adam(params, grads, exp_avgs, exp_avg_sqs, step, lr, betas, eps, weight_decay):
    """One Adam step (Kingma & Ba 2015, in PyTorch's form) on lists of arrays, in place."""
    beta1, beta2 = betas
    step_size, root = lr / (1 - beta1 ** step), math.sqrt(1 - beta2 ** step)
    for param, grad, m, v in zip(params, grads, exp_avgs, exp_avg_sqs):
        if weight_decay:
            grad = grad + weight_decay * param
        m += (grad - m) * (1 - beta1)
        v *= beta2
        v += grad * grad * (1 - beta2)
        param -= step_size * m / (np.sqrt(v) / root + eps)


def _all_but_channels(x):
    return (0,) + tuple(range(2, x.ndim))


def _per_channel(a, x):
    return a.reshape((1, -1) + (1,) * (x.ndim - 2))
