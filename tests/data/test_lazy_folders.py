"""A folder that is decoded while it is drawn from is the same data set as one in memory."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc

import numpy as np
import pytest
from data_files import bits, decoded, resume, with_png_chunk

import minigan as mg
from minigan import data
from minigan.data import ahead, folders, images

Image = pytest.importorskip("PIL.Image", reason="images are read by Pillow")


def write_colours(folder, count, size=(12, 9), suffix="png"):
    """Pictures of random pixels, every third one grey."""
    generator = np.random.default_rng(count)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        pixels = generator.integers(0, 256, (*size, 3), np.uint8)
        mode = "L" if i % 3 == 0 else "RGB"
        Image.fromarray(pixels).convert(mode).save(folder / f"{i:03}.{suffix}")


@pytest.fixture
def large(monkeypatch):
    """Every folder counts as large: its images are not kept in memory."""
    monkeypatch.setattr(folders, "KEPT", 0)


def load_both(folder, monkeypatch, **options):
    """The images of a folder, once kept in memory and once decoded on access."""
    kept = data.load(folder, **options).images
    monkeypatch.setattr(folders, "KEPT", 0)
    large = data.load(folder, **options).images
    assert kept.is_kept and not large.is_kept
    return kept, large


def decoders():
    """The threads that decode ahead."""
    return [thread for thread in threading.enumerate() if thread.name == "decoder"]


def wait_for(condition):
    """Wait until condition() is true, at most ten seconds."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# ---- as an array


@pytest.mark.parametrize("image_size", [None, 5, 20])
def test_indexing_is_that_of_the_array(tmp_path, monkeypatch, image_size):
    write_colours(tmp_path, 7)
    kept, large = load_both(tmp_path, monkeypatch, image_size=image_size)
    whole = np.asarray(kept)
    for found in (kept, large):
        assert found.dtype == whole.dtype
        assert found.shape == whole.shape
        assert found.ndim == whole.ndim
        assert found.nbytes == whole.nbytes
        assert len(found) == 7
    mask = np.arange(7) % 2 == 0
    indices = [
        3,
        -1,
        np.int64(2),
        slice(1, 6, 2),
        slice(None),
        [5, 0, 5],
        np.array([6, -2]),
        mask,
        mask.tolist(),
        np.array([], int),
        (slice(2, 4), 0),
        (4, 1, 2),
    ]
    for index in indices:
        np.testing.assert_array_equal(large[index], whole[index])
        np.testing.assert_array_equal(kept[index], whole[index])
    np.testing.assert_array_equal(large, whole)
    np.testing.assert_array_equal(np.stack(list(large)), whole)
    for index in (7, -8, [7]):
        with pytest.raises(IndexError):
            large[index]
    with pytest.raises(IndexError, match="an array of shape"):
        large[[[0, 1]]]


def test_numpy_converts_it_and_says_that_this_copies(tmp_path, large):
    write_colours(tmp_path, 3)
    found = data.load(tmp_path).images
    assert np.asarray(found, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="always makes a copy"):
        found.__array__(copy=False)


def test_grey_pictures_become_rgb_beside_others(tmp_path, monkeypatch):
    Image.new("L", (4, 4), 90).save(tmp_path / "1.png")
    for images_ in load_both(tmp_path, monkeypatch):
        assert images_.shape == (1, 1, 4, 4)
        colour = images_.as_rgb()
        assert colour.shape == (1, 3, 4, 4)
        assert (colour[:] == 90).all() and (colour[0] == 90).all()
        assert images_.shape == (1, 1, 4, 4)


# ---- headers


KINDS_OF_FILES = {  # the modes that Pillow can write as each kind of file
    "png": ["L", "RGB", "RGBA", "P", "1", "LA"],
    "jpg": ["L", "RGB", "1", "CMYK"],
    "gif": ["L", "RGB", "RGBA", "P", "1", "LA"],
    "bmp": ["L", "RGB", "RGBA", "P", "1"],
    "tif": ["L", "RGB", "RGBA", "P", "1", "CMYK", "LA"],
    "webp": ["L", "RGB", "RGBA", "P", "1", "CMYK", "LA"],
    "ppm": ["L", "RGB", "RGBA", "1"],
}


@pytest.mark.parametrize(
    "suffix, mode", [(suffix, mode) for suffix, modes in KINDS_OF_FILES.items() for mode in modes]
)
def test_a_header_says_what_decoding_finds(tmp_path, suffix, mode):
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    options = {}
    if suffix in ("png", "jpg", "webp", "tif"):
        options["exif"] = exif
    Image.new("RGB", (6, 4), (9, 99, 199)).convert(mode).save(path, **options)
    header = images.read_header(path)
    picture = decoded(path)
    assert (header.channels, header.height, header.width) == picture.pixels.shape
    assert header.notes == picture.notes
    assert header.file_size == os.path.getsize(path)


