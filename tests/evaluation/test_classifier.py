"""The classifier that judges images: trained in one way, kept in a cache, its classes counted."""

import numpy as np
import pytest
from digits import TEST, TRAIN, part

import minigan as mg
from minigan import data
from minigan.data import images
from minigan.evaluation import classifier
from minigan.evaluation.classifier import area_resize, trained_classifier, translate
from minigan.evaluation.report import quality


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
