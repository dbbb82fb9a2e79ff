"""Arranging the axes of a tensor: views, copies, pieces and repetitions.

Nothing is computed here, so each gradient is the inverse arrangement: that of a flip is a flip,
that of a repetition is the sum of its copies. Most of these operations are made of those in
shapes.py and indexing.py, and inherit their gradients.
"""

import builtins

from .. import creation, devices
from ..checks import is_whole_number, whole_number
from ..creation import raw
from ..engine import record
from ..memory import memory_of
from .indexing import getitem
from .shapes import axes_of, expand, reshape, transpose


def view(x, *shape):
    """The same entries in another shape: a reshape, which copies where a view is impossible.

    As in PyTorch, a length of -1 is computed from the others. Unlike there, it never fails because
    of the order of memory. Raises TypeError for a dtype, which would read the bits in another way.
    """
    lengths = creation.flat(shape)
    are_lengths = builtins.all(is_whole_number(n, -1) for n in lengths)
    if not are_lengths:
        raise TypeError(f"view takes a shape, got {shape}: to(dtype) converts the numbers")
    return reshape(x, *shape)


def clone(x):
    """A copy in memory of its own; gradients flow through it."""
    return record(raw(x).copy("K"), (x, lambda g: g), op="clone")


def squeeze(x, dim=None):
    """Without the axes of length 1: all of them, or those of dim that have it."""
    axes = axes_of(dim, raw(x).ndim)
    kept = [n for axis, n in enumerate(x.shape) if n != 1 or axis not in axes]
    return reshape(x, tuple(kept))


def unsqueeze(x, dim):
    """With a new axis of length 1 at dim."""
    (dim,) = axes_of(dim, raw(x).ndim + 1)
    return reshape(x, (*x.shape[:dim], 1, *x.shape[dim:]))


def t(x):
    """The transpose of a matrix; a vector or a scalar as it is."""
    if raw(x).ndim > 2:
        raise ValueError(f"t() transposes a matrix, got shape {x.shape}: use transpose() or mT")
    return transpose(x, 0, 1) if x.ndim == 2 else x


def expand_as(x, other):
    """x broadcast to the shape of other."""
    return expand(x, raw(other).shape)


def repeat(x, *repeats):
    """The tensor itself repeated: axis i of the result holds repeats[i] copies of axis i of x.

    As in PyTorch, there may be more numbers than x has axes: the first ones are new axes. (NumPy's
    repeat repeats each entry; this is NumPy's tile.)
    """
    repeats = creation.flat(repeats)
    new_axes = len(repeats) - raw(x).ndim
    are_counts = builtins.all(is_whole_number(n, 0) for n in repeats)
    if new_axes < 0 or not are_counts:
        raise ValueError(
            f"repeat got {repeats} for shape {x.shape}, expected a whole number of at least 0 for "
            "each axis"
        )
    x_shape = (1,) * new_axes + x.shape
    separate = []  # each axis of x, with an axis of length 1 before it
    copied = []  # and that axis expanded
    merged = []
    for n, times in zip(x_shape, repeats):
        separate += [1, n]
        copied += [times, n]
        merged.append(times * n)
    copies = expand(reshape(x, tuple(separate)), tuple(copied))
    y = reshape(copies, tuple(merged))
    return clone(y) if memory_of(y) == memory_of(x) else y


def flip(x, *dims):
    """A copy with the entries along dims in reverse order."""
    dims = creation.flat(dims)
    axes = axes_of(dims, raw(x).ndim) if dims else ()
    value = devices.xp.flip(x.array, axes).copy()
    return record(value, (x, lambda g: flip(g, *axes)), op="flip", dims=axes)


def split(x, split_size, dim=0):
    """Views of consecutive pieces along dim -> a tuple.

    split_size: the length of each piece, of which the last may be shorter; or a list of all
    lengths.
    """
    (dim,) = axes_of(dim, raw(x).ndim)
    lengths = _lengths_of_pieces(split_size, x.shape[dim])
    everything = (slice(None),) * dim
    pieces = []
    start = 0
    for length in lengths:
        end = start + length
        pieces.append(getitem(x, (*everything, slice(start, end))))
        start = end
    return tuple(pieces)


def _lengths_of_pieces(split_size, n):
    """The lengths of the pieces of an axis of length n; ValueError unless they add up to n."""
    if not isinstance(split_size, (list, tuple)):
        size = whole_number("split: the length of a piece", split_size, 1)
        starts = range(0, max(n, 1), size)
        return [min(size, n - start) for start in starts]
    are_lengths = builtins.all(is_whole_number(m, 0) for m in split_size)
    if not are_lengths or builtins.sum(split_size) != n:
        raise ValueError(
            f"split: the lengths {split_size} do not add up to the {n} entries of the axis"
        )
    return split_size


def chunk(x, chunks, dim=0):
    """At most ``chunks`` pieces of one length along dim, the last perhaps shorter -> a tuple."""
    whole_number("chunk: the number of pieces", chunks, 1)
    (dim,) = axes_of(dim, raw(x).ndim)
    length = -(-x.shape[dim] // chunks)
    return split(x, max(length, 1), dim)


def unbind(x, dim=0):
    """The entries along dim, without that axis -> a tuple."""
    (dim,) = axes_of(dim, raw(x).ndim)
    everything = (slice(None),) * dim
    entries = []
    for i in range(x.shape[dim]):
        entries.append(getitem(x, (*everything, i)))
    return tuple(entries)
