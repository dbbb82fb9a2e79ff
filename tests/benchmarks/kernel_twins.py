"""What PyTorch calls the work of minigan's kernels: a function for each, with the same arguments.

Each takes PyTorch's module first, and then what the array function of the same name takes.
"""

import functools


def conv2d(torch, x, weight, stride, padding):
    return torch.conv2d(x, weight, None, stride, padding)


def conv_transpose2d(torch, g, weight, stride, padding, output_padding):
    return torch.conv_transpose2d(g, weight, None, stride, padding, output_padding)


def conv2d_weight_grad(torch, x, g, kernel, stride, padding):
    weight = x.new_empty(g.shape[1], x.shape[1], *kernel)
    weight = weight.contiguous(memory_format=torch.channels_last)
    dilation = (1, 1)
    output_padding = (0, 0)
    wanted = (False, True, False)  # of the gradients of x, weight and bias
    backward = torch.ops.aten.convolution_backward
    transposed = False
    groups = 1
    sizes = stride, padding, dilation, transposed, output_padding, groups
    gradients = backward(g, x, weight, None, *sizes, wanted)
    return gradients[1]


def leaky_relu(torch, x, slope):
    return torch.nn.functional.leaky_relu(x, slope)


def leaky_relu_grad(torch, g, y, slope):
    return torch.ops.aten.leaky_relu_backward(g, y, slope, True)


def add_bias(torch, x, bias):
    return x + bias[:, None, None]


def channel_sum(torch, x):
    return x.sum((0, 2, 3))


def batch_norm_statistics(torch, x, weight, bias, running_mean, running_var, momentum, eps):
    """The mean in one piece; PyTorch has no second."""
    moments = torch.batch_norm_update_stats(x, running_mean, running_var, momentum)
    mean = moments[0]
    return (torch.stack([mean, 0 * mean]),)


def batch_norm_forward(torch, x, mean, scale, shift, slope):
    """The mean goes into the shift, so that PyTorch reads and writes once too."""
    shift = shift - mean * scale
    y = torch.addcmul(shift[:, None, None], x, scale[:, None, None])
    return torch.nn.functional.leaky_relu(y, slope)


def batch_norm_grad(torch, g, x, y, mean, inv_std, weight, slope):
    dz = torch.ops.aten.leaky_relu_backward(g, y, slope, True)
    wanted = [True, True, True]  # of the gradients of x, weight and bias
    running = None, None  # mean and variance: not read in training
    eps = 1e-5
    backward = torch.ops.aten.native_batch_norm_backward
    return backward(dz, x, weight, *running, mean[0], inv_std, True, eps, wanted)


def bce_with_logits(torch, x, target, reduction):
    target = targets(torch, x.shape, target, x.device)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    return bce(x, target, reduction=reduction)


def bce_with_logits_grad(torch, x, target, g, reduction):
    error = torch.sigmoid(x) - target
    return error * (g / x.numel())


@functools.cache
def targets(torch, shape, value, device):
    """The targets as an array, which PyTorch wants."""
    filled = torch.full(shape, value, device=device)
    return filled.contiguous(memory_format=torch.channels_last)


def adam(torch, params, grads, first, second, step, lr, betas, eps, decay):
    """All parameters in one call; `first` and `second` are the moments."""
    steps = [number_of_step(torch, step, params[0].device)] * len(params)
    torch._fused_adam_(
        params,
        grads,
        first,
        second,
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


@functools.cache
def number_of_step(torch, step, device):
    """The number of the step where PyTorch wants it."""
    return torch.tensor(float(step), device=device)
