"""A checkpoint from somebody else, given to --resume, is refused in one line before anything is
touched.
"""

import os
import random
import time
import tracemalloc

import numpy as np
import pytest
from crafted import SCRIPTS, SMALL, call, every_script, look, replaced, spoiled, write
from crafted_archives import damaged_files, other_archives, other_arrays, other_trees

import minigan as mg
from minigan.training import checkpoint, run

pytest.importorskip("matplotlib", reason="training draws its losses")


class Trained:
    """A run of each model, and the session that trained it: its _restore is what --resume calls."""

    def __init__(self, folder, monkeypatch):
        self.sessions, self.folders = {}, {}
        begin = run.Run.__init__
        for model, (script, *options) in SCRIPTS.items():

            def note(session, *args, trained_model=model, **more):
                begin(session, *args, **more)
                self.sessions[trained_model] = session

            monkeypatch.setattr(run.Run, "__init__", note)
            self.folders[model] = folder / model
            assert call(script, *options, *SMALL, "--out", folder / model) == 0
        monkeypatch.setattr(run.Run, "__init__", begin)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return Trained(tmp_path_factory.mktemp("trained"), patch)


@pytest.fixture
def resume(trained, capsys):
    """resume("gan", state or bytes) puts a checkpoint into the run and goes on from it -> what
    was said, or None.

    Nothing in the run directory may change; what is said is one line. None: it was taken up, and
    at its end already.
    """

    def go_on(model, crafted):
        session, folder = trained.sessions[model], trained.folders[model]
        path = folder / "checkpoint.npz"
        good = path.read_bytes(), path.stat().st_mtime_ns
        if isinstance(crafted, bytes):
            path.write_bytes(crafted)
        else:
            write(path, crafted)
        os.utime(path, ns=(good[1], 0))  # older than the pictures, so that there are none to draw
        session.saved = -1
        session.resume = True
        before = look(folder)
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as stop:
                next(iter(session))
            assert look(folder) == before
        finally:
            path.write_bytes(good[0])
            os.utime(path, ns=(good[1], good[1]))
        if stop.value.code == 0:
            assert "nothing changed" in capsys.readouterr().out
            return None
        said = stop.value.code
        assert said.startswith(f"cannot go on from the checkpoint in {folder}: "), said
        assert "\n" not in said and len(said) < 600, said
        return said

    return go_on


# ---- leaves of the tree


ODD = [
    None,
    True,
    False,
    -1,
    0.5,
    -0.5,
    10**12,
    2**63,
    10**200,
    1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "text",
    "x" * 5000,
    "line\nbreak",
    "\x1b[2J\ud800",
    [],
    {},
    (),
    [1],
    {"a": 1},
    [[[[]]]] * 3,
    {"$": 1},
    np.zeros(3),
    np.array(1.0),
    np.array(np.nan),
    np.zeros((2, 2), ">i2"),
]
MAY_BE = {
    "step",
    "count",
    "epoch",
    "position",
    "lr",
    "betas",
    "eps",
    "momentum",
    "dampening",
    "weight_decay",
    "alpha",
    "base",
    "inc",
    "state",
    "has_uint32",
    "uinteger",
    "checksum",
}  # numbers of which another one can be right


def same(a, b):
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and checkpoint.same_leaf(a, b)
        )
    return type(a) is type(b) and a == b


@every_script
def test_a_leaf_of_another_value_is_refused_or_right_and_nothing_is_touched(trained, resume, model):
    check_leaves(trained, resume, model, leaves=30, each=4)


def test_a_truth_value_is_no_number_in_an_architecture(trained, resume):
    state = mg.load(trained.folders["gan"] / "checkpoint.npz")
    assert state["run"]["architecture"]["channels"] == 1
    assert "its architecture is" in resume(
        "gan", replaced(state, ("run", "architecture", "channels"), True)
    )


@pytest.mark.slow
@every_script
def test_a_leaf_of_any_other_value_is_refused_or_right_and_nothing_is_touched(
    trained, resume, model
):
    check_leaves(trained, resume, model, leaves=None, each=len(ODD))


