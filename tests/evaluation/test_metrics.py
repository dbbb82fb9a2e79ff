"""The measures equal their definitions, written here as plain loops, and closed forms where there
are any.
"""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan import data
from minigan.data import images
from minigan.evaluation import metrics
from minigan.evaluation.metrics import (
    density_coverage,
    frechet_distance,
    inception_score,
    nearest_distances,
    parzen_log_likelihood,
    precision_recall,
    two_sample_halves,
    two_sample_test,
)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.fixture(autouse=True)
def restore_block():
    before = metrics.BLOCK
    yield
    metrics.BLOCK = before


# ---- definitions, as plain loops


def distance(a, b):
    return sum((p - q) ** 2 for p, q in zip(a, b)) ** 0.5


def nearest_other(points, i):
    return min((distance(points[i], points[j]), j) for j in range(len(points)) if j != i)[1]


def by_loops(real, fake, k):
    """precision, recall, density, coverage."""

    def radii(points):
        return [
            sorted(distance(a, b) for j, b in enumerate(points) if j != i)[k - 1]
            for i, a in enumerate(points)
        ]

    real_radii, fake_radii = radii(real), radii(fake)
    precision = np.mean([any(distance(y, x) <= r for x, r in zip(real, real_radii)) for y in fake])
    recall = np.mean([any(distance(x, y) <= r for y, r in zip(fake, fake_radii)) for x in real])
    density = sum(distance(y, x) <= r for y in fake for x, r in zip(real, real_radii)) / (
        k * len(fake)
    )
    coverage = np.mean([any(distance(x, y) <= r for y in fake) for x, r in zip(real, real_radii)])
    return precision, recall, density, coverage


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
    real, fake = normal(seed, n, d), normal(seed + 1, m, d) + 0.5
    k = data.draw(st.integers(1, min(n, m) - 1))
    np.testing.assert_allclose(
        precision_recall(real, fake, k) + density_coverage(real, fake, k),
        by_loops(real, fake, k),
        rtol=1e-12,
    )
    np.testing.assert_allclose(
        nearest_distances(fake, real), [min(distance(y, x) for x in real) for y in fake], rtol=1e-7
    )
    both = np.concatenate([real, real[::-1] * 0.7 + 0.3])
    right = [(i < n) == (nearest_other(both, i) < n) for i in range(2 * n)]
    assert two_sample_halves(both[:n], both[n:]) == (np.mean(right[:n]), np.mean(right[n:]))
    assert two_sample_test(both[:n], both[n:]) == pytest.approx(np.mean(right))


# ---- the two-sample test


def test_samples_of_one_distribution_cannot_be_told_apart_and_distant_ones_always():
    scores = [
        two_sample_test(normal(seed, 200, 5), normal(seed + 100, 200, 5)) for seed in range(10)
    ]
    assert abs(np.mean(scores) - 0.5) < 0.03
    assert two_sample_test(normal(0, 50, 5), normal(1, 50, 5) + 100) == 1


def test_copies_of_the_other_sample_score_below_half_and_ties_count_half():
    x = normal(0, 60, 3)
    assert two_sample_test(x, x + 1e-9) == 0
    assert two_sample_test(np.zeros((5, 2)), np.zeros((5, 2))) == 0.5


def test_the_two_sample_test_is_symmetric_and_blind_to_order_and_origin():
    x, y = normal(0, 80, 4), normal(1, 80, 4) * 1.5
    score = two_sample_test(x, y)
    assert 0.5 < score < 1
    assert two_sample_test(y, x) == two_sample_test(x[::-1], np.roll(y, 3, 0)) == score
    assert (
        two_sample_test(x + 1e7, y + 1e7) == score
    )  # |a|^2 + |b|^2 - 2ab around 0 would have lost the distances


def test_noise_in_many_dimensions_hides_from_the_accuracy_but_not_from_its_halves():
    x, y = normal(0, 300, 5) @ normal(9, 5, 60), normal(1, 300, 5) @ normal(9, 5, 60)
    noisy = y + 3 * normal(2, 300, 60)
    assert abs(two_sample_test(x, noisy) - 0.5) < 0.03
    on_clean, on_noisy = two_sample_halves(x, noisy)
    assert on_clean > 0.97 and on_noisy < 0.03


# ---- the Frechet distance


def exactly(seed, n, mean, covariance):
    """n points whose mean and np.cov are the given ones to rounding."""
    mean, covariance = np.asarray(mean, float), np.asarray(covariance, float)
    z = normal(seed, n, len(mean))
    z = np.linalg.qr(z - z.mean(0))[0] * np.sqrt(n - 1)  # centred columns stay centred
    values, vectors = np.linalg.eigh(covariance)
    return z @ (vectors * np.sqrt(values.clip(0))).T + mean


