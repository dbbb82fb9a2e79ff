"""How large and how spread out: norm and std; squares and reciprocal roots.

Norm and std end in a root, whose derivative at 0 is infinite. PyTorch's convention, which is kept
here, is a gradient of 0 there: a gradient penalty stays finite where a critic is constant.
"""

import math
import numbers

from ..creation import raw
from ..engine import Tensor
from .dtypes import floating
from .elementwise import abs, clamp, pow, sqrt, where
from .extremes import amin
from .shapes import amax, sum, var


def std(x, dim=None, *, unbiased=True, correction=None, keepdim=False):
    """The standard deviation over dim: the root of var, with a gradient of 0 where it is 0."""
    variance = var(x, dim, unbiased=unbiased, correction=correction, keepdim=keepdim)
    return root(variance)


def square(x):
    """x * x of each entry."""
    return x * x


def rsqrt(x):
    """1 / sqrt(x) of each entry x > 0."""
    return x**-0.5


def root(x):
    """The square root of each entry x >= 0; unlike sqrt's, its derivative at 0 is 0."""
    is_zero = raw(x) == 0
    y = sqrt(where(is_zero, 1.0, x))
    return where(is_zero, 0.0, y)


def norm(x, p=2, dim=None, keepdim=False):
    """(sum of |x|^p)^(1/p) over dim: an axis, several, or None for all.

    p: a number, "fro" (which is 2), or plus or minus infinity, for the largest and the smallest
    |x|. Raises ValueError for another p.
    """
    x = floating(x)
    if p == "fro" or p is None:
        p = 2
    if not isinstance(p, numbers.Real) or math.isnan(p):
        raise ValueError(f"norm: p is {p!r}, expected a number, infinity or 'fro'")
    if math.isinf(p):
        extreme = amax if p > 0 else amin
        return extreme(abs(x), dim, keepdim=keepdim)
    if p == 0:
        is_other = Tensor((x.array != 0).astype(x.dtype))
        return sum(is_other, dim, keepdim=keepdim)  # a number of entries, which has no gradient
    if p == 1:
        return sum(abs(x), dim, keepdim=keepdim)
    if p == 2:
        return root(sum(x * x, dim, keepdim=keepdim))
    total = sum(_power_of_size(x, p), dim, keepdim=keepdim)
    return _power_of_size(total, 1 / p)


def _power_of_size(x, p):
    """|x|^p with a gradient of 0 at x = 0, also where the derivative is infinite."""
    is_zero = x.array == 0
    y = pow(abs(where(is_zero, 1.0, x)), p)
    return where(is_zero, 0.0, y)


def normalize(x, p=2.0, dim=1, eps=1e-12):
    """x divided by its p-norm along dim, or by eps where that is larger."""
    length = norm(x, p, dim, keepdim=True)
    return x / clamp(length, eps)