def test_an_orientation_behind_the_pixels_is_found_when_they_are_decoded(tmp_path, large):
    """The header is read without the pixels; what contradicts it is refused in a sentence."""
    Image.new("L", (6, 4)).save(tmp_path / "1.png")
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    late = exif.tobytes().removeprefix(b"Exif\0\0")
    content = (tmp_path / "1.png").read_bytes()
    content = with_png_chunk(content, b"eXIf", late, before=b"IEND")
    (tmp_path / "1.png").write_bytes(content)
    found = data.load(tmp_path).images
    with pytest.raises(OSError, match=r"1.png has shape \(1, 6, 4\), expected \(1, 4, 6\)"):
        found[0]
    assert data.load(tmp_path, image_size=4).images[0].shape == (1, 4, 4)


def test_sizes_that_differ_are_refused_before_anything_is_decoded(tmp_path, large):
    Image.new("L", (6, 4)).save(tmp_path / "1.png")
    Image.new("L", (6, 5)).save(tmp_path / "2.png")
    with pytest.raises(ValueError, match="1.png is 4 x 6 and .*2.png is 5 x 6"):
        data.load(tmp_path)
    assert data.load(tmp_path, image_size=3).images.shape == (2, 1, 3, 3)


def test_broken_headers_are_found_at_load_and_skipped_only_if_told_so(tmp_path, large, capsys):
    write_colours(tmp_path, 3)
    (tmp_path / "001.png").write_bytes(b"")
    with pytest.raises(ValueError, match="cannot read the image .*001.png"):
        data.load(tmp_path)
    assert len(data.load(tmp_path, skip_unreadable=True)) == 2
    assert "unreadable images: 1 ('001.png')" in capsys.readouterr().err


# ---- batches


@pytest.mark.parametrize("options", [{}, {"crop": 5, "flip": True}])
@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_batches_do_not_depend_on_threads(tmp_path, monkeypatch, options, workers):
    write_colours(tmp_path, 10)
    kept, large = load_both(tmp_path, monkeypatch)
    labels = np.arange(10)
    plain = data.Batches(np.asarray(kept), 3, labels=labels, seed=4, **options)
    from_kept = data.Batches(kept, 3, labels=labels, seed=4, **options)
    decoded = data.Batches(large, 3, labels=labels, seed=4, workers=workers, **options)
    for _ in range(11):
        x, labels_x = next(plain)
        for batches in (from_kept, decoded):
            y, labels_y = next(batches)
            assert isinstance(y, mg.Tensor)
            assert bits(x) == bits(y)
            assert labels_x.tolist() == labels_y.tolist()
        assert plain.epoch == decoded.epoch


@pytest.mark.parametrize("taken", [0, 1, 3, 8])
def test_what_was_decoded_ahead_is_not_in_the_state(tmp_path, large, taken):
    write_colours(tmp_path, 10)
    found = data.load(tmp_path).images
    batches = data.Batches(found, 3, seed=5, crop=8, workers=2)
    for _ in range(taken):
        next(batches)
    resumed = data.Batches(found, 3, seed=6, crop=8, workers=3)
    next(resumed)  # its own order is being decoded ahead, and is forgotten
    resume(batches, resumed)
    for _ in range(9):
        assert bits(next(batches)) == bits(next(resumed))
    assert batches.state_dict() == resumed.state_dict()


def test_the_checksum_is_that_of_names_sizes_and_shape(tmp_path, monkeypatch):
    write_colours(tmp_path / "a", 4, suffix="bmp")
    write_colours(tmp_path / "b", 4, suffix="bmp")
    kept, large = load_both(tmp_path / "a", monkeypatch)
    checksum = data.Batches(kept, 2).checksum
    assert data.Batches(large, 2).checksum == checksum
    copied = data.load(tmp_path / "b").images
    assert data.Batches(copied, 2).checksum == checksum
    resized = data.load(tmp_path / "a", image_size=4).images
    assert data.Batches(resized, 2).checksum != checksum
    (tmp_path / "b" / "000.bmp").rename(tmp_path / "b" / "0.bmp")
    assert data.Batches(data.load(tmp_path / "b").images, 2).checksum != checksum
    with open(tmp_path / "a" / "001.bmp", "ab") as file:
        file.write(b"more")
    assert data.Batches(data.load(tmp_path / "a").images, 2).checksum != checksum