def test_frechet_distance_of_commuting_gaussians_is_that_of_their_axes():
    x, y = (
        exactly(0, 50, [0, 1, 2], np.diag([1, 4, 9])),
        exactly(1, 70, [2, 1, 0], np.diag([4, 4, 1])),
    )
    assert frechet_distance(x, y) == pytest.approx(4 + 4 + 1 + 0 + 4, rel=1e-12)


def test_frechet_distance_of_two_by_two_covariances_in_closed_form():
    # tr (AB)^1/2 = sqrt(tr AB + 2 sqrt(det AB)) for 2 x 2
    a, b = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[0.5, -0.3], [-0.3, 3.0]])
    root = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a) * np.linalg.det(b)))
    distance = frechet_distance(exactly(0, 40, [0, 0], a), exactly(1, 40, [0, 0], b))
    assert distance == pytest.approx(np.trace(a) + np.trace(b) - 2 * root, rel=1e-10)


def test_frechet_distance_agrees_with_the_eigenvalues_of_the_unsymmetric_product():
    x, y = normal(0, 300, 20) @ normal(1, 20, 20), normal(2, 200, 20) @ normal(3, 20, 20) + 0.3
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).sum().real
    shift = x.mean(0) - y.mean(0)
    expected = shift @ shift + np.trace(a) + np.trace(b) - 2 * root
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(x + 1e5, y + 1e5) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "n, d, rank", [(500, 8, 8), (10, 200, 9), (300, 100, 3), (2, 5, 1), (40, 1, 1)]
)
def test_frechet_distance_of_a_set_and_itself_is_zero_even_if_singular(n, d, rank):
    x = normal(0, n, rank) @ normal(1, rank, d) * 100
    trace = np.trace(np.atleast_2d(np.cov(x, rowvar=False)))
    assert 0 <= frechet_distance(x, x[::-1]) < 1e-10 * trace


def test_frechet_distance_of_gaussians_on_lines_that_cross_is_the_sum_of_their_variances():
    x, y = exactly(0, 30, [0, 0], np.diag([1, 0])), exactly(1, 30, [0, 0], np.diag([0, 4]))
    assert frechet_distance(x, y) == pytest.approx(5, rel=1e-10)


# ---- precision and recall, density and coverage


def test_a_set_and_itself_have_full_precision_recall_and_coverage():
    x = normal(0, 100, 3)
    assert precision_recall(x, x.copy()) == (1, 1)
    density, coverage = density_coverage(x, x.copy(), k=5)
    assert coverage == 1 and density == pytest.approx(
        6 / 5, rel=0.01
    )  # each ball: its centre and k others


def test_perfect_generators_have_density_one_and_coverage_one_minus_two_to_the_minus_k():
    found = np.mean(
        [density_coverage(normal(s, 400, 2), normal(s + 50, 400, 2), k=3) for s in range(8)], axis=0
    )
    np.testing.assert_allclose(found, [1, 1 - 1 / 2**3], atol=0.04)


def test_a_dropped_mode_costs_recall_and_an_invented_one_precision():
    near, far = normal(0, 150, 2), normal(1, 150, 2) + 50
    both, one = np.concatenate([near, far]), normal(2, 300, 2)
    precision, recall = precision_recall(both, one)
    assert precision > 0.9 and 0.4 < recall < 0.55
    precision, recall = precision_recall(one, both)
    assert 0.4 < precision < 0.55 and recall > 0.9
    assert density_coverage(both, one)[1] < 0.55
    assert precision_recall(near, far) == (0, 0) and density_coverage(near, far) == (0, 0)


# ---- the Parzen-window log-likelihood


def log_mixture(x, centres, sigma):
    """log of the mean of the normal densities around the centres, written out."""
    d = len(x)
    densities = [
        math.exp(-(distance(x, c) ** 2) / (2 * sigma**2)) / (2 * math.pi * sigma**2) ** (d / 2)
        for c in centres
    ]
    return math.log(sum(densities) / len(densities))


