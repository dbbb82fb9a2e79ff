"""Gradient clipping: limits on gradients between backward() and the optimiser's step."""

import math

from ..engine import Tensor
from ..grad_modes import no_grad
from ..ops import norm, stack


@no_grad()
def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False):
    """Scale the gradients so that their norm, taken together, is at most max_norm.

    Returns the norm before, a Tensor. norm_type: the p of the norm. error_if_nonfinite: raise
    RuntimeError for a norm that is not finite. (Pascanu et al. 2013)
    """
    gradients = _gradients_of(parameters)
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm is {max_norm}, expected at least 0")
    if not gradients:
        return Tensor(0.0)
    norms = [norm(g, norm_type) for g in gradients]
    total = norm(stack(norms), norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total.item()}")
    factor = (max_norm / (total + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g.mul_(factor)
    return total


@no_grad()
def clip_grad_value_(parameters, clip_value):
    """Limit each entry of the gradients to [-clip_value, clip_value]."""
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: clip_value is {clip_value}, expected at least 0")
    for g in _gradients_of(parameters):
        g.clamp_(-clip_value, clip_value)


def _gradients_of(parameters):
    """The gradients of a tensor or of several, as far as there are any."""
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    return [p.grad for p in parameters if p.grad is not None]
