"""A checkpoint gives back what was put in, to the bit, or one sentence that says why it cannot."""

import json
import os
import random
import signal
import struct
import subprocess
import sys
import textwrap
import time
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

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


def equal(a, b):
    """Same types, same keys in the same order, same dtypes and shapes, same bits."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return repr(a) == repr(b)  # tells -0.0 from 0.0, and nan is nan


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
    first, second = (tmp_path_factory.getbasetemp() / name for name in ("first.npz", "second.npz"))
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
        assert {entry.date_time for entry in file.infolist()} == {
            (1980, 1, 1, 0, 0, 0)
        }  # a zip's year zero


def test_arrays_in_fortran_order_are_read_right(path):
    a = np.arange(6.0).reshape(2, 3)
    archive(path, [tree(W), ("w.npy", npy(np.asfortranarray(a)))])
    assert equal(checkpoint.load(path), {"w": a})


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


def test_the_bytes_are_on_the_disk_before_the_file_has_its_name(path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, name=name, real=real: (calls.append(name), real(*args))
        )
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
    bit, refused = random.Random(0), 0
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << bit.randrange(8)
        saved.write_bytes(changed)
        try:
            assert equal(checkpoint.load(saved), STATE)  # such as a file mode, which nobody reads
        except ValueError as error:
            refused += 1
            assert str(error).startswith(f"checkpoint {saved}: ")
    assert refused > 0.8 * len(
        whole
    )  # what a file holds is under a CRC; the rest is in the zip's own tables


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


# ---- files that somebody made up


def archive(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in entries:
            file.writestr(name, data)


def tree(state, **changes):
    return "tree.json", json.dumps(
        {"format": "minigan checkpoint", "version": 1, "state": state, **changes}
    )


def npy(array=None, header=None, data=b""):
    """The bytes of an .npy file, of an array or with a header made up."""
    stream = BytesIO()
    if array is not None:
        np.lib.format.write_array(stream, array, allow_pickle=True)
        return stream.getvalue()
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


W = {"w": {"$array": "w"}}
ONE = npy(np.zeros(1))


def declaring(shape, descr="'<f8'", data=b"12345678"):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"
    return [tree(W), ("w.npy", npy(header=header, data=data))]


HOSTILE = {
    "an .npz of somebody else": ([("w.npy", ONE)], "no entry tree.json"),
    "other JSON": ([("tree.json", "[1, 2]")], "tree.json cannot be read"),
    "JSON of somebody else": (
        [("tree.json", '{"version": 1}')],
        "tree.json cannot be read: 'format'",
    ),
    "another format": (
        [tree(0, format="zip")],
        r"tree.json cannot be read: it is of \('zip', 1\), expected",
    ),
    "no JSON": ([("tree.json", "{'a': 1}")], "tree.json cannot be read"),
    "no UTF-8": ([("tree.json", b"\xff\xfe\xfa")], "tree.json cannot be read"),
    "NaN for a format": ([("tree.json", '{"format": NaN, "version": 1}')], r"it is of \(nan, 1\)"),
    "JSON a million deep": ([("tree.json", "[" * 10**6)], "tree.json cannot be read"),
    "an integer of a million digits": ([("tree.json", "9" * 10**6)], "tree.json"),
    "a tree deeper than the stack": (
        [("tree.json", f'{{"state": {"[" * 9999}{"]" * 9999}}}')],
        "cannot be read",
    ),
    "a later version": (
        [tree(0, version=2)],
        r"checkpoint', 2\), expected \('minigan checkpoint', 1\)",
    ),
    "no version": ([tree(0, version=None)], r"it is of \('minigan checkpoint', None\)"),
    "an array that is not there": (
        [tree(W)],
        r"refers to {'\$array': 'w'}, which the file does not hold",
    ),
    "an array named twice": ([tree([W, W]), ("w.npy", ONE)], "which the file does not hold"),
    "a list for a name": ([tree({"$array": ["w"]}), ("w.npy", ONE)], "refers to"),
    "an unknown mark": ([tree({"$pickle": "w"})], "refers to"),
    "a mark among others": ([tree({"$array": "w", "x": 1}), ("w.npy", ONE)], "refers to"),
    "pairs that are none": ([tree({"$pairs": [[[], 1]]})], "refers to"),
    "a key twice among pairs": ([tree({"$pairs": [[1, 2], [1, 3]]})], "refers to"),
    "a boolean for a key": ([tree({"$pairs": [[True, 2]]})], "refers to"),
    "a name twice": ([("tree.json", '{"format": "a", "format": "b"}')], "has a name twice among"),
    "tuples of no list": ([tree({"$tuple": {"a": 1}})], "refers to"),
    "a number beyond all": (
        [("tree.json", '{"format": "a", "version": 1e999}')],
        "1e999, which is too large",
    ),
    "a float that is none": ([tree({"$float": "1e999"})], "refers to"),
    "an array too many": (
        [tree(W), ("w.npy", ONE), ("v.npy", ONE)],
        "v.npy, of which its tree.json knows nothing",
    ),
    "a path upwards": ([tree(0), ("../../w.npy", ONE)], "knows nothing"),
    "a pickle": (
        [tree(W), ("w.npy", npy(np.array([{}], object)))],
        "w.npy: Object arrays cannot be loaded",
    ),
    "text": ([tree(W), ("w.npy", npy(np.array(["a"])))], "w.npy: it holds <U1, expected numbers"),
    "a record": ([tree(W), ("w.npy", npy(np.zeros(1, [("x", "f4")])))], "expected numbers"),
    "no .npy": ([tree(W), ("w.npy", b"hello world")], "w.npy: .*magic string is not correct"),
    "an empty .npy": ([tree(W), ("w.npy", b"")], "w.npy: .*magic string"),
    "another .npy version": (
        [tree(W), ("w.npy", ONE[:6] + b"\x07\x00" + ONE[8:])],
        r"w.npy: .*\(7, 0\)",
    ),
    "eight terabytes declared": (declaring(f"({10**12},)"), "w.npy: (EOF|Unable to allocate)"),
    "more than memory can count": (declaring(f"({2**62}, {2**62})"), "w.npy: "),
    "a product that wraps round to one": (declaring(f"({2**63 + 1}, {2**63 + 1})"), "w.npy: "),
    "nothing, of absurd shape": (declaring(f"(0, {2**70})", data=b""), "w.npy: "),
    "negative sides": (declaring("(-1, -1)"), "w.npy: negative dimensions"),
    "sides unknown": (declaring("(-1,)"), "w.npy: negative dimensions"),
    "one side unknown": (
        declaring("(2, -1)", data=b"1234567812345678"),
        "w.npy: negative dimensions",
    ),
    "one number too few": (
        declaring("(2,)"),
        "w.npy: EOF: reading array data, expected 16 bytes got 8",
    ),
    "one number too many": (
        declaring("()", data=b"1234567812345678"),
        "w.npy: it holds more than the 8 bytes",
    ),
    "a header that computes": (declaring("(1,)", descr="__import__('os').getcwd()"), "w.npy: "),
    "a header of brackets": (declaring("(" * 60), "w.npy: "),
    "a header of minus signs": (declaring("-" * 9000 + "1"), "w.npy: "),
    "a header without hash": (declaring("(1,), []: 1"), "w.npy: "),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_made_up_file_is_refused(path, what):
    entries, sentence = HOSTILE[what]
    archive(path, entries)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=sentence) as caught:
        checkpoint.load(path)
    assert str(caught.value).startswith(f"checkpoint {path}: ") and path.read_bytes() == before


def test_a_header_that_computes_is_not_run(path):
    archive(path, declaring("(1,)", descr=f"open({str(path.parent / 'trap')!r}, 'w')"))
    with pytest.raises(ValueError):
        checkpoint.load(path)
    assert not (path.parent / "trap").exists()


def test_a_zip_bomb_is_refused_before_it_unfolds(path):
    archive(path, [tree(W), ("w.npy", npy(np.zeros(10**6)))], zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="tree.json is compressed"):
        checkpoint.load(path)


def test_entries_that_share_their_bytes_are_refused(path):
    archive(
        path, [tree(0), *[(f"{i}.npy", b"") for i in range(3)], ("big.npy", npy(np.zeros(1000)))]
    )
    whole = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        big = file.getinfo("big.npy")
    position = whole.index(b"PK\x01\x02")
    while position >= 0:  # let every entry of the table of contents point at the big one
        whole[position + 20 : position + 28] = struct.pack("<LL", big.compress_size, big.file_size)
        position = whole.find(b"PK\x01\x02", position + 4)
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="its entries claim 40640 bytes, but the file has"):
        checkpoint.load(path)


def test_two_entries_of_one_name_are_refused(path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive(path, [tree(W), ("w.npy", ONE), ("w.npy", ONE)])
    with pytest.raises(ValueError, match="two entries of one name"):
        checkpoint.load(path)


def test_an_encrypted_entry_is_refused(path):
    archive(path, [tree(0)])
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="tree.json is compressed or encrypted"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x89PNG\r\n", bytes(1000), b"PK\x05\x06" + bytes(18)]
)
def test_what_is_no_checkpoint_at_all_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=f"^checkpoint {path}: .*(not a zip file|no entry tree.json)"
    ):
        checkpoint.load(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(FileNotFoundError, match="checkpoint.npz"):
        checkpoint.load(path)


# ---- kill -9

WRITER = textwrap.dedent("""
    import sys, itertools, numpy as np
    from minigan import checkpoint
    for i in itertools.count():
        checkpoint.save(sys.argv[1], {"i": i, "w": np.full(200_000, i)})
        print(i, flush=True)
""")


def kill_while_writing(path, seconds):
    """Kill a process that writes checkpoint after checkpoint -> the number of the last that it
    knows it wrote.
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
        assert state["i"] in (
            last,
            last + 1,
        )  # the newest that was reported, or the one that was in the making
        assert np.array_equal(state["w"], np.full(200_000, state["i"]))


def test_kill_9_while_writing_leaves_a_whole_file(path):
    check_kills(path, times=3, seed=0)


@pytest.mark.slow
def test_kill_9_at_many_moments_leaves_a_whole_file(path):
    check_kills(path, times=60, seed=1)
