"""NumPy's functions and a Tensor: none drops a gradient silently, and none writes into a Tensor.

NumPy lists its own functions that ask their arguments (``__array_function__``) and its ufuncs; the
tests go through both lists, and call each function in every way in which a tensor could be its
argument.
"""

import warnings

import numpy as np
import numpy.fft
import pytest
from numpy.testing import overrides
from tensors import listed

import minigan as mg
from minigan import devices
from minigan.ops import data_model

FUNCTIONS = sorted(
    overrides.get_overridable_numpy_array_functions(), key=lambda f: (f.__module__, f.__name__)
)
UFUNCS = sorted(overrides.get_overridable_numpy_ufuncs(), key=lambda f: f.__name__)
NUMBERS = np.ndarray, np.number, float, complex, list, tuple


# The ways to call a function f with a tensor t; I is a fresh 2 x 2 matrix. In a list, only those
# functions look for a tensor that join what is in lists: np.transpose([t, t]) is
# np.transpose(np.asarray([t, t])), which asks for numbers.
CALLS = """
    f(t) f(t,1) f(t,0,1) f(t,[0,1]) f(t,I) f(t,float) f(t,2,2,1) f(t,t) f(t,t,t) f(1,t) f(I,t)
    f([0],t)
    f('ij,jk',t,I) f('ii',t) f(I,I,t) f(I,1,t) f(1,2,I,t) f(I,I,I,t) f(I,out=t) f(I,0,1,out=t)
    f(a=t) f(x=t)
""".split()
CALLS = [compile(call, call, "eval") for call in CALLS]


def matrix(requires_grad, factor=1):
    return mg.tensor(factor * np.array([[0.5, 2.0], [3.0, 0.25]]), requires_grad=requires_grad)


def unchanged(t):
    """Whether the tensor still holds what matrix() put into it."""
    return np.array_equal(t.numpy(), matrix(False).numpy())


def outcomes(function, requires_grad, factor=1):
    """What the function gives for every call, or None where it refuses, and the tensor."""
    for call in CALLS:
        t = matrix(requires_grad, factor)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = {"f": function, "t": t, "I": np.eye(2)}
            try:
                result = eval(call, names)
            except Exception:  # of any kind, because most calls are nonsense
                result = None
            yield result, t


def fractions(result):
    """All fractions in what a function gave, as a flat list; ``piecewise`` may give objects."""
    if isinstance(result, (list, tuple)):
        return [number for part in result for number in fractions(part)]
    if not isinstance(result, NUMBERS) or np.asarray(result).dtype.kind not in "fcO":
        return []
    return np.ravel(np.asarray(result)).tolist()


def test_the_lists_are_numpy_s():
    assert len(FUNCTIONS) > 250
    assert len(UFUNCS) > 80
    assert {np.concatenate, np.stack, np.clip, np.reshape, np.linalg.norm, np.fft.fft} <= set(
        FUNCTIONS
    )
    assert (data_model.LOOKING | data_model.WRITING) <= set(FUNCTIONS)


# Functions that make constants of a shape, and functions with an argument like=, which ask about
# that one alone and take all others as np.asarray does; files and texts, which have a test of their
# own.
APART = """zeros_like ones_like empty_like full_like ones zeros empty eye identity tri full arange
array asarray asanyarray ascontiguousarray asfortranarray require frombuffer fromfile fromfunction
fromiter fromstring loadtxt genfromtxt
    save savez savez_compressed savetxt array2string array_repr array_str""".split()
# And what NumPy does not ask about, because it writes it into an array of its own, or reads
# positions off it.
UNASKED = [("piecewise", "f(I,I,t)"), ("piecewise", "f(I,1,t)"), ("take", "f(I,t)")]


@pytest.mark.parametrize(
    "function",
    [f for f in FUNCTIONS if f.__name__ not in APART],
    ids=lambda f: f"{f.__module__}.{f.__name__}",
)
def test_no_function_drops_a_gradient_or_writes_into_a_tensor(function):
    plain = outcomes(function, True)
    scaled = outcomes(function, True, 1.5)
    for (result, t), (other, _), call in zip(plain, scaled, CALLS):
        if (function.__name__, call.co_filename) in UNASKED:
            continue
        what = f"{call.co_filename} with f = {function.__name__}"
        same = fractions(result) == fractions(other)
        assert same, f"{what} gave {result!r} without a gradient"
        assert unchanged(t)
    for _, t in outcomes(function, False):
        assert unchanged(t)
        assert t._memory.changes == 0


