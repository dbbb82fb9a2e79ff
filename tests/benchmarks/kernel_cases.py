"""The kernels' work at the sizes of DCGAN and CycleGAN, each with its twin in PyTorch, and
whether the two agree.
"""

import functools
from collections import namedtuple

import numpy as np

from minigan import devices
from minigan.backends import cuda
from minigan.backends.cuda import rungs

# name: images (N, C, H, W), maps K, kernel, stride, padding
LAYERS = {
    "DCGAN 3-64": ((128, 3, 64, 64), 64, 4, 2, 1),
    "DCGAN 64-128": ((128, 64, 32, 32), 128, 4, 2, 1),
    "DCGAN 128-256": ((128, 128, 16, 16), 256, 4, 2, 1),
    "DCGAN 256-512": ((128, 256, 8, 8), 512, 4, 2, 1),
    "DCGAN 512-1": ((128, 512, 4, 4), 1, 4, 1, 0),
    "DCGAN 100-512": ((128, 512, 4, 4), 100, 4, 1, 0),
    "CycleGAN c7s1-64": ((1, 3, 262, 262), 64, 7, 1, 0),
    "CycleGAN d128": ((1, 64, 256, 256), 128, 3, 2, 1),
    "CycleGAN d256": ((1, 128, 128, 128), 256, 3, 2, 1),
    "CycleGAN R256": ((1, 256, 66, 66), 256, 3, 1, 0),
    "CycleGAN c7s1-3": ((1, 64, 262, 262), 3, 7, 1, 0),
}
MAPS = {
    "DCGAN 64 maps": (128, 64, 32, 32),
    "DCGAN 512 maps": (128, 512, 4, 4),
    "large": (64, 64, 128, 128),
}
# the parameters of DCGAN's generator
WEIGHTS = [(100, 512, 4, 4), *((2 * c, c, 4, 4) for c in (256, 128, 64)), (64, 3, 4, 4)]
WEIGHTS += [(c,) for c in (512, 256, 128, 64)] * 2

# An array function of the ladder, its arguments, flops, bytes of the arrays that are read or
# written; PyTorch's twin.
Case = namedtuple("Case", "operation size arguments flops bytes torch")


