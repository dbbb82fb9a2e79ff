"""An .npz file means the same in every layout, and nothing in it is believed unchecked."""

import random
from pathlib import Path

import numpy as np
import pytest
from data_files import bytes_of
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import data
from minigan.data import npz
from minigan.files.bounded import open_regular

Image = pytest.importorskip("PIL.Image", reason="images are read and resized by Pillow")
SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the real data sets are not at {SHARED}"
)


# ---- .npz


@given(
    st.integers(1, 4),
    st.sampled_from([1, 3]),
    st.integers(4, 6),
    st.integers(4, 6),
    st.sampled_from(["NHW", "NHWC", "NCHW"]),
)
@settings(deadline=None, max_examples=40)
def test_every_layout_of_an_npz_gives_the_same_images(
    tmp_path_factory, n, channels, height, width, layout
):
    path = tmp_path_factory.getbasetemp() / "layout.npz"
    images = bytes_of(n, 1 if layout == "NHW" else channels, height, width)
    np.savez(
        path,
        images={"NHW": images[:, 0], "NHWC": images.transpose(0, 2, 3, 1), "NCHW": images}[layout],
    )
    loaded = data.load(path)
    assert np.array_equal(loaded.images, images) and loaded.images.flags.c_contiguous
    assert loaded.labels is None and loaded.classes is None


def test_an_npz_is_divided_by_its_split_array_with_the_labels(tmp_path):
    images, split = bytes_of(6, 4, 4), np.array([0, 1, 2, 0, 1, 0])
    np.savez(
        tmp_path / "a.npz",
        images=images,
        masks=255 - images,
        labels=np.arange(6, dtype=np.uint8),
        split=split,
        classes=np.array(list("abcdef")),
    )
    for number, name in enumerate(("train", "validation", "test")):
        loaded = data.load("a.npz", split=name, data_dir=tmp_path)
        assert np.array_equal(loaded.images[:, 0], images[split == number])
        assert loaded.labels.dtype == np.int64
        assert np.array_equal(loaded.labels, np.flatnonzero(split == number))
        assert loaded.classes == tuple("abcdef")
    masks = data.load(f"{tmp_path}/a.npz:masks", split="test")
    assert np.array_equal(masks.images[:, 0], 255 - images[2:3])


@needs_shared
@pytest.mark.parametrize(
    "name, channels, counts",
    [
        ("sign_digits_64.npz", 3, (1802, 0, 260)),
        ("clothing_small_64.npz", 3, (3068, 341, 372)),
        ("dsb2018_fluo_64.npz:masks", 1, (3264, 0, 641)),
    ],
)
def test_the_real_npz_files_load_by_split(name, channels, counts):
    for split, count in zip(data.SPLITS, counts):
        if count:
            assert data.load(name, split=split, data_dir=SHARED).images.shape == (
                count,
                channels,
                64,
                64,
            )
        else:
            with pytest.raises(ValueError, match="no images of split 'validation'"):
                data.load(name, split=split, data_dir=SHARED)


