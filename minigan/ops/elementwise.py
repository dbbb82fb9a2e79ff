"""Elementwise operations: one number of the result for each number, or pair of numbers, given.

Read ``mul`` first. Its value is the first argument of ``record``. Beside each input stands the VJP,
which maps the gradient g of the output to the gradient of that input. VJPs call the operations of
this file on Tensors, so they can be differentiated in turn. ``as_pair`` (dtypes.py) makes both
inputs Tensors of one dtype. ``sum_to`` (shapes.py) undoes broadcasting: it sums a gradient over the
axes along which an input was repeated. A closure that reads only x_shape keeps no array alive. What
is constant inside a VJP is piecewise constant: a mask, a sign, a shape.
"""

import numpy as np

from .. import devices
from ..creation import raw
from ..engine import Tensor, record
from .dtypes import SCALARS, as_pair, floating, in_dtype_of
from .shapes import sum_to


def mul(x, y):
    """x y, entry by entry; shapes broadcast."""
    x, y = as_pair(x, y)
    x_shape = x.array.shape
    y_shape = y.array.shape
    return record(
        x.array * y.array,
        (x, lambda g: sum_to(g * y, x_shape)),
        (y, lambda g: sum_to(g * x, y_shape)),
        op="mul",
    )


def add(x, y):
    """x + y, entry by entry; shapes broadcast."""
    x, y = as_pair(x, y)
    x_shape = x.array.shape
    y_shape = y.array.shape
    return record(
        x.array + y.array,
        (x, lambda g: sum_to(g, x_shape)),
        (y, lambda g: sum_to(g, y_shape)),
        op="add",
    )


def sub(x, y):
    """x - y, entry by entry; shapes broadcast."""
    x, y = as_pair(x, y)
    x_shape = x.array.shape
    y_shape = y.array.shape
    return record(
        x.array - y.array,
        (x, lambda g: sum_to(g, x_shape)),
        (y, lambda g: sum_to(-g, y_shape)),
        op="sub",
    )


def div(x, y):
    """x / y, entry by entry; shapes broadcast."""
    x, y = as_pair(x, y)
    x = floating(x)
    y = floating(y)
    x_shape = x.array.shape
    y_shape = y.array.shape
    return record(
        x.array / y.array,
        (x, lambda g: sum_to(g / y, x_shape)),
        (y, lambda g, quotient: sum_to(-g * quotient / y, y_shape)),
        op="div",
    )


def pow(x, p):
    """x ** p, entry by entry, for a number or a Tensor p.

    d/dx = p x^(p - 1). d/dp = x^p log x, which needs x >= 0 and is 0 at x = 0.
    """
    if isinstance(p, SCALARS):
        return _power(x, p)
    x, p = as_pair(x, p)
    x_shape = x.array.shape
    p_shape = p.array.shape
    # At x = 0 both derivatives are 0, but one of the factors may be infinite, and 0 times infinity
    # is NaN. So 1 is added to the base there.
    is_zero = x.array == 0

    def to_x(g):
        base = x + (is_zero & (p.array == 0))
        return sum_to(g * p * base ** (p - 1), x_shape)

    def to_p(g, y):
        base = x + (is_zero & (p.array >= 0))
        return sum_to(g * y * log(base), p_shape)

    return record(x.array**p.array, (x, to_x), (p, to_p), op="pow")


def _power(x, p):
    """x ** p for a number p."""
    if isinstance(p, np.generic):
        p = p.item()  # because NumPy's float64 would change the dtype of a float32 array
    if isinstance(p, float):
        x = floating(x)

    def to_x(g):
        return g * (p * x ** (p - 1)) if p else g * 0

    value = in_dtype_of(x.array, x.array**p)
    return record(value, (x, to_x), op="pow", exponent=p)


def power_of(base, x):
    """base ** x for a Tensor x and a number, array or list base."""
    base, x = as_pair(base, x)
    return pow(base, x)


def neg(x):
    """-x, entry by entry."""
    return record(-x.array, (x, lambda g: -g), op="neg")


def exp(x):
    """e to the power of each entry."""
    x = floating(x)
    value = devices.xp.exp(x.array)
    return record(value, (x, lambda g, y: g * y), op="exp")


