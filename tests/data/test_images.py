"""Bytes survive the round trip; resizing cuts squares from the middle, and averages."""

import numpy as np
import pytest
from data_files import bytes_of
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minigan import data
from minigan.data import folders, images

Image = pytest.importorskip("PIL.Image", reason="images are read, resized and written by Pillow")


# ---- codes


def test_all_256_bytes_survive_the_way_to_floats_and_back():
    x = np.arange(256, dtype=np.uint8)
    y = images.to_float(x)
    assert y.dtype == np.float32
    assert y[0] == -1
    assert y[255] == 1
    expected = np.arange(256) / 127.5 - 1
    assert_allclose(y, expected, atol=1e-7)
    for dtype in ("float16", "float32", "float64"):
        floats = y.astype(dtype)
        back = images.to_uint8(floats)
        assert_array_equal(back, x)


def test_floats_are_rounded_and_clipped():
    step = 2 / 255
    black = [-1e30, -1.2, -1 + 0.49 * step]
    almost_black = [-1 + 0.51 * step]
    white = [1 - 0.49 * step, 1.2, 1e30]
    floats = np.array(black + almost_black + white)
    found = images.to_uint8(floats)
    assert_array_equal(found, 3 * [0] + [1] + 3 * [255])


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_pixels_that_are_not_finite_are_refused(value):
    floats = np.zeros(3)
    floats[1] = float(value)
    with pytest.raises(ValueError, match="1 of 3 pixels are not finite"):
        images.to_uint8(floats)


def test_each_code_refuses_the_other():
    coded = bytes_of(3)
    floats = coded.astype("float32")
    with pytest.raises(TypeError, match="images are float32, expected uint8"):
        images.to_float(floats)
    with pytest.raises(TypeError, match="images are uint8, expected floats"):
        images.to_uint8(coded)


# ---- resizing


FILTERS = {5: "LANCZOS", 11: "LANCZOS", 13: "HAMMING"}


@pytest.mark.parametrize("size", FILTERS)
def test_the_filters_are_lanczos_where_it_shrinks_and_hamming_where_it_grows(size):
    batch = bytes_of(1, 1, 12, 12)
    picture = Image.fromarray(batch[0, 0])
    kernel = Image.Resampling[FILTERS[size]]
    expected = picture.resize((size, size), kernel)
    found = images.resize(batch, size)
    assert_array_equal(found[0, 0], expected)


LENGTHS = st.integers(1, 20)
BYTES = st.integers(0, 255)
SMALL = st.integers(0, 6)


@given(LENGTHS, LENGTHS, LENGTHS, BYTES)
@settings(deadline=None, max_examples=60)
def test_a_plain_image_stays_plain_at_every_size(height, width, size, value):
    plain = np.full((2, 3, height, width), value, np.uint8)
    resized = images.resize(plain, size)
    assert resized.shape == (2, 3, size, size)
    assert (resized == value).all()


@given(LENGTHS, SMALL, st.booleans())
@settings(deadline=None, max_examples=40)
def test_the_largest_centred_square_is_what_is_kept(side, margin, tall):
    square = bytes_of(1, 3, side, side)
    margins = np.zeros((4, 2), int)
    axis = 2 if tall else 3
    margins[axis] = margin
    padded = np.pad(square, margins)
    resized = images.resize(padded, side)
    assert_array_equal(resized, square)


def test_the_size_that_is_already_there_costs_nothing():
    x = bytes_of(2, 1, 8, 8)
    assert images.resize(x, 8) is x


def test_shrinking_averages_instead_of_picking_pixels():
    x = np.zeros((1, 1, 64, 64), np.uint8)
    # Stripes one pixel wide: picking every eighth pixel would give all black or all white.
    x[..., ::2] = 255
    small = images.resize(x, 8).astype(int)
    middle = small[..., 1:-1]
    assert np.abs(middle - 127).max() <= 2


def test_enlarging_is_smooth_and_keeps_the_picture():
    digit = data.load("digits").images[:1]
    large = images.resize(digit, 64)

    def greatest_step(x):
        pixels = x.astype(int)
        steps = np.diff(pixels, axis=3)
        return np.abs(steps).max()

    assert greatest_step(large) < 60 < greatest_step(digit)
    # The mean of each 8x8 block, against its one pixel.
    blocks = large.reshape(8, 8, 8, 8)
    means = blocks.mean(axis=(1, 3))
    pixels = digit.ravel()
    correlation = np.corrcoef(means.ravel(), pixels)
    assert correlation[0, 1] > 0.97


@pytest.mark.parametrize("size", [0, -1, 2.0, False, "8"])
def test_impossible_sizes_are_refused(size):
    x = bytes_of(1, 1, 4, 4)
    message = f"image_size is {size!r}, expected a whole number of at least 1"
    with pytest.raises(ValueError, match=message):
        images.resize(x, size)


# ---- images that are no squares


def test_the_largest_centred_part_of_the_shape_is_kept():
    picture = bytes_of(1, 3, 6, 10)
    upright = images.resize(picture, (6, 4))
    assert_array_equal(upright, picture[..., 3:7])
    flat = images.resize(picture, "2x10")
    assert_array_equal(flat, picture[..., 2:4, :])
    assert images.resize(picture, (6, 10)) is picture


@pytest.mark.parametrize("height", [5, 20])
def test_the_whole_is_resized_where_the_shape_is_the_same(height):
    """By Lanczos where it shrinks, and by Hamming where it grows."""
    width = 2 * height
    batch = bytes_of(1, 1, 10, 20)
    kernel = "LANCZOS" if height < 10 else "HAMMING"
    picture = Image.fromarray(batch[0, 0])
    expected = picture.resize((width, height), Image.Resampling[kernel])
    found = images.resize(batch, (height, width))
    assert_array_equal(found[0, 0], expected)


@pytest.mark.parametrize("kept", [1 << 20, 0])
def test_a_folder_is_read_at_an_oblong_size(tmp_path, monkeypatch, kept):
    """All at once, and one image after the other."""
    monkeypatch.setattr(folders, "KEPT", kept)
    batch = bytes_of(2, 12, 9, 3)
    for name, pixels in zip("ab", batch):
        path = tmp_path / f"{name}.png"
        Image.fromarray(pixels).save(path)
    found = data.load(tmp_path, "4x6").images
    assert found.shape == (2, 3, 4, 6)
    assert found.is_kept == bool(kept)
    whole = batch.transpose(0, 3, 1, 2)
    expected = images.resize(whole, (4, 6))
    assert_array_equal(np.asarray(found), expected)


NUMBERED = np.arange(20, dtype="uint8")
NUMBERED = NUMBERED.reshape(1, 1, 4, 5)


@pytest.mark.parametrize("crop", [(2, 3), "2x3"])
def test_a_crop_may_be_oblong_and_lies_everywhere(crop):
    batches = data.Batches(NUMBERED, 1, crop=crop)
    corners = set()
    for _ in range(200):
        batch = next(batches)
        pixels = images.to_uint8(batch.numpy())
        corner = int(pixels.min())
        above, below = pixels[0, 0]
        assert_array_equal(above, range(corner, corner + 3))
        assert_array_equal(below, above + 5)
        corners.add(corner)
    assert corners == {0, 1, 2, 5, 6, 7, 10, 11, 12}


@pytest.mark.parametrize("crop", [(5, 2), (2, 6), "1x9"])
def test_a_crop_that_does_not_fit_is_refused(crop):
    message = "crop is . x ., expected at most the images' 4 x 5"
    with pytest.raises(ValueError, match=message):
        data.Batches(NUMBERED, 1, crop=crop)
