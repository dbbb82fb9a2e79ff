"""The report finds what is wrong with generated images, and nothing wrong with real ones."""

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
    confidence, real_confidence = found.confidence
    assert abs(confidence - real_confidence) < 0.03
    for accuracy in found.two_sample:
        assert abs(accuracy - 0.5) < 0.06
    distance, real_distance = found.distance
    assert 0.8 < distance / real_distance < 1.2
    shares = found.shares.samples
    expected = np.bincount(unseen.labels) / len(unseen)
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares, expected, atol=0.02)


def what_fails(found):
    """The names of the rows of which something else was expected."""
    names = set()
    for row in found.rows():
        if row.holds is False:
            name, *_ = row.what.split(":")
            names.add(name)
    return names


def test_noise_is_not_recognised_and_told_apart():
    generator = np.random.default_rng(0)
    noise = generator.uniform(-1, 1, (400, 1, 8, 8))
    found = judged(noise)
    assert what_fails(found) >= {
        "classifier's confidence",
        "1-nearest-neighbour two-sample test",
    }
    assert found.two_sample.samples > 0.99


def test_a_missing_class_is_named():
    found = judged(TRAIN.images[TRAIN.labels != 4])
    assert what_fails(found) == {"rarest class", "distance to nearest training image"}
    assert "rarest class: 4" in str(found)


def nearly(x, amount):
    """The images with some noise."""
    generator = np.random.default_rng(0)
    noise = generator.standard_normal(x.shape)
    return (x + amount * noise).clip(-1, 1)


def blurred(x, amount):
    down = np.roll(x, 1, 2)
    right = np.roll(x, 1, 3)
    both = np.roll(down, 1, 3)
    blur = (x + down + right + both) / 4
    return (1 - amount) * x + amount * blur


def test_copies_of_training_images_are_found_out_though_they_look_perfect():
    copies = nearly(REAL[:1000], 0.02)
    found = judged(copies)
    assert what_fails(found) == {"distance to nearest training image"}
    assert found.nearer.samples == 1
    assert found.nearer.real < 0.05


def test_copies_among_other_images_are_found_out_though_the_median_is_not_low():
    copies = nearly(REAL[:300], 0.02)
    others = images.to_float(TEST.images[:300])
    half = np.concatenate([copies, others])
    found = judged(half)
    assert found.nearer.samples == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("damage", [blurred, nearly])
def test_figures_worsen_steadily_as_images_do(damage):
    x = REAL[::2]
    found = [judged(damage(x, amount)) for amount in (0, 0.5, 1)]
    confidences = [of_one.confidence.samples for of_one in found]
    accuracies = []  # on the test images
    for of_one in found:
        on_test, _ = of_one.halves.samples
        accuracies.append(on_test)
    assert (np.diff(confidences) < 0).all()
    assert (np.diff(accuracies) >= 0).all()
    assert accuracies[0] + 0.1 < accuracies[1]


def test_larger_samples_are_reduced_and_what_resizing_costs_is_shown():
    doubled = TEST.images.repeat(2, 2).repeat(2, 3)
    resized = data.load("digits", 16).images
    same = judged(TEST.images)
    found = judged(doubled, resized=resized)
    assert found.confidence == same.confidence
    assert found.halves == same.halves
    assert found.distance == same.distance
    accuracy = sum(found.resized_halves) / 2
    assert 0.45 < accuracy < 0.7
    assert same.resized_halves is None
    assert "resized to the samples' size and back" in str(found)


def test_the_seed_decides_and_bytes_are_floats():
    first = judged(TRAIN.images[:500], seed=1)
    as_floats = judged(REAL[:500], seed=1)
    other = judged(TRAIN.images[:500], seed=2)
    assert str(first) == str(as_floats)
    assert first.two_sample != other.two_sample


def test_without_labels_the_report_has_no_classes():
    train, test = without_labels()
    found = quality(REAL[:100], train, test)
    assert found.classes is None
    assert found.confidence is None
    text = str(found)
    assert "class" not in text
    assert "two-sample" in text


BLACK = np.zeros((5, 1, 8, 8))
UNFIT = {  # words of the refusal -> samples
    r"samples have shape \(0, 1, 8, 8\)": BLACK[:0],
    r"shape \(5, 8, 8\)": BLACK[:, 0],
    "from nan to nan, expected uint8": BLACK * np.nan,
    "from 255.0 to 255.0, expected uint8, or floats in": BLACK + 255,
    "samples are int64": BLACK.astype(int),
    "one number of channels": BLACK.repeat(3, 1),
    "samples are 4 x 4 and the data 8 x 8": BLACK[:, :, :4, :4],
}


@pytest.mark.parametrize("message", UNFIT)
def test_samples_that_are_no_images_like_the_data_are_refused(message):
    samples = UNFIT[message]
    with pytest.raises(ValueError, match=message):
        judged(samples)