def test_an_npz_with_any_byte_flipped_or_cut_off_is_refused_or_still_right(tmp_path):
    whole, path = tmp_path / "whole.npz", tmp_path / "hurt.npz"
    images = bytes_of(5, 4, 4)
    np.savez_compressed(whole, images=images, labels=np.arange(5))
    content, generator = whole.read_bytes(), random.Random(0)
    for _ in range(300):
        place = generator.randrange(len(content))
        flipped = bytes([content[place] ^ 1 << generator.randrange(8)])
        path.write_bytes(
            generator.choice([content[:place] + flipped + content[place + 1 :], content[:place]])
        )
        try:
            assert np.array_equal(data.load(path).images[:, 0], images)
        except ValueError as error:
            assert "hurt.npz" in str(error)


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"labels": np.array([0, -1, 2])}, "labels are from -1 to 2, expected numbers from 0"),
        (
            {"labels": np.array([0, 1, 2**63 + 5], np.uint64)},
            "labels are from 0 to 9223372036854775813, expected numbers",
        ),
        (
            {"labels": np.array([0, 1, 2]), "classes": np.array(["a", "b"])},
            "labels are from 0 to 2, expected 0 to 1",
        ),
        (
            {"labels": np.array([0, -1, 1]), "classes": np.array(["a", "b"])},
            "labels are from -1 to 1, expected 0 to 1",
        ),
        (
            {"labels": np.zeros((3, 1), int)},
            r"labels is int64 of shape \(3, 1\), expected integers of shape \(3,\)",
        ),
        ({"labels": np.array([True, False, True])}, "labels is bool of shape"),
        (
            {"classes": np.array([["a"], ["b"]])},
            r"classes is <U1 of shape \(2, 1\), expected one axis of names",
        ),
        (
            {"classes": np.array([0.5, 1])},
            r"classes is float64 of shape \(2,\), expected one axis of names",
        ),
        ({"classes": np.array([b"\xff"])}, "'utf-8' codec can't decode byte"),
        (
            {"split": np.array([0, 1, 3])},
            "split holds 3, expected 0 for train, 1 for validation or 2 for test",
        ),
        ({"split": np.array([0, -1, 2])}, "split holds -1, expected 0 for train"),
    ],
)
def test_labels_classes_and_splits_that_mean_nothing_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", images=bytes_of(3, 4, 4), **arrays)
    with pytest.raises(ValueError, match=f"cannot read .*a.npz: {message}"):
        data.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "classes, expected",
    [
        (np.array(["cat", "dögs"]), ("cat", "dögs")),
        (np.array([b"cat", "dögs".encode()]), ("cat", "dögs")),
        (np.array([3, 7]), ("3", "7")),
    ],
)
def test_the_names_of_classes_may_be_texts_bytes_or_numbers(tmp_path, classes, expected):
    np.savez(
        tmp_path / "a.npz",
        images=bytes_of(3, 4, 4),
        labels=np.array([0, 1, 1], np.uint8),
        classes=classes,
    )
    loaded = data.load(tmp_path / "a.npz")
    assert loaded.classes == expected and loaded.labels.dtype == np.int64


def test_the_suffix_of_an_npz_may_be_written_in_any_case(tmp_path):
    np.savez(tmp_path / "a.npz", images=bytes_of(3, 4, 4), masks=bytes_of(3, 5, 5))
    (tmp_path / "a.npz").rename(tmp_path / "A.NPZ")
    assert data.load(tmp_path / "A.NPZ").images.shape == (3, 1, 4, 4)
    assert data.load(f"{tmp_path}/A.NPZ:masks").images.shape == (3, 1, 5, 5)


def test_a_mask_belongs_to_each_image_and_to_its_split(tmp_path):
    masks = bytes_of(3, 4, 4)
    np.savez(tmp_path / "a.npz", images=bytes_of(3, 4, 4), masks=masks, split=[0, 2, 0])
    assert np.array_equal(data.load(tmp_path / "a.npz").masks[:, 0], masks[[0, 2]])
    assert np.array_equal(data.load(tmp_path / "a.npz", split="test").masks[:, 0], masks[[1]])
    np.savez(tmp_path / "b.npz", images=bytes_of(3, 4, 4), masks=masks[:2])
    with pytest.raises(ValueError, match=r"masks has shape \(2, 4, 4\), .* each of 3 images"):
        data.load(tmp_path / "b.npz")


def test_an_npz_file_with_masks_is_opened_once(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", images=bytes_of(3, 4, 4), masks=bytes_of(3, 4, 4))
    opened = []

    def counting(path):
        opened.append(path)
        return open_regular(path)

    monkeypatch.setattr(npz, "open_regular", counting)
    assert data.load(tmp_path / "a.npz").masks is not None
    assert len(opened) == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int64])
def test_labels_and_splits_of_any_integers_mean_the_same(tmp_path, dtype):
    np.savez(
        tmp_path / "a.npz",
        images=bytes_of(4, 4, 4),
        labels=np.array([0, 100, 3, 127], dtype),
        split=np.array([0, 2, 0, 1], dtype),
    )
    assert data.load(tmp_path / "a.npz").labels.tolist() == [0, 3]
    assert data.load(tmp_path / "a.npz", split="test").labels.tolist() == [100]
