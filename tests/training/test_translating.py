"""translate.py: a folder of images of any sizes, translated by a checkpoint's generators."""

import os
from pathlib import Path

import numpy as np
import pytest
from cyclegan_runs import noise, refused, write_image

import minigan as mg
from minigan.data.images import read_image, to_float
from minigan.training import translation

Image = pytest.importorskip("PIL.Image", reason="images are read and written by Pillow")
pytest.importorskip("matplotlib", reason="training draws its losses")
import translate  # noqa: E402


def run(checkpoint, *options, folder, out):
    """translate.py on a folder."""
    options = [str(option) for option in options]
    translate.main([str(checkpoint), "--input", str(folder), "--out", str(out), *options])


# ---- one image


@pytest.mark.parametrize("height, width", [(8, 8), (1, 1), (2, 9), (33, 14)])
def test_a_translation_is_that_of_the_image_padded_by_reflection(height, width):
    generator = translation.GENERATORS["resnet"](1, 1, width=2, blocks=1)
    x = to_float(noise(2, 1, height, width))
    y = translation.translate(generator, x)
    assert y.shape == x.shape
    assert y.dtype == np.float32
    more = {8: 0, 1: 7, 2: 6, 9: 3, 33: 3, 14: 2}  # to the next multiple of 4, and to 8 at least
    padded = np.pad(x, [(0, 0), (0, 0), (0, more[height]), (0, more[width])], mode="reflect")
    expected = generator(mg.tensor(padded)).numpy()[:, :, :height, :width]
    np.testing.assert_array_equal(y, expected)


def test_a_grey_generator_takes_the_luminance_of_colour():
    red = np.array([255, 0, 0], np.uint8)[:, None, None]
    white = np.array([255, 255, 255], np.uint8)[:, None, None]
    assert translation.with_channels(red, 1).tolist() == [[[76]]]
    assert translation.with_channels(white, 1).tolist() == [[[255]]]
    assert translation.with_channels(white[:1], 3).shape == (3, 1, 1)


# ---- a folder


def test_a_folder_of_any_sizes_is_translated_under_the_same_names(
    cyclegan, photos, tmp_path, capsys
):
    out = tmp_path / "out"
    run(cyclegan, "--direction", "BtoA", folder=photos, out=out)
    assert "3 images translated BtoA by the generator of step 2" in capsys.readouterr().out
    shapes = {path.relative_to(out): read_image(path).shape for path in out.rglob("*.png")}
    assert shapes == {
        Path("wide.png"): (3, 10, 21),
        Path("deep/tall.png"): (3, 33, 5),
        Path("grey.png"): (3, 16, 16),
    }


def test_each_direction_has_its_own_generator(cyclegan, tmp_path):
    photos = tmp_path / "in"
    photos.mkdir()
    # Instance norm makes nothing of a constant image.
    Image.fromarray(noise(16, 16, 3)).save(photos / "noise.png")
    pictures = []
    for direction in translation.DIRECTIONS:
        out = tmp_path / direction
        run(cyclegan, "--direction", direction, folder=photos, out=out)
        pictures.append(read_image(out / "noise.png").astype(int))
    assert abs(pictures[0] - pictures[1]).mean() > 1


@pytest.mark.parametrize("name", ["wide.png", "deep/tall.png"])
def test_a_picture_that_is_there_already_is_not_overwritten(
    cyclegan, photos, tmp_path, capsys, name
):
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"holiday")
    said = refused(capsys, translate.main, cyclegan, "--input", photos, "--out", tmp_path / "out")
    assert f"{mine} exists already: choose another --out" in said
    assert mine.read_bytes() == b"holiday"
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [mine]


def test_unreadable_files_are_all_named_and_skipped_only_if_told_so(
    cyclegan, photos, tmp_path, capsys
):
    for name in ("torn.png", "text.jpg"):
        (photos / name).write_bytes(b"no image")
    out = tmp_path / "out"
    said = refused(capsys, translate.main, cyclegan, "--input", photos, "--out", out)
    assert "torn.png" in said
    assert "text.jpg" in said
    assert "--skip-unreadable" in said
    assert not out.exists()
    run(cyclegan, "--skip-unreadable", folder=photos, out=out)
    out, err = capsys.readouterr()
    assert err.count("skipped: cannot read the image") == 2
    assert "3 images translated" in out


def test_translating_says_what_of_a_folder_is_left_out_and_follows_links(
    cyclegan, photos, tmp_path, capsys
):
    write_image(tmp_path / "elsewhere" / "more.png", (9, 9))
    os.symlink(tmp_path / "elsewhere", photos / "linked")
    os.symlink("nowhere", photos / "gone.png")
    os.mkfifo(photos / "pipe.png")
    (photos / "folder.png").mkdir()
    (photos / "notes.txt").write_text("")
    run(cyclegan, folder=photos, out=tmp_path / "out")
    found = capsys.readouterr()
    assert "4 images translated" in found.out
    assert (tmp_path / "out" / "linked" / "more.png").exists()
    (line,) = found.err.splitlines()
    for part in (
        "4 images are read",
        "broken links: 1 ('gone.png')",
        "pipes, sockets or devices: 1 ('pipe.png')",
        "files of other kinds: 1 ('notes.txt')",
        "folders without images: 1 ('folder.png')",
    ):
        assert part in line


# ---- what is refused


def test_what_cannot_be_translated_is_refused_in_one_sentence(cyclegan, photos, tmp_path, capsys):
    def said(run=cyclegan, folder=photos, out=tmp_path / "out"):
        return refused(capsys, translate.main, run, "--input", folder, "--out", out)

    (tmp_path / "empty").mkdir()
    assert "empty holds no images" in said(folder=tmp_path / "empty")
    assert "nowhere is not a folder" in said(folder=tmp_path / "nowhere")
    assert "lies in --input" in said(out=photos / "out")
    assert "there is no checkpoint" in said(run=tmp_path)
    mg.save(tmp_path / "dcgan.npz", {"run": {"model": "dcgan"}, "generator": {}})
    assert "dcgan.npz is of dcgan, expected one of cyclegan" in said(run=tmp_path / "dcgan.npz")
    mg.save(tmp_path / "list.npz", [1, 2])
    assert "expected one of cyclegan" in said(run=tmp_path / "list.npz")
    (tmp_path / "torn.npz").write_bytes((cyclegan / "checkpoint.npz").read_bytes()[:-100])
    assert "torn.npz" in said(run=tmp_path / "torn.npz")
    write_image(photos / "wide.png", (4, 4))
    assert "would both become" in said()


@pytest.mark.parametrize(
    "sampling", [None, [], "batch", {"batch_statistics": "batch"}, {"batch_statistics": None}]
)
def test_a_checkpoint_that_is_sampled_otherwise_is_refused(
    cyclegan, photos, tmp_path, capsys, sampling
):
    state = mg.load(cyclegan / "checkpoint.npz")
    state["run"]["sampling"] = sampling
    other = tmp_path / "other.npz"
    mg.save(other, state)
    said = refused(capsys, translate.main, other, "--input", photos, "--out", tmp_path / "out")
    assert "expected running batch statistics" in said
    assert not (tmp_path / "out").exists()
