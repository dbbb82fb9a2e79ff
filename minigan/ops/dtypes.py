"""Which dtype an operation computes in: Tensors, arrays and numbers are brought to one, as in
PyTorch.
"""

import numbers

import numpy as np

from .. import creation, devices
from ..creation import raw
from ..engine import Tensor, record, recording

SCALARS = (numbers.Number, np.generic)


def _common(a, b):
    """PyTorch's dtype of a + b: floats beat integers, and these truth values; of a kind, arrays
    beat what is 0-d.
    """
    first, second = ((x.dtype.kind == "f", x.dtype.kind != "b", x.ndim > 0) for x in (a, b))
    return (
        np.promote_types(a.dtype, b.dtype)
        if first == second
        else a.dtype
        if first > second
        else b.dtype
    )


def _pair(x, y):
    """Tensors of one dtype, and their shapes: a scalar takes the tensor's; see _common for two
    tensors.
    """
    if not isinstance(x, Tensor):
        y, x, ys, xs = _pair(y, x)
        return x, y, xs, ys
    if isinstance(y, Tensor):
        pass
    elif isinstance(y, SCALARS):
        if isinstance(y, (complex, np.complexfloating)):
            raise TypeError(f"tensors hold real numbers, this one meets {y!r}")
        dtype = x.array.dtype
        if dtype.kind != "f" and isinstance(y, (float, np.floating)):
            dtype = np.dtype(np.float32)
        elif dtype.kind == "b" and not isinstance(y, (bool, np.bool_)):
            dtype = np.dtype(np.int64)
        if dtype.kind in "iu" and not np.iinfo(dtype).min <= y <= np.iinfo(dtype).max:
            raise OverflowError(
                f"{y} is out of bounds for a tensor of {dtype}"
            )  # NumPy 1 would wrap
        y = Tensor(devices.xp.asarray(y, dtype))
    elif isinstance(y, (np.ndarray, devices.xp.ndarray)):
        y = Tensor(y.copy() if recording.get() else y)  # it may change
    else:
        y = from_elsewhere(y)
    if x.array.dtype != y.array.dtype:
        dtype = _common(x.array, y.array)
        x, y = astype(x, dtype), astype(y, dtype)
    return x, y, x.array.shape, y.array.shape


def from_elsewhere(y):
    """A list or an array of another library as a Tensor, unless that would lose a gradient."""
    if recording.get() and getattr(y, "requires_grad", False):
        raise TypeError(
            f"a {type(y).__module__}.{type(y).__name__} that requires grad meets a Tensor, and would lose "
            "its gradient: detach() it"
        )
    return creation.tensor(y)


def _like(a, value):
    """The value in a's dtype: before NumPy 2, a float32 without axes and a number make a float64."""
    return value if value.dtype == a.dtype else value.astype(a.dtype)


def floating(x):
    """x itself, or as float32 if it holds integers or truth values."""
    return x if raw(x).dtype.kind == "f" else astype(x, np.float32)


def astype(x, dtype):
    """x in another dtype; the gradient comes back in x's own."""
    own = x.array.dtype
    return x if own == dtype else record(x.array.astype(dtype), (x, lambda g: astype(g, own)))
