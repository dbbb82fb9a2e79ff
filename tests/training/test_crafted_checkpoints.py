"""A checkpoint file that somebody made up is refused in one sentence, before it costs anything."""

import json
import struct
import zipfile
from io import BytesIO

import numpy as np
import pytest
from crafted import archive
from states import equal

from minigan.training import checkpoint


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.npz"


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
        "w.npy: it holds Python objects, which are never loaded, expected numbers",
    ),
    "text": ([tree(W), ("w.npy", npy(np.array(["a"])))], "w.npy: it holds <U1, expected numbers"),
    "a record": ([tree(W), ("w.npy", npy(np.zeros(1, [("x", "f4")])))], "expected numbers"),
    "no .npy": ([tree(W), ("w.npy", b"hello world")], "w.npy: .*magic string is not correct"),
    "an empty .npy": ([tree(W), ("w.npy", b"")], "w.npy: .*magic string"),
    "another .npy version": (
        [tree(W), ("w.npy", ONE[:6] + b"\x07\x00" + ONE[8:])],
        r"w.npy: .*\(7, 0\)",
    ),
    "eight terabytes declared": (
        declaring(f"({10**12},)"),
        "w.npy: (the array needs 8000000000000 bytes|Unable to allocate)",
    ),
    "more than memory can count": (declaring(f"({2**62}, {2**62})"), "w.npy: "),
    "a product that wraps round to one": (declaring(f"({2**63 + 1}, {2**63 + 1})"), "w.npy: "),
    "nothing, of absurd shape": (declaring(f"(0, {2**70})", data=b""), "w.npy: "),
    "negative sides": (declaring("(-1, -1)"), r"w.npy: its shape is \(-1, -1\)"),
    "sides unknown": (declaring("(-1,)"), r"w.npy: its shape is \(-1,\)"),
    "one side unknown": (
        declaring("(2, -1)", data=b"1234567812345678"),
        r"w.npy: its shape is \(2, -1\), expected no side below 0",
    ),
    "one number too few": (
        declaring("(2,)"),
        "w.npy: the array needs 16 bytes, but the entry holds 8",
    ),
    "one number too many": (
        declaring("()", data=b"1234567812345678"),
        "w.npy: the array needs 8 bytes, but the entry holds 16",
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


def test_arrays_in_fortran_order_are_read_right(path):
    a = np.arange(6.0).reshape(2, 3)
    archive(path, [tree(W), ("w.npy", npy(np.asfortranarray(a)))])
    assert equal(checkpoint.load(path), {"w": a})
