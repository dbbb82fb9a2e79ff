"""Do two sets of points come from one distribution? Measures by nearest neighbours, by means and
covariances.

The one idea: where distances will do, densities need no model. How far a point's neighbours are
says how dense its place is; whose they are says whether two sets lie alike. Distances come in
blocks of rows, so that 50,000 points need megabytes, not the 20 GB of all pairs. No figure means
anything alone: take it of two real sets as well, as its floor.

Points are arrays or Tensors (n, ...), flattened to (n, d): pixels, or a network's features. All
measures raise ValueError for sets that are too small, of different d, or not finite.
"""

import numpy as np

from .. import devices

BLOCK = 1 << 22  # distances at a time: 32 MB of float64
SIGMAS = np.logspace(-1, 0, 10)  # the widths that Goodfellow et al. 2014 chose among


def _points(least=2, **sets):
    """Two named sets as float64 (n, d) and (m, d), the origin moved to a point of the second: see
    _blocks for why.
    """
    arrays = [devices.to_numpy(points) for points in sets.values()]
    for name, points in zip(sets, arrays):
        if points.ndim < 1 or len(points) < least or points.size == 0:
            raise ValueError(
                f"{name} has shape {points.shape}, expected (n, ...), n at least {least}, none of them 0"
            )
        if bad := np.count_nonzero(~np.isfinite(points)):
            raise ValueError(f"{bad} of the {points.size} values of {name} are not finite")
    x, y = (points.reshape(len(points), -1) for points in arrays)
    if x.shape[1] != y.shape[1]:
        first, second = sets
        raise ValueError(
            f"points of {first} have {x.shape[1]} values, of {second} {y.shape[1]}, expected equally many"
        )
    return [np.subtract(points, y[0], dtype=np.float64) for points in (x, y)]