@settings(max_examples=30)
@given(
    n=st.integers(1, 9),
    m=st.integers(1, 9),
    v=st.integers(1, 9),
    d=st.integers(1, 4),
    block=st.integers(1, 40),
    sigma=st.floats(0.3, 3),
    seed=st.integers(0, 999),
)
def test_parzen_is_a_mixture_of_normal_densities_whatever_the_block(n, m, v, d, block, sigma, seed):
    metrics.BLOCK = block
    samples, test, validation = (
        normal(seed, n, d),
        normal(seed + 1, m, d),
        0.3 * normal(seed + 2, v, d),
    )
    expected = [log_mixture(x, samples, sigma) for x in test]
    mean, error, used = parzen_log_likelihood(samples, test, sigma)
    assert mean == pytest.approx(np.mean(expected)) and error == pytest.approx(
        np.std(expected) / math.sqrt(m)
    )
    assert used == sigma
    chosen = parzen_log_likelihood(samples, test, validation=validation)[2]
    likelihoods = {
        float(s): np.mean(metrics._log_densities(samples, validation, [s], "validation"))
        for s in np.logspace(-1, 0, 10)
    }
    assert chosen == max(likelihoods, key=likelihoods.get)


def test_parzen_of_many_normal_samples_is_that_of_a_wider_normal():
    # samples N(0, I) and kernels N(0, s^2 I) add up to N(0, (1 + s^2) I)
    mean, error, _ = parzen_log_likelihood(normal(0, 20000, 2), normal(1, 2000, 2), 0.5)
    variance = 1 + 0.5**2
    assert mean == pytest.approx(-math.log(2 * math.pi * variance) - 1 / variance, abs=4 * error)
    assert error < 0.03


def test_parzen_far_away_neither_underflows_nor_overflows():
    mean, error, _ = parzen_log_likelihood(np.zeros((3, 784)), np.full((2, 784), 1.0), 0.1)
    assert (
        mean == pytest.approx(-784 * (50 + math.log(0.1 * math.sqrt(2 * math.pi)))) and error == 0
    )


def test_parzen_depends_on_the_unit_by_d_log_2():
    samples, test = normal(0, 30, 1, 3, 3), normal(1, 20, 1, 3, 3)
    once, twice = (
        parzen_log_likelihood(samples, test, 0.2),
        parzen_log_likelihood(2 * samples, 2 * test, 0.4),
    )
    assert once[0] - twice[0] == pytest.approx(9 * math.log(2)) and once[1] == pytest.approx(
        twice[1]
    )


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
def test_parzen_needs_a_width_or_points_to_choose_it_by(options):
    with pytest.raises(
        ValueError, match="expected either a sigma above 0 or points to choose it by"
    ):
        parzen_log_likelihood(np.zeros((3, 2)), np.zeros((3, 2)), **options)


def test_parzen_names_the_set_that_does_not_fit():
    with pytest.raises(ValueError, match="points of samples have 2 values, of validation 3"):
        parzen_log_likelihood(np.zeros((3, 2)), np.zeros((3, 2)), validation=np.zeros((3, 3)))


# ---- the score in a classifier's probabilities


def test_the_inception_score_is_its_definition():
    p = np.random.default_rng(0).dirichlet(np.full(5, 0.3), 40)
    p[:5] = np.eye(5)  # log 0 is never taken
    marginal = p.mean(0)
    divergences = [sum(a * math.log(a / b) for a, b in zip(row, marginal) if a > 0) for row in p]
    assert inception_score(p) == pytest.approx(math.exp(np.mean(divergences)), rel=1e-12)
    assert inception_score(mg.tensor(p)) == inception_score(p)


def test_the_inception_score_counts_classes_and_wants_sure_and_varied_answers():
    assert inception_score(np.eye(10)[np.arange(100) % 10]) == pytest.approx(10)
    assert inception_score(np.eye(10)[np.arange(100) % 4]) == pytest.approx(4)
    assert inception_score(np.full((100, 10), 0.1)) == pytest.approx(1)
    # one answer of n classes right with probability 1 - t, the rest shared: log n - entropy
    t, n = 0.3, 5
    p = np.eye(n) * (1 - t - t / (n - 1)) + t / (n - 1)
    assert inception_score(p) == pytest.approx(n * (1 - t) ** (1 - t) * (t / (n - 1)) ** t)


@pytest.mark.parametrize(
    "p", [np.full((4, 2), 0.4), np.zeros((0, 3)), np.full(4, 0.25), [[1.5, -0.5]], [[np.nan, 1.0]]]
)
def test_what_are_no_probabilities_has_no_score(p):
    with pytest.raises(ValueError, match="expected .n, classes., at least 0, rows that sum to 1"):
        inception_score(p)


# ---- what a generator's faults do to each of them


