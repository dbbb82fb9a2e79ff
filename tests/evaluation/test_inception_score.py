"""The score in a classifier's probabilities: its definition, its range, and refusals."""

import math

import numpy as np
import pytest

import minigan as mg
from minigan.evaluation.metrics import inception_score


def divergence(p, q):
    """KL(p || q), where 0 log 0 is 0."""
    return sum(a * math.log(a / b) for a, b in zip(p, q) if a > 0)


def test_the_score_is_its_definition():
    p = np.random.default_rng(0).dirichlet(np.full(5, 0.3), 40)
    p[:5] = np.eye(5)  # log 0 is never taken
    marginal = p.mean(0)
    divergences = [divergence(row, marginal) for row in p]
    expected = math.exp(np.mean(divergences))
    assert inception_score(p) == pytest.approx(expected, rel=1e-12)
    assert inception_score(mg.tensor(p)) == inception_score(p)


def sure_answers(classes):
    """100 images, recognised as the first so many of ten classes in turn."""
    return np.eye(10)[np.arange(100) % classes]


def test_the_score_counts_classes_and_wants_sure_and_varied_answers():
    assert inception_score(sure_answers(10)) == pytest.approx(10)
    assert inception_score(sure_answers(4)) == pytest.approx(4)
    unsure = np.full((100, 10), 0.1)
    assert inception_score(unsure) == pytest.approx(1)


def test_the_score_of_answers_that_are_right_with_one_probability():
    # One of n classes has probability 1 - t, the others share t: log n - entropy.
    t = 0.3
    n = 5
    other = t / (n - 1)
    p = np.eye(n) * (1 - t - other) + other
    expected = n * (1 - t) ** (1 - t) * other**t
    assert inception_score(p) == pytest.approx(expected)


@pytest.mark.parametrize(
    "p",
    [
        np.full((4, 2), 0.4),
        np.zeros((0, 3)),
        np.full(4, 0.25),
        [[1.5, -0.5]],
        [[np.nan, 1.0]],
    ],
)
def test_what_are_no_probabilities_has_no_score(p):
    message = "expected .n, classes., at least 0, rows that sum to 1"
    with pytest.raises(ValueError, match=message):
        inception_score(p)
