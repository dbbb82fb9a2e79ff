"""Elementwise operations, differentiable: one number of the result for each number, or pair of
numbers, given.

Read any of them: the value stands in the first argument of ``record``, and beside each input the
VJP that maps the gradient g of the output to the gradient of that input. VJPs call the operations
of this file on Tensors, so they can be differentiated in turn. A closure that reads only ``xs``,
the shape of x, keeps no array alive; what may be constant inside a VJP is piecewise constant: a
mask, a sign, a shape.
"""

import numpy as np

from .. import devices
from ..creation import raw
from ..engine import Tensor, record
from .dtypes import SCALARS, _like, _pair, floating
from .shapes import sum_to


def add(x, y):
    """x + y, broadcast."""
    x, y, xs, ys = _pair(x, y)
    return record(x.array + y.array, (x, lambda g: sum_to(g, xs)), (y, lambda g: sum_to(g, ys)))


def sub(x, y):
    """x - y, broadcast."""
    x, y, xs, ys = _pair(x, y)
    return record(x.array - y.array, (x, lambda g: sum_to(g, xs)), (y, lambda g: sum_to(-g, ys)))


def mul(x, y):
    """x y, entry by entry, broadcast."""
    x, y, xs, ys = _pair(x, y)
    return record(
        x.array * y.array, (x, lambda g: sum_to(g * y, xs)), (y, lambda g: sum_to(g * x, ys))
    )


def div(x, y):
    """x / y, broadcast."""
    x, y, xs, ys = _pair(x, y)
    x, y = floating(x), floating(y)
    return record(
        x.array / y.array,
        (x, lambda g: sum_to(g / y, xs)),
        (y, lambda g, q: sum_to(-g * q / y, ys)),
    )


def pow(x, p):
    """x ** p for a number p; a Tensor p needs x >= 0 where p's gradient is asked for (d/dp = x^p
    log x, 0 at x = 0).
    """
    if isinstance(p, SCALARS):
        p = (
            p.item() if isinstance(p, np.generic) else p
        )  # NumPy's own float64 would change a float32's dtype
        x = floating(x) if isinstance(p, float) else x
        return record(
            _like(x.array, x.array**p), (x, lambda g: g * (p * x ** (p - 1)) if p else g * 0)
        )
    x, p, xs, ps = _pair(x, p)
    zero = (
        x.array == 0
    )  # where p x^(p - 1) and x^p log x are 0, though a factor is infinite, the base is 1
    return record(
        x.array**p.array,
        (x, lambda g: sum_to(g * p * (x + (zero & (p.array == 0))) ** (p - 1), xs)),
        (p, lambda g, y: sum_to(g * y * log(x + (zero & (p.array >= 0))), ps)),
    )


def neg(x):
    """-x."""
    return record(-x.array, (x, lambda g: -g))


def exp(x):
    """e^x."""
    x = floating(x)
    return record(devices.xp.exp(x.array), (x, lambda g, y: g * y))


def log(x):
    """The natural logarithm of x > 0."""
    x = floating(x)
    return record(devices.xp.log(x.array), (x, lambda g: g / x))


def sqrt(x):
    """The square root of x >= 0; its derivative at 0 is infinite."""
    x = floating(x)
    return record(devices.xp.sqrt(x.array), (x, lambda g, y: g / (2 * y)))


def abs(x):
    """|x|; its derivative is the sign, 0 at 0."""
    return record(devices.xp.abs(raw(x)), (x, lambda g: g * devices.xp.sign(x.array)))


def tanh(x):
    """The hyperbolic tangent, between -1 and 1."""
    x = floating(x)
    return record(devices.xp.tanh(x.array), (x, lambda g, y: g * (1 - y * y)))


def sigmoid(x):
    """1 / (1 + exp(-x)), as exp(min(x, 0)) / (1 + exp(-|x|)): no exponential of a positive
    number, no overflow.
    """
    xp, x = devices.xp, floating(x)
    a = x.array
    y = xp.exp(xp.minimum(a, 0)) / (1 + xp.exp(-xp.abs(a)))
    return record(_like(a, y), (x, lambda g, y: g * (y * (1 - y))))


def softplus(x):
    """log(1 + exp(x)), as max(x, 0) + log1p(exp(-|x|))."""
    xp, x = devices.xp, floating(x)
    a = x.array
    y = xp.maximum(a, 0) + xp.log1p(xp.exp(-xp.abs(a)))
    return record(_like(a, y), (x, lambda g: g * sigmoid(x)))


def clamp(x, min=None, max=None):
    """x limited to [min, max] (numbers, either may be None); the gradient passes where min <= x
    <= max.
    """
    check_bounds(min, max)
    x = floating(x) if any(isinstance(bound, (float, np.floating)) for bound in (min, max)) else x
    low, high = -np.inf if min is None else min, np.inf if max is None else max
    bounds = (bound if bound is None else x.array.dtype.type(bound) for bound in (min, max))
    return record(
        devices.xp.clip(x.array, *bounds), (x, lambda g: g * ((x.array >= low) & (x.array <= high)))
    )


def check_bounds(*bounds):
    """Refuse a Tensor as a bound of clamp, because its gradient would be lost."""
    if any(isinstance(bound, Tensor) for bound in bounds):
        raise TypeError("clamp got a Tensor as a bound, expected numbers: item() makes one")
