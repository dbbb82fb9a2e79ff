"""LeakyReLU and binary cross-entropy on kernels/leaky_relu.cu and bce_with_logits.cu."""

from typing import NamedTuple

import numpy as np

from . import launch
from .arguments import Out
from .grids import elementwise, total
from .layout import Flat, flat


def leaky_relu(x, negative_slope):
    """x where x > 0, otherwise negative_slope x. Any shape, negative_slope >= 0."""
    layout = flat(x)
    (x,) = layout.arrays
    slope = x.dtype.type(negative_slope)
    y = launch.empty(x.shape, x.dtype)
    elementwise("leaky_relu", [x, Out(y), slope], x.size)
    return layout.restore(y)


def leaky_relu_grad(g, y, negative_slope):
    """g where y > 0, otherwise negative_slope g: at the kink the slope is that of the negative
    side, as in PyTorch.
    """
    layout = flat(y, g)
    y, g = layout.arrays
    slope = y.dtype.type(negative_slope)
    dx = launch.empty(y.shape, y.dtype)
    elementwise("leaky_relu_grad", [g, y, Out(dx), slope], y.size)
    return layout.restore(dx)


def bce_with_logits(x, target, reduction):
    """max(x, 0) - x t + log(1 + exp(-|x|)), of each element, or their "sum" or "mean".

    target: an array like x, or a number.
    """
    inputs = _logits(target, x)
    (x,) = inputs.arrays
    if reduction == "none":
        losses = launch.empty(x.shape, x.dtype)
        elementwise("bce_with_logits", [x, *inputs.target, Out(losses)], x.size)
        return inputs.layout.restore(losses)
    if not x.size:
        return launch.driver.xp.zeros((), x.dtype)
    scale = _scale(x, reduction)
    return total("bce_with_logits_sum", [x, *inputs.target], scale, x.size)


def bce_with_logits_grad(x, target, g, reduction):
    """(sigmoid(x) - t) g, divided by the number of elements for "mean".

    g: an array like x for "none", otherwise a 0-d array.
    """
    has_own_g = reduction == "none"  # each element has a gradient of its own
    if has_own_g:
        inputs = _logits(target, x, g)
        x, g = inputs.arrays
    else:
        inputs = _logits(target, x)
        (x,) = inputs.arrays
    scale = _scale(x, reduction)
    dx = launch.empty(x.shape, x.dtype)
    arguments = [x, *inputs.target, g, np.int32(has_own_g), Out(dx), scale]
    elementwise("bce_with_logits_grad", arguments, x.size)
    return inputs.layout.restore(dx)


class Inputs(NamedTuple):
    """What the kernels of the binary cross-entropy read."""

    layout: Flat  # of all arrays
    arrays: list  # the logits, and the gradient where each element has its own
    target: tuple  # an array and a number; the kernel reads the array if there is one


def _logits(target, *arrays):
    """Arrays of one shape, and a target that is an array like them or a number -> Inputs."""
    number = arrays[0].dtype.type
    if not isinstance(target, launch.driver.xp.ndarray):
        layout = flat(*arrays)
        return Inputs(layout, layout.arrays, (None, number(target)))
    layout = flat(*arrays, target)
    *arrays, target = layout.arrays
    return Inputs(layout, arrays, (target, number(0)))


def _scale(x, reduction):
    """The factor of every loss: 1 / n for "mean"."""
    scale = 1 / x.size if reduction == "mean" else 1
    return x.dtype.type(scale)
