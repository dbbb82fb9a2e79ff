"""Differentiable augmentation: the discriminator sees no image as it is (Zhao et al. 2020).

With few training images a discriminator soon knows them by heart. So every image that it sees, real
or fake, is changed at random first, while it learns and while the generator learns from it. The
changes are differentiable, so the generator's gradient passes through them. Because both kinds are
changed in the same way, the generator has no reason to imitate the changes.
"""

import numpy as np

from .. import devices, rng
from ..engine import Tensor
from ..ops import mean, shift
from .module import Module

TRANSLATION = 0.125  # of a side: how far an image is moved at most
CUTOUT = 0.5  # of a side: the length of the square that is cut out


class DiffAugment(Module):
    """Changes each image of a batch at random: (N, C, H, W) -> (N, C, H, W).

    policy: some of "color", "translation" and "cutout", with commas between them, in this order;
    "" changes nothing. color: brightness, saturation and contrast. translation: up to an eighth of
    a side in each direction; what comes in is 0, the middle of [-1, 1]. cutout: a square of half
    the side becomes 0; it may lie over the border. The magnitudes are those of the paper. Raises
    ValueError for another policy. In eval() mode images stay as they are.
    """

    def __init__(self, policy="color,translation,cutout"):
        self.policy = checked_policy(policy)

    def forward(self, x):
        if not self.training or not self.policy:
            return x
        for name in self.policy.split(","):
            x = CHANGES[name](x)
        return x


def checked_policy(policy):
    """The policy of DiffAugment, as a text. Raises ValueError for what is none."""
    names = policy.split(",") if policy else []
    known = [name for name in CHANGES if name in names]
    if known != names:
        raise ValueError(
            f"the augmentation is {policy!r}, expected some of {','.join(CHANGES)} in this order"
        )
    return policy


def _color(x):
    """Brightness, then saturation, then contrast."""
    x = x + _draw(x, -0.5, 0.5)
    grey = mean(x, 1, keepdim=True)  # (N, 1, H, W)
    x = grey + (x - grey) * _draw(x, 0.0, 2.0)
    middle = mean(x, (1, 2, 3), keepdim=True)  # (N, 1, 1, 1)
    return middle + (x - middle) * _draw(x, 0.5, 1.5)


def _draw(x, low, high):
    """A uniform number for each image, (N, 1, 1, 1)."""
    numbers = rng.rand(len(x), 1, 1, 1, dtype=x.dtype)
    return low + (high - low) * numbers


def _translation(x):
    """Move each image by up to an eighth of its sides."""
    height, width = x.shape[2:]
    down = _distances(len(x), height)
    right = _distances(len(x), width)
    return shift(x, down, right)


def _distances(count, size):
    most = int(size * TRANSLATION + 0.5)
    return rng.generator.integers(-most, most + 1, count)


def _cutout(x):
    """Set a square of each image to 0."""
    height, width = x.shape[2:]
    rows = _covered(len(x), height)[:, None, :, None]  # (N, 1, H, 1)
    columns = _covered(len(x), width)[:, None, None, :]  # (N, 1, 1, W)
    kept = ~(rows & columns)
    return x * Tensor(devices.xp.asarray(kept, x.dtype))


def _covered(count, size):
    """Which rows, or columns, of each image the square covers -> booleans (count, size)."""
    length = int(size * CUTOUT + 0.5)
    centre = rng.generator.integers(0, size + 1 - length % 2, count)[:, None]
    first = centre - length // 2
    places = np.arange(size)
    return (first <= places) & (places < first + length)


CHANGES = {"color": _color, "translation": _translation, "cutout": _cutout}
