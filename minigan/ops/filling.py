"""Filling a tensor in place with a number or with random numbers, and arithmetic in place.

``x.add_(y, alpha=2)`` is PyTorch's way to write ``x += 2 * y``. See in_place.py for what a change
in place means to the graph.
"""

import numpy as np

from .. import creation, rng
from ..engine import Tensor
from .in_place import copy_, iadd, idiv, imul, isub


def fill_(x, value):
    """Every entry becomes the value; returns x."""
    if isinstance(value, Tensor):
        value = value.item()
    return copy_(x, np.asarray(value))


def zero_(x):
    """Every entry becomes 0; returns x."""
    return fill_(x, 0)


def normal_(x, mean=0.0, std=1.0):
    """Fill with normal random numbers of this mean and standard deviation; returns x."""
    if not std >= 0:
        raise ValueError(f"normal_: std is {std}, expected at least 0")
    drawn = rng.generator.standard_normal(x.shape, _drawn_dtype(x))
    return copy_(x, drawn * std + mean)


def uniform_(x, low=0.0, high=1.0):
    """Fill with uniform random numbers in [low, high); returns x."""
    if not high >= low:
        raise ValueError(f"uniform_: the bounds are {low} and {high}, expected low <= high")
    drawn = rng.generator.random(x.shape, _drawn_dtype(x))
    return copy_(x, drawn * (high - low) + low)


def random_(x, low, high=None):
    """Fill with random whole numbers from low to high - 1; random_(high) begins at 0."""
    if high is None:
        low, high = 0, low
    if not low < high:
        raise ValueError(f"random_: the bounds are {low} and {high}, expected low < high")
    return copy_(x, rng.generator.integers(low, high, x.shape))


def _drawn_dtype(x):
    is_double = creation.raw(x).dtype == np.float64
    return np.float64 if is_double else np.float32


def add_(x, other, *, alpha=1):
    """x += alpha * other; returns x."""
    if alpha != 1:
        other = other * alpha
    return iadd(x, other)


def sub_(x, other, *, alpha=1):
    """x -= alpha * other; returns x."""
    if alpha != 1:
        other = other * alpha
    return isub(x, other)


def mul_(x, other):
    """x *= other; returns x."""
    return imul(x, other)


def div_(x, other):
    """x /= other; returns x."""
    return idiv(x, other)


def lerp_(x, end, weight):
    """x += weight * (end - x): a step of an exponential moving average; returns x."""
    return iadd(x, (end - x) * weight)
