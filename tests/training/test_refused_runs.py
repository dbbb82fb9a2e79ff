"""A run is not overwritten, contradicted, or continued from what is damaged or another training's.

Each refusal is one sentence, and leaves the directory as it was.
"""

import pytest
from toy_run import bits, edit_config, files, not_resumed, refused

import minigan as mg


def test_a_run_is_not_overwritten(train, straight):
    before = files(straight)
    sentence = f"{straight} holds a checkpoint.npz: go on with --resume, or choose another --out"
    refused(train, sentence, "--out", straight)
    assert files(straight) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("--lr", 0.2),
        ("--seed", 1),
        ("--batch-size", 5),
        ("--data", "mnist"),
        ("--lr", "3e-2", "--seed", 2),
        ("--networks", __file__),
    ],
)
def test_an_argument_that_contradicts_the_run_is_refused(train, straight, arguments):
    before = files(straight)
    *_, name, value = arguments
    sentence = f"{name} {value} contradicts {straight / 'config.json'}, which has"
    refused(train, sentence, "--out", straight, "--resume", "--steps", 30, *arguments)
    assert files(straight) == before


# ---- a damaged config.json


def remove_config(out):
    (out / "config.json").unlink()


def write_config(text):
    """A damage: config.json holds this text."""
    return lambda out: (out / "config.json").write_text(text)


@pytest.mark.parametrize(
    "damage, sentence",
    [
        (remove_config, "config.json is missing"),
        (write_config("{"), "config.json is damaged"),
        (write_config("[]"), "config.json is damaged"),
        (write_config('{"model": "gan", "arguments": {}}'), "a run of gan, expected toy"),
        (write_config('{"model": "toy", "arguments": {"mass": 1}}'), "does not know: mass"),
        (
            lambda out: edit_config(out, log_every=0),
            "config.json: --log-every: 0 is not a whole number of at least 1",
        ),
        (
            lambda out: edit_config(out, lr="x"),
            "config.json: --lr: x is not a number above 0",
        ),
    ],
)
def test_a_damaged_run_is_refused_and_left_alone(train, copy, damage, sentence):
    damage(copy)
    before = files(copy)
    refused(train, sentence, "--out", copy, "--resume", "--steps", 30)
    assert files(copy) == before


# ---- a checkpoint of something else


def test_a_damaged_checkpoint_is_refused_and_left_alone(train, copy):
    (copy / "checkpoint.npz").write_bytes(bits(copy)[:-9])
    not_resumed(train, copy, "checkpoint.npz: File is not a zip file")


@pytest.mark.parametrize("state", [{"w": 1}, [1], [], "run", None])
def test_a_checkpoint_of_something_else_is_refused_and_left_alone(train, copy, state):
    mg.save(copy / "checkpoint.npz", state)
    not_resumed(train, copy, r"it holds .*, expected \['batches', 'mean', 'run'\]")


# What is put into a checkpoint's "run" -> what the refusal says.
OTHER_RUNS = [
    ({"model": "gan"}, "its model is gan, expected toy"),
    ({"networks": {"file": "a.py", "sha256": "0"}}, "its networks is {.*}, expected N"),
    ({"step": None}, "its step is"),
    ({"step": -5}, "its step is"),
    ({"step": 2.5}, "its step is"),
    ({"step": True}, "its step is"),
    ({"architecture": {"pixels": 65}}, "its architecture is {'pixels': 65}, expected"),
    ({"rng": {"bit_generator": "MT19937"}}, "PCG64"),
]


@pytest.mark.parametrize("change, sentence", OTHER_RUNS)
def test_a_checkpoint_of_another_run_is_refused_and_left_alone(train, copy, change, sentence):
    state = mg.load(copy / "checkpoint.npz")
    state["run"].update(change)
    mg.save(copy / "checkpoint.npz", state)
    not_resumed(train, copy, sentence)


@pytest.mark.parametrize(
    "change, sentence",
    [
        (
            lambda state: state.pop("mean"),
            r"it holds \['batches', 'run'\], expected \['batches', 'mean', 'run'\]",
        ),
        (lambda state: state.update(mean=[1]), ""),
        (lambda state: state.update(batches=[1]), ""),
        (lambda state: state.update(run=[]), r"its run is \[\], expected a dict of architecture, "),
        (lambda state: state["batches"].update(images=9), "of images 9, expected 1437"),
        (lambda state: state["mean"].pop("velocity"), "'velocity'"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_and_left_alone(train, copy, change, sentence):
    state = mg.load(copy / "checkpoint.npz")
    change(state)
    mg.save(copy / "checkpoint.npz", state)
    not_resumed(train, copy, sentence)
