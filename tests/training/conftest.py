"""Runs that several tests look at: of a toy, of small networks on the digits, and of a CycleGAN."""

import importlib
import os
import shutil
import sys
from pathlib import Path

import pytest
from cyclegan_runs import SMALL, write_image
from run_examples import completed, said_by
from toy_run import SCRIPT, finish, start


@pytest.fixture(scope="session")
def script(tmp_path_factory):
    """The toy's script."""
    path = tmp_path_factory.mktemp("script") / "train_toy.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def train(script, capfd):
    """train("--steps", 9) runs the toy in this process -> (status, output, errors)."""
    scope = {"__name__": "train_toy"}
    exec(compile(SCRIPT, str(script), "exec"), scope)

    def call(*arguments):
        capfd.readouterr()
        status = 0
        try:
            scope["main"]([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code or 0
            if isinstance(status, str):  # what the interpreter does with a sentence
                print(status, file=sys.stderr)
                status = 1
        return status, *capfd.readouterr()

    return call


@pytest.fixture(scope="session")
def straight(script, tmp_path_factory):
    """A run of 20 steps that nothing disturbed."""
    out = tmp_path_factory.mktemp("runs") / "straight"
    lines = finish(start(script, "--out", out)).splitlines()
    assert lines[0].startswith("device cpu: ")
    assert "because" in lines[0]
    assert lines[1].startswith("step 5/20  loss ")
    assert lines[1].endswith(" images/s")
    assert lines[-1] == f"all 20 steps are done; see {out / 'samples.png'}"
    return out


@pytest.fixture
def copy(straight, tmp_path):
    """A copy of that run, to be damaged."""
    return Path(shutil.copytree(straight, tmp_path / "copy"))


# ---- examples


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with runs/dcgan, trained for two steps with narrow networks."""
    folder = tmp_path_factory.mktemp("trained")
    small = "--steps", 2, "--width", 4, "--log-every", 1
    said = completed("train_dcgan.py", *small, folder=folder).stdout
    assert said.startswith("device cpu")
    assert "1-nearest-neighbour" in said
    assert said.rstrip().endswith(os.path.join("runs", "dcgan", "samples.png"))
    return folder


@pytest.fixture
def run_example(tmp_path):
    """run_example("sample.py", arguments) in tmp_path, as a process -> what it says."""

    def run(script, *arguments, expect=0):
        return said_by(script, *arguments, folder=tmp_path, expect=expect)

    return run


@pytest.fixture
def call(tmp_path, monkeypatch):
    """call("sample.py", arguments) in tmp_path, in this process: it spares seconds of imports."""
    monkeypatch.chdir(tmp_path)

    def main(script, *arguments):
        importlib.import_module(Path(script).stem).main([str(argument) for argument in arguments])

    return main


@pytest.fixture(scope="session")
def cyclegan(tmp_path_factory):
    """The run directory of a CycleGAN: two steps on the digits."""
    folder = tmp_path_factory.mktemp("cyclegan")
    importlib.import_module("train_cyclegan").main([*SMALL, "--out", str(folder)])
    return folder


@pytest.fixture
def photos(tmp_path):
    """A folder with three images of other sizes."""
    write_image(tmp_path / "in" / "wide.jpg", (21, 10))
    write_image(tmp_path / "in" / "deep" / "tall.png", (5, 33))
    write_image(tmp_path / "in" / "grey.png", (16, 16), "L")
    return tmp_path / "in"
