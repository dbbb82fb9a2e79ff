"""A user's own networks: what their file may be, and that it is given again, never found by name.

A checkpoint holds the SHA-256 of the file, and nothing else that leads to it.
"""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from toy_run import bits, files, session, trained

import minigan as mg
from minigan.training import loading

NETWORKS = "class Generator: pass\nclass Discriminator: pass\n"


@pytest.fixture
def mine(tmp_path):
    """A file of networks that are never called."""
    path = tmp_path / "mine.py"
    path.write_text(NETWORKS)
    return path


# ---- the file


@pytest.mark.parametrize("what", ["device", "fifo", "folder", "large", "absent"])
def test_networks_are_read_from_a_regular_file_of_bounded_size(tmp_path, what):
    path = tmp_path / "mine.py"
    if what == "device":
        path = Path("/dev/zero")
    if what == "fifo":
        os.mkfifo(path)
    if what == "folder":
        path.mkdir()
    if what == "large":
        path.write_text(NETWORKS + "#" * (1 << 20))
    sentence = "expected a regular file|has more than the|there is no file"
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        loading.load_networks(path)


@pytest.mark.parametrize(
    "source, sentence",
    [
        ("class Generator: pass", "mine.py does not define Discriminator"),
        ("Generator = Discriminator = 3", "mine.py does not define Generator"),
        ("class Generator(:", "mine.py cannot be run: SyntaxError: "),
        (
            "import absent_module",
            "mine.py cannot be run: ModuleNotFoundError: No module named 'absent_module'",
        ),
        ("1 / 0", "mine.py cannot be run: ZeroDivisionError: division by zero"),
    ],
)
def test_networks_that_cannot_be_used_are_refused(mine, source, sentence):
    mine.write_text(source)
    with pytest.raises(ValueError, match=sentence):
        loading.load_networks(mine)


def test_a_networks_file_that_exits_is_a_file_that_cannot_be_run(call, mine, capsys):
    mine.write_text("import sys\nsys.exit()\n")
    with pytest.raises(SystemExit) as caught:
        call("train_dcgan.py", "--networks", mine)
    assert caught.value.code == 2
    assert "mine.py cannot be run: SystemExit" in capsys.readouterr().err


# ---- its hash


def exit_of_parsing(*arguments):
    with pytest.raises(SystemExit) as stop:
        session(*arguments)
    return stop.value.code


def test_of_networks_of_ones_own_the_checkpoint_has_the_hash_and_they_may_not_change(
    mine, tmp_path, capsys
):
    out = tmp_path / "out"
    args = trained(out, "--networks", mine).args
    assert args.networks_module.Generator.__name__ == "Generator"
    digest = args.networks_sha256
    assert mg.load(out / "checkpoint.npz")["run"]["networks"] == {"sha256": digest}
    assert b"mine.py" not in bits(out)
    assert loading.load_networks(mine, digest)[1] == digest
    mine.write_text(NETWORKS + "open('trap', 'w')\n")
    with pytest.raises(ValueError, match="it was changed since the training"):
        loading.load_networks(mine, digest)
    assert exit_of_parsing(out, "--resume", "--steps", 9, "--networks", mine) == 2
    assert "it was changed since the training" in capsys.readouterr().err


