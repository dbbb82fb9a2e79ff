"""Matrix products, and the layers that are one: linear and maxout.

The gradient of a product with respect to one factor is a product with the other factor, transposed.
"""

from ..backends.cpu import threads
from ..creation import raw
from ..engine import Tensor, record
from .conv import channel_sum
from .dtypes import _pair
from .indexing import getitem
from .shapes import amax, reshape, sum_to, transpose


def linear(x, weight, bias=None):
    """x weight^T + bias: x (..., in), weight (out, in), bias (out,) -> (..., out). ValueError for
    what does not fit.
    """
    xs, ws = raw(x).shape, weight.shape
    if not xs or len(ws) != 2 or xs[-1] != ws[1] or x.array.dtype != weight.array.dtype:
        raise ValueError(
            f"linear: x {xs} {x.dtype} does not fit weight {ws} {weight.dtype} (out, in)"
        )
    if bias is not None and (bias.shape, bias.dtype) != (ws[:1], x.dtype):
        raise ValueError(f"linear: bias is {bias.shape} {bias.dtype}, expected {ws[:1]} {x.dtype}")
    if len(xs) != 2:
        return reshape(linear(reshape(x, -1, ws[1]), weight, bias), xs[:-1] + ws[:1])
    edges = [
        (x, lambda g: linear(g, transpose(weight, 0, 1))),
        (weight, lambda g: matmul(transpose(g, 0, 1), x)),
    ]
    if bias is not None:
        edges.append((bias, lambda g: channel_sum(g)))
    return record(
        threads.linear(x.array, weight.array, bias if bias is None else bias.array), *edges
    )


def maxout(x, pieces, axis=1):
    """The maximum of each run of ``pieces`` values along axis: (N, units * pieces) -> (N, units)
    (Goodfellow 2013).
    """
    axis %= x.ndim
    if pieces < 1 or x.shape[axis] % pieces:
        raise ValueError(
            f"maxout: axis {axis} of shape {x.shape} is not a multiple of pieces={pieces}"
        )
    return amax(
        reshape(x, x.shape[:axis] + (x.shape[axis] // pieces, pieces) + x.shape[axis + 1 :]),
        axis + 1,
    )


def matmul(x, y):
    """Matrix product over the last two axes; leading axes broadcast; a vector is a row on the
    left, else a column.
    """
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        x, y, _, _ = _pair(x, y)
    xs, ys = x.array.shape, y.array.shape
    if x.array.dtype != y.array.dtype:
        raise TypeError(f"matmul needs one dtype, got {x.dtype} and {y.dtype}")
    if not xs or not ys or xs[-1] != ys[-2 if len(ys) > 1 else 0]:
        raise ValueError(f"matmul cannot multiply shapes {xs} and {ys}")
    if len(ys) == 1:
        return getitem(matmul(x, reshape(y, -1, 1)), (..., 0))
    if len(xs) == 1:
        return getitem(matmul(reshape(x, 1, -1), y), (..., 0, slice(None)))
    return record(
        threads.product(x.array, y.array),
        (x, lambda g: sum_to(matmul(g, transpose(y, -1, -2)), xs)),
        (y, lambda g: sum_to(matmul(transpose(x, -1, -2), g), ys)),
    )
