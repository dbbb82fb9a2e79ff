"""A config.json from somebody else is read as a command line is, and a folder that is no run's is
left alone.
"""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from crafted import SCRIPTS, SMALL, call, every_script, look

from minigan.training import run_config, run_folder, setup, translation

pytest.importorskip("matplotlib", reason="training draws its losses")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    for model, (script, *options) in SCRIPTS.items():
        assert call(script, *options, *SMALL, "--out", folder / model) == 0
    return folder


@pytest.fixture
def resume(trained, capsys, tmp_path, monkeypatch):
    """resume("gan", config) goes on from a run with this content of config.json -> (exit status,
    what was said).
    """
    monkeypatch.chdir(tmp_path)

    def go_on(model, config, *options):
        folder = trained / model
        path = folder / "config.json"
        good = path.read_bytes()
        path.write_bytes(config if isinstance(config, bytes) else json.dumps(config).encode())
        before = look(folder)
        capsys.readouterr()
        try:
            status = call(SCRIPTS[model][0], "--resume", "--steps", 2, "--out", folder, *options)
            assert look(folder) == before and not list(tmp_path.iterdir())
        finally:
            path.write_bytes(good)
        said = capsys.readouterr()
        if status == 0:
            assert "nothing to do, nothing changed" in said.out
            return 0, said.out
        line = said.err if status == 2 else f"{status}\n"
        assert line.count("\n") == 1 and "Traceback" not in line and len(line) < 600, line
        return status, line

    return go_on


ODD = [
    None,
    True,
    False,
    -1,
    0,
    0.5,
    -0.5,
    1e-300,
    1e308,
    10**25,
    -(10**25),
    10**400,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "5",
    "text",
    "x" * 10**5,
    "a\nb",
    "\x00",
    "\x1b[2J",
    "\ud800",
    "../..",
    "/dev/zero",
    "--lr",
    [],
    [5],
    [[5]],
    [None],
    {},
    {"a": 1},
]


@every_script
def test_an_argument_in_config_json_is_held_to_what_the_command_line_is(trained, resume, model):
    check_arguments(trained, resume, model, each=6)


@pytest.mark.slow
@every_script
def test_every_argument_in_config_json_is_held_to_what_the_command_line_is(trained, resume, model):
    check_arguments(trained, resume, model, each=len(ODD))


def check_arguments(trained, resume, model, each):
    """Go on from runs whose config.json has so many odd values at each of its arguments."""
    chosen = random.Random(0)
    good = json.loads((trained / model / "config.json").read_text())
    accepted = 0
    for name, kept in good["arguments"].items():
        for value in chosen.sample(ODD, each):
            status, said = resume(model, {**good, "arguments": {**good["arguments"], name: value}})
            assert status in (0, 2) or status.startswith("cannot go on from the checkpoint")
            accepted += status == 0
            if not isinstance(value, (int, float, str, type(None))) or value != value:
                assert status == 2, (name, value)
            if isinstance(kept, bool) and not isinstance(value, bool):
                assert status == 2, (name, value)
            if isinstance(kept, (int, float)) and isinstance(value, str):
                assert status == 2, (name, value)
    assert accepted < 5 * len(good["arguments"])


@every_script
def test_what_moves_or_commands_a_run_is_no_argument_of_its_config_json(
    trained, resume, tmp_path_factory, model
):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "run"
    good = json.loads((trained / model / "config.json").read_text())
    for name, value in (
        ("out", str(elsewhere)),
        ("resume", False),
        ("model", "gan"),
        ("help", True),
        ("unknown", 1),
        ("config", {}),
        ("networks_module", 1),
        ("room", 5),
        ("", 1),
        ("a\nb", 1),
        ("x" * 10**5, 1),
    ):
        status, said = resume(model, {**good, "arguments": {**good["arguments"], name: value}})
        assert status == 2 and "has arguments that this script does not know" in said
    assert not elsewhere.exists()


