"""Do two sets of points come from one distribution? Measures by nearest neighbours, by means and covariances.

The one idea: where distances will do, densities need no model. How far a point's neighbours are says how dense
its place is; whose they are says whether two sets lie alike. Distances are computed in blocks of rows, so that
50,000 points need megabytes, not the 20 GB of all pairs. No figure means anything alone: take it of two real
sets as well, and that is its floor.

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
    """Both as float64 (n, d) and (m, d), with the origin moved to a point of y.

    No measure here depends on the origin, but rounding does: see _blocks. (Not the mean: bytes then give exact
    distances.)
    """
    x, y = _points(x, names[0], least), _points(y, names[1], least)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"points of {names[0]} have {x.shape[1]} values, of {names[1]} {y.shape[1]}, expected "
                         "equally many")
    origin = y[0].copy()
    x -= origin
    y -= origin
    return x, y


def _blocks(x, y):
    """Yield (rows, squared distances from x[rows] to all of y), a point's distance to itself infinite if y is x.

    |x - y|^2 = |x|^2 + |y|^2 - 2 x.y is mostly one matrix product, but cancels badly far from the origin.
    """
    x_squared, y_squared = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    step = max(1, BLOCK // len(y))
    for start in range(0, len(x), step):
        rows = np.arange(start, min(start + step, len(x)))
        d = x[start:start + step] @ y.T
        d *= -2
        d += x_squared[rows, None]
        d += y_squared
        np.maximum(d, 0, out=d)  # rounding can leave equal points a trifle below 0
        if y is x:
            d[rows - start, rows] = np.inf
        yield rows, d


def _kth_squared(x, k, name):
    """Squared distance from each point to its k-th nearest other one, (n,)."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k < len(x):
        raise ValueError(f"k is {k!r}, expected a whole number from 1 to {len(x) - 1}, for {name} has {len(x)} "
                         "points")
    # The copy lets go of the block, which a view would hold.
    return np.concatenate([np.partition(d, k - 1, axis=1)[:, k - 1].copy() for _, d in _blocks(x, x)])


def nearest_distances(x, y):
    """Euclidean distance from each point of x to the nearest of y: (n, ...), (m, ...) -> float64 (n,)."""
    x, y = _pair(x, y, ("x", "y"), least=1)
    return np.sqrt(np.concatenate([d.min(1) for _, d in _blocks(x, y)]))


def two_sample_test(x, y):
    """The leave-one-out accuracy of a 1-nearest-neighbour classifier of x against y (Lopez-Paz and Oquab 2017).

    The share of points whose nearest other point is of their own sample, a tie counted half. 0.5: the two cannot
    be told apart; 1: always; below 0.5: points of one lie too near to the other's, as copies do. But see
    two_sample_halves: 0.5 can also be the mean of 1 and 0.
    x, y: (n, ...), both of n points: of unequal samples the larger would win by numbers. Raises ValueError.
    """
    return sum(two_sample_halves(x, y)) / 2


def two_sample_halves(x, y):
    """The accuracy of two_sample_test on the points of x, and on those of y, alone (Xu et al. 2018).

    With many dimensions noise hides from their mean: noisy points lie apart from each other and have their nearest
    neighbours among the clean, so all points are called clean. For equal distributions both halves are near 0.5.
    """
    x, y = _pair(x, y, ("x", "y"))
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} points and y {len(y)}, expected equally many: take a random part of the "
                         "larger")
    n, z = len(x), np.concatenate([x, y])
    right = np.empty(2 * n)
    for rows, d in _blocks(z, z):
        to_x, to_y = d[:, :n].min(1), d[:, n:].min(1)
        own, other = np.where(rows < n, to_x, to_y), np.where(rows < n, to_y, to_x)
        right[rows] = (own < other) + (own == other) / 2
    return float(right[:n].mean()), float(right[n:].mean())


def frechet_distance(x, y):
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2), means m and covariances S as np.cov (Heusel 2017).

    The squared Wasserstein-2 distance of two Gaussians. x, y: (n, ...), (m, ...) with n, m >= 2, which may be fewer
    than the values of a point. Raises ValueError.
    """
    # The trace of (R R^T)^1/2, R = S1^1/2 S2^1/2, is the sum of R's singular values: right to some 1e-16 of the
    # largest. Roots of the eigenvalues of S1^1/2 S2 S1^1/2 would make 1e-8 of that wherever one should be 0.
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
    """Precision, the share of fakes within the real manifold, and recall, the reverse (Kynkaanniemi et al. 2019).

    The manifold is the union of balls around the points, each out to the k-th nearest other point.
    real (n, ...), fake (m, ...), k < n, m -> (precision, recall), both in [0, 1]. Raises ValueError.
    """
    real, fake = _pair(real, fake, ("real", "fake"))
    real_radii, fake_radii = _kth_squared(real, k, "real"), _kth_squared(fake, k, "fake")
    fake_inside, real_inside = np.zeros(len(fake), bool), np.zeros(len(real), bool)
    for rows, d in _blocks(real, fake):
        fake_inside |= (d <= real_radii[rows, None]).any(0)
        real_inside[rows] = (d <= fake_radii).any(1)
    return float(fake_inside.mean()), float(real_inside.mean())


def density_coverage(real, fake, k=5):
    """How crowded the fakes are in the real balls of precision_recall, and the share of balls hit (Naeem 2020).

    density = (real balls around fake j, summed over j) / (k m), 1 on average for a perfect generator; coverage in
    [0, 1], for a perfect one of as many points 1 - 1/2^k on average.
    real (n, ...), fake (m, ...), k < n -> (density, coverage). Raises ValueError.
    """
    real, fake = _pair(real, fake, ("real", "fake"), least=1)
    radii = _kth_squared(real, k, "real")
    inside, hit = 0, np.zeros(len(real), bool)
    for rows, d in _blocks(real, fake):
        inside += np.count_nonzero(d <= radii[rows, None])
        hit[rows] = d.min(1) <= radii[rows]
    return float(inside / (k * len(fake))), float(hit.mean())
