"""--override: what cannot be overridden is refused in one sentence, and the run stays as it was."""

import json

import pytest
from crafted import look
from toy_run import refused

pytest.importorskip("matplotlib", reason="training draws its losses")


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("lr", "argument --override: lr is not NAME=VALUE, such as lr=1e-4"),
        ("lr=fast", "argument --lr: fast is not a number above 0"),
        ("lr=", "argument --lr:  is not a number above 0"),
        ("batch-size=0", "argument --batch-size: 0 is not a whole number of at least 1"),
        ("mass=1", "argument --override: mass=1 names no option, there is no --mass"),
        ("batch_size=2", "batch_size=2 names no option, there is no --batch_size"),
        ("=2", "argument --override: =2 names no option, there is no --"),
        ("steps=30", "--override steps=30 is refused: --steps may change without it"),
        ("quiet=true", "--override quiet=true is refused: --quiet may change without it"),
        ("quiet=yes", "argument --override: quiet=yes is neither true nor false"),
        ("seed=1", "--override seed=1 is refused: the random numbers go on from the checkpoint"),
        ("device=host", "--override device=host is refused: a device is a place"),
        ("networks=a.py", "--override networks=a.py is refused: the checkpoint's arrays belong to"),
        ("out=there", "--override out=there is refused: --out is not a setting of a training"),
        ("resume=true", "--override resume=true is refused: --resume is not a setting"),
    ],
)
def test_an_override_that_cannot_be_is_refused_in_one_sentence(train, straight, text, sentence):
    before = look(straight)
    refused(train, sentence, "--out", straight, "--resume", "--steps", 30, "--override", text)
    assert look(straight) == before


def test_an_override_is_given_once_and_alone(train, straight):
    resume = "--out", straight, "--resume", "--steps", 30
    twice = "--override", "lr=1", "--override", "lr=2"
    refused(train, "argument --override: lr is given twice", *resume, *twice)
    both = "--lr", 0.03, "--override", "lr=2"
    refused(train, "--override lr=2.0 and --lr are both given", *resume, *both)


def test_an_override_needs_resume_and_a_checkpoint(train, tmp_path):
    new = tmp_path / "new"
    override = "--out", new, "--override", "lr=1"
    needs = "--override lr=1.0 changes a run that goes on, so it needs --resume"
    refused(train, needs, *override)
    refused(train, f"there is no run in {new} to go on with", "--resume", *override)
    assert not new.exists()


def test_another_value_without_an_override_is_refused_with_the_way_to_do_it(train, straight):
    sentence = (
        f"--lr 0.2 contradicts {straight / 'config.json'}, which has 0.03: leave it out to go on, "
        "change it from here on with --override lr=0.2, or start anew with another --out"
    )
    refused(train, sentence, "--out", straight, "--resume", "--lr", 0.2)
    sentence = "which has 0: leave it out to go on, or start anew with another --out"
    refused(train, sentence, "--out", straight, "--resume", "--seed", 2)


# ---- a history that somebody else wrote


@pytest.mark.parametrize(
    "past",
    [
        {"overrides": 5},
        {"overrides": {}},
        {"overrides": [5]},
        {"overrides": [{}]},
        {"overrides": [{"step": -1}]},
        {"overrides": [{"step": True}]},
        {"overrides": [{"step": 2, "lr": 5}]},
        {"overrides": [{"step": 2, "lr": {"from": 5}}]},
        {"overrides": [{"step": 2, "lr": {"from": 5, "to": {}}}]},
        {"overrides": [{"step": 2, "lr": {"from": 5, "to": [[1]]}}]},
        {"devices": "cpu"},
        {"devices": [{"step": 2}]},
        {"devices": [{"step": 2, "from": "cpu", "to": []}, None]},
        {"devices": [{"step": 2, "from": "cpu", "to": "host", "more": 1}]},
    ],
)
def test_a_history_that_no_run_writes_is_refused(train, copy, past):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | past))
    before = look(copy)
    refused(train, "config.json is damaged: ", "--out", copy, "--resume", "--steps", 30)
    assert look(copy) == before
