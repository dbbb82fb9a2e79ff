"""Indexing: which entries ``x[index]`` picks, the order of the result's axes, and the gradient.

An index is a tuple of parts, or one part. The parts are read from left to right, and each is about
the next axis of x:

    a number           picks one entry and removes the axis
    a slice            keeps the axis or a part of it; a negative step reads backwards, as in NumPy
    None               inserts a new axis of length 1 and leaves the axes of x alone
    ...                stands for as many ``:`` as are missing, perhaps for none
    positions          an array of whole numbers picks entries of one axis, any number of times each
    a mask             an array of truth values picks where it is True; it is about all of its axes
    True or False      inserts a new axis of length 1 or 0

**The order of the result's axes** is PyTorch's. First the numbers remove their axes, and slices and
None shape the rest. Then the arrays of positions are broadcast against each other. Their common
shape replaces the axes that they index: in place, if these axes are neighbours, otherwise in front
of all others. For example, with x of shape (2, 3, 4, 5) and two arrays of shape (7,)

    x[:, a, b]     (2, 7, 5)       neighbours
    x[:, a, :, b]  (7, 2, 4)       not neighbours: in front
    x[0, :, a]     (3, 7, 5)       a number is not an array; NumPy treats it as one: (7, 3, 5)
    x[:, a, 0, b]  (2, 7)          neighbours, because the axis between them is gone
    x[a, None, b]  (7, 1, 4, 5)    not neighbours
    x[a, ..., b, :, :]  (7, 4, 5)  neighbours, because here ``...`` stands for no axis

Positions and masks may be arrays, Tensors, lists, ranges, or tuples inside the tuple. Without axes
they are numbers and truth values. uint8 is refused, because it is a mask in PyTorch and positions
in NumPy. A list of lists as the whole index is refused, because PyTorch reads it as a tuple and
NumPy as an array.
"""

import operator
from typing import NamedTuple

import numpy as np

from .. import devices
from ..creation import raw
from ..engine import Tensor, record
from .shapes import reshape, sum_to

EVERYTHING = slice(None)


class Selection(NamedTuple):
    """An index in two steps: ``x.array[view]``, and then, if there are arrays, ``[arrays]``."""

    # numbers, slices and None, with ... at the end, so that the result is never a NumPy number
    view: tuple
    # for each axis of the view, an array of positions or a full slice; empty if no part is an array
    arrays: tuple
    repeats: bool  # may an entry be picked more than once?


def getitem(x, index):
    """x[index], in PyTorch's order of axes (see the module); a view if no part is an array.

    Raises IndexError for what is not an index, too many parts, a position out of range, a mask of
    another shape than its axes, and positions that do not broadcast.
    """
    x_shape = raw(x).shape
    chosen = index if type(index) is Selection else select(x_shape, index)
    value = x.array[chosen.view]
    if chosen.arrays:
        value = pick(value, chosen.arrays)
    return record(value, (x, lambda g: put(g, chosen, x_shape)), op="getitem", index=chosen)


def put(x, index, shape):
    """Zeros of ``shape`` with x added at ``index``: the adjoint of indexing."""
    chosen = index if type(index) is Selection else select(shape, index)
    value = _put_array(x.array, chosen, shape)
    return record(value, (x, lambda g: getitem(g, chosen)), op="put", index=chosen, shape=shape)


def replaced(x, index, values):
    """A copy of x with the values at ``index``, to whose shape they broadcast.

    The gradient of x is 0 where it is replaced.
    """
    chosen = index if type(index) is Selection else select(raw(x).shape, index)
    values_shape = values.array.shape
    y = x.array.copy("K")
    y[chosen.view][chosen.arrays or ...] = values.array
    zero = Tensor(devices.xp.zeros((), x.array.dtype))
    return record(
        y,
        (x, lambda g: replaced(g, chosen, zero)),
        (values, lambda g: _as_values(getitem(g, chosen), values_shape)),
        op="replaced",
        index=chosen,
    )


def _as_values(g, shape):
    """The gradient of the values, of this shape, from that of the entries that they fill."""
    more_axes = len(shape) - g.ndim  # of length 1
    if more_axes > 0:
        return reshape(sum_to(g, shape[more_axes:]), shape)
    return sum_to(g, shape)


def _put_array(array, chosen, shape):
    """Zeros of ``shape`` with the array added at a Selection."""
    if not chosen.repeats:
        if array.ndim == len(shape):
            y = devices.xp.zeros_like(array, shape=shape)  # in the memory order of the array
        else:
            y = devices.xp.zeros(shape, array.dtype)
        y[chosen.view][chosen.arrays or ...] = array
        return y
    # Many numbers may meet in one entry, so float32 is summed in float64: see summation.py.
    wide = np.float64 if array.dtype == np.float32 else array.dtype
    sums = devices.xp.zeros(shape, wide)
    devices.xp.add.at(sums[chosen.view], chosen.arrays, array.astype(wide, copy=False))
    return sums.astype(array.dtype, copy=False)


def pick(view, arrays):
    """view[arrays] for the arrays of a Selection; IndexError for a position out of range."""
    try:
        return view[arrays]
    except IndexError:
        for n, positions in zip(view.shape, arrays):
            if positions is not EVERYTHING and positions.size:
                _check_range(positions, n)
        raise


