"""grad and backward: what flows back, where it is put, and how deep the graph may be."""

import numpy as np
import pytest
from tensors import leaf

import minigan as mg
from minigan import devices, nn

# ---- grad and backward ---------------------------------------------------------------------------


def test_grad_returns_gradients_and_touches_no_grad():
    x = leaf(3)
    w = leaf(3, seed=1)
    y = x * x * w
    gx, gw = mg.grad(y.sum(), [x, w])
    np.testing.assert_allclose(gx.numpy(), 2 * x.numpy() * w.numpy())
    np.testing.assert_allclose(gw.numpy(), x.numpy() ** 2)
    assert x.grad is None
    assert w.grad is None


def test_a_gradient_penalty_leaves_the_parameters_clean():
    critic = nn.Linear(4, 1).double()
    x = leaf(5, 4)
    scores = critic(x)
    (g,) = mg.grad(scores.sum(), x, create_graph=True)
    assert all(p.grad is None for p in critic.parameters())
    assert x.grad is None
    penalty = (g * g).sum() - 1
    penalty.backward()
    weight = critic.weight
    # each of the five rows of g is w, and d(w w)/dw = 2 w
    np.testing.assert_allclose(weight.grad.numpy(), 5 * 2 * weight.numpy())


def test_backward_accumulates_into_new_memory():
    x = leaf(3)
    y = (x * x).sum()
    y.backward()
    first = x.grad
    values = first.numpy().copy()
    y = (x * x).sum()
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * values)
    np.testing.assert_array_equal(first.numpy(), values)  # what somebody kept did not change


def test_backward_reaches_leaves_only():
    x = leaf(3)
    h = x * 2
    y = h * h
    y.sum().backward()
    assert x.grad is not None
    assert h.grad is None


def joined(x, w):
    both = mg.cat([x, w])
    return both[:2] + both[2:]


def transposed(x, w):
    x = x.transpose(0, 1)
    w = w.reshape(3, 2)
    return x.transpose(0, 1) + w.reshape(2, 3)


COMBINATIONS = {
    "sum": lambda x, w: x + w,
    "reshape": lambda x, w: x.reshape(6).reshape(2, 3) + w,
    "cat": joined,
    "transpose": transposed,
    "index": lambda x, w: x[:, :] + w[...],
    "later": lambda x, w: (x + w) * 2,
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", COMBINATIONS)
def test_gradients_never_share_memory_with_each_other_or_with_the_seed(name, create_graph):
    combine = COMBINATIONS[name]
    x = leaf(2, 3)
    w = leaf(2, 3, seed=1)
    g = mg.randn(2, 3, dtype=np.float64)
    expected_x, expected_w = mg.grad(combine(x, w), [x, w], g)
    y = combine(x, w)
    y.backward(g, create_graph=create_graph)
    shared = devices.xp.shares_memory
    assert not shared(x.grad.array, w.grad.array)
    assert not shared(x.grad.array, g.array)
    assert not shared(w.grad.array, g.array)
    np.testing.assert_array_equal(x.grad.numpy(), expected_x.numpy())
    np.testing.assert_array_equal(w.grad.numpy(), expected_w.numpy())


def test_a_seed_that_is_a_plain_array_is_not_shared_either():
    x = leaf(2, 3)
    g = devices.xp.ones((2, 3))
    y = x + 0
    y.backward(g)
    assert not devices.xp.shares_memory(x.grad.array, g)


@pytest.mark.parametrize("scale", [1, 2])
def test_broadcast_views_never_become_gradients(scale):
    x = leaf(4, 3)
    y = x.sum()
    if scale != 1:
        y = y * scale
    y.backward()
    assert 0 not in x.grad.array.strides
    x.grad.array[0, 0] = 7
    assert x.grad.numpy().sum() == 7 + 11 * scale


def test_the_gradient_of_an_independent_input_is_none():
    x = leaf(2)
    other = leaf(2)
    y = (x * x).sum()
    d, none = mg.grad(y, [x, other])
    assert none is None
    assert mg.grad(x.sum(), [other]) == (None,)
    product = x * other.detach()
    assert mg.grad(product.sum(), other) == (None,)


def test_outputs_add_up_each_with_its_own_seed():
    x = leaf(3)
    a = x * x
    b = x * 3
    seed = mg.tensor(np.array([1.0, 2.0, 0.0]))
    (g,) = mg.grad([a, b.sum()], x, [seed, None])
    np.testing.assert_allclose(g.numpy(), 2 * x.numpy() * seed.numpy() + 3)


def test_the_same_tensor_may_be_listed_twice():
    x = leaf(3)
    y = (x * x).sum()
    first, second = mg.grad([y, y], [x, x])
    np.testing.assert_allclose(first.numpy(), 4 * x.numpy())
    np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_inputs_need_not_be_leaves():
    x = leaf(3)
    h = x * 2
    y = (h * h).sum()
    gx, gh = mg.grad(y, [x, h])  # h lies between x and the output
    np.testing.assert_allclose(gh.numpy(), 2 * h.numpy())
    np.testing.assert_allclose(gx.numpy(), 8 * x.numpy())


def test_an_output_may_be_its_own_input():
    x = leaf()
    h = x * 3
    gx, gh = mg.grad(h, [x, h])
    assert gx.item() == 3
    assert gh.item() == 1


# ---- higher orders -------------------------------------------------------------------------------


def test_derivatives_to_the_fifth_order():
    x = leaf()
    value = x.item()
    y = x**4
    for expected in (4 * value**3, 12 * value**2, 24 * value, 24, 0):
        (y,) = mg.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected)


def test_without_create_graph_the_result_is_plain_numbers():
    x = leaf(3)
    y = (x**3).sum()
    (g,) = mg.grad(y, x)
    assert not g.requires_grad
    y = (x**3).sum()
    (g,) = mg.grad(y, x, create_graph=True)
    assert g.requires_grad


def test_mixed_second_derivatives_agree():
    x = leaf(3)
    w = leaf(3, seed=1)
    y = (x**2 * w**3).sum()
    gx, gw = mg.grad(y, [x, w], create_graph=True)
    (gxw,) = mg.grad(gx.sum(), w)
    (gwx,) = mg.grad(gw.sum(), x)
    np.testing.assert_allclose(gxw.numpy(), gwx.numpy())


# ---- depth and width -----------------------------------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_chain_of_ten_thousand_operations(create_graph):
    x = leaf()
    y = x
    for _ in range(10_000):
        y = y + 1
    (g,) = mg.grad(y * y, x, create_graph=create_graph)
    assert g.item() == pytest.approx(2 * (x.item() + 10_000))
    if create_graph:
        (second,) = mg.grad(g, x)
        assert second.item() == 2


def test_a_billion_paths_are_thirty_nodes_to_the_backward_pass():
    x = leaf()
    y = x
    for _ in range(30):
        y = y + y
    (g,) = mg.grad(y, x)
    assert g.item() == 2**30
