"""No code, no file and no cost comes into a process by a checkpoint from somebody else."""

import hashlib
import json
import os
import shutil
import time
import tracemalloc
from pathlib import Path

import pytest
from crafted import (
    SCRIPTS,
    SMALL,
    archive,
    call,
    copied,
    every_script,
    look,
    readers,
    refused,
    replaced,
    spoiled,
    write,
)

import minigan as mg
from minigan.training import checkpoint

pytest.importorskip("matplotlib", reason="training draws its losses")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """{model: its run directory}."""
    folder = tmp_path_factory.mktemp("trained")
    for model, (script, *options) in SCRIPTS.items():
        assert call(script, *options, *SMALL, "--out", folder / model) == 0
    return {model: folder / model for model in SCRIPTS}


@pytest.mark.parametrize("what", ["fifo", "device", "folder", "broken link to itself"])
def test_a_checkpoint_that_is_no_regular_file_is_refused_at_once(trained, tmp_path, capsys, what):
    out = Path(shutil.copytree(trained["gan"], tmp_path / "run"))
    path = out / "checkpoint.npz"
    path.unlink()
    if what == "fifo":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    before = {file: file.lstat().st_mtime_ns for file in out.rglob("*")}
    for script, *options in (
        ("sample", out),
        ("evaluate", out),
        ("translate", out, "--input", out, "--out", "x"),
        ("sample", path),
        ("train_gan", "--resume", "--out", out),
    ):
        said = refused(capsys, script, *options)
        assert (
            "regular file" in said or "there is no checkpoint" in said or "symbolic links" in said
        ), said
    assert {file: file.lstat().st_mtime_ns for file in out.rglob("*")} == before


# ---- nothing that a checkpoint names is run or opened


TRAP = "open({!r}, 'w').close()\nfrom minigan.models.dcgan import Generator, Discriminator\n"


@every_script
@pytest.mark.parametrize("digest", [None, "right", "wrong"])
def test_no_file_that_a_checkpoint_names_is_run(trained, tmp_path, capsys, model, digest):
    trap, source = tmp_path / "trap", tmp_path / "networks.py"
    source.write_text(TRAP.format(str(trap)))
    sha256 = {
        None: None,
        "wrong": "0" * 64,
        "right": hashlib.sha256(source.read_bytes()).hexdigest(),
    }[digest]
    out = copied(trained[model], tmp_path, networks={"file": str(source), "sha256": sha256})
    before = look(out)
    for script, *options in readers(model, out, tmp_path):
        said = refused(capsys, script, *options)
        assert "networks" in said, said
        assert digest != "right" or script.startswith("train_") or "--networks FILE.py" in said
    assert look(out) == before and not trap.exists()


@pytest.mark.parametrize(
    "networks",
    [
        {"file": "/dev/zero", "sha256": "0" * 64},
        {"file": "/dev/zero", "sha256": None},
        {"file": 3, "sha256": "0"},
        {},
        {"sha256": "../../x"},
        {"sha256": ["0" * 64]},
        "0" * 64,
        [],
        5,
        True,
        {"sha256": "0" * 64 + "\n"},
    ],
)
def test_networks_that_are_no_hash_are_refused(trained, tmp_path, capsys, networks):
    out = copied(trained["dcgan"], tmp_path, networks=networks)
    for script, *options in readers("dcgan", out, tmp_path):
        assert "networks" in refused(capsys, script, *options)


@pytest.mark.parametrize("model", ["gan", "cyclegan"])
def test_no_networks_are_needed_for_a_checkpoint_of_minigan_s_own(trained, tmp_path, capsys, model):
    trap, source = tmp_path / "trap", tmp_path / "networks.py"
    source.write_text(TRAP.format(str(trap)))
    for script, *options in readers(model, trained[model], tmp_path):
        assert f"--networks {source}" in refused(capsys, script, *options, "--networks", source)
    assert not trap.exists()


