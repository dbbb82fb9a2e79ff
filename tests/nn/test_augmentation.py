"""DiffAugment: each change by its formula, with random numbers that are known."""

import itertools

import numpy as np
import pytest
from data_files import bytes_of
from numpy.testing import assert_array_equal
from torch_twin import close

import minigan as mg
from minigan import nn, ops, rng

SHAPE = (50, 3, 12, 16)


def changed(policy, x, seed=0):
    rng.manual_seed(seed)
    y = nn.DiffAugment(policy)(mg.tensor(x))
    return y.numpy()


def test_color_changes_brightness_then_saturation_then_contrast():
    x = np.random.default_rng(1).standard_normal(SHAPE)
    found = changed("color", x)
    rng.manual_seed(0)
    brightness, saturation, contrast = rng.generator.random((3, 50, 1, 1, 1))
    bright = x + brightness - 0.5
    grey = bright.mean(1, keepdims=True)
    saturated = grey + (bright - grey) * 2 * saturation
    middle = saturated.mean((1, 2, 3), keepdims=True)
    expected = middle + (saturated - middle) * (contrast + 0.5)
    close(mg.tensor(found), expected)


def test_translation_moves_up_to_an_eighth_and_lets_zeros_in():
    x = mg.tensor(1.0 + bytes_of(*SHAPE))
    found = changed("translation", x)
    places = list(itertools.product(range(-3, 4), repeat=2))
    expected = {}  # the images moved by each distance
    for down, right in places:
        moved = ops.shift(x, 50 * [down], 50 * [right])
        expected[down, right] = moved.numpy()
    distances = set()
    for i, image in enumerate(found):
        (distance,) = [place for place in places if (expected[place][i] == image).all()]
        distances.add(distance)
    downs, rights = map(set, zip(*distances))
    assert downs == {-2, -1, 0, 1, 2}
    assert rights == {-2, -1, 0, 1, 2}


def test_cutout_zeroes_a_rectangle_of_half_the_sides_that_may_lie_over_the_border():
    found = changed("cutout", np.ones(SHAPE))
    areas = []
    for image in found:
        assert_array_equal(image, np.broadcast_to(image[:1], image.shape))
        hole = image[0] == 0
        rows, columns = hole.any(1), hole.any(0)
        assert_array_equal(hole, np.outer(rows, columns))
        assert 3 <= rows.sum() <= 6
        assert 4 <= columns.sum() <= 8
        areas.append(hole.sum())
    assert max(areas) == 6 * 8
    assert min(areas) < 6 * 8


@pytest.mark.parametrize("policy", ["color", "translation", "cutout", "color,translation,cutout"])
def test_the_gradient_passes_through_every_change(policy):
    def f(x):
        rng.manual_seed(3)
        y = nn.DiffAugment(policy)(x)
        return y * y

    x = np.random.default_rng(0).standard_normal((2, 2, 3, 4))
    mg.gradcheck(f, [x])


def test_without_a_policy_and_in_evaluation_images_stay_as_they_are():
    x = mg.randn(2, 1, 4, 4)
    before = rng.state_dict()
    assert nn.DiffAugment("")(x) is x
    assert nn.DiffAugment().eval()(x) is x
    assert rng.state_dict() == before


@pytest.mark.parametrize("policy", ["colour", "cutout,color", "color,color", "color,", ","])
def test_other_policies_are_refused(policy):
    message = f"the augmentation is {policy!r}, expected some of color,translation,cutout"
    with pytest.raises(ValueError, match=message):
        nn.DiffAugment(policy)
