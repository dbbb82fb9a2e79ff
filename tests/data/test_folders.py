"""What people's folders hold: nothing is left out of them without a word."""

import os
import random
from pathlib import Path

import pytest
from data_files import png, said, write_pngs
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import data
from minigan.data import folders

Image = pytest.importorskip("PIL.Image", reason="images are read by Pillow")


# ---- links


def walked(folder):
    """The images below a folder, as os.walk(followlinks=True) finds them, without loops."""
    found = []
    for place, names, files in os.walk(folder, followlinks=True):
        above = [os.path.realpath(place)]
        parent = place
        while os.path.abspath(parent) != os.path.abspath(folder):
            parent = os.path.dirname(parent)
            above.append(os.path.realpath(parent))
        names[:] = [
            name for name in names if os.path.realpath(os.path.join(place, name)) not in above
        ]
        found += [os.path.relpath(os.path.join(place, file), folder) for file in files]
    return sorted(found)


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_a_search_finds_what_a_walk_that_follows_links_finds(tmp_path_factory, seed):
    root, draw = tmp_path_factory.mktemp("tree"), random.Random(seed)
    places = [root]
    for number in range(draw.randrange(1, 8)):
        place = draw.choice(places) / f"folder{number}"
        place.mkdir()
        places.append(place)
        for image in range(draw.randrange(3)):
            (place / f"{image}.png").write_bytes(b"")
    for number in range(draw.randrange(4)):
        os.symlink(draw.choice(places), draw.choice(places) / f"link{number}")
    found = folders.search(root)
    assert [str(name) for name in found.names] == sorted(walked(root), key=Path)
    assert len(set(found.left_out)) == len(found.left_out)


def test_folders_and_images_behind_links_are_read(tmp_path, capsys):
    write_pngs(tmp_path, "store/a.png", "store/b.png", "photos/own.png", "far/c.png")
    os.symlink(tmp_path / "store", tmp_path / "photos" / "celeba")
    os.symlink(tmp_path / "far" / "c.png", tmp_path / "photos" / "linked.png")
    assert len(data.load(tmp_path / "photos")) == 4
    (tmp_path / "classes").mkdir()
    os.symlink(tmp_path / "store", tmp_path / "classes" / "cats")
    os.symlink(tmp_path / "far", tmp_path / "classes" / "dogs")
    loaded = data.load(tmp_path / "classes")
    assert loaded.classes == ("cats", "dogs") and loaded.labels.tolist() == [0, 0, 1]
    os.symlink(tmp_path / "classes", tmp_path / "all")
    assert len(data.load(tmp_path / "all")) == 3
    (tmp_path / "splits").mkdir()
    os.symlink(tmp_path / "store", tmp_path / "splits" / "train")
    os.symlink(tmp_path / "far", tmp_path / "splits" / "test")
    assert [len(data.load(tmp_path / "splits", split=split)) for split in ("train", "test")] == [
        2,
        1,
    ]
    capsys.readouterr()


def test_loops_of_links_end_and_are_said(tmp_path, capsys):
    write_pngs(tmp_path, "x/a.png", "y/b.png")
    os.symlink(tmp_path / "x", tmp_path / "x" / "itself")
    os.symlink("..", tmp_path / "x" / "up")
    os.symlink(tmp_path / "x", tmp_path / "y" / "x")
    os.symlink(tmp_path / "y", tmp_path / "x" / "y")
    assert [str(name) for name in folders.search(tmp_path / "x").names] == [
        "a.png",
        "up/y/b.png",
        "y/b.png",
    ]
    data.load(tmp_path / "x")
    line = said(capsys)
    assert (
        "3 images are read; left out are links to a folder that they lie in: 4 ('itself', ...)"
        in line
    )


def test_links_that_multiply_are_refused_instead_of_followed_for_ever(tmp_path):
    for i in range(40):
        (tmp_path / "chain" / str(i)).mkdir(parents=True)
    for i in range(39):
        for name in ("left", "right"):
            os.symlink(tmp_path / "chain" / str(i + 1), tmp_path / "chain" / str(i) / name)
    with pytest.raises(ValueError, match="links lead to .* along more than 100 paths"):
        data.load(tmp_path / "chain")


