"""Reading and writing entries by their places along one axis, and labels as one-hot vectors."""

import numpy as np

from .. import devices
from ..creation import raw
from ..engine import Tensor
from .indexing import Selection, getitem
from .loss import indices
from .shapes import axes_of


def gather(x, dim, index):
    """y[i, j, k] = x[i, index[i, j, k], k] for dim = 1, and in the same way along other axes.

    index: a tensor or an array of integers with as many axes as x, of which the others are at most
    as long as those of x.
    """
    arrays = _places("gather", x, dim, index)
    if not arrays:
        return x
    repeats = arrays[dim].shape[dim] > 1
    everything = (slice(None),) * x.ndim
    return getitem(x, Selection(everything + (...,), arrays, repeats))


def scatter_(x, dim, index, src):
    """x[i, index[i, j, k], k] = src[i, j, k] for dim = 1, and in the same way along other axes.

    index: as for gather. src: a number, or a tensor of the shape of index. x changes in place, and
    is returned. ``zeros(N, classes).scatter_(1, labels.view(N, 1), 1)`` makes one-hot vectors.
    """
    arrays = _places("scatter_", x, dim, index)
    if arrays and isinstance(src, Tensor) and src.shape != arrays[dim].shape:
        raise ValueError(
            f"scatter_: src has shape {src.shape}, expected that of index, {arrays[dim].shape}"
        )
    x[arrays if arrays else ...] = src
    return x


def _places(name, x, dim, index):
    """The integer arrays, one for each axis, that pick the entries; () for a number."""
    (axis,) = axes_of(dim, raw(x).ndim)
    positions = devices.xp.asarray(index.array if isinstance(index, Tensor) else index)
    fits = positions.ndim == x.ndim and positions.dtype.kind in "iu"
    for i in range(x.ndim if fits else 0):
        fits = fits and (i == axis or positions.shape[i] <= x.shape[i])
    if not fits:
        raise ValueError(
            f"{name}: index is {positions.dtype} of shape {positions.shape}, expected integers for "
            f"shape {x.shape} along axis {axis}"
        )
    arrays = list(devices.xp.ogrid[tuple(slice(n) for n in positions.shape)])
    if arrays:
        arrays[axis] = positions.astype(int)
    return tuple(arrays)


def embedding(index, weight):
    """Rows of a table: index (...), integers, and weight (n, d) -> (..., d)."""
    rows = indices("embedding", index, raw(weight).shape[0])
    return getitem(weight, rows)


def one_hot(labels, num_classes=-1):
    """Labels (...), integers, -> int64 (..., num_classes): a 1 at the place of the label.

    num_classes: by default one more than the largest label.
    """
    if num_classes == -1:
        num_classes = int(raw(labels).max()) + 1
    places = indices("one_hot", labels, num_classes)
    return Tensor(devices.xp.eye(num_classes, dtype=np.int64)[places])
