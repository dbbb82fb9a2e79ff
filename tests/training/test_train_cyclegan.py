"""train_cyclegan.py: it resumes to the bit, keeps its schedule, and refuses mistakes."""

import argparse
import json
import shutil

import numpy as np
import pytest
from cyclegan_runs import SMALL, refused, write_image, write_pairs
from toy_run import bits

import minigan as mg
from minigan import training
from minigan.data import pairs
from minigan.data.images import read_image

pytest.importorskip("PIL", reason="images are read and written by Pillow")
pytest.importorskip("matplotlib", reason="training draws its losses")
import sample  # noqa: E402
import train_cyclegan  # noqa: E402
import train_dcgan  # noqa: E402
import translate  # noqa: E402


def train(*options, out):
    train_cyclegan.main([*SMALL, *map(str, options), "--out", str(out)])


# ---- stopping and going on

FULL_POOLS = "--pool-size", 6, "--load-size", 18, "--flip", "--constant-steps", 2
FULL_POOLS += "--decay-steps", 5
UNET = "--generator", "unet", "--depth", 2, "--batch-size", 1, "--identity-weight", 0


@pytest.mark.parametrize("options", [FULL_POOLS, UNET])
def test_stopping_and_resuming_gives_the_same_bits(tmp_path, options):
    """The state holds more than elsewhere.

    Four networks, two optimisers, two schedules, two pools that are full, and two orders of data
    with crops and flips.
    """
    train(*options, "--steps", 6, out=tmp_path / "whole")
    train(*options, "--steps", 3, out=tmp_path / "parts")
    rest = ["--resume", "--sample-every", "1", "--quiet", "--steps", "6"]
    train_cyclegan.main([*rest, "--out", str(tmp_path / "parts")])
    assert bits(tmp_path / "whole") == bits(tmp_path / "parts")


def test_the_checkpoint_holds_all_that_training_changes(cyclegan):
    state = mg.load(cyclegan / "checkpoint.npz")
    assert set(state) == {
        "run",
        "AtoB",
        "BtoA",
        "discriminator_A",
        "discriminator_B",
        "generator_optimizer",
        "discriminator_optimizer",
        "generator_schedule",
        "discriminator_schedule",
        "pool_A",
        "pool_B",
        "batches_A",
        "batches_B",
    }
    assert len(state["pool_A"]["images"]) == 8
    assert state["generator_schedule"]["count"] == 2
    # Each kind has an order of its own.
    assert state["batches_A"]["generator"] != state["batches_B"]["generator"]


# ---- what a run shows and does


def test_samples_are_rows_of_originals_translations_and_cycled_images(cyclegan):
    pictures = read_image(cyclegan / "samples.png").transpose(1, 2, 0)
    side = 6 * 66 + 2  # 16 pixels, four times enlarged, and margins of 2
    assert pictures.shape == (side, side, 3)
    rows = [pictures[66 * i + 2 : 66 * i + 66, 2:66] for i in range(6)]
    test = pairs.digits(16, 16)
    np.testing.assert_array_equal(rows[0][::4, ::4], test.test_a[0].transpose(1, 2, 0))
    np.testing.assert_array_equal(rows[3][::4, ::4], test.test_b[0].transpose(1, 2, 0))
    assert (rows[1] != rows[0]).any()
    assert (rows[2] != rows[1]).any()


def test_the_learning_rate_is_constant_and_then_falls_to_zero(tmp_path):
    train("--steps", 4, "--constant-steps", 1, "--decay-steps", 3, out=tmp_path)
    state = mg.load(tmp_path / "checkpoint.npz")
    assert state["generator_optimizer"]["param_groups"][0]["lr"] == 0
    assert state["generator_schedule"]["base"] == 1e-3


# ---- your own networks

MY_NETWORKS = """
from minigan import nn
def Generator(in_channels, out_channels):
    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels))
def Discriminator(in_channels):
    return nn.Conv2d(in_channels, 1, 3)
"""


def test_networks_of_ones_own_train_and_translate(tmp_path, photos):
    mine = tmp_path / "mine.py"
    mine.write_text(MY_NETWORKS)
    train("--networks", mine, out=tmp_path / "run")
    where = "--input", str(photos), "--out", str(tmp_path / "out")
    translate.main([str(tmp_path / "run"), *where, "--networks", str(mine)])
    assert len(list((tmp_path / "out").rglob("*.png"))) == 3
    # Both generators have seen as many batches: the look at their shapes before is not counted.
    state = mg.load(tmp_path / "run" / "checkpoint.npz")
    counts = [state[name]["1.num_batches_tracked"] for name in ("AtoB", "BtoA")]
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize(
    "before, after, message",
    [
        ("3, padding=1", "3", "Generator makes images of shape (1, 3, 14, 14), expected (1, 3, 16"),
        ("Conv2d(in_channels, 1, 3)", "Conv2d(in_channels + 1, 1, 3)", "conv2d"),
    ],
)
def test_networks_of_ones_own_that_do_not_fit_are_refused(
    tmp_path, monkeypatch, capsys, before, after, message
):
    monkeypatch.chdir(tmp_path)
    assert before in MY_NETWORKS
    (tmp_path / "mine.py").write_text(MY_NETWORKS.replace(before, after))
    said = refused(capsys, train_cyclegan.main, *SMALL, "--networks", "mine.py")
    assert "--networks mine.py: " in said
    assert message in said
    assert not (tmp_path / "runs").exists()


# ---- data