def log(x):
    """The natural logarithm of each entry x > 0."""
    x = floating(x)
    value = devices.xp.log(x.array)
    return record(value, (x, lambda g: g / x), op="log")


def sqrt(x):
    """The square root of each entry x >= 0; its derivative at 0 is infinite."""
    x = floating(x)
    value = devices.xp.sqrt(x.array)
    return record(value, (x, lambda g, y: g / (2 * y)), op="sqrt")


def sin(x):
    """The sine of each entry, an angle in radians."""
    x = floating(x)
    value = devices.xp.sin(x.array)
    return record(value, (x, lambda g: g * cos(x)), op="sin")


def cos(x):
    """The cosine of each entry, an angle in radians."""
    x = floating(x)
    value = devices.xp.cos(x.array)
    return record(value, (x, lambda g: -g * sin(x)), op="cos")


def abs(x):
    """|x|, entry by entry; its derivative is the sign, which is 0 at 0."""
    value = devices.xp.abs(raw(x))
    return record(value, (x, lambda g: g * devices.xp.sign(x.array)), op="abs")


def tanh(x):
    """The hyperbolic tangent of each entry, between -1 and 1."""
    x = floating(x)
    value = devices.xp.tanh(x.array)
    return record(value, (x, lambda g, y: g * (1 - y * y)), op="tanh")


def sigmoid(x):
    """1 / (1 + exp(-x)), entry by entry.

    It is computed as exp(min(x, 0)) / (1 + exp(-|x|)): no exponential of a positive number, so
    nothing overflows.
    """
    xp = devices.xp
    x = floating(x)
    a = x.array
    value = xp.exp(xp.minimum(a, 0)) / (1 + xp.exp(-xp.abs(a)))
    value = in_dtype_of(a, value)
    return record(value, (x, lambda g, y: g * (y * (1 - y))), op="sigmoid")


def softplus(x):
    """log(1 + exp(x)), entry by entry, as max(x, 0) + log1p(exp(-|x|))."""
    xp = devices.xp
    x = floating(x)
    a = x.array
    value = xp.maximum(a, 0) + xp.log1p(xp.exp(-xp.abs(a)))
    value = in_dtype_of(a, value)
    return record(value, (x, lambda g: g * sigmoid(x)), op="softplus")


def check_bounds(*bounds):
    """Refuse a Tensor as a bound of clamp, because its gradient would be lost."""
    if any(isinstance(bound, Tensor) for bound in bounds):
        raise TypeError("clamp got a Tensor as a bound, expected numbers: item() makes one")


def clamp(x, min=None, max=None):
    """x limited to [min, max], entry by entry; the gradient passes where min <= x <= max.

    min, max: numbers, or None for no limit.
    """
    check_bounds(min, max)
    if isinstance(min, (float, np.floating)) or isinstance(max, (float, np.floating)):
        x = floating(x)
    low = -np.inf if min is None else min
    high = np.inf if max is None else max
    bounds = [None if bound is None else x.array.dtype.type(bound) for bound in (min, max)]

    def to_x(g):
        is_inside = (x.array >= low) & (x.array <= high)
        return g * is_inside

    value = devices.xp.clip(x.array, *bounds)
    return record(value, (x, to_x), op="clamp", min=min, max=max)


def where(condition, x, y):
    """x where the condition is true, y elsewhere; the three shapes broadcast.

    condition: a tensor or an array of truth values. The gradient goes to the one that was taken.
    """
    condition = devices.xp.asarray(condition.array if isinstance(condition, Tensor) else condition)
    if condition.dtype.kind != "b":
        raise TypeError(f"where: the condition is {condition.dtype}, expected truth values")
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        x = Tensor(devices.xp.asarray(x, np.float32))
    x, y = as_pair(x, y)
    x_shape = x.array.shape
    y_shape = y.array.shape
    return record(
        devices.xp.where(condition, x.array, y.array),
        (x, lambda g: sum_to(g * condition, x_shape)),
        (y, lambda g: sum_to(g * ~condition, y_shape)),
        op="where",
    )
