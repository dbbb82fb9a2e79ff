"""What Python does to a Tensor: each thing works as in PyTorch, or is refused in one sentence."""

import copy
import math
import operator
import pickle
import random

import numpy as np
import pytest
from tensors import listed

import minigan as mg
from minigan import nn
from minigan.nn.module import Buffer

F32 = np.float32


def row(requires_grad=False):
    return mg.tensor([1.0, 2.0, 3.0], requires_grad=requires_grad)


def test_in_asks_for_a_value():
    x = row(True)
    assert 2.0 in x
    assert 2 in x
    assert np.float64(3) in x
    assert mg.tensor(1.0) in x
    assert 5 not in x
    assert mg.ones(2, 2)[0] in mg.tensor([[1.0, 0.0]])
    for refused in ("a", None, [1.0]):
        with pytest.raises(
            TypeError,
            match="`in` asks a tensor for a (str|NoneType|list), expected a number or a Tensor",
        ):
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
    (sum(x) * first + rest[1]).backward()  # (x0 + x1 + x2) x0 + x2
    assert listed(x.grad) == [1 + 6, 1, 1 + 1]
    assert random.Random(0).choice(x).item() in (1, 2, 3)


def test_a_whole_number_without_axes_is_an_index_and_nothing_else_is():
    i = mg.tensor(np.array(2))
    assert [10, 20, 30][i] == 30
    assert list(range(i)) == [0, 1]
    assert operator.index(i) == 2
    assert mg.zeros(i).shape == (2,)
    for t in (mg.tensor(2.0), mg.tensor(np.array([2])), mg.tensor(np.array(True))):
        with pytest.raises(TypeError, match="only an integer tensor without axes can be an index"):
            [10, 20, 30][t]


def test_a_scalar_becomes_a_number_of_python():
    x = mg.tensor(np.array(-2.6), requires_grad=True)
    assert (float(x), int(x), complex(x), math.floor(x), math.ceil(x)) == (
        -2.6,
        -2,
        -2.6 + 0j,
        -3,
        -2,
    )
    assert +x is x
    assert (-x).item() == 2.6 == abs(x).item()
    for refused in (
        lambda: round(x),
        lambda: x // 2,
        lambda: 2 // x,
        lambda: x % 2,
        lambda: divmod(x, 2),
        lambda: x << 1,
        lambda: 1 >> x,
    ):
        with pytest.raises(TypeError, match="Tensor"):
            refused()
    for convert in (float, int):
        with pytest.raises(ValueError, match="size 1"):
            convert(row())


def test_a_format_is_for_one_number():
    assert f"{row()[1]:.2f}" == "2.00"
    assert f"{row()}" == repr(row()) == str(row())
    assert "%s" % row() == repr(row())
    with pytest.raises(
        TypeError, match=r"format '.2f' is for one number, not for a tensor of shape \(3,\)"
    ):
        f"{row():.2f}"


@pytest.mark.parametrize("name", ["requires_gard", "foo", "shape", "dtype", "size"])
def test_an_attribute_that_a_tensor_does_not_have_cannot_be_set(name):
    for t in (row(), nn.Parameter(row())):
        with pytest.raises(AttributeError):
            setattr(t, name, True)


def test_entries_cannot_be_deleted_and_a_tensor_is_no_context():
    with pytest.raises(TypeError, match=r"del x\[0\]: the entries of a tensor cannot be deleted"):
        del row()[0]
    with pytest.raises(TypeError):
        row()()


