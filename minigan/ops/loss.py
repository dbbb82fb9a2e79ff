"""Binary cross-entropy on logits: the loss of the GAN game.

With p = sigmoid(x), -t log p - (1 - t) log(1 - p) overflows where p rounds to 0 or 1. Written in
the logit x it is

    max(x, 0) - x t + log(1 + exp(-|x|))

which is exact everywhere, and its derivative is just sigmoid(x) - t.
"""

import numbers

import numpy as np

from .. import devices
from ..creation import raw
from ..engine import Tensor, record, recording
from . import getitem
from .activation import log_softmax
from .elementwise import abs, sigmoid
from .shapes import mean, sum


def cross_entropy(logits, labels, *, reduction="mean"):
    """-log softmax(logits)[label]: logits (N, classes), labels (N,) integers. IndexError for a
    label out of range.
    """
    shape = raw(logits).shape
    if len(shape) != 2 or np.shape(labels) != shape[:1] or 0 in shape:
        raise ValueError(
            f"cross_entropy: logits {shape} and labels {np.shape(labels)}, expected (N, classes) and "
            "(N,), N at least 1"
        )
    labels = indices("cross_entropy", labels, shape[1])
    return _reduce(
        -getitem(log_softmax(logits, 1), (devices.xp.arange(shape[0]), labels)), reduction
    )


def indices(name, index, count):
    """An array of integers from 0 to count - 1, checked; the range only where that does not mean
    to wait for a GPU.
    """
    index = index.array if isinstance(index, Tensor) else index
    index = index if isinstance(index, devices.xp.ndarray) else np.asarray(index)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name} got {index.dtype}, expected integers")
    if isinstance(index, np.ndarray) and index.size and not 0 <= index.min() <= index.max() < count:
        raise IndexError(
            f"{name} got integers from {index.min()} to {index.max()}, expected 0 to {count - 1}"
        )
    return devices.xp.asarray(index)


def mse_loss(x, target, *, reduction="mean"):
    """(x - target)^2, reduced; target: a Tensor of x's shape, or one number for all."""
    d = _difference("mse_loss", x, target)
    return _reduce(d * d, reduction)


def l1_loss(x, target, *, reduction="mean"):
    """|x - target|, reduced; target: a Tensor of x's shape, or one number for all."""
    return _reduce(abs(_difference("l1_loss", x, target)), reduction)


def _difference(name, x, target):
    if (
        not isinstance(target, numbers.Number) and np.shape(target) != raw(x).shape
    ):  # broadcasting is mostly a mistake
        raise ValueError(f"{name}: target has shape {np.shape(target)}, expected {x.shape}")
    return x - target


def _reduce(losses, reduction):
    check_reduction(reduction)
    return losses if reduction == "none" else sum(losses) if reduction == "sum" else mean(losses)


def check_reduction(reduction):
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is {reduction!r}, expected mean, sum or none")


def binary_cross_entropy_with_logits(logits, target, *, reduction="mean"):
    """Cross-entropy between targets in [0, 1] and sigmoid(logits), as in torch.nn.functional.

    target: a Tensor or array of the logits' shape, or one number for all. reduction "mean" |
    "sum" -> 0-d, "none" -> the logits' shape. Raises ValueError for another shape, a target
    outside [0, 1] (NaN too; arrays on a GPU are not read for this check) or an unknown reduction.
    """
    check_reduction(reduction)
    x, t = raw(logits), target
    if x.dtype.kind != "f":
        raise TypeError(f"logits are {x.dtype}, expected float32 or float64")
    if isinstance(t, numbers.Real):
        low = high = t = float(t)
    else:
        t = t if isinstance(t, Tensor) else Tensor(devices.xp.array(t, x.dtype))
        if (t.shape, t.dtype) != (x.shape, x.dtype):
            raise ValueError(
                f"target is {t.shape} {t.dtype}, logits are {x.shape} {x.dtype}; expected alike"
            )
        low, high = (t.array.min(), t.array.max()) if t.size and devices.xp is np else (0, 1)
    if not (0 <= low and high <= 1):
        raise ValueError(f"targets must lie in [0, 1], these reach from {low} to {high}")
    n = x.size if reduction == "mean" else 1
    if n == 0:
        raise ValueError(
            f"the mean over an empty batch does not exist: logits have shape {x.shape}"
        )
    values = t.array if isinstance(t, Tensor) else t

    def vjp(g):
        if recording.get():
            return (sigmoid(logits) - t) * (g / n)
        return Tensor(devices.kernels.bce_with_logits_grad(x, values, g.array, reduction))

    edges = [(logits, vjp)] + ([(t, lambda g: -logits * (g / n))] if isinstance(t, Tensor) else [])
    return record(devices.kernels.bce_with_logits(x, values, reduction), *edges)
