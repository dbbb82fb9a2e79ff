"""Reading within limits: streams, arrays and members of archives are what they say, or refused."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from bombs import npy_head
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import data
from minigan.files import bounded

pytest.importorskip("PIL.Image", reason="images are read by Pillow")


@given(st.integers(0, 300), st.integers(0, 300), st.booleans())
@settings(deadline=None, max_examples=60)
def test_reading_exactly_takes_all_of_a_stream_or_none(count, size, packed):
    content = bytes(i % 251 for i in range(size))
    file = io.BytesIO(gzip.compress(content) if packed else content)
    with bounded.unfolded(file) as stream:
        if size == count:
            assert bounded.read_exactly(stream, count, most=300) == content
            return
        message = "it ends after" if size < count else "it goes on after"
        with pytest.raises(ValueError, match=message):
            bounded.read_exactly(stream, count, most=300)


def test_a_limited_stream_gives_what_is_allowed_and_no_more():
    stream = bounded.Limited(io.BytesIO(bytes(100)), 60)
    assert len(stream.read(50)) == 50
    assert len(stream.read(10)) == 10
    with pytest.raises(ValueError, match="it unfolds to more than 60 bytes"):
        stream.read(1)


@given(st.binary(max_size=40), st.integers(0, 140), st.integers(0, 255))
@settings(deadline=None, max_examples=200)
def test_a_damaged_npy_gives_its_array_or_a_sentence(tmp_path_factory, tail, place, value):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    path = tmp_path_factory.getbasetemp() / "hurt.npy"
    content = io.BytesIO()
    np.save(content, array)
    content = bytearray(content.getvalue())
    content[place] = value
    path.write_bytes(bytes(content) + tail)
    try:
        found = bounded.open_npy(path)
        assert found.nbytes == 96
    except ValueError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("empty.npy", b"", "it begins b'', expected b'.x93NUMPY'"),
        ("zip.npy", b"PK\x03\x04....", "it begins b'PK"),
        ("short.npy", npy_head((4, 1, 8, 8)), "256 bytes, but 0 bytes follow"),
        ("version.npy", b"\x93NUMPY\x07\0" + bytes(90), "its version is 7, expected 1 or 2"),
        ("object.npy", npy_head((3,), "|O"), "Object arrays cannot be loaded"),
        (
            "negative.npy",
            npy_head((-3, -3)),
            r"says uint8 of shape \(-3, -3\), which is not an array",
        ),
        ("nothing.npy", npy_head((10**12,), "<U0"), "which is not an array"),
    ],
)
def test_what_is_no_npy_file_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        bounded.open_npy(tmp_path / name)


@pytest.mark.parametrize("dtype", ["u1", "<f4", ">f4", "<f8", "f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_file_of_any_byte_and_memory_order_is_the_array(tmp_path, dtype, order):
    array = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    assert np.array_equal(bounded.open_npy(tmp_path / "a.npy"), array)
    np.save(tmp_path / "a.npy", array[:0])
    assert bounded.open_npy(tmp_path / "a.npy").shape == (0, 3, 4)


def test_members_that_python_unfolds_at_once_are_refused(tmp_path):
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
            content = io.BytesIO()
            np.save(content, np.zeros((4, 8, 8), np.uint8))
            archive.writestr("images.npy", content.getvalue())
        message = f"images.npy is compressed by method {method}, expected deflate or none"
        with pytest.raises(ValueError, match=message):
            data.load(tmp_path / "a.npz")
