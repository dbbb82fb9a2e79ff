"""Losses, first of all binary cross-entropy on logits, the loss of the GAN game.

With p = sigmoid(x), the formula -t log p - (1 - t) log(1 - p) overflows where p rounds to 0 or 1.
Written in the logit x it is

    max(x, 0) - x t + log(1 + exp(-|x|))

which is exact everywhere, and its derivative is just sigmoid(x) - t.
"""

import numbers

import numpy as np

from .. import devices
from ..creation import raw
from ..engine import Tensor, record
from ..grad_modes import recording
from .activation import log_softmax
from .elementwise import abs, clamp, sigmoid, where
from .indexing import getitem
from .shapes import mean, sum


def cross_entropy(logits, labels, *, reduction="mean"):
    """-log softmax(logits)[label]: logits (N, classes), labels (N,) integers.

    Raises ValueError for other shapes, IndexError for a label out of range.
    """
    shape = raw(logits).shape
    if len(shape) != 2 or np.shape(labels) != shape[:1] or 0 in shape:
        raise ValueError(
            f"cross_entropy: logits {shape} and labels {np.shape(labels)}, expected (N, classes) "
            "and (N,), N at least 1"
        )
    return nll_loss(log_softmax(logits, 1), labels, reduction=reduction)


def indices(name, index, count):
    """An index as an array of integers, checked to lie between 0 and count - 1.

    On a GPU the range is not checked, because reading the numbers would wait for the device.
    """
    if isinstance(index, Tensor):
        index = index.array
    if not isinstance(index, devices.xp.ndarray):
        index = np.asarray(index)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name} got {index.dtype}, expected integers")
    if isinstance(index, np.ndarray) and index.size:
        low = index.min()
        high = index.max()
        if low < 0 or high >= count:
            raise IndexError(f"{name} got integers from {low} to {high}, expected 0 to {count - 1}")
    return devices.xp.asarray(index)


def nll_loss(log_probabilities, labels, *, reduction="mean"):
    """-log_probabilities[label]: log_probabilities (N, classes), labels (N,) integers."""
    shape = raw(log_probabilities).shape
    if len(shape) != 2 or np.shape(labels) != shape[:1] or 0 in shape:
        raise ValueError(
            f"nll_loss: log-probabilities {shape} and labels {np.shape(labels)}, expected (N, "
            "classes) and (N,), N at least 1"
        )
    n, classes = shape
    labels = indices("nll_loss", labels, classes)
    rows = devices.xp.arange(n)
    return _reduce(-getitem(log_probabilities, (rows, labels)), reduction)


def mse_loss(x, target, *, reduction="mean"):
    """(x - target)^2, reduced; target: a Tensor of x's shape, or one number for all."""
    d = _difference("mse_loss", x, target)
    return _reduce(d * d, reduction)


def l1_loss(x, target, *, reduction="mean"):
    """|x - target|, reduced; target: a Tensor of x's shape, or one number for all."""
    d = _difference("l1_loss", x, target)
    return _reduce(abs(d), reduction)


def smooth_l1_loss(x, target, *, reduction="mean", beta=1.0):
    """|d| - beta / 2 for differences d above beta in size, d^2 / (2 beta) below it, reduced."""
    if not beta > 0:
        raise ValueError(f"smooth_l1_loss: beta is {beta}, expected more than 0")
    d = _difference("smooth_l1_loss", x, target)
    is_small = devices.xp.abs(d.array) < beta
    losses = where(is_small, d * d / (2 * beta), abs(d) - beta / 2)
    return _reduce(losses, reduction)


