"""LeakyReLU and binary cross-entropy on kernels/leaky_relu.cu and bce_with_logits.cu."""

import numpy as np

from ..memory_order import MemoryOrder
from . import launch
from .arguments import Out
from .grids import elementwise, total


def leaky_relu(x, negative_slope):
    """x where x > 0, otherwise negative_slope x. Any shape, negative_slope >= 0."""
    order = MemoryOrder(x)
    x = order.stored(x)
    slope = x.dtype.type(negative_slope)
    y = launch.empty(x.shape, x.dtype)
    elementwise("leaky_relu", [x, Out(y), slope], x.size)
    return order.restored(y)


def leaky_relu_grad(g, y, negative_slope):
    """g where y > 0, otherwise negative_slope g: at y = 0 too, as in PyTorch."""
    order = MemoryOrder(y)
    y = order.stored(y)
    g = order.stored(g)
    slope = y.dtype.type(negative_slope)
    dx = launch.empty(y.shape, y.dtype)
    elementwise("leaky_relu_grad", [g, y, Out(dx), slope], y.size)
    return order.restored(dx)


def bce_with_logits(x, target, reduction):
    """max(x, 0) - x t + log(1 + exp(-|x|)), of each element, or their "sum" or "mean".

    target: an array like x, or a number.
    """
    order = MemoryOrder(x)
    x = order.stored(x)
    target = _target_arguments(target, order, x)
    if reduction == "none":
        losses = launch.empty(x.shape, x.dtype)
        elementwise("bce_with_logits", [x, *target, Out(losses)], x.size)
        return order.restored(losses)
    if not x.size:
        return launch.driver.xp.zeros((), x.dtype)
    scale = _scale(x, reduction)
    return total("bce_with_logits_sum", [x, *target], scale, x.size)


def bce_with_logits_grad(x, target, g, reduction):
    """(sigmoid(x) - t) g, divided by the number of elements for "mean".

    g: an array like x for "none", otherwise a 0-d array.
    """
    order = MemoryOrder(x)
    x = order.stored(x)
    target = _target_arguments(target, order, x)
    has_own_g = reduction == "none"  # each element has a gradient of its own
    if has_own_g:
        g = order.stored(g)
    scale = _scale(x, reduction)
    dx = launch.empty(x.shape, x.dtype)
    arguments = [x, *target, g, np.int32(has_own_g), Out(dx), scale]
    elementwise("bce_with_logits_grad", arguments, x.size)
    return order.restored(dx)


def _target_arguments(target, order, x):
    """What the kernels are given for the target: an array or a null pointer, and a number.

    The kernel reads the array if there is one.
    """
    number = x.dtype.type
    if isinstance(target, launch.driver.xp.ndarray):
        return order.stored(target), number(0)
    return None, number(target)


def _scale(x, reduction):
    """The factor of every loss: 1 / n for "mean"."""
    scale = 1 / x.size if reduction == "mean" else 1
    return x.dtype.type(scale)
