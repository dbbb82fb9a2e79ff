"""Operations per channel on kernels/channels.cu and batch_norm.cu: memory order, grids and
launches.
"""

from . import launch as device
from .convolution import _in_order
from .grids import moments, reduce, rowwise
from .launch import Out
from .rungs import address, choose


def _rows(x):
    """(N, C, ...) as a matrix with a column per channel; a copy only where memory lies in another
    order.
    """
    return _in_order(x, (*range(2, x.ndim), 0, 1)).reshape(-1, x.shape[1])


def _image(rows, x):
    """The inverse of _rows, in the shape of x."""
    return rows.reshape(x.shape[2:] + x.shape[:2]).transpose(
        x.ndim - 2, x.ndim - 1, *range(x.ndim - 2)
    )


def channel_sum(g):
    """(N, C, ...) -> (C,): the sum over all axes but the channels'; the gradient of a bias."""
    rows = _rows(g)
    return (
        reduce("channel_sum", [rows], rows, 1)[0]
        if rows.size
        else device.xp.zeros(rows.shape[1], g.dtype)
    )


def add_bias(x, bias):
    """(N, C, ...), (C,) -> x + bias, each channel its own."""
    rows, xp = _rows(x), device.xp
    y = xp.empty(rows.shape, rows.dtype)
    rowwise("add_bias", [rows, xp.ascontiguousarray(bias), Out(y)], rows)
    return _image(y, x)


def batch_norm_statistics(x, weight, bias, running_mean, running_var, momentum, eps):
    """(N, C, ...) -> mean (2, C), inv_std, scale, shift (C,); takes the running ones a step on.

    The mean is two numbers: see cpu.batch_norm_statistics.
    """
    given = weight, bias, running_mean, running_var
    vectors = [a if a is None else device.xp.ascontiguousarray(a) for a in given]
    y = moments(_rows(x), vectors, x.dtype.type(momentum), x.dtype.type(eps))
    for a, copy in zip(given[2:], vectors[2:]):
        if a is not None and address(a) != address(copy):
            a[...] = copy
    return y[:2], y[2], y[3], y[4]


def batch_norm_forward(x, centre, scale, shift, negative_slope):
    """(N, C, ...), three (C,) -> act((x - centre[c]) scale[c] + shift[c]).

    A slope of None is no activation, 0 is ReLU.
    """
    rows, xp = _rows(x), device.xp
    y, slope = (
        xp.empty(rows.shape, rows.dtype),
        x.dtype.type(1 if negative_slope is None else negative_slope),
    )
    vectors = [xp.ascontiguousarray(v) for v in (centre, scale, shift)]
    rowwise("batch_norm_forward", [rows, *vectors, Out(y), slope], rows)
    return _image(y, x)


def batch_norm_grad(g, x, y, mean, inv_std, weight, negative_slope):
    """The gradient of training-mode batch norm and its activation: -> dx (N, C, ...), dweight
    (C,), dbias (C,).
    """
    g_rows, rows, xp = _rows(g), _rows(x), device.xp
    y_rows = (
        g_rows if negative_slope is None else _rows(y)
    )  # with a slope of 1 it does not matter which
    slope, dx = (
        x.dtype.type(1 if negative_slope is None else negative_slope),
        xp.empty(rows.shape, rows.dtype),
    )
    mean, inv_std, weight = (
        None if v is None else xp.ascontiguousarray(v) for v in (mean, inv_std, weight)
    )
    read = [g_rows, rows, y_rows, mean, inv_std]
    sums = reduce("batch_norm_grad_sums", read, rows, 2, slope)
    inverse_rows = [x.dtype.type(1 / len(rows))] * (choose("batch_norm_grad", x.dtype) == "tiled")
    rowwise("batch_norm_grad", [*read, weight, sums, Out(dx), slope, *inverse_rows], rows)
    return _image(dx, x), sums[1], sums[0]
