"""The Parzen-window log-likelihood is that of a mixture of Gaussians, written out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from points import distance, normal

from minigan.evaluation import metrics
from minigan.evaluation.metrics import parzen_log_likelihood


def log_mixture(x, centres, sigma):
    """log of the mean of the normal densities around the centres."""
    d = len(x)
    variance = sigma**2
    normaliser = d / 2 * math.log(2 * math.pi * variance)
    logs = []  # of the densities
    for centre in centres:
        squared = distance(x, centre) ** 2
        logs.append(-squared / (2 * variance) - normaliser)
    log_of_sum = np.logaddexp.reduce(logs)  # without underflow
    return log_of_sum - math.log(len(centres))


@settings(max_examples=30)
@given(
    n=st.integers(1, 9),
    m=st.integers(1, 9),
    d=st.integers(1, 4),
    block=st.integers(1, 40),
    sigma=st.floats(0.3, 3),
    seed=st.integers(0, 999),
)
def test_it_is_a_mixture_of_normal_densities_whatever_the_block(n, m, d, block, sigma, seed):
    metrics.BLOCK = block
    samples = normal(seed, n, d)
    test = normal(seed + 1, m, d)
    expected = [log_mixture(x, samples, sigma) for x in test]
    mean, error, used = parzen_log_likelihood(samples, test, sigma)
    assert mean == pytest.approx(np.mean(expected))
    assert error == pytest.approx(np.std(expected) / math.sqrt(m))
    assert used == sigma


@settings(max_examples=30)
@given(
    n=st.integers(1, 9),
    v=st.integers(1, 9),
    d=st.integers(1, 4),
    block=st.integers(1, 40),
    seed=st.integers(0, 999),
)
def test_sigma_is_the_one_that_makes_the_validation_points_most_likely(n, v, d, block, seed):
    metrics.BLOCK = block
    samples = normal(seed, n, d)
    validation = 0.3 * normal(seed + 2, v, d)
    test = normal(seed + 1, 3, d)
    _, _, chosen = parzen_log_likelihood(samples, test, validation=validation)
    likelihoods = {}
    for sigma in np.logspace(-1, 0, 10).tolist():
        of_each = [log_mixture(x, samples, sigma) for x in validation]
        likelihoods[sigma] = np.mean(of_each)
    most = max(likelihoods.values())
    assert likelihoods[chosen] == pytest.approx(most, rel=1e-12)


def test_many_normal_samples_have_the_likelihood_of_a_wider_normal():
    # samples N(0, I) and kernels N(0, s^2 I) add up to N(0, (1 + s^2) I)
    samples = normal(0, 20000, 2)
    test = normal(1, 2000, 2)
    mean, error, _ = parzen_log_likelihood(samples, test, 0.5)
    variance = 1 + 0.5**2
    expected = -math.log(2 * math.pi * variance) - 1 / variance
    assert mean == pytest.approx(expected, abs=4 * error)
    assert error < 0.03


def test_points_far_away_neither_underflow_nor_overflow():
    samples = np.zeros((3, 784))
    test = np.ones((2, 784))
    sigma = 0.1
    mean, error, _ = parzen_log_likelihood(samples, test, sigma)
    of_each_pixel = -(1 / (2 * sigma**2)) - math.log(sigma * math.sqrt(2 * math.pi))
    assert mean == pytest.approx(784 * of_each_pixel)
    assert error == 0


def test_it_depends_on_the_unit_by_d_log_2():
    samples = normal(0, 30, 1, 3, 3)
    test = normal(1, 20, 1, 3, 3)
    mean, error, _ = parzen_log_likelihood(samples, test, 0.2)
    other_mean, other_error, _ = parzen_log_likelihood(2 * samples, 2 * test, 0.4)
    assert mean - other_mean == pytest.approx(9 * math.log(2))
    assert error == pytest.approx(other_error)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sigma": 0.2, "validation": np.zeros((2, 2))},
        {"sigma": 0.0},
        {"sigma": np.nan},
        {"sigma": -1.0},
    ],
)
def test_it_needs_a_width_or_points_to_choose_it_by(options):
    points = np.zeros((3, 2))
    message = "expected either a sigma above 0 or points to choose it by"
    with pytest.raises(ValueError, match=message):
        parzen_log_likelihood(points, points, **options)


def test_it_names_the_set_that_does_not_fit():
    points = np.zeros((3, 2))
    message = "points of samples have 2 values, of validation 3"
    with pytest.raises(ValueError, match=message):
        parzen_log_likelihood(points, points, validation=np.zeros((3, 3)))
