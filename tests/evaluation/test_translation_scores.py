"""Scores of a translation whose truth is known: overlap of masks, thresholds, recolouring."""

from pathlib import Path

import numpy as np
import pytest
from cyclegan_runs import noise

import minigan as mg
from minigan.data import pairs
from minigan.data.images import to_float
from minigan.evaluation import translation

SHARED = Path(__file__).parents[3] / "shared" / "data"


def test_dice_of_nothing_everything_and_half():
    empty = np.zeros((4, 4), bool)
    full = np.ones((4, 4), bool)
    half = empty.copy()
    half[:2] = True
    assert translation.dice(empty, empty) == 1
    assert translation.dice(full, full) == 1
    assert translation.dice(full, half) == pytest.approx(2 / 3)
    assert translation.dice(half, ~half) == 0


def variance_between(image, threshold):
    """The variance between the classes above a threshold and below, by its definition."""
    above = image > threshold
    if above.all() or not above.any():
        return 0.0
    below = ~above
    distance = image[above].mean() - image[below].mean()
    return above.mean() * below.mean() * distance**2


@pytest.mark.parametrize("seed", range(5))
def test_otsus_threshold_has_the_most_variance_between_the_classes(seed):
    rng = np.random.default_rng(seed)
    dark = rng.normal(60, 25, 80)
    light = rng.normal(150, 25, 40)
    values = np.concatenate([dark, light]).reshape(3, 40)
    image = values.clip(0, 255).astype(np.uint8)
    between = [variance_between(image, threshold) for threshold in range(256)]
    found = translation.otsu(image)
    assert between[found] == pytest.approx(max(between))


def test_the_best_recolouring_undoes_a_change_of_colours_and_nothing_else():
    x = noise(3, 1, 6, 6) // 32  # eight colours
    palette = noise(8, 3, seed=1)
    y = palette[x[:, 0]]  # (3, 6, 6, 3)
    y = y.transpose(0, 3, 1, 2).astype(float)
    np.testing.assert_allclose(translation.recoloured(x, y), y)
    shifted = np.roll(y, 1, axis=3)
    error = translation.recoloured(x, shifted) - shifted
    variance = shifted.var((0, 2, 3)).mean()
    assert np.square(error).mean() > 0.8 * variance


def figures(lines):
    """The rows of a report: [(method, its numbers)]."""
    found = []
    for line in lines:
        name = line[:40].strip()
        numbers = [float(text) for text in line[40:].split()]
        if numbers:
            found.append((name, numbers))
    return found


def test_the_report_of_a_perfect_and_of_an_idle_translation():
    a = noise(30, 1, 8, 8)
    b = noise(30, 1, 8, 8, seed=1) // 128 * 255  # masks
    images = pairs.Domains(
        a=a[:10],
        b=b[:10],
        test_a=a[10:],
        test_b=b[10:],
        paired=True,
    )
    known = to_float(images.test_a)
    truth = to_float(images.test_b)

    def perfect(x):
        np.testing.assert_array_equal(x.numpy(), known)
        return mg.tensor(truth)

    def idle(x):
        return x

    _, *lines = translation.report(images, perfect, idle).splitlines()
    rows = figures(lines)
    errors = dict(rows[:4])
    a_to_b, b_to_a = errors["translation"]
    _, as_it_is = errors["the image as it is"]
    assert a_to_b == 0
    assert b_to_a == as_it_is
    assert b_to_a > 20

    scores = dict(rows[4:])
    assert scores["translation"] == [1]
    masks = images.test_b > 0
    share = masks.mean((1, 2, 3))
    dice = 2 * share / (1 + share)
    assert scores["all foreground"] == [pytest.approx(dice.mean(), abs=1e-3)]


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real data sets are not at {SHARED}")
def test_otsu_scores_0_905_on_the_test_tiles_of_the_microscope_and_all_foreground_0_277():
    path = SHARED / "dsb2018_fluo_64.npz"
    images = mg.data.load(f"{path}:images", split="test").images
    masks = mg.data.load(f"{path}:masks", split="test").images > 0
    found = []
    everything = []
    for image, mask in zip(images[:, 0], masks[:, 0]):
        found.append(translation.dice(image > translation.otsu(image), mask))
        everything.append(translation.dice(np.ones_like(mask), mask))
    assert round(np.mean(found), 3) == 0.905
    assert round(np.mean(everything), 3) == 0.277
