"""Do two sets of points come from one distribution? Measures by nearest neighbours, and by means
and covariances.

Distances can replace densities, so no model of the density is needed. How far away a
point's neighbours are says how dense its surroundings are; to which set they belong says whether
the two sets have the same distribution. Distances are computed in blocks of rows, so that 50,000
points need megabytes, not the 20 GB of all pairs. No figure means anything alone: compare two real
sets as well, because that is what a perfect generator would score.

Points are arrays or Tensors (n, ...), flattened to (n, d): pixels, or a network's features. All
measures raise ValueError for sets that are too small, of different d, or not finite.
"""

import numpy as np

from .. import devices
from ..checks import whole_number

BLOCK = 1 << 22  # distances at a time: 32 MB of float64
SIGMAS = np.logspace(-1, 0, 10)  # the widths that Goodfellow et al. 2014 chose among


def _points(least=2, **sets):
    """Two named sets as float64 (n, d) and (m, d), both shifted so that y[0] is the origin.

    The shift keeps differences exact: see _blocks.
    """
    (x_name, x), (y_name, y) = sets.items()
    x = _flat(x, x_name, least)
    y = _flat(y, y_name, least)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"points of {x_name} have {x.shape[1]} values, of {y_name} {y.shape[1]}, expected "
            "equally many"
        )
    origin = y[0]
    x = np.subtract(x, origin, dtype=np.float64)
    y = np.subtract(y, origin, dtype=np.float64)
    return x, y


def _flat(points, name, least):
    """Points (n, ...) as an array (n, d), checked."""
    points = devices.to_numpy(points)
    if points.ndim < 1 or len(points) < least or points.size == 0:
        raise ValueError(
            f"{name} has shape {points.shape}, expected (n, ...), n at least {least}, none of "
            "them 0"
        )
    bad = np.count_nonzero(~np.isfinite(points))
    if bad:
        raise ValueError(f"{bad} of the {points.size} values of {name} are not finite")
    return points.reshape(len(points), -1)