def test_broken_links_pipes_and_devices_are_left_out_and_said(tmp_path, capsys):
    write_pngs(tmp_path, "a.png")
    os.symlink("nowhere.png", tmp_path / "gone.png")
    os.symlink("round.png", tmp_path / "round.png")
    os.symlink("/dev/zero", tmp_path / "zero.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert len(data.load(tmp_path)) == 1
    line = said(capsys)
    assert (
        "broken links: 2 ('gone.png', ...)" in line
        and "pipes, sockets or devices: 2 ('pipe.png', ...)" in line
    )


# ---- names


def test_a_folder_is_no_image_whatever_its_name(tmp_path, capsys):
    write_pngs(
        tmp_path,
        "x/a.png",
        "x/photo.png/b.png",
        "y/a.png",
        "photos:A/a.png",
        "deep/cat.jpg/dog.gif/1.png",
    )
    (tmp_path / "y" / "cats.jpg").mkdir()
    assert [len(data.load(tmp_path / name)) for name in ("x", "photos:A", "deep")] == [2, 1, 1]
    assert capsys.readouterr().err == ""
    assert len(data.load(tmp_path / "y")) == 1
    assert "left out are folders without images: 1 ('cats.jpg')" in said(capsys)


def test_a_name_that_ends_in_a_domain_is_a_folder_s_own_name_or_a_part_of_another(tmp_path):
    write_pngs(tmp_path, "own:A/1.png", "own:B/trainB/1.png", "pair/trainA/1.png")
    write_pngs(tmp_path, "both/trainA/1.png", "both:A/1.png")
    assert len(data.load(tmp_path / "own:A")) == 1
    assert len(data.load(tmp_path / "own:B:B")) == len(data.load(tmp_path / "pair:A")) == 1
    with pytest.raises(
        ValueError, match="there are a folder .*both:A and a folder .*both, of which"
    ):
        data.load(tmp_path / "both:A")


@pytest.mark.parametrize(
    "name", ["photos", "photos/", "photos//", "./photos", "photos/../photos", "~/photos"]
)
def test_a_folder_may_be_named_in_any_way(tmp_path, monkeypatch, name):
    write_pngs(tmp_path, "photos/1.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(data.load(name)) == 1
    assert len(data.load("photos", data_dir="~")) == 1


def test_an_unknown_home_folder_is_one_sentence():
    with pytest.raises(FileNotFoundError, match="~nobody-of-this-name/photos is not a path: "):
        data.load("~nobody-of-this-name/photos")


def test_one_image_is_no_folder(tmp_path):
    write_pngs(tmp_path, "1.png")
    with pytest.raises(ValueError, match="1.png is neither a folder of images nor an .npz file"):
        data.load(tmp_path / "1.png")


def test_odd_names_are_read_and_shown_escaped(tmp_path, capsys):
    write_pngs(
        tmp_path,
        "two\nlines.png",
        "tab\t.PNG",
        "A.png",
        "a.PnG",
        "space .png",
        "日本.png",
        "-n.png",
    )
    write_pngs(tmp_path, os.fsdecode(b"latin-\xe9.png"))
    (tmp_path / "other\nline.txt").write_text("")
    assert len(data.load(tmp_path)) == 8
    assert r"files of other kinds: 1 ('other\nline.txt')" in said(capsys)


@pytest.mark.parametrize(
    "name", ["1.PNG", "1.JpG", "1.jpeg", "1.WEBP", "1.TIFF", "1.bmp", "1.Gif", "1.pgm"]
)
def test_suffixes_are_those_of_images_in_any_case(tmp_path, name):
    write_pngs(tmp_path, name)  # a PNG: what an image is decides its content
    assert len(data.load(tmp_path)) == 1


# ---- what is said


def test_one_line_says_how_many_were_read_and_left_out_and_why(tmp_path, capsys):
    write_pngs(tmp_path, "1.png", "2.png", "torn.png", ".hidden/2.png", "__MACOSX/3.png")
    (tmp_path / "torn.png").write_bytes(b"")
    for name in ("notes.txt", "labels.csv", "IMG_0001", "photo.heic"):
        (tmp_path / name).write_text("")
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    data.load(tmp_path, skip_unreadable=True)
    skipped, line = capsys.readouterr().err.splitlines()
    assert skipped.startswith("skipped: cannot read the image")
    assert line.startswith(f"'{tmp_path}': 2 images are read; left out are ")
    for part in (
        "hidden files: 2 ('.hidden', ...)",
        "files of other kinds: 4 ('IMG_0001', ...)",
        "unreadable images: 1 ('torn.png')",
        "folders without images: 1 ('empty')",
    ):
        assert part in line


def test_nothing_is_said_if_nothing_is_left_out(tmp_path, capsys):
    write_pngs(tmp_path, "cat/1.png", "dog/deep/1.png")
    assert data.load(tmp_path).classes == ("cat", "dog")
    write_pngs(tmp_path, "pair/trainA/1.png", "pair/trainB/1.png", "pair/testA/1.png")
    data.load(tmp_path / "pair:A")
    assert capsys.readouterr() == ("", "")


def test_a_split_says_only_what_is_left_out_of_it_and_of_none(tmp_path, capsys):
    write_pngs(tmp_path, "train/1.png", "test/1.png", "preview.png")
    for name in ("train/a.txt", "test/b.txt"):
        (tmp_path / name).write_text("")
    assert len(data.load(tmp_path)) == 1
    line = said(capsys)
    assert "images beside the folders of splits: 1 ('../preview.png')" in line
    assert "files of other kinds: 1 ('a.txt')" in line and "b.txt" not in line


def test_files_with_several_pictures_and_deep_colours_are_counted(tmp_path, capsys):
    first, second = Image.new("L", (6, 6), 10), Image.new("L", (6, 6), 250)
    first.save(tmp_path / "many.gif", save_all=True, append_images=[second])
    first.save(tmp_path / "many.tif", save_all=True, append_images=[second])
    (tmp_path / "deep.ppm").write_bytes(b"P6 6 6 65535\n" + b"\x12\x34" * 108)
    images = data.load(tmp_path).images
    assert images[:, 0, 0, 0].tolist() == [0x12, 10, 10]
    line = said(capsys)
    assert (
        "3 images are read; 1 with 16 bits a channel, 0 to 65535, which are scaled to 0 to 255; "
        "2 with several pictures" in line
    )


def test_a_folder_that_cannot_be_opened_is_refused_and_with_skipping_said(
    tmp_path, capsys, monkeypatch
):
    write_pngs(tmp_path, "open/1.png", "closed/1.png")
    scandir = os.scandir

    def forbidding(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    with pytest.raises(ValueError, match="cannot look into .*closed"):
        data.load(tmp_path)
    assert len(data.load(tmp_path, skip_unreadable=True)) == 1
    assert "files or folders that cannot be looked into: 1 ('closed')" in said(capsys)
    with pytest.raises(ValueError, match="cannot read the folder .*closed: Permission denied"):
        data.load(tmp_path / "closed")


def test_a_folder_with_nothing_to_read_is_refused(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / ".hidden.png").write_bytes(png())
    with pytest.raises(ValueError, match=r"holds no images \(.bmp .gif"):
        data.load(tmp_path)
