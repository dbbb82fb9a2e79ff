"""ReLU and LeakyReLU: y = x where x > 0, and y = negative_slope x elsewhere.

The derivative is piecewise constant, so the mask may be a raw array. It is computed from the
output, which the next layer keeps anyway: y > 0 exactly where x > 0, because the slope is not
negative.
"""

from .. import devices
from ..backends import summation
from ..creation import raw
from ..engine import Tensor, record
from .dtypes import floating
from .elementwise import exp
from .in_place import in_place_of
from .shapes import sum


def leaky_relu(x, negative_slope=0.01, inplace=False):
    """max(x, 0) + negative_slope min(x, 0), entry by entry.

    At x = 0 the derivative is negative_slope, as in PyTorch. inplace: x itself becomes the output,
    its values and its history, which costs a copy while gradients are recorded.
    """
    if inplace:
        return in_place_of(x, lambda old: leaky_relu(old, negative_slope), "leaky_relu")
    if isinstance(negative_slope, Tensor):
        raise TypeError("negative_slope is a Tensor, expected a number: its gradient would be lost")
    if not negative_slope >= 0:
        raise ValueError(f"negative_slope is {negative_slope}, expected at least 0")
    x = floating(x)
    return record(
        devices.kernels.leaky_relu(x.array, negative_slope),
        (x, lambda g, y: leaky_relu_grad(g, y, negative_slope)),
        op="leaky_relu" if negative_slope else "relu",
        negative_slope=negative_slope,
    )


def relu(x, inplace=False):
    """max(x, 0), entry by entry; its derivative at 0 is 0. inplace: see leaky_relu."""
    return leaky_relu(x, 0.0, inplace)


def leaky_relu_grad(g, y, negative_slope):
    """g times the derivative of LeakyReLU at the output y: linear in g, piecewise constant in y."""
    return record(
        devices.kernels.leaky_relu_grad(g.array, y.array, negative_slope),
        (g, lambda h: leaky_relu_grad(h, y, negative_slope)),
        op="leaky_relu_grad",
        negative_slope=negative_slope,
    )


def log_softmax(x, dim=-1):
    """x - log(sum(exp(x))) along dim, shifted by the maximum so that nothing overflows."""
    shifted = raw(x) - x.array.max(dim, keepdims=True)
    axis = dim % max(1, shifted.ndim)
    total = summation.total(devices.xp.exp(shifted), (axis,), keepdims=True)
    value = shifted - devices.xp.log(total)

    def to_x(g, y):
        return g - exp(y) * sum(g, dim, keepdim=True)

    return record(value, (x, to_x), op="log_softmax", dim=dim)
