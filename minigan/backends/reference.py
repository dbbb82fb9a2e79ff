"""The kernel-backed operations written down as their formulas: slow and obviously right.

Every other implementation, in NumPy or CUDA, is compared with this one. An oracle must be checked
by eye, so each function is the formula in its docstring, with the same letters. It computes in
float64, and rounds once, to the dtype that it was given.

The namespace is complete: with ``devices.kernels = reference`` a whole network runs on it.

Shapes: images x (N, C, H, W), feature maps y (N, K, P, Q), weights (K, C, R, S). Channel c is at
index c of a vector (C,). The window of pixel (p, q) is the R x S pixels of x that it sees.
"""

import functools

import numpy as np


def _in_float64(formula):
    """Compute with float64 copies of the arrays; round the results to the first one's dtype."""

    @functools.wraps(formula)
    def rounded(x, *arguments):
        wide = []
        for a in (x, *arguments):
            wide.append(a.astype(np.float64) if isinstance(a, np.ndarray) else a)
        results = formula(*wide)
        if type(results) is tuple:
            return tuple(r.astype(x.dtype) for r in results)
        return results.astype(x.dtype)

    return rounded


def _pad(x, padding):
    """Images (N, C, H, W) with zeros on all four sides."""
    rows = (padding[0], padding[0])
    columns = (padding[1], padding[1])
    return np.pad(x, ((0, 0), (0, 0), rows, columns))


def _window(x, top, left, R, S):
    """The R x S pixels of images (N, C, H, W) that begin at (top, left): a view."""
    bottom = top + R
    right = left + S
    return x[:, :, top:bottom, left:right]


@_in_float64
def matmul(x, y):
    """z[..., i, j] = sum over k of x[..., i, k] y[..., k, j]; leading axes broadcast."""
    rows = x.shape[-2]
    columns = y.shape[-1]
    leading = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    shape = (*leading, rows, columns)
    z = np.zeros(shape)
    for i in range(rows):
        for j in range(columns):
            row = x[..., i, :]  # (..., k)
            column = y[..., :, j]  # (..., k)
            z[..., i, j] = np.sum(row * column, axis=-1)
    return z


@_in_float64
def linear(x, weight, bias=None):
    """y[n, o] = sum over i of x[n, i] weight[o, i] + bias[o]."""
    y = np.zeros((len(x), len(weight)))
    for n in range(len(x)):
        for o in range(len(weight)):
            y[n, o] = np.sum(x[n] * weight[o])
    if bias is not None:
        y += bias
    return y


@_in_float64
def conv2d(x, weight, stride, padding):
    """y[n, k, p, q] = sum over c, r, s of x[n, c, p sh + r - ph, q sw + s - pw] w[k, c, r, s].

    x is zero outside of the image.
    """
    x = _pad(x, padding)
    N, C, H, W = x.shape
    K, C, R, S = weight.shape
    P = (H - R) // stride[0] + 1
    Q = (W - S) // stride[1] + 1
    y = np.zeros((N, K, P, Q))
    for p in range(P):
        for q in range(Q):
            top = p * stride[0]
            left = q * stride[1]
            window = _window(x, top, left, R, S)  # (N, C, R, S)
            for n in range(N):
                for k in range(K):
                    products = window[n] * weight[k]
                    y[n, k, p, q] = np.sum(products)
    return y


@_in_float64
def conv_transpose2d(x, weight, stride, padding, output_padding):
    """y[n, c, p sh + r - ph, q sw + s - pw] += x[n, k, p, q] w[k, c, r, s] for all k, p, q, r, s.

    x has the shape of feature maps (N, K, P, Q), y that of images.
    """
    N, K, P, Q = x.shape
    K, C, R, S = weight.shape
    H = (P - 1) * stride[0] + R + output_padding[0]
    W = (Q - 1) * stride[1] + S + output_padding[1]
    y = np.zeros((N, C, H, W))
    for p in range(P):
        for q in range(Q):
            top = p * stride[0]
            left = q * stride[1]
            window = _window(y, top, left, R, S)  # (N, C, R, S), a view
            for n in range(N):
                for k in range(K):
                    window[n] += x[n, k, p, q] * weight[k]
    rows = slice(padding[0], H - padding[0])
    columns = slice(padding[1], W - padding[1])
    return y[:, :, rows, columns]


