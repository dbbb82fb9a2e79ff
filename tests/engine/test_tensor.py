"""What a tensor looks like, and what its own methods do."""

import inspect

import numpy as np
import pytest
from tensors import array, listed

import minigan as mg
from minigan.methods import TensorMethods

F32 = np.float32


def test_repr_shows_what_is_not_obvious():
    x = mg.tensor([1.0, -2.5], requires_grad=True)
    three = mg.tensor(3.0)
    assert repr(three) == "tensor(3.)"
    assert repr(x) == "tensor([ 1. , -2.5], shape=(2,), requires_grad=True)"
    twice = x * 2
    assert repr(twice.detach()) == "tensor([ 2., -5.], shape=(2,))"
    assert "from mul" in repr(twice)
    assert "dtype=float64" in repr(x.double())
    integers = mg.tensor(np.arange(2))
    assert repr(integers) == "tensor([0, 1], shape=(2,), dtype=int64)"
    large = mg.zeros(100, 100)
    assert len(repr(large)) < 400


def test_a_scalar_is_a_number_where_python_wants_one():
    t = mg.tensor([[2.5]])
    assert t.item() == 2.5
    assert float(t) == 2.5
    assert int(t) == 2
    assert bool(t) is True
    assert f"{t:.2f}" == "2.50"
    assert f"{t}" == repr(t)
    assert not mg.zeros(1)
    assert type(t.item()) is float
    n = mg.tensor(np.arange(1))
    assert type(n.item()) is int


def test_length_and_iteration_go_over_the_first_axis():
    t = mg.tensor(array(3, 2), requires_grad=True)
    rows = list(t)
    assert len(t) == len(rows) == 3
    rows[1].sum().backward()
    assert listed(t.grad) == [[0, 0], [1, 1], [0, 0]]


def test_a_tensor_knows_its_shape_axes_size_and_dtype():
    t = mg.zeros(2, 3)
    assert t.shape == (2, 3)
    assert t.ndim == 2
    assert t.numel() == 6
    assert t.dtype == F32


def test_in_place_changes_return_the_tensor_and_keep_its_dtype():
    t = mg.zeros(2, 3)
    assert t.copy_(np.arange(3.0)) is t
    assert t.dtype == F32
    assert listed(t) == [[0, 1, 2], [0, 1, 2]]
    assert t.clamp_(min=1) is t
    assert t.clamp_(max=1.5) is t
    assert listed(t) == [[1, 1, 1.5], [1, 1, 1.5]]
    assert t.requires_grad_() is t
    assert t.requires_grad


def test_every_method_stands_in_the_class_and_says_what_it_does():
    for kind in (mg.Tensor, TensorMethods):
        for name, method in vars(kind).items():
            if inspect.isfunction(method) and name != "__init__":
                assert method.__doc__, name
                assert method.__qualname__ == f"{kind.__name__}.{name}"


def test_size_is_a_method_and_numel_counts_the_entries():
    t = mg.zeros(2, 3, 4)
    assert t.size() == t.shape == (2, 3, 4)
    assert t.size(0) == 2
    assert t.size(-1) == 4
    assert t.numel() == 24
    scalar = mg.tensor(1.0)
    assert scalar.size() == ()
    assert scalar.numel() == 1
    empty = mg.zeros(0, 2)
    assert empty.numel() == 0
    with pytest.raises(IndexError):
        t.size(3)


def test_a_flattened_scalar_is_a_vector():
    x = mg.tensor(1.5, requires_grad=True)
    y = x.flatten()
    y.backward(np.float32([2]))
    assert y.shape == (1,)
    assert x.grad.shape == ()
    assert x.grad.item() == 2
