"""The report's distances in features or pixels, and what a thorough report adds."""

import numpy as np
import pytest
from digits import REAL, TEST, TRAIN, judged, part, without_labels

import minigan as mg
from minigan.data import images
from minigan.evaluation import classifier, report
from minigan.evaluation.classifier import trained_classifier
from minigan.evaluation.report import quality


def with_noise(x, amount):
    generator = np.random.default_rng(0)
    noise = generator.standard_normal(x.shape)
    return (x + amount * noise).clip(-1, 1)


def check_worse(found, names):
    """The Frechet distance and these measures are worse than those of real images."""
    fake, floor = found.measures["Frechet distance"]
    assert fake > 1.5 * floor
    for name in names:
        fake, real = found.measures[name]
        assert fake < real - 0.2


def test_measures_of_real_images_are_those_of_real_images():
    half = np.arange(len(TEST)) % 2 == 0
    found = quality(TEST.images[half], TRAIN, part(TEST, ~half))
    assert found.space == "features"
    assert found.points_a_side == 180
    distance, floor = found.measures["Frechet distance"]
    assert 0.8 < distance / floor < 1.25
    for name in ("precision", "recall", "density", "coverage"):
        fake, real = found.measures[name]
        assert abs(fake - real) < 0.12
    assert found.score.samples > 8


def test_measures_in_features_find_noise():
    noisy = with_noise(REAL, 0.4)
    found = judged(noisy)
    check_worse(found, ("precision", "density", "coverage"))
    assert found.score.samples < found.score.real - 1


def test_measures_in_features_find_dropped_classes():
    dropped = TRAIN.images[TRAIN.labels > 4]
    found = judged(dropped)
    check_worse(found, ("recall", "coverage"))
    assert 3.5 < found.score.samples < 5.5


def test_all_measures_are_in_the_table():
    found = judged(REAL[:360])
    assert set(found.measures) == {
        "Frechet distance",
        "precision",
        "recall",
        "density",
        "coverage",
    }
    text = str(found)
    for name in found.measures:
        assert f"{name}, in features" in text
    assert "Inception-style score" in text


def noisier():
    x = REAL[:360]
    generator = np.random.default_rng(0)
    noise = generator.standard_normal(x.shape, np.float32)
    return [(x + amount * noise).clip(-1, 1) for amount in (0, 0.2, 0.4, 0.6)]


def more_blurred():
    x = REAL[:360]
    down = np.roll(x, 1, 2)
    right = np.roll(x, 1, 3)
    both = np.roll(down, 1, 3)
    blur = (x + down + right + both) / 4
    return [(1 - amount) * x + amount * blur for amount in (0, 0.4, 0.7, 1)]


def of_fewer_classes():
    return [REAL[TRAIN.labels >= least][:360] for least in (0, 3, 6, 9)]


@pytest.mark.parametrize("make", [noisier, more_blurred, of_fewer_classes])
def test_features_and_score_get_worse_as_images_get_worse(make):
    network = trained_classifier(TRAIN)
    real = network.features(images.to_float(TEST.images))
    distances = []
    scores = []
    for x in make():
        distance = mg.metrics.frechet_distance(real, network.features(x))
        distances.append(distance)
        score = mg.metrics.inception_score(network.probabilities(x))
        scores.append(score)
    assert (np.diff(distances) > 0).all(), distances
    assert (np.diff(scores) < 0).all(), scores


def test_without_labels_the_measures_are_of_pixels():
    train, test = without_labels()
    found = quality(REAL[:360], train, test)
    assert found.space == "pixels"
    assert "precision, in pixels" in str(found)
    unseen = images.to_float(TEST.images)  # all 360, so their order does not matter
    expected = mg.metrics.frechet_distance(unseen, REAL[:360])
    distance = found.measures["Frechet distance"]
    assert distance.samples == pytest.approx(expected, rel=1e-6)


def test_a_thorough_report_trains_a_network_and_has_parzens_likelihood(monkeypatch):
    monkeypatch.setattr(classifier, "LEAST_STEPS", 150)
    train, test = without_labels()
    noisy = with_noise(REAL, 0.4)
    found = quality(noisy, train, test, thorough=True)
    assert found.network.samples > 0.7
    assert abs(found.network.real - 0.5) < 0.1
    fake, error, sigma = found.parzen.samples
    real, *_ = found.parzen.real
    assert fake < real - 10
    assert 0 < error < 2
    assert sigma in mg.metrics.SIGMAS
    pixels = (noisy + 1) / 2  # in [0, 1]
    expected = mg.metrics.parzen_log_likelihood(pixels, TEST.images / 255, sigma)
    assert expected[:2] == pytest.approx((fake, error), rel=1e-4)
    text = str(found)
    assert "trained network's two-sample test" in text
    assert f"sigma {sigma:.3f} and" in text


def test_a_report_that_is_not_thorough_has_neither():
    found = judged(REAL[:360])
    assert found.parzen is None
    assert found.network is None


def test_parzens_sigma_is_chosen_on_images_that_are_neither_samples_nor_tests(monkeypatch):
    calls = []

    def note(samples, tests, validation):
        calls.append((samples, tests, validation))

    monkeypatch.setattr(report, "trained_two_sample_test", lambda x, y: (0.5, 0.5))
    monkeypatch.setattr(report, "parzen_log_likelihood", note)
    train, test = without_labels()
    quality(REAL[:300], train, test, thorough=True)
    pixels = (REAL + 1) / 2
    numbers = {image.tobytes(): i for i, image in enumerate(pixels)}
    sixth = len(TRAIN) // 6
    last = len(TRAIN) - sixth

    def numbers_of(images):
        return [numbers[image.tobytes()] for image in images]

    for samples, tests, validation in calls:
        assert len(samples) == 300
        assert len(tests) == len(TEST)
        assert len(validation) == sixth
        assert min(numbers_of(validation)) >= last
    training_images, *_ = calls[1]  # in the samples' place
    assert max(numbers_of(training_images)) < last
