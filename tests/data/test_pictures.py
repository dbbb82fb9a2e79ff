"""Batches become grids, PNGs and GIFs that hold them to the bit, and pictures are written whole."""

import os

import numpy as np
import pytest
from data_files import bytes_of
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.data import images

Image = pytest.importorskip("PIL.Image", reason="images are read, resized and written by Pillow")


def read(path):
    with Image.open(path) as file:
        return np.asarray(file)


# ---- grids


@given(
    st.integers(1, 12),
    st.sampled_from([1, 3]),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 3),
    st.integers(1, 3),
    st.one_of(st.none(), st.integers(1, 14)),
)
@settings(deadline=None, max_examples=80)
def test_every_image_stands_in_its_place_in_the_grid(
    n, channels, height, width, padding, scale, columns
):
    x = bytes_of(n, channels, height, width)
    grid = images.make_grid(x, columns, padding, scale)
    across = min(columns or int(np.ceil(np.sqrt(n))), n)
    down = -(-n // across)
    cell_height = height * scale + padding
    cell_width = width * scale + padding
    shape = [padding + down * cell_height, padding + across * cell_width]
    if channels == 3:
        shape.append(3)
    assert list(grid.shape) == shape
    assert grid.dtype == np.uint8
    for i in range(n):
        row = i // across
        column = i % across
        top = padding + row * cell_height
        left = padding + column * cell_width
        part = grid[top : top + height * scale, left : left + width * scale]
        part = part.reshape(height * scale, width * scale, channels)
        for dy in range(scale):
            for dx in range(scale):  # each of the scale x scale copies of the image's pixels
                assert np.array_equal(part[dy::scale, dx::scale], x[i].transpose(1, 2, 0))
    assert grid.sum(dtype=int) == scale**2 * x.sum(dtype=int)  # so all else is black


@pytest.mark.parametrize(
    "size, scale", [(8, 8), (16, 4), (28, 2), (32, 2), (33, 1), (64, 1), (128, 1)]
)
def test_small_images_are_enlarged_to_be_seen(size, scale):
    assert images.make_grid(bytes_of(1, 1, size, size), padding=0).shape == (
        size * scale,
        size * scale,
    )


def test_floats_bytes_and_tensors_give_the_same_grid():
    x = bytes_of(5, 3, 4, 4)
    floats = images.to_float(x)
    doubles = floats.astype(np.float64)
    tensor = mg.tensor(floats, requires_grad=True)
    expected = images.make_grid(x)
    for y in (floats, doubles, tensor):
        assert np.array_equal(images.make_grid(y), expected)


@pytest.mark.parametrize(
    "x, options, error, message",
    [
        (np.full((2, 1, 4, 4), np.nan), {}, ValueError, "32 of 32 pixels are not finite"),
        (np.zeros((2, 2, 4, 4)), {}, ValueError, r"images have shape \(2, 2, 4, 4\)"),
        (np.zeros((2, 4, 4)), {}, ValueError, r"images have shape \(2, 4, 4\)"),
        (np.zeros((0, 1, 4, 4)), {}, ValueError, r"images have shape \(0, 1, 4, 4\)"),
        (np.zeros((2, 1, 4, 4), np.int64), {}, TypeError, "images are int64"),
        (
            np.zeros((2, 1, 4, 4)),
            {"columns": 0},
            ValueError,
            "columns is 0, expected a whole number of at least 1",
        ),
        (np.zeros((2, 1, 4, 4)), {"padding": -1}, ValueError, "padding is -1"),
        (np.zeros((2, 1, 4, 4)), {"scale": 1.5}, ValueError, "scale is 1.5"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(x, options, error, message):
    with pytest.raises(error, match=message):
        images.make_grid(x, **options)


# ---- files


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_holds_the_grid_to_the_bit(tmp_path, channels):
    x = bytes_of(5, channels, 6, 6)
    for picture in (x, images.make_grid(x), images.to_float(x)):
        path = images.save_png(tmp_path / "new" / "grid.png", picture)
        assert np.array_equal(read(path), images.make_grid(x))
    assert os.listdir(path.parent) == ["grid.png"]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gif_has_every_frame_in_order_and_repeats(tmp_path, channels):
    shades = (0, 80, 160, 240)
    frames = [np.full((4, channels, 8, 8), shade, np.uint8) for shade in shades]
    path = images.save_gif(tmp_path / "training.gif", iter(frames))
    with Image.open(path) as gif:
        assert gif.n_frames == 4 and gif.info["duration"] == 100 and gif.info["loop"] == 0
        for number, shade in enumerate(shades):
            gif.seek(number)
            assert abs(np.asarray(gif.convert("L"))[20, 20] - shade) <= 3
    assert os.listdir(tmp_path) == ["training.gif"]


def test_a_gif_is_made_of_the_pictures_of_a_run(tmp_path):
    paths = [
        images.save_png(tmp_path / f"step-{shade}.png", np.full((1, 1, 8, 8), shade, np.uint8))
        for shade in (0, 50, 100, 150)
    ]
    with Image.open(images.save_gif(tmp_path / "training.gif", paths)) as gif:
        assert gif.n_frames == 4 and gif.size == (68, 68)


def test_the_same_images_give_the_same_files(tmp_path):
    x = bytes_of(4, 3, 8, 8)
    for save, name, argument in (
        (images.save_png, "a.png", x),
        (images.save_gif, "a.gif", [x, 255 - x]),
    ):
        first = save(tmp_path / name, argument).read_bytes()
        assert save(tmp_path / name, argument).read_bytes() == first


def test_a_picture_that_fails_midway_leaves_the_old_one_and_no_other_file(tmp_path):
    path = images.save_gif(tmp_path / "training.gif", [bytes_of(1, 1, 8, 8)])
    before = path.read_bytes()
    with pytest.raises(
        ValueError, match=r"have the sizes \[\(36, 36\), \(68, 68\)\], expected one"
    ):
        images.save_gif(path, [bytes_of(1, 1, 8, 8), np.zeros((36, 36), np.uint8)])
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ValueError, match="cannot read the image .*torn.png"):
        images.save_gif(path, [bytes_of(1, 1, 8, 8), tmp_path / "torn.png"])
    assert path.read_bytes() == before and sorted(os.listdir(tmp_path)) == [
        "torn.png",
        "training.gif",
    ]


@pytest.mark.parametrize(
    "save, name, argument, message",
    [
        (
            images.save_png,
            "a.jpg",
            bytes_of(1, 1, 4, 4),
            r"a.jpg, expected a name that ends in \.png",
        ),
        (images.save_png, "a", bytes_of(1, 1, 4, 4), r"ends in \.png"),
        (images.save_png, "a.png", np.zeros((4, 4)), r"a picture is float64 of shape \(4, 4\)"),
        (images.save_png, "a.png", bytes_of(4, 4, 2), r"shape \(4, 4, 2\)"),
        (images.save_png, "a.png", bytes_of(0, 4), r"shape \(0, 4\)"),
        (
            images.save_gif,
            "a.gif",
            [],
            r"the frames of .*a.gif have the sizes \[\], expected one size",
        ),
        (images.save_gif, "a.png", [bytes_of(1, 1, 4, 4)], r"ends in \.gif"),
    ],
)
def test_what_is_no_picture_is_refused_and_nothing_written(tmp_path, save, name, argument, message):
    with pytest.raises(ValueError, match=message):
        save(tmp_path / name, argument)
    assert os.listdir(tmp_path) == []


def test_without_pillow_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ImportError, match=r"needs Pillow.*minigan\[examples\]"):
        mg.data.load("digits", image_size=16)
    assert len(mg.data.load("digits")) == 1437  # which needs none
