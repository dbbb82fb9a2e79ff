"""Dropout: noise that multiplies, and so regularises."""

import numpy as np

from .. import devices, rng
from ..creation import raw
from .in_place import in_place_of


def dropout(x, p=0.5, training=True, inplace=False):
    """Each entry zeroed with probability p, the others divided by 1 - p.

    Outside training it is the identity. inplace: x itself becomes the output.
    """
    return _dropout("dropout", x, raw(x).shape, p, training, inplace)


def dropout2d(x, p=0.5, training=True, inplace=False):
    """Whole channels of x (N, C, ...) zeroed with probability p, the others divided by 1 - p."""
    if raw(x).ndim < 2:
        raise ValueError(f"dropout2d: x has shape {x.shape}, expected (N, C, ...)")
    n, c, *others = x.shape
    channels = (n, c, *[1] * len(others))
    return _dropout("dropout2d", x, channels, p, training, inplace)


def _dropout(name, x, mask_shape, p, training, inplace):
    """x times a mask of this shape, which broadcasts."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name} probability is {p}, expected 0 to 1")
    if not training or p == 0:
        return x
    drawn = rng.generator.random(mask_shape, np.float32)
    is_kept = devices.xp.asarray(drawn >= p)
    scale = 1 / (1 - p) if p < 1 else 0
    dtype = x.array.dtype
    mask = is_kept * dtype.type(scale)
    if inplace:
        return in_place_of(x, lambda old: old * mask, name)
    return x * mask
