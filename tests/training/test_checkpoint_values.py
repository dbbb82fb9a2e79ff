"""A value that is saved comes back equal and of the same type, or it is refused and the old file
stays.
"""

import collections
import datetime
import decimal
import enum
import fractions
import os
import queue
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.training import checkpoint


class Colour(enum.IntEnum):
    RED = 1


class Word(str):
    pass


class Words(list):
    pass


Pair = collections.namedtuple("Pair", "a b")


def nested(kind, levels):
    state = 0
    for _ in range(levels):
        state = kind(state)
    return state


def cyclic_list():
    state = []
    state.append(state)
    return state


def cyclic_dict():
    state = {}
    state["itself"] = state
    return state


WHAT_WOULD_CHANGE = {
    "a namedtuple": Pair(1, 2),
    "an ordered dict": collections.OrderedDict(a=1),
    "a default dict": collections.defaultdict(int, a=1),
    "a counter": collections.Counter("abc"),
    "a list of one's own": Words([1]),
    "a string of one's own": Word("a"),
    "an integer with a name": Colour.RED,
    "a set": {1, 2},
    "a frozen set": frozenset({1}),
    "a range": range(3),
    "bytes": b"abc",
    "a bytearray": bytearray(b"abc"),
    "a memoryview": memoryview(b"abc"),
    "a complex number": 1j,
    "a fraction": fractions.Fraction(1, 3),
    "a decimal": decimal.Decimal("0.1"),
    "a date": datetime.date(2020, 1, 1),
    "a path": PurePosixPath("a"),
    "a function": len,
    "a class": int,
    "a queue, whose get() would wait for ever": queue.Queue(),
    "not implemented": NotImplemented,
    "an Ellipsis": ...,
    "a long NumPy scalar": np.longdouble(1) / 3,
    "a complex NumPy scalar": np.complex64(1j),
    "a NumPy date": np.datetime64("2020-01-01"),
    "a NumPy string": np.str_("a"),
    "NumPy bytes": np.bytes_(b"a"),
    "a NumPy record": np.zeros(1, [("x", "f4")])[0],
    "an array of objects": np.array([None]),
    "an array of dates": np.zeros(2, "datetime64[s]"),
    "an array of strings": np.array(["a"]),
    "an array of records": np.zeros(2, [("x", "f4")]),
    "a masked array": np.ma.masked_array([1.0, 2.0], [True, False]),
    "a matrix": np.zeros((2, 2)).view(np.matrix),
    "a list in itself": cyclic_list(),
    "a dict in itself": cyclic_dict(),
    "lists 5,000 deep": nested(lambda state: [state], 5000),
    "tuples 5,000 deep": nested(lambda state: (state,), 5000),
    "dicts 5,000 deep": nested(lambda state: {"a": state}, 5000),
    "dicts with numbers for keys 5,000 deep": nested(lambda state: {1: state}, 5000),
    "a key of 70,000 characters above an array": {"k" * 70_000: np.zeros(1)},
    "a key of 30,000 slashes above an array": {"/" * 30_000: np.zeros(1)},
    "an integer of 5,000 digits": 10**5000,
    "a key of 5,000 digits": {-(10**5000): 1},
    "a boolean key": {True: 1},
    "None as a key": {None: 1},
    "a number with a point as a key": {0.5: 1},
    "NaN as a key": {float("nan"): 1},
    "a tuple as a key": {(1, 2): 3},
    "bytes as a key": {b"a": 1},
    "a NumPy number as a key": {np.int64(1): 2},
    "a string of one's own as a key": {Word("a"): 1},
    "an integer with a name as a key": {Colour.RED: 1},
}


@pytest.mark.parametrize("where", ["at the root", "inside"])
@pytest.mark.parametrize("what", WHAT_WOULD_CHANGE)
def test_what_would_come_back_changed_is_refused_and_the_old_file_stays(tmp_path, what, where):
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, {"old": np.arange(3)})
    before = path.read_bytes()
    value = WHAT_WOULD_CHANGE[what]
    with pytest.raises((TypeError, ValueError)) as caught:
        checkpoint.save(path, value if where == "at the root" else {"net": [value]})
    said = str(caught.value)
    assert said.startswith("checkpoint state") and len(said) < 400 and "\n" not in said
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


