"""The kernel-backed operations written down as their formulas: slow, obviously right, array in,
array out.

Every other implementation, in NumPy or CUDA, is held against this one, and the namespace is
complete, so a whole network can run on it (``devices.kernels = reference``). The one idea: an
oracle must be checked by eye, so each function is the formula in its docstring, the convolutions
index by index, in float64, and rounds once, to the dtype it was given. Shapes: images x (N, C, H,
W), maps y (N, K, P, Q), weights (K, C, R, S), one number per channel (C,).
"""

import functools

import numpy as np


def _in_float64(formula):
    """Compute with float64 copies of the arrays; round the results to the dtype of the first
    argument.
    """

    @functools.wraps(formula)
    def rounded(x, *arguments):
        arrays = [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in (x, *arguments)]
        results = formula(*arrays)
        return (
            tuple(r.astype(x.dtype) for r in results)
            if type(results) is tuple
            else results.astype(x.dtype)
        )

    return rounded


def _pad(x, padding):
    return np.pad(x, ((0, 0), (0, 0), (padding[0], padding[0]), (padding[1], padding[1])))


@_in_float64
def matmul(x, y):
    """z[..., i, j] = sum over k of x[..., i, k] y[..., k, j]; leading axes broadcast."""
    terms = x[..., :, :, None] * y[..., None, :, :]  # (..., i, k, j)
    return terms.sum(-2)


@_in_float64
def linear(x, weight, bias=None):
    """y[n, o] = sum over i of x[n, i] weight[o, i] + bias[o]."""
    y = np.zeros((len(x), len(weight)))
    for n in range(len(x)):
        for o in range(len(weight)):
            y[n, o] = np.sum(x[n] * weight[o])
            if bias is not None:
                y[n, o] += bias[o]
    return y


