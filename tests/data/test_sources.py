"""Every source gives uint8 (N, C, H, W), and what is no source is refused in one sentence."""

import os

import numpy as np
import pytest
from data_files import bytes_of, write_images

from minigan import data

Image = pytest.importorskip("PIL.Image", reason="images are read and resized by Pillow")


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
    write_images(folder, ["broken/good.png", "broken/torn.png", "deep/a.png"])
    write_images(folder, ["split/test/1.png", "flat/1.png"])
    whole = (folder / "broken" / "torn.png").read_bytes()
    (folder / "broken" / "torn.png").write_bytes(whole[:-25])
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(folder / "deep" / "fractions.tif")


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
        ("deep", {}, ValueError, "fractions.tif: its pixels have mode F, expected 8 or 16"),
        ("split", {}, ValueError, "split has no split 'train', expected test"),
        ("flat", {"split": "test"}, ValueError, "flat has no split 'test', expected train"),
        (
            "horse2zebra",
            {},
            ValueError,
            "horse2zebra has two kinds of images, expected horse2zebra:A or horse2zebra:B",
        ),
        ("flat:A", {}, ValueError, "flat has no folder trainA"),
        ("horse2zebra:C", {}, FileNotFoundError, "there is no .*zebra:C"),
        ("digits:A", {}, FileNotFoundError, "there is no data set, folder or file .*digits:A"),
        ("no/such/folder", {}, FileNotFoundError, "^there is no folder or file .*no/such/folder$"),
        ("photos.npz", {}, FileNotFoundError, "^there is no file .*photos.npz$"),
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