JOINING = [
    np.concatenate,
    np.stack,
    np.vstack,
    np.hstack,
    np.dstack,
    np.column_stack,
    np.block,
    np.linalg.multi_dot,
    lambda ts: np.select([np.ones((2, 2), bool)] * 2, ts),
    lambda ts: np.choose([[0, 1], [1, 0]], ts),
    lambda ts: np.meshgrid(*ts),
    lambda ts: np.broadcast_arrays(*ts),
    lambda ts: np.block([[ts[0]], [ts[1]]]),
]


@pytest.mark.parametrize("join", JOINING)
def test_a_tensor_among_those_that_are_joined_is_found(join):
    for pair in ([np.eye(2), matrix(True)], [matrix(True), np.eye(2)]):
        with pytest.raises(TypeError, match="requires grad, and would lose the gradient"):
            join(pair)
    expected = join([matrix(False).numpy(), np.eye(2)])
    found = join([matrix(False), np.eye(2)])
    assert all(np.array_equal(a, b) for a, b in zip(found, expected))


@pytest.mark.parametrize(
    "function",
    [f for f in FUNCTIONS if f not in data_model.LOOKING],
    ids=lambda f: f"{f.__module__}.{f.__name__}",
)
def test_a_function_that_computes_is_refused_in_one_sentence(function):
    t = matrix(True)
    for args, kwargs in (((t,), {}), (([1.0, (t,)],), {}), ((1.0,), {"a": t})):
        with pytest.raises(TypeError, match=f"{function.__name__} .*Tensor") as refusal:
            mg.Tensor.__array_function__(t, function, (mg.Tensor,), args, kwargs)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_ufunc_refuses_every_tensor(ufunc, requires_grad):
    t = matrix(requires_grad)
    a = np.eye(2)
    tensors = [t] * ufunc.nin
    arrays = [a] * ufunc.nin
    results = (t,) * ufunc.nout
    calls = [
        lambda: ufunc(*tensors),
        lambda: ufunc(*arrays, out=results),
    ]
    if ufunc.nin == 2 and ufunc.nout == 1 and ufunc.signature is None:
        calls += [
            lambda: ufunc(a, t),
            lambda: ufunc.reduce(t),
            lambda: ufunc.accumulate(t),
            lambda: ufunc.outer(a, t),
            lambda: ufunc.at(a, [0], t),
            lambda: ufunc.reduceat(t, [0]),
            lambda: ufunc.reduce(a, out=t),
        ]
    for call in calls:
        with pytest.raises(TypeError, match="Tensor"):
            call()
    assert unchanged(t)
    assert np.array_equal(a, np.eye(2))


# ---- what works ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.concatenate([x, np.eye(2)]),
        lambda x: np.stack((x, x), axis=1),
        lambda x: np.clip(x, 0, 1),
        lambda x: np.reshape(x, (4, 1)),
        lambda x: np.linalg.norm(x),
        lambda x: np.mean(x, axis=0),
        lambda x: np.where(x, x, 1),
        lambda x: np.einsum("ij,jk->ik", x, x),
        lambda x: np.histogram(x)[0],
        lambda x: np.unique(x),
        lambda x: np.fft.fft(x),
        lambda x: np.block([[x, x], [x, np.eye(2)]]),
        lambda x: np.linalg.solve(x, np.eye(2)),
        lambda x: np.sort(a=x),
    ],
)
def test_numpy_treats_a_tensor_as_its_array_where_no_gradient_is_asked_for(call):
    a = matrix(False).numpy()
    expected = call(a.copy())
    for t in (matrix(False), matrix(True).detach()):
        np.testing.assert_array_equal(call(t), expected)
        assert type(call(t)) is type(expected)
    with pytest.raises(
        TypeError, match="requires grad, and would lose the gradient: use an operation of minigan"
    ):
        call(matrix(True))
    with mg.no_grad():
        np.testing.assert_array_equal(call(matrix(True)), expected)


def test_functions_that_only_look_take_tensors_that_require_grad(tmp_path):
    t = matrix(True)
    a = matrix(False).numpy()
    assert np.shape(t) == (2, 2)
    assert np.ndim(t) == 2
    assert np.size(t) == 4
    assert np.result_type(t) == np.float64
    assert np.allclose(t, a)
    assert np.array_equal(a, t)
    assert np.isclose(t, t).all()
    assert not np.array_equiv(t, a + 1)
    assert np.shares_memory(t, t.array)
    assert np.array2string(t) == np.array2string(a)
    np.save(tmp_path / "t.npy", t)
    np.savez(tmp_path / "t.npz", t=t)
    np.savetxt(tmp_path / "t.txt", t)
    assert np.array_equal(np.load(tmp_path / "t.npy"), a)
    assert np.array_equal(np.load(tmp_path / "t.npz")["t"], a)
    assert np.array_equal(np.loadtxt(tmp_path / "t.txt"), a)
    assert np.zeros_like(t).tolist() == [[0, 0], [0, 0]]
    np.testing.assert_allclose(t, a)
    np.testing.assert_array_equal(a, t)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(t, a + 1)