def convolutions():
    """Every layer, forward and both gradients; a transposed convolution's forward is the input
    gradient's kernel.
    """
    rng = np.random.default_rng(0)
    for name, ((n, c, h, w), k, r, stride, pad) in LAYERS.items():
        p, q = ((size + 2 * pad - r) // stride + 1 for size in (h, w))
        x = image(rng, n, c, h, w)
        g = image(rng, n, k, p, q)
        weight = image(rng, r, r, k, c).transpose(2, 3, 0, 1)
        s = (stride, stride)
        z = (pad, pad)
        flops = 2 * n * p * q * k * c * r * r
        rest = tuple((size + 2 * pad - r) % stride for size in (h, w))
        size = 4 * (x.size + g.size + weight.size)
        yield Case(
            "conv2d",
            name,
            (x, weight, s, z),
            flops,
            size,
            lambda t, x, w, s, z: t.conv2d(x, w, None, s, z),
        )
        yield Case(
            "conv_transpose2d",
            name,
            (g, weight, s, z, rest),
            flops,
            size,
            lambda t, g, w, s, z, rest: t.conv_transpose2d(g, w, None, s, z, rest),
        )
        yield Case("conv2d_weight_grad", name, (x, g, (r, r), s, z), flops, size, torch_weight_grad)


def torch_weight_grad(t, x, g, kernel, stride, padding):
    weight = x.new_empty(g.shape[1], x.shape[1], *kernel).contiguous(memory_format=t.channels_last)
    return t.ops.aten.convolution_backward(
        g, x, weight, None, stride, padding, (1, 1), False, (0, 0), 1, (False, True, False)
    )[1]


def memory_bound():
    """The kernels whose time is that of reading and writing; flops are not what counts, so they
    are given as 0.
    """
    rng = np.random.default_rng(0)
    slope = 0.2
    for name, (n, c, h, w) in MAPS.items():
        x = image(rng, n, c, h, w)
        g = image(rng, n, c, h, w)
        row = rng.random(c, np.float32) + 1
        size, mean = (
            x.nbytes,
            np.stack([row, 1e-8 * row]),
        )  # two parts, of which PyTorch has the first
        yield Case(
            "leaky_relu",
            name,
            (x, slope),
            0,
            2 * size,
            lambda t, x, s: t.nn.functional.leaky_relu(x, s),
        )
        yield Case(
            "leaky_relu_grad",
            name,
            (g, x, slope),
            0,
            3 * size,
            lambda t, g, y, s: t.ops.aten.leaky_relu_backward(g, y, s, True),
        )
        yield Case("add_bias", name, (x, row), 0, 2 * size, lambda t, x, b: x + b[:, None, None])
        yield Case("channel_sum", name, (x,), 0, size, lambda t, x: x.sum((0, 2, 3)))
        yield Case(
            "batch_norm_statistics",
            name,
            (x, row, row, row.copy(), row.copy(), 0.1, 1e-5),
            0,
            size,
            torch_statistics,
        )
        yield Case(
            "batch_norm_forward", name, (x, row, row, row, slope), 0, 2 * size, torch_batch_norm
        )
        yield Case(
            "batch_norm_grad",
            name,
            (g, x, x, mean, row, row, slope),
            0,
            7 * size,
            torch_batch_norm_grad,
        )
        yield Case("bce_with_logits", name, (x, 1.0, "mean"), 0, size, torch_bce)
        yield Case(
            "bce_with_logits_grad",
            name,
            (x, 1.0, np.ones((), np.float32), "mean"),
            0,
            2 * size,
            lambda t, x, target, g, reduction: (t.sigmoid(x) - target) * (g / x.numel()),
        )
    params = [[rng.random(shape, np.float32) for shape in WEIGHTS] for _ in range(4)]
    size = sum(4 * p.size for p in params[0])
    yield Case(
        "adam", "DCGAN G", (*params, 2, 2e-4, (0.5, 0.999), 1e-8, 0.0), 0, 7 * size, torch_adam
    )


def torch_statistics(t, x, weight, bias, running_mean, running_var, momentum, eps):
    """The mean in one piece; PyTorch has no second."""
    mean = t.batch_norm_update_stats(x, running_mean, running_var, momentum)[0]
    return (t.stack([mean, 0 * mean]),)


def torch_batch_norm(t, x, mean, scale, shift, slope):
    """The mean goes into the shift, so that PyTorch reads and writes once too."""
    shift = shift - mean * scale
    return t.nn.functional.leaky_relu(
        t.addcmul(shift[:, None, None], x, scale[:, None, None]), slope
    )


def torch_batch_norm_grad(t, g, x, y, mean, inv_std, weight, slope):
    dz = t.ops.aten.leaky_relu_backward(g, y, slope, True)
    return t.ops.aten.native_batch_norm_backward(
        dz, x, weight, None, None, mean[0], inv_std, True, 1e-5, [True] * 3
    )


@functools.cache
def torch_targets(t, shape, value, device):
    """The targets as an array, which PyTorch wants."""
    return t.full(shape, value, device=device).contiguous(memory_format=t.channels_last)


def torch_bce(t, x, target, reduction):
    target = torch_targets(t, x.shape, target, x.device)
    return t.nn.functional.binary_cross_entropy_with_logits(x, target, reduction=reduction)


@functools.cache
def torch_step(t, step, device):
    """The number of the step where PyTorch wants it."""
    return t.tensor(float(step), device=device)


def torch_adam(t, p, g, m, v, step, lr, betas, eps, decay):
    steps = [torch_step(t, step, p[0].device)] * len(p)
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


def image(rng, n, c, h, w):
    """Normal numbers (n, c, h, w) in the memory order (h, w, n, c)."""
    return rng.standard_normal((h, w, n, c), np.float32).transpose(2, 3, 0, 1)


def mapped(f, arguments):
    return [
        mapped(f, a) if isinstance(a, list) else f(a) if isinstance(a, np.ndarray) else a
        for a in arguments
    ]


# ---- agreement -----------------------------------------------------------------------------------


def moved(a):
    """A copy on the device, in the same memory order: CuPy's asarray would make an image batch
    (N, C, H, W).
    """
    order = sorted(range(a.ndim), key=lambda axis: -a.strides[axis])
    copy = devices.xp.array(np.array(a.transpose(order), order="C"))
    return copy.transpose(np.argsort(order).tolist())


def as_torch(torch, array):
    """The same numbers for PyTorch, images in the memory order that it likes best."""
    t = torch.from_dlpack(array)
    return t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t.contiguous()


def import_torch():
    """PyTorch with its defaults for convolutions, or None."""
    try:
        import torch
    except ImportError:
        return None
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = True, True
    return torch


def largest_error(case, rung, torch):
    """Between minigan and PyTorch in float32, as a share of what rounding explains: above 1
    something is wrong.

    A product of numbers rounded to TF32 errs by 2^-11, a sum of so many terms by the root of
    their number times that.
    """
    ours = mapped(moved, case.arguments)
    theirs = mapped(lambda a: as_torch(torch, moved(a)), case.arguments)
    allowed, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    with rungs.rung(rung):
        y = getattr(cuda, case.operation)(*ours)
    twin = case.torch(torch, *theirs)
    torch.backends.cudnn.allow_tf32 = allowed
    y, twin = (
        (ours[0], theirs[0])
        if y is None
        else ([*y], [*twin])
        if isinstance(y, tuple)
        else ([y], [twin])
    )
    worst = 0.0
    for a, b in zip(y, twin):
        b = b.detach().cpu().numpy()
        terms = max(8, (case.flops / 2 or case.bytes / 4) / b.size)
        bound = 8 * (2.0**-11 if rung == "tensor" else 2.0**-21) * terms**0.5
        error = np.max(abs(devices.to_numpy(a) - b) / (1 + (0 if case.flops else abs(b))))
        worst = max(worst, float(error) / bound, key=lambda e: (e != e, e))
    return worst
