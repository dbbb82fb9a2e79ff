"""Every kind of image file is read: its orientation, transparency, depth, pages and damage."""

import os

import numpy as np
import pytest
from data_files import bytes_of, decoded, exif_of, read_hwc
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan.data import images

Image = pytest.importorskip("PIL.Image", reason="images are read, resized and written by Pillow")


def upright(pixels, orientation):
    """What EXIF's orientation 1 to 8 makes of (H, W, C), as its standard says: where row 0 and
    column 0 are.
    """
    turned = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: np.rot90(pixels, -1),
        7: pixels[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(pixels),
    }
    return turned[orientation]


@pytest.mark.parametrize(
    "name, options",
    [
        ("a.png", {}),
        ("a.webp", {"lossless": True}),
        ("a.tif", {}),
        ("a.tiff", {"compression": "tiff_lzw"}),
        ("a.tif", {"compression": "raw"}),
        ("a.tif", {"compression": "tiff_deflate"}),
    ],
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_orientation_in_every_kind_of_file_stands_upright_to_the_bit(
    tmp_path, name, options, mode
):
    pixels = bytes_of(4, 7, 3)
    if mode == "L":
        pixels = pixels[:, :, :1].repeat(3, axis=2)
    picture = Image.fromarray(pixels).convert(mode)
    for orientation in range(1, 9):
        exif = exif_of(orientation)
        picture.save(tmp_path / name, exif=exif, **options)
        found = read_hwc(tmp_path / name)
        channels = found.shape[2]
        expected = upright(pixels, orientation)
        assert np.array_equal(found, expected[:, :, :channels])


def test_an_oriented_jpeg_has_the_size_of_the_picture_turned_upright(tmp_path):
    for orientation in range(1, 9):
        exif = exif_of(orientation)
        Image.new("RGB", (9, 4)).save(tmp_path / "a.jpg", exif=exif)
        found = images.read_image(tmp_path / "a.jpg")
        expected = (3, 4, 9) if orientation < 5 else (3, 9, 4)
        assert found.shape == expected


def on_white(colour, alpha):
    """A colour from 0 to 255 under an opacity from 0 to 255 on white paper."""
    opacity = alpha / 255
    return colour * opacity + 255 * (1 - opacity)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_transparency_is_laid_on_white_whatever_the_bands(
    tmp_path_factory, height, width, band, seed
):
    path = tmp_path_factory.getbasetemp() / "rgba.png"
    pixels = bytes_of(height, width, 4, seed=seed)
    picture = Image.fromarray(pixels)
    red, _, _, alpha = picture.split()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "BAND", band)
        picture.save(path)
        found = read_hwc(path)
        Image.merge("LA", [red, alpha]).save(path)
        grey = images.read_image(path)
    colours = pixels[:, :, :3].astype(float)
    expected = on_white(colours, pixels[:, :, 3:])
    assert abs(found - expected).max() <= 1
    assert grey.shape == (1, height, width)
    assert abs(grey[0] - expected[:, :, 0]).max() <= 1


def test_one_colour_that_stands_for_transparency_becomes_white(tmp_path):
    path = tmp_path / "a.png"
    grey = np.array([[5, 6], [7, 5]], np.uint8)
    Image.fromarray(grey).save(path, transparency=5)
    assert images.read_image(path).tolist() == [[[255, 6], [7, 255]]]

    colour = bytes_of(2, 2, 3)
    first = tuple(colour[0, 0].tolist())
    Image.fromarray(colour).save(path, transparency=first)
    found = read_hwc(path)
    assert found[0, 0].tolist() == [255] * 3
    assert np.array_equal(found[1], colour[1])

    palette = Image.fromarray(colour).quantize(4)
    colours = np.asarray(palette.convert("RGB"))
    palette.save(path, transparency=bytes([0, 255, 255, 255]))
    is_clear = np.asarray(palette) == 0
    expected = np.where(is_clear[:, :, None], 255, colours)
    assert np.array_equal(read_hwc(path), expected)


@pytest.mark.parametrize(
    "name, options", [("a.gif", {}), ("a.tif", {}), ("a.png", {}), ("a.webp", {"lossless": True})]
)
def test_of_several_pictures_the_first_is_read_and_that_is_said(tmp_path, name, options):
    path = tmp_path / name
    first = Image.new("RGB", (4, 4), (200, 10, 30))
    second = Image.new("RGB", (4, 4), (0, 0, 255))
    first.save(path, save_all=True, append_images=[second], **options)
    found = decoded(path)
    assert found.pixels[:, 2, 2].tolist() == [200, 10, 30]
    assert found.notes == (images.MANY,)
    first.save(path, **options)
    assert decoded(path).notes == ()


@pytest.mark.parametrize("kind", ["EPS", "PDF", "ICO", "TGA"])
def test_a_file_of_another_kind_is_no_image_whatever_its_name(tmp_path, kind):
    path = tmp_path / "a.png"
    Image.new("RGB", (16, 16)).save(path, kind)
    with pytest.raises(
        ValueError, match="a.png: it is not an image of the kinds PNG, JPEG"
    ) as caught:
        images.read_image(path)
    assert "0x" not in str(caught.value)


def test_images_are_read_from_regular_files_alone(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name, target, message in (
        ("zero.png", "/dev/zero", "is a device"),
        ("folder", "folder.png", "is a folder"),
        ("gone.png", "nowhere", "No such file"),
        ("loop.png", "loop.png", "symbolic links"),
    ):
        os.symlink(target, tmp_path / name)
        with pytest.raises(ValueError, match=f"cannot read the image .*{name}: .*{message}"):
            images.read_image(tmp_path / name)


# Above, the expected bits; here, that a damaged file gives its image or one sentence.
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.tif", "a.webp", "a.bmp", "a.ppm"])
def test_a_damaged_image_gives_pixels_or_a_sentence(tmp_path, name):
    path = tmp_path / name
    Image.fromarray(bytes_of(9, 7, 3)).save(path)
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            content[place] = generator.integers(256)
        length = generator.integers(1, len(whole) + 1)
        path.write_bytes(content[:length])
        try:
            found = images.read_image(path)
            assert found.dtype == np.uint8
        except ValueError as error:
            said = str(error)
            assert f"cannot read the image {path}: " in said
            assert "\n" not in said