def _blocks(x, y):
    """Generate (rows, squared distances from x[rows] to all of y), in blocks of rows of x.

    If y is x, the distance of a point to itself is infinite. |x - y|^2 = |x|^2 + |y|^2 - 2 x.y is
    mostly one matrix product, but far from the origin it loses digits to cancellation. A point of
    the sets is a better origin than their mean, because distances between bytes stay exact.
    """
    x_squared = np.einsum("ij,ij->i", x, x)  # (n,)
    y_squared = np.einsum("ij,ij->i", y, y)  # (m,)
    step = max(1, BLOCK // len(y))
    for start in range(0, len(x), step):
        rows = np.arange(start, min(start + step, len(x)))
        squared = x_squared[rows, None] + y_squared  # (rows, m)
        squared -= 2 * x[rows] @ y.T
        np.maximum(squared, 0, out=squared)  # rounding can leave equal points slightly below 0
        if y is x:
            squared[rows - start, rows] = np.inf
        yield rows, squared


def _nearest_squared(x, y):
    """Squared distance from each point of x to the nearest of y, (n,)."""
    nearest = np.empty(len(x))
    for rows, squared in _blocks(x, y):
        nearest[rows] = squared.min(1)
    return nearest


def _kth_squared(x, k, name):
    """Squared distance from each point to its k-th nearest other point, (n,)."""
    whole_number("k", k, 1, len(x) - 1, f"because {name} has {len(x)} points")
    kth = np.empty(len(x))
    for rows, squared in _blocks(x, x):
        kth[rows] = np.partition(squared, k - 1, axis=1)[:, k - 1]
    return kth


def nearest_distances(x, y):
    """Euclidean distance from each point of x (n, ...) to the nearest of y (m, ...), (n,)."""
    x, y = _points(x=x, y=y, least=1)
    return np.sqrt(_nearest_squared(x, y))


def two_sample_test(x, y):
    """The leave-one-out accuracy of a 1-nearest-neighbour classifier of x against y.

    The share of points whose nearest other point is of their own set; a tie counts half (Lopez-Paz
    and Oquab 2017). 0.5: the two sets cannot be told apart; 1: always; below 0.5: points of one set
    are too near to points of the other, as copies are. x, y: (n, ...), both of n points, because
    the larger of two unequal sets would win by numbers.
    """
    return sum(two_sample_halves(x, y)) / 2


def two_sample_halves(x, y):
    """The accuracy of two_sample_test on the points of x alone, and on those of y alone.

    In many dimensions noisy points are far from each other and have their nearest neighbours among
    the clean points. All points are then called clean, and the mean of 1 and 0 hides the noise (Xu
    et al. 2018). For equal distributions both halves are near 0.5.
    """
    x, y = _points(x=x, y=y)
    if len(x) != len(y):
        raise ValueError(
            f"x has {len(x)} points and y {len(y)}, expected equally many: take part of the larger"
        )
    return _own_neighbours(x, y), _own_neighbours(y, x)


def _own_neighbours(x, y):
    """The share of points of x whose nearest other point is in x, not in y."""
    own = _nearest_squared(x, x)
    other = _nearest_squared(x, y)
    return float(np.mean((own < other) + (own == other) / 2))


def frechet_distance(x, y):
    """|m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1^1/2 S2 S1^1/2)^1/2) (Heusel et al. 2017).

    m: the means; S: the covariances, as np.cov has them. It is the squared Wasserstein-2 distance
    between two Gaussians. x, y: (n, ...), (m, ...); n and m may be smaller than d.
    """
    x, y = _points(x=x, y=y)
    m1_minus_m2 = x.mean(0) - y.mean(0)
    a = _covariance_factor(x)  # S1 = a^T a
    b = _covariance_factor(y)  # S2 = b^T b
    trace_1 = np.sum(a * a)
    trace_2 = np.sum(b * b)
    # tr((S1^1/2 S2 S1^1/2)^1/2) is the sum of the singular values of a b^T. The eigenvalues of
    # the product S1 S2 would lose half of the digits.
    trace_of_root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    distance = m1_minus_m2 @ m1_minus_m2 + trace_1 + trace_2 - 2 * trace_of_root
    return max(0.0, float(distance))  # rounding can leave equal sets slightly below 0


def _covariance_factor(x):
    """A matrix a with a^T a = the covariance of x: the QR decomposition of the centred points."""
    return np.linalg.qr(x - x.mean(0), mode="r") / np.sqrt(len(x) - 1)


def precision_recall(real, fake, k=3):
    """Precision, the share of fakes on the real manifold, and recall, the reverse.

    The manifold is the union of balls around the points, each out to the k-th nearest other point
    (Kynkaanniemi et al. 2019). real (n, ...), fake (m, ...), k < n, m -> (precision, recall), both
    in [0, 1].
    """
    real, fake = _points(real=real, fake=fake)
    real_radii = _kth_squared(real, k, "real")
    fake_radii = _kth_squared(fake, k, "fake")
    fake_inside = np.zeros(len(fake), bool)
    real_inside = np.zeros(len(real), bool)
    for rows, squared in _blocks(real, fake):
        fake_inside |= (squared <= real_radii[rows, None]).any(0)
        real_inside[rows] = (squared <= fake_radii).any(1)
    precision = float(fake_inside.mean())
    recall = float(real_inside.mean())
    return precision, recall


def density_coverage(real, fake, k=5):
    """How many fakes are in the real balls of precision_recall, and the share of balls hit.

    density = (the number of real balls around fake j, summed over j) / (k m), 1 on average for a
    perfect generator. coverage is in [0, 1]; for a perfect generator of as many points it is
    1 - 1/2^k on average (Naeem et al. 2020). real (n, ...), fake (m, ...), k < n ->
    (density, coverage).
    """
    real, fake = _points(real=real, fake=fake, least=1)
    radii = _kth_squared(real, k, "real")
    counts = np.empty(len(real), int)  # fakes in each ball
    for rows, squared in _blocks(real, fake):
        counts[rows] = np.count_nonzero(squared <= radii[rows, None], axis=1)
    density = float(counts.sum() / (k * len(fake)))
    coverage = float(np.mean(counts > 0))
    return density, coverage


def parzen_log_likelihood(samples, test, sigma=None, *, validation=None):
    """How likely the test points are if every sample is the centre of a Gaussian.

    log p(x) = log mean_i N(x; sample_i, sigma^2 I), in nats (Goodfellow et al. 2014, section 5). It
    depends on the unit: published figures are of pixels in [0, 1]. In [-1, 1], where points are
    twice as far apart, they would be lower by d log 2, for 28 x 28 pixels by 543 nats.
    samples (n, ...), test (m, ...). sigma: above 0, or None for the one of SIGMAS that makes the
    validation points (v, ...), real points apart from the test's, most likely.
    Returns (mean of log p, its standard error std / sqrt(m), sigma).
    """
    if sigma is None:
        fits = validation is not None
    else:
        fits = validation is None and 0 < sigma < np.inf
    if not fits:
        no = "no " if validation is None else ""
        raise ValueError(
            f"sigma is {sigma} and there are {no}validation points, expected either a sigma above "
            "0 or points to choose it by"
        )
    if sigma is None:
        means = _log_densities(samples, validation, SIGMAS, "validation").mean(1)
        sigma = float(SIGMAS[means.argmax()])
    log_p = _log_densities(samples, test, [sigma], "test")
    mean = float(log_p.mean())
    error = float(log_p.std() / np.sqrt(log_p.size))
    return mean, error, sigma


def _log_densities(samples, points, sigmas, name):
    """log p of each point under each sigma, (len(sigmas), n): see parzen_log_likelihood.

    log mean_i N(x; sample_i, sigma^2 I)
        = log mean_i exp(-|x - sample_i|^2 / (2 sigma^2)) - d log(sqrt(2 pi) sigma)
    """
    samples, points = _points(samples=samples, **{name: points}, least=1)
    log_p = np.empty((len(sigmas), len(points)))
    for rows, squared in _blocks(points, samples):
        # The largest term is taken out of the sum, so that it is 1 and nothing underflows.
        nearest = squared.min(1)
        squared -= nearest[:, None]
        for j, sigma in enumerate(sigmas):
            mean = np.exp(squared * (-0.5 / sigma**2)).mean(1)
            log_p[j, rows] = np.log(mean) - nearest / (2 * sigma**2)
    d = points.shape[1]
    normaliser = d * np.log(np.sqrt(2 * np.pi) * np.asarray(sigmas))
    return log_p - normaliser[:, None]


def inception_score(probabilities):
    """exp(E_x KL(p(y|x) || p(y))) (Salimans et al. 2016), from 1 to the number of classes.

    It asks two questions: is each image recognised, and do all classes occur? probabilities: a
    classifier's p(y|x), (n, classes), rows that sum to 1; p(y) is their mean. Only scores by one
    classifier, of equally many images, can be compared.
    """
    p = np.asarray(devices.to_numpy(probabilities), np.float64)
    fits = p.ndim == 2 and p.size > 0 and (p >= 0).all()
    if not fits or not np.allclose(p.sum(1), 1, atol=1e-3):
        raise ValueError(
            f"probabilities of shape {p.shape}, expected (n, classes), at least 0, rows that sum "
            "to 1"
        )
    ratio = np.divide(p, p.mean(0), out=np.ones_like(p), where=p > 0)  # 0 log 0 is 0
    divergence = (p * np.log(ratio)).sum(1)  # KL(p(y|x) || p(y)) of each image
    return float(np.exp(divergence.mean()))


def mode_coverage(samples, centres, sigma):
    """How many modes of a mixture of Gaussians were found, and how purely -> (modes, share).

    A sample is of high quality if it lies within 3 sigma of the nearest centre. A mode is captured
    if such a sample is nearest to it (Lin et al. 2018, PacGAN). In two dimensions a perfect
    generator's share is 1 - exp(-9/2) = 0.9889; more means that its modes are too narrow. samples
    (n, d); centres (modes, d), no two equal; sigma: above 0, the deviation along each axis.
    """
    samples, centres = _points(samples=samples, centres=centres, least=1)
    if not 0 < sigma < np.inf:
        raise ValueError(f"sigma is {sigma}, expected a number above 0")
    different = len(np.unique(centres, axis=0))
    if different < len(centres):
        raise ValueError(
            f"of the {len(centres)} centres only {different} are different: one mode would count "
            "twice"
        )
    nearest = np.empty(len(samples), int)  # the index of the nearest centre
    squared = np.empty(len(samples))  # the squared distance to it
    for rows, to_centres in _blocks(samples, centres):
        nearest[rows] = to_centres.argmin(1)
        squared[rows] = to_centres.min(1)
    good = squared <= (3 * sigma) ** 2
    modes = len(np.unique(nearest[good]))
    share = float(good.mean())
    return modes, share
