"""The measures by nearest neighbours equal their definitions: the plain loops of points.py."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from points import by_loops, distance, normal

import minigan as mg
from minigan.evaluation import metrics
from minigan.evaluation.metrics import (
    density_coverage,
    frechet_distance,
    nearest_distances,
    parzen_log_likelihood,
    precision_recall,
    two_sample_halves,
    two_sample_test,
)


@settings(max_examples=30)
@given(
    n=st.integers(2, 12),
    m=st.integers(2, 12),
    d=st.integers(1, 4),
    block=st.integers(1, 60),
    seed=st.integers(0, 999),
    data=st.data(),
)
def test_measures_are_their_definitions_whatever_the_block(n, m, d, block, seed, data):
    metrics.BLOCK = block
    real = normal(seed, n, d)
    fake = normal(seed + 1, m, d) + 0.5
    most = min(n, m) - 1
    k = data.draw(st.integers(1, most))
    found = precision_recall(real, fake, k) + density_coverage(real, fake, k)
    np.testing.assert_allclose(found, by_loops(real, fake, k), rtol=1e-12)
    nearest = [min(distance(y, x) for x in real) for y in fake]
    np.testing.assert_allclose(nearest_distances(fake, real), nearest, rtol=1e-7)


@settings(max_examples=30)
@given(
    n=st.integers(2, 12),
    d=st.integers(1, 4),
    block=st.integers(1, 60),
    seed=st.integers(0, 999),
)
def test_the_two_sample_test_is_its_definition_whatever_the_block(n, d, block, seed):
    metrics.BLOCK = block
    x = normal(seed, n, d)
    y = x[::-1] * 0.7 + 0.3
    both = np.concatenate([x, y])
    right = []
    for i, point in enumerate(both):
        distances = [distance(point, other) for other in both]
        distances[i] = np.inf
        nearest = np.argmin(distances)
        right.append((i < n) == (nearest < n))
    on_x = np.mean(right[:n])
    on_y = np.mean(right[n:])
    assert two_sample_halves(x, y) == (on_x, on_y)
    assert two_sample_test(x, y) == pytest.approx(np.mean(right))


# ---- the two-sample test


def test_samples_of_one_distribution_cannot_be_told_apart_and_distant_ones_always():
    scores = []
    for seed in range(10):
        x = normal(seed, 200, 5)
        y = normal(seed + 100, 200, 5)
        scores.append(two_sample_test(x, y))
    assert abs(np.mean(scores) - 0.5) < 0.03
    x = normal(0, 50, 5)
    far = normal(1, 50, 5) + 100
    assert two_sample_test(x, far) == 1


def test_copies_of_the_other_sample_score_below_half_and_ties_count_half():
    x = normal(0, 60, 3)
    zeros = np.zeros((5, 2))
    assert two_sample_test(x, x + 1e-9) == 0
    assert two_sample_test(zeros, zeros.copy()) == 0.5


def test_the_two_sample_test_is_symmetric_and_blind_to_order_and_origin():
    x = normal(0, 80, 4)
    y = normal(1, 80, 4) * 1.5
    score = two_sample_test(x, y)
    assert 0.5 < score < 1
    assert two_sample_test(y, x) == score
    assert two_sample_test(x[::-1], np.roll(y, 3, 0)) == score
    # |a|^2 + |b|^2 - 2ab around 0 would have lost these distances.
    assert two_sample_test(x + 1e7, y + 1e7) == score


def test_noise_in_many_dimensions_hides_from_the_accuracy_but_not_from_its_halves():
    to_60 = normal(9, 5, 60)
    x = normal(0, 300, 5) @ to_60
    y = normal(1, 300, 5) @ to_60
    noisy = y + 3 * normal(2, 300, 60)
    assert abs(two_sample_test(x, noisy) - 0.5) < 0.03
    on_clean, on_noisy = two_sample_halves(x, noisy)
    assert on_clean > 0.97
    assert on_noisy < 0.03


# ---- precision and recall, density and coverage


def test_a_set_and_itself_have_full_precision_recall_and_coverage():
    x = normal(0, 100, 3)
    assert precision_recall(x, x.copy()) == (1, 1)
    density, coverage = density_coverage(x, x.copy(), k=5)
    assert coverage == 1
    in_each_ball = 6  # its centre and k others
    assert density == pytest.approx(in_each_ball / 5, rel=0.01)


def test_perfect_generators_have_density_one_and_coverage_one_minus_two_to_the_minus_k():
    found = []
    for seed in range(8):
        real = normal(seed, 400, 2)
        fake = normal(seed + 50, 400, 2)
        found.append(density_coverage(real, fake, k=3))
    density, coverage = np.mean(found, axis=0)
    assert density == pytest.approx(1, abs=0.04)
    assert coverage == pytest.approx(1 - 1 / 2**3, abs=0.04)


def test_a_dropped_mode_costs_recall_and_an_invented_one_precision():
    near = normal(0, 150, 2)
    far = normal(1, 150, 2) + 50
    both = np.concatenate([near, far])
    one = normal(2, 300, 2)
    precision, recall = precision_recall(both, one)
    assert precision > 0.9
    assert 0.4 < recall < 0.55
    precision, recall = precision_recall(one, both)
    assert 0.4 < precision < 0.55
    assert recall > 0.9
    _, coverage = density_coverage(both, one)
    assert coverage < 0.55
    assert precision_recall(near, far) == (0, 0)
    assert density_coverage(near, far) == (0, 0)


# ---- sizes and bad input


def parzen(x, y):
    return parzen_log_likelihood(x, y, validation=y[::3])


@pytest.mark.parametrize(
    "measure",
    [
        precision_recall,
        density_coverage,
        two_sample_test,
        nearest_distances,
        parzen,
    ],
)
def test_memory_is_bounded_by_blocks(measure):
    metrics.BLOCK = 1 << 17  # 1 MB
    x = normal(0, 3000, 2)
    y = normal(1, 3000, 2)  # all pairs: 72 MB
    tracemalloc.start()
    measure(x, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8e6


def test_tensors_images_and_integers_are_points_too():
    x = normal(0, 20, 1, 3, 3).astype(np.float32)
    y = normal(1, 20, 1, 3, 3).astype(np.float32)
    expected = two_sample_test(x.reshape(20, 9), y.reshape(20, 9))
    assert two_sample_test(mg.tensor(x), y) == expected
    a = np.array([[0], [255]], np.uint8)
    b = np.array([[250], [3]], np.uint8)
    assert nearest_distances(a, b).tolist() == [3, 5]  # bytes do not wrap around


ZEROS = np.zeros((4, 2))
NAN = np.full((4, 2), np.nan)
UNFIT = {  # what -> (x, y, words of the refusal)
    "not finite": (
        ZEROS,
        NAN,
        "8 of the 8 values of .* are not finite",
    ),
    "of different d": (
        ZEROS,
        np.zeros((4, 3)),
        "points of .* have 2 values, of .* 3",
    ),
    "empty": (
        np.zeros((0, 2)),
        ZEROS,
        r"shape \(0, 2\), expected",
    ),
    "of no numbers": (
        np.zeros((4, 0)),
        np.zeros((4, 0)),
        r"shape \(4, 0\), expected",
    ),
    "a number": (
        np.float64(3),
        ZEROS,
        r"shape \(\), expected",
    ),
}


@pytest.mark.parametrize(
    "measure",
    [
        two_sample_test,
        frechet_distance,
        precision_recall,
        density_coverage,
        nearest_distances,
    ],
)
@pytest.mark.parametrize("what", UNFIT)
def test_sets_that_cannot_be_compared_are_refused(measure, what):
    x, y, message = UNFIT[what]
    with pytest.raises(ValueError, match=message):
        measure(x, y)


def test_unequal_samples_are_refused():
    with pytest.raises(ValueError, match="x has 4 points and y 5"):
        two_sample_test(np.zeros((4, 2)), np.zeros((5, 2)))


def test_single_points_are_refused():
    with pytest.raises(ValueError, match="n at least 2"):
        frechet_distance(np.zeros((1, 2)), np.zeros((5, 2)))


@pytest.mark.parametrize("k", [0, 4, -1, 2.0, True])
def test_an_impossible_k_is_refused(k):
    real = normal(0, 4, 2)
    fake = normal(1, 9, 2)
    message = f"k is {k}, expected a whole number from 1 to 3, because real has 4 points"
    with pytest.raises(ValueError, match=message):
        precision_recall(real, fake, k)
