"""Dropout: noise that multiplies, and so regularises."""

import numpy as np

from .. import devices, rng
from ..creation import raw


def dropout(x, p=0.5, *, training=True):
    """Each entry zeroed with probability p, the others divided by 1 - p.

    Outside training it is the identity.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability is {p}, expected 0 to 1")
    if not training or p == 0:
        return x
    drawn = rng.generator.random(x.shape, np.float32)
    is_kept = devices.xp.asarray(drawn >= p)
    scale = 1 / (1 - p) if p < 1 else 0
    return x * (is_kept * raw(x).dtype.type(scale))
