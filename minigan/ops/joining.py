"""Joining tensors along an axis: the gradient of each is its own part of the whole's."""

from .. import devices
from ..creation import raw
from ..engine import record
from .indexing import getitem
from .shapes import axes_of, reshape


def cat(tensors, dim=0):
    """Tensors of one dtype joined along an existing axis."""
    tensors = list(tensors)
    arrays = [raw(t) for t in tensors]
    if not arrays:
        raise ValueError("cat needs at least one tensor, got an empty list")
    dtypes = sorted({str(a.dtype) for a in arrays})
    if len(dtypes) > 1:
        raise TypeError(f"cat needs tensors of one dtype, got {', '.join(dtypes)}")
    if not all(a.ndim for a in arrays):
        shapes = [a.shape for a in arrays]
        raise ValueError(
            f"cat joins along an axis, but shapes are {shapes}: stack joins scalars instead"
        )
    (dim,) = axes_of(dim, arrays[0].ndim)

    def part(start, end):
        """The VJP of the tensor that lies from start to end along dim."""
        index = (slice(None),) * dim + (slice(start, end),)
        return lambda g: getitem(g, index)

    edges = []
    start = 0
    for t, a in zip(tensors, arrays):
        end = start + a.shape[dim]
        edges.append((t, part(start, end)))
        start = end
    return record(devices.xp.concatenate(arrays, dim), *edges, op="cat", dim=dim)


def stack(tensors, dim=0):
    """Tensors of one shape joined along a new axis."""
    tensors = list(tensors)
    ndim = tensors[0].ndim if tensors else 0
    (dim,) = axes_of(dim, ndim + 1)
    columns = [reshape(t, (*t.shape[:dim], 1, *t.shape[dim:])) for t in tensors]
    return cat(columns, dim)
