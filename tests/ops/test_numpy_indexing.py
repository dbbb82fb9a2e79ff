"""x[index] against NumPy: values, and gradients that count how often an entry was picked."""

import numpy as np
import pytest
from tensors import array, listed

import minigan as mg

F64 = np.float64


def shortened(index):
    """The index as a name for its test."""
    return str(index).replace("\n", "")[:40]


INDICES = [
    0,
    -1,
    (1, 2),
    (1, 2, 3),
    slice(1, 3),
    slice(None, None, 2),
    slice(None, None, -1),
    (slice(None), slice(3, 0, -2)),
    ...,
    (..., 0),
    (0, ..., slice(1, None)),
    None,
    (slice(None), None, 1),
    (None, 0, None, ..., None),
    np.int64(2),
    [0, 2],
    [0, 0, 2, 0],
    ([0, 1, 1], [2, 2, 0]),
    (slice(None), [3, 0, 3]),
    ([1, 1], slice(1, 3), [0, 2]),
    np.array([[0, 1], [2, 0]]),
    (np.array([[0], [2]]), np.array([1, 3])),
    (..., [0, 0]),
    slice(2, 2),
    np.arange(60).reshape(3, 4, 5) % 3 == 0,
    np.array([True, False, True]),
    (slice(None), np.arange(4) > 1),
    mg.tensor(np.array([2, 2, 0])),
    (mg.tensor(np.array([0, 1])), slice(None), mg.tensor(np.array([4, 4]))),
]


def without_tensors(index):
    """The index with arrays in the place of tensors."""
    if isinstance(index, tuple):
        return tuple(without_tensors(i) for i in index)
    if isinstance(index, mg.Tensor):
        return index.numpy()
    return index


@pytest.mark.parametrize("index", INDICES, ids=shortened)
def test_indexing_is_numpy_s_and_its_gradient_counts_the_visits(index):
    x = mg.tensor(array(3, 4, 5, dtype=F64), requires_grad=True)
    plain = without_tensors(index)
    expected = x.numpy()[plain]
    y = x[index]
    np.testing.assert_array_equal(y.numpy(), expected)
    g = array(*expected.shape, dtype=F64, seed=1)
    visits = np.zeros(x.shape)
    np.add.at(visits, plain, g)
    (d,) = mg.grad(y, x, mg.tensor(g))
    np.testing.assert_allclose(d.numpy(), visits)


@pytest.mark.parametrize(
    "index, shape",
    [
        (
            (0, slice(None), [1, 2, 2]),
            (4, 3),
        ),
        (
            (..., [0, 1], 2),
            (3, 2),
        ),
        (
            (1, [0, 3], slice(0, 2)),
            (2, 2),
        ),
        (
            (-1, None, ..., np.array([True, False, True, False, True])),
            (1, 4, 3),
        ),
        (
            (2, [0, 3], [1, 1]),
            (2,),
        ),
        (
            (np.int64(1), slice(None), mg.tensor(np.array([[0, 4]]))),
            (4, 1, 2),
        ),
        (
            (0, np.eye(4, 5) == 1),
            (4,),
        ),
        (
            (None, [0, 1], [2, 2], None, 3),
            (1, 2, 1),
        ),
    ],
    ids=shortened,
)
def test_a_number_beside_an_array_takes_its_axis_away_as_in_pytorch(index, shape):
    x = mg.tensor(array(3, 4, 5, dtype=F64), requires_grad=True)
    numbered = mg.tensor(np.arange(60).reshape(3, 4, 5))
    y = x[index]
    positions = numbered[index].numpy()
    assert y.shape == shape
    assert positions.shape == shape
    np.testing.assert_array_equal(y.numpy(), x.numpy().ravel()[positions])
    (d,) = mg.grad(y.sum(), x)
    visits = np.bincount(positions.ravel(), minlength=60)
    np.testing.assert_array_equal(d.numpy().ravel(), visits)


def test_an_index_in_a_tuple_in_a_tuple_counts_every_time():
    x = mg.zeros(2, 3).requires_grad_()
    x[:, (1, 1)].sum().backward()
    assert listed(x.grad) == [[0, 2, 0]] * 2
    assert x[[]].shape == (0, 3)


@pytest.mark.parametrize("kind", [mg.tensor, np.array], ids=["tensor", "array"])
def test_an_index_may_change_after_its_use(kind):
    x = mg.zeros(3).requires_grad_()
    index = kind(np.array([0, 0]))
    y = x[index]
    if kind is mg.tensor:
        index.copy_(np.array([2, 2]))
    else:
        index.fill(2)
    y.sum().backward()
    assert listed(x.grad) == [2, 0, 0]
