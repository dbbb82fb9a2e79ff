"""Comparisons and truth values of tensors: as in PyTorch, or refused in one sentence."""

import copy
import operator

import numpy as np
import pytest
from tensors import listed, row

import minigan as mg
from minigan import nn

F32 = np.float32


# ---- comparisons ---------------------------------------------------------------------------------

COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
OTHERS = {
    "number": 2,
    "fraction": 2.5,
    "flag": True,
    "NumPy's number": np.float64(2),
    "array": np.array([3.0, 2.0, 1.0]),
    "list": [3, 2, 1],
    "tensor": mg.tensor(np.array([3.0, 2.0, 1.0])),
    "column": mg.tensor([[1.0], [3.0]]),
    "integers": mg.tensor(np.array([3, 2, 1])),
}


@pytest.mark.parametrize("compare", COMPARISONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", OTHERS.values(), ids=list(OTHERS))
@pytest.mark.parametrize("dtype", [F32, np.float64, np.int64, np.uint8])
def test_a_comparison_is_made_entry_by_entry_and_has_no_gradient(compare, other, dtype):
    a = np.array([1, 2, 3], dtype)
    x = mg.tensor(a)
    plain = other.numpy() if isinstance(other, mg.Tensor) else np.asarray(other)
    right = compare(x, other)
    left = compare(other, x)
    for found in (right, left):
        assert isinstance(found, mg.Tensor)
        assert found.dtype == bool
        assert not found.requires_grad
    assert listed(right) == compare(a, plain).tolist()
    assert listed(left) == compare(plain, a).tolist()


@pytest.mark.parametrize("shape", [(), (1,), (2, 1)])
def test_a_float32_meets_a_number_in_float32(shape):
    x = mg.tensor(np.full(shape, 0.1, F32), requires_grad=True)
    assert (x == 0.1).all()
    assert (x == np.float64(0.1)).all()
    assert (x >= 0.1).all()
    assert not (x > 0.1).any()


def test_integers_meet_numbers_that_they_cannot_hold():
    x = mg.tensor(np.array([0, 255], np.uint8))
    assert listed(x == -1) == [False, False]
    assert listed(x < 300) == [True, True]
    assert (x > -1).all()
    assert (x != 256).all()
    assert listed(x == 255) == [False, True]
    assert listed(x > 0.5) == [False, True]


@pytest.mark.parametrize("other", [None, "a", object(), {}, ["a"], nn.Linear(1, 1)])
def test_what_holds_no_numbers_is_not_equal_and_has_no_order(other):
    x = row()
    assert (x == other) is False
    assert (x != other) is True
    with pytest.raises(TypeError, match="not supported between instances"):
        x < other  # noqa: B015


@pytest.mark.parametrize("compare", COMPARISONS)
def test_complex_numbers_and_shapes_that_do_not_broadcast_are_refused(compare):
    x = row()
    with pytest.raises(TypeError, match="tensors hold real numbers, this one meets 1j"):
        compare(x, 1j)
    shorter = mg.ones(2)
    with pytest.raises(ValueError, match="broadcast"):
        compare(x, shorter)


def test_a_tensor_is_hashed_by_identity():
    x = row()
    y = row()
    assert len({x, y, x}) == 2
    assert {x: 1, y: 2}[y] == 2
    assert hash(x) != hash(y)
    assert x in [x]
    p = nn.Parameter(x)
    assert {p: "p"}[p] == "p"
    with pytest.raises(ValueError, match=r"truth value of a tensor of shape \(3,\) is ambiguous"):
        x in [y]  # noqa: B015


def test_equal_parameters_are_still_different_ones():
    p = nn.Parameter(mg.ones(2))
    q = nn.Parameter(mg.ones(2))
    mg.optim.SGD([p, q])
    with pytest.raises(ValueError, match="parameter 2 of 3 twice"):
        mg.optim.SGD([p, q, p])
    net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    with mg.no_grad():
        for p in net.parameters():
            p.copy_(1.0)
    assert len(net.parameters()) == 4
    twin = copy.deepcopy(net)
    assert twin.parameters()[0] is not net.parameters()[0]


# ---- truth values --------------------------------------------------------------------------------

FIRST = np.array([True, True, False])
SECOND = np.array([True, False, False])
INTEGERS = np.array([6, 3, 1])


@pytest.mark.parametrize("operation", [operator.and_, operator.or_, operator.xor])
@pytest.mark.parametrize(
    "a, b",
    [
        (FIRST, SECOND),
        (INTEGERS, np.array([3, 5, 0], np.int32)),
        (INTEGERS, 3),
        (FIRST, True),
        (FIRST, SECOND.tolist()),
    ],
)
def test_and_or_xor_of_truth_values_and_integers(a, b, operation):
    expected = operation(a, b).tolist()
    x = mg.tensor(a)
    assert listed(operation(x, b)) == expected
    assert listed(operation(b, x)) == expected
    if isinstance(b, np.ndarray):
        y = mg.tensor(b)
        assert listed(operation(x, y)) == expected


@pytest.mark.parametrize("a", [FIRST, INTEGERS])
def test_not_of_truth_values_and_integers(a):
    x = mg.tensor(a)
    assert listed(~x) == (~a).tolist()


@pytest.mark.parametrize(
    "operate",
    [
        lambda x: x & 1,
        lambda x: x | x,
        lambda x: x ^ True,
        lambda x: ~x,
    ],
)
def test_and_or_xor_not_of_fractions_are_refused(operate):
    with pytest.raises(TypeError, match="takes tensors of truth values or integers, got float32"):
        operate(row())


def test_any_and_all_are_numpy_s():
    a = np.array([[0.0, 2.0], [0.0, np.nan]])
    x = mg.tensor(a, requires_grad=True)
    assert x.any().item() is True
    assert x.all().item() is False
    assert not mg.zeros(0).any()
    assert mg.zeros(0).all()
    for dim in (0, 1, -1):
        some = x.any(dim)
        every = x.all(dim, keepdim=True)
        assert listed(some) == (a != 0).any(dim).tolist()
        assert listed(every) == (a != 0).all(dim, keepdims=True).tolist()


@pytest.mark.parametrize("shape", [(0,), (2,), (1, 2)])
def test_the_truth_of_several_entries_is_refused(shape):
    x = mg.zeros(shape)
    with pytest.raises(ValueError, match="ambiguous, expected an array of size 1: use any"):
        bool(x)
