"""The options of a script as a table: two sets of defaults, and one parse of the command line."""

import argparse
import importlib
import json

import pytest

from minigan import training
from minigan.training import FLAG, SWITCH, at_least, command_line, positive

PAPER = dict(steps=100, width=64, lr=0.1, mirror=True, name=None, quiet=True)
DIGITS = PAPER | dict(steps=10, width=4, mirror=False, name="small")
OPTIONS = [
    ("--depth", at_least(1), "how deep"),
    ("--mirror", SWITCH, "left to right"),
    ("--fast", FLAG, "be fast"),
    ("--name", None, "a text"),
    ("--kind", ("round", "square"), "the kind"),
]
PAPER |= dict(depth=7, kind="round", fast=False)
DIGITS |= dict(depth=2, kind="round", fast=False)


def parse(*argv, **how):
    return training.parse("toy", "", OPTIONS, PAPER, DIGITS, [str(text) for text in argv], **how)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "argv, expected",
    [
        ((), dict(steps=10, width=4, depth=2, mirror=False, name="small", data="digits")),
        (("--data", "digits"), dict(steps=10, width=4)),
        (("--data", "photos"), dict(steps=100, width=64, depth=7, mirror=True, name=None)),
        (("--data", "photos", "--depth", "3"), dict(depth=3, width=64)),
        (("--steps", "5", "--mirror", "--fast"), dict(steps=5, mirror=True, fast=True, width=4)),
        (("--kind", "square", "--no-mirror"), dict(kind="square", mirror=False)),
    ],
)
def test_what_is_given_counts_before_the_defaults_of_the_data(argv, expected):
    args = parse(*argv)
    assert {name: getattr(args, name) for name in expected} == expected


def test_the_command_line_is_parsed_once(monkeypatch):
    parsed = []
    before = argparse.ArgumentParser.parse_known_args

    def note(parser, *args, **options):
        parsed.append(parser)
        return before(parser, *args, **options)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", note)
    parse("--steps", 5)
    assert len(parsed) == 1


@pytest.mark.parametrize(
    "argv, words",
    [
        (("--depth", "0"), "0 is not a whole number of at least 1"),
        (("--kind", "oval"), "invalid choice: 'oval'"),
        (("--widht", "4"), "unrecognized arguments: --widht"),
    ],
)
def test_a_mistake_is_one_sentence(argv, words, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(*argv)
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert words in said
    assert said.count("\n") == 1


def test_help_shows_both_defaults(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    said = " ".join(capsys.readouterr().out.split())
    assert "how deep (default: 7, on the digits 2)" in said
    assert "how many in all, also with --resume (default: 100, on the digits 10)" in said
    assert "the kind (default: round)" in said


@pytest.mark.parametrize(
    "script, words",
    [
        ("train_gan", "steps between rows of log.csv (default: 50, on the digits 200)"),
        ("train_gan", "steps of D before the first of G (default: 0)"),
        ("train_cyclegan", "an .npz file (default: digits)"),
        ("train_cyclegan", "image size * 286 / 256 (default: on the digits 32)"),
        ("train_cyclegan", "mirror images at random (default: True, on the digits False)"),
        ("train_wgan", "what keeps the critic from being too steep (default: gp)"),
        (
            "train_wgan",
            "in the DCGAN-shaped critic (default: gp: layer, clip: batch, on the digits gp: none, "
            "clip: batch)",
        ),
    ],
)
def test_help_shows_the_defaults_that_a_script_has(script, words, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module(script).main(["--help"])
    assert words in " ".join(capsys.readouterr().out.split())


def test_with_resume_the_config_counts_before_the_defaults(tmp_path):
    args = parse("--steps", 5, "--width", 9, "--out", "run")
    versions = {"minigan": "0"}
    config = {"model": "toy", "arguments": args.kept, "versions": versions}
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text(json.dumps(config))
    resume = "--resume", "--out", "run"
    again = parse(*resume)
    assert again.steps == 5
    assert again.width == 9
    assert again.depth == 2
    assert parse(*resume, "--steps", 6).steps == 6
    with pytest.raises(SystemExit):
        parse(*resume, "--width", 8)


def test_one_option_may_choose_between_papers():
    papers = {"first": dict(lr=1.0, width=3), "second": dict(lr=2.0, width=3)}
    small = {"first": dict(lr=0.1, width=1), "second": dict(lr=0.2, width=1)}
    table = [("--which", papers, "the paper"), ("--scale", positive, "a number")]

    def chosen(*argv):
        argv = ["--quiet", *argv]
        return training.parse("toy", "", table, papers, small, argv, by="which")

    args = chosen()
    assert args.which == "first"
    assert args.lr == 0.1
    second = "--which", "second"
    assert chosen(*second).lr == 0.2
    assert chosen(*second, "--data", "photos").lr == 2.0
    assert chosen(*second, "--lr", "5").lr == 5.0


def test_plain_parsers_of_a_script_work_without_a_table():
    parser = command_line.parser("toy", steps=20)
    parser.add_argument("--lr", type=positive, default=0.03)
    args = command_line.parse(parser, ["--quiet", "--lr", "0.5"])
    assert (args.steps, args.lr, args.batch_size) == (20, 0.5, 64)
