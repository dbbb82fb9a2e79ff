"""Sums and shapes: what gathers the entries of a tensor, and what lays them out anew.

They share a file because each is the other's derivative: the gradient of a sum is expanded to all
that was added up, and the gradient of an expanded tensor is the sum over the places that it was
expanded to. Reshaping and permuting are undone by reshaping and permuting. A closure that reads
only ``xs``, the shape of x, keeps no array alive.
"""

import math
import operator

import numpy as np

from .. import creation, devices
from ..backends import summation
from ..creation import raw
from ..engine import Tensor, record
from .dtypes import floating


def _axes(dim, ndim):
    """The axes to reduce, as a sorted tuple of non-negative ints; None is all of them; a scalar's
    0 and -1 are none.
    """
    if isinstance(dim, Tensor):
        dim = operator.index(dim)
    dims = (
        range(ndim)
        if dim is None or dim == ()
        else dim
        if isinstance(dim, (tuple, list))
        else (dim,)
    )
    n = ndim or 1
    if any(not -n <= d < n for d in dims) or len({d % n for d in dims}) != len(dims):
        raise IndexError(f"dim={dim} does not name different axes of a tensor with {ndim} of them")
    return tuple(sorted(d % n for d in dims)) if ndim else ()


def _count(x, dim):
    return math.prod(x.array.shape[i] for i in _axes(dim, x.array.ndim))


def _kept(shape, axes):
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def sum(x, dim=None, *, keepdim=False):
    """Sum over dim: an int, a tuple, or None for all."""
    a, axes = raw(x), _axes(dim, x.array.ndim)
    xs = a.shape
    kept = _kept(xs, axes)
    value = summation.total(a, axes, keepdims=keepdim)
    return record(value, (x, lambda g: expand(reshape(g, kept), xs)))


def sum_to(x, shape):
    """Sum x over the axes along which ``shape`` was broadcast: the adjoint of broadcasting."""
    if x.array.shape == shape:
        return x
    lead = x.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, n in enumerate(shape) if n == 1 != x.shape[lead + i]
    )
    return reshape(sum(x, axes), shape)


def mean(x, dim=None, *, keepdim=False):
    """Arithmetic mean over dim."""
    return sum(x, dim, keepdim=keepdim) / _count_for_mean(x, dim)


def _count_for_mean(x, dim):
    n = _count(x, dim)
    if n == 0:
        raise ValueError(f"the mean over an empty batch does not exist: shape {x.shape}, dim={dim}")
    return n


def var(x, dim=None, *, unbiased=True, keepdim=False):
    """Variance over dim; divided by n - 1, or by n with unbiased=False."""
    if (n := _count(x, dim)) <= unbiased:
        raise ValueError(
            f"var over {n} value with unbiased={unbiased} does not exist: shape {x.shape}, dim={dim}"
        )
    d = centred(x, dim)
    return sum(d * d, dim, keepdim=keepdim) / (n - unbiased)


def centred(x, dim=None):
    """x minus its mean over dim: a projection, so it is its own adjoint.

    The mean is rounded, and where it is large beside the spread of x, so is its rounding error.
    Therefore the mean of the difference, which should be 0, is subtracted as well.
    """
    x = floating(x)
    a, axes = x.array, _axes(dim, x.ndim)
    n = a.dtype.type(_count_for_mean(x, dim))
    d = a - summation.total(a, axes, keepdims=True) / n
    d -= summation.total(d, axes, keepdims=True) / n
    return record(d, (x, lambda g: centred(g, axes)))


def amax(x, dim=None, *, keepdim=False):
    """Largest value over dim; equal maxima share the gradient evenly, as in PyTorch's amax."""
    axes = _axes(dim, x.ndim)
    kept = _kept(raw(x).shape, axes)
    if 0 in [x.shape[axis] for axis in axes]:
        raise ValueError(
            f"amax: the largest of no values does not exist: shape {x.shape}, dim={dim}"
        )

    def vjp(g, y):
        ties = x.array == y.array.reshape(kept)
        return reshape(g, kept) * (ties / ties.sum(axes, keepdims=True)).astype(x.array.dtype)

    return record(x.array.max(axes, keepdims=keepdim), (x, vjp))


def reshape(x, *shape):
    """The same entries in another shape, one length of which may be -1: what is left."""
    xs, shape = raw(x).shape, creation.flat(shape)
    if min(shape, default=0) < -1:
        raise ValueError(
            f"cannot reshape {xs} to {shape}: sizes are whole numbers, one of which may be -1, the rest"
        )
    return record(x.array.reshape(shape), (x, lambda g: reshape(g, xs)))


def flatten(x, start_dim=0, end_dim=-1):
    """Merge the axes start_dim..end_dim into one; a scalar becomes a vector, as in PyTorch."""
    x = x if x.ndim else reshape(x, 1)
    (start,), (end,) = _axes(start_dim, x.ndim), _axes(end_dim, x.ndim)
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim}")
    return reshape(x, x.shape[:start] + (math.prod(x.shape[start : end + 1]),) + x.shape[end + 1 :])


def permute(x, *dims):
    """Reorder the axes; PyTorch's permute."""
    dims = creation.flat(dims)
    if len(_axes(dims, x.ndim)) != x.ndim:
        raise ValueError(
            f"permute got the axes {dims}, expected all {x.ndim} of a tensor of shape {x.shape}"
        )
    inverse = np.argsort([d % x.ndim for d in dims]).tolist()
    return record(x.array.transpose(dims), (x, lambda g: permute(g, inverse)))


def transpose(x, dim0, dim1):
    """Swap two axes; PyTorch's transpose."""
    return record(x.array.swapaxes(dim0, dim1), (x, lambda g: transpose(g, dim0, dim1)))


def expand(x, *shape):
    """Broadcast to ``shape``, where -1 keeps an axis; a read-only view."""
    xs, shape = x.shape, creation.flat(shape)
    lead = len(shape) - x.ndim
    shape = tuple(xs[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(shape))
    return record(devices.xp.broadcast_to(x.array, shape), (x, lambda g: sum_to(g, xs)))