@pytest.mark.parametrize(
    "model, name",
    [
        ("os", "system"),
        ("inspect", "getsource"),
        ("models", "build"),
        ("dcgan", "nn"),
        ("dcgan", "grad"),
        ("dcgan", "__builtins__"),
        ("dcgan", "doublings"),
        ("gan", "math"),
        ("wgan", "clip_weights_"),
        ("cyclegan", "_Level"),
        ("__class__", "Generator"),
        ("dcgan.nn", "Linear"),
        ("dcgan", "nn.Linear"),
        ("", ""),
        (None, None),
        (["dcgan"], "G"),
        ("dcgan", ["Generator"]),
        ("dcgan", None),
        ("dcgan", 5),
        ("x" * 10**6, "y" * 10**6),
        ("dcgan\n", "Generator\n"),
    ],
)
def test_only_networks_of_minigan_are_found_by_the_names_in_a_checkpoint(
    trained, tmp_path, capsys, model, name
):
    architecture = {
        "latent_dim": 100,
        "image_size": 16,
        "channels": 1,
        "width": 2,
        "generator": name,
        "command": f"touch {tmp_path}/trap",
        "object": f"touch {tmp_path}/trap",
    }
    out = copied(trained["dcgan"], tmp_path, model=model, architecture=architecture)
    assert len(refused(capsys, "sample", out, "--out", tmp_path / "grid.png")) < 500
    assert not (tmp_path / "trap").exists() and not (tmp_path / "grid.png").exists()


def test_of_networks_of_ones_own_only_the_generator_is_called(tmp_path, capsys, monkeypatch):
    """A checkpoint may not choose among the other functions that a file of networks happens to
    import.
    """
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "from os import mkdir\nfrom minigan.models.dcgan import Generator, Discriminator\n"
    )
    assert call("train_dcgan", "--width", 2, *SMALL, "--networks", "mine.py", "--out", "run") == 0
    state = mg.load("run/checkpoint.npz")
    state["run"]["architecture"].update(generator="mkdir", path="trap")
    write(Path("run/checkpoint.npz"), state)
    assert call("sample", "run", "-n", 1, "--networks", "mine.py") == 0
    assert not Path("trap").exists()


# ---- the cost is in proportion to the file


HUGE = {
    "gan": [{"hidden": 10_000}, {"image_size": 10_000}, {"latent_dim": 10**6}, {"channels": 10**6}],
    "dcgan": [
        {"width": 10_000},
        {"latent_dim": 10**6},
        {"channels": 10**6},
        {"image_size": 128, "width": 2000},
    ],
    "wgan": [
        {"hidden": 10_000},
        {"image_size": 10_000},
        {"latent_dim": 10**12},
        {"generator": "Critic"},
        {"generator": "Generator", "image_size": 128, "width": 1000},
    ],
    "cyclegan": [
        {"width": 10_000},
        {"blocks": 10**9},
        {"blocks": 10**6},
        {"generator": "unet", "depth": 10**9},
        {"generator": "unet", "depth": 10**6},
        {"generator": "unet", "depth": 16, "width": 10**6},
        {"in_channels": 10**6},
        {"out_channels": 10**7},
    ],
}
WRONG = [
    {"width": None, "hidden": None},
    {"width": "2", "hidden": "3"},
    {"width": 2.5, "hidden": 2.5},
    {"width": True, "hidden": [3]},
    {"width": -2, "hidden": -3},
    {"width": 0, "hidden": 0},
    {"width": 10**30, "hidden": 10**30},
    {"width": {}, "hidden": {}},
    {"width": float("nan"), "hidden": float("nan")},
    {"in_channels": None, "latent_dim": None},
    {"in_channels": -1, "latent_dim": -1},
    {"x": [[1] * 1000] * 100},
]


@every_script
def test_networks_of_other_sizes_are_refused_before_they_are_built(
    trained, tmp_path, capsys, model
):
    right = mg.load(trained[model] / "checkpoint.npz")["run"]["architecture"]
    for i, change in enumerate(HUGE[model]):
        (tmp_path / str(i)).mkdir()
        out = copied(trained[model], tmp_path / str(i), architecture={**right, **change})
        before = look(out)
        for script, *options in [readers(model, out, out.parent)[i] for i in (0, -1)]:
            started = time.monotonic()
            tracemalloc.start()
            refused(capsys, script, *options)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 60_000_000 and time.monotonic() - started < 10, (script, change, peak)
        assert look(out) == before


