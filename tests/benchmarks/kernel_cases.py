"""The kernels' work at the sizes of DCGAN and CycleGAN, and whether PyTorch agrees with them."""

import math
from typing import Callable, NamedTuple

import numpy as np
import torch_twins

from minigan import devices
from minigan.backends import cuda
from minigan.backends.cuda import rungs

# name: images (N, C, H, W), feature maps K, kernel, stride, padding
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
WEIGHTS = [
    (100, 512, 4, 4),
    (512, 256, 4, 4),
    (256, 128, 4, 4),
    (128, 64, 4, 4),
    (64, 3, 4, 4),
]
WEIGHTS += [(512,), (256,), (128,), (64,)] * 2
SLOPE = 0.2


class Case(NamedTuple):
    """A kernel's work at one size."""

    operation: str  # an array function of the ladder
    size: str  # the name of a layer or of feature maps
    arguments: tuple
    flops: int  # 0 for a kernel whose time is that of reading and writing
    bytes: int  # of the arrays that are read or written
    torch: Callable  # PyTorch's twin


def image(rng, n, c, h, w):
    """Normal numbers (n, c, h, w) in the memory order (h, w, n, c)."""
    stored = rng.standard_normal((h, w, n, c), np.float32)
    return stored.transpose(2, 3, 0, 1)


# ---- convolutions --------------------------------------------------------------------------------


def convolutions():
    """Every layer, forward and both gradients.

    A transposed convolution's forward is the input gradient's kernel.
    """
    rng = np.random.default_rng(0)
    for name, layer in LAYERS.items():
        yield from convolution(rng, name, *layer)


def convolution(rng, name, x_shape, k, kernel, stride, padding):
    """The three passes of a layer with a square kernel."""
    n, c, *pixels = x_shape
    maps = []
    left_over = []
    for length in pixels:
        free = length + 2 * padding - kernel
        maps.append(free // stride + 1)
        left_over.append(free % stride)
    x = image(rng, *x_shape)
    g = image(rng, n, k, *maps)
    weight = image(rng, kernel, kernel, k, c).transpose(2, 3, 0, 1)
    kernel_size = kernel, kernel
    options = (stride, stride), (padding, padding)
    flops = 2 * g.size * weight[0].size
    nbytes = x.nbytes + g.nbytes + weight.nbytes
    passes = {
        "conv2d": (x, weight, *options),
        "conv_transpose2d": (g, weight, *options, tuple(left_over)),
        "conv2d_weight_grad": (x, g, kernel_size, *options),
    }
    for operation, arguments in passes.items():
        twin = getattr(torch_twins, operation)
        yield Case(operation, name, arguments, flops, nbytes, twin)


# ---- kernels whose time is that of reading and writing -------------------------------------------


def memory_bound():
    """The other kernels, on feature maps, and Adam on the parameters of a generator."""
    rng = np.random.default_rng(0)
    for name, x_shape in MAPS.items():
        yield from on_feature_maps(rng, name, x_shape)
    yield adam(rng)


def on_feature_maps(rng, name, x_shape):
    """Each kernel, with how many arrays of this shape it reads and writes."""
    x = image(rng, *x_shape)
    g = image(rng, *x_shape)
    row = rng.random(x_shape[1], np.float32) + 1
    mean = np.stack([row, 1e-8 * row])  # two parts, of which PyTorch has the first
    one = np.ones((), np.float32)
    running = row.copy(), row.copy()
    work = [
        ("leaky_relu", 2, (x, SLOPE)),
        ("leaky_relu_grad", 3, (g, x, SLOPE)),
        ("add_bias", 2, (x, row)),
        ("channel_sum", 1, (x,)),
        ("batch_norm_statistics", 1, (x, row, row, *running, 0.1, 1e-5)),
        ("batch_norm_forward", 2, (x, row, row, row, SLOPE)),
        ("batch_norm_grad", 7, (g, x, x, mean, row, row, SLOPE)),
        ("bce_with_logits", 1, (x, 1.0, "mean")),
        ("bce_with_logits_grad", 2, (x, 1.0, one, "mean")),
    ]
    for operation, arrays, arguments in work:
        twin = getattr(torch_twins, operation)
        yield Case(operation, name, arguments, 0, arrays * x.nbytes, twin)


def adam(rng):
    """Four arrays are read and three written, each as large as the parameters."""
    state = []
    for _ in range(4):
        state.append([rng.random(shape, np.float32) for shape in WEIGHTS])
    nbytes = sum(p.nbytes for p in state[0])
    options = 2, 2e-4, (0.5, 0.999), 1e-8, 0.0
    return Case("adam", "DCGAN G", (*state, *options), 0, 7 * nbytes, torch_twins.adam)


# ---- agreement -----------------------------------------------------------------------------------


def mapped(f, arguments):
    """The arguments with f applied to the arrays among them, and to those in lists."""
    found = []
    for a in arguments:
        if isinstance(a, list):
            found.append(mapped(f, a))
        elif isinstance(a, np.ndarray):
            found.append(f(a))
        else:
            found.append(a)
    return found


def moved(a):
    """A copy on the device, in the same memory order.

    CuPy's asarray would store an image batch as (N, C, H, W).
    """
    order = sorted(range(a.ndim), key=lambda axis: -a.strides[axis])
    stored = np.array(a.transpose(order), order="C")
    copy = devices.xp.array(stored)
    inverse = np.argsort(order).tolist()
    return copy.transpose(inverse)


def as_torch(torch, array):
    """The same numbers for PyTorch, images in the memory order that it likes best."""
    t = torch.from_dlpack(array)
    if t.ndim == 4:
        return t.contiguous(memory_format=torch.channels_last)
    return t.contiguous()


def torch_arguments(case, torch):
    """A case's arguments for PyTorch, on the same device."""
    return mapped(lambda a: as_torch(torch, moved(a)), case.arguments)


def import_torch():
    """PyTorch with its defaults for convolutions, or None."""
    try:
        import torch
    except ImportError:
        return None
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    return torch


def largest_error(case, rung, torch):
    """Between minigan and PyTorch in float32, as a share of what rounding explains.

    Above 1 something is wrong. A product of numbers rounded to TF32 errs by 2^-11, and a sum of n
    terms by the root of n times that.
    """
    arguments = mapped(moved, case.arguments)
    twins = torch_arguments(case, torch)
    with rungs.rung(rung):
        ours = getattr(cuda, case.operation)(*arguments)
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    theirs = case.torch(torch, *twins)
    torch.backends.cudnn.allow_tf32 = allowed
    if ours is None:  # Adam changes its parameters in place
        ours = arguments[0]
        theirs = twins[0]
    elif not isinstance(ours, tuple):
        ours = [ours]
        theirs = [theirs]
    worst = 0.0
    for a, b in zip(ours, theirs):
        share = error_share(case, rung, devices.to_numpy(a), b.detach().cpu().numpy())
        if math.isnan(share) or share > worst:
            worst = share  # a NaN stays, because nothing is larger than it
    return worst


def error_share(case, rung, ours, theirs):
    """The largest difference of two arrays, as a share of what rounding explains."""
    is_product = case.flops > 0
    added = case.flops / 2 if is_product else case.bytes / 4
    terms = max(8, added / theirs.size)
    unit = 2.0**-11 if rung == "tensor" else 2.0**-21
    difference = abs(ours - theirs)
    size = 1 if is_product else 1 + abs(theirs)
    return float(np.max(difference / size)) / (8 * unit * terms**0.5)