def select(shape, index):
    """The Selection that an index means for a tensor of this shape; all arrays in it are copies."""
    if type(index) is int and shape:
        return Selection((_in_range(index, 0, shape), ...), (), False)
    view = []
    arrays = []
    has_arrays = False
    repeats = False
    axis = 0  # the axis of x that the next part is about
    for part in _parts(index, shape):
        if type(part) is slice:
            view.append(part)
            arrays.append(EVERYTHING)
            axis += 1
        elif type(part) is int:
            view.append(_in_range(part, axis, shape))
            axis += 1
        elif part is None:
            view.append(None)
            arrays.append(EVERYTHING)
        elif type(part) is bool:
            has_arrays = True
            view.append(None)
            arrays.append(devices.xp.zeros(int(part), np.intp))
        elif _is_mask(part):
            has_arrays = True
            view += [EVERYTHING] * part.ndim
            arrays += _positions_of_true(part, axis, shape)
            axis += part.ndim
        else:  # positions
            has_arrays = True
            repeats = True
            view.append(EVERYTHING)
            arrays.append(part)
            axis += 1
    if not has_arrays:
        return Selection((*view, ...), (), False)
    _check_broadcast(arrays)
    return Selection((*view, ...), tuple(arrays), repeats)


# ---- the parts -----------------------------------------------------------------------------------


def _parts(index, shape):
    """The parts of an index, with full slices in the place of ``...`` or else at the end."""
    if isinstance(index, list):
        _check_list(index)
    given = index if type(index) is tuple else (index,)
    parts = [_part(part) for part in given]
    named = 0  # axes that the parts are about
    place = None  # of the ...
    for i, part in enumerate(parts):
        if type(part) is slice or type(part) is int:
            named += 1
        elif part is ...:
            if place is not None:
                raise IndexError("an index holds more than one ..., expected at most one")
            place = i
        elif part is not None and type(part) is not bool:
            named += part.ndim if _is_mask(part) else 1
    if named > len(shape):
        raise IndexError(
            f"an index names {named} axes, but the tensor of shape {shape} has {len(shape)}"
        )
    missing = [EVERYTHING] * (len(shape) - named)
    if place is None:
        return parts + missing
    return parts[:place] + missing + parts[place + 1 :]


def _is_mask(array):
    """Does this array pick where it is True? Otherwise it holds positions."""
    return array.dtype.kind == "b"


def _part(part):
    """A part of an index as an int, a bool, a slice, None, ... or an array with axes."""
    if type(part) is int or part is None or part is ... or type(part) is bool:
        return part
    if type(part) is slice:
        return slice(_bound(part.start), _bound(part.stop), _bound(part.step))
    if isinstance(part, Tensor):
        part = part.array
    elif isinstance(part, (list, tuple, range)):
        part = _array(part)
    if not isinstance(part, (np.ndarray, devices.xp.ndarray)):
        if isinstance(part, np.bool_):
            return bool(part)
        if isinstance(part, np.generic) or not hasattr(part, "__array__"):
            return _number(part)
        part = np.asarray(part)  # another library's
    _check_dtype(part)
    if part.ndim == 0:
        return part.item()
    # a copy, because the caller may change the array before the backward pass
    return devices.xp.array(part, bool if part.dtype.kind == "b" else np.intp)


def _check_dtype(array):
    dtype = array.dtype
    if dtype.kind == "i" or dtype.kind == "b":
        return
    if dtype.kind != "u":
        raise IndexError(f"an index is an array of {dtype}, expected integers or truth values")
    if dtype == np.uint8:
        raise IndexError(
            "an index is an array of uint8, which is a mask in PyTorch and holds positions in "
            "NumPy: convert it to bool or to int64"
        )
    if dtype == np.uint64 and (array > np.iinfo(np.intp).max).any():
        raise IndexError(
            f"an index holds the position {array.max()}, expected at most {np.iinfo(np.intp).max}"
        )


def _number(part):
    try:
        return operator.index(part)
    except TypeError:
        raise IndexError(
            f"an index holds {part!r:.60}, expected only integers, slices, None, ... and arrays of "
            "integers or truth values"
        ) from None


def _bound(bound):
    if bound is None or type(bound) is int:
        return bound
    try:
        return operator.index(bound)
    except TypeError:
        raise TypeError(
            f"a slice has the bound {bound!r:.60}, expected whole numbers or None"
        ) from None


def _array(part):
    try:
        array = np.array(part)
    except ValueError:
        raise IndexError(
            f"an index holds the list {part!r:.60}, expected numbers or rows of one length"
        ) from None
    return array if array.size else array.astype(np.intp)


def _check_list(index):
    """Refuse a list as the whole index unless it holds numbers: PyTorch and NumPy disagree."""
    for entry in index:
        if not isinstance(entry, (int, np.generic)):
            raise IndexError(
                f"the index is a list with a {type(entry).__name__} in it, expected numbers: write "
                "a tuple, an index for each axis, or an array of positions"
            )


def _in_range(number, axis, shape):
    if not -shape[axis] <= number < shape[axis]:
        raise IndexError(
            f"index {number} is out of bounds for axis {axis} with size {shape[axis]}, in shape "
            f"{shape}"
        )
    return number


def _check_range(positions, n):
    low = int(positions.min())
    high = int(positions.max())
    if low < -n or high >= n:
        wrong = low if low < -n else high
        raise IndexError(
            f"an index holds the position {wrong}, out of bounds for an axis with size {n}"
        )


def _positions_of_true(mask, axis, shape):
    if mask.shape != shape[axis : axis + mask.ndim]:
        raise IndexError(
            f"a mask of shape {mask.shape} does not fit the axes from {axis} on of a tensor of "
            f"shape {shape}"
        )
    return mask.nonzero()


def _check_broadcast(arrays):
    """Raise IndexError unless the arrays of a Selection broadcast to one shape."""
    shapes = [array.shape for array in arrays if array is not EVERYTHING]
    if len(shapes) == 1:
        return
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise IndexError(
            f"an index holds positions of the shapes {', '.join(map(str, shapes))}, which do not "
            "broadcast to one shape"
        ) from None