@pytest.mark.parametrize(
    "change",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b'"text"',
        b"\xff\xfe",
        b"{}",
        b'{"model": "gan"}',
        b"[" * 10**5,
        b'{"model": "gan", "arguments": []}',
        b'{"model": "gan", "arguments": null}',
        b'{"model": "gan", "arguments": "x"}',
        b'{"model": ["gan"], "arguments": {}}',
        b'{"model": {}, "arguments": {}}',
        b'{"model": 1, "arguments": {}}',
        b'{"model": "dcgan", "arguments": {}}',
        b'{"model": "g\\nan", "arguments": {}}',
        b'{"model": "gan", "model": "gan", "arguments": {}}',
        b'{"model": "gan", "arguments": {"lr": 1e999}}',
        b'{"model": "gan", "arguments": {"lr": ' + b"9" * 10**5 + b"}}",
        b'{"model": "' + b"x" * 10**5 + b'", "arguments": {}}',
        b"{" + b" " * (1 << 20) + b"}",
        b'{"a":' * 10**5,
    ],
)
def test_a_config_json_that_is_none_is_refused(resume, change):
    status, said = resume("gan", change)
    assert status == 2 and ("config.json is damaged" in said or "holds a run of" in said)


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
def test_a_config_json_that_is_no_regular_file_is_refused_at_once(trained, tmp_path, capsys, kind):
    out = Path(shutil.copytree(trained / "gan", tmp_path / "run"))
    path = out / "config.json"
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    for script, *options in (("train_gan", "--resume", "--out", out), ("evaluate", out, "-n", 5)):
        assert call(script, *options) == 2
        said = {"fifo": "named pipe"}.get(kind, kind)
        assert f"{path} is a {said}, expected a regular file" in capsys.readouterr().err


def test_networks_named_in_config_json_are_not_run(trained, resume, tmp_path_factory):
    trap = tmp_path_factory.mktemp("trap")
    (trap / "mine.py").write_text(
        f"open({str(trap / 'sprung')!r}, 'w')\nGenerator = Discriminator = print\n"
    )
    for model in SCRIPTS:
        good = json.loads((trained / model / "config.json").read_text())
        config = {**good, "arguments": {**good["arguments"], "networks": str(trap / "mine.py")}}
        status, said = resume(model, config)
        assert status == 2 and "give their file again, --networks FILE.py" in said
        assert not (trap / "sprung").exists()


def test_sizes_in_config_json_are_compared_with_the_checkpoint_before_data_are_loaded(
    trained, resume, monkeypatch
):
    for model, name in (
        ("gan", "image_size"),
        ("gan", "hidden"),
        ("dcgan", "width"),
        ("wgan", "latent_dim"),
        ("cyclegan", "blocks"),
    ):
        module = translation if model == "cyclegan" else setup
        monkeypatch.setattr(module, "data", None)  # what is used would raise
        good = json.loads((trained / model / "config.json").read_text())
        status, said = resume(model, {**good, "arguments": {**good["arguments"], name: 100_000}})
        assert (
            status == 2
            and f"--{name.replace('_', '-')} is 100000, but the checkpoint was trained with" in said
        )


@pytest.mark.parametrize("script", ["evaluate", "score_translation"])
def test_what_reads_the_data_s_name_from_config_json_checks_it(trained, tmp_path, capsys, script):
    model = "gan" if script == "evaluate" else "cyclegan"
    good = json.loads((trained / model / "config.json").read_text())
    names = (
        ["data", "data_dir"]
        if script == "evaluate"
        else ["data", "data_a", "data_dir", "halves", "image_size", "load_size", "skip_unreadable"]
    )
    out = Path(shutil.copytree(trained / model, tmp_path / "run"))
    for name in names:
        for value in ([], [5], {}, 5.5, True if name != "skip_unreadable" else 1, [[["a"]]], -1):
            config = {**good, "arguments": {**good["arguments"], name: value}}
            (out / "config.json").write_text(json.dumps(config))
            options = ("-n", 5) if script == "evaluate" else ()
            assert call(script, out, *options) == 2, (name, value)
            said = capsys.readouterr().err
            assert said.count("\n") == 1 and name.replace("_", "-") in said.replace("_", "-"), said
        arguments = {key: item for key, item in good["arguments"].items() if key != name}
        (out / "config.json").write_text(json.dumps({**good, "arguments": arguments}))
        assert call(script, out) == 2
        assert capsys.readouterr().err.count("\n") == 1


# ---- what is a run's folder


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


@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_only_unfinished_files_of_a_run_are_cleared_away(tmp_path, resume):
    others = [name for name in MINE if name.endswith((".part", ".txt")) and "samples" not in name]
    folder = fill(tmp_path / "x", others)
    tag = "0123456789abcdef" * 2
    fill(
        folder,
        [f".checkpoint.npz.{tag}.part", f".config.json.{tag}.part", f".log.csv.{tag}.part"],
    )
    assert call("train_gan", "--hidden", 3, "--units", 2, *SMALL, *resume, "--out", folder) == 0
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