def test_networks_of_ones_own_are_given_again_to_go_on_wherever_they_lie_now(
    mine, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "out"
    trained(out, "--networks", mine)
    mine.rename(tmp_path / "moved.py")
    mine.write_text("open('trap', 'w')")  # what config.json names
    monkeypatch.chdir(tmp_path)
    before = files(tmp_path)
    assert exit_of_parsing(out, "--resume", "--steps", 9) == 2
    said = capsys.readouterr().err
    assert "give their file again, --networks FILE.py" in said
    assert said.count("\n") == 1
    assert files(tmp_path) == before
    args = trained(out, "--resume", "--steps", 9, "--networks", tmp_path / "moved.py").args
    assert args.steps == 9
    assert mg.load(out / "checkpoint.npz")["run"]["step"] == 9


def test_a_run_of_an_earlier_version_whose_checkpoint_names_the_file_goes_on(mine, tmp_path):
    path = tmp_path / "out/checkpoint.npz"
    trained(tmp_path / "out", "--networks", mine)
    state = mg.load(path)
    state["run"]["networks"]["file"] = "gone.py"
    mg.save(path, state)
    args = trained(tmp_path / "out", "--resume", "--steps", 9, "--networks", mine).args
    assert mg.load(path)["run"]["networks"] == {"sha256": args.networks_sha256}


def test_the_command_that_goes_on_names_the_networks_of_ones_own(mine, tmp_path, capsys):
    these = session(tmp_path / "out", "--networks", mine)
    with pytest.raises(SystemExit):
        for step in these:
            these.log(loss=0)
            if step == 2:
                signal.raise_signal(signal.SIGTERM)
    command = f"--resume --out {tmp_path / 'out'} --networks {mine}\n"
    assert capsys.readouterr().out.endswith(command)


# ---- they train and sample

MY_NETWORKS = """
from minigan import nn
def Generator(latent_dim, image_size, channels):
    n = channels * image_size ** 2
    shape = channels, image_size, image_size
    return nn.Sequential(nn.Linear(latent_dim, n), nn.Tanh(), nn.Unflatten(1, shape))
def Discriminator(image_size, channels):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size ** 2, 1), nn.Flatten())
"""


def test_networks_of_ones_own_train_and_sample(tmp_path, run_example):
    (tmp_path / "mine.py").write_text(MY_NETWORKS)
    own = "--networks", "mine.py"
    run_example("train_dcgan.py", "--steps", 2, *own)
    said = run_example("sample.py", "runs/dcgan", expect=2)
    assert "of which it holds only the hash: give their file, --networks FILE.py" in said
    run_example("sample.py", "runs/dcgan", "-n", 3, "--out", "x.npy", *own)
    assert np.load(tmp_path / "x.npy").shape == (3, 1, 16, 16)
    (tmp_path / "mine.py").write_text(MY_NETWORKS + "open('trap', 'w')\n")
    assert "SHA-256" in run_example("sample.py", "runs/dcgan", *own, expect=2)
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize(
    "script, options",
    [
        ("train_gan.py", ()),
        ("train_wgan.py", ("--n-critic", 1)),
        ("train_wgan.py", ("--generator", "mlp", "--n-critic", 1)),
    ],
)
def test_networks_of_ones_own_play_every_game(tmp_path, call, script, options):
    (tmp_path / "mine.py").write_text(MY_NETWORKS)
    call(script, "--networks", "mine.py", *options, "--steps", 1, "--quiet", "--out", "run")
    call("sample.py", "run", "-n", 3, "--out", "x.npy", "--networks", "mine.py")
    assert np.load(tmp_path / "x.npy").shape[:2] == (3, 1)
    assert set(mg.load(tmp_path / "run" / "checkpoint.npz")["generator"]) == {"0.weight", "0.bias"}


# ---- they fit each other


# A change of the source above -> what the refusal says.
MISFITS = {
    "small images": (
        "n = channels * image_size ** 2\n    shape = channels, image_size, image_size",
        "n = channels * 16\n    shape = channels, 4, 4",
        "Generator makes images of shape (8, 1, 4, 4), expected (8, 1, 16, 16)",
    ),
    "another latent": ("latent_dim, n)", "latent_dim + 1, n)", "does not fit weight"),
    "another D": ("channels * image_size ** 2, 1", "7, 1", "does not fit weight (1, 7)"),
    "an argument": ("(image_size, channels)", "(image_size, channels, depth)", "'depth'"),
}


@pytest.mark.parametrize("script", ["train_dcgan.py", "train_gan.py", "train_wgan.py"])
@pytest.mark.parametrize("misfit", MISFITS)
def test_networks_that_do_not_fit_are_refused_before_anything_is_written(
    tmp_path, call, capsys, script, misfit
):
    before, after, sentence = MISFITS[misfit]
    assert before in MY_NETWORKS
    (tmp_path / "mine.py").write_text(MY_NETWORKS.replace(before, after))
    small = "--image-size", 16, "--batch-size", 8, "--steps", 1
    with pytest.raises(SystemExit) as caught:
        call(script, "--networks", "mine.py", *small)
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert caught.value.code == 2
    assert not (tmp_path / "runs").exists()


NORMED = MY_NETWORKS.replace("nn.Tanh(),", "nn.BatchNorm1d(n), nn.Dropout(0.5), nn.Tanh(),")


def test_the_look_whether_they_fit_changes_no_bit_of_the_training(tmp_path, call, monkeypatch):
    from minigan.training import setup

    (tmp_path / "mine.py").write_text(NORMED)
    options = "--networks", "mine.py", "--image-size", 16, "--steps", 2, "--quiet"
    call("train_dcgan.py", *options, "--out", "looked")
    monkeypatch.setattr(setup, "check_fit", lambda *arguments: None)
    call("train_dcgan.py", *options, "--out", "not_looked")
    assert bits(tmp_path / "looked") == bits(tmp_path / "not_looked")
    norm = mg.load(tmp_path / "looked" / "checkpoint.npz")["generator"]
    assert norm["1.num_batches_tracked"] == 2