@every_script
def test_an_architecture_that_is_none_is_refused(trained, tmp_path, capsys, model):
    right = mg.load(trained[model] / "checkpoint.npz")["run"]["architecture"]
    for i, change in enumerate(WRONG + [None, [], "text", 3, {}]):
        architecture = {**right, **change} if isinstance(change, dict) and change else change
        (tmp_path / str(i)).mkdir()
        out = copied(trained[model], tmp_path / str(i), architecture=architecture)
        for script, *options in readers(model, out, out.parent)[:1]:
            assert len(refused(capsys, script, *options)) < 600


def test_config_and_checkpoint_that_agree_on_huge_networks_are_refused_before_they_are_built(
    trained, tmp_path, capsys
):
    for model, change in (
        ("dcgan", {"width": 10_000}),
        ("gan", {"hidden": 20_000}),
        ("cyclegan", {"width": 5000}),
        ("cyclegan", {"blocks": 10**6}),
    ):
        folder = tmp_path / "".join([model, *change])
        folder.mkdir()
        right = mg.load(trained[model] / "checkpoint.npz")["run"]["architecture"]
        out = copied(trained[model], folder, architecture={**right, **change})
        config = json.loads((out / "config.json").read_text())
        config["arguments"].update(change)
        (out / "config.json").write_text(json.dumps(config))
        before = look(out)
        tracemalloc.start()
        said = refused(capsys, SCRIPTS[model][0], "--resume", "--steps", 3, "--out", out)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert "cannot be built from" in said and peak < 100_000_000, (said, peak)
        assert look(out) == before


@every_script
def test_weights_that_are_not_finite_or_not_the_networks_are_refused_by_all_that_draw(
    trained, tmp_path, capsys, model
):
    state = mg.load(trained[model] / "checkpoint.npz")
    branch = ("AtoB",) if model == "cyclegan" else ("average", "module")
    weights = state["AtoB"] if model == "cyclegan" else state["average"]["module"]
    name = next(iter(weights))
    cases = [
        array for what, array in spoiled(weights[name]).items() if what != ">f4"
    ]  # the same numbers, in another order
    wrong = [replaced(state, (*branch, name), array) for array in cases]
    wrong += [
        replaced(state, branch, odd)
        for odd in (None, [], {}, 3, {name: 1}, {name: None}, {3: weights[name]})
    ]
    for i, crafted in enumerate(wrong):
        write(tmp_path / f"{i}.npz", crafted)
        for script, *options in readers(model, tmp_path / f"{i}.npz", tmp_path)[:1]:
            refused(capsys, script, *options)


def test_json_of_any_depth_and_width_costs_what_its_text_does(tmp_path):
    """300 levels around a long list took 8.8 s, since every level printed all of it."""
    for depth, numbers in ((300, 300_000), (100, 300_000), (100_000, 1), (1, 1_000_000)):
        text = "[" + ",".join(["1"] * numbers) + "]"
        text = '{"$tuple":[' * depth + text + "]}" * depth
        archive(
            tmp_path / "a.npz",
            [("tree.json", '{"format": "minigan checkpoint", "version": 1, "state": %s}' % text)],
        )
        started = time.monotonic()
        if depth > 300:
            with pytest.raises(
                ValueError, match="nested 200002 levels deep, expected at most"
            ) as caught:
                checkpoint.load(tmp_path / "a.npz")
            assert len(str(caught.value)) < 400
        else:
            checkpoint.load(tmp_path / "a.npz")
        assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "change",
    [
        {"network": "x" * 10**6},
        {"network": "\x1b[2J"},
        {"network": None},
        {"batch_statistics": "none\n"},
        {"batch_statistics": 1},
        {"latent": "x"},
    ],
)
def test_ways_of_sampling_that_no_script_writes_are_refused(trained, tmp_path, capsys, change):
    sampling = mg.load(trained["gan"] / "checkpoint.npz")["run"]["sampling"]
    out = copied(trained["gan"], tmp_path, sampling={**sampling, **change})
    assert len(refused(capsys, "sample", out, "-n", 1, "--out", tmp_path / "grid.png")) < 500
