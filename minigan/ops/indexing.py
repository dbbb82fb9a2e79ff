"""Which entries of a tensor ``x[index]`` means, in which order of axes, and the gradient of that.

An index is a tuple of parts, or one part. From left to right, each part speaks about the next axis
of x:

    a number           picks one entry and takes the axis away
    a slice            keeps the axis or a part of it; a negative step reads backwards, as in NumPy
    None               speaks about no axis and inserts a new one of length 1
    ...                stands for as many ``:`` as are missing, perhaps for none
    positions          an array of whole numbers picks entries of one axis, any number of times each
    a mask             an array of truth values: the positions of its True, in all of its axes
    True or False      inserts a new axis, of which it picks the one entry, or none

**The order of the axes of the result** is PyTorch's. First the numbers take their axes away, and
the slices and every None shape the rest. Of what remains, the arrays of positions are broadcast
against each other, and their common shape replaces the axes that they pick from: in the place of
these axes, if they lie side by side, otherwise in front of all others. So with x of shape
(2, 3, 4, 5) and two arrays of shape (7,)

    x[:, a, b]     (2, 7, 5)       side by side
    x[:, a, :, b]  (7, 2, 4)       apart: in front
    x[0, :, a]     (3, 7, 5)       a number is no array; in NumPy it counts as one: (7, 3, 5)
    x[:, a, 0, b]  (2, 7)          side by side, because the axis between them is gone
    x[a, None, b]  (7, 1, 4, 5)    apart
    x[a, ..., b, :, :]  (7, 4, 5)  side by side, because here ``...`` stands for no axis

An array, a Tensor, a list, a tuple inside the tuple and a range are all arrays of positions or
masks; with no axes, a number or a truth value. uint8 is refused, because it is a mask in PyTorch
and positions in NumPy; so is a list of lists as the whole index, which PyTorch takes for a tuple
and NumPy for an array.
"""

import operator
from typing import NamedTuple

import numpy as np

from .. import devices
from ..creation import raw
from ..engine import Tensor, record

EVERYTHING = slice(None)


class Selection(NamedTuple):
    """An index in two steps: ``x.array[view]``, and then, if there are arrays, ``[arrays]``."""

    # numbers, slices and None, with ... at the end, so that the result is never a NumPy number
    view: tuple
    # for each axis of the view, an array of positions or a full slice; empty if no part is an array
    arrays: tuple
    repeats: bool  # may an entry be picked more than once?


def getitem(x, index):
    """x[index], in PyTorch's order of axes (see the module); a view where no part is an array.

    Raises IndexError for what is no index, too many of them, a position out of range, a mask of
    another shape than its axes, and positions that do not broadcast.
    """
    xs = raw(x).shape
    chosen = index if type(index) is Selection else select(xs, index)
    value = x.array[chosen.view]
    if chosen.arrays:
        value = pick(value, chosen.arrays)
    return record(value, (x, lambda g: put(g, chosen, xs)))


def put(x, index, shape):
    """Zeros of ``shape`` with x added at ``index``: the adjoint of indexing."""
    chosen = index if type(index) is Selection else select(shape, index)
    dtype = x.array.dtype
    if chosen.repeats:
        sums = devices.xp.zeros(
            shape, np.float64 if dtype == np.float32 else dtype
        )  # see summation.py
        devices.xp.add.at(sums[chosen.view], chosen.arrays, x.array.astype(sums.dtype, copy=False))
        y = sums.astype(dtype, copy=False)
    else:
        y = devices.xp.zeros(shape, dtype)
        y[chosen.view][chosen.arrays or ...] = x.array
    return record(y, (x, lambda g: getitem(g, chosen)))


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
    if isinstance(index, list):
        _check_list(index)
    parts = index if type(index) is tuple else (index,)
    view, arrays = [], []
    has_arrays = repeats = False
    axis = 0
    for part in _without_ellipsis([_part(part) for part in parts], shape):
        if type(part) is slice:
            view.append(part)
            arrays.append(EVERYTHING)
            axis += 1
        elif part is None:
            view.append(None)
            arrays.append(EVERYTHING)
        elif type(part) is bool:
            view.append(None)
            arrays.append(devices.xp.zeros(int(part), np.intp))
            has_arrays = True
        elif type(part) is int:
            view.append(_in_range(part, axis, shape))
            axis += 1
        elif part.dtype.kind == "b":
            view.extend([EVERYTHING] * part.ndim)
            arrays.extend(_positions_of_true(part, axis, shape))
            has_arrays = True
            axis += part.ndim
        else:
            view.append(EVERYTHING)
            arrays.append(part)
            has_arrays = repeats = True
            axis += 1
    if has_arrays:
        _check_broadcast(arrays)
    return Selection((*view, ...), tuple(arrays) if has_arrays else (), repeats)


# ---- the parts -----------------------------------------------------------------------------------


def _part(part):
    """A part of an index as an int, a bool, a slice, None, ... or an array that has axes."""
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
    # a copy, so that later changes to it change no gradient
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
    """A list as the whole index holds numbers: all else means two things in PyTorch and NumPy."""
    for entry in index:
        if not isinstance(entry, (int, np.generic)):
            raise IndexError(
                f"the index is a list with a {type(entry).__name__} in it, expected numbers: write "
                "a tuple, an index for each axis, or an array of positions"
            )


def _without_ellipsis(parts, shape):
    """The parts with full slices for ``...``, or for what is missing at the end."""
    named, place = 0, None
    for i, part in enumerate(parts):
        if part is ...:
            if place is not None:
                raise IndexError("an index holds more than one ..., expected at most one")
            place = i
        elif part is not None and type(part) is not bool:
            is_mask = type(part) not in (int, slice) and part.dtype.kind == "b"
            named += part.ndim if is_mask else 1
    missing = [EVERYTHING] * (len(shape) - named)
    if named > len(shape):
        raise IndexError(
            f"an index names {named} axes, but the tensor of shape {shape} has {len(shape)}"
        )
    if place is None:
        return parts + missing
    return parts[:place] + missing + parts[place + 1 :]


def _in_range(number, axis, shape):
    if not -shape[axis] <= number < shape[axis]:
        raise IndexError(
            f"index {number} is out of bounds for axis {axis} with size {shape[axis]}, in shape "
            f"{shape}"
        )
    return number


def _check_range(positions, n):
    low, high = int(positions.min()), int(positions.max())
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
