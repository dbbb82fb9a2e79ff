"""Tensors meet the arrays of NumPy, PyTorch and DLPack, and neither loses a gradient."""

import operator

import numpy as np
import pytest
from tensors import array, listed

import minigan as mg
from minigan import devices

F32 = np.float32
F64 = np.float64


def test_tensor_copies_and_keeps_what_it_was_given():
    x = array(3)
    t = mg.tensor(x)
    t.array[0] = 9
    assert x[0] != 9
    again = mg.tensor(t)
    assert not devices.xp.shares_memory(again.array, t.array)
    wide = mg.tensor([1, 2], dtype=F64)
    assert wide.dtype == F64


in_this_memory = pytest.mark.skipif(
    devices.xp is not np, reason="NumPy cannot look into a GPU's memory"
)


@in_this_memory
def test_numpy_reads_tensors_that_require_grad():
    x = array(2, 3)
    t = mg.tensor(x, requires_grad=True)
    assert np.shares_memory(t.numpy(), t.array)
    assert type(t.numpy()) is np.ndarray
    np.testing.assert_array_equal(np.asarray(t), x)
    assert np.asarray(t, F64).dtype == F64
    assert not np.shares_memory(np.array(t), t.array)
    twice = t * 2
    np.testing.assert_allclose(twice.numpy(), 2 * x)
    assert np.allclose(t, x)
    assert np.array_equal(t, x)
    np.testing.assert_allclose(t, x)


def test_a_ufunc_refuses_rather_than_lose_the_gradient():
    t = mg.tensor(array(3), requires_grad=True)
    with pytest.raises(TypeError, match="Tensor"):
        np.exp(t)


@pytest.mark.parametrize(
    "operation", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
)
def test_an_array_on_the_left_gives_a_tensor_with_a_gradient(operation):
    a = array(2, 3, seed=1)
    t = mg.tensor(array(3), requires_grad=True)
    b = t.numpy()
    for got, expected in (
        (operation(a, t), operation(a, b)),
        (operation(t, a), operation(b, a)),
        (operation(a.tolist(), t), operation(a, b)),
    ):
        assert isinstance(got, mg.Tensor)
        assert got.requires_grad
        assert got.dtype == F32
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5)


def test_an_array_on_the_left_of_a_matrix_product():
    a = array(4, 2)
    b = array(2, 3)
    v = array(3)
    t = mg.tensor(b, requires_grad=True)
    left = a @ t
    assert isinstance(left, mg.Tensor)
    np.testing.assert_allclose(left.numpy(), a @ b, rtol=1e-6)
    right = t @ v
    np.testing.assert_allclose(right.numpy(), b @ v, rtol=1e-6)


@in_this_memory
def test_dlpack_goes_both_ways_with_numpy():
    t = mg.tensor(array(2, 3))
    there = np.from_dlpack(t)
    assert np.shares_memory(there, t.array)
    back = mg.tensor(there)
    np.testing.assert_array_equal(back.numpy(), t.numpy())


class OnAGpu:
    """An array of a library that minigan does not know, in a GPU's memory."""

    dtype = np.dtype(F32)
    shape = (3,)

    def __dlpack__(self, **how):
        raise AssertionError("read without asking where it lies")

    def __dlpack_device__(self):
        return 2, 0


@in_this_memory
def test_an_array_on_a_gpu_is_refused_where_the_device_is_another():
    with pytest.raises(TypeError, match="got a OnAGpu on a GPU, but the device is"):
        mg.tensor(OnAGpu())


@in_this_memory
def test_dlpack_goes_both_ways_with_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is the other side")
    t = mg.tensor(array(2, 3))
    there = torch.from_dlpack(t)
    assert there.shape == (2, 3)
    assert there.dtype == torch.float32
    there[0, 0] = 5
    assert t.numpy()[0, 0] == 5
    back = mg.tensor(there * 2)
    np.testing.assert_array_equal(back.numpy(), 2 * t.numpy())
    numbers = torch.arange(3.0, dtype=torch.float64)
    parameter = mg.tensor(torch.nn.Parameter(numbers))
    assert parameter.dtype == F64
    assert listed(parameter) == [0, 1, 2]


def test_an_array_may_change_after_it_was_an_operand():
    a = np.array([2.0, 3.0])
    target = np.array([0.0, 1.0])
    x = mg.tensor(np.array([0.3, 0.6]), requires_grad=True)
    product = (x * a).sum()
    loss = mg.functional.binary_cross_entropy_with_logits(x, target)
    probabilities = 1 / (1 + np.exp(-x.numpy()))
    expected = a + (probabilities - target) / 2
    a[:] = 100
    target[:] = 0.5
    (d,) = mg.grad(product + loss, x)
    np.testing.assert_allclose(d.numpy(), expected, rtol=1e-12)
