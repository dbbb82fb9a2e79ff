"""The error function, erf(x) = 2 / sqrt(pi) * the integral of exp(-t^2) from 0 to x.

NumPy has none. This one follows W. J. Cody, "Rational Chebyshev approximations for the error
function" (1969): a quotient of two polynomials for each of three ranges of |x|, with a relative
error of about 1e-16.
"""

import math

from .. import devices
from ..engine import record
from .dtypes import floating
from .elementwise import exp

# Coefficients of numerator and denominator, the highest power first.
SMALL = (  # erf(x) = x P(x^2) / Q(x^2) for |x| <= 0.46875
    [
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ],
    [
        1.0,
        2.36012909523441209e1,
        2.44024637934444173e2,
        1.28261652607737228e3,
        2.84423683343917062e3,
    ],
)
MIDDLE = (  # 1 - erf(x) = exp(-x^2) P(x) / Q(x) for 0.46875 < x <= 4
    [
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ],
    [
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ],
)
LARGE = (  # 1 - erf(x) = exp(-x^2) / x (1 / sqrt(pi) - P(1 / x^2) / (x^2 Q(1 / x^2))) for x > 4
    [
        1.63153871373020978e-2,
        3.05326634961232344e-1,
        3.60344899949804439e-1,
        1.25781726111229246e-1,
        1.60837851487422766e-2,
        6.58749161529837803e-4,
    ],
    [
        1.0,
        2.56852019228982242e0,
        1.87295284992346725e0,
        5.27905102951428412e-1,
        6.05183413124413191e-2,
        2.33520497626869185e-3,
    ],
)


def erf(x):
    """The error function of each entry, between -1 and 1."""
    x = floating(x)
    scale = 2 / math.sqrt(math.pi)
    value = erf_of_array(x.array)
    return record(value, (x, lambda g: g * (scale * exp(-x * x))), op="erf")


def erf_of_array(a):
    """The error function of an array, computed in float64, in the array's dtype."""
    xp = devices.xp
    x = xp.asarray(a, "float64")
    size = xp.abs(x)
    small = x * _quotient(SMALL, xp.minimum(size, 0.5) ** 2)
    middle = 1 - xp.exp(-size * size) * _quotient(MIDDLE, xp.clip(size, 0.4, 4.1))
    inverse = 1 / xp.clip(size, 3.9, 27.0) ** 2
    tail = 1 / math.sqrt(math.pi) - inverse * _quotient(LARGE, inverse)
    large = 1 - xp.exp(-size * size) / xp.maximum(size, 1) * tail
    value = xp.where(size <= 0.46875, small, xp.sign(x) * xp.where(size <= 4, middle, large))
    return value.astype(a.dtype)


def _quotient(polynomials, x):
    """P(x) / Q(x), by Horner's rule."""
    values = []
    for coefficients in polynomials:
        y = coefficients[0] + 0 * x
        for coefficient in coefficients[1:]:
            y = y * x + coefficient
        values.append(y)
    numerator, denominator = values
    return numerator / denominator
