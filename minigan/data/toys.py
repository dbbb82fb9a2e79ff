"""Points in the plane whose distribution is known: the ring and the grid on which mode collapse
is measured.

The one idea: with eight or twenty-five Gaussians that lie far apart, a missing mode cannot hide.
Both are those of PacGAN (Lin et al. 2018): 8 centres on the unit circle, sigma 0.01, and 25 in
{-4, -2, 0, 2, 4}^2, sigma 0.05.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Mixture:
    """Gaussians of equal weight: centres (modes, 2), and sigma, their standard deviation along
    each axis.
    """

    name: str
    centres: np.ndarray
    sigma: float

    def sample(self, n, generator):
        """n points, float32 (n, 2)."""
        centres = self.centres[generator.integers(len(self.centres), size=n)]
        return (centres + self.sigma * generator.standard_normal((n, 2))).astype(np.float32)

    @property
    def extent(self):
        """Half the side of a square around the origin that holds all modes, with some room."""
        return 1.25 * np.abs(self.centres).max()


def _ring(modes=8):
    angles = (
        2 * np.pi * np.arange(modes) / modes
    )  # linspace(0, 2 pi, 8) would have its first angle twice
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _grid(side=(-4, -2, 0, 2, 4)):
    return np.array([(x, y) for x in side for y in side], float)


RING, GRID = Mixture("ring", _ring(), 0.01), Mixture("grid", _grid(), 0.05)
MIXTURES = {mixture.name: mixture for mixture in (RING, GRID)}


def density_picture(points, extent, size=128):
    """How densely points (n, 2) lie in the square [-extent, extent]^2 -> uint8 (size, size), y
    upwards.

    The square root of the counts, so that stray points are seen beside a mode; white is empty.
    """
    ticks = np.linspace(-extent, extent, size + 1)
    counts = np.histogram2d(points[:, 1], points[:, 0], bins=(ticks, ticks))[0][::-1]
    darkness = np.sqrt(
        counts / max(1, np.percentile(counts[counts > 0], 99) if counts.any() else 1)
    ).clip(0, 1)
    return np.rint(255 * (1 - darkness)).astype(np.uint8)
