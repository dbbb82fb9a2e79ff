"""A run goes on on another device: its states are plain arrays, only the last bits differ."""

import json
import shutil

import numpy as np
import pytest
from crafted import call
from toy_run import bits

import minigan as mg
from minigan import devices
from minigan.training import checkpoint

pytest.importorskip("matplotlib", reason="training draws its losses")

TINY = "--hidden", 4, "--units", 3, "--pieces", 2, "--batch-size", 4, "--lr", 0.1


@pytest.fixture(autouse=True)
def on_the_cpu():
    """The scripts choose their device for the whole process."""
    with devices.device("cpu"):
        yield


def begin(out, *options):
    return call("train_gan", *TINY, "--device", "cpu", "--out", out, *options)


def go_on(out, steps, *options):
    return call("train_gan", "--resume", "--steps", steps, "--out", out, *options)


def config_of(out):
    return json.loads((out / "config.json").read_text())


@pytest.fixture(scope="module")
def stayed(tmp_path_factory):
    """Six steps on the cpu, and the checkpoint after two of them."""
    out = tmp_path_factory.mktemp("stayed") / "run"
    with devices.device("cpu"):
        assert begin(out, "--steps", 2) == 0
        shutil.copytree(out, out.parent / "begun")
        assert go_on(out, 6) == 0
    return out


def floats(out):
    state = mg.load(out / "checkpoint.npz")
    leaves = checkpoint.leaves(state)
    return {
        path: leaf
        for path, leaf in leaves
        if isinstance(leaf, np.ndarray) and leaf.dtype == np.float32
    }


def test_a_run_goes_from_the_cpu_to_host_and_back(stayed, tmp_path, capsys):
    out = shutil.copytree(stayed.parent / "begun", tmp_path / "run")
    if shutil.which("g++") is None:
        pytest.skip("the host device needs a C++ compiler")
    capsys.readouterr()
    assert go_on(out, 4, "--device", "host") == 0
    said = capsys.readouterr().out
    assert said.startswith("device host: ")
    assert "until here on device cpu, whose bits may differ from here on" in said
    config = config_of(out)
    assert config["arguments"]["device"] == "host"
    assert config["device"].startswith("device host: ")
    assert config["devices"] == [{"step": 2, "from": "cpu", "to": "host"}]
    assert go_on(out, 5) == 0  # where it was last
    assert config_of(out)["devices"] == config["devices"]
    said = capsys.readouterr().out
    assert said.startswith("device host: ") and "until here" not in said
    assert go_on(out, 6, "--device", "cpu") == 0
    assert config_of(out)["devices"][1:] == [{"step": 5, "from": "host", "to": "cpu"}]
    moved = floats(out)
    expected = floats(stayed)
    assert moved.keys() == expected.keys()
    assert len(moved) > 10
    began = floats(stayed.parent / "begun")
    apart = max(abs(moved[path] - expected[path]).max() for path in began)
    way = max(abs(expected[path] - began[path]).max() for path in began)
    assert 0 < apart < 0.01 * way  # other bits, and the same training


def test_the_same_device_gives_the_same_bits_and_no_entry(stayed, tmp_path):
    out = shutil.copytree(stayed.parent / "begun", tmp_path / "run")
    assert go_on(out, 6, "--device", "cpu") == 0
    assert bits(out) == bits(stayed)
    assert "devices" not in config_of(out)


def test_a_device_that_is_not_here_is_named_with_the_way_to_go_on(stayed, tmp_path, capsys):
    out = shutil.copytree(stayed.parent / "begun", tmp_path / "run")
    config = config_of(out)
    config["arguments"]["device"] = "cuda"
    config["device"] = "device cuda: an H200; chosen because CuPy sees a GPU"
    (out / "config.json").write_text(json.dumps(config))
    if has_cuda():
        pytest.skip("this machine has a GPU")
    assert go_on(out, 4) == 2
    said = capsys.readouterr().err
    assert "device cuda needs " in said
    assert said.rstrip().endswith("(to go on elsewhere, give --device)")
    assert said.count("\n") == 1
    assert go_on(out, 4, "--device", "cpu") == 0
    assert config_of(out)["devices"] == [{"step": 2, "from": "cuda", "to": "cpu"}]


def has_cuda():
    try:
        with devices.device("cuda"):
            return True
    except RuntimeError:
        return False
