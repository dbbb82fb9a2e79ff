"""Dropout: noise that multiplies, as a regulariser."""

import numpy as np

from .. import devices, rng
from ..creation import raw


def dropout(x, p=0.5, *, training=True):
    """Each value zeroed with probability p, the others divided by 1 - p; the identity when not
    training.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability is {p}, expected 0 to 1")
    if not training or p == 0:
        return x
    keep = devices.xp.asarray(rng.generator.random(x.shape, np.float32) >= p)
    return x * (keep * raw(x).dtype.type(1 / (1 - p) if p < 1 else 0))