def test_a_list_of_tensors_keeps_its_gradients_or_is_refused():
    x = row(True)
    for refused in (
        lambda: mg.tensor([x[0], 1.0]),
        lambda: mg.ones(2) + [x[0], 1.0],
        lambda: mg.tensor([[1.0], (x[1],)]),
    ):
        with pytest.raises(
            TypeError, match=r"requires grad, whose gradient would be lost: minigan.stack\(list\)"
        ):
            refused()
    assert mg.tensor([row()[0], 5.0]).numpy().tolist() == [1, 5]
    with mg.no_grad():
        assert mg.tensor([x[2], 5.0]).numpy().tolist() == [3, 5]


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
    for got, expected in ((x == t, [True, False, True]), (t > x, [False, True, False])):
        assert isinstance(got, mg.Tensor)
        assert listed(got) == expected
    for operation in (operator.add, operator.mul, operator.matmul):
        with pytest.raises(
            TypeError, match=r"torch.Tensor that requires grad meets a Tensor.*detach\(\)"
        ):
            operation(x, t.clone().requires_grad_())


def test_a_dimension_may_be_a_tensor():
    x = mg.tensor(np.arange(6.0).reshape(2, 3))
    assert x.sum(mg.tensor(np.array(1))).numpy().tolist() == [3, 12]
    with pytest.raises(TypeError, match="only an integer tensor without axes"):
        x.sum(mg.ones(1))


@pytest.mark.parametrize(
    "make", [row, lambda: row(True), lambda: nn.Parameter(row()), lambda: Buffer(np.ones(3, F32))]
)
@pytest.mark.parametrize(
    "how",
    [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_of_a_leaf_is_a_leaf_of_its_own(make, how):
    x = make()
    if x.requires_grad:
        (x * x).sum().backward()
    y = how(x)
    assert type(y) is type(x)
    assert y is not x
    assert y.requires_grad == x.requires_grad
    assert y.grad is None
    np.testing.assert_array_equal(y.numpy(), x.numpy())
    assert np.shares_memory(y.numpy(), x.numpy()) == (how is copy.copy)
    if x.requires_grad:
        before = x.grad.numpy().copy()
        (3 * y).sum().backward()
        assert listed(y.grad) == [3, 3, 3]
        assert np.array_equal(x.grad.numpy(), before)


def test_the_changes_of_a_shallow_copy_are_counted():
    x = row(True)
    y = (x * x).sum()
    copy.copy(x).detach().copy_(0.0)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
def test_what_has_a_history_cannot_be_copied(how):
    with pytest.raises(
        RuntimeError,
        match=r"the output of mul cannot be (copied|deep-copied|pickled), only leaves can",
    ):
        how(row(True) * 2)


@pytest.mark.parametrize("grad", [np.ones(2), 3.0, [1.0, 1.0]])
def test_backward_adds_to_no_gradient_of_another_kind(grad):
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    for wrong in (grad, mg.ones(3, 2), mg.ones(2, dtype=np.float64)):
        x.grad = wrong
        with pytest.raises(
            ValueError, match=r"\.grad is a .*expected None or a Tensor \(2,\) float32"
        ):
            (x * x).sum().backward()


def gradient_with(values):
    x = mg.ones(2, requires_grad=True)
    return mg.grad(x * 2, x, [values], create_graph=True)


def backward_with(values):
    (mg.ones(2, requires_grad=True) * 2).backward(values)


@pytest.mark.parametrize("take", [mg.Tensor, nn.Parameter, gradient_with, backward_with])
def test_a_list_of_tensors_does_not_lose_their_gradients(take):
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match="would lose its gradient"):
        take([x[0] * 2, x[1]])
    with mg.no_grad():
        assert mg.Tensor([x[0] * 2, x[1]]).numpy().tolist() == [2, 2]


def test_a_device_that_is_no_name_and_the_largest_of_nothing_are_one_sentence():
    with pytest.raises(ValueError, match=r"unknown device \['cpu'\]"):
        mg.set_device(["cpu"])
    with pytest.raises(
        ValueError, match=r"amax: the largest of no values does not exist: shape \(2, 0\)"
    ):
        mg.ones(2, 0).amax(1)


def test_a_running_statistic_that_requires_grad_is_refused_in_training():
    layer = nn.BatchNorm2d(2)
    layer.running_mean = nn.Parameter(np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="batch_norm: running_mean requires grad"):
        layer(mg.ones(2, 2, 3, 3))
