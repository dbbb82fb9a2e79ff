"""LeakyReLU and binary cross-entropy on kernels/leaky_relu.cu and bce_with_logits.cu."""

import numpy as np

from . import launch as device
from .convolution import _in_order
from .grids import elementwise, total
from .launch import Out


def _vectors(first, *others):
    """All arrays, C-contiguous, in the order in which the first lies in memory, and the way back
    for a result.
    """
    if all(a.flags.c_contiguous for a in (first, *others)):
        return [first, *others], lambda y: y
    order = sorted(range(first.ndim), key=lambda axis: -first.strides[axis])
    inverse, shape = (
        sorted(range(first.ndim), key=order.__getitem__),
        tuple(first.shape[axis] for axis in order),
    )
    return [_in_order(a, order) for a in (first, *others)], lambda y: y.reshape(shape).transpose(
        inverse
    )


def leaky_relu(x, negative_slope):
    """x where x > 0, else negative_slope x. Any shape, negative_slope >= 0."""
    (x,), restore = _vectors(x)
    y = device.xp.empty(x.shape, x.dtype)
    elementwise("leaky_relu", [x, Out(y), x.dtype.type(negative_slope)], x.size)
    return restore(y)


def leaky_relu_grad(g, y, negative_slope):
    """g where y > 0, else negative_slope g: at the kink the slope is the negative side's, as in
    PyTorch.
    """
    (y, g), restore = _vectors(y, g)
    dx = device.xp.empty(y.shape, y.dtype)
    elementwise("leaky_relu_grad", [g, y, Out(dx), y.dtype.type(negative_slope)], y.size)
    return restore(dx)


def _logits(x, target, *others):
    """([x, and the others], the two arguments of the target, an array or a number; the way back),
    all in one order.
    """
    if isinstance(target, device.xp.ndarray):
        (x, target, *others), restore = _vectors(x, target, *others)
        return [x, *others], [target, x.dtype.type(0)], restore
    arrays, restore = _vectors(x, *others)
    return arrays, [None, x.dtype.type(target)], restore


def bce_with_logits(x, target, reduction):
    """max(x, 0) - x t + log(1 + exp(-|x|)), for each element or their "sum" or "mean"; t like x,
    or a number.
    """
    (x,), target, restore = _logits(x, target)
    xp, n = device.xp, x.size
    if reduction == "none":
        losses = xp.empty(x.shape, x.dtype)
        elementwise("bce_with_logits", [x, *target, Out(losses)], n)
        return restore(losses)
    if not n:
        return xp.zeros((), x.dtype)
    return total(
        "bce_with_logits_sum", [x, *target], x.dtype.type(1 / n if reduction == "mean" else 1), n
    )


def bce_with_logits_grad(x, target, g, reduction):
    """(sigmoid(x) - t) g, over the number of elements for "mean"."""
    each = reduction == "none"
    (x, *own), target, restore = _logits(x, target, *[g] * each)
    scale, dx = (
        x.dtype.type(1 / x.size if reduction == "mean" else 1),
        device.xp.empty(x.shape, x.dtype),
    )
    elementwise(
        "bce_with_logits_grad",
        [x, *target, own[0] if each else g, np.int32(each), Out(dx), scale],
        x.size,
    )
    return restore(dx)