@_in_float64
def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """dw[k, c, r, s] = sum over n, p, q of g[n, k, p, q] x[n, c, p sh + r - ph, q sw + s - pw]."""
    x = _pad(x, padding)
    N, C, H, W = x.shape
    N, K, P, Q = g.shape
    R, S = kernel_size
    dw = np.zeros((K, C, R, S))
    for p in range(P):
        for q in range(Q):
            top = p * stride[0]
            left = q * stride[1]
            window = _window(x, top, left, R, S)  # (N, C, R, S)
            for n in range(N):
                for k in range(K):
                    dw[k] += g[n, k, p, q] * window[n]
    return dw


# ---- channels ------------------------------------------------------------------------------------


@_in_float64
def channel_sum(g):
    """s[c] = sum of g[n, c, ...] over all axes but c."""
    return np.array([np.sum(g[:, c]) for c in range(g.shape[1])])


@_in_float64
def add_bias(x, bias):
    """y[n, c, ...] = x[n, c, ...] + b[c]."""
    y = np.zeros(x.shape)
    for c in range(x.shape[1]):
        y[:, c] = x[:, c] + bias[c]
    return y


def batch_norm_statistics(x, weight, bias, running_mean, running_var, momentum, eps):
    """centre_and_rest (2, C), inv_std = 1 / sqrt(var + eps), scale = weight inv_std, shift.

    var[c] is the mean of (x[n, c, ...] - mean[c])^2 over all axes but c, which have m values.

    centre_and_rest: where the mean is large beside the spread of x, its rounding error is large
    too. So the mean is kept as the sum of two numbers in x's dtype: the centre, here the rounded
    mean, and the rest, which is what that rounding left over. With shift = bias - rest scale,
    (x - centre) scale + shift is weight (x - mean) inv_std + bias, and no digit is lost.

    In place, with mu = momentum: running_mean = (1 - mu) running_mean + mu mean, and
    running_var = (1 - mu) running_var + mu var m / (m - 1).
    """
    C = x.shape[1]
    m = x[:, 0].size
    mean = np.zeros(C)
    var = np.zeros(C)
    for c in range(C):
        values = x[:, c].astype(np.float64)
        mean[c] = np.mean(values)
        deviations = values - mean[c]
        var[c] = np.mean(deviations**2)
    inv_std = 1 / np.sqrt(var + eps)
    scale = inv_std if weight is None else inv_std * weight.astype(np.float64)
    rest = mean - mean.astype(x.dtype)
    shift = -rest * scale if bias is None else bias - rest * scale
    if running_mean is not None:
        running_mean[...] = _moved(running_mean, mean, momentum)
        running_var[...] = _moved(running_var, var * m / (m - 1), momentum)
    centre_and_rest = np.stack([mean, rest])
    return tuple(a.astype(x.dtype) for a in (centre_and_rest, inv_std, scale, shift))


def _moved(running, value, momentum):
    """(1 - momentum) running + momentum value."""
    return (1 - momentum) * running.astype(np.float64) + momentum * value


@_in_float64
def batch_norm_forward(x, centre, scale, shift, negative_slope):
    """y[n, c, ...] = act((x[n, c, ...] - centre[c]) scale[c] + shift[c]).

    act is LeakyReLU, or the identity for a slope of None.
    """
    y = np.zeros(x.shape)
    for c in range(x.shape[1]):
        centred = x[:, c] - centre[c]
        y[:, c] = centred * scale[c] + shift[c]
    return y if negative_slope is None else leaky_relu(y, negative_slope)