def test_training_on_two_folders_and_on_the_published_layout(tmp_path):
    colours = {"A": (250, 10, 10), "B": (10, 250, 10)}
    for kind, value in colours.items():
        for split, count in (("train", 5), ("test", 2)):
            for i in range(count):
                path = tmp_path / "pair" / f"{split}{kind}" / f"{i}.png"
                write_image(path, (20, 24), value=value)
    pair = tmp_path / "pair"
    train("--data", pair, out=tmp_path / "one")
    train("--data-a", pair / "trainA", "--data-b", f"{pair}:B", out=tmp_path / "two")
    for name in ("one", "two"):
        picture = read_image(tmp_path / name / "samples.png")
        assert tuple(picture[:, 5, 5]) == colours["A"]
        assert tuple(picture[:, 66 * 3 + 5, 5]) == colours["B"]


def test_unreadable_training_images_are_skipped_and_named_if_told_so(tmp_path, capsys):
    folder = tmp_path / "in"
    for name in "abcde":
        write_image(folder / f"{name}.png", (16, 16))
    (folder / "torn.png").write_bytes((folder / "a.png").read_bytes()[:40])
    data = "--data-a", folder, "--data-b", "digits", "--skip-unreadable"
    train(*data, out=tmp_path / "run")
    said = capsys.readouterr().err  # also with --quiet
    assert "skipped: cannot read the image" in said
    assert "torn.png" in said
    assert "5 images are read; left out are unreadable images: 1 ('torn.png')" in said


# ---- mistakes

PAIRS = "--data-a", "pairs.npz", "--data-b", "pairs.npz:masks"


@pytest.fixture
def odd_data(tmp_path, monkeypatch):
    """A folder with pairs and with folders of images that are not as they should be."""
    monkeypatch.chdir(tmp_path)
    write_pairs("pairs.npz", labels=np.arange(20), same=np.zeros(20))
    write_image(tmp_path / "half" / "trainA" / "1.png", (16, 16))
    write_image(tmp_path / "flat" / "1.png", (16, 16))
    write_image(tmp_path / "torn" / "a.png", (16, 16))
    write_image(tmp_path / "torn_test" / "train" / "a.png", (16, 16))
    (tmp_path / "torn_test" / "test").mkdir()
    for folder in ("torn", "torn_test/test"):
        (tmp_path / folder / "b.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "options, message",
    [
        (("--data-a", "digits"), "--data-b is missing"),
        (("--data-b", "digits"), "--data-a is missing"),
        (("--data", "digits", "--data-a", "digits"), "leave out --data-a"),
        (("--data", "nowhere"), "there is no data set, folder or file nowhere:A"),
        (("--data", "half"), "half has no folder trainB"),
        (("--data", "flat"), "flat has no folder trainA"),
        (("--data-a", "empty", "--data-b", "digits"), "empty holds no images"),
        (("--data-a", "torn", "--data-b", "digits"), "cannot read the image torn/b.png"),
        (
            ("--data-a", "torn_test", "--data-b", "digits"),
            "cannot read the image torn_test/test/b.png",
        ),
        (
            ("--image-size", "30", "--load-size", "30"),
            "ResnetGenerator: images have shape (1, 3, 30, 30), expected",
        ),
        (("--image-size", "16", "--patch-layers", "3"), "at least 24, or no score is left"),
        (("--load-size", "12"), "--load-size 12 is less than --image-size 16"),
        (("--generator", "unet", "--depth", "5"), "multiples of 32"),
        (("--batch-size", "2000"), "--batch-size is 2000, expected a whole number from 1 to 718"),
        (
            ("--steps", "9", "--constant-steps", "3", "--decay-steps", "5"),
            "--steps 9 is more than --constant-steps 3",
        ),
        (
            ("--data-a", "pairs.npz", "--data-b", "digits", "--halves", "source"),
            "--halves is source, expected two arrays of one .npz file",
        ),
        ((*PAIRS, "--halves", "patient"), "holds no array 'patient'"),
        ((*PAIRS, "--halves", "same"), "same has shape (16,) and 1 values"),
        (
            ("--data-a", "pairs.npz", "--data-b", "pairs.npz:labels", "--halves", "source"),
            "labels is int64, expected",
        ),
    ],
)
def test_a_mistake_in_the_arguments_is_one_sentence(odd_data, capsys, options, message):
    said = refused(capsys, train_cyclegan.main, *SMALL, *options)
    assert message in said
    assert not (odd_data / "runs").exists()


def test_halves_of_one_named_set_are_refused(capsys):
    said = refused(capsys, train_cyclegan.main, "--halves", "source")
    assert "--halves source divides pairs of --data-a and --data-b" in said


def test_another_model_s_scripts_refuse_a_cyclegan_in_one_sentence(cyclegan, tmp_path, capsys):
    assert "holds no generator of images from latents" in refused(capsys, sample.main, cyclegan)
    said = refused(capsys, train_dcgan.main, "--resume", "--out", cyclegan)
    assert "holds a run of cyclegan, expected dcgan" in said
    other = tmp_path / "copy"
    shutil.copytree(cyclegan, other)
    config = json.loads((cyclegan / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "model": "dcgan"}))
    said = refused(capsys, train_cyclegan.main, "--resume", "--out", other)
    assert "holds a run of dcgan, expected cyclegan" in said


def test_the_command_line_asks_argparse_for_nothing_that_python_3_14_took_away(monkeypatch):
    before = argparse.BooleanOptionalAction.__init__

    def of_python_3_14(
        self, option_strings, dest, default=None, required=False, help=None, deprecated=False
    ):
        before(self, option_strings, dest, default=default, required=required, help=help)

    monkeypatch.setattr(argparse.BooleanOptionalAction, "__init__", of_python_3_14)
    settings = train_cyclegan.PAPER, train_cyclegan.DIGITS
    argv = ["--out", "nowhere", "--quiet", "--no-flip"]
    assert training.parse("cyclegan", "", train_cyclegan.OPTIONS, *settings, argv).flip is False