def binary_cross_entropy(probabilities, target, *, reduction="mean"):
    """-t log p - (1 - t) log(1 - p), reduced, as torch.nn.functional.binary_cross_entropy.

    probabilities: in [0, 1]; target: in [0, 1], a Tensor of their shape, or one number for all. As
    in PyTorch, no logarithm is below -100, and the gradient (p - t) / (p (1 - p)) has at least
    1e-12 below the line. binary_cross_entropy_with_logits needs neither. Raises ValueError for
    what is not in [0, 1] (arrays on a GPU are not read for this check), and TypeError for a target
    that requires grad.
    """
    xp = devices.xp
    p = raw(probabilities)
    if xp is np and p.size and not (0 <= p.min() and p.max() <= 1):
        raise ValueError(
            f"probabilities must lie in [0, 1], these reach from {p.min()} to {p.max()}"
        )
    target = _checked_target(p, target)
    if getattr(target, "requires_grad", False):
        raise TypeError("binary_cross_entropy: the target requires grad, expected a constant")
    t = target.array if isinstance(target, Tensor) else p.dtype.type(target)
    with np.errstate(divide="ignore"):  # log 0 is -infinity, and becomes -100
        log_p = xp.maximum(xp.log(p), -100)
        log_q = xp.maximum(xp.log1p(-p), -100)
    losses = -(t * log_p + (1 - t) * log_q)

    def to_probabilities(g):
        x = probabilities
        return g * (x - target) / clamp(x * (1 - x), 1e-12)

    losses = record(losses, (probabilities, to_probabilities), op="binary_cross_entropy")
    return _reduce(losses, reduction)


def _difference(name, x, target):
    """x - target. Broadcasting is refused, because in a loss it is mostly a mistake."""
    if not isinstance(target, numbers.Number) and np.shape(target) != raw(x).shape:
        raise ValueError(f"{name}: target has shape {np.shape(target)}, expected {x.shape}")
    return x - target


def _reduce(losses, reduction):
    check_reduction(reduction)
    if reduction == "none":
        return losses
    return sum(losses) if reduction == "sum" else mean(losses)


def check_reduction(reduction):
    """Raise ValueError unless it is "mean", "sum" or "none"."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is {reduction!r}, expected mean, sum or none")


def binary_cross_entropy_with_logits(logits, target, *, reduction="mean"):
    """Cross-entropy between targets in [0, 1] and sigmoid(logits), as in torch.nn.functional.

    target: a Tensor or array of the logits' shape, or one number for all. reduction: "mean" or
    "sum" gives one number, "none" the logits' shape. Raises ValueError for another shape, a target
    outside [0, 1] (NaN too; arrays on a GPU are not read for this check) or an unknown reduction.
    """
    check_reduction(reduction)
    x = raw(logits)
    if x.dtype.kind != "f":
        raise TypeError(f"logits are {x.dtype}, expected float32 or float64")
    target = _checked_target(x, target)
    is_tensor = isinstance(target, Tensor)
    values = target.array if is_tensor else target
    n = x.size if reduction == "mean" else 1
    if n == 0:
        raise ValueError(
            f"the mean over an empty batch does not exist: logits have shape {x.shape}"
        )

    def to_logits(g):
        if recording.get():
            return (sigmoid(logits) - target) * (g / n)
        return Tensor(devices.kernels.bce_with_logits_grad(x, values, g.array, reduction))

    edges = [(logits, to_logits)]
    if is_tensor:
        edges.append((target, lambda g: -logits * (g / n)))
    value = devices.kernels.bce_with_logits(x, values, reduction)
    name = "binary_cross_entropy_with_logits"
    return record(value, *edges, op=name, reduction=reduction)


def _checked_target(x, target):
    """The target as a float, or as a Tensor like the array x of logits, within [0, 1]."""
    if isinstance(target, numbers.Real):
        target = float(target)
        _check_range(target, target)
        return target
    if not isinstance(target, Tensor):
        target = Tensor(devices.xp.array(target, x.dtype))
    if (target.shape, target.dtype) != (x.shape, x.dtype):
        raise ValueError(
            f"target is {target.shape} {target.dtype}, logits are {x.shape} {x.dtype}, expected "
            "the same shape and dtype"
        )
    if target.numel() and devices.xp is np:  # on a GPU, reading them would wait for the device
        _check_range(target.array.min(), target.array.max())
    return target


def _check_range(low, high):
    """Raise ValueError unless the lowest and the highest target lie in [0, 1]; NaN does not."""
    if not (0 <= low and high <= 1):
        raise ValueError(f"targets must lie in [0, 1], these reach from {low} to {high}")
