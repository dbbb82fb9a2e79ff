"""Every source gives uint8 (N, C, H, W), every epoch every image, every resume the same bits."""

import gzip
import hashlib
import json
import os
import random
import re
import struct
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan import data
from minigan.data import named, npz
from minigan.files.bounded import open_regular

Image = pytest.importorskip("PIL.Image", reason="images are read and resized by Pillow")
SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the real data sets are not at {SHARED}"
)


def bytes_of(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def idx(array, kind=8):
    return (
        bytes([0, 0, kind, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def write_idx_set(folder, images, labels, prefix="train", pack=bytes, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{prefix}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(images)))
    (folder / f"{prefix}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(labels)))


def cifar_members(count=2):
    """The six files of a small CIFAR-10 -> {name: records (count, 3073)}, filled with the file's
    number.
    """
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    return {name: np.full((count, 3073), number, np.uint8) for number, name in enumerate(names)}


def write_cifar_archive(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, records in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = records.nbytes
            archive.addfile(info, BytesIO(records.tobytes()))


def write_images(folder, names, *, size=(6, 6), mode="L", value=90):
    """Plain images of `size` (width, height); their value is a number or, in colour, a tuple."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size, value).save(folder / name)


# ---- the bundled digits


def test_the_digits_are_the_1797_of_uci_split_into_1437_and_360():
    train, test = data.load("digits"), data.load("digits", split="test")
    assert (len(train), len(test)) == (1437, 360)
    assert train.images.shape == (1437, 1, 8, 8) and train.images.dtype == np.uint8
    assert train.labels.shape == (1437,) and train.labels.dtype == np.int64
    counts = np.bincount(train.labels) + np.bincount(test.labels)
    assert counts.tolist() == [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]  # as UCI counts them
    assert repr(train) == "Dataset(digits: 1437 images, 1 x 8 x 8, 10 classes)"
    assert train.classes == tuple("0123456789")


def test_the_digits_file_holds_the_published_bytes_and_its_split_is_fixed():
    path = Path(data.__file__).parents[1] / "assets" / "digits.npz"
    expected = {
        "images": "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3",
        "labels": "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0",
        "split": "8c03e44a1e1bef33a6f5675e6b4d7db08c8202e3dd56262ee455ccf329971405",
    }
    with np.load(path, allow_pickle=False) as archive:
        found = {
            name: hashlib.sha256(archive[name].tobytes()).hexdigest() for name in archive.files
        }
    assert found == expected
    assert path.stat().st_size < 60_000


def test_the_digits_are_white_strokes_on_black_with_16_inked_pixels_as_255():
    images = data.load("digits").images
    assert sorted(np.unique(images)) == [round(count * 255 / 16) for count in range(17)]
    assert images[:, :, :, 0].mean() < 10 < 100 < images[:, :, 2:6, 3:5].mean()  # margin and middle


def test_train_and_test_digits_are_disjoint_places_of_one_permutation():
    with np.load(
        Path(data.__file__).parents[1] / "assets" / "digits.npz", allow_pickle=False
    ) as archive:
        order = np.random.Generator(np.random.PCG64(0)).permutation(1797)
        assert set(np.flatnonzero(archive["split"] == 2)) == set(order[1437:])


# ---- IDX: MNIST and Fashion-MNIST


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_is_known_by_its_bytes_whatever_its_name(tmp_path, pack, suffix):
    images, labels = bytes_of(5, 4, 3), np.arange(5, dtype=np.uint8)
    write_idx_set(tmp_path, images, labels, pack=pack, suffix=suffix)
    loaded = data.load("mnist", data_dir=tmp_path)
    assert np.array_equal(loaded.images, images[:, None]) and np.array_equal(loaded.labels, labels)


@pytest.mark.parametrize(
    "name, folder",
    [
        ("mnist", "."),
        ("mnist", "mnist"),
        ("mnist", "MNIST/raw"),
        ("fashion_mnist", "."),
        ("fashion-mnist", "fashion_mnist"),
        ("fashion-mnist", "fashion-mnist"),
    ],
)
def test_idx_sets_lie_in_data_dir_or_its_subfolder(tmp_path, name, folder):
    write_idx_set(
        tmp_path / folder, bytes_of(3, 4, 4), np.array([7, 8, 9], np.uint8), prefix="t10k"
    )
    assert data.load(name, split="test", data_dir=tmp_path).labels.tolist() == [7, 8, 9]


def test_a_sets_own_subfolder_comes_before_files_of_the_same_name_beside_it(tmp_path):
    write_idx_set(tmp_path, bytes_of(3, 4, 4), np.zeros(3, np.uint8))
    write_idx_set(tmp_path / "fashion-mnist", bytes_of(3, 4, 4), np.ones(3, np.uint8))
    assert data.load("fashion-mnist", data_dir=tmp_path).labels.tolist() == [1, 1, 1]


@needs_shared
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("split, count", [("train", 60_000), ("test", 10_000)])
def test_the_real_idx_sets_have_the_expected_digests(name, split, count):
    loaded = data.load(name, split=split, data_dir=SHARED)
    assert loaded.images.shape == (count, 1, 28, 28)
    assert np.bincount(loaded.labels).size == 10
    prefix = {"train": "train", "test": "t10k"}[split]
    for part in ("images-idx3", "labels-idx1"):
        path = next(SHARED.glob(f"{name.replace('-', '_')}/{prefix}-{part}-ubyte.gz"))
        digest = hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()
        assert named.SETS[name][3][f"{prefix}-{part}-ubyte.gz"] == digest


# ---- CIFAR-10


@pytest.mark.parametrize(
    "place",
    [
        "cifar-10-binary.tar.gz",
        "cifar10/cifar-10-binary.tar.gz",
        "cifar-10-batches-bin",
        "cifar10/cifar-10-batches-bin",
    ],
)
def test_cifar10_is_read_packed_or_unpacked(tmp_path, place):
    members = cifar_members()
    if place.endswith("gz"):
        write_cifar_archive(tmp_path / place, members)
    else:
        (tmp_path / place).mkdir(parents=True)
        for name, records in members.items():
            (tmp_path / place / name).write_bytes(records.tobytes())
    train, test = (
        data.load("cifar10", split=split, data_dir=tmp_path) for split in ("train", "test")
    )
    assert train.images.shape == (10, 3, 32, 32) and train.labels.tolist() == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
    ]
    assert test.images.shape == (2, 3, 32, 32) and test.labels.tolist() == [5, 5]
    assert train.images[:, 0, 0, 0].tolist() == train.labels.tolist()


def test_a_cifar10_record_is_a_label_then_red_then_green_then_blue_rows(tmp_path):
    members = cifar_members(1)
    members["test_batch.bin"][0] = [3] + [10] * 1024 + [20] * 1024 + [30] * 1024
    members["test_batch.bin"][0, 1 + 32] = 99  # the first red pixel of the second row
    write_cifar_archive(tmp_path / "cifar-10-binary.tar.gz", members)
    test = data.load("cifar10", split="test", data_dir=tmp_path)
    assert (
        test.images[0].mean(axis=(1, 2)).round().tolist() == [10, 20, 30]
        and test.images[0, 0, 1, 0] == 99
    )
    assert test.classes[test.labels[0]] == "cat"


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


# ---- folders


def test_a_folder_is_read_in_sorted_order_with_its_subfolders(tmp_path):
    for value, name in enumerate(("b/2.png", "a.png", "b/10.png", "c.jpg"), start=1):
        write_images(tmp_path, [name], value=60 * value)
    loaded = data.load(tmp_path)
    assert loaded.images.shape == (4, 1, 6, 6) and loaded.labels is None
    assert loaded.images[:, 0, 0, 0].tolist() == [
        120,
        180,
        60,
        240,
    ]  # a.png, b/10.png, b/2.png, c.jpg


def test_subfolders_are_classes_if_every_image_lies_in_one_of_two_or_more(tmp_path):
    write_images(tmp_path, ["cat/1.png", "cat/deep/2.png", "dog/1.png"])
    loaded = data.load(tmp_path)
    assert loaded.labels.tolist() == [0, 0, 1] and loaded.classes == ("cat", "dog")
    write_images(tmp_path, ["stray.png"])
    assert data.load(tmp_path).labels is None


def test_one_subfolder_is_no_class(tmp_path):
    write_images(tmp_path, ["images/1.png", "images/2.png"])
    assert data.load(tmp_path).labels is None


def test_train_and_test_subfolders_are_honoured(tmp_path):
    write_images(tmp_path, ["train/cat/1.png", "train/dog/1.png", "train/dog/2.png"])
    write_images(tmp_path, ["test/1.png", "val/1.png"])
    train = data.load(tmp_path)
    assert train.labels.tolist() == [0, 1, 1] and train.classes == ("cat", "dog")
    assert (
        len(data.load(tmp_path, split="test")) == len(data.load(tmp_path, split="validation")) == 1
    )


def test_a_folder_is_grey_only_if_all_of_it_is(tmp_path):
    write_images(tmp_path, ["1.png", "2.png"], value=77)
    assert data.load(tmp_path).images.shape[1] == 1
    write_images(tmp_path, ["3.png"], mode="RGB", value=(10, 20, 30))
    images = data.load(tmp_path).images
    assert images.shape == (3, 3, 6, 6)
    assert (images[0] == 77).all() and images[2, :, 0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    "mode, value, expected",
    [
        ("RGBA", (10, 20, 30, 0), [255, 255, 255]),
        ("RGBA", (10, 20, 30, 255), [10, 20, 30]),
        ("LA", (10, 0), [255]),
        ("LA", (10, 255), [10]),
        ("1", 1, [255]),
        ("1", 0, [0]),
        ("CMYK", (0, 0, 0, 0), [255, 255, 255]),
        ("P", 0, [0, 0, 0]),
    ],
)
def test_every_eight_bit_mode_becomes_grey_or_rgb_and_transparency_white(
    tmp_path, mode, value, expected
):
    name = "1.tif" if mode == "CMYK" else "1.png"
    write_images(tmp_path, [name], mode=mode, value=value)
    assert data.load(tmp_path).images[0, :, 0, 0].tolist() == expected


def test_a_photograph_lies_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: turn by 90 degrees to see it upright
    Image.new("L", (8, 4)).save(tmp_path / "1.jpg", exif=exif)
    assert data.load(tmp_path).images.shape == (1, 1, 8, 4)


def test_hidden_files_and_other_files_are_passed_over(tmp_path):
    write_images(tmp_path, ["1.png", ".hidden/2.png", "__MACOSX/3.png"])
    (tmp_path / "._1.png").write_bytes(b"resource fork")
    (tmp_path / "notes.txt").write_text("not an image")
    assert len(data.load(tmp_path)) == 1


def test_images_of_any_size_are_brought_to_image_size(tmp_path):
    write_images(tmp_path, ["1.png"], size=(9, 5), value=50)
    write_images(tmp_path, ["2.png"], size=(40, 80), value=150)
    images = data.load(tmp_path, image_size=16).images
    assert images.shape == (2, 1, 16, 16) and (images[0] == 50).all() and (images[1] == 150).all()


# ---- two kinds of images


def test_a_folder_in_the_published_layout_has_two_kinds_of_images(tmp_path):
    write_images(tmp_path, ["pair/trainA/1.png", "pair/trainA/2.png", "pair/testA/1.png"], value=10)
    write_images(tmp_path, ["pair/trainB/1.png", "pair/valB/1.png"], value=20)
    a, b = (data.load(f"pair:{kind}", data_dir=tmp_path) for kind in "AB")
    assert (len(a), len(b)) == (2, 1) and (a.images[:] == 10).all() and (b.images[:] == 20).all()
    assert len(data.load(tmp_path / "pair:A", split="test")) == 1
    assert len(data.load(f"{tmp_path}/pair:B", split="validation")) == 1
    with pytest.raises(data.MissingSplit, match="pair has no split 'test', expected .*train"):
        data.load(tmp_path / "pair:B", split="test")


def write_pair_zip(path, folders, suffix=".jpg"):
    """A set as its authors pack it: NAME/trainA/1.jpg and so on, in each folder three images of
    one value.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for value, folder in enumerate(folders):
            for name in "213":
                picture = BytesIO()
                Image.new("RGB", (12, 10), (80 * value, 0, 10 * int(name))).save(picture, "PNG")
                archive.writestr(f"{path.stem}/{folder}/{name}{suffix}", picture.getvalue())
            for name in (
                f"{path.stem}/{folder}/readme.txt",
                f"__MACOSX/{path.stem}/{folder}/._1.jpg",
            ):
                archive.writestr(name, "no image")


@pytest.mark.parametrize(
    "place", ["summer2winter_yosemite.zip", "summer2winter-yosemite/summer2winter_yosemite.zip"]
)
def test_a_published_pair_is_read_out_of_its_zip(tmp_path, place):
    write_pair_zip(tmp_path / place, ["trainA", "trainB", "testA"])
    b = data.load("summer2winter_yosemite:B", image_size=8, data_dir=tmp_path)
    assert b.images.shape == (3, 3, 8, 8) and b.labels is None
    assert b.images[:, :, 0, 0].tolist() == [
        [80, 0, 10],
        [80, 0, 20],
        [80, 0, 30],
    ]  # in the order of their names
    assert (
        data.load("Summer2Winter-Yosemite:A", split="test", data_dir=tmp_path).images[0, 0, 0, 0]
        == 160
    )
    with pytest.raises(ValueError, match="yosemite.zip holds no images in a folder testB"):
        data.load("summer2winter_yosemite:B", split="test", data_dir=tmp_path)


def test_a_published_pair_may_lie_unpacked(tmp_path):
    write_images(tmp_path, ["horse2zebra/trainA/1.jpg"])
    assert len(data.load("horse2zebra:A", data_dir=tmp_path)) == 1


def test_a_damaged_zip_is_named_and_a_missing_one_too(tmp_path):
    path = tmp_path / "maps.zip"
    write_pair_zip(path, ["trainA"])
    content = path.read_bytes()
    path.write_bytes(content.replace(b"IDAT", b"IDOT", 1))
    with pytest.raises(ValueError, match="maps.zip: cannot read the image .*maps/trainA/.*.jpg"):
        data.load("maps:A", data_dir=tmp_path)
    path.write_bytes(content[:200])
    with pytest.raises(ValueError, match="cannot read .*maps.zip: File is not a zip file"):
        data.load("maps:A", data_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match="found none of horse2zebra.zip"):
        data.load("horse2zebra:A", data_dir=tmp_path)


def test_a_published_pair_is_downloaded_from_its_authors_and_known_by_its_sha256(
    tmp_path, monkeypatch
):
    asked = []
    write_pair_zip(tmp_path / "horse2zebra.zip", ["trainA"])
    monkeypatch.setattr(
        named,
        "download",
        lambda *given, **options: asked.append((given, options)) or tmp_path / "horse2zebra.zip",
    )
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert len(data.load("horse2zebra:A")) == 3
    (((name, urls, sha256, folder), options),) = asked
    assert (
        name == "horse2zebra.zip"
        and all(url.endswith("/horse2zebra.zip") for url in urls)
        and len(urls) > 1
    )
    assert sha256 == named.PAIRS["horse2zebra"] and folder == tmp_path / "cache" / "horse2zebra"
    assert options == {"contents": False}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in named.PAIRS.values())


def test_unreadable_images_are_skipped_and_named_only_if_told_so(tmp_path, capsys):
    write_images(tmp_path, ["1.png", "2.png", "3.png"])
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[:-25])
    with pytest.raises(ValueError, match="2.png"):
        data.load(tmp_path)
    assert len(data.load(tmp_path, skip_unreadable=True)) == 2
    said = capsys.readouterr().err
    first, second = said.splitlines()
    assert first.startswith("skipped: cannot read the image") and "2.png" in first
    assert second.endswith(": 2 images are read; left out are unreadable images: 1 ('2.png')")
    for name in "13":
        (tmp_path / f"{name}.png").write_bytes(b"")
    with pytest.raises(ValueError, match="holds no image that can be read"):
        data.load(tmp_path, skip_unreadable=True)


# ---- batches


@given(st.integers(1, 40), st.data(), st.integers(0, 2**32), st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_an_epoch_gives_every_image_at_most_once_and_all_but_the_remainder(n, draw, seed, epochs):
    batch_size = draw.draw(st.integers(1, n))
    images = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1)
    batches = data.Batches(images, batch_size, labels=np.arange(n), seed=seed)
    for epoch in range(epochs):
        seen = []
        for _ in range(n // batch_size):
            x, labels = next(batches)
            assert isinstance(x, mg.Tensor) and not x.requires_grad
            x = x.numpy()
            assert x.shape == (batch_size, 1, 1, 1)
            assert x.dtype == np.float32 and x.flags.c_contiguous
            assert np.array_equal(data.to_float(images[labels]), x)  # labels stay with their images
            seen += labels.tolist()
        assert (
            batches.epoch == epoch and len(set(seen)) == len(seen) == n // batch_size * batch_size
        )


def test_epochs_are_shuffled_and_the_seed_decides_how():
    images = bytes_of(50, 1, 1, 1)
    orders = []
    for seed in (0, 0, 1, (0, 1)):
        batches = data.Batches(images, 50, labels=np.arange(50), seed=seed)
        orders.append([next(batches)[1].tolist() for _ in range(2)])
    assert orders[0] == orders[1] and orders[0][0] != orders[0][1]
    assert len({str(order) for order in orders}) == 3


@given(st.integers(2, 30), st.data(), st.integers(0, 70))
@settings(deadline=None, max_examples=60)
def test_batches_resumed_anywhere_are_the_same_to_the_bit(n, draw, taken):
    batch_size = draw.draw(st.integers(1, n))
    images = bytes_of(n, 3, 2, 2)
    batches = data.Batches(images, batch_size, labels=np.arange(n), seed=5)
    for _ in range(taken):
        next(batches)
    state = json.loads(json.dumps(batches.state_dict()))
    resumed = data.Batches(images, batch_size, labels=np.arange(n), seed=99)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == batches.state_dict()
    for _ in range(3 * (n // batch_size) + 1):
        (x, labels), (again, labels_again) = next(batches), next(resumed)
        assert x.numpy().tobytes() == again.numpy().tobytes()
        assert labels.tolist() == labels_again.tolist()


def located(height, width, n=40):
    """Images whose two channels tell each pixel's row and column, and a third the image."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([np.stack([rows, columns, np.full_like(rows, i)]) for i in range(n)]).astype(
        np.uint8
    )


def test_a_crop_is_a_square_of_neighbouring_pixels_from_anywhere_mirrored_half_of_the_time():
    places, mirrored = [], 0
    batches = data.Batches(located(9, 12), 20, seed=2, crop=7, flip=True)
    for _ in range(20):
        x = np.rint((next(batches).numpy() + 1) * 127.5).astype(int)
        assert x.shape == (20, 3, 7, 7)
        for rows, columns, _ in x:
            mirrored += (flipped := columns[0, 0] > columns[0, -1])
            columns = columns[:, ::-1] if flipped else columns
            top, left = rows[0, 0], columns[0, 0]
            np.testing.assert_array_equal([rows, columns], np.mgrid[top : top + 7, left : left + 7])
            places.append((top, left))
    assert {*places} == {(top, left) for top in range(3) for left in range(6)}
    assert abs(mirrored / 400 - 0.5) < 5 * 0.5 / 400**0.5


def test_neither_crop_nor_flip_leaves_the_order_or_the_images_alone():
    images = located(6, 6)
    plain, cropped, flipped = (
        data.Batches(images, 10, seed=1, **options) for options in ({}, {"crop": 6}, {"flip": True})
    )
    for _ in range(4):  # one epoch: the next orders differ, for mirroring draws numbers too
        x, y, z = [next(batches).numpy() for batches in (plain, cropped, flipped)]
        np.testing.assert_array_equal(x, y)
        assert (x[:, 2] == z[:, 2]).all() and not (x == z).all()
    np.testing.assert_array_equal(next(plain).numpy(), next(cropped).numpy())


@pytest.mark.parametrize("taken", [0, 3, 8, 21])
def test_crops_resume_to_the_same_bits(taken):
    options = dict(crop=4, flip=True)
    batches = data.Batches(located(6, 7), 5, seed=4, **options)
    for _ in range(taken):
        next(batches)
    resumed = data.Batches(located(6, 7), 5, seed=9, **options)
    resumed.load_state_dict(json.loads(json.dumps(batches.state_dict())))
    for _ in range(20):
        assert next(batches).numpy().tobytes() == next(resumed).numpy().tobytes()


@pytest.mark.parametrize(
    "crop, message",
    [
        (7, "crop is 7, expected a whole number from 1 to the images' 6"),
        (0, "crop is 0"),
        (2.0, "crop is 2.0"),
    ],
)
def test_a_crop_that_the_images_do_not_hold_is_refused(crop, message):
    with pytest.raises(ValueError, match=message):
        data.Batches(located(6, 9), 2, crop=crop)


def test_a_batch_is_contiguous_even_if_the_images_are_not():
    images = bytes_of(8, 5, 6, 3).transpose(0, 3, 1, 2)
    assert next(data.Batches(images, 4)).numpy().flags.c_contiguous


def test_batches_of_images_that_were_changed_do_not_go_on():
    images = bytes_of(10, 1, 2, 2)
    state = data.Batches(images, 5).state_dict()
    images[7, 0, 1, 1] ^= 1
    with pytest.raises(ValueError, match=rf"checksum {state['checksum']}, expected"):
        data.Batches(images, 5).load_state_dict(state)


GOOD = data.Batches(bytes_of(10, 1, 2, 2), 5).state_dict()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"images": 11}, "images 11, expected 10"),
        ({"batch_size": 2}, "batch_size 2, expected 5"),
        ({"checksum": 0}, "checksum 0, expected"),
        ({"position": 3}, "position 3"),
        ({"position": 15}, "position 15"),
        ({"epoch": -1}, "epoch -1"),
        ({"epoch": None}, "epoch None"),
        ({"generator": None}, "PCG64"),
        ({"generator": {}}, "PCG64"),
        ({"generator": {**GOOD["generator"], "bit_generator": "MT19937"}}, "PCG64"),
        ({"generator": {**GOOD["generator"], "state": {"state": -1, "inc": 1}}}, "PCG64"),
        ({"generator": {**GOOD["generator"], "state": {"state": 1}}}, "PCG64"),
    ],
)
def test_a_state_of_other_batches_is_refused_and_changes_nothing(change, message):
    batches = data.Batches(bytes_of(10, 1, 2, 2), 5)
    before = batches.state_dict()
    with pytest.raises(ValueError, match=message):
        batches.load_state_dict({**GOOD, **change})
    assert batches.state_dict() == before


@pytest.mark.parametrize("batch_size", [0, -1, 11, 2.5])
def test_a_batch_size_that_the_images_cannot_fill_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}, expected 1 to 10"):
        data.Batches(bytes_of(10, 1, 2, 2), batch_size)


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (np.zeros((4, 1, 2, 2)), None, "images are float64"),
        (bytes_of(4, 2, 2), None, r"uint8 \(4, 2, 2\)"),
        (bytes_of(4, 1, 2, 2), np.zeros(3), "3 labels for 4 images"),
    ],
)
def test_batches_refuse_what_is_not_bytes_nchw_with_a_label_each(images, labels, message):
    with pytest.raises(ValueError, match=message):
        data.Batches(images, 2, labels=labels)


# ---- bad input: one sentence that names it


class Opened:
    """If unpickled, it tells."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def write_bad(folder):
    """One file or folder per row of the table below."""
    good = bytes_of(4, 5, 6)
    for name, arrays in {
        "no_images.npz": {"pictures": good},
        "float.npz": {"images": good / 255.0},
        "bool.npz": {"images": good > 9},
        "flat.npz": {"images": good[0]},
        "empty.npz": {"images": good[:0]},
        "object.npz": {"images": np.array([good, Opened()], dtype=object)},
        "rgba.npz": {"images": bytes_of(4, 5, 6, 4)},
        "ambiguous.npz": {"images": bytes_of(4, 3, 6, 1)},
        "labels.npz": {"images": good, "labels": np.arange(3)},
        "float_labels.npz": {"images": good, "labels": np.ones(4)},
        "split.npz": {"images": good, "split": np.zeros(5, int)},
        "unsplit.npz": {"images": good},
        "all_train.npz": {"images": good, "split": np.zeros(4, int)},
    }.items():
        np.savez(folder / name, **arrays)
    (folder / "text.npz").write_text("no zip")
    (folder / "text.txt").write_text("no images")
    np.save(folder / "array.npy", good)
    (folder / "array.npy").rename(folder / "array.npz")
    (folder / "empty").mkdir()
    (folder / "notes").mkdir()
    (folder / "notes" / "notes.txt").write_text("no images")
    write_images(folder, ["sizes/a.png"], size=(7, 5))
    write_images(folder, ["sizes/b.png"], size=(4, 5))
    write_images(folder, ["broken/good.png", "broken/torn.png", "deep/16bit.png"])
    write_images(folder, ["split/test/1.png", "flat/1.png"])
    whole = (folder / "broken" / "torn.png").read_bytes()
    (folder / "broken" / "torn.png").write_bytes(whole[:-25])
    Image.fromarray(np.full((4, 4), 5000, np.uint16)).save(folder / "deep" / "16bit.png")


@pytest.mark.parametrize(
    "name, options, error, message",
    [
        (
            "mnits",
            {},
            FileNotFoundError,
            "mnits.*digits, clothes, nuclei, mnist, fashion-mnist, cifar10",
        ),
        ("nowhere/at/all", {}, FileNotFoundError, "nowhere/at/all"),
        ("nowhere.npz", {}, FileNotFoundError, "nowhere.npz"),
        ("nowhere.npz:masks", {}, FileNotFoundError, "nowhere.npz"),
        ("text.txt", {}, ValueError, "text.txt is neither a folder of images nor an .npz"),
        ("text.npz", {}, ValueError, "text.npz: File is not a zip file"),
        ("array.npz", {}, ValueError, "array.npz: File is not a zip file"),
        (
            "no_images.npz",
            {},
            ValueError,
            "no_images.npz: it holds no array 'images', only pictures",
        ),
        ("float.npz", {}, ValueError, "float.npz: images is float64, expected uint8"),
        ("bool.npz", {}, ValueError, "images is bool, expected uint8"),
        ("object.npz", {}, ValueError, "object.npz: images: Object arrays cannot be loaded"),
        ("flat.npz", {}, ValueError, r"flat.npz: images has shape \(5, 6\)"),
        ("rgba.npz", {}, ValueError, r"rgba.npz: images has shape \(4, 5, 6, 4\).*1 or 3 channels"),
        ("ambiguous.npz", {}, ValueError, r"ambiguous shape \(4, 3, 6, 1\)"),
        (
            "labels.npz",
            {},
            ValueError,
            r"labels is int64 of shape \(3,\), expected integers of shape \(4,\)",
        ),
        ("float_labels.npz", {}, ValueError, "labels is float64"),
        ("split.npz", {}, ValueError, r"split is int64 of shape \(5,\)"),
        ("empty.npz", {}, ValueError, "empty.npz has no images of split 'train'"),
        ("unsplit.npz", {"split": "test"}, ValueError, "unsplit.npz has no images of split 'test'"),
        ("all_train.npz", {"split": "test"}, ValueError, "no images of split 'test'"),
        ("empty", {}, ValueError, "empty holds no images"),
        ("notes", {}, ValueError, "notes holds no images"),
        ("sizes", {}, ValueError, "a.png is 5 x 7 and .*b.png is 5 x 4 .* image_size"),
        ("broken", {}, ValueError, "cannot read the image .*torn.png"),
        ("deep", {}, ValueError, "16bit.png: its pixels have mode I(;16)?, expected 8 bits"),
        ("split", {}, ValueError, "split has no split 'train', expected test"),
        ("flat", {"split": "test"}, ValueError, "flat has no split 'test', expected train"),
        (
            "horse2zebra",
            {},
            ValueError,
            "horse2zebra has two kinds of images, expected horse2zebra:A or horse2zebra:B",
        ),
        ("flat:A", {}, ValueError, "flat has no folder trainA"),
        ("horse2zebra:C", {}, FileNotFoundError, "zebra:C is no"),
        ("digits:A", {}, FileNotFoundError, "digits:A is no data set"),
        (
            "digits",
            {"split": "dev"},
            ValueError,
            "split is 'dev', expected one of train, validation, test",
        ),
        ("digits", {"split": "validation"}, ValueError, "no images of split 'validation'"),
        (
            "mnist",
            {"split": "validation"},
            ValueError,
            "mnist has no split 'validation', expected train or test",
        ),
        ("cifar10", {"split": "validation"}, ValueError, "cifar10 has no split 'validation'"),
        ("digits", {"image_size": 0}, ValueError, "image_size is 0"),
        ("digits", {"image_size": -8}, ValueError, "image_size is -8"),
        ("digits", {"image_size": "64"}, ValueError, "image_size is '64', expected a whole number"),
        ("digits", {"image_size": 8.0}, ValueError, "image_size is 8.0"),
        ("digits", {"image_size": True}, ValueError, "image_size is True"),
        ("mnist", {}, FileNotFoundError, "train-images-idx3-ubyte"),
        ("cifar10", {}, FileNotFoundError, "cifar-10-binary.tar.gz"),
    ],
)
def test_bad_sources_are_refused_in_one_sentence(
    tmp_path, monkeypatch, name, options, error, message
):
    monkeypatch.chdir(tmp_path)
    write_bad(tmp_path)
    with pytest.raises(error, match=message) as caught:
        data.load(name, data_dir=tmp_path, **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "unpickled").exists()


def test_a_data_dir_that_is_no_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="found none of train-images.* of .*nowhere"):
        data.load("mnist", data_dir=tmp_path / "nowhere")


IMAGES, LABELS = idx(bytes_of(3, 4, 4)), idx(np.arange(3, dtype=np.uint8))


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (IMAGES[:-1], LABELS, "it ends after 47 of 48 bytes"),
        (IMAGES + b"x", LABELS, "it goes on after the 48 bytes"),
        (b"PNG" + IMAGES, LABELS, "begins '50 4e 47 00'"),
        (IMAGES[:9], LABELS, "no IDX file"),
        (b"", LABELS, "no IDX file"),
        (IMAGES[:3], LABELS, "no IDX file"),
        (idx(bytes_of(3, 4, 4), kind=13), LABELS, "begins '00 00 0d 03'"),
        (gzip.compress(IMAGES)[:-9], LABELS, "damaged"),
        (gzip.compress(IMAGES)[:20] + b"x" * 30, LABELS, "damaged"),
        (IMAGES, idx(np.arange(4, dtype=np.uint8)), "mnist has 3 images but 4 labels"),
        (LABELS, LABELS, "begins '00 00 08 01', expected '00 00 08 03'"),
        (IMAGES, IMAGES, "begins '00 00 08 03', expected '00 00 08 01'"),
        (
            b"\0\0\x08\x03" + b"\xff" * 12,
            LABELS,
            "images-idx3-ubyte is no IDX file of 3 axes, or damaged: ",
        ),
        (idx(bytes_of(0, 4, 4)), idx(np.arange(0, dtype=np.uint8)), "holds no images"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_idx_files_are_refused_in_one_sentence(tmp_path, images, labels, message):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(images)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels)
    with pytest.raises(ValueError, match=message):
        data.load("mnist", data_dir=tmp_path)


def test_bad_cifar10_files_are_refused_in_one_sentence(tmp_path):
    members, path = cifar_members(), tmp_path / "cifar-10-binary.tar.gz"
    for reason, records in (
        (r"cannot reshape array of size 6144 into shape \(3073", members["test_batch.bin"][:, :-1]),
        ("it has the label 10, expected 0 to 9", np.full((2, 3073), 10, np.uint8)),
        ("zero-size array", np.zeros((0, 3073), np.uint8)),
    ):
        write_cifar_archive(path, {**members, "test_batch.bin": records})
        with pytest.raises(ValueError, match="cifar-10-binary.tar.gz is damaged: " + reason):
            data.load("cifar10", split="test", data_dir=tmp_path)
        assert len(data.load("cifar10", data_dir=tmp_path)) == 10
    write_cifar_archive(path, {name: members[name] for name in list(members)[1:]})
    with pytest.raises(ValueError, match="damaged.*data_batch_1.bin"):
        data.load("cifar10", data_dir=tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        data.load("cifar10", data_dir=tmp_path)
