"""Two kinds of images, A and B, and pairs of them that are trained on apart."""

import os

import numpy as np
import pytest
from cyclegan_runs import noise, write_pairs

from minigan import training
from minigan.data import pairs

pytest.importorskip("PIL", reason="scripts need Pillow")
pytest.importorskip("matplotlib", reason="scripts need Matplotlib")
import train_cyclegan  # noqa: E402


def images_of(*options):
    """What train_cyclegan.py would train on."""
    settings = train_cyclegan.PAPER, train_cyclegan.DIGITS
    argv = ["--quiet", "--image-size", "8", "--load-size", "8", *map(str, options)]
    args = training.parse("cyclegan", "", train_cyclegan.OPTIONS, *settings, argv)
    return training.translation.domains(args)


def test_halves_of_pairs_share_no_source_and_test_pairs_stay_pairs(tmp_path):
    write_pairs(tmp_path / "pairs.npz")
    both = "--data-a", "pairs.npz", "--data-b", "pairs.npz:masks", "--data-dir", tmp_path
    found = images_of(*both, "--halves", "source")
    a = found.a[:, 0, 0, 0]
    b = found.b[:, 0, 0, 0] - 100
    assert sorted([*a, *b]) == list(range(16))
    assert len(a) == 8
    sources_of_a = set(a // 2)
    sources_of_b = set(b // 2)
    assert not sources_of_a & sources_of_b
    assert found.paired
    np.testing.assert_array_equal(found.test_b - 100, found.test_a)
    assert len(found.test_a) == 4


def test_grey_beside_colour_becomes_colour(tmp_path):
    np.savez(tmp_path / "grey.npz", images=noise(8, 8, 8))
    np.savez(tmp_path / "colour.npz", images=noise(9, 8, 8, 3))
    found = images_of("--data-a", tmp_path / "grey.npz", "--data-b", tmp_path / "colour.npz")
    assert found.a.shape == (8, 3, 8, 8)
    assert (found.a[:, 0] == found.a[:, 2]).all()
    assert found.b.shape == (9, 3, 8, 8)
    assert not found.paired


# ---- digits, drawn and embossed


def test_embossed_digits_are_lit_from_above_left():
    drawn = np.zeros((1, 1, 5, 5), np.uint8)
    drawn[0, 0, 2, 2] = 255
    (colours,) = pairs.embossed(drawn)
    brightness = colours.astype(int).sum(0)
    relief = brightness - brightness[0, 4]
    light = relief[1, 1]
    height = relief[2, 2]
    shadow = relief[3, 3]
    assert light > height > 0 > shadow
    assert np.count_nonzero(relief) == 3


def test_no_digit_is_seen_both_drawn_and_embossed():
    images = pairs.digits(16, 16)
    grey = images.a[:, :1]
    embossed_a = {x.tobytes() for x in pairs.embossed(grey)}
    seen_b = {x.tobytes() for x in images.b}
    assert not embossed_a & seen_b
    assert len(images.a) + len(images.b) == 1437
    assert len(images.test_a) == 360
    assert len(images.test_b) == 360
    grey = images.test_a[:, :1]
    np.testing.assert_array_equal(pairs.embossed(grey), images.test_b)


# ---- what does not divide pairs

BOTH = "pairs.npz", "pairs.npz:masks"  # of one file


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"split": np.zeros(3, int)}, "source has shape (20,) and split (3,), expected one shape"),
        (
            {"source": np.zeros((20, 2)), "split": np.zeros(20, int)},
            "source has shape (20, 2) and 1 values",
        ),
        ({"source": np.array([{}] * 20, object)}, "Object arrays cannot be loaded"),
    ],
)
def test_an_array_that_does_not_divide_the_pairs_is_refused(tmp_path, arrays, message):
    kept = {"images": noise(20, 8, 8), "source": np.arange(20) // 2}
    np.savez(tmp_path / "pairs.npz", **{**kept, **arrays})
    with pytest.raises(ValueError) as caught:
        pairs.first_half(BOTH, "source", tmp_path)
    assert message in str(caught.value)


def test_a_pipe_is_not_opened_to_divide_the_pairs(tmp_path):
    os.mkfifo(tmp_path / "pairs.npz")
    with pytest.raises(ValueError, match="pairs.npz is a named pipe, expected a regular file"):
        pairs.first_half(BOTH, "source", tmp_path)
