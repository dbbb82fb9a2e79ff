"""x[index] row by row: the order of the axes, views, writing, and refusals."""

import numpy as np
import pytest

import minigan as mg
from minigan.ops.indexing import getitem, put

# ---- writing -------------------------------------------------------------------------------------


def test_an_assignment_is_counted_and_refused_where_it_would_lose_a_gradient():
    x = mg.ones(2, 3)
    w = mg.ones(3, requires_grad=True)
    y = (x * w).sum()
    x[0] = 5
    with pytest.raises(RuntimeError, match="changed in place after its use"):
        y.backward()
    with pytest.raises(RuntimeError, match="would lose the gradient"):
        x[0] = [w[0], 1, 1]
    with pytest.raises(RuntimeError, match=r"inside no_grad\(\)"):
        w[0] = 1
    assert x.numpy().tolist() == [[5, 5, 5], [1, 1, 1]]
    assert w.numpy().tolist() == [1, 1, 1]
    with mg.no_grad():
        w[0] = 7
        w[1:] = w[1:] * 2
    assert w.requires_grad
    assert w.numpy().tolist() == [7, 2, 2]


def test_an_augmented_assignment_to_entries_changes_them_once():
    x = mg.tensor(np.arange(6.0).reshape(2, 3))
    x[0] += 10
    x[x > 10] *= 2
    x[:, [0]] -= 1
    assert x.numpy().tolist() == [[9, 22, 24], [2, 4, 5]]


def test_a_swap_that_would_copy_one_of_the_two_is_refused():
    x = mg.tensor(np.arange(6.0).reshape(3, 2))
    with pytest.raises(RuntimeError, match="a view of other entries"):
        x[0], x[1] = x[1], x[0]
    assert x.numpy().tolist() == [[0, 1], [2, 3], [4, 5]]
    first = mg.tensor(x[0])
    second = mg.tensor(x[1])
    x[0], x[1] = second, first
    assert x.numpy().tolist() == [[2, 3], [0, 1], [4, 5]]


# ---- the rule, row by row ------------------------------------------------------------------------

A = np.array([0, 1, 1, 0, 1, 0, 1])
B = np.array([2, 0, 1, 1, 2, 0, 0])
ZERO = np.array(0)
ALL = slice(None)
PLANE = np.ones((2, 3), bool)

# what is picked of a tensor of shape (2, 3, 4, 5), and the shape of the result
ROWS = {
    "side by side": (
        (ALL, A, B),
        (2, 7, 5),
    ),
    "apart": (
        (ALL, A, ALL, B),
        (7, 2, 4),
    ),
    "a number takes its axis away": (
        (0, ALL, B),
        (3, 7, 5),
    ),
    "so does an array without axes": (
        (ZERO, ALL, B),
        (3, 7, 5),
    ),
    "and a tensor without axes": (
        (mg.tensor(ZERO), ALL, mg.tensor(B)),
        (3, 7, 5),
    ),
    "a number between two arrays": (
        (ALL, A, 0, B),
        (2, 7),
    ),
    "None between two arrays": (
        (A, None, B),
        (7, 1, 4, 5),
    ),
    "None in front": (
        (None, A, 0, B),
        (1, 7, 5),
    ),
    "dots for no axis": (
        (A, ..., B, ALL, ALL),
        (7, 4, 5),
    ),
    "dots for one axis": (
        (A, ..., B, ALL),
        (7, 3, 5),
    ),
    "dots for no axis, then a number": (
        (ALL, A, ..., B, 1),
        (2, 7),
    ),
    "a mask, then a number": (
        (ALL, None, [True, False, True], ALL, mg.tensor(np.array(-2))),
        (2, 1, 2, 4),
    ),
    "True in front of a number": (
        (True, 0),
        (1, 3, 4, 5),
    ),
    "False behind a number": (
        (0, False),
        (0, 3, 4, 5),
    ),
    "True apart from an array": (
        (True, ALL, A),
        (7, 2, 4, 5),
    ),
    "a mask of two axes, dots and a number": (
        (PLANE, ..., 0),
        (6, 4),
    ),
    "a mask of two axes, apart from an array": (
        (PLANE, ALL, [3]),
        (6, 4),
    ),
    "a tuple in the tuple is an array": (
        (0, (1, 2, 0)),
        (3, 4, 5),
    ),
    "a range is an array": (
        range(2),
        (2, 3, 4, 5),
    ),
}


@pytest.mark.parametrize("index, shape", ROWS.values(), ids=list(ROWS))
def test_the_order_of_axes_is_the_written_one(index, shape):
    x = mg.tensor(np.zeros((2, 3, 4, 5)), requires_grad=True)
    y = x[index]
    assert y.shape == shape
    (d,) = mg.grad(y.sum(), x)
    assert d.numpy().sum() == y.numel()


