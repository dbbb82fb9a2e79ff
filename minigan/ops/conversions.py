"""Other dtypes, and PyTorch's way to ask for a device.

One process works on one device, so a tensor is never moved. Asking for the device at hand gives the
tensor itself; asking for another one is refused in a sentence.
"""

from .. import devices
from ..creation import dtype_of
from ..engine import Tensor
from .axes import clone
from .dtypes import astype


def to(x, *targets, dtype=None, device=None, copy=False):
    """x in another dtype, as PyTorch's ``x.to(...)``; x itself if nothing changes.

    targets: a dtype, a device, both, or a Tensor whose dtype is taken. copy: a copy in any case.
    """
    for target in targets:
        if isinstance(target, Tensor):
            dtype = target.dtype
        elif devices.is_device(target):
            device = target
        elif not isinstance(target, bool):
            dtype = target
    devices.check(device)
    y = x if dtype is None else astype(x, dtype_of(dtype))
    return clone(y) if copy and y is x else y
