"""A tensor with mean 0 and variance 1 over some of its axes: the core of layer and group norm.

    d = x - E[x]        s = 1 / sqrt(E[d²] + eps)        y = d s

where E is the mean over the axes. The gradient of <g, y> with respect to x is

    P(g) = s (g - E[g]) - s³ d E[g d]

It is linear in g, and <h, P(g)> = <g, P(h)>, so P is its own adjoint. Its derivative with respect
to x, for the gradient of a gradient that a WGAN's penalty needs, follows from
ds/dx = -s³ d / n and from dd/dx, a projection:

    d<h, P(g)>/dx = -s² (d E[h P(g)] + P(g) E[h d] + P(h) E[g d])

It is symmetric in g and h, as it must be. Where only numbers are wanted, d and s are those of the
forward pass. Otherwise both are computed anew from x, so that they can be differentiated.
"""

from ..backends import summation
from ..engine import Tensor, record
from ..grad_modes import no_grad, recording
from .dtypes import floating
from .elementwise import sqrt
from .shapes import axes_of, centred, mean


def standardised(x, dim, eps):
    """y = (x - E[x]) / sqrt(Var[x] + eps), with the mean and the biased variance over dim."""
    x = floating(x)
    axes = axes_of(dim, x.ndim)
    with no_grad():
        d, s = _statistics(x, axes, eps)
    kept = d.array, s.array
    return record(
        d.array * s.array,
        (x, lambda g: _standardised_grad(g, x, axes, eps, kept)),
        op="standardised",
        dim=axes,
        eps=eps,
    )


def _statistics(x, axes, eps):
    """d and s."""
    d = centred(x, axes)
    s = 1 / sqrt(mean(d * d, axes, keepdim=True) + eps)
    return d, s


def _standardised_grad(g, x, axes, eps, kept):
    """P(g). kept: the arrays of d and s."""

    def to_x(h, p):
        return _second(h, p, g, x, axes, eps, kept)

    return record(
        _projected(g.array, axes, *kept),
        (g, lambda h: _standardised_grad(h, x, axes, eps, kept)),
        (x, to_x),
        op="standardised_grad",
        dim=axes,
        eps=eps,
    )


def _projected(g, axes, d, s):
    """The numbers of P(g)."""
    n = g.dtype.type(d.size // s.size)
    along = summation.total(g * d, axes, keepdims=True) / n
    p = d * (along * s * s)
    p += summation.total(g, axes, keepdims=True) / n
    p -= g
    p *= -s
    return p


def _second(h, p, g, x, axes, eps, kept):
    """The derivative of <h, P(g)> with respect to x, where p is P(g)."""
    if recording.get():
        d, s = _statistics(x, axes, eps)
    else:
        d, s = map(Tensor, kept)
    q = _standardised_grad(h, x, axes, eps, kept)
    total = d * _mean(h * p, axes) + p * _mean(h * d, axes) + q * _mean(g * d, axes)
    return total * (-s * s)


def _mean(x, axes):
    return mean(x, axes, keepdim=True)
