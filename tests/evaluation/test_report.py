"""The report on generated images finds what is wrong with them, and nothing wrong with real ones."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
import two_sample
from minigan import data, files
from minigan.data import images
from minigan.evaluation import classifier, report
from minigan.evaluation import report as report_module
from minigan.evaluation import two_sample as two_sample_module
from minigan.evaluation.classifier import area_resize, trained_classifier, translate
from minigan.evaluation.report import quality
from minigan.evaluation.two_sample import trained_two_sample_test

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
TRAIN, TEST = data.load("digits"), data.load("digits", split="test")
REAL = images.to_float(TRAIN.images)


def part(dataset, chosen, labelled=True):
    return data.Dataset(
        dataset.name,
        dataset.images[chosen],
        dataset.labels[chosen] if labelled else None,
        dataset.classes if labelled else None,
    )


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache folder for this file, so that the classifier of the digits is trained once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGAN_CACHE", str(folder))
        yield folder


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    """A cache folder for one test, and a training of a few steps."""
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "LEAST_STEPS", 5)
    return tmp_path / "cache"


# ---- the classifier


def test_the_classifier_knows_the_test_digits_and_is_about_as_sure_as_it_is_right():
    p = trained_classifier(TRAIN).probabilities(images.to_float(TEST.images))
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-6)
    assert (p.argmax(1) == TEST.labels).mean() > 0.95
    assert 0.92 < p.max(1).mean() < 0.98


def weights(network):
    return {name: value.numpy() for name, value in network.state_dict().items()}


def test_training_is_repeatable_and_neither_moves_nor_uses_minigans_random_generator(fresh_cache):
    few, trained = part(TRAIN, slice(200)), []
    for seed in (1, 2):
        mg.manual_seed(seed)
        before = mg.rng.state_dict()
        trained.append(weights(trained_classifier(few)))
        assert mg.rng.state_dict() == before
        for file in fresh_cache.iterdir():
            file.unlink()
    for name, value in trained[0].items():
        np.testing.assert_array_equal(value, trained[1][name])


def test_a_classifier_is_kept_in_a_file_that_names_what_it_was_trained_on(fresh_cache, monkeypatch):
    few = part(TRAIN, slice(200))
    trained = weights(trained_classifier(few))
    (file,) = fresh_cache.iterdir()
    for part_of_name in ("digits", "8x8", f"v{classifier.VERSION}"):
        assert part_of_name in file.name
    trained_classifier(part(TRAIN, slice(1, 201)))  # other images: another file
    assert len(list(fresh_cache.iterdir())) == 2
    monkeypatch.setattr(classifier, "train", None)  # now training would fail
    for name, value in weights(trained_classifier(few)).items():
        np.testing.assert_array_equal(value, trained[name])


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "empty"])
def test_a_damaged_file_is_noticed_and_replaced(fresh_cache, damage, capsys):
    few = part(TRAIN, slice(200))
    trained_classifier(few)
    (file,) = fresh_cache.iterdir()
    good = file.read_bytes()
    if damage == "foreign":
        mg.save(file, {"other": 1})
    else:
        middle = len(good) // 2
        file.write_bytes(
            {
                "cut": good[:middle],
                "empty": b"",
                "flipped": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
            }[damage]
        )
    capsys.readouterr()
    trained_classifier(few)
    assert "trained again" in capsys.readouterr().err
    assert file.read_bytes() == good


def test_a_cache_that_cannot_be_written_costs_only_time(fresh_cache, capsys):
    fresh_cache.write_text("a file where the folder should be")
    assert isinstance(trained_classifier(part(TRAIN, slice(200))), classifier.Classifier)
    assert "the classifier cannot be kept" in capsys.readouterr().err


@pytest.mark.parametrize("size, count", [(8, 128), (16, 128), (5, 128), (4, 32)])
def test_features_are_what_the_last_layer_sees(size, count):
    network = classifier.Classifier(1, size, size, classes=3).eval()
    x = np.random.default_rng(0).uniform(-1, 1, (7, 1, 8, 8)).astype(np.float32)
    features = network.features(x)
    assert features.shape == (7, count) and (features >= 0).all()
    weight, bias = (network.head[1].weight.numpy(), network.head[1].bias.numpy())
    logits = features.astype(float) @ weight.T + bias
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(network.probabilities(x), p, rtol=1e-4)
    many = network.features(np.concatenate([x] * 200))  # in blocks of 500
    np.testing.assert_allclose(many, np.tile(features, (200, 1)), rtol=1e-3, atol=1e-6)


def test_images_without_labels_have_no_classifier():
    with pytest.raises(ValueError, match="digits has no labels"):
        trained_classifier(part(TRAIN, slice(200), labelled=False))


# ---- classes are counted


def relabelled(dataset, labels, classes=None):
    return data.Dataset(dataset.name, dataset.images, np.asarray(labels), classes)


def test_labels_far_apart_are_counted_and_the_report_is_that_of_the_same_classes_numbered(
    fresh_cache, capsys
):
    spread = np.array([5_000_000, 3, 17, 4_000_000_000, 20, 21, 99, 7, 8, 9])
    names = tuple(sorted(spread.tolist()))
    numbered = {label: number for number, label in enumerate(names)}
    sparse = [relabelled(part, spread[part.labels]) for part in (TRAIN, TEST)]
    plain = [
        relabelled(
            part,
            [numbered[label] for label in spread[part.labels].tolist()],
            tuple(map(str, names)),
        )
        for part in (TRAIN, TEST)
    ]
    found, expected = (quality(TRAIN.images[:200], *pair) for pair in (sparse, plain))
    assert (
        "the 10 labels that occur, from 3 to 4000000000, are counted as 10 classes"
        in capsys.readouterr().err
    )
    assert str(found) == str(expected) and found.classes == tuple(map(str, names))


def test_classes_that_do_not_occur_are_not_counted_and_that_is_said(fresh_cache, capsys):
    few = [part(dataset, dataset.labels < 3) for dataset in (TRAIN, TEST)]
    found = quality(few[0].images[:100], *few)
    assert (
        found.classes == ("0", "1", "2") and "are counted as 3 classes" in capsys.readouterr().err
    )
    negative = relabelled(few[0], few[0].labels - 1)
    (again,) = classifier.number_classes(negative)
    assert again.labels.tolist() == few[0].labels.tolist() and again.classes == ("-1", "0", "1")


def test_labels_that_are_numbers_of_classes_stay_as_they_are_and_nothing_is_said(capsys):
    assert classifier.number_classes(TRAIN, TEST) == (TRAIN, TEST)
    bare = relabelled(TRAIN, TRAIN.labels)
    assert classifier.number_classes(bare) == (bare,) and capsys.readouterr().err == ""


def test_more_classes_than_a_classifier_is_for_are_refused():
    each = relabelled(TRAIN, np.arange(len(TRAIN)))
    with pytest.raises(
        ValueError, match="digits has 1437 different labels, expected at most 1000 classes"
    ):
        quality(TRAIN.images[:100], each, relabelled(TEST, np.arange(len(TEST))))
    for labels in (TRAIN.labels * 500_000, TRAIN.labels - 1, np.arange(len(TRAIN))):
        with pytest.raises(
            ValueError, match="digits has .* classes and labels from .* expected labels from 0 to"
        ):
            trained_classifier(relabelled(TRAIN, labels))
    with pytest.raises(
        ValueError, match="digits has 2 classes and labels from 0 to 9, expected labels from 0 to 1"
    ):
        trained_classifier(relabelled(TRAIN, TRAIN.labels, ("a", "b")))


# ---- the classifier's parts


def test_translation_moves_a_dot_a_little_and_keeps_its_ink():
    dots = -np.ones((100, 1, 32, 32), np.float32)
    dots[:, :, 16, 16] = 1
    moved = (translate(dots, np.random.default_rng(0)) + 1) / 2
    np.testing.assert_allclose(moved.sum((1, 2, 3)), 1, rtol=1e-4)
    y, x = ((moved * grid).sum((1, 2, 3)) - 16 for grid in np.mgrid[:32, :32])
    for distance in (y, x):
        assert (
            abs(distance).max() < 3.01 and abs(distance).max() > 2.5 and abs(distance.mean()) < 0.6
        )


@pytest.mark.parametrize(
    "old, new", [((4, 6), (2, 3)), ((5, 7), (3, 2)), ((3, 3), (3, 3)), ((9, 4), (6, 3))]
)
def test_a_pixel_is_the_mean_over_the_area_that_it_covers(old, new):
    x = np.random.default_rng(0).standard_normal((2, 3, *old))
    enlarged = x.repeat(new[0], 2).repeat(
        new[1], 3
    )  # now every new pixel covers old[0] x old[1] whole ones
    expected = enlarged.reshape(2, 3, new[0], old[0], new[1], old[1]).mean((3, 5))
    np.testing.assert_allclose(area_resize(x, *new), expected, atol=1e-12)


# ---- the report


def judged(samples, **options):
    return quality(samples, TRAIN, TEST, **options)


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
    train, test = (part(dataset, slice(None), labelled=False) for dataset in (TRAIN, TEST))
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
    train, test = (part(dataset, slice(None), labelled=False) for dataset in (TRAIN, TEST))
    found = quality(REAL[:360], train, test)
    assert found.space == "pixels" and "precision, in pixels" in str(found)
    chosen = mg.metrics.frechet_distance(images.to_float(TEST.images), REAL[:360])
    assert found.measures["Frechet distance"][0] == pytest.approx(
        chosen, rel=1e-6
    )  # all 360: in any order the same


def test_a_thorough_report_trains_a_network_and_has_parzens_likelihood(monkeypatch):
    monkeypatch.setattr(classifier, "LEAST_STEPS", 150)
    train, test = (part(dataset, slice(None), labelled=False) for dataset in (TRAIN, TEST))
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
    train, test = (part(dataset, slice(None), labelled=False) for dataset in (TRAIN, TEST))
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


# ---- a trained two-sample test


def test_a_network_tells_different_sets_apart_and_not_halves_of_one(monkeypatch):
    monkeypatch.setattr(classifier, "LEAST_STEPS", 150)
    before = mg.rng.state_dict()
    order = np.random.default_rng(0).permutation(len(TRAIN))
    first, second = TRAIN.images[order[:700]], TRAIN.images[order[700:1400]]
    accuracy, p = trained_two_sample_test(first, second)
    assert abs(accuracy - 0.5) < 0.06 and p > 0.01
    accuracy, p = trained_two_sample_test(
        first, np.roll(second, 1, 3)
    )  # the nearest neighbour is hardly better here
    assert accuracy > 0.8 and p < 1e-9
    assert mg.rng.state_dict() == before


def test_the_p_value_is_the_tail_of_the_binomial_distribution(monkeypatch):
    answers = np.array([0] * 30 + [1] * 70)  # of 2 x 50 labels 0, 1: 30 + 50 right
    monkeypatch.setattr(two_sample_module, "train", lambda network, dataset: None)
    monkeypatch.setattr(classifier.Classifier, "probabilities", lambda self, x: np.eye(2)[answers])
    accuracy, p = trained_two_sample_test(TRAIN.images[:100], TRAIN.images[100:200])
    assert accuracy == 0.8
    tail = sum(math.comb(100, k) for k in range(80, 101)) / 2**100
    assert 0.3 < p / tail < 3


def test_the_sets_are_rounded_to_bytes_so_that_rounding_tells_nothing(monkeypatch):
    seen = []
    monkeypatch.setattr(
        two_sample_module, "train", lambda network, dataset: seen.append(dataset.images)
    )
    trained_two_sample_test(TRAIN.images[:20], REAL[:20] + 0.001)
    np.testing.assert_array_equal(np.sort(seen[0][:10], 0), np.sort(seen[0][10:], 0))


@pytest.mark.parametrize(
    "x, y", [((5, 1, 8, 8), (4, 1, 8, 8)), ((3, 1, 8, 8), (3, 1, 8, 8)), ((9, 8, 8), (9, 8, 8))]
)
def test_sets_of_other_shapes_are_refused_by_the_network(x, y):
    with pytest.raises(ValueError, match="expected one shape .n, C, H, W., n at least 4"):
        trained_two_sample_test(np.zeros(x, np.uint8), np.zeros(y, np.uint8))


def test_the_two_sample_script_compares_a_data_set_and_an_array(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(classifier, "LEAST_STEPS", 20)
    np.save(tmp_path / "samples.npy", REAL[:100].repeat(2, 2).repeat(2, 3))
    two_sample.main(["digits", str(tmp_path / "samples.npy"), "-n", "80"])
    said = capsys.readouterr().out
    assert (
        "80 images of each, 8 x 8" in said
        and "on the 80 not seen, p = " in said
        and "nearest neighbour" in said
    )
    with pytest.raises(SystemExit):
        two_sample.main(["digits", "nowhere"])
    assert "nowhere is no data set and no path" in capsys.readouterr().err


def npz_named_npy(path):
    with open(path, "wb") as file:
        np.savez(file, images=TRAIN.images[:20])


BAD_SAMPLES = {
    "empty.npy": (lambda path: path.write_bytes(b""), "it begins b''"),
    "none.npy": (
        lambda path: np.save(path, REAL[:0]),
        r"its array has shape (0, 1, 8, 8), expected images",
    ),
    "npz.npy": (npz_named_npy, "it begins b'PK"),
    "flat.npy": (
        lambda path: np.save(path, REAL[:20, 0]),
        "its array has shape (20, 8, 8), expected images",
    ),
    "number.npy": (lambda path: np.save(path, 3.0), "its array has shape (), expected images"),
    "object.npy": (
        lambda path: np.save(path, np.array([{}, []], object)),
        "Object arrays cannot be loaded",
    ),
    "pickle.npy": (lambda path: path.write_bytes(b"\x80\x04]\x94."), "as an .npy file does"),
    "nan.npy": (
        lambda path: np.save(path, np.full((20, 1, 8, 8), np.nan)),
        "float64 from nan to nan",
    ),
    "infinite.npy": (
        lambda path: np.save(path, np.full((20, 1, 8, 8), np.inf)),
        "float64 from inf to inf",
    ),
    "bytes.npy": (
        lambda path: np.save(path, REAL[:20] * 255),
        "expected uint8, or floats in [-1, 1]",
    ),
    "whole.npy": (
        lambda path: np.save(path, np.zeros((20, 1, 8, 8), int)),
        "are int64, expected uint8",
    ),
    "complex.npy": (lambda path: np.save(path, REAL[:20] * 1j), "are complex64, expected uint8"),
    "bool.npy": (lambda path: np.save(path, REAL[:20] > 0), "are bool, expected uint8"),
    "named.npy": (
        lambda path: np.save(path, np.zeros((20, 1, 8, 8), [("x", "f4")])),
        "expected uint8",
    ),
    "colour.npy": (
        lambda path: np.save(path, REAL[:20].repeat(3, 1)),
        "expected one shape (n, C, H, W)",
    ),
    "few.npy": (lambda path: np.save(path, REAL[:3]), "n at least 4"),
    "one.npy": (lambda path: np.save(path, REAL[:1]), "with n at least 2"),
    "short.npy": (
        lambda path: np.save(path, REAL[:20]) or path.write_bytes(path.read_bytes()[:-1]),
        "bytes follow",
    ),
    "folder.npy": (lambda path: path.mkdir(), "folder.npy is a folder, expected a regular file"),
    "pipe.npy": (lambda path: os.mkfifo(path), "pipe.npy is a named pipe, expected a regular file"),
    "gone.npy": (lambda path: None, "there is no file"),
    "empty.npz": (lambda path: path.write_bytes(b""), "File is not a zip file"),
    "pipe.npz": (lambda path: os.mkfifo(path), "pipe.npz is a named pipe, expected a regular file"),
}


@pytest.mark.parametrize("name", BAD_SAMPLES)
def test_the_two_sample_script_refuses_what_holds_no_images_in_one_sentence(tmp_path, capsys, name):
    make, message = BAD_SAMPLES[name]
    make(tmp_path / name)
    with pytest.raises(SystemExit) as caught:
        two_sample.main(["digits", str(tmp_path / name)])
    said = capsys.readouterr().err
    assert caught.value.code == 2 and message in said and said.count("\n") == 1


@pytest.mark.parametrize("dtype", ["u1", ">f4", "<f8"])
def test_the_two_sample_script_reads_samples_of_any_type_and_byte_order(
    tmp_path, monkeypatch, capsys, dtype
):
    monkeypatch.setattr(classifier, "LEAST_STEPS", 5)
    samples = TRAIN.images[:20] if dtype == "u1" else np.asfortranarray(REAL[:20].astype(dtype))
    np.save(tmp_path / "a.npy", samples)
    (tmp_path / "a.npy").rename(tmp_path / "A.NPY")
    two_sample.main(["digits", str(tmp_path / "A.NPY")])
    expected = capsys.readouterr().out
    np.save(tmp_path / "b.npy", REAL[:20])
    two_sample.main(["digits", str(tmp_path / "b.npy")])
    assert expected == capsys.readouterr().out


# ---- the script


def evaluate(*arguments, cwd):
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "evaluate.py"), *arguments],
        cwd=cwd,
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_the_script_reports_on_a_run(tmp_path):
    train = [
        str(EXAMPLES / "train_dcgan.py"),
        "--steps",
        "2",
        "--width",
        "8",
        "--quiet",
        "--out",
        "run",
    ]
    subprocess.run(
        [sys.executable, *train],
        cwd=tmp_path,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    done = evaluate("run", "-n", "50", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("device cpu") and "quality of 50 samples" in done.stdout
    for row in (
        "Inception-style score",
        "Frechet distance",
        "precision",
        "recall",
        "density",
        "coverage",
        "trained network's two-sample test",
        "Parzen log-likelihood",
        "1-nearest-neighbour two-sample test",
    ):
        figures = re.search(
            rf"^{row}[a-z, ]* +(\S+) +(\S+)", done.stdout, re.M
        )  # of the samples, of real images
        assert figures and all(
            np.isfinite(float(figure.rstrip("%"))) for figure in figures.groups()
        ), row
    (tmp_path / "run" / "config.json").write_text("{}")
    done = evaluate("run", cwd=tmp_path)
    assert (
        done.returncode == 2
        and "config.json is damaged" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_the_script_refuses_what_is_no_run(tmp_path):
    done = evaluate("nowhere", cwd=tmp_path)
    assert (
        done.returncode == 2
        and "there is no checkpoint nowhere" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_data_are_compared_at_the_smaller_size(monkeypatch):
    monkeypatch.setattr(classifier, "LEAST_STEPS", 5)
    assert (
        "8 x 8, against 360 test images of digits, 8 x 8"
        in report_module.measure(REAL[:50], "digits").title
    )
    larger = report_module.measure(REAL[:50].repeat(3, 2).repeat(3, 3), "digits")
    assert "24 x 24, against 360 test images of digits, 8 x 8" in larger.title
    smaller = report_module.measure(area_resize(REAL[:50], 4, 4), "digits")
    assert (
        "4 x 4, against 360 test images of digits, 4 x 4" in smaller.title
        and smaller.resized_halves is None
    )


def test_without_a_test_split_a_fifth_of_the_training_images_stands_in(tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, image in enumerate(TRAIN.images[:20]):
        images.save_png(
            folder / f"{i:02}.png", image[0].repeat(1 + i % 2, 0).repeat(1 + i % 2, 1)
        )  # of two sizes
    train, test = report_module.load_splits(folder, 8)
    assert (len(train), len(test)) == (16, 4)
    assert "has no split 'test'" in capsys.readouterr().err
    assert "against 4 test images" in report_module.measure(REAL[:30], str(folder)).title


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"arguments": null}',
        b'{"arguments": {"data": 3, "data_dir": null}}',
        b'{"arguments": {"data": ["a"], "data_dir": null}}',
        b'{"arguments": {"data": "a", "data_dir": {}}}',
        b"[" * 100_000,
        b" " * (1 << 21),
    ],
)
def test_a_config_that_does_not_say_what_the_data_were_is_damaged(tmp_path, content):
    (tmp_path / "checkpoint.npz").write_bytes(b"")
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(
        ValueError, match="config.json (is damaged|does not say .*, give --data): "
    ) as caught:
        report_module.data_of(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_config_that_is_a_pipe_is_not_opened(tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"")
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(ValueError, match="config.json is a named pipe, expected a regular file"):
        report_module.data_of(tmp_path)


def test_images_of_many_sizes_in_one_of_two_kinds_are_compared_at_the_samples_size(tmp_path):
    (tmp_path / "pair" / "trainA").mkdir(parents=True)
    for i, image in enumerate(TRAIN.images[:20]):
        larger = image[0].repeat(1 + i % 2, 0).repeat(1 + i % 2, 1)
        images.save_png(tmp_path / "pair" / "trainA" / f"{i:02}.png", larger)
    assert (
        "against 4 test images"
        in report_module.measure(REAL[:30], "pair:A", data_dir=tmp_path).title
    )


def test_a_checkpoint_alone_does_not_name_its_data(tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="give --data"):
        report_module.data_of(tmp_path)
    with files.whole_file(tmp_path / "config.json") as file:
        file.write(json.dumps({"arguments": {"data": "mnist", "data_dir": "there"}}).encode())
    assert report_module.data_of(tmp_path / "checkpoint.npz") == ("mnist", "there")