@_in_float64
def conv2d(x, weight, stride, padding):
    """y[n, k, p, q] = sum over c, r, s of x[n, c, p sh + r - ph, q sw + s - pw] w[k, c, r, s], x
    zero outside.
    """
    (sh, sw), (k, _, r, s), x = stride, weight.shape, _pad(x, padding)
    y = np.zeros((len(x), k, (x.shape[2] - r) // sh + 1, (x.shape[3] - s) // sw + 1))
    for n, k, p, q in np.ndindex(y.shape):
        y[n, k, p, q] = np.sum(x[n, :, p * sh : p * sh + r, q * sw : q * sw + s] * weight[k])
    return y


@_in_float64
def conv_transpose2d(x, weight, stride, padding, output_padding):
    """y[n, c, p sh + r - ph, q sw + s - pw] += x[n, k, p, q] w[k, c, r, s] for all k, p, q, r, s;
    x (N, K, P, Q).
    """
    (sh, sw), (ph, pw), (n, _, height, width), (_, c, r, s) = stride, padding, x.shape, weight.shape
    y = np.zeros(
        (n, c, (height - 1) * sh + r + output_padding[0], (width - 1) * sw + s + output_padding[1])
    )
    for p, q in np.ndindex(height, width):
        y[:, :, p * sh : p * sh + r, q * sw : q * sw + s] += np.tensordot(
            x[:, :, p, q], weight, axes=1
        )
    return y[:, :, ph : y.shape[2] - ph, pw : y.shape[3] - pw]


@_in_float64
def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """dw[k, c, r, s] = sum over n, p, q of g[n, k, p, q] x[n, c, p sh + r - ph, q sw + s - pw]."""
    (sh, sw), (_, _, p, q), x = stride, g.shape, _pad(x, padding)
    dw = np.zeros((g.shape[1], x.shape[1], *kernel_size))
    for k, c, r, s in np.ndindex(dw.shape):
        dw[k, c, r, s] = np.sum(
            g[:, k] * x[:, c, r : r + (p - 1) * sh + 1 : sh, s : s + (q - 1) * sw + 1 : sw]
        )
    return dw


@_in_float64
def channel_sum(g):
    """s[c] = sum of g[n, c, ...] over all axes but c."""
    return np.array([np.sum(g[:, c]) for c in range(g.shape[1])])


@_in_float64
def add_bias(x, bias):
    """y[n, c, ...] = x[n, c, ...] + b[c]."""
    return np.stack([x[:, c] + bias[c] for c in range(x.shape[1])], axis=1)


def batch_norm_statistics(x, weight, bias, running_mean, running_var, momentum, eps):
    """mean (2, C), inv_std = 1 / sqrt(var + eps), scale = weight inv_std, shift = bias - mean[1]
    scale.

    mean[0] is the mean in x's dtype, mean[1] what that rounding left over. So (x - mean[0]) scale
    + shift is weight (x - mean) inv_std + bias. var[c] = mean((x[n, c, ...] - mean[c])^2) over
    all axes but c, of m values. In place, running_mean and running_var become (1 - momentum)
    times themselves plus momentum times mean, and momentum times var m / (m - 1).
    """
    m, dtype = x[:, 0].size, x.dtype
    mean = np.array([np.mean(x[:, c].astype(np.float64)) for c in range(x.shape[1])])
    var = np.array([np.mean((x[:, c] - mean[c]) ** 2) for c in range(x.shape[1])])
    inv_std = 1 / np.sqrt(var + eps)
    scale = inv_std * (1 if weight is None else weight.astype(np.float64))
    rest = mean - mean.astype(dtype)
    shift = (0 if bias is None else bias) - rest * scale
    if running_mean is not None:
        running_mean[...] = (1 - momentum) * running_mean.astype(np.float64) + momentum * mean
        running_var[...] = (1 - momentum) * running_var.astype(np.float64) + momentum * var * m / (
            m - 1
        )
    parts = np.stack([mean, rest])
    return tuple(a.astype(dtype) for a in (parts, inv_std, scale, shift))


@_in_float64
def batch_norm_forward(x, centre, scale, shift, negative_slope):
    """y[n, c, ...] = act((x[n, c, ...] - centre[c]) scale[c] + shift[c]).

    act is LeakyReLU, or nothing for a slope of None.
    """
    y = np.stack([(x[:, c] - centre[c]) * scale[c] + shift[c] for c in range(x.shape[1])], axis=1)
    return y if negative_slope is None else leaky_relu(y, negative_slope)


@_in_float64
def batch_norm_grad(g, x, y, mean, inv_std, weight, negative_slope):
    """dx, dweight, dbias of y = act(w n + b), n = (x - mean) / std, from the Jacobian of n
    written out in full.

    Over the m values of a channel, with d = x - mean[0] - mean[1]: dn_j / dx_i = (1 [i = j] - 1 /
    m) / std - d_j d_i / (m std^3). dx = J^T (w dz), dweight = sum of dz n, dbias = sum of dz,
    where dz is g behind the activation. g, x, y (N, C, ...).
    """
    dz = g if negative_slope is None else leaky_relu_grad(g, y, negative_slope)
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(len(inv_std)), np.zeros(len(inv_std))
    for c in range(len(inv_std)):
        d, dzc = x[:, c].ravel() - mean[0, c] - mean[1, c], dz[:, c].ravel()
        m = len(d)
        jacobian = (np.eye(m) - 1 / m) * inv_std[c] - np.outer(d, d) * inv_std[c] ** 3 / m
        dx[:, c] = (jacobian.T @ dzc * (1 if weight is None else weight[c])).reshape(x[:, c].shape)
        dweight[c], dbias[c] = np.sum(dzc * d * inv_std[c]), np.sum(dzc)
    return dx, dweight, dbias


@_in_float64
def leaky_relu(x, negative_slope):
    """x where x > 0, else negative_slope x; a NaN stays a NaN."""
    return np.where(x > 0, x, negative_slope * x)


@_in_float64
def leaky_relu_grad(g, y, negative_slope):
    """g where y > 0, else negative_slope g, y the activation's output."""
    return np.where(y > 0, g, negative_slope * g)


@_in_float64
def bce_with_logits(x, target, reduction):
    """-t log p - (1 - t) log(1 - p), p = sigmoid(x), each ("none"), their "mean" or "sum"; t like
    x, or a number.
    """
    losses = target * np.logaddexp(0, -x) + (1 - target) * np.logaddexp(
        0, x
    )  # the logarithms, with no p that rounds
    return losses if reduction == "none" else getattr(np, reduction)(losses)


@_in_float64
def bce_with_logits_grad(x, target, g, reduction):
    """(sigmoid(x) - t) g, divided by the number of elements for "mean"; g () or, for "none", like
    x.
    """
    sigmoid = np.exp(-np.logaddexp(0, -x))  # 1 / (1 + exp(-x)) where that would overflow
    return (sigmoid - target) * g / (x.size if reduction == "mean" else 1)


def adam(params, grads, exp_avgs, exp_avg_sqs, step, lr, betas, eps, weight_decay):
    """Kingma and Ba 2015, Algorithm 1, in place; step counts from 1.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr (m / (1 - b1^step)) / (sqrt(v / (1 -
    b2^step)) + eps)
    """
    for arrays in zip(params, grads, exp_avgs, exp_avg_sqs):
        p, g, m, v = (a.astype(np.float64) for a in arrays)
        g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        p = p - lr * (m / (1 - betas[0] ** step)) / (np.sqrt(v / (1 - betas[1] ** step)) + eps)
        arrays[0][...], arrays[2][...], arrays[3][...] = p, m, v
