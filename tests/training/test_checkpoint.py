"""A checkpoint gives back what was put in, to the bit, or one sentence that says why it cannot."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from states import equal

from minigan.training import checkpoint

ROOT = Path(__file__).resolve().parents[2]
STATE = {
    "generator": {
        "main.0.weight": np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 4),
        "main.1.num_batches_tracked": np.array(7),
    },
    "optimizer": {
        "state": {0: {"step": 3, "exp_avg": np.full((2, 2), 1e-300)}},
        "param_groups": [{"betas": (0.5, 0.999), "params": [0]}],
    },
    "rng": {"bit_generator": "PCG64", "state": {"state": 2**128 - 1}, "has_uint32": 0},
    "quiet": False,
    "networks": None,
    "best": float("inf"),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.npz"


@pytest.fixture
def saved(path):
    checkpoint.save(path, STATE)
    return path


dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(sizes=(64, 128)),
)
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), arrays)
keys = st.one_of(st.text(max_size=4), st.integers(0, 9).map(lambda i: i + 10))
states = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
    ),
)


@settings(deadline=None)
@given(states)
def test_every_state_comes_back_to_the_bit_and_gives_the_same_file_again(tmp_path_factory, state):
    first = tmp_path_factory.getbasetemp() / "first.npz"
    second = tmp_path_factory.getbasetemp() / "second.npz"
    checkpoint.save(first, state)
    loaded = checkpoint.load(first)
    assert equal(loaded, state)
    checkpoint.save(second, loaded)
    assert first.read_bytes() == second.read_bytes()


def test_one_state_has_one_file_whatever_the_memory_order(path):
    checkpoint.save(path, {"w": np.arange(6.0).reshape(2, 3)})
    before = path.read_bytes()
    checkpoint.save(path, {"w": np.arange(6.0).reshape(2, 3).copy(order="F")})
    assert path.read_bytes() == before
    checkpoint.save(path, {"w": np.arange(5.0, -1, -1).reshape(2, 3)[::-1, ::-1]})
    assert path.read_bytes() == before


def test_no_clock_time_is_kept(saved):
    with zipfile.ZipFile(saved) as file:
        dates = {entry.date_time for entry in file.infolist()}
    assert dates == {(1980, 1, 1, 0, 0, 0)}  # the year in which the dates of zip files begin


def test_loaded_arrays_can_be_written_to(saved):
    checkpoint.load(saved)["generator"]["main.0.weight"][:] = 0


def test_numpy_reads_the_arrays_under_their_paths(saved):
    with np.load(saved, allow_pickle=False) as file:
        assert np.array_equal(file["generator/main.0.weight"], STATE["generator"]["main.0.weight"])
        assert np.array_equal(file["optimizer/state/0/exp_avg"], np.full((2, 2), 1e-300))
        assert json.loads(file["tree.json"])["version"] == 1


def test_arrays_of_other_libraries_become_numpy_arrays(path):
    class OnTheGpu:  # as a CuPy array: get() copies it, and NumPy may not look inside
        def get(self):
            return np.arange(3.0)

        def __array__(self, *args, **kwargs):
            raise TypeError("implicit conversion to a NumPy array is not allowed")

    checkpoint.save(path, {"w": OnTheGpu(), "number": np.float32(0.1)})
    assert equal(checkpoint.load(path), {"w": np.arange(3.0), "number": float(np.float32(0.1))})


def test_tensors_of_minigan_and_torch_become_numpy_arrays(path):
    mg = pytest.importorskip("minigan")
    checkpoint.save(path, [mg.tensor(np.arange(3.0), requires_grad=True)])
    assert equal(checkpoint.load(path), [np.arange(3.0)])
    torch = pytest.importorskip("torch")
    checkpoint.save(path, [torch.arange(3.0)])
    assert equal(checkpoint.load(path), [np.arange(3, dtype=np.float32)])


@pytest.mark.parametrize(
    "state, sentence",
    [
        ({"w": np.array([None])}, "at w: .* got an array of object"),
        ({"a": [{"b": {1, 2}}]}, "at a/0/b: .* got a set"),
        ({"a": b"bytes"}, "at a: .* got a bytes"),
        ({"a": np.array(["text"])}, "at a: .* got an array of <U4"),
        ({"a": np.zeros(1, [("x", "f4")])}, "at a: .* got an array of"),
        ({"a": lambda: 0}, "at a: .* got a function"),
        ({(0, 1): 2}, r"the key \(0, 1\) is neither a string nor an integer"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_the_old_file_stays(saved, state, sentence):
    before = saved.read_bytes()
    with pytest.raises(TypeError, match=sentence):
        checkpoint.save(saved, state)
    assert saved.read_bytes() == before and os.listdir(saved.parent) == [saved.name]


def test_two_arrays_of_one_path_are_refused(path):
    with pytest.raises(ValueError, match="two arrays have the path state/0"):
        checkpoint.save(path, {"state": {0: np.zeros(1), "0": np.zeros(1)}})


@pytest.mark.parametrize(
    "call", ["os.fsync", "os.replace", "zipfile.ZipFile.writestr", "numpy.lib.format.write_array"]
)
def test_a_full_disk_at_any_moment_leaves_the_old_file_and_no_other(saved, monkeypatch, call):
    def no_space(*args, **kwargs):
        raise OSError(28, "No space left on device")

    before = saved.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(call, no_space)
        with pytest.raises(OSError, match="No space left"):
            checkpoint.save(saved, {"w": np.zeros(3)})
    assert saved.read_bytes() == before and os.listdir(saved.parent) == [saved.name]


def noting(calls, name, function):
    """The function, which notes its name whenever it is called."""

    def noted(*args):
        calls.append(name)
        return function(*args)

    return noted


def test_the_bytes_are_on_the_disk_before_the_file_has_its_name(path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noting(calls, name, getattr(os, name)))
    checkpoint.save(path, STATE)
    assert calls == ["fsync", "replace", "fsync"]  # the file, its name, the folder


# ---- damage


def test_a_file_cut_at_any_byte_is_refused(saved):
    whole = saved.read_bytes()
    for length in range(len(whole)):
        saved.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=f"^checkpoint {saved}: ."):
            checkpoint.load(saved)


def test_a_changed_byte_is_refused_or_changes_nothing(saved):
    whole = saved.read_bytes()
    bit = random.Random(0)
    refused = 0
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << bit.randrange(8)
        saved.write_bytes(changed)
        try:
            assert equal(checkpoint.load(saved), STATE)  # such as a file mode, which nobody reads
        except ValueError as error:
            refused += 1
            assert str(error).startswith(f"checkpoint {saved}: ")
    # What a file holds is under a CRC; the rest is in the zip's own tables.
    assert refused > 0.8 * len(whole)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_splice_of_a_checkpoint_is_refused_or_changes_nothing(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "spliced.npz"
    checkpoint.save(path, STATE)
    whole = path.read_bytes()
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=30)) + whole[end:])
    try:
        assert equal(checkpoint.load(path), STATE)
    except ValueError as error:
        assert str(error).startswith(f"checkpoint {path}: ")


# ---- kill -9

WRITER = textwrap.dedent("""
    import sys, itertools, numpy as np
    from minigan import checkpoint
    for i in itertools.count():
        checkpoint.save(sys.argv[1], {"i": i, "w": np.full(200_000, i)})
        print(i, flush=True)
""")


def kill_while_writing(path, seconds):
    """Kill a process that writes checkpoint after checkpoint.

    Returns the number of the last checkpoint of which it said that it was written.
    """
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    last = int(writer.stdout.readline())
    time.sleep(seconds)
    writer.send_signal(signal.SIGKILL)
    return int((writer.communicate()[0].split() or [last])[-1])


def check_kills(path, times, seed):
    moment = random.Random(seed)
    for _ in range(times):
        last = kill_while_writing(path, moment.uniform(0, 0.05))
        state = checkpoint.load(path)
        # The newest that was reported, or the one that was in the making.
        assert state["i"] in (last, last + 1)
        assert np.array_equal(state["w"], np.full(200_000, state["i"]))


def test_kill_9_while_writing_leaves_a_whole_file(path):
    check_kills(path, times=3, seed=0)


@pytest.mark.slow
def test_kill_9_at_many_moments_leaves_a_whole_file(path):
    check_kills(path, times=60, seed=1)
