"""What PyTorch calls each of our kernels: the first argument t is the module torch."""

import functools


def conv2d(t, x, weight, stride, padding):
    return t.conv2d(x, weight, None, stride, padding)


def conv_transpose2d(t, x, weight, stride, padding, output_padding):
    return t.conv_transpose2d(x, weight, None, stride, padding, output_padding)


def conv2d_weight_grad(t, x, g, kernel_size, stride, padding):
    weight = x.new_empty(g.shape[1], x.shape[1], *kernel_size)
    weight = weight.contiguous(memory_format=t.channels_last)
    _, dw, _ = t.ops.aten.convolution_backward(
        g,
        x,
        weight,
        bias_sizes=None,
        stride=stride,
        padding=padding,
        dilation=(1, 1),
        transposed=False,
        output_padding=(0, 0),
        groups=1,
        output_mask=(False, True, False),
    )
    return dw


def leaky_relu(t, x, slope):
    return t.nn.functional.leaky_relu(x, slope)


def leaky_relu_grad(t, g, y, slope):
    is_result = True  # y is the output of the activation
    return t.ops.aten.leaky_relu_backward(g, y, slope, is_result)


def add_bias(t, x, bias):
    return x + bias[:, None, None]


def channel_sum(t, x):
    return x.sum((0, 2, 3))


def batch_norm_statistics(t, x, weight, bias, running_mean, running_var, momentum, eps):
    """The mean in one piece, because PyTorch has no second."""
    mean, _ = t.batch_norm_update_stats(x, running_mean, running_var, momentum)
    return (t.stack([mean, 0 * mean]),)


def batch_norm_forward(t, x, mean, scale, shift, slope):
    """The mean goes into the shift, so that PyTorch reads and writes once too."""
    shift = shift - mean * scale
    y = t.addcmul(shift[:, None, None], x, scale[:, None, None])
    return leaky_relu(t, y, slope)


def batch_norm_grad(t, g, x, y, mean, inv_std, weight, slope):
    dz = leaky_relu_grad(t, g, y, slope)
    return t.ops.aten.native_batch_norm_backward(
        dz,
        x,
        weight,
        running_mean=None,
        running_var=None,
        save_mean=mean[0],
        save_invstd=inv_std,
        train=True,
        eps=1e-5,
        output_mask=[True, True, True],
    )


@functools.cache
def _targets(t, shape, value, device):
    """The targets as an array, which PyTorch wants."""
    targets = t.full(shape, value, device=device)
    return targets.contiguous(memory_format=t.channels_last)


def bce_with_logits(t, x, target, reduction):
    target = _targets(t, x.shape, target, x.device)
    loss = t.nn.functional.binary_cross_entropy_with_logits
    return loss(x, target, reduction=reduction)


def bce_with_logits_grad(t, x, target, g, reduction):
    """For the mean."""
    each = g / x.numel()
    return (t.sigmoid(x) - target) * each


@functools.cache
def _step(t, step, device):
    """The number of the step where PyTorch wants it."""
    return t.tensor(float(step), device=device)


def adam(t, p, g, m, v, step, lr, betas, eps, decay):
    steps = [_step(t, step, p[0].device)] * len(p)
    t._fused_adam_(
        p,
        g,
        m,
        v,
        [],
        steps,
        lr=lr,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=decay,
        eps=eps,
        amsgrad=False,
        maximize=False,
    )
