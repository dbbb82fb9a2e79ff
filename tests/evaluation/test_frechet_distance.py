"""The Frechet distance against closed forms, and against eigenvalues."""

import numpy as np
import pytest
from points import normal

from minigan.evaluation.metrics import frechet_distance


def exactly(seed, n, mean, covariance):
    """n points whose mean and np.cov are the given ones to rounding."""
    z = normal(seed, n, len(mean))
    centred = z - z.mean(0)
    z, _ = np.linalg.qr(centred)  # centred columns stay centred
    z *= np.sqrt(n - 1)
    values, vectors = np.linalg.eigh(covariance)
    deviations = np.sqrt(values.clip(0))
    root = vectors * deviations
    return z @ root.T + mean


def check(x, y, expected, rel=1e-10):
    found = frechet_distance(x, y)
    assert found == pytest.approx(expected, rel=rel)


def test_the_distance_of_commuting_gaussians_is_that_of_their_axes():
    x = exactly(0, 50, [0, 1, 2], np.diag([1, 4, 9]))
    y = exactly(1, 70, [2, 1, 0], np.diag([4, 4, 1]))
    of_means = 4 + 0 + 4
    of_deviations = 1 + 0 + 4
    check(x, y, of_means + of_deviations, rel=1e-12)


def test_the_distance_of_two_by_two_covariances_in_closed_form():
    a = np.array(
        [
            [2.0, 0.7],
            [0.7, 1.0],
        ]
    )
    b = np.array(
        [
            [0.5, -0.3],
            [-0.3, 3.0],
        ]
    )
    x = exactly(0, 40, [0, 0], a)
    y = exactly(1, 40, [0, 0], b)
    # tr (AB)^1/2 = sqrt(tr AB + 2 sqrt(det AB)) for 2 x 2
    determinant = np.linalg.det(a) * np.linalg.det(b)
    root = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(determinant))
    check(x, y, np.trace(a) + np.trace(b) - 2 * root)


def test_the_distance_agrees_with_the_eigenvalues_of_the_unsymmetric_product():
    x = normal(0, 300, 20)
    x = x @ normal(1, 20, 20)
    y = normal(2, 200, 20)
    y = y @ normal(3, 20, 20) + 0.3
    a = np.cov(x, rowvar=False)
    b = np.cov(y, rowvar=False)
    eigenvalues = np.linalg.eigvals(a @ b)
    eigenvalues = eigenvalues.astype(complex)
    root = np.sqrt(eigenvalues).sum()
    shift = x.mean(0) - y.mean(0)
    of_means = shift @ shift
    of_covariances = np.trace(a) + np.trace(b) - 2 * root.real
    expected = of_means + of_covariances
    far = 1e5
    check(x, y, expected, rel=1e-9)
    check(x + far, y + far, expected, rel=1e-6)


@pytest.mark.parametrize(
    "n, d, rank",
    [
        (500, 8, 8),
        (10, 200, 9),
        (300, 100, 3),
        (2, 5, 1),
        (40, 1, 1),
    ],
)
def test_the_distance_of_a_set_and_itself_is_zero_even_if_singular(n, d, rank):
    x = normal(0, n, rank)
    x = x @ normal(1, rank, d) * 100
    variances = x.var(0, ddof=1)
    tolerance = 1e-10 * variances.sum()
    found = frechet_distance(x, x[::-1])
    assert 0 <= found < tolerance


def test_the_distance_of_gaussians_on_lines_that_cross_is_the_sum_of_their_variances():
    x = exactly(0, 30, [0, 0], np.diag([1, 0]))
    y = exactly(1, 30, [0, 0], np.diag([0, 4]))
    check(x, y, 1 + 4)
