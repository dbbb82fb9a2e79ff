"""Type promotion: the two operands of an operation become Tensors of one dtype.

The rules are PyTorch's: a Python number takes the dtype of the tensor beside it, and of two tensors
the one of the higher kind decides: floats before integers, integers before truth values.
"""

import numbers

import numpy as np

from .. import creation, devices
from ..creation import raw
from ..engine import Tensor, record
from ..grad_modes import recording

SCALARS = (numbers.Number, np.generic)


def as_pair(x, y):
    """x and y, at least one of them a Tensor, as Tensors of one dtype."""
    if not isinstance(x, Tensor):
        y, x = as_pair(y, x)
        return x, y
    if not isinstance(y, Tensor):
        y = _as_tensor(y, x.array.dtype)
    if x.array.dtype != y.array.dtype:
        dtype = common_dtype(x.array, y.array)
        x = astype(x, dtype)
        y = astype(y, dtype)
    return x, y


def _as_tensor(y, dtype):
    """A number, an array or a list beside a Tensor of this dtype, as a Tensor."""
    if isinstance(y, SCALARS):
        return _scalar(y, dtype)
    if isinstance(y, (np.ndarray, devices.xp.ndarray)):
        if recording.get():
            y = y.copy()  # because the caller may overwrite it before the backward pass
        return Tensor(y)
    return from_elsewhere(y)


def _scalar(y, dtype):
    """A number as a Tensor of the dtype, or of the next one that can hold its kind of number."""
    if isinstance(y, (complex, np.complexfloating)):
        raise TypeError(f"tensors hold real numbers, this one meets {y!r}")
    if dtype.kind != "f" and isinstance(y, (float, np.floating)):
        dtype = np.dtype(np.float32)
    elif dtype.kind == "b" and not isinstance(y, (bool, np.bool_)):
        dtype = np.dtype(np.int64)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if not limits.min <= y <= limits.max:  # NumPy 1 would wrap around
            raise OverflowError(f"{y} is out of bounds for a tensor of {dtype}")
    return Tensor(devices.xp.asarray(y, dtype))


def common_dtype(a, b):
    """The dtype of a + b: that of the higher rank, otherwise NumPy's promotion."""
    if _rank(a) > _rank(b):
        return a.dtype
    if _rank(a) < _rank(b):
        return b.dtype
    return np.promote_types(a.dtype, b.dtype)


def _rank(a):
    """Floats stand above integers, integers above booleans; of one kind, axes stand above none."""
    is_float = a.dtype.kind == "f"
    is_number = a.dtype.kind != "b"
    has_axes = a.ndim > 0
    return is_float, is_number, has_axes


def from_elsewhere(y):
    """A list or an array of another library as a Tensor, unless that would lose a gradient."""
    if recording.get() and getattr(y, "requires_grad", False):
        kind = f"{type(y).__module__}.{type(y).__name__}"
        raise TypeError(
            f"a {kind} that requires grad meets a Tensor, and would lose its gradient: detach() it"
        )
    return creation.tensor(y)


def in_dtype_of(a, value):
    """The value in a's dtype: in NumPy 1, a 0-d float32 and a Python number make a float64."""
    return value if value.dtype == a.dtype else value.astype(a.dtype)


def to_float32(x):
    """x as float32; the gradient has the dtype of x."""
    return astype(x, np.float32)


def to_float64(x):
    """x as float64; the gradient has the dtype of x."""
    return astype(x, np.float64)


def floating(x):
    """x itself, or as float32 if it holds integers or truth values."""
    return x if raw(x).dtype.kind == "f" else astype(x, np.float32)


def astype(x, dtype):
    """x in another dtype; the gradient has the dtype of x.

    No gradient flows through whole numbers and truth values, because they do not change smoothly.
    """
    x_dtype = x.array.dtype
    if x_dtype == dtype:
        return x
    value = x.array.astype(dtype)
    edges = []
    if value.dtype.kind == "f":
        edges.append((x, lambda g: astype(g, x_dtype)))
    return record(value, *edges, op="astype", dtype=str(value.dtype))
