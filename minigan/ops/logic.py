"""Comparisons and truth values, entry by entry: == != < <= > >=, & | ^ ~, any and all.

The results are piecewise constant, so nothing is recorded and nothing has a gradient. As in
PyTorch, ``a == b`` is a tensor of truth values and not one answer: ``(a == b).all()`` asks whether
all entries are equal, ``a is b`` whether both are one object.
"""

import numbers

import numpy as np

from .. import devices
from ..creation import raw, tensor
from ..engine import Tensor
from .dtypes import as_pair, common_dtype
from .shapes import axes_of


def _other(x, y):
    """The arrays of x and y in one dtype, as in x + y; None if y holds no numbers."""
    x = devices.xp.asarray(x)
    if isinstance(y, (complex, np.complexfloating)):
        raise TypeError(f"tensors hold real numbers, this one meets {y!r}")
    if isinstance(y, Tensor):
        y = y.array
    elif isinstance(y, (list, tuple)):
        y = devices.xp.asarray(y)
    elif hasattr(y, "__dlpack__") and not isinstance(y, (np.ndarray, devices.xp.ndarray)):
        y = tensor(y).array  # another library's
    elif isinstance(y, (numbers.Real, np.generic)):
        # because NumPy 1 compares a float32 array without axes with a number in float64
        y = x.dtype.type(y) if x.dtype.kind == "f" else y
        return x, y
    if not isinstance(y, (np.ndarray, devices.xp.ndarray)) or y.dtype.kind not in "fiub":
        return None
    y = devices.xp.asarray(y)
    dtype = common_dtype(x, y)
    return x.astype(dtype, copy=False), y.astype(dtype, copy=False)


def _compare(name, x, y):
    """NumPy's function of this name, of a Tensor and a number, array, list or Tensor."""
    arrays = _other(x.array, y)
    if arrays is None:
        return NotImplemented
    function = getattr(devices.xp, name)
    return Tensor(function(*arrays))


def equal(x, y):
    """x == y, entry by entry."""
    return _compare("equal", x, y)


def not_equal(x, y):
    """x != y, entry by entry."""
    return _compare("not_equal", x, y)


def isnan(x):
    """Is each entry not a number?"""
    return Tensor(devices.xp.isnan(raw(x)))


def less(x, y):
    """x < y, entry by entry."""
    return _compare("less", x, y)


def less_equal(x, y):
    """x <= y, entry by entry."""
    return _compare("less_equal", x, y)


def greater(x, y):
    """x > y, entry by entry."""
    return _compare("greater", x, y)


def greater_equal(x, y):
    """x >= y, entry by entry."""
    return _compare("greater_equal", x, y)


def _logical(symbol, name, x, y):
    if isinstance(y, (str, bytes, type(None))):
        return NotImplemented
    if isinstance(y, (list, tuple)):
        y = devices.xp.asarray(y)
    x, y = as_pair(x, y)
    if x.array.dtype.kind == "f":
        raise TypeError(f"{symbol} takes tensors of truth values or integers, got {x.dtype}")
    return Tensor(getattr(devices.xp, name)(x.array, y.array))


def logical_and(x, y):
    """x & y: of truth values, or bit by bit of integers."""
    return _logical("&", "bitwise_and", x, y)


def logical_or(x, y):
    """x | y."""
    return _logical("|", "bitwise_or", x, y)


def logical_xor(x, y):
    """x ^ y."""
    return _logical("^", "bitwise_xor", x, y)


def logical_not(x):
    """~x."""
    if raw(x).dtype.kind == "f":
        raise TypeError(f"~ takes tensors of truth values or integers, got {x.dtype}")
    return Tensor(~x.array)


def any_true(x, dim=None, *, keepdim=False):
    """Is any entry along dim, or any of all, other than 0?"""
    return Tensor((raw(x) != 0).any(axes_of(dim, x.ndim), keepdims=keepdim))


def all_true(x, dim=None, *, keepdim=False):
    """Are all entries along dim, or simply all, other than 0?"""
    return Tensor((raw(x) != 0).all(axes_of(dim, x.ndim), keepdims=keepdim))
