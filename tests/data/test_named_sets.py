"""The bundled digits, and the published sets in their own formats, become uint8 (N, C, H, W)."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from data_files import (
    bytes_of,
    cifar_members,
    idx,
    write_cifar_archive,
    write_idx_set,
)

from minigan import data
from minigan.data import named

Image = pytest.importorskip("PIL.Image", reason="images are read and resized by Pillow")
SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the real data sets are not at {SHARED}"
)


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


def test_a_data_dir_that_is_no_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="found none of train-images.* of .*nowhere"):
        data.load("mnist", data_dir=tmp_path / "nowhere")


# ---- bad files: one sentence that names them


IMAGES = idx(bytes_of(3, 4, 4))
LABELS = idx(np.arange(3, dtype=np.uint8))


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
