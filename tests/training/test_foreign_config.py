"""A config.json from somebody else is read as a command line is."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from crafted import SCRIPTS, call, every_script, look, train_all

from minigan.training import setup, translation

pytest.importorskip("matplotlib", reason="training draws its losses")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train_all(tmp_path_factory.mktemp("trained"))


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
