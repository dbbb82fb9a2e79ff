"""LeakyReLU and binary cross-entropy on kernels/leaky_relu.cu and bce_with_logits.cu."""

import numpy as np

from . import launch
from .arguments import Out
from .grids import elementwise, total
from .layout import flat


def leaky_relu(x, negative_slope):
    """x where x > 0, otherwise negative_slope x. Any shape, negative_slope >= 0."""
    layout = flat(x)
    (x,) = layout.arrays
    y = launch.driver.xp.empty(x.shape, x.dtype)
    elementwise("leaky_relu", [x, Out(y), x.dtype.type(negative_slope)], x.size)
    return layout.restore(y)


def leaky_relu_grad(g, y, negative_slope):
    """g where y > 0, otherwise negative_slope g: at the kink the slope is that of the negative
    side, as in PyTorch.
    """
    layout = flat(y, g)
    y, g = layout.arrays
    dx = launch.driver.xp.empty(y.shape, y.dtype)
    elementwise("leaky_relu_grad", [g, y, Out(dx), y.dtype.type(negative_slope)], y.size)
    return layout.restore(dx)


def bce_with_logits(x, target, reduction):
    """max(x, 0) - x t + log(1 + exp(-|x|)), of each element, or their "sum" or "mean".

    target: an array like x, or a number.
    """
    layout, (x,), target = _logits(target, x)
    xp = launch.driver.xp
    if reduction == "none":
        losses = xp.empty(x.shape, x.dtype)
        elementwise("bce_with_logits", [x, *target, Out(losses)], x.size)
        return layout.restore(losses)
    if not x.size:
        return xp.zeros((), x.dtype)
    return total("bce_with_logits_sum", [x, *target], _scale(x, reduction), x.size)


def bce_with_logits_grad(x, target, g, reduction):
    """(sigmoid(x) - t) g, divided by the number of elements for "mean".

    g: an array like x for "none", otherwise a 0-d array.
    """
    has_own_g = reduction == "none"  # each element has a gradient of its own
    if has_own_g:
        layout, (x, g), target = _logits(target, x, g)
    else:
        layout, (x,), target = _logits(target, x)
    dx = launch.driver.xp.empty(x.shape, x.dtype)
    arguments = [x, *target, g, np.int32(has_own_g), Out(dx), _scale(x, reduction)]
    elementwise("bce_with_logits_grad", arguments, x.size)
    return layout.restore(dx)


def _logits(target, x, *others):
    """(the layout, x and the others in it, the kernel's two arguments for the target).

    The two arguments are an array and a number, of which the kernel reads the array if there is
    one.
    """
    if isinstance(target, launch.driver.xp.ndarray):
        layout = flat(x, target, *others)
        x, target, *others = layout.arrays
        return layout, [x, *others], [target, x.dtype.type(0)]
    layout = flat(x, *others)
    return layout, layout.arrays, [None, x.dtype.type(target)]


def _scale(x, reduction):
    """The factor of every loss: 1 / n for "mean"."""
    return x.dtype.type(1 / x.size if reduction == "mean" else 1)
