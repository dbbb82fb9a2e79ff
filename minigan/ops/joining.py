"""Joining tensors along an axis: the gradient of each is its own part of the whole's."""

import itertools

from .. import devices
from ..creation import raw
from ..engine import record
from .indexing import getitem
from .shapes import _axes, reshape


def cat(tensors, dim=0):
    """Join tensors of one dtype along an existing axis."""
    tensors = list(tensors)
    arrays = [raw(t) for t in tensors]
    if not arrays:
        raise ValueError("cat needs at least one tensor, got an empty list")
    if len(dtypes := {str(a.dtype) for a in arrays}) > 1:
        raise TypeError(f"cat needs tensors of one dtype, got {', '.join(sorted(dtypes))}")
    if not all(a.ndim for a in arrays):
        raise ValueError(
            f"cat joins along an axis, but shapes are {[a.shape for a in arrays]}: stack joins scalars"
        )
    (dim,) = _axes(dim, arrays[0].ndim)

    def piece(end, n):
        index = (slice(None),) * dim + (slice(end - n, end),)
        return lambda g: getitem(g, index)

    lengths = [a.shape[dim] for a in arrays]
    return record(
        devices.xp.concatenate(arrays, dim),
        *[(t, piece(end, n)) for t, end, n in zip(tensors, itertools.accumulate(lengths), lengths)],
    )


def stack(tensors, dim=0):
    """Join tensors of one shape along a new axis."""
    tensors = list(tensors)
    (dim,) = _axes(dim, tensors[0].ndim + 1 if tensors else 1)
    return cat([reshape(t, t.shape[:dim] + (1,) + t.shape[dim:]) for t in tensors], dim)
