"""A folder that is not a run's is left alone, whatever the names of its files."""

import json
import shutil
from pathlib import Path

import pytest
from crafted import SMALL, call, look, train_all

from minigan.training import run_config, run_folder

pytest.importorskip("matplotlib", reason="training draws its losses")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train_all(tmp_path_factory.mktemp("trained"))


MINE = (
    "log.csv",
    "samples.png",
    "losses.png",
    "training.gif",
    "config.json",
    "samples/step-000005.png",
    "samples/step-999999.png",
    "samples/.photo.png.part",
    ".movie.mkv.part",
    ".checkpoint.npz.part",
    "notes.txt",
    ".step-000001.png.part",
    ".config.json.backup.part.txt",
    ".log.csv.0.part.txt",
)


def fill(folder, names, content="mine"):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize("resume", [(), ("--resume",)])
@pytest.mark.parametrize(
    "name",
    [
        "log.csv",
        "samples.png",
        "losses.png",
        "training.gif",
        "samples/step-000005.png",
        "samples/mine.txt",
        "config.json",
    ],
)
def test_a_folder_that_is_no_run_s_is_left_alone(tmp_path, capsys, resume, name):
    folder = fill(tmp_path / "x", [name, "notes.txt", ".movie.mkv.part"])
    before = look(folder)
    assert call("train_gan", *SMALL, *resume, "--out", folder) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and (
        "but no config.json of a run" in said or "config.json is damaged" in said
    )
    assert look(folder) == before


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"model": "gan"},
        {"model": "gan", "arguments": {}},
        {"model": "gan", "arguments": {}, "versions": {}},
        {"model": "gan", "arguments": [], "versions": {"minigan": "1"}},
        {"arguments": {}, "versions": {"minigan": "1"}},
    ],
)
@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_a_config_json_of_another_program_makes_no_run(tmp_path, capsys, content, resume):
    folder = fill(tmp_path / "x", ["log.csv", "samples/step-000005.png"])
    (folder / "config.json").write_text(json.dumps(content))
    before = look(folder)
    assert call("train_gan", *SMALL, *resume, "--out", folder) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert look(folder) == before and not run_config.is_run(folder)


def test_only_unfinished_files_of_a_run_are_cleared_away(tmp_path):
    others = [name for name in MINE if name.endswith((".part", ".txt")) and "samples" not in name]
    folder = fill(tmp_path / "x", others)
    tag = "0123456789abcdef" * 2
    fill(
        folder,
        [f".checkpoint.npz.{tag}.part", f".config.json.{tag}.part", f".log.csv.{tag}.part"],
    )
    before = look(folder)
    begin = "train_gan", "--hidden", 3, "--units", 2, *SMALL, "--out", folder
    assert call(*begin, "--resume") == 2  # there is no run to go on with
    assert look(folder) == before
    assert call(*begin) == 0
    left = {
        path.name for path in folder.iterdir() if path.name.startswith(".") or path.suffix == ".txt"
    }
    assert left == set(others)
    assert all((folder / name).read_text() == "mine" for name in others)
    (folder / "samples" / ".photo.png.part").write_text("mine")
    (folder / "samples" / f".step-000009.png.{tag}.part").write_text("torn")
    assert call("train_gan", "--resume", "--steps", 3, "--quiet", "--out", folder) == 0
    assert {path.name for path in (folder / "samples").glob(".*")} == {".photo.png.part"}


def test_the_names_of_unfinished_files_are_those_that_whole_file_gives(tmp_path, monkeypatch):
    from minigan.files import whole_file

    for name in (
        "config.json",
        "checkpoint.npz",
        "log.csv",
        "samples.png",
        "training.gif",
        "losses.png",
        "step-000000.png",
        "step-1000000.png",
    ):
        with whole_file(tmp_path / name):
            [temporary] = tmp_path.iterdir()
            assert run_folder.PART.fullmatch(temporary.name)
        (tmp_path / name).unlink()


def test_a_broken_link_in_a_run_s_place_is_not_written_through(trained, tmp_path, capsys):
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "log.csv").symlink_to(tmp_path / "absent")
    for resume in ((), ("--resume",)):
        assert call("train_gan", *SMALL, *resume, "--out", folder) == 2
        assert "holds log.csv, but no config.json of a run" in capsys.readouterr().err
    copy = Path(shutil.copytree(trained / "gan", tmp_path / "copy"))
    (copy / "checkpoint.npz").unlink()
    (copy / "checkpoint.npz").symlink_to(tmp_path / "absent")
    assert "cannot go on from the checkpoint" in call("train_gan", "--resume", "--out", copy)
    assert (copy / "checkpoint.npz").is_symlink()
