"""The report on generated images finds what is wrong with them, and nothing wrong with real ones."""

import numpy as np
import pytest
from digits import REAL, TEST, TRAIN, judged, part, without_labels

from minigan import data
from minigan.data import images
from minigan.evaluation.report import quality


def test_real_images_pass_and_score_what_real_images_score():
    half = np.arange(len(TEST)) % 2 == 0
    unseen = part(TEST, half)
    found = quality(unseen.images, TRAIN, part(TEST, ~half))
    assert found.passed
    assert abs(found.confidence[0] - found.confidence[1]) < 0.03
    assert abs(found.two_sample[0] - 0.5) < 0.06 and abs(found.two_sample[1] - 0.5) < 0.06
    assert 0.8 < found.distance[0] / found.distance[1] < 1.2
    np.testing.assert_allclose(found.shares[0].sum(), 1)
    np.testing.assert_allclose(found.shares[0], np.bincount(unseen.labels) / len(unseen), atol=0.02)


def what_fails(found):
    return {row.what.split(":")[0] for row in found.rows() if row.holds is False}


def test_noise_is_not_recognised_and_told_apart():
    noise = np.random.default_rng(0).uniform(-1, 1, (400, 1, 8, 8))
    found = judged(noise)
    assert {"classifier's confidence", "1-nearest-neighbour two-sample test"} <= what_fails(found)
    assert found.two_sample[0] > 0.99


def test_a_missing_class_is_named():
    found = judged(TRAIN.images[TRAIN.labels != 4])
    assert what_fails(found) == {"rarest class", "distance to nearest training image"}
    assert "rarest class: 4" in str(found)


def test_copies_of_training_images_are_found_out_though_they_look_perfect():
    copies = REAL[:1000] + 0.02 * np.random.default_rng(0).standard_normal((1000, 1, 8, 8))
    found = judged(copies.clip(-1, 1))
    assert what_fails(found) == {"distance to nearest training image"}
    assert found.nearer[0] == 1 and found.nearer[1] < 0.05
    half = np.concatenate([copies[:300].clip(-1, 1), images.to_float(TEST.images[:300])])
    assert judged(half).nearer[0] == pytest.approx(
        0.5, abs=0.05
    )  # half of them, though the median is not low


@pytest.mark.parametrize("fault", ["blur", "noise"])
def test_figures_worsen_steadily_as_images_do(fault):
    x = REAL[::2]
    blurred = (x + np.roll(x, 1, 2) + np.roll(x, 1, 3) + np.roll(x, (1, 1), (2, 3))) / 4
    noise = np.random.default_rng(0).standard_normal(x.shape)
    found = [
        judged((1 - t) * x + t * blurred if fault == "blur" else (x + t * noise).clip(-1, 1))
        for t in (0, 0.5, 1)
    ]
    assert (np.diff([report.confidence[0] for report in found]) < 0).all()
    assert (np.diff([report.halves[0][0] for report in found]) >= 0).all()
    assert found[0].halves[0][0] + 0.1 < found[1].halves[0][0]


def test_larger_samples_are_reduced_and_what_resizing_costs_is_shown():
    doubled = TEST.images.repeat(2, 2).repeat(2, 3)
    same, found = judged(TEST.images), judged(doubled, resized=data.load("digits", 16).images)
    assert (found.confidence, found.halves, found.distance) == (
        same.confidence,
        same.halves,
        same.distance,
    )
    assert 0.45 < sum(found.resized_halves) / 2 < 0.7 and same.resized_halves is None
    assert "resized to the samples' size and back" in str(found)


def test_the_seed_decides_and_bytes_are_floats():
    first = judged(TRAIN.images[:500], seed=1)
    assert str(first) == str(judged(REAL[:500], seed=1))
    assert first.two_sample != judged(TRAIN.images[:500], seed=2).two_sample


def test_without_labels_the_report_has_no_classes():
    train, test = without_labels()
    found = quality(REAL[:100], train, test)
    assert found.classes is found.confidence is None
    assert "class" not in str(found) and "two-sample" in str(found)


@pytest.mark.parametrize(
    "samples, message",
    [
        (np.zeros((0, 1, 8, 8)), r"samples have shape \(0, 1, 8, 8\)"),
        (np.zeros((5, 8, 8)), r"shape \(5, 8, 8\)"),
        (np.full((5, 1, 8, 8), np.nan), "from nan to nan, expected uint8"),
        (np.full((5, 1, 8, 8), 255.0), "from 255.0 to 255.0, expected uint8, or floats in"),
        (np.zeros((5, 1, 8, 8), int), "samples are int64"),
        (np.zeros((5, 3, 8, 8)), "one number of channels"),
        (np.zeros((5, 1, 4, 4)), "samples are 4 x 4 and the data 8 x 8"),
    ],
)
def test_samples_that_are_no_images_like_the_data_are_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        judged(samples)
