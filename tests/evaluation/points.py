"""Random points and plain loops over them, for the tests of the metrics."""

import numpy as np


def normal(seed, *shape):
    generator = np.random.default_rng(seed)
    return generator.standard_normal(shape)


def distance(a, b):
    squares = [(p - q) ** 2 for p, q in zip(a, b)]
    return sum(squares) ** 0.5


def others(points, i):
    """The points apart from point i."""
    return [point for j, point in enumerate(points) if j != i]


def radii(points, k):
    """The distance from each point to its k-th nearest other point."""
    found = []
    for i, point in enumerate(points):
        distances = [distance(point, other) for other in others(points, i)]
        distances.sort()
        found.append(distances[k - 1])
    return found


def balls_around(y, centres, radii):
    """How many of the balls contain the point y."""
    count = 0
    for centre, radius in zip(centres, radii):
        if distance(y, centre) <= radius:
            count += 1
    return count


def share(counts):
    """The share of the counts that are not zero."""
    return np.count_nonzero(counts) / len(counts)


def by_loops(real, fake, k):
    """precision, recall, density, coverage."""
    real_radii = radii(real, k)
    fake_radii = radii(fake, k)
    of_fake = [balls_around(y, real, real_radii) for y in fake]
    of_real = [balls_around(x, fake, fake_radii) for x in real]
    hits = []  # fakes in each real ball
    for x, radius in zip(real, real_radii):
        inside = [y for y in fake if distance(x, y) <= radius]
        hits.append(len(inside))
    precision = share(of_fake)
    recall = share(of_real)
    density = sum(of_fake) / (k * len(fake))
    coverage = share(hits)
    return precision, recall, density, coverage
