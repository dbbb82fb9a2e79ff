"""A network that is trained to tell two sets of images apart."""

import math

import numpy as np
import pytest
from digits import REAL, TRAIN

import minigan as mg
from minigan.evaluation import classifier
from minigan.evaluation import two_sample as two_sample_module
from minigan.evaluation.two_sample import trained_two_sample_test


def test_a_network_tells_different_sets_apart_and_not_halves_of_one(monkeypatch):
    monkeypatch.setattr(classifier, "LEAST_STEPS", 150)
    before = mg.rng.state_dict()
    generator = np.random.default_rng(0)
    order = generator.permutation(len(TRAIN))
    first = TRAIN.images[order[:700]]
    second = TRAIN.images[order[700:1400]]
    accuracy, p = trained_two_sample_test(first, second)
    assert abs(accuracy - 0.5) < 0.06
    assert p > 0.01
    moved = np.roll(second, 1, 3)  # nearest neighbours hardly notice it
    accuracy, p = trained_two_sample_test(first, moved)
    assert accuracy > 0.8
    assert p < 1e-9
    assert mg.rng.state_dict() == before


def test_the_p_value_is_the_tail_of_the_binomial_distribution(monkeypatch):
    answers = np.array([0] * 30 + [1] * 70)  # of 2 x 50 labels 0, 1: 30 + 50 right
    monkeypatch.setattr(two_sample_module, "train", lambda network, dataset: None)
    monkeypatch.setattr(classifier.Classifier, "probabilities", lambda self, x: np.eye(2)[answers])
    accuracy, p = trained_two_sample_test(TRAIN.images[:100], TRAIN.images[100:200])
    assert accuracy == 0.8
    ways = sum(math.comb(100, k) for k in range(80, 101))
    tail = ways / 2**100
    assert 0.3 < p / tail < 3


def test_the_sets_are_rounded_to_bytes_so_that_rounding_tells_nothing(monkeypatch):
    seen = []
    monkeypatch.setattr(
        two_sample_module, "train", lambda network, dataset: seen.append(dataset.images)
    )
    trained_two_sample_test(TRAIN.images[:20], REAL[:20] + 0.001)
    (both,) = seen
    first = np.sort(both[:10], 0)
    second = np.sort(both[10:], 0)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "x, y",
    [
        ((5, 1, 8, 8), (4, 1, 8, 8)),
        ((3, 1, 8, 8), (3, 1, 8, 8)),
        ((9, 8, 8), (9, 8, 8)),
    ],
)
def test_sets_of_other_shapes_are_refused_by_the_network(x, y):
    first = np.zeros(x, np.uint8)
    second = np.zeros(y, np.uint8)
    message = "expected one shape .n, C, H, W., n at least 4"
    with pytest.raises(ValueError, match=message):
        trained_two_sample_test(first, second)