def test_a_damaged_picture_is_one_sentence_and_its_batch_is_tried_again(tmp_path, large):
    write_colours(tmp_path, 6)
    found = data.load(tmp_path).images
    batches = data.Batches(found, 6, workers=2)
    whole = (tmp_path / "004.png").read_bytes()
    (tmp_path / "004.png").write_bytes(whole[:-40])
    before = batches.state_dict()
    for _ in range(2):
        with pytest.raises(OSError, match="cannot read the image .*004.png: "):
            next(batches)
        assert batches.state_dict() == before
    (tmp_path / "004.png").write_bytes(whole)
    expected = next(data.Batches(np.asarray(found), 6))
    assert bits(next(batches)) == bits(expected)


def test_a_picture_that_was_exchanged_for_another_shape_is_refused(tmp_path, large):
    write_colours(tmp_path, 2)
    found = data.load(tmp_path).images
    Image.new("RGB", (3, 3)).save(tmp_path / "001.png")
    with pytest.raises(OSError, match=r"001.png has shape \(3, 3, 3\), expected \(3, 12, 9\)"):
        next(data.Batches(found, 2))


def test_an_interrupted_batch_comes_again(tmp_path, large, monkeypatch):
    write_colours(tmp_path, 8)
    found = data.load(tmp_path).images
    batches = data.Batches(found, 2, seed=1, workers=2)
    expected = data.Batches(np.asarray(found), 2, seed=1)
    assert bits(next(batches)) == bits(next(expected))

    def interrupted(job):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ahead.Future, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(batches)
    for _ in range(5):
        assert bits(next(batches)) == bits(next(expected))


def test_threads_that_cannot_be_started_are_done_without(tmp_path, large, monkeypatch):
    write_colours(tmp_path, 4)
    found = data.load(tmp_path).images

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    batches = data.Batches(found, 2, seed=1)
    expected = data.Batches(np.asarray(found), 2, seed=1)
    for _ in range(3):
        assert bits(next(batches)) == bits(next(expected))


def test_the_threads_end_with_their_batches(tmp_path, large):
    write_colours(tmp_path, 4)
    gc.collect()
    wait_for(lambda: not decoders())  # those of other tests
    batches = data.Batches(data.load(tmp_path).images, 2, workers=3)
    next(batches)
    assert len(decoders()) == 3
    batches.load_state_dict(batches.state_dict())
    wait_for(lambda: not decoders())
    next(batches)
    assert len(decoders()) == 3
    del batches
    wait_for(lambda: not decoders())


@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_a_number_of_threads_that_is_none_is_refused(workers):
    with pytest.raises(ValueError, match=f"workers is {workers}, expected a whole number"):
        data.Batches(np.zeros((2, 1, 2, 2), np.uint8), 1, workers=workers)


def test_pairs_of_folders_stay_together(tmp_path, large):
    write_colours(tmp_path / "photos", 6)
    write_colours(tmp_path / "masks", 6)
    photos = data.load(tmp_path / "photos").images
    masks = data.load(tmp_path / "masks").images
    batches = data.Batches((photos, masks), 4, crop=6, flip=True, workers=2)
    for _ in range(5):
        x, y = next(batches)  # the folders hold the same pictures
        assert bits(x) == bits(y)


# ---- memory, and the end of the program


def test_memory_does_not_grow_with_the_folder(tmp_path, large):
    """40 pictures of 3 MB each are never in memory together."""
    tmp_path.joinpath("a").mkdir()
    folder = tmp_path / "a"
    first = folder / "00.png"
    Image.new("RGB", (1000, 1000), (1, 2, 3)).save(first)
    for i in range(1, 40):
        os.link(first, folder / f"{i:02}.png")
    tracemalloc.start()
    try:
        batches = data.Batches(data.load(folder).images, 1, workers=2)
        for _ in range(8):
            next(batches)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    one = 3_000_000
    floats = 4 * one
    assert most < (ahead.BATCHES + 1 + 2 * 2) * one + 2 * floats < 40 * one


@pytest.mark.parametrize("end", ["", "raise KeyboardInterrupt", "sys.exit(3)"])
def test_a_program_ends_at_once_while_pictures_are_decoded(tmp_path, end):
    write_colours(tmp_path / "photos", 20)
    program = f"""
        import sys, time
        import minigan as mg
        from minigan.data import folders, lazy
        folders.KEPT = 0
        read = lazy.read_image
        def slow(path):
            time.sleep(0.2)
            return read(path)
        lazy.read_image = slow
        batches = mg.data.Batches(mg.data.load({str(tmp_path / "photos")!r}).images, 5, workers=2)
        next(batches)
        print("taken", flush=True)
        {end}
    """
    began = time.monotonic()
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.stdout == "taken\n"
    expected = {"": 0, "raise KeyboardInterrupt": -2, "sys.exit(3)": 3}[end]
    assert found.returncode == expected
    complaint = found.stderr.splitlines()[-1:] if end.startswith("raise") else []
    assert complaint in ([], ["KeyboardInterrupt"])
    assert end.startswith("raise") or found.stderr == ""
    assert time.monotonic() - began < 20