@_in_float64
def batch_norm_grad(g, x, y, centre_and_rest, inv_std, weight, negative_slope):
    """dx, dweight, dbias of y = act(w n + b), n = (x - mean) / std, by the whole Jacobian of n.

    A channel has m values. With d = x - centre - rest, its Jacobian J is

        dn_j / dx_i = ([i = j] - 1 / m) / std - d_j d_i / (m std^3).

    With dz the gradient of w n + b, dx = J^T dz w, dweight = sum of dz n, and dbias = sum of dz.
    g, x, y (N, C, ...).
    """
    dz = g if negative_slope is None else leaky_relu_grad(g, y, negative_slope)
    centre, rest = centre_and_rest
    C = len(inv_std)
    dx = np.zeros(x.shape)
    dweight = np.zeros(C)
    dbias = np.zeros(C)
    for c in range(C):
        dz_c = dz[:, c].ravel()
        d = x[:, c].ravel()
        d = d - centre[c] - rest[c]
        m = len(d)
        of_mean = (np.eye(m) - 1 / m) * inv_std[c]
        of_std = np.outer(d, d) * inv_std[c] ** 3 / m
        jacobian = of_mean - of_std
        dx_c = jacobian.T @ dz_c
        if weight is not None:
            dx_c = dx_c * weight[c]
        dx[:, c] = dx_c.reshape(dx[:, c].shape)
        normalised = d * inv_std[c]
        dweight[c] = np.sum(dz_c * normalised)
        dbias[c] = np.sum(dz_c)
    return dx, dweight, dbias


# ---- elementwise ---------------------------------------------------------------------------------


@_in_float64
def leaky_relu(x, negative_slope):
    """x where x > 0, otherwise negative_slope x; a NaN stays a NaN."""
    return np.where(x > 0, x, negative_slope * x)


@_in_float64
def leaky_relu_grad(g, y, negative_slope):
    """g where y > 0, otherwise negative_slope g; y is the activation's output."""
    return np.where(y > 0, g, negative_slope * g)


@_in_float64
def bce_with_logits(x, target, reduction):
    """-t log p - (1 - t) log(1 - p), p = sigmoid(x): each ("none"), their "mean" or "sum".

    The target t is like x, or a number.
    """
    minus_log_p = np.logaddexp(0, -x)  # log(1 + exp(-x)): no p that rounds to 0 or 1
    minus_log_1_p = np.logaddexp(0, x)
    if_real = target * minus_log_p
    if_fake = (1 - target) * minus_log_1_p
    losses = if_real + if_fake
    if reduction == "none":
        return losses
    return np.mean(losses) if reduction == "mean" else np.sum(losses)


@_in_float64
def bce_with_logits_grad(x, target, g, reduction):
    """(sigmoid(x) - t) g, divided by the number of elements for "mean".

    g is one number or, for "none", like x.
    """
    sigmoid = np.exp(-np.logaddexp(0, -x))  # 1 / (1 + exp(-x)), which would overflow
    dx = (sigmoid - target) * g
    return dx / x.size if reduction == "mean" else dx


def adam(params, grads, exp_avgs, exp_avg_sqs, step, lr, betas, eps, weight_decay):
    """Kingma and Ba 2015, Algorithm 1, in place; step counts from 1.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
    p -= lr (m / (1 - b1^step)) / (sqrt(v / (1 - b2^step)) + eps)
    """
    b1, b2 = betas
    for arrays in zip(params, grads, exp_avgs, exp_avg_sqs):
        p, g, m, v = [a.astype(np.float64) for a in arrays]
        g = g + weight_decay * p
        m *= b1
        m += (1 - b1) * g
        v *= b2
        v += (1 - b2) * g * g
        m_hat = m / (1 - b1**step)
        v_hat = v / (1 - b2**step)
        std = np.sqrt(v_hat)
        p = p - lr * m_hat / (std + eps)
        arrays[0][...] = p
        arrays[2][...] = m
        arrays[3][...] = v
