"""Which dtype a result has, and that gradients come back in the dtype of their tensor."""

import operator

import numpy as np
import pytest
from tensors import array, listed

import minigan as mg
from minigan import devices, ops

F32 = np.float32
F64 = np.float64
I64 = np.int64
BOOL = np.bool_


@pytest.mark.parametrize(
    "source, dtype",
    [
        (3, F32),
        (2.5, F32),
        (True, F32),
        ([1, 2], F32),
        ([[1.0], [2.0]], F32),
        ((), F32),
        ([np.float64(1)], F32),
        (np.float64(3), F64),
        (np.arange(3), I64),
        (np.ones(3), F64),
        (np.ones(3, F32), F32),
        (np.ones(3, bool), BOOL),
        (np.ones(3, np.uint8), np.uint8),
        (np.ones(3, ">f8"), F64),
    ],
)
def test_arrays_keep_their_dtype_and_numbers_become_float32(source, dtype):
    t = mg.tensor(source)
    assert t.dtype == dtype
    assert t.shape == np.shape(source)
    np.testing.assert_array_equal(t.numpy(), np.asarray(source))


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("scalar", [2, 2.5, True, np.float64(2.5), np.float32(2.5), np.int64(2)])
@pytest.mark.parametrize(
    "operation", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
)
def test_scalars_never_change_a_dtype(operation, scalar, dtype):
    a = array(3, dtype=dtype)
    x = mg.tensor(a)
    wide = a.astype(F64)
    number = float(scalar)
    right = operation(x, scalar)
    left = operation(scalar, x)
    for y in (right, left):
        assert isinstance(y, mg.Tensor)
        assert y.dtype == dtype
    np.testing.assert_allclose(right.numpy(), operation(wide, number), rtol=1e-6)
    np.testing.assert_allclose(left.numpy(), operation(number, wide), rtol=1e-6)


@pytest.mark.parametrize("low", [0, 0.5, np.float64(0.5), np.float32(0.5), None, True])
def test_bounds_never_change_a_dtype_but_integers_are_clamped_to_fractions_as_floats(low):
    for dtype in (F32, F64):
        x = mg.tensor(array(3, dtype=dtype), requires_grad=True)
        y = x.clamp(low, np.float64(2))
        y.sum().backward()
        assert y.dtype == dtype
        assert x.grad.dtype == dtype
    fractional = isinstance(low, (float, np.floating))
    got = mg.tensor(np.arange(4)).clamp(low, 2)
    assert got.dtype == (F32 if fractional else I64)
    assert listed(got) == [low or 0, 1, 2, 2]


@pytest.mark.parametrize(
    "a, b, expected",
    [
        (F32, F64, F64),
        (F64, F32, F64),
        (I64, F32, F32),
        (F32, I64, F32),
        (I64, F64, F64),
        (I64, I64, I64),
        (np.int32, I64, I64),
        (np.uint8, I64, I64),
        (BOOL, F32, F32),
        (BOOL, I64, I64),
        (np.uint8, BOOL, np.uint8),
    ],
)
def test_two_tensors_are_promoted_to_the_wider_dtype_and_floats_win(a, b, expected):
    x = np.array([3, 1, 0], a)
    y = np.array([2, 1, 5], b)
    total = mg.tensor(x) + mg.tensor(y)
    assert total.dtype == expected
    wide = x.astype(expected)
    wide += y.astype(expected)
    np.testing.assert_array_equal(total.numpy(), wide)


@pytest.mark.parametrize("number", [300, -1, 256, np.int64(1000)])
def test_a_number_that_an_integer_tensor_cannot_hold_is_refused_and_not_wrapped(number):
    x = mg.tensor(np.array([1, 2], np.uint8))
    for operation in (operator.add, operator.mul, operator.iadd):
        with pytest.raises(OverflowError, match=f"{number} is out of bounds for a tensor of uint8"):
            operation(x, number)
    assert listed(x + 253) == [254, 255]
    n = mg.tensor(np.arange(2))
    assert listed(n - 300) == [-300, -299]


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x**2.5,
        lambda x: x**-1,
        lambda x: x**-0.5,
        lambda x: 2**x,
        lambda x: x.sigmoid(),
        ops.softplus,
        lambda x: x / 3,
        lambda x: 1.5 - x,
        lambda x: x.clamp(0, 1.5),
        lambda x: x.tanh(),
        lambda x: x.abs(),
        mg.functional.relu,
        lambda x: x[None][0],
        lambda x: x[...],
        lambda x: (x * x).sqrt(),
    ],
)
def test_a_tensor_without_axes_keeps_its_dtype_and_is_an_array_and_so_is_its_gradient(
    operation, dtype
):
    x = mg.tensor(np.array(0.7, dtype), requires_grad=True)
    y = operation(x)
    (g,) = mg.grad(y, x, create_graph=True)
    for t in (y, g):
        assert t.dtype == dtype
        assert t.shape == ()
        assert isinstance(t.array, devices.xp.ndarray)


def test_integers_divide_into_float32():
    n = mg.tensor(np.arange(3))
    half = n / 2
    assert half.dtype == F32
    more = n + 0.5
    assert more.dtype == F32
    assert n.mean().item() == 1.0


def test_gradients_come_back_in_their_input_s_dtype():
    x = mg.tensor(array(3), requires_grad=True)
    y = mg.tensor(array(3, dtype=F64), requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype == F32
    assert y.grad.dtype == F64


def test_float_and_double_convert():
    x = mg.tensor(array(3), requires_grad=True)
    wide = x.double()
    assert wide.dtype == F64
    assert wide.float().dtype == F32
    assert x.float() is x
    wide.sum().backward()
    assert x.grad.dtype == F32


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, bool])
def test_no_gradient_flows_through_whole_numbers(dtype):
    x = mg.tensor(array(3), requires_grad=True)
    whole = x.to(dtype)
    assert not whole.requires_grad
    (x * whole.float()).sum().backward()
    assert (x.grad == whole.float()).all()


def test_complex_numbers_are_refused():
    with pytest.raises(TypeError, match="tensors hold real numbers, this one meets 1j"):
        mg.zeros(2) * 1j


@pytest.mark.parametrize(
    "shape, dim", [((300_000, 4), 0), ((100, 3000, 4), (0, 1)), ((4, 300_000, 2), 1)]
)
def test_sums_of_many_rows_keep_their_digits(shape, dim):
    a = np.random.default_rng(0).random(shape, dtype=F32) + 3
    x = mg.tensor(a)
    wide = a.astype(F64)
    for ours, exact in (
        (x.sum(dim), wide.sum(dim)),
        (x.mean(dim), wide.mean(dim)),
        (x.var(dim), wide.var(dim, ddof=1)),
    ):
        assert ours.dtype == F32
        np.testing.assert_allclose(ours.numpy(), exact, rtol=1e-6)
