"""Matrix products, and the layers that are one: linear and maxout.

The gradient of a product with respect to one factor is a product with the other factor, transposed.
"""

from .. import devices
from ..checks import whole_number
from ..creation import raw
from ..engine import Tensor, record
from .conv import channel_sum
from .dtypes import as_pair
from .indexing import getitem
from .shapes import amax, axes_of, reshape, sum_to, transpose


def linear(x, weight, bias=None):
    """x weight^T + bias, as torch.nn.functional.linear.

    x (..., in), weight (out, in), bias (out,) -> (..., out). Raises ValueError for shapes and
    dtypes that do not fit.
    """
    _check_linear(x, weight, bias)
    out_features, in_features = weight.shape
    if x.ndim != 2:
        rows = linear(reshape(x, -1, in_features), weight, bias)
        return reshape(rows, (*x.shape[:-1], out_features))
    edges = [
        (x, lambda g: linear(g, transpose(weight, 0, 1))),
        (weight, lambda g: matmul(transpose(g, 0, 1), x)),
    ]
    if bias is not None:
        edges.append((bias, lambda g: channel_sum(g)))
    b = None if bias is None else bias.array
    return record(devices.kernels.linear(x.array, weight.array, b), *edges, op="linear")


def _check_linear(x, weight, bias):
    x_shape = raw(x).shape
    w_shape = weight.shape
    fits = x_shape and len(w_shape) == 2 and x_shape[-1] == w_shape[1]
    if not fits or x.dtype != weight.dtype:
        raise ValueError(
            f"linear: x {x_shape} {x.dtype} does not fit weight {w_shape} {weight.dtype} (out, in)"
        )
    expected = w_shape[:1]
    if bias is not None and (bias.shape, bias.dtype) != (expected, x.dtype):
        raise ValueError(
            f"linear: bias is {bias.shape} {bias.dtype}, expected {expected} {x.dtype}"
        )


def maxout(x, pieces, axis=1):
    """The maximum of each run of ``pieces`` values along axis (Goodfellow et al. 2013).

    x (N, units * pieces) -> (N, units).
    """
    (axis,) = axes_of(axis, raw(x).ndim)
    pieces = whole_number("maxout: pieces", pieces, 1)
    if x.shape[axis] % pieces:
        raise ValueError(
            f"maxout: axis {axis} of shape {x.shape} is not a multiple of pieces={pieces}"
        )
    units = x.shape[axis] // pieces
    before = x.shape[:axis]
    after = x.shape[axis + 1 :]
    runs = reshape(x, (*before, units, pieces, *after))
    return amax(runs, axis + 1)


def matmul(x, y):
    """The matrix product over the last two axes; leading axes broadcast.

    x (..., n, k), y (..., k, m) -> (..., n, m). A vector (k,) is a row on the left and a column on
    the right. Raises ValueError for shapes that do not fit, TypeError for two dtypes.
    """
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        x, y = as_pair(x, y)
    x_shape = x.array.shape
    y_shape = y.array.shape
    if x.array.dtype != y.array.dtype:
        raise TypeError(f"matmul needs one dtype, got {x.dtype} and {y.dtype}")
    row_axis = -2 if len(y_shape) > 1 else 0
    if not x_shape or not y_shape or x_shape[-1] != y_shape[row_axis]:
        raise ValueError(f"matmul cannot multiply shapes {x_shape} and {y_shape}")
    if len(y_shape) == 1:
        column = reshape(y, -1, 1)
        return getitem(matmul(x, column), (..., 0))
    if len(x_shape) == 1:
        row = reshape(x, 1, -1)
        return getitem(matmul(row, y), (..., 0, slice(None)))
    return record(
        devices.kernels.matmul(x.array, y.array),
        (x, lambda g: sum_to(matmul(g, transpose(y, -1, -2)), x_shape)),
        (y, lambda g: sum_to(matmul(transpose(x, -1, -2), g), y_shape)),
        op="matmul",
    )


# ---- products of vectors and matrices under PyTorch's names --------------------------------------


def mm(x, y):
    """The product of two matrices: (n, k), (k, m) -> (n, m)."""
    return _product("mm", x, y, 2, 2)


def bmm(x, y):
    """The products of two batches of matrices: (b, n, k), (b, k, m) -> (b, n, m)."""
    if raw(x).shape[:1] != raw(y).shape[:1]:
        raise ValueError(f"bmm got batches of shapes {x.shape} and {y.shape}, expected one length")
    return _product("bmm", x, y, 3, 3)


def mv(x, y):
    """A matrix times a vector: (n, k), (k,) -> (n,)."""
    return _product("mv", x, y, 2, 1)


def dot(x, y):
    """The inner product of two vectors: (k,), (k,) -> ()."""
    return _product("dot", x, y, 1, 1)


def _product(name, x, y, x_ndim, y_ndim):
    """matmul of tensors with exactly these numbers of axes."""
    if raw(x).ndim != x_ndim or raw(y).ndim != y_ndim:
        raise ValueError(
            f"{name} got shapes {x.shape} and {y.shape}, expected {x_ndim} and {y_ndim} axes"
        )
    return matmul(x, y)