@pytest.mark.parametrize(
    "index", [0, (1, 2), slice(1, 3), (..., None, 0), (0, 1, 2), slice(None, None, -1)], ids=str
)
def test_numbers_and_slices_give_a_view_of_the_memory(index):
    x = mg.tensor(np.arange(60.0).reshape(3, 4, 5))
    y = x[index]
    y.copy_(-1.0)
    assert (x.numpy() == -1).sum() == y.numel()
    assert (x.numpy()[index] == -1).all()


def test_a_selection_may_be_used_again_by_its_gradient():
    x = mg.tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)

    def squared_part(x):
        return getitem(x, ([0, 2, 2], slice(1, 3))) ** 2

    assert mg.gradcheck(squared_part, x)
    twice = put(mg.ones(2), [1, 1], (3,))
    assert twice.numpy().tolist() == [0, 2, 0]


# ---- refusals ------------------------------------------------------------------------------------

REFUSALS = {
    "a number out of bounds": (
        3,
        "index 3 is out of bounds for axis 0 with size 3",
    ),
    "a number out of bounds behind": (
        (..., -5),
        "index -5 is out of bounds for axis 1 with size 4",
    ),
    "a position out of bounds": (
        (0, [0, 4]),
        "position 4, out of bounds for an axis with size 4",
    ),
    "a negative position out of bounds": (
        [0, -4],
        "position -4, out of bounds for an axis with size 3",
    ),
    "a position beyond 64 bits": (
        np.array([2**64 - 1], np.uint64),
        "position 18446744073709551615",
    ),
    "too many": (
        (0, 0, 0),
        "names 3 axes, but the tensor of shape (3, 4) has 2",
    ),
    "a mask of too many axes": (
        np.ones((3, 4, 1), bool),
        "names 3 axes",
    ),
    "two dots": (
        (..., 0, ...),
        "more than one ...",
    ),
    "a short mask": (
        [True, False],
        "a mask of shape (2,) does not fit",
    ),
    "a long mask": (
        (0, np.ones(5, bool)),
        "a mask of shape (5,) does not fit the axes from 1",
    ),
    "positions that do not broadcast": (
        ([0, 1], [0, 1, 2]),
        "(2,), (3,), which do not broadcast",
    ),
    "False and two positions": (
        (False, [0, 1]),
        "(0,), (2,), which do not broadcast",
    ),
    "a fraction": (
        1.0,
        "holds 1.0, expected only integers",
    ),
    "a word": (
        "x",
        "holds 'x', expected only integers",
    ),
    "fractions": (
        np.array([0.0, 1.0]),
        "an array of float64, expected integers or truth values",
    ),
    "a tensor of fractions": (
        mg.ones(2),
        "an array of float32, expected integers",
    ),
    "a list of fractions": (
        (0, [0.0, 1.0]),
        "an array of float64, expected integers",
    ),
    "a list of fractions alone": (
        [0.0, 1.0],
        "a list with a float in it, expected numbers",
    ),
    "a list of words": (
        (0, ["a"]),
        "expected integers or truth values",
    ),
    "a ragged list": (
        (0, [[0], [1, 2]]),
        "the list [[0], [1, 2]], expected numbers or rows of one length",
    ),
    "a list of lists alone": (
        [[0, 1], [1, 2]],
        "a list with a list in it, expected numbers: write a tuple",
    ),
    "a list with None": (
        [None, 0],
        "a list with a NoneType in it",
    ),
    "a list of tensors": (
        [mg.tensor(np.array(0))],
        "a list with a Tensor in it",
    ),
    "bytes": (
        np.array([1, 0, 1], np.uint8),
        "uint8, which is a mask in PyTorch and holds positions in NumPy",
    ),
    "a byte": (
        mg.tensor(np.array(1, np.uint8)),
        "an array of uint8",
    ),
    "a dictionary": (
        {},
        "holds {}, expected only integers",
    ),
}


@pytest.mark.parametrize("index, words", REFUSALS.values(), ids=list(REFUSALS))
def test_what_is_no_index_is_refused_in_one_sentence(index, words):
    x = mg.zeros(3, 4)
    with pytest.raises(IndexError) as reading:
        x[index]
    with pytest.raises(IndexError) as writing:
        x[index] = 1
    for refusal in (reading, writing):
        assert words in str(refusal.value)
        assert "\n" not in str(refusal.value)
    assert not x.numpy().any()


def test_a_slice_with_a_fraction_or_no_step_is_refused():
    x = mg.zeros(3)
    with pytest.raises(TypeError, match="bound 1.5, expected whole numbers"):
        x[1.5:]
    with pytest.raises(ValueError, match="step cannot be zero"):
        x[::0]


def test_a_slice_keeps_the_bounds_that_it_had():
    x = mg.zeros(4, requires_grad=True)
    end = mg.tensor(np.array(2))
    y = x[:end]
    end.copy_(4)
    (d,) = mg.grad(y.sum(), x)
    assert d.numpy().tolist() == [1, 1, 0, 0]
