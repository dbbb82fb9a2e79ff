"""The report's distances in features or pixels, and what a thorough report adds."""

import numpy as np
import pytest
from digits import REAL, TEST, TRAIN, judged, part, without_labels

import minigan as mg
from minigan.data import images
from minigan.evaluation import classifier, report
from minigan.evaluation.classifier import trained_classifier
from minigan.evaluation.report import quality


def test_measures_in_features_find_faults_and_real_images_score_what_real_images_score():
    half = np.arange(len(TEST)) % 2 == 0
    real = quality(TEST.images[half], TRAIN, part(TEST, ~half))
    assert real.space == "features" and real.points_a_side == 180
    noisy = quality(
        (REAL + 0.4 * np.random.default_rng(0).standard_normal(REAL.shape)).clip(-1, 1), TRAIN, TEST
    )
    dropped = quality(TRAIN.images[TRAIN.labels > 4], TRAIN, TEST)
    for found in (real, noisy, dropped):
        assert set(found.measures) == {
            "Frechet distance",
            "precision",
            "recall",
            "density",
            "coverage",
        }
        assert all(
            name in str(found)
            for name in ("Frechet distance, in features", "Inception-style score")
        )
    assert 0.8 < real.measures["Frechet distance"][0] / real.measures["Frechet distance"][1] < 1.25
    for name in ("precision", "recall", "density", "coverage"):
        assert abs(np.subtract(*real.measures[name])) < 0.12
    for found, names in (
        (noisy, ("precision", "density", "coverage")),
        (dropped, ("recall", "coverage")),
    ):
        fake, floor = found.measures["Frechet distance"]
        assert fake > 1.5 * floor
        for name in names:
            assert found.measures[name][0] < found.measures[name][1] - 0.2
    assert (
        real.score[0] > 8 and noisy.score[0] < noisy.score[1] - 1 and 3.5 < dropped.score[0] < 5.5
    )


@pytest.mark.parametrize("fault", ["noise", "blur", "dropped classes"])
def test_features_and_score_get_worse_as_images_get_worse(fault):
    network, x, y = trained_classifier(TRAIN), images.to_float(TEST.images), REAL[:360]
    noise = np.random.default_rng(0).standard_normal(y.shape, np.float32)
    blurred = (y + np.roll(y, 1, 2) + np.roll(y, 1, 3) + np.roll(y, (1, 1), (2, 3))) / 4
    worse = {
        "noise": [(y + s * noise).clip(-1, 1) for s in (0, 0.2, 0.4, 0.6)],
        "blur": [(1 - t) * y + t * blurred for t in (0, 0.4, 0.7, 1)],
        "dropped classes": [REAL[TRAIN.labels >= c][:360] for c in (0, 3, 6, 9)],
    }[fault]
    distances = [
        mg.metrics.frechet_distance(network.features(x), network.features(z)) for z in worse
    ]
    scores = [mg.metrics.inception_score(network.probabilities(z)) for z in worse]
    assert (np.diff(distances) > 0).all(), distances
    assert (np.diff(scores) < 0).all(), scores


def test_without_labels_the_measures_are_of_pixels():
    train, test = without_labels()
    found = quality(REAL[:360], train, test)
    assert found.space == "pixels" and "precision, in pixels" in str(found)
    chosen = mg.metrics.frechet_distance(images.to_float(TEST.images), REAL[:360])
    assert found.measures["Frechet distance"][0] == pytest.approx(
        chosen, rel=1e-6
    )  # all 360: in any order the same


def test_a_thorough_report_trains_a_network_and_has_parzens_likelihood(monkeypatch):
    monkeypatch.setattr(classifier, "LEAST_STEPS", 150)
    train, test = without_labels()
    noisy = (REAL + 0.4 * np.random.default_rng(0).standard_normal(REAL.shape)).clip(-1, 1)
    found = quality(noisy, train, test, thorough=True)
    assert found.network[0] > 0.7 and abs(found.network[1] - 0.5) < 0.1
    (fake, error, sigma), (real, *_) = found.parzen
    assert fake < real - 10 and 0 < error < 2 and sigma in mg.metrics.SIGMAS
    pixels = mg.metrics.parzen_log_likelihood((noisy + 1) / 2, TEST.images / 255, sigma)
    assert pixels[:2] == pytest.approx((fake, error), rel=1e-4)  # pixels in [0, 1]
    assert "trained network's two-sample test" in str(found) and f"sigma {sigma:.3f} and" in str(
        found
    )
    assert judged(noisy).parzen is judged(noisy).network is None


def test_parzens_sigma_is_chosen_on_images_that_are_neither_samples_nor_tests(monkeypatch):
    calls = []
    monkeypatch.setattr(report, "trained_two_sample_test", lambda x, y: (0.5, 0.5))
    monkeypatch.setattr(
        report, "parzen_log_likelihood", lambda x, y, validation: calls.append((x, y, validation))
    )
    train, test = without_labels()
    quality(REAL[:300], train, test, thorough=True)
    last, known = (
        len(TRAIN) - len(TRAIN) // 6,
        {image.tobytes(): i for i, image in enumerate((REAL + 1) / 2)},
    )
    for points, tests, validation in calls:
        assert len(points) == 300 and len(tests) == len(TEST)
        assert (
            all(known[image.tobytes()] >= last for image in validation)
            and len(validation) == len(TRAIN) // 6
        )
    assert all(
        known[image.tobytes()] < last for image in calls[1][0]
    )  # the floor: training images as samples
