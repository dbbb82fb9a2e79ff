"""Images of 16 bits a channel are scaled to 8, and those of fewer bits are, too."""

import struct

import numpy as np
import pytest
from data_files import bytes_of, decoded, exif_of, read_hwc, with_png_chunk

from minigan import data
from minigan.data import images

Image = pytest.importorskip("PIL.Image", reason="images are read, resized and written by Pillow")

VALUES = [0, 127, 128, 257, 5000, 65535, 65407, 65406, 32768, 300]
DEEP = np.array(VALUES, np.uint16).reshape(2, 5)
SCALED = np.rint(DEEP / 257).astype(np.uint8)


def pgm(values, greatest):
    """The bytes of a PGM file whose greatest possible value is given."""
    height, width = values.shape
    header = f"P5 {width} {height} {greatest}\n"
    words = values.astype(">u2")
    return header.encode() + words.tobytes()


def check_scaled(path):
    found = decoded(path)
    assert np.array_equal(found.pixels[0], SCALED)
    assert found.notes == (images.DEEP,)
    assert images.read_header(path)[:3] == (1, 2, 5)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_grey_values_of_16_bits_are_scaled_whatever_of_them_is_used(tmp_path, name):
    Image.fromarray(DEEP).save(tmp_path / name)
    check_scaled(tmp_path / name)


def test_so_are_those_of_a_pgm_from_its_own_greatest_value(tmp_path):
    path = tmp_path / "a.pgm"
    path.write_bytes(pgm(DEEP, 65535))
    check_scaled(path)
    path.write_bytes(pgm(DEEP % 4096, 4095))
    expected = DEEP % 4096 / 4095 * 255
    found = images.read_image(path)
    assert abs(found[0] - expected).max() <= 0.51


def test_deep_grey_values_stand_upright_and_transparent_ones_become_white(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(DEEP).save(path, exif=exif_of(6))
    clear = struct.pack(">H", 5000)
    content = path.read_bytes()
    content = with_png_chunk(content, b"tRNS", clear, before=b"IDAT")
    path.write_bytes(content)
    expected = np.where(DEEP == 5000, 255, SCALED)
    found = images.read_image(path)
    assert np.array_equal(found[0], np.rot90(expected, -1))


@pytest.mark.parametrize("mode, value", [("I", np.int32(70_000)), ("F", np.float32(0.5))])
def test_what_has_more_bits_is_refused_instead_of_clipped(tmp_path, mode, value):
    path = tmp_path / "a.tif"
    pixels = np.full((3, 3), value)
    Image.fromarray(pixels).save(path)
    expected = f"its pixels have mode {mode}, expected 8 or 16 bits a channel"
    with pytest.raises(ValueError, match=expected):
        images.read_image(path)


def test_colours_of_16_bits_keep_their_upper_8_and_fewer_bits_are_scaled(tmp_path):
    path = tmp_path / "a.ppm"
    colour = bytes_of(3, 3, 3)
    words = colour.astype(">u2") * 257
    path.write_bytes(b"P6 3 3 65535\n" + words.tobytes())
    assert np.array_equal(read_hwc(path), colour)
    assert decoded(path).notes == (images.DEEP,)

    nibbles = colour // 16
    path.write_bytes(b"P6 3 3 15\n" + nibbles.tobytes())
    assert np.array_equal(read_hwc(path), nibbles * 17)
    assert decoded(path).notes == ()

    is_white = colour[:, :, 0] > 99
    Image.fromarray(is_white).save(tmp_path / "a.png")
    found = images.read_image(tmp_path / "a.png")
    assert np.array_equal(found[0], is_white * 255)


def test_an_npz_file_of_16_bits_is_scaled_but_not_its_masks(tmp_path):
    path = tmp_path / "a.npz"
    deep = DEEP.reshape(1, 2, 5)
    np.savez(path, images=deep)
    assert np.array_equal(data.load(path).images[0, 0], SCALED)
    np.savez(path, images=deep, masks=deep)
    with pytest.raises(ValueError, match="masks is uint16, expected uint8 from 0 to 255$"):
        data.load(path)
