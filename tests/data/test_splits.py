"""Subfolders are splits or classes, and no split is taken for a class; .zip files are alike."""

import os
import zipfile

import numpy as np
import pytest
from data_files import png, said, write_pngs

from minigan import data

Image = pytest.importorskip("PIL.Image", reason="images are read by Pillow")


# ---- splits and classes


def test_a_class_may_be_called_train(tmp_path, capsys):
    write_pngs(
        tmp_path, *(f"{kind}/{i}.png" for kind in ("car", "train", "truck") for i in range(2))
    )
    loaded = data.load(tmp_path)
    assert loaded.classes == ("car", "train", "truck") and loaded.labels.tolist() == [
        0,
        0,
        1,
        1,
        2,
        2,
    ]
    assert "the folder 'train' is taken for a class, because of 'car', 'truck' beside it" in said(
        capsys
    )
    with pytest.raises(data.MissingSplit, match="has no split 'test', expected train"):
        data.load(tmp_path, split="test")


@pytest.mark.parametrize(
    "names, message",
    [
        (["train/1.png", "test/1.png", "masks/1.png"], "'test', 'train', .*'masks'"),
        (["train/cat/1.png", "train/dog/1.png", "more/1.png"], "'train', .*'more'"),
        (["train/1.png", "car/1.png", "1.png"], "'train', .*'car'"),
        (
            ["val/1.png", "valid/1.png", "train/1.png"],
            "2 folders of the split 'validation', expected one: 'val', 'valid'",
        ),
        (
            ["Train/1.png", "train/1.png"],
            "2 folders of the split 'train', expected one: 'Train', 'train'",
        ),
        (
            ["trainA/1.png", "trainB/1.png"],
            "of two kinds of images, 'trainA', 'trainB': expected .*:A or .*:B",
        ),
    ],
)
def test_folders_that_may_be_splits_or_classes_are_refused_by_name(tmp_path, names, message):
    write_pngs(tmp_path, *names)
    with pytest.raises(ValueError, match=message):
        data.load(tmp_path, split="validation" if "val/1.png" in names else "train")


def test_splits_are_known_in_any_case_and_beside_folders_without_images(tmp_path, capsys):
    write_pngs(
        tmp_path,
        "Train/1.png",
        "Train/2.png",
        "TEST/1.png",
        "pair/TrainA/1.png",
        "pair/trainB/1.png",
    )
    (tmp_path / "pair" / "trainB" / "1.png").rename(tmp_path / "pair" / "trainB" / "2.png")
    (tmp_path / "flat").mkdir()
    (tmp_path / "pair").rename(tmp_path.parent / f"{tmp_path.name}-pair")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "1.xml").write_text("")
    assert [len(data.load(tmp_path, split=split)) for split in ("train", "test")] == [2, 1]
    assert len(data.load(f"{tmp_path}-pair:A")) == 1
    capsys.readouterr()


def test_an_empty_folder_of_a_split_is_named(tmp_path):
    write_pngs(tmp_path, "train/1.png")
    (tmp_path / "test").mkdir()
    assert len(data.load(tmp_path)) == 1
    with pytest.raises(ValueError, match="test holds no images"):
        data.load(tmp_path, split="test")


def test_images_beside_folders_and_folders_in_one_folder_have_no_labels_and_that_is_said(
    tmp_path, capsys
):
    write_pngs(tmp_path, "some/cat/1.png", "some/dog/1.png", "some/stray.png")
    write_pngs(tmp_path, "one/all/cat/1.png", "one/all/dog/1.png")
    assert data.load(tmp_path / "some").labels is None
    assert "no labels, because of images beside the folders 'cat', 'dog': 1 ('stray.png')" in said(
        capsys
    )
    assert data.load(tmp_path / "one").labels is None
    assert "no labels, because all folders lie in one, 'all'" in said(capsys)


def test_a_class_of_which_no_image_can_be_read_is_named(tmp_path, capsys):
    write_pngs(tmp_path, "ant/1.png", "bee/1.png", "cat/1.png")
    (tmp_path / "bee" / "1.png").write_bytes(b"")
    loaded = data.load(tmp_path, skip_unreadable=True)
    assert loaded.classes == ("ant", "cat") and loaded.labels.tolist() == [0, 1]
    assert "no image in the folder 'bee' can be read, it is not a class" in capsys.readouterr().err


# ---- .zip files


def write_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_a_zip_may_have_folders_like_images_backslashes_and_deeper_folders(tmp_path, capsys):
    write_zip(
        tmp_path / "maps.zip",
        {
            "maps/trainA/cat.jpg/": b"",
            "maps/trainA/1.png": png(1),
            "maps\\trainA\\2.PNG": png(2),
            "maps/trainA/deep/3.png": png(3),
            "maps/trainA/.4.png": b"",
            "maps/trainA/list.txt": b"",
            "maps/5.png": png(5),
        },
    )
    images = data.load("maps:A", data_dir=tmp_path).images
    assert sorted(images[:, 0, 0, 0]) == [1, 2, 3]
    line = said(capsys)
    assert "hidden files: 1" in line and "files of other kinds: 1 ('maps/trainA/list.txt')" in line


def encrypted(content):
    """A .zip whose members say that they are encrypted."""
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = content.index(signature) + offset
        content = content[:place] + bytes([content[place] | 1]) + content[place + 1 :]
    return content


def test_a_zip_that_cannot_be_read_is_refused_in_one_sentence_and_closed(tmp_path):
    path = tmp_path / "maps.zip"
    write_zip(path, {"maps/trainA/1.jpg": png()[:50]})
    torn = path.read_bytes()
    write_zip(path, {"maps/trainA/1.jpg": png()})
    whole = path.read_bytes()
    write_zip(path, {"maps/trainA/1.jpg": png(), "maps\\trainA\\1.jpg": png()})
    for content, message in (
        (torn, "maps/trainA/1.jpg"),
        (encrypted(whole), "is encrypted"),
        (path.read_bytes(), "it holds maps/trainA/1.jpg twice"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"cannot read .*maps.zip: .*{message}") as caught:
            data.load("maps:A", data_dir=tmp_path)
        assert "\n" not in str(caught.value)
        open_files = [
            os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")
        ]
        assert (
            str(path) not in open_files
        )  # while the exception, which keeps its traceback, is still there


def test_a_damaged_header_in_a_zip_is_not_printed_whole(tmp_path):
    path = tmp_path / "maps.zip"
    write_zip(path, {"maps/trainA/1.jpg": png()})
    content = bytearray(path.read_bytes())
    content[26:28] = b"\xff\x00"  # the length of the name in the first of its two headers
    path.write_bytes(content)
    with pytest.raises(ValueError, match="1.jpg is damaged: File name in directory") as caught:
        data.load("maps:A", data_dir=tmp_path)
    assert len(str(caught.value)) < len(str(path)) + 250


def test_the_images_of_a_folder_are_the_same_as_before(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (5, 6, 6, 3), np.uint8)
    for i, value in enumerate(values):
        Image.fromarray(value).save(tmp_path / f"{i}.png")
    assert np.array_equal(data.load(tmp_path).images, values.transpose(0, 3, 1, 2))