WHAT_COMES_BACK = {
    "nothing": None,
    "an empty dict": {},
    "an empty list": [],
    "an empty tuple": (),
    "an empty string": "",
    "tuples in tuples": ((), ((),), [(1,), []]),
    "a tuple at the root": (1, "a"),
    "NaN": float("nan"),
    "minus infinity": float("-inf"),
    "minus zero": -0.0,
    "the smallest number": 5e-324,
    "an integer of 400 digits": -(10**400),
    "a lone surrogate": "\ud800",
    "control characters": "a\x00\n\x1b[2J",
    "marks as keys": {"$array": 1, "$tuple": [2], "$pairs": {"$array": None}},
    "numbers and their names as keys": {0: 1, "0": 2, -1: 3, "-1": 4},
    "100 levels": nested(lambda state: [state], 100),
    "100 levels of marks": nested(lambda state: {1: state}, 100),
    "a long key without an array": {"k" * 70_000: 1},
    "paths upwards": {
        "..": {"..": np.zeros(1)},
        ".": np.ones(1),
        "...": np.ones(2),
        "/": {"etc/x": np.zeros(1)},
    },
    "an empty key": {"": {"": np.zeros(1)}},
    "odd keys": {"\x00": np.zeros(1), "\ud800": np.ones(1), "\n": np.ones(2)},
    "the name of the tree": {"tree.json": np.zeros(1), "tree.json.npy": np.ones(1)},
    "a number without axes": np.array(3.5),
    "arrays of nothing": [np.zeros((0, 5)), np.zeros((2, 0, 3), bool)],
    "other byte orders": [
        np.arange(3, dtype=">f8"),
        np.arange(3, dtype="<i2"),
        np.arange(3, dtype=">u4"),
    ],
    "half, long and complex": [
        np.ones(2, np.float16),
        np.ones(2, np.longdouble),
        np.ones(2, np.complex128),
    ],
}


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape) == (b.dtype, b.shape) and np.array_equal(
            a, b, equal_nan=a.dtype.kind in "fc"
        )
    if isinstance(a, dict):
        return (
            list(map(type, a)) == list(map(type, b))
            and list(a) == list(b)
            and all(same(a[k], b[k]) for k in a)
        )
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


@pytest.mark.parametrize("what", WHAT_COMES_BACK)
def test_what_is_kept_comes_back_of_the_same_type(tmp_path, what):
    checkpoint.save(tmp_path / "a.npz", WHAT_COMES_BACK[what])
    assert same(checkpoint.load(tmp_path / "a.npz"), WHAT_COMES_BACK[what])


def test_no_entry_is_named_like_a_path_out_of_its_folder(tmp_path):
    checkpoint.save(tmp_path / "a.npz", WHAT_COMES_BACK["paths upwards"])
    with np.load(tmp_path / "a.npz") as file:
        assert sorted(set(file) - {"tree.json"}) == ["%2E", "%2E%2E/%2E%2E", "%2F/etc%2Fx", "..."]


odd_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers().map(lambda n: 10**400 * n),
    st.floats(),
    st.text(),
    st.binary(max_size=3),
    st.complex_numbers(),
    st.sampled_from(list(Colour)),
    st.text().map(Word),
    st.sampled_from(
        [np.float32(0.1), np.float64(0.1), np.int8(3), np.bool_(True), np.complex64(1)]
    ),
    st.sampled_from(
        [np.zeros(2), np.array(["a"]), np.array([None]), np.zeros(1, ">i4"), np.ma.ones(2)]
    ),
    st.builds(Path),
    st.frozensets(st.integers(), max_size=2),
)
odd_keys = st.one_of(
    st.text(max_size=3), st.integers(), st.booleans(), st.none(), st.floats(), st.text().map(Word)
)


def odd_nodes(inner):
    plain = st.lists(inner, max_size=3)
    return st.one_of(
        plain,
        plain.map(tuple),
        plain.map(Words),
        st.tuples(inner, inner).map(lambda t: Pair(*t)),
        st.dictionaries(odd_keys, inner, max_size=3),
        st.dictionaries(odd_keys, inner, max_size=2).map(collections.OrderedDict),
    )


def as_python(value):
    """The state with NumPy's scalars as Python's numbers, which is the one change that save is
    allowed.
    """
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(map(as_python, value))
    return {key: as_python(item) for key, item in value.items()} if type(value) is dict else value


@settings(max_examples=400)
@given(st.recursive(odd_leaves, odd_nodes, max_leaves=8))
def test_any_state_comes_back_equal_or_is_refused(tmp_path_factory, state):
    path = tmp_path_factory.getbasetemp() / "any.npz"
    try:
        checkpoint.save(path, state)
    except (TypeError, ValueError) as error:
        assert str(error).startswith("checkpoint state")
        return
    assert same(checkpoint.load(path), as_python(state))


def test_tensors_that_require_a_gradient_are_kept_as_their_values(tmp_path):
    torch = pytest.importorskip("torch")
    ours, theirs = (
        mg.tensor([1.0, 2.0], requires_grad=True),
        torch.tensor([3.0], requires_grad=True),
    )
    checkpoint.save(tmp_path / "a.npz", [ours, theirs])
    assert same(checkpoint.load(tmp_path / "a.npz"), [np.float32([1, 2]), np.float32([3])])
    sentence = "^checkpoint state at its root: .* got a Tensor that cannot become a NumPy array: "
    for refused in (
        torch.ones(2, dtype=torch.bfloat16),
        torch.ones(2, device="meta"),
        torch.eye(2).to_sparse(),
    ):
        with pytest.raises(TypeError, match=sentence):
            checkpoint.save(tmp_path / "a.npz", refused)
