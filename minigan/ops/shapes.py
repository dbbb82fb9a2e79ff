"""Sums and shapes: adding up the entries of a tensor, and arranging them along other axes.

They share a file because each is the other's adjoint. The gradient of a sum is expanded to all the
entries that were added up. The gradient of an expanded tensor is the sum over the entries that it
was expanded to. Reshaping and permuting are undone by reshaping and permuting. A closure that reads
only x_shape keeps no array alive.
"""

import math
import operator

import numpy as np

from .. import creation, devices
from ..backends import summation
from ..creation import raw
from ..engine import Tensor, record
from .dtypes import floating


def axes_of(dim, ndim):
    """The axes that dim names, as a sorted tuple of non-negative integers.

    dim: an axis, several, or None for all. A scalar has none, although 0 and -1 are allowed.
    """
    if isinstance(dim, Tensor):
        dim = operator.index(dim)
    if dim is None or dim == ():
        dims = range(ndim)
    elif isinstance(dim, (tuple, list)):
        dims = dim
    else:
        dims = (dim,)
    n = ndim or 1
    if any(not -n <= d < n for d in dims) or len({d % n for d in dims}) != len(dims):
        raise IndexError(f"dim={dim} does not name different axes of a tensor with {ndim} of them")
    return tuple(sorted(d % n for d in dims)) if ndim else ()


def _count(x, dim):
    """How many entries are reduced to one along dim."""
    axes = axes_of(dim, x.array.ndim)
    return math.prod(x.array.shape[axis] for axis in axes)


def _kept(shape, axes):
    """The shape after a reduction with keepdim=True."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def sum(x, dim=None, *, keepdim=False):
    """The sum over dim: an axis, several, or None for all.

    keepdim: the axes that are summed stay, with length 1.
    """
    axes = axes_of(dim, raw(x).ndim)
    x_shape = x.array.shape
    kept = _kept(x_shape, axes)
    value = summation.total(x.array, axes, keepdims=keepdim)
    return record(
        value,
        (x, lambda g: expand(reshape(g, kept), x_shape)),
        op="sum",
        dim=axes,
        keepdim=keepdim,
    )


def sum_to(x, shape):
    """The sum over the axes along which ``shape`` was broadcast: the adjoint of broadcasting."""
    x_shape = x.array.shape
    if x_shape == shape:
        return x
    lead = len(x_shape) - len(shape)  # axes that broadcasting has put in front
    axes = list(range(lead))
    for i, n in enumerate(shape):
        if n == 1 and x_shape[lead + i] != 1:
            axes.append(lead + i)
    return reshape(sum(x, tuple(axes)), shape)


def mean(x, dim=None, *, keepdim=False):
    """The arithmetic mean over dim."""
    n = _count_for_mean(x, dim)
    return sum(x, dim, keepdim=keepdim) / n


def _count_for_mean(x, dim):
    n = _count(x, dim)
    if n == 0:
        raise ValueError(f"the mean over an empty batch does not exist: shape {x.shape}, dim={dim}")
    return n


def var(x, dim=None, *, unbiased=True, correction=None, keepdim=False):
    """The variance over dim: divided by n - 1, or by n with unbiased=False.

    correction: what is subtracted from n, instead of ``unbiased``.
    """
    if correction is None:
        correction = int(unbiased)
    n = _count(x, dim)
    if n <= correction:
        raise ValueError(
            f"var over {n} value with unbiased={unbiased} does not exist: shape {x.shape}, "
            f"dim={dim}"
        )
    d = centred(x, dim)
    return sum(d * d, dim, keepdim=keepdim) / (n - correction)


def centred(x, dim=None):
    """x minus its mean over dim: a projection, so it is its own adjoint.

    The mean is rounded. Where it is large beside the spread of x, so is its rounding error.
    Therefore the mean of the difference, which should be 0, is subtracted as well.
    """
    x = floating(x)
    a = x.array
    axes = axes_of(dim, x.ndim)
    n = a.dtype.type(_count_for_mean(x, dim))
    d = a - summation.total(a, axes, keepdims=True) / n
    d -= summation.total(d, axes, keepdims=True) / n
    return record(d, (x, lambda g: centred(g, axes)), op="centred", dim=axes)


def amax(x, dim=None, *, keepdim=False):
    """The maximum over dim; equal maxima share the gradient evenly, as in PyTorch's amax."""
    axes = axes_of(dim, raw(x).ndim)
    kept = _kept(x.shape, axes)
    if 0 in [x.shape[axis] for axis in axes]:
        raise ValueError(
            f"amax: the largest of no values does not exist: shape {x.shape}, dim={dim}"
        )

    def to_x(g, y):
        is_largest = x.array == y.array.reshape(kept)
        share = is_largest / is_largest.sum(axes, keepdims=True)
        return reshape(g, kept) * share.astype(x.array.dtype)

    value = x.array.max(axes, keepdims=keepdim)
    return record(value, (x, to_x), op="amax", dim=axes, keepdim=keepdim)


def reshape(x, *shape):
    """The same entries in another shape; a length of -1 is computed from the others."""
    x_shape = raw(x).shape
    shape = creation.flat(shape)
    if min(shape, default=0) < -1:
        raise ValueError(
            f"cannot reshape {x_shape} to {shape}: expected lengths of at least 0, or -1 for the "
            "one that is computed from the others"
        )
    value = x.array.reshape(shape)
    return record(value, (x, lambda g: reshape(g, x_shape)), op="reshape", shape=value.shape)


def flatten(x, start_dim=0, end_dim=-1):
    """The axes start_dim..end_dim merged into one; a scalar becomes a vector, as in PyTorch."""
    if not x.ndim:
        x = reshape(x, 1)
    (start,) = axes_of(start_dim, x.ndim)
    (end,) = axes_of(end_dim, x.ndim)
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim}")
    merged = math.prod(x.shape[start : end + 1])
    return reshape(x, (*x.shape[:start], merged, *x.shape[end + 1 :]))


def permute(x, *dims):
    """The axes in another order: axis i of the result is axis dims[i] of x."""
    dims = creation.flat(dims)
    if len(axes_of(dims, x.ndim)) != x.ndim:
        raise ValueError(
            f"permute got the axes {dims}, expected all {x.ndim} of a tensor of shape {x.shape}"
        )
    inverse = np.argsort([d % x.ndim for d in dims]).tolist()
    value = x.array.transpose(dims)
    return record(value, (x, lambda g: permute(g, inverse)), op="permute", dims=tuple(dims))


def transpose(x, dim0, dim1):
    """Two axes exchanged."""
    return record(
        x.array.swapaxes(dim0, dim1),
        (x, lambda g: transpose(g, dim0, dim1)),
        op="transpose",
        dim0=dim0,
        dim1=dim1,
    )


def expand(x, *shape):
    """x broadcast to ``shape``, in which -1 keeps a length; a read-only view."""
    x_shape = x.array.shape
    shape = creation.flat(shape)
    lead = len(shape) - len(x_shape)
    lengths = []
    for i, n in enumerate(shape):
        is_kept = n == -1 and i >= lead
        lengths.append(x_shape[i - lead] if is_kept else n)
    value = devices.xp.broadcast_to(x.array, tuple(lengths))
    return record(value, (x, lambda g: sum_to(g, x_shape)), op="expand", shape=value.shape)
