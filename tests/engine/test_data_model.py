"""What Python does to a Tensor: each thing works as in PyTorch, or is refused in one sentence.

Comparisons, copies and NumPy's functions have files of their own.
"""

import math
import operator
import random

import numpy as np
import pytest
from tensors import listed, row

import minigan as mg
from minigan import nn

# ---- containers and numbers ----------------------------------------------------------------------


def test_in_asks_for_a_value():
    x = row(True)
    matrix = mg.tensor([[1.0, 0.0]])
    assert 2.0 in x
    assert 2 in x
    assert np.float64(3) in x
    assert mg.tensor(1.0) in x
    assert 5 not in x
    assert mg.ones(2, 2)[0] in matrix
    message = "`in` asks a tensor for a (str|NoneType|list), expected a number or a Tensor"
    for refused in ("a", None, [1.0]):
        with pytest.raises(TypeError, match=message):
            refused in x  # noqa: B015


def test_python_s_own_functions_go_over_the_first_axis():
    x = row(True)
    assert [t.item() for t in reversed(x)] == [3, 2, 1]
    assert [t.item() for t in sorted(x, reverse=True)] == [3, 2, 1]
    assert max(x).item() == 3
    assert min(x).item() == 1
    assert any(x)
    assert all(x)
    first, *rest = x
    y = sum(x) * first + rest[1]  # (x0 + x1 + x2) x0 + x2
    y.backward()
    assert listed(x.grad) == [1 + 6, 1, 1 + 1]
    chosen = random.Random(0).choice(x)
    assert chosen.item() in (1, 2, 3)


def test_a_whole_number_without_axes_is_an_index_and_nothing_else_is():
    i = mg.tensor(np.array(2))
    numbers = [10, 20, 30]
    assert numbers[i] == 30
    assert list(range(i)) == [0, 1]
    assert operator.index(i) == 2
    assert mg.zeros(i).shape == (2,)
    fraction = mg.tensor(2.0)
    vector = mg.tensor(np.array([2]))
    truth_value = mg.tensor(np.array(True))
    for t in (fraction, vector, truth_value):
        with pytest.raises(TypeError, match="only an integer tensor without axes can be an index"):
            numbers[t]


def test_numbers_of_python():
    x = mg.tensor(np.array(-2.6), requires_grad=True)
    assert float(x) == -2.6
    assert int(x) == -2
    assert complex(x) == -2.6 + 0j
    assert math.floor(x) == -3
    assert math.ceil(x) == -2
    assert +x is x
    assert (-x).item() == 2.6
    assert abs(x).item() == 2.6
    for convert in (float, int):
        with pytest.raises(ValueError, match="size 1"):
            convert(row())


@pytest.mark.parametrize(
    "refused",
    [
        lambda x: round(x),
        lambda x: x // 2,
        lambda x: 2 // x,
        lambda x: x % 2,
        lambda x: divmod(x, 2),
        lambda x: x << 1,
        lambda x: 1 >> x,
    ],
)
def test_what_has_no_gradient_or_no_meaning_for_fractions_is_refused(refused):
    x = mg.tensor(np.array(-2.6), requires_grad=True)
    with pytest.raises(TypeError, match="Tensor"):
        refused(x)


def test_a_format_is_for_one_number():
    x = row()
    assert f"{x[1]:.2f}" == "2.00"
    assert f"{x}" == repr(x)
    assert str(x) == repr(x)
    assert "%s" % x == repr(x)
    message = r"format '.2f' is for one number, not for a tensor of shape \(3,\)"
    with pytest.raises(TypeError, match=message):
        f"{x:.2f}"


def test_a_dimension_may_be_a_tensor():
    x = mg.tensor(np.arange(6.0).reshape(2, 3))
    dim = mg.tensor(np.array(1))
    assert listed(x.sum(dim)) == [3, 12]
    with pytest.raises(TypeError, match="only an integer tensor without axes"):
        x.sum(mg.ones(1))


# ---- attributes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["requires_gard", "foo", "shape", "dtype", "size"])
def test_an_attribute_that_a_tensor_does_not_have_cannot_be_set(name):
    for t in (row(), nn.Parameter(row())):
        with pytest.raises(AttributeError):
            setattr(t, name, True)


