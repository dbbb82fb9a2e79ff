"""The classifier that judges images: trained in one way, kept in a cache, its classes counted."""

import numpy as np
import pytest
from digits import REAL, TEST, TRAIN, part

import minigan as mg
from minigan import data
from minigan.data import images
from minigan.evaluation import classifier
from minigan.evaluation.classifier import area_resize, trained_classifier, translate
from minigan.evaluation.report import quality


def test_the_classifier_knows_the_test_digits_and_is_about_as_sure_as_it_is_right():
    network = trained_classifier(TRAIN)
    p = network.probabilities(images.to_float(TEST.images))
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-6)
    accuracy = (p.argmax(1) == TEST.labels).mean()
    confidence = p.max(1).mean()
    assert accuracy > 0.95
    assert 0.92 < confidence < 0.98


def weights(network):
    return {name: value.numpy() for name, value in network.state_dict().items()}


def test_training_is_repeatable_and_neither_moves_nor_uses_minigans_random_generator(fresh_cache):
    few = part(TRAIN, slice(200))
    trained = []
    for seed in (1, 2):
        mg.manual_seed(seed)
        before = mg.rng.state_dict()
        trained.append(weights(trained_classifier(few)))
        assert mg.rng.state_dict() == before
        for file in fresh_cache.iterdir():
            file.unlink()
    first, second = trained
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])


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


def cut(path, good):
    path.write_bytes(good[: len(good) // 2])


def flip(path, good):
    changed = bytearray(good)
    changed[len(good) // 2] ^= 1
    path.write_bytes(changed)


def write_foreign(path, good):
    mg.save(path, {"other": 1})


def empty(path, good):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, write_foreign, empty])
def test_a_damaged_file_is_noticed_and_replaced(fresh_cache, damage, capsys):
    few = part(TRAIN, slice(200))
    trained_classifier(few)
    (file,) = fresh_cache.iterdir()
    good = file.read_bytes()
    damage(file, good)
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
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (7, 1, 8, 8))
    x = x.astype(np.float32)
    features = network.features(x)
    assert features.shape == (7, count)
    assert (features >= 0).all()
    last = network.head[1]
    logits = features.astype(float) @ last.weight.numpy().T
    logits += last.bias.numpy()
    p = np.exp(logits)
    p /= p.sum(1, keepdims=True)
    np.testing.assert_allclose(network.probabilities(x), p, rtol=1e-4)


@pytest.mark.parametrize("size", [8, 16, 5, 4])
def test_features_of_many_images_are_those_of_each(size):
    network = classifier.Classifier(1, size, size, classes=3).eval()
    x = REAL[:7]
    features = network.features(x)
    many = network.features(np.concatenate([x] * 200))  # in blocks of 500
    expected = np.tile(features, (200, 1))
    np.testing.assert_allclose(many, expected, rtol=1e-3, atol=1e-6)


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
    words = tuple(map(str, names))
    sparse = []
    plain = []
    for dataset in (TRAIN, TEST):
        labels = spread[dataset.labels]
        numbers = np.searchsorted(names, labels)
        sparse.append(relabelled(dataset, labels))
        plain.append(relabelled(dataset, numbers, words))
    samples = TRAIN.images[:200]
    found = quality(samples, *sparse)
    expected = quality(samples, *plain)
    message = "the 10 labels that occur, from 3 to 4000000000, are counted as 10 classes"
    assert message in capsys.readouterr().err
    assert str(found) == str(expected)
    assert found.classes == words


def test_classes_that_do_not_occur_are_not_counted_and_that_is_said(fresh_cache, capsys):
    few = [part(dataset, dataset.labels < 3) for dataset in (TRAIN, TEST)]
    found = quality(few[0].images[:100], *few)
    assert found.classes == ("0", "1", "2")
    assert "are counted as 3 classes" in capsys.readouterr().err


def test_negative_labels_are_numbered_anew():
    few = part(TRAIN, TRAIN.labels < 3)
    negative = relabelled(few, few.labels - 1)
    (again,) = classifier.number_classes(negative)
    assert again.labels.tolist() == few.labels.tolist()
    assert again.classes == ("-1", "0", "1")


def test_labels_that_are_numbers_of_classes_stay_as_they_are_and_nothing_is_said(capsys):
    assert classifier.number_classes(TRAIN, TEST) == (TRAIN, TEST)
    bare = relabelled(TRAIN, TRAIN.labels)
    assert classifier.number_classes(bare) == (bare,)
    assert capsys.readouterr().err == ""


def test_more_classes_than_a_classifier_is_for_are_refused():
    train = relabelled(TRAIN, np.arange(len(TRAIN)))
    test = relabelled(TEST, np.arange(len(TEST)))
    message = "digits has 1437 different labels, expected at most 1000 classes"
    with pytest.raises(ValueError, match=message):
        quality(TRAIN.images[:100], train, test)


@pytest.mark.parametrize(
    "labels",
    [
        TRAIN.labels * 500_000,
        TRAIN.labels - 1,
        np.arange(len(TRAIN)),
    ],
)
def test_labels_that_are_no_numbers_of_classes_are_refused(labels):
    message = "digits has .* classes and labels from .* expected labels from 0 to"
    with pytest.raises(ValueError, match=message):
        trained_classifier(relabelled(TRAIN, labels))


def test_labels_beyond_the_names_of_the_classes_are_refused():
    named = relabelled(TRAIN, TRAIN.labels, ("a", "b"))
    message = "digits has 2 classes and labels from 0 to 9, expected labels from 0 to 1"
    with pytest.raises(ValueError, match=message):
        trained_classifier(named)


# ---- the classifier's parts


def test_translation_moves_a_dot_a_little_and_keeps_its_ink():
    dots = -np.ones((100, 1, 32, 32), np.float32)
    dots[:, :, 16, 16] = 1
    moved = (translate(dots, np.random.default_rng(0)) + 1) / 2
    np.testing.assert_allclose(moved.sum((1, 2, 3)), 1, rtol=1e-4)
    for grid in np.mgrid[:32, :32]:
        distance = (moved * grid).sum((1, 2, 3)) - 16
        largest = abs(distance).max()
        assert 2.5 < largest < 3.01
        assert abs(distance.mean()) < 0.6


@pytest.mark.parametrize(
    "old, new",
    [
        ((4, 6), (2, 3)),
        ((5, 7), (3, 2)),
        ((3, 3), (3, 3)),
        ((9, 4), (6, 3)),
    ],
)
def test_a_pixel_is_the_mean_over_the_area_that_it_covers(old, new):
    x = np.random.default_rng(0).standard_normal((2, 3, *old))
    height, width = new
    enlarged = x.repeat(height, 2).repeat(width, 3)
    # Now every new pixel covers old[0] x old[1] whole ones.
    covered = enlarged.reshape(2, 3, height, old[0], width, old[1])
    expected = covered.mean((3, 5))
    found = area_resize(x, *new)
    np.testing.assert_allclose(found, expected, atol=1e-12)
