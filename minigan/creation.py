"""Tensors and the world outside: making them from data and looking into them.

Nothing here is differentiable. The operations are in ops/; ops/methods.py also binds the methods
below to Tensor.
"""

import contextlib
import math
from contextvars import ContextVar

import numpy as np

from . import devices
from .engine import Tensor, inside, recording

GPU = 2  # DLPack's number for CUDA memory
room = ContextVar(
    "room", default=None
)  # how many more numbers may be made: [count], or None for any


@contextlib.contextmanager
def at_most(numbers):
    """``with at_most(numbers):`` zeros, ones, rand and randn make no more than so many numbers in
    all.

    So a network whose sizes were written by somebody else is built at a known cost, or not at
    all: what goes beyond raises ValueError before there is memory for it. None: as many as they
    like.
    """
    before = room.set(None if numbers is None else [numbers])
    try:
        yield
    finally:
        room.reset(before)


def take_room(shape):
    """Count the numbers of an array of this shape, which is about to be made -> the shape."""
    left = room.get()
    if left is not None:
        left[0] -= math.prod(shape)
        if left[0] < 0:
            raise ValueError(f"an array of shape {tuple(shape)} is more than there is room for")
    return shape


def tensor(a, requires_grad=False, dtype=None):
    """A Tensor on a copy of ``a``: an array keeps its dtype (float64 stays), numbers and lists
    become float32.
    """
    given = a
    if isinstance(a, Tensor):
        a = a.array
    elif not hasattr(a, "dtype"):
        if recording.get() and any(t._requires_grad for t in inside(a)):
            raise TypeError(
                "tensor() got a list with a Tensor in it that requires grad, whose gradient "
                "would be lost: minigan.stack(list) keeps it"
            )
        a, dtype = np.asarray(a), dtype or np.float32
    elif not isinstance(a, (np.ndarray, np.generic, devices.xp.ndarray)) and hasattr(
        a, "__dlpack__"
    ):
        a, (kind, _) = a.detach() if hasattr(a, "detach") else a, a.__dlpack_device__()
        if kind == GPU and devices.xp is np:
            raise TypeError(
                f"tensor() got a {type(a).__name__} on a GPU, but the device is {devices.name}"
            )
        try:
            a = (devices.xp if kind == GPU else np).from_dlpack(a)
        except (RuntimeError, BufferError):
            raise TypeError(
                f"tensor() takes float32, float64, integers or bool, got {given.dtype}"
            ) from None
    dtype = np.dtype(dtype or a.dtype).newbyteorder("=")
    if any(d.kind not in "fiub" or d.itemsize > 8 or d == np.float16 for d in (a.dtype, dtype)):
        what = f"{a.dtype} as {dtype}" if hasattr(given, "dtype") else repr(given)[:60]
        raise TypeError(
            f"tensor() takes numbers and arrays of float32, float64, integers or bool, got {what}"
        )
    return Tensor(devices.xp.array(a, dtype), requires_grad)


def zeros(*shape, dtype=np.float32, requires_grad=False):
    """Zeros of the given shape, ``zeros(2, 3)`` or ``zeros((2, 3))``."""
    return Tensor(devices.xp.zeros(take_room(flat(shape)), dtype), requires_grad)


def ones(*shape, dtype=np.float32, requires_grad=False):
    """Ones of the given shape."""
    return Tensor(devices.xp.ones(take_room(flat(shape)), dtype), requires_grad)


def flat(shape):
    """The shape meant by f(2, 3) or f((2, 3))."""
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape


# ---- looking into them ---------------------------------------------------------------------------


def raw(x):
    """The array of a Tensor; refuses, at the entry of an operation, an array where a Tensor
    belongs.
    """
    if isinstance(x, Tensor):
        return x.array
    raise TypeError(f"expected Tensors, got a {type(x).__name__}: minigan.tensor(array) makes one")


def describe(x):
    """What repr shows: rounded values, then shape, dtype and origin where they are not the
    obvious ones.
    """
    body = np.array2string(
        x.numpy(), precision=4, threshold=60, edgeitems=3, separator=", ", prefix="tensor("
    )
    notes = f", shape={x.shape}" if x.ndim else ""
    notes += "" if x.dtype == np.float32 else f", dtype={x.dtype}"
    if x.requires_grad:
        notes += ", requires_grad=True" if x.node.leaf else f", from {x.node.name}"
    return f"tensor({body}{notes})"


def detach(x):
    """The same memory outside the graph: no gradient flows through it."""
    y = Tensor(x.array)
    y._version = x._version
    y._rewrites = None  # it has no history that could be wrong
    return y


def requires_grad_(x, flag=True):
    """Set ``requires_grad`` and return x."""
    x.requires_grad = flag
    return x


METHODS = {
    "shape": property(lambda x: x.array.shape),
    "ndim": property(lambda x: x.array.ndim),
    "dtype": property(lambda x: x.array.dtype),
    "size": property(lambda x: x.array.size),
    "numpy": lambda x: devices.to_numpy(x.array),
    "item": lambda x: x.array.item(),
    "__repr__": describe,
    "detach": detach,
    "requires_grad_": requires_grad_,
}