def test_entries_cannot_be_deleted_and_a_tensor_is_no_context():
    x = row()
    with pytest.raises(TypeError, match=r"del x\[0\]: the entries of a tensor cannot be deleted"):
        del x[0]
    with pytest.raises(TypeError):
        x()


@pytest.mark.parametrize("grad", [np.ones(2), 3.0, [1.0, 1.0]])
def test_backward_adds_to_no_gradient_of_another_kind(grad):
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    other_shape = mg.ones(3, 2)
    other_dtype = mg.ones(2, dtype=np.float64)
    for wrong in (grad, other_shape, other_dtype):
        x.grad = wrong
        y = (x * x).sum()
        message = r"\.grad is a .*expected None or a Tensor \(2,\) float32"
        with pytest.raises(ValueError, match=message):
            y.backward()


# ---- lists of tensors, and arrays of other libraries ---------------------------------------------


def test_a_list_of_tensors_keeps_its_gradients_or_is_refused():
    x = row(True)
    message = r"requires grad, whose gradient would be lost: minigan.stack\(list\)"
    for refused in (
        lambda: mg.tensor([x[0], 1.0]),
        lambda: mg.ones(2) + [x[0], 1.0],
        lambda: mg.tensor([[1.0], (x[1],)]),
    ):
        with pytest.raises(TypeError, match=message):
            refused()
    constants = mg.tensor([row()[0], 5.0])
    assert listed(constants) == [1, 5]
    with mg.no_grad():
        assert listed(mg.tensor([x[2], 5.0])) == [3, 5]


def gradient_with(seed):
    """Take a gradient with this seed among the grad_outputs."""
    x = mg.ones(2, requires_grad=True)
    return mg.grad(x * 2, x, [seed], create_graph=True)


def backward_with(seed):
    """Start the backward pass with this seed."""
    y = mg.ones(2, requires_grad=True) * 2
    y.backward(seed)


@pytest.mark.parametrize("take", [mg.Tensor, nn.Parameter, gradient_with, backward_with])
def test_a_list_of_tensors_does_not_lose_their_gradients(take):
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match="would lose its gradient"):
        take([x[0] * 2, x[1]])
    with mg.no_grad():
        assert listed(mg.Tensor([x[0] * 2, x[1]])) == [2, 2]


def test_arrays_of_another_library_meet_a_tensor_or_are_refused():
    torch = pytest.importorskip("torch", reason="PyTorch is the other library")
    x = row(True)
    t = torch.tensor([1.0, 5.0, 3.0])
    for got, expected in (
        (x * t, [1, 10, 9]),
        (t * x, [1, 10, 9]),
        (t - x, [0, 3, 0]),
        (x + t, [2, 7, 6]),
    ):
        assert isinstance(got, mg.Tensor)
        assert got.requires_grad
        assert listed(got) == expected
    for got, expected in (
        (x == t, [True, False, True]),
        (t > x, [False, True, False]),
    ):
        assert isinstance(got, mg.Tensor)
        assert listed(got) == expected
    with_history = t.clone().requires_grad_()
    message = r"torch.Tensor that requires grad meets a Tensor.*detach\(\)"
    for operation in (operator.add, operator.mul, operator.matmul):
        with pytest.raises(TypeError, match=message):
            operation(x, with_history)


# ---- refusals ------------------------------------------------------------------------------------


def test_a_device_that_is_no_name_and_the_largest_of_nothing_are_one_sentence():
    with pytest.raises(ValueError, match=r"unknown device \['cpu'\]"):
        mg.set_device(["cpu"])
    message = r"amax: the largest of no values does not exist: shape \(2, 0\)"
    with pytest.raises(ValueError, match=message):
        mg.ones(2, 0).amax(1)


def test_a_running_statistic_that_requires_grad_is_refused_in_training():
    layer = nn.BatchNorm2d(2)
    layer.running_mean = nn.Parameter(np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="batch_norm: running_mean requires grad"):
        layer(mg.ones(2, 2, 3, 3))
