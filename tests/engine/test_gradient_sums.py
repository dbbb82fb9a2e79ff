"""Gradients that arrive at a Node over several paths are added up, and nobody else's change."""

import numpy as np
import pytest

import minigan as mg
from minigan.memory import is_seen_elsewhere

LARGE = 300, 300  # on a CPU the memory of large arrays is lent to them


def leaf(seed=0):
    rng = np.random.default_rng(seed)
    return mg.tensor(rng.standard_normal(LARGE), requires_grad=True)


def test_a_gradient_that_is_given_stays_as_it_is():
    x = leaf()
    first = mg.ones(*LARGE, dtype=np.float64)
    second = mg.ones(*LARGE, dtype=np.float64)
    outputs = [x + 0, x - 0]
    (d,) = mg.grad(outputs, [x], [first, second])
    assert (d.numpy() == 2).all()
    assert (first.numpy() == 1).all()
    assert (second.numpy() == 1).all()


def test_a_gradient_that_two_nodes_share_stays_as_it_is():
    x = leaf()
    y = leaf(1)
    z = x + y  # the gradients of both are the same Tensor
    loss = (z * 3).sum()
    loss = loss + (x * 5).sum()
    loss = loss + (x * 7).sum()
    loss.backward()
    assert (x.grad.numpy() == 15).all()
    assert (y.grad.numpy() == 3).all()


def test_a_gradient_that_is_a_view_of_another_stays_as_it_is():
    x = leaf()
    flat = x.reshape(-1)
    loss = (flat * 2).sum()
    loss = loss + (x * x).sum()
    loss = loss + (x.t() * 3).sum()
    loss.backward()
    expected = 5 + 2 * x.numpy()
    np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-13)


def test_a_sum_of_many_gradients_is_the_same_to_the_bit_as_one_by_one():
    x = leaf()
    weights = [leaf(seed) for seed in range(1, 6)]
    total = sum((x * w.detach()).sum() for w in weights)
    (d,) = mg.grad(total, x)
    expected = weights[-1].numpy()
    for w in reversed(weights[:-1]):  # the backward pass begins with the last use
        expected = expected + w.numpy()
    np.testing.assert_array_equal(d.numpy(), expected)


def test_a_sum_in_a_graph_can_be_differentiated():
    x = leaf()
    (d,) = mg.grad((x * x * x).sum() + (x * x).sum(), x, create_graph=True)
    (dd,) = mg.grad(d.sum(), x)
    np.testing.assert_allclose(dd.numpy(), 6 * x.numpy() + 2, atol=1e-12)


@pytest.mark.parametrize("make", [lambda x: x * 2, lambda x: mg.functional.relu(x)])
def test_who_else_sees_a_tensor_is_known(make):
    t = make(leaf().detach())
    assert not is_seen_elsewhere(t)
    other = t
    assert is_seen_elsewhere(t)
    del other
    array = t.array
    assert is_seen_elsewhere(t)
    del array
    view = t[1:]
    assert is_seen_elsewhere(t)
    assert is_seen_elsewhere(view)
    del view
    assert not is_seen_elsewhere(t)