def worse_and_worse(x):
    """name -> copies of the images that are damaged more and more, and the measures that must
    notice.
    """
    noise, labels = normal(7, *x.shape), data.load("digits").labels[1 : 2 * len(x) : 2]

    def blur(t):
        return (1 - t) * x + t * (
            x + np.roll(x, 1, 2) + np.roll(x, 1, 3) + np.roll(x, (1, 1), (2, 3))
        ) / 4

    def without(classes):
        return x[np.resize(np.flatnonzero(labels >= classes), len(x))]

    # Recall does not mind noise, which widens the fakes' balls, nor precision and density a blur
    # or a dropped class; a slight blur even raises coverage and Parzen's likelihood, as it draws
    # the fakes to where real images are dense.
    every = {"two-sample on real", "Frechet", "coverage", "Parzen"}
    return {
        "noise": ([x + s * noise for s in (0, 0.1, 0.2, 0.35)], every | {"precision", "density"}),
        "blur": (
            [blur(t) for t in (0, 0.3, 0.5, 0.75)],
            (every - {"coverage", "Parzen"}) | {"two-sample", "recall"},
        ),
        "dropped classes": ([without(c) for c in (0, 3, 6, 9)], every | {"two-sample", "recall"}),
    }


@pytest.mark.parametrize("fault", ["noise", "blur", "dropped classes"])
def test_measures_get_worse_as_images_get_worse(fault):
    x = images.to_float(data.load("digits").images)
    real, fake = x[:1400:2], x[1:1400:2]  # the writers come one after the other
    damaged, measures = worse_and_worse(fake)[fault]
    found = {
        "two-sample": [two_sample_test(real, y) for y in damaged],
        "two-sample on real": [two_sample_halves(real, y)[0] for y in damaged],
        "Frechet": [frechet_distance(real, y) for y in damaged],
        "precision": [-precision_recall(real, y)[0] for y in damaged],
        "recall": [-precision_recall(real, y)[1] for y in damaged],
        "density": [-density_coverage(real, y)[0] for y in damaged],
        "coverage": [-density_coverage(real, y)[1] for y in damaged],
        "Parzen": [-parzen_log_likelihood(y, real[::2], validation=real[1::2])[0] for y in damaged],
    }
    for name in measures:
        assert (np.diff(found[name]) > 0).all(), (name, found[name])


# ---- sizes and bad input


@pytest.mark.parametrize(
    "measure",
    [
        precision_recall,
        density_coverage,
        two_sample_test,
        nearest_distances,
        lambda x, y: parzen_log_likelihood(x, y, validation=y[::3]),
    ],
    ids=["precision, recall", "density, coverage", "two-sample", "nearest", "Parzen"],
)
def test_memory_is_bounded_by_blocks(measure):
    metrics.BLOCK = 1 << 17  # 1 MB
    x, y = normal(0, 3000, 2), normal(1, 3000, 2)  # all pairs: 72 MB
    tracemalloc.start()
    measure(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


def test_tensors_images_and_integers_are_points_too():
    x, y = normal(0, 20, 1, 3, 3).astype(np.float32), normal(1, 20, 1, 3, 3).astype(np.float32)
    assert two_sample_test(mg.tensor(x), y) == two_sample_test(x.reshape(20, 9), y.reshape(20, 9))
    a, b = np.array([[0], [255]], np.uint8), np.array([[250], [3]], np.uint8)
    assert nearest_distances(a, b).tolist() == [3, 5]  # no wrap-around of bytes


NAN = np.full((4, 2), np.nan)


@pytest.mark.parametrize(
    "measure",
    [two_sample_test, frechet_distance, precision_recall, density_coverage, nearest_distances],
)
@pytest.mark.parametrize(
    "x, y, message",
    [
        (np.zeros((4, 2)), NAN, "8 of the 8 values of .* are not finite"),
        (np.zeros((4, 2)), np.zeros((4, 3)), "points of .* have 2 values, of .* 3"),
        (np.zeros((0, 2)), np.zeros((4, 2)), r"shape \(0, 2\), expected"),
        (np.zeros((4, 0)), np.zeros((4, 0)), r"shape \(4, 0\), expected"),
        (np.float64(3), np.zeros((4, 2)), r"shape \(\), expected"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(measure, x, y, message):
    with pytest.raises(ValueError, match=message):
        measure(x, y)


def test_unequal_samples_single_points_and_impossible_k_are_refused():
    with pytest.raises(ValueError, match="x has 4 points and y 5"):
        two_sample_test(np.zeros((4, 2)), np.zeros((5, 2)))
    with pytest.raises(ValueError, match="n at least 2"):
        frechet_distance(np.zeros((1, 2)), np.zeros((5, 2)))
    for k in (0, 4, -1, 2.0, True):
        with pytest.raises(ValueError, match=f"k is {k}, expected a whole number from 1 to 3"):
            precision_recall(normal(0, 4, 2), normal(1, 9, 2), k)
