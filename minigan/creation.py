"""Making Tensors from data: from numbers, arrays and other libraries' tensors.

Nothing here is differentiable. The operations are in ops/.
"""

import contextlib
import math
from contextvars import ContextVar

import numpy as np

from . import devices
from .engine import Tensor, inside
from .grad_modes import recording

GPU = 2  # DLPack's number for CUDA memory
room = ContextVar("room", default=None)  # [how many more numbers may be made], or None: no limit


@contextlib.contextmanager
def at_most(numbers):
    """Inside the block, zeros, ones, rand and randn may make this many numbers in all; None: any.

    A network whose sizes somebody else wrote is then built at a known cost or not at all, because
    the array that goes beyond the limit raises ValueError before its memory is taken.
    """
    before = room.set(None if numbers is None else [numbers])
    try:
        yield
    finally:
        room.reset(before)


def take_room(shape):
    """Count the numbers of an array that is about to be made -> its shape."""
    left = room.get()
    if left is not None:
        left[0] -= math.prod(shape)
        if left[0] < 0:
            raise ValueError(f"an array of shape {tuple(shape)} is more than there is room for")
    return shape


def tensor(a, requires_grad=False, dtype=None, device=None):
    """A Tensor on a copy of ``a``: a number, list, array, Tensor, or another library's tensor.

    An array keeps its dtype (float64 stays); Python numbers and lists become float32. Raises
    TypeError for anything but real numbers.
    """
    devices.check(device)
    if dtype is not None:
        dtype = dtype_of(dtype)
    if isinstance(a, Tensor):
        array = a.array
    elif not hasattr(a, "dtype"):
        array = _from_numbers(a)
        dtype = dtype or np.float32
    elif _is_array(a) or not hasattr(a, "__dlpack__"):
        array = a
    else:
        array = _from_dlpack(a)
    dtype = np.dtype(dtype or array.dtype).newbyteorder("=")
    if not (_is_supported(array.dtype) and _is_supported(dtype)):
        what = f"{array.dtype} as {dtype}" if hasattr(a, "dtype") else repr(a)[:60]
        raise TypeError(
            f"tensor() takes numbers and arrays of float32, float64, integers or bool, got {what}"
        )
    return Tensor(devices.xp.array(array, dtype), requires_grad)


def _is_array(a):
    return isinstance(a, (np.ndarray, np.generic, devices.xp.ndarray))


def _is_supported(dtype):
    is_number = dtype.kind in "fiub"
    return is_number and dtype.itemsize <= 8 and dtype != np.float16


def _from_numbers(a):
    """A number or nested lists as an array; a Tensor among them may not lose its gradient."""
    if recording.get() and any(t._requires_grad for t in inside(a)):
        raise TypeError(
            "tensor() got a list with a Tensor in it that requires grad, whose gradient would be "
            "lost: minigan.stack(list) keeps it"
        )
    return np.asarray(a)


def _from_dlpack(a):
    """Another library's tensor as an array on the same memory."""
    given = a.dtype
    if hasattr(a, "detach"):
        a = a.detach()
    kind, _ = a.__dlpack_device__()
    if kind == GPU and devices.xp is np:
        raise TypeError(
            f"tensor() got a {type(a).__name__} on a GPU, but the device is {devices.name}"
        )
    module = devices.xp if kind == GPU else np
    try:
        return module.from_dlpack(a)
    except (RuntimeError, BufferError):
        raise TypeError(f"tensor() takes float32, float64, integers or bool, got {given}") from None


def dtype_of(dtype):
    """A dtype as NumPy has it, from NumPy's, Python's or another library's name for it.

    None is float32. Raises TypeError for dtypes that tensors do not have.
    """
    if dtype is None:
        return np.dtype(np.float32)
    given = dtype
    dtype = getattr(dtype, "numpy_dtype", dtype)  # of minigan.FloatTensor
    if dtype is float:
        dtype = np.float32
    elif not isinstance(dtype, (type, np.dtype)):
        dtype = str(dtype).rpartition(".")[2]  # torch.float64 is another library's
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or not _is_supported(found):
        raise TypeError(f"dtype is {given!r:.60}, expected float32, float64, an integer or bool")
    return found


def zeros(*shape, dtype=None, device=None, requires_grad=False):
    """Zeros of the given shape, ``zeros(2, 3)`` or ``zeros((2, 3))``; dtype: float32 if None."""
    devices.check(device)
    array = devices.xp.zeros(take_room(flat(shape)), dtype_of(dtype))
    return Tensor(array, requires_grad)


def ones(*shape, dtype=None, device=None, requires_grad=False):
    """Ones of the given shape; dtype: float32 if None."""
    devices.check(device)
    array = devices.xp.ones(take_room(flat(shape)), dtype_of(dtype))
    return Tensor(array, requires_grad)


def flat(shape):
    """The shape (2, 3) of both f(2, 3) and f((2, 3))."""
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape


def raw(x):
    """The array of a Tensor. Operations call it first, because it refuses anything else."""
    if isinstance(x, Tensor):
        return x.array
    raise TypeError(f"expected Tensors, got a {type(x).__name__}: minigan.tensor(array) makes one")
