"""x.data: the same memory outside the graph, and other memory in its place."""

import numpy as np
import pytest
from tensors import leaf, listed

import minigan as mg
from minigan import nn


def test_other_data_may_take_the_place_outside_the_graph():
    x = leaf(3)
    y = (x * x).sum()
    before = x.numpy().copy()
    x.data = x.data - 0.1 * mg.ones(3, dtype=np.float64)
    assert x.requires_grad
    np.testing.assert_allclose(x.numpy(), before - 0.1)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()
    other = mg.ones(3)
    x.data = other
    other.copy_(5.0)
    assert listed(x) == [1, 1, 1]


def test_data_is_a_tensor_on_the_same_memory_outside_the_graph():
    x = leaf(3)
    y = x * 2
    assert isinstance(y.data, mg.Tensor)
    assert not y.data.requires_grad
    assert y.data.node is None
    assert np.shares_memory(y.data.array, y.array)
    x.data.clamp_(-0.5, 0.5)
    x.data[0] = 7
    assert x.numpy()[0] == 7
    assert abs(x.numpy()[1:]).max() <= 0.5


def test_a_change_through_data_is_a_change_in_place():
    x = leaf(3)
    y = (x * x).sum()
    x.data += 1
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize(
    "value, words",
    [
        ("q", "data is set to a str, expected an array or a Tensor"),
        (None, "data is set to a NoneType"),
        ([1.0], "data is set to a list"),
        (np.arange(3), "data is set to int64, but a tensor that requires grad"),
    ],
)
def test_data_that_is_no_array_of_floats_is_refused(value, words):
    x = leaf(3)
    with pytest.raises(TypeError, match=words):
        x.data = value


def test_a_parameter_counts_the_changes_of_the_tensor_that_it_was_made_of():
    values = mg.ones(3)
    p = nn.Parameter(values)
    y = (p * p).sum()
    values += 1
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()
