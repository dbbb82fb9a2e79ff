"""Whether a kernel and its twin in PyTorch agree, on the same numbers."""

import math

import numpy as np
from kernel_cases import mapped

from minigan import devices
from minigan.backends import cuda
from minigan.backends.cuda import rungs

# How far one product may be off: TF32 rounds its factors to 2^-11. In float32 it is 2^-24, of which
# eight times is allowed, because the two libraries add in different orders.
ROUNDING_OF_TF32 = 2.0**-11
ROUNDING_OF_FLOAT32 = 8 * 2.0**-24


def moved(a):
    """A copy on the device, in the same memory order.

    CuPy's asarray would turn a batch of images into (N, C, H, W).
    """
    order = sorted(range(a.ndim), key=lambda axis: -a.strides[axis])
    copy = devices.xp.array(np.array(a.transpose(order), order="C"))
    return copy.transpose(np.argsort(order).tolist())


def as_torch(torch, array):
    """The same numbers for PyTorch, images in the memory order that it likes best."""
    t = torch.from_dlpack(array)
    if t.ndim == 4:
        return t.contiguous(memory_format=torch.channels_last)
    return t.contiguous()


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

    Above 1 something is wrong. A sum of n products may err by sqrt(n) times what one of them may.
    """
    ours, theirs = both_results(case, rung, torch)
    rounding = ROUNDING_OF_TF32 if rung == "tensor" else ROUNDING_OF_FLOAT32
    worst = 0.0
    for a, b in zip(ours, theirs):
        b = b.detach().cpu().numpy()
        terms = max(8, (case.flops / 2 or case.bytes / 4) / b.size)
        bound = 8 * rounding * math.sqrt(terms)
        # a convolution's results are sums of terms of about 1, which may cancel
        scale = 1 if case.flops else 1 + abs(b)
        share = float(np.max(abs(devices.to_numpy(a) - b) / scale)) / bound
        if math.isnan(share) or share > worst:
            worst = share  # a NaN stays: nothing is larger than it
    return worst


def both_results(case, rung, torch):
    """The results of minigan on a rung, and of PyTorch without TF32: two lists of arrays."""
    ours = mapped(moved, case.arguments)
    theirs = mapped(lambda a: as_torch(torch, moved(a)), case.arguments)
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    with rungs.rung(rung):
        y = getattr(cuda, case.operation)(*ours)
    twin = case.torch(torch, *theirs)
    torch.backends.cudnn.allow_tf32 = allowed
    if y is None:  # Adam changes its parameters in place
        return ours[0], theirs[0]
    if isinstance(y, tuple):
        return list(y), list(twin)
    return [y], [twin]