@pytest.mark.parametrize(
    "write",
    [
        lambda t, a: np.copyto(t, a),
        lambda t, a: np.put(t, [0], 9),
        lambda t, a: np.fill_diagonal(t, 9),
        lambda t, a: np.putmask(t, a > 0, 9),
        lambda t, a: np.place(t, a > 0, [9]),
        lambda t, a: np.clip(a, 0, 1, out=t),
        lambda t, a: np.clip(a, 0, 1, t),
        lambda t, a: np.cumsum(a, 0, None, t),
        lambda t, a: np.nan_to_num(t, copy=False),
        lambda t, a: np.concatenate([a[0], a[1]], out=t),
        lambda t, a: np.median(t, overwrite_input=True, out=t),
        lambda t, a: np.put_along_axis(t, np.zeros((1, 2), int), 9, 0),
        lambda t, a: np.copyto(dst=t, src=a),
    ],
)
def test_nothing_of_numpy_s_writes_into_a_tensor(write):
    t = matrix(False)
    with pytest.raises(
        (TypeError, ValueError), match="into a Tensor|read-only|'Tensor'"
    ) as refusal:
        write(t, np.eye(2))
    assert "\n" not in str(refusal.value)
    assert unchanged(t)


def test_a_view_that_numpy_gives_is_read_only():
    t = matrix(False)
    with pytest.raises(ValueError, match="read-only"):
        np.reshape(t, 4)[0] = 9
    assert t.numpy().flags.writeable


# ---- arrays on the left --------------------------------------------------------------------------


@pytest.mark.parametrize("requires_grad", [False, True])
def test_an_array_is_never_changed_into_or_by_a_tensor(requires_grad):
    t = matrix(requires_grad)
    a = np.eye(2)
    kept = a
    for change in ("a += t", "a -= t", "a *= t", "a /= t", "a **= t", "a @= t"):
        with pytest.raises(TypeError, match="Tensor"):
            exec(change, {}, {"a": a, "t": t})
    assert a is kept
    assert np.array_equal(a, np.eye(2))
    a[...] = t
    assert np.array_equal(a, t.numpy())
    a[0] = t[1]
    a[1, 1] = t[0, 1]
    assert a.tolist() == [[3.0, 0.25], [3.0, 2.0]]


def test_an_array_is_compared_with_a_tensor_entry_by_entry():
    a = np.array([1.0, 2.0, 3.0])
    t = mg.tensor(np.array([2.0, 2.0, 2.0]), requires_grad=True)
    for got, expected in (
        (a == t, a == 2),
        (a != t, a != 2),
        (a < t, a < 2),
        (a <= t, a <= 2),
        (a > t, a > 2),
        (a >= t, a >= 2),
        (np.float64(2) == t, [True] * 3),
        (t == a, a == 2),
    ):
        assert isinstance(got, mg.Tensor)
        assert got.dtype == bool
        assert not got.requires_grad
        assert listed(got) == list(expected)


def test_a_tensor_is_an_index_of_an_array_like_the_array_that_it_holds():
    a = np.arange(12.0).reshape(3, 4)
    for index in (
        np.array(1),
        np.array([2, 0]),
        np.array([[1], [0]]),
        np.array([True, False, True]),
        np.array(True),
        a > 5,
    ):
        expected = a[index]
        got = a[mg.tensor(index)]
        assert np.shape(got) == np.shape(expected)
        assert np.array_equal(got, expected)
    b = a.copy()
    b[mg.tensor(a > 5)] = 0
    assert b.sum() == a[a <= 5].sum()


@pytest.mark.parametrize("copy", [None, True, False])
@pytest.mark.parametrize("dtype", [None, np.float32, np.float64, int])
def test_asarray_gives_the_memory_or_a_copy_as_it_is_asked(dtype, copy):
    if devices.xp is not np:
        pytest.skip("NumPy cannot look into a GPU's memory")
    t = matrix(True)
    same = dtype in (None, np.float64)
    if copy is False and not same:
        with pytest.raises(ValueError, match="cannot be an array of .* without a copy"):
            t.__array__(dtype, copy=copy)
        return
    a = t.__array__(dtype, copy=copy)
    assert a.dtype == (dtype or np.float64)
    assert np.array_equal(a, t.numpy().astype(a.dtype))
    assert np.shares_memory(a, t.array) == (same and not copy)
    assert np.array_equal(np.asarray(t, dtype), a)
    assert np.array_equal(np.array(t, dtype), a)
    assert not np.shares_memory(np.array(t), t.array)
    assert np.shares_memory(np.asarray(t), t.array)
