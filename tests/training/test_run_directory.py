"""The run directory: what a training leaves in it, what is cleared away, drawn, or left alone."""

import csv
import json
import os
import platform

import numpy as np
import pytest
from toy_run import TAG, bits, files, rows

import minigan as mg
from minigan.training import checkpoint, loading

# ---- what is in it


def test_a_run_leaves_what_is_promised(straight):
    names = {str(path.relative_to(straight)) for path in straight.rglob("*") if path.is_file()}
    pictures = {f"samples/step-{step:06d}.png" for step in (0, 8, 16, 20)}
    assert names == pictures | {
        "config.json",
        "log.csv",
        "samples.png",
        "training.gif",
        "losses.png",
        "checkpoint.npz",
    }
    newest = (straight / "samples/step-000020.png").read_bytes()
    assert (straight / "samples.png").read_bytes() == newest


def test_the_log_has_a_row_every_five_steps(straight):
    with open(straight / "log.csv", newline="") as file:
        header, *logged = csv.reader(file)
    assert header == ["step", "loss", "size", "images_per_second"]
    assert [row[0] for row in logged] == ["5", "10", "15", "20"]
    assert all(float(row[3]) > 0 for row in logged)
    first_loss = float(logged[0][1])
    last_loss = float(logged[-1][1])
    assert last_loss < 0.9 * first_loss  # it learnt


def test_config_says_how_to_repeat_the_run(straight):
    config = json.loads((straight / "config.json").read_text())
    assert config["model"] == "toy"
    assert config["device"].startswith("device cpu")
    expected = {"lr": 0.03, "steps": 20, "device": "cpu", "seed": 0}
    assert expected.items() <= config["arguments"].items()
    versions = config["versions"]
    versions.pop("cupy", None)  # where it is installed
    assert versions == {
        "python": platform.python_version(),
        "minigan": mg.__version__,
        "numpy": np.__version__,
    }
    assert config["command"].endswith(f"train_toy.py --out {straight}")


def test_the_checkpoint_holds_the_training_and_no_time_or_place(straight):
    state = mg.load(straight / "checkpoint.npz")
    about = state.pop("run")
    assert set(state) == {"mean", "batches"}
    assert state["mean"]["w"].shape == (1, 64)
    assert about.pop("rng")["bit_generator"] == "PCG64"
    assert about == {
        "model": "toy",
        "step": 20,
        "architecture": {"pixels": 64},
        "networks": None,
        "sampling": {"batch_statistics": "none"},
    }
    assert str(straight).encode() not in bits(straight)


def test_checkpoint_names_are_the_networks_own(straight):
    with np.load(straight / "checkpoint.npz") as file:
        assert set(file.files) == {"tree.json", "mean/w", "mean/velocity"}
    assert checkpoint.load(straight / "checkpoint.npz")["mean"]["w"].dtype == np.float32


def test_a_checkpoint_is_found_by_its_run_or_by_itself(straight, tmp_path):
    path = straight / "checkpoint.npz"
    assert loading.find_checkpoint(straight) == path
    assert loading.find_checkpoint(path) == path
    with pytest.raises(FileNotFoundError, match="there is no checkpoint .*checkpoint.npz"):
        loading.find_checkpoint(tmp_path)
    for missing in (tmp_path / "absent", tmp_path / "absent.npz"):
        with pytest.raises(FileNotFoundError, match=f"there is no folder or file {missing}"):
            loading.find_checkpoint(missing)


# ---- what is cleared away


def test_resume_clears_away_what_a_killed_process_wrote_after_its_checkpoint(
    train, straight, tmp_path
):
    assert train("--out", tmp_path, "--steps", 7, "--sample-every", 7, "--log-every", 5)[0] == 0
    with open(tmp_path / "log.csv", "a") as file:
        file.write("10,99,99,1\n15,99,99,1\n2")  # the last row is torn
    for name in (
        "samples/step-000016.png",
        f"samples/.step-000024.png.{TAG}.part",
        f".checkpoint.npz.{TAG}.part",
    ):
        (tmp_path / name).write_bytes(b"torn")
    (tmp_path / "samples/mine.png").write_bytes(b"not ours")
    assert train("--out", tmp_path, "--resume", "--steps", 20, "--sample-every", 10)[0] == 0
    logged = rows(tmp_path)
    assert [row[0] for row in logged] == ["step", "5", "7", "10", "15", "20"]
    assert [row for row in logged if row[0] != "7"] == rows(straight)
    pictures = {f"step-{step:06d}.png" for step in (0, 7, 10, 20)}
    assert {path.name for path in (tmp_path / "samples").iterdir()} == pictures | {"mine.png"}
    assert not list(tmp_path.rglob("*.part"))
    assert bits(tmp_path) == bits(straight)


def test_a_new_run_clears_away_what_one_without_a_checkpoint_left(train, straight, tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples/step-000003.png").write_bytes(b"torn")
    (tmp_path / "log.csv").write_text("step,other\n3,4\n")
    (tmp_path / "config.json").write_bytes((straight / "config.json").read_bytes())
    assert train("--out", tmp_path)[0] == 0
    assert not (tmp_path / "samples/step-000003.png").exists()
    assert rows(tmp_path) == rows(straight)
    assert bits(tmp_path) == bits(straight)


# ---- what is left alone


@pytest.mark.parametrize(
    "name, content",
    [
        ("config.json", b'{"model": "mine"}'),
        ("config.json", b"[1"),
        ("log.csv", b"a"),
        ("samples.png", b"holiday"),
        ("samples/step-000007.png", b"holiday"),
    ],
)
def test_files_that_are_not_a_run_s_are_left_alone(train, tmp_path, name, content):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    status, _, errors = train("--out", tmp_path)
    assert status == 2
    assert f"{tmp_path} holds {name.split('/')[0]}, but no config.json of a run" in errors
    assert path.read_bytes() == content
    assert len(list(tmp_path.rglob("*"))) <= 2


def test_a_finished_run_is_left_alone(train, straight):
    before = files(straight)
    status, output, _ = train("--out", straight, "--resume")
    assert status == 0
    assert output.splitlines()[1:] == [
        f"{straight} is already at step 20 of 20: nothing to do, nothing changed"
    ]
    assert train("--out", straight, "--resume", "--steps", 9)[0] == 0
    assert files(straight) == before


@pytest.mark.parametrize("undrawn", ["absent", "older"])
def test_resume_draws_what_a_kill_after_the_last_step_left_undrawn(train, copy, undrawn):
    picture = copy / "losses.png"
    drawn = picture.read_bytes()
    if undrawn == "absent":
        picture.unlink()
    else:
        picture.write_bytes(b"of fewer steps")
        os.utime(picture, ns=(0, 0))
    (copy / f".losses.png.{TAG}.part").write_bytes(b"torn")
    status, output, _ = train("--out", copy, "--resume")
    assert status == 0
    assert "at step 20 of 20: training.gif and losses.png were still to be drawn" in output
    assert picture.read_bytes() == drawn
    assert not list(copy.rglob("*.part"))
    assert "nothing changed" in train("--out", copy, "--resume")[1]