def _blocks(x, y):
    """Yield (rows, squared distances from x[rows] to all of y), a point's distance to itself
    infinite if y is x.

    |x - y|^2 = |x|^2 + |y|^2 - 2 x.y is mostly one matrix product, but cancels badly far from the origin. (A point
    makes a better origin than the mean: distances of bytes stay exact.)
    """
    x_squared, y_squared = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    step = max(1, BLOCK // len(y))
    for start in range(0, len(x), step):
        rows = np.arange(start, min(start + step, len(x)))
        d = x_squared[rows, None] + y_squared
        d -= 2 * x[rows] @ y.T
        np.maximum(d, 0, out=d)  # rounding can leave equal points a trifle below 0
        if y is x:
            d[rows - start, rows] = np.inf
        yield rows, d


def _nearest_squared(x, y):
    return np.concatenate([d.min(1) for _, d in _blocks(x, y)])


def _kth_squared(x, k, name):
    """Squared distance from each point to its k-th nearest other one, (n,)."""
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k < len(x):
        raise ValueError(
            f"k is {k!r}, expected a whole number from 1 to {len(x) - 1}, for {name} has {len(x)} points"
        )
    # The copy lets go of the block, which a view would hold.
    return np.concatenate(
        [np.partition(d, k - 1, axis=1)[:, k - 1].copy() for _, d in _blocks(x, x)]
    )


def nearest_distances(x, y):
    """Euclidean distance from each point of x to the nearest of y: (n, ...), (m, ...) -> float64
    (n,).
    """
    return np.sqrt(_nearest_squared(*_points(x=x, y=y, least=1)))


def two_sample_test(x, y):
    """The leave-one-out accuracy of a 1-nearest-neighbour classifier of x against y (Lopez-Paz
    and Oquab 2017).

    The share of points whose nearest other point is of their own set, a tie counted half. 0.5:
    the two cannot be told apart; 1: always; below 0.5: points of one lie too near to the other's,
    as copies do. x, y: (n, ...), both of n points, for of unequal sets the larger would win by
    numbers.
    """
    return sum(two_sample_halves(x, y)) / 2


def two_sample_halves(x, y):
    """The accuracy of two_sample_test on the points of x, and on those of y, alone (Xu et al.
    2018).

    In many dimensions noisy points lie apart from each other and have their nearest neighbours
    among the clean: all are called clean, and the mean of 1 and 0 hides the noise. For equal
    distributions both halves are near 0.5.
    """
    x, y = _points(x=x, y=y)
    if len(x) != len(y):
        raise ValueError(
            f"x has {len(x)} points and y {len(y)}, expected equally many: take part of the larger"
        )
    pairs = [(_nearest_squared(a, a), _nearest_squared(a, b)) for a, b in ((x, y), (y, x))]
    return tuple(float(np.mean((own < other) + (own == other) / 2)) for own, other in pairs)


def frechet_distance(x, y):
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2), means m and covariances S as np.cov
    (Heusel 2017).

    The squared Wasserstein-2 distance of two Gaussians. x, y: (n, ...), (m, ...), n and m may be
    smaller than d.
    """
    # With S1 = A^T A and S2 = B^T B the last trace is the sum of the singular values of A B^T,
    # and the QR decomposition of centred points gives A without a covariance: the eigenvalues of
    # a product of two would lose half of the digits.
    x, y = _points(x=x, y=y)
    shift = x.mean(0) - y.mean(0)
    a, b = (
        np.linalg.qr(points - points.mean(0), mode="r") / np.sqrt(len(points) - 1)
        for points in (x, y)
    )
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return max(0.0, float(shift @ shift + np.sum(a * a) + np.sum(b * b) - 2 * overlap))


def precision_recall(real, fake, k=3):
    """Precision, the share of fakes within the real manifold, and recall, the reverse
    (Kynkaanniemi et al. 2019).

    The manifold is the union of balls around the points, each out to the k-th nearest other point.
    real (n, ...), fake (m, ...), k < n, m -> (precision, recall), both in [0, 1].
    """
    real, fake = _points(real=real, fake=fake)
    real_radii, fake_radii = _kth_squared(real, k, "real"), _kth_squared(fake, k, "fake")
    fake_inside, real_inside = np.zeros(len(fake), bool), np.zeros(len(real), bool)
    for rows, d in _blocks(real, fake):
        fake_inside |= (d <= real_radii[rows, None]).any(0)
        real_inside[rows] = (d <= fake_radii).any(1)
    return float(fake_inside.mean()), float(real_inside.mean())


def density_coverage(real, fake, k=5):
    """How crowded the fakes are in the real balls of precision_recall, and the share of balls hit
    (Naeem 2020).

    density = (real balls around fake j, summed over j) / (k m), 1 on average for a perfect
    generator; coverage in [0, 1], for a perfect one of as many points 1 - 1/2^k on average. real
    (n, ...), fake (m, ...), k < n -> (density, coverage).
    """
    real, fake = _points(real=real, fake=fake, least=1)
    radii = _kth_squared(real, k, "real")
    counts = np.concatenate(
        [np.count_nonzero(d <= radii[rows, None], axis=1) for rows, d in _blocks(real, fake)]
    )
    return float(counts.sum() / (k * len(fake))), float(np.mean(counts > 0))


def parzen_log_likelihood(samples, test, sigma=None, *, validation=None):
    """How likely the test points are if every sample is the centre of a Gaussian (Goodfellow et
    al. 2014, section 5).

    log p(x) = log mean_i N(x; sample_i, sigma^2 I), in nats. It depends on the unit: published
    figures are of pixels in [0, 1]; in [-1, 1], twice as far apart, they would be lower by d log
    2, for 28 x 28 pixels 543 nats. samples (n, ...), test (m, ...); sigma above 0, or None for
    that of SIGMAS that makes validation (v, ...), real points apart from the test's, likeliest ->
    (mean of log p, its standard error std / sqrt(m), sigma).
    """
    if (sigma is None) == (validation is None) or sigma is not None and not 0 < sigma < np.inf:
        raise ValueError(
            f"sigma is {sigma} and there are {'no ' if validation is None else ''}validation points, "
            "expected either a sigma above 0 or points to choose it by"
        )
    if sigma is None:
        sigma = float(
            SIGMAS[_log_densities(samples, validation, SIGMAS, "validation").mean(0).argmax()]
        )
    found = _log_densities(samples, test, [sigma], "test")
    return float(found.mean()), float(found.std() / np.sqrt(len(found))), sigma


def _log_densities(samples, points, sigmas, name):
    """log p of each point under each sigma, (n, len(sigmas))."""
    samples, points = _points(samples=samples, **{name: points}, least=1)
    blocks = []
    for _, squared in _blocks(points, samples):
        nearest = squared.min(
            1
        )  # taken out of the sum, so that its largest term is 1 and nothing underflows
        squared -= nearest[:, None]
        blocks.append(
            [np.log(np.exp(squared * (-0.5 / s**2)).mean(1)) - nearest / (2 * s**2) for s in sigmas]
        )
    return np.concatenate(blocks, axis=1).T - points.shape[1] * np.log(
        np.sqrt(2 * np.pi) * np.asarray(sigmas)
    )


def inception_score(probabilities):
    """exp(E_x KL(p(y|x) || p(y))): is each image recognised, and are all classes there? (Salimans
    et al. 2016)

    probabilities: a classifier's p(y|x), (n, classes), rows that sum to 1; p(y) is their mean.
    From 1 to the number of classes. Only scores by one classifier, of equally many images,
    compare.
    """
    p = np.asarray(devices.to_numpy(probabilities), np.float64)
    if p.ndim != 2 or p.size == 0 or not (p >= 0).all() or not np.allclose(p.sum(1), 1, atol=1e-3):
        raise ValueError(
            f"probabilities of shape {p.shape}, expected (n, classes), at least 0, rows that sum to 1"
        )
    ratio = np.divide(p, p.mean(0), out=np.ones_like(p), where=p > 0)  # 0 log 0 is 0
    return float(np.exp((p * np.log(ratio)).sum(1).mean()))


def mode_coverage(samples, centres, sigma):
    """How many modes of a mixture of Gaussians were found, and how purely (Lin et al. 2018,
    PacGAN) -> (modes, share).

    A sample is of high quality if it lies within 3 sigma of the nearest centre; a mode is
    captured if such a sample is nearest to it. In two dimensions a perfect generator's share is 1
    - exp(-9/2) = 0.9889: more means that its modes are too narrow. samples (n, d); centres
    (modes, d), no two equal; sigma above 0, the deviation along each axis.
    """
    samples, centres = _points(samples=samples, centres=centres, least=1)
    if not 0 < sigma < np.inf:
        raise ValueError(f"sigma is {sigma}, expected a number above 0")
    if (different := len(np.unique(centres, axis=0))) < len(centres):
        raise ValueError(
            f"of the {len(centres)} centres only {different} are different: one mode would count twice"
        )
    nearest, squared = (
        np.concatenate(parts)
        for parts in zip(*((d.argmin(1), d.min(1)) for _, d in _blocks(samples, centres)))
    )
    good = squared <= (3 * sigma) ** 2
    return len(np.unique(nearest[good])), float(good.mean())
