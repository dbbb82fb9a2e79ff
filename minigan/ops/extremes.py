"""The largest and the smallest: max, min, argmax, argmin, maximum, minimum.

There are three conventions where several entries are equally large, all of them PyTorch's. Of all
entries (``x.max()``), and in ``amax``, they share the gradient. Along one axis
(``x.max(dim=1)``), the first one gets all of it, because its position is returned too. Of two
tensors (``maximum(x, y)``), each gets half.
"""

from typing import NamedTuple

from .. import devices
from ..creation import raw
from ..engine import Tensor, record
from .dtypes import as_pair
from .gathering import gather
from .shapes import amax, axes_of, reshape, sum_to


class Extreme(NamedTuple):
    """What max and min along an axis return."""

    values: Tensor
    indices: Tensor  # int64; the first of several equal ones


def max(x, dim=None, keepdim=False):
    """The largest of all entries; along an axis dim, an Extreme of values and their indices.

    ``max(x, y)`` of two tensors is maximum(x, y).
    """
    if dim is None:
        return amax(x)
    if isinstance(dim, Tensor):
        return maximum(x, dim)
    indices = argmax(x, dim, keepdim=True)
    return _taken(x, indices, dim, keepdim)


def min(x, dim=None, keepdim=False):
    """The smallest of all entries; along an axis dim, an Extreme of values and their indices.

    ``min(x, y)`` of two tensors is minimum(x, y).
    """
    if dim is None:
        return amin(x)
    if isinstance(dim, Tensor):
        return minimum(x, dim)
    indices = argmin(x, dim, keepdim=True)
    return _taken(x, indices, dim, keepdim)


def amin(x, dim=None, *, keepdim=False):
    """The minimum over dim; equal minima share the gradient evenly, as in PyTorch's amin."""
    return -amax(-x, dim, keepdim=keepdim)


def _taken(x, indices, dim, keepdim):
    """The entries of x at these positions along the axis dim, as an Extreme."""
    values = gather(x, dim, indices)
    if not keepdim:
        (axis,) = axes_of(dim, x.ndim)
        shape = x.shape[:axis] + x.shape[axis + 1 :]
        values = reshape(values, shape)
        indices = reshape(indices, shape)
    return Extreme(values, indices)


def argmax(x, dim=None, keepdim=False):
    """The position of the largest entry along dim, or among all entries, as int64."""
    return _position("argmax", x, dim, keepdim)


def argmin(x, dim=None, keepdim=False):
    """The position of the smallest entry along dim, or among all entries, as int64."""
    return _position("argmin", x, dim, keepdim)


def _position(name, x, dim, keepdim):
    array = raw(x)
    axis = None
    if dim is not None and array.ndim:
        (axis,) = axes_of(dim, array.ndim)
    if array.size == 0:
        raise ValueError(f"{name}: shape {x.shape} has no entries, expected at least one")
    found = getattr(devices.xp, name)(array, axis)
    if keepdim and axis is not None:
        found = devices.xp.expand_dims(found, axis)
    elif keepdim:
        found = found.reshape((1,) * array.ndim)
    return Tensor(devices.xp.asarray(found, "int64"))


def maximum(x, y):
    """The larger of two entries; shapes broadcast. Equal ones get half of the gradient each."""
    x, y = as_pair(x, y)
    return _chosen("maximum", x, y, x.array > y.array)


def minimum(x, y):
    """The smaller of two entries; shapes broadcast. Equal ones get half of the gradient each."""
    x, y = as_pair(x, y)
    return _chosen("minimum", x, y, x.array < y.array)


def _chosen(name, x, y, is_x):
    """NumPy's function of this name; the share of x in the gradient is 1, 0, or 1/2 if x = y."""
    x_shape = x.array.shape
    y_shape = y.array.shape
    dtype = x.array.dtype
    share = is_x.astype(dtype) + (x.array == y.array).astype(dtype) / 2
    return record(
        getattr(devices.xp, name)(x.array, y.array),
        (x, lambda g: sum_to(g * share, x_shape)),
        (y, lambda g: sum_to(g * (1 - share), y_shape)),
        op=name,
    )
