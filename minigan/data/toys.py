"""Points in the plane whose distribution is known: the ring and the grid on which mode collapse
is measured.

With eight or twenty-five Gaussians that lie far apart, a missing mode cannot hide.
Both are those of PacGAN (Lin et al. 2018): 8 centres on the unit circle, sigma 0.01, and 25 in
{-4, -2, 0, 2, 4}^2, sigma 0.05.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Mixture:
    """Gaussians of equal weight."""

    name: str
    centres: np.ndarray  # (modes, 2)
    sigma: float  # their standard deviation along each axis

    def sample(self, n, generator):
        """n points, float32 (n, 2)."""
        count = len(self.centres)
        modes = generator.integers(count, size=n)
        noise = generator.standard_normal((n, 2))
        points = self.centres[modes] + self.sigma * noise
        return points.astype(np.float32)

    @property
    def extent(self):
        """Half the side of a square around the origin that holds all modes, with some room."""
        return 1.25 * np.abs(self.centres).max()


def _ring(modes=8):
    # Not linspace(0, 2 pi, 8), which would have the first angle twice.
    angles = 2 * np.pi * np.arange(modes) / modes
    x = np.cos(angles)
    y = np.sin(angles)
    return np.stack([x, y], axis=1)


def _grid():
    side = [-4.0, -2.0, 0.0, 2.0, 4.0]
    x, y = np.meshgrid(side, side, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


RING = Mixture("ring", _ring(), 0.01)
GRID = Mixture("grid", _grid(), 0.05)
MIXTURES = {mixture.name: mixture for mixture in (RING, GRID)}


def density_picture(points, extent, size=128):
    """How densely points (n, 2) lie in the square [-extent, extent]^2 -> uint8 (size, size).

    The y axis points upwards. A pixel shows the square root of its count, so that stray points are
    seen beside a mode; white is empty.
    """
    ticks = np.linspace(-extent, extent, size + 1)
    x = points[:, 0]
    y = points[:, 1]
    counts, _, _ = np.histogram2d(y, x, bins=(ticks, ticks))
    counts = counts[::-1]  # row 0 of a picture is at the top
    black = 1
    if counts.any():
        occupied = counts[counts > 0]
        black = max(1, np.percentile(occupied, 99))
    darkness = np.sqrt(counts / black).clip(0, 1)
    brightness = 255 * (1 - darkness)
    return np.rint(brightness).astype(np.uint8)