def check_leaves(trained, resume, model, leaves, each):
    """Go on from checkpoints that have another value at one leaf: so many leaves, or all, so many
    values at each.
    """
    state = mg.load(trained.folders[model] / "checkpoint.npz")
    places = [
        (path, leaf) for path, leaf in checkpoint.leaves(state) if not isinstance(leaf, np.ndarray)
    ]
    chosen = random.Random(0)
    taken_up = 0
    for path, leaf in chosen.sample(places, min(leaves or len(places), len(places))):
        for value in chosen.sample(ODD, each):
            said = resume(model, replaced(state, path, value))
            if said is None and not same(value, leaf):
                taken_up += 1
                right = {key for key in path if isinstance(key, str)} & MAY_BE
                assert right and type(value) in (int, float) or path[-1] == "nesterov", (
                    f"{path} may not be {value!r}"
                )
    assert taken_up < len(places) * each / 4


@every_script
def test_a_branch_that_is_missing_replaced_or_added_is_refused(trained, resume, model):
    state = mg.load(trained.folders[model] / "checkpoint.npz")
    for name in state:
        assert resume(model, {key: value for key, value in state.items() if key != name})
        for value in (None, [], {}, 1, "text", np.zeros(2)):
            assert resume(model, {**state, name: value}), (name, value)
        inside = state[name]
        for key in [
            key for key in inside if not key.endswith("num_batches_tracked")
        ]:  # which may be missing
            assert resume(model, {**state, name: {k: v for k, v in inside.items() if k != key}}), (
                name,
                key,
            )
        assert resume(model, {**state, name: {**inside, "more": 1}}), name
    assert resume(model, {**state, "more": {}})
    assert all(resume(model, odd) for odd in (None, [], {}, 1, "text", np.zeros(2), [state]))


# ---- arrays


@every_script
def test_a_spoiled_array_is_refused_and_nothing_is_touched(trained, resume, model):
    state = mg.load(trained.folders[model] / "checkpoint.npz")
    arrays = [
        (path, leaf) for path, leaf in checkpoint.leaves(state) if isinstance(leaf, np.ndarray)
    ]
    chosen = random.Random(1)
    tried = 0
    for path, array in chosen.sample(arrays, 20):
        cases = spoiled(array)
        for what in chosen.sample(sorted(cases), 3):
            assert resume(model, replaced(state, path, cases[what])), (path, what)
            tried += 1
    assert tried > 30


@every_script
def test_an_array_in_fortran_order_is_taken_up(trained, resume, model):
    state = mg.load(trained.folders[model] / "checkpoint.npz")
    for path, array in list(checkpoint.leaves(state)):
        if isinstance(array, np.ndarray) and array.ndim > 1:
            state = replaced(state, path, np.asfortranarray(array))
    assert resume(model, state) is None


# ---- the file around them


@pytest.mark.parametrize("make", [damaged_files, other_archives, other_arrays, other_trees])
def test_a_crafted_file_is_refused_and_nothing_is_touched(trained, resume, make):
    good = (trained.folders["gan"] / "checkpoint.npz").read_bytes()
    for what, crafted in make(good).items():
        started = time.monotonic()
        tracemalloc.start()
        assert resume("gan", crafted), what
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 30 * len(crafted) + 10_000_000 and time.monotonic() - started < 5, what


def test_a_checkpoint_with_changed_bytes_is_refused_or_the_same(trained, resume):
    folder = trained.folders["gan"]
    good, state = (folder / "checkpoint.npz").read_bytes(), mg.load(folder / "checkpoint.npz")
    chosen = random.Random(2)
    refused = 0
    for _ in range(150):
        changed = bytearray(good)
        for _ in range(chosen.choice((1, 1, 1, 8))):
            changed[chosen.randrange(len(good))] = chosen.randrange(256)
        if resume("gan", bytes(changed)):
            refused += 1
        else:
            (folder.parent / "changed.npz").write_bytes(changed)
            again = mg.load(folder.parent / "changed.npz")
            assert all(
                same(a, b)
                for (_, a), (_, b) in zip(checkpoint.leaves(state), checkpoint.leaves(again))
            )
    assert refused > 100
