"""Smooth activations: ELU, SiLU, GELU, and softmax.

Their VJPs are written with the functions themselves and their smooth parts, so that they can be
differentiated again.
"""

import math

from .. import devices
from ..backends import summation
from ..creation import raw
from ..engine import record
from .dtypes import floating
from .elementwise import exp, pow, sigmoid, tanh, where
from .error_function import erf
from .in_place import in_place_of
from .shapes import sum


def elu(x, alpha=1.0, inplace=False):
    """x where x > 0, and alpha (exp(x) - 1) elsewhere (Clevert et al. 2016)."""
    if inplace:
        return in_place_of(x, lambda old: elu(old, alpha), "elu")
    x = floating(x)
    xp = devices.xp
    a = x.array
    is_positive = a > 0
    below_zero = xp.expm1(xp.minimum(a, 0)) * a.dtype.type(alpha)
    value = xp.where(is_positive, a, below_zero)

    def to_x(g):
        not_above_zero = where(is_positive, 0.0, x)  # so that exp() overflows for no entry
        slope = where(is_positive, 1.0, alpha * exp(not_above_zero))
        return g * slope

    return record(value, (x, to_x), op="elu", alpha=alpha)


def silu(x, inplace=False):
    """x sigmoid(x), entry by entry."""
    if inplace:
        return in_place_of(x, silu, "silu")
    return x * sigmoid(x)


def gelu(x, approximate="none"):
    """x Phi(x), with Phi the normal distribution function (Hendrycks and Gimpel 2016).

    approximate: "none", or "tanh" for x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
    """
    if approximate == "none":
        return x * (0.5 * (1 + erf(x * math.sqrt(0.5))))
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * pow(x, 3))
        return x * (0.5 * (1 + tanh(inner)))
    raise ValueError(f"gelu: approximate is {approximate!r}, expected 'none' or 'tanh'")


def softmax(x, dim=-1):
    """exp(x) / sum(exp(x)) along dim, shifted by the maximum so that nothing overflows."""
    x = floating(x)
    shifted = raw(x) - x.array.max(dim, keepdims=True)
    e = devices.xp.exp(shifted)
    axis = dim % max(1, x.ndim)
    value = e / summation.total(e, (axis,), keepdims=True)

    def to_x(g, y):
        weighted = g * y
        return weighted - y * sum(weighted, dim, keepdim=True)

    return record(value, (x, to_x), op="softmax", dim=dim)
