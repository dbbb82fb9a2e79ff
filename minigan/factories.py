"""More ways to make Tensors: filled ones, ones like another, and ranges of numbers.

As in creation.py, nothing here is differentiable. dtype: float32 if None; device: the one at hand,
or None.
"""

import math

import numpy as np

from . import devices
from .checks import whole_number
from .creation import dtype_of, flat, raw, take_room, tensor
from .engine import Tensor


class TensorType:
    """PyTorch's old name for a dtype, which ``x.type()`` takes and which makes tensors.

    ``FloatTensor(2, 3)`` has this shape, ``FloatTensor([2.0, 3.0])`` these numbers.
    """

    def __init__(self, dtype):
        self.numpy_dtype = np.dtype(dtype)

    def __call__(self, *data):
        are_lengths = all(isinstance(n, (int, np.integer)) for n in data)
        if are_lengths:
            return empty(*data, dtype=self.numpy_dtype)
        (values,) = data
        return tensor(values, dtype=self.numpy_dtype)

    def __repr__(self):
        return f"TensorType({self.numpy_dtype.name})"


FloatTensor = TensorType("float32")
DoubleTensor = TensorType("float64")
LongTensor = TensorType("int64")


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False):
    """A Tensor of this shape in which every entry is fill_value.

    As in PyTorch, without a dtype a whole number makes int64, a truth value bool.
    """
    devices.check(device)
    if dtype is None and isinstance(fill_value, (bool, int)):
        dtype = np.asarray(fill_value).dtype
    shape = take_room(flat((size,)))
    dtype = dtype_of(dtype)
    return _filled(shape, fill_value, dtype, requires_grad)


def _filled(shape, value, dtype, requires_grad):
    return Tensor(devices.xp.full(shape, value, dtype), requires_grad)


def empty(*size, dtype=None, device=None, requires_grad=False):
    """A Tensor whose entries may be anything: here zeros, so that nothing is left to chance."""
    devices.check(device)
    shape = take_room(flat(size))
    return _filled(shape, 0, dtype_of(dtype), requires_grad)


def full_like(x, fill_value, *, dtype=None, device=None, requires_grad=False):
    """A Tensor with the shape of x, and its dtype unless another is given, of one number."""
    devices.check(device)
    dtype = raw(x).dtype if dtype is None else dtype_of(dtype)
    shape = take_room(x.shape)
    return _filled(shape, fill_value, dtype, requires_grad)


def zeros_like(x, **options):
    """Zeros with the shape and the dtype of x; options: as of full_like."""
    return full_like(x, 0, **options)


def ones_like(x, **options):
    """Ones with the shape and the dtype of x; options: as of full_like."""
    return full_like(x, 1, **options)


def empty_like(x, **options):
    """The same as zeros_like."""
    return full_like(x, 0, **options)


def eye(n, m=None, *, dtype=None, device=None, requires_grad=False):
    """The n x m matrix, n x n by default, with ones on its diagonal and zeros elsewhere."""
    devices.check(device)
    if m is None:
        m = n
    rows, columns = take_room((n, m))
    identity = devices.xp.eye(rows, columns, dtype=dtype_of(dtype))
    return Tensor(identity, requires_grad)


def arange(start, end=None, step=1, *, dtype=None, device=None, requires_grad=False):
    """start, start + step, ... below end; ``arange(5)`` begins at 0.

    As in PyTorch, without a dtype whole numbers make int64, others float32. Raises ValueError for
    a step of 0.
    """
    devices.check(device)
    if end is None:
        end = start
        start = 0
    if step == 0:
        raise ValueError("arange: step is 0, expected another number")
    numbers = (start, end, step)
    if dtype is None and all(isinstance(n, (int, np.integer)) for n in numbers):
        dtype = np.int64
    count = max(0, math.ceil((end - start) / step))
    take_room((count,))
    values = start + step * np.arange(count)
    return _from_values(values, dtype, requires_grad)


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False):
    """So many numbers from start to end, both included, at equal distances."""
    devices.check(device)
    count = whole_number("linspace: steps", steps, 0)
    take_room((count,))
    values = np.linspace(start, end, count)
    return _from_values(values, dtype, requires_grad)


def _from_values(values, dtype, requires_grad):
    """A Tensor of a NumPy array that was computed in float64 or int64."""
    array = values.astype(dtype_of(dtype))
    return Tensor(devices.xp.asarray(array), requires_grad)


def from_numpy(array):
    """A Tensor on the memory of a NumPy array; on a GPU, a copy of it."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy got a {type(array).__name__}, expected a NumPy array")
    dtype_of(array.dtype)
    return Tensor(devices.xp.asarray(array))


def as_tensor(data, dtype=None, device=None):
    """A Tensor of this dtype: ``data`` itself, or its memory, where that is possible."""
    devices.check(device)
    if isinstance(data, np.ndarray):
        data = from_numpy(data)
    if not isinstance(data, Tensor):
        return tensor(data, dtype=dtype)
    if dtype is None:
        return data
    return data.to(dtype)


# ---- in the dtype of another tensor, for Tensor.new_zeros and its kind


def new_full(x, size, fill_value, *, dtype=None, **options):
    """A Tensor of this size in the dtype of x, in which every entry is fill_value."""
    dtype = x.dtype if dtype is None else dtype
    return full(flat(size), fill_value, dtype=dtype, **options)


def new_tensor(x, data, *, dtype=None, requires_grad=False):
    """A copy of the data in the dtype of x."""
    dtype = x.dtype if dtype is None else dtype
    return tensor(data, requires_grad, dtype=dtype)


def new(x, *data):
    """PyTorch's old form: x.new(2, 3) has this shape, x.new([2.0, 3.0]) these numbers."""
    if len(data) == 1 and not isinstance(data[0], int):
        return new_tensor(x, data[0])
    return new_full(x, data, 0)
