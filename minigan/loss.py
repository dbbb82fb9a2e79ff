"""Binary cross-entropy on logits: the loss of the GAN game.

With p = sigmoid(x), -t log p - (1 - t) log(1 - p) overflows where p rounds to 0 or 1. Written in the logit x it is

    max(x, 0) - x t + log(1 + exp(-|x|))

which is exact everywhere, and its derivative is just sigmoid(x) - t.
"""

import numbers

import numpy as np

from . import devices
from .engine import Tensor, record, recording
from .ops import sigmoid

REDUCTIONS = ("mean", "sum", "none")


def check_reduction(reduction):
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is {reduction!r}, expected one of {', '.join(REDUCTIONS)}")


def binary_cross_entropy_with_logits(logits, target, *, reduction="mean"):
    """Cross-entropy between targets in [0, 1] and sigmoid(logits), as in torch.nn.functional.

    target: a Tensor or array of the logits' shape, or one number for all. reduction "mean" | "sum" -> 0-d, "none" ->
    the logits' shape. Raises ValueError for another shape, a target outside [0, 1] (NaN too; arrays on a GPU are not
    read for this check) or an unknown reduction.
    """
    check_reduction(reduction)
    if logits.dtype.kind != "f":
        raise TypeError(f"logits are {logits.dtype}, expected float32 or float64")
    t = _target(logits, target)
    n = logits.size if reduction == "mean" else 1
    if n == 0:
        raise ValueError(f"the mean over an empty batch does not exist: logits have shape {logits.shape}")
    raw = t.data if isinstance(t, Tensor) else t

    def vjp(g):
        if recording.get():
            return (sigmoid(logits) - t) * (g / n)
        return Tensor(devices.kernels.bce_with_logits_grad(logits.data, raw, g.data, reduction))
    value = devices.kernels.bce_with_logits(logits.data, raw, reduction)
    if isinstance(t, Tensor):
        return record(value, (logits, vjp), (t, lambda g: -logits * (g / n)))
    return record(value, (logits, vjp))


def _target(logits, target):
    """The target as a float or a Tensor of the logits' shape and dtype, with its range checked."""
    if isinstance(target, numbers.Real):
        low = high = float(target)
        t = low
    else:
        t = target if isinstance(target, Tensor) else Tensor(devices.xp.asarray(target, logits.dtype))
        if t.shape != logits.shape or t.dtype != logits.dtype:
            raise ValueError(f"target is {t.shape} {t.dtype}, logits are {logits.shape} {logits.dtype}; expected alike")
        low, high = (t.data.min(), t.data.max()) if t.size and devices.xp is np else (0, 1)
    if not (0 <= low and high <= 1):
        raise ValueError(f"targets must lie in [0, 1], these reach from {low} to {high}")
    return t
