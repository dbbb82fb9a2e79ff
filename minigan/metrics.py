"""Do two sets of points come from one distribution? Measures by nearest neighbours, and by means and covariances.

The one idea: density needs no model where distances will do, for a point's nearest neighbours say how dense its place is,
and whose they are says whether two sets lie alike. Distances are computed in blocks of rows, so that 50,000 points need
megabytes, not the 20 GB of all pairs. No figure means anything alone: take it of two real sets too; that is its floor.

Points are arrays or Tensors (n, ...), flattened to (n, d): pixels, or a network's features.
"""

import numpy as np

from . import devices
from .engine import Tensor

BLOCK = 1 << 22  # distances at a time: 32 MB of float64


def _points(x, name, least=2):
    """x as float64 (n, d). Raises ValueError for too few points, and for values that are not finite."""
    x = devices.to_numpy(x.data if isinstance(x, Tensor) else x)
    if x.ndim < 1 or len(x) < least or x.size == 0:
        raise ValueError(f"{name} has shape {x.shape}, expected (n, ...) with n at least {least}, none of them 0")
    x = x.reshape(len(x), -1).astype(np.float64)
    if not np.isfinite(x).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(x))} of the {x.size} values of {name} are not finite")
    return x


def _pair(x, y, names, least=2):
    x, y = _points(x, names[0], least), _points(y, names[1], least)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"{names[0]} has points of {x.shape[1]} values, {names[1]} of {y.shape[1]}; expected alike")
    return x, y


def _blocks(x, y):
    """Yield (rows, squared distances from x[rows] to all of y), with the diagonal infinite if y is x.

    |a - b|^2 = |a|^2 + |b|^2 - 2 a.b is one matrix product, but cancels badly far from the origin, so the origin is
    moved to one of the points (and not to the mean: bytes then give exact distances).
    """
    a, b = x - y[0], y - y[0]
    a_squared, b_squared = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    step = max(1, BLOCK // len(y))
    for start in range(0, len(x), step):
        rows = np.arange(start, min(start + step, len(x)))
        d = a[rows] @ b.T
        d *= -2
        d += a_squared[rows, None]
        d += b_squared
        np.maximum(d, 0, out=d)  # rounding can leave equal points a trifle below 0
        if y is x:
            d[rows - start, rows] = np.inf
        yield rows, d


def _kth_squared(x, k, name):
    """Squared distance from each point to its k-th nearest other one, (n,)."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k < len(x):
        raise ValueError(f"k is {k!r}, expected a whole number from 1 to {len(x) - 1}, one less than the points of {name}")
    return np.concatenate([np.partition(d, k - 1, axis=1)[:, k - 1] for _, d in _blocks(x, x)])


def nearest_distances(x, y):
    """Euclidean distance from each point of x to the nearest of y: (n, ...), (m, ...) -> float64 (n,)."""
    x, y = _pair(x, y, ("x", "y"), least=1)
    return np.sqrt(np.concatenate([d.min(1) for _, d in _blocks(x, y)]))


def two_sample_test(x, y):
    """Can neighbours tell two samples apart? Leave-one-out accuracy of a 1-nearest-neighbour classifier (Lopez-Paz and
    Oquab 2017): the share of points whose nearest other point is of the same sample. 0.5: no; 1: always; below 0.5: the
    points of one lie too close to the other's, as copies do. A tie counts half.

    x, y: (n, ...), both of n points, for of unequal sets the larger would win by its number. Raises ValueError.
    """
    x, y = _pair(x, y, ("x", "y"))
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} points and y {len(y)}, expected equally many: take a random part of the larger")
    n, z, score = len(x), np.concatenate([x, y]), 0.0
    for rows, d in _blocks(z, z):
        to_x, to_y = d[:, :n].min(1), d[:, n:].min(1)
        own, other = np.where(rows < n, to_x, to_y), np.where(rows < n, to_y, to_x)
        score += np.count_nonzero(own < other) + np.count_nonzero(own == other) / 2
    return score / (2 * n)


def frechet_distance(x, y):
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2) of means m and covariances S as np.cov (Heusel et al. 2017).

    x, y: (n, ...), (m, ...) with n, m >= 2; fewer points than values is fine. Raises ValueError.
    The square W2 distance of two Gaussians. The last trace is the sum of the singular values of S1^1/2 S2^1/2; taken
    from them, not from the square roots of eigenvalues of the product, rounding stays at 1e-16 instead of 1e-8.
    """
    x, y = _pair(x, y, ("x", "y"))
    (root_x, trace_x), (root_y, trace_y) = map(_covariance_root, (x, y))
    shift = x.mean(0) - y.mean(0)
    overlap = np.linalg.svd(root_x @ root_y, compute_uv=False).sum()
    return max(0.0, float(shift @ shift + trace_x + trace_y - 2 * overlap))


def _covariance_root(x):
    """The symmetric square root of the covariance by its eigenvectors (no sqrtm, no complex numbers), and its trace."""
    covariance = np.atleast_2d(np.cov(x, rowvar=False))
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T, np.trace(covariance)


def precision_recall(real, fake, k=3):
    """Kynkaanniemi et al. 2019: precision, the share of fakes inside the real manifold, and recall, the reverse.

    A sample's manifold is the union of balls around its points, each as wide as the distance to the k-th nearest other
    one. real (n, ...), fake (m, ...), k < n, m -> (precision, recall), both in [0, 1]. Raises ValueError.
    """
    real, fake = _pair(real, fake, ("real", "fake"))
    real_radii, fake_radii = _kth_squared(real, k, "real"), _kth_squared(fake, k, "fake")
    fake_inside, real_inside = np.zeros(len(fake), bool), np.zeros(len(real), bool)
    for rows, d in _blocks(real, fake):
        fake_inside |= (d <= real_radii[rows, None]).any(0)
        real_inside[rows] = (d <= fake_radii).any(1)
    return float(fake_inside.mean()), float(real_inside.mean())


def density_coverage(real, fake, k=5):
    """Naeem et al. 2020: how crowded fakes are in the real balls (see precision_recall), and the share of balls hit.

    density = (balls that hold fake j, summed over j) / (k m), about 1 for a perfect generator, and may exceed it;
    coverage in [0, 1], expected 1 - 1/2^k. real (n, ...), fake (m, ...), k < n -> (density, coverage). ValueError.
    """
    real, fake = _pair(real, fake, ("real", "fake"), least=1)
    radii = _kth_squared(real, k, "real")
    inside, hit = 0, np.zeros(len(real), bool)
    for rows, d in _blocks(real, fake):
        inside += np.count_nonzero(d <= radii[rows, None])
        hit[rows] = d.min(1) <= radii[rows]
    return inside / (k * len(fake)), float(hit.mean())
