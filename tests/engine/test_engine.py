"""grad and backward: what flows back, where it is put, and how deep the graph may be."""

import numpy as np
import pytest
from tensors import leaf

import minigan as mg
from minigan import devices, nn


def test_grad_returns_gradients_and_touches_no_grad():
    x = leaf(3)
    w = leaf(3, seed=1)
    gx, gw = mg.grad((x * x * w).sum(), [x, w])
    np.testing.assert_allclose(gx.numpy(), 2 * x.numpy() * w.numpy())
    np.testing.assert_allclose(gw.numpy(), x.numpy() ** 2)
    assert x.grad is None
    assert w.grad is None


def test_a_gradient_penalty_leaves_the_parameters_clean():
    critic = nn.Linear(4, 1).double()
    x = leaf(5, 4)
    (g,) = mg.grad(critic(x).sum(), x, create_graph=True)
    assert all(p.grad is None for p in critic.parameters())
    assert x.grad is None
    ((g * g).sum() - 1).backward()
    np.testing.assert_allclose(
        critic.weight.grad.numpy(), 10 * critic.weight.numpy()
    )  # five rows, d(w w)/dw = 2 w


def test_backward_accumulates_into_new_memory():
    x = leaf(3)
    (x * x).sum().backward()
    first = x.grad
    values = x.grad.numpy().copy()
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * values)
    np.testing.assert_array_equal(first.numpy(), values)  # what somebody kept did not move


def test_backward_reaches_leaves_only():
    x = leaf(3)
    h = x * 2
    (h * h).sum().backward()
    assert x.grad is not None
    assert h.grad is None


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    "combine",
    [
        lambda x, w: x + w,
        lambda x, w: x.reshape(6).reshape(2, 3) + w,
        lambda x, w: mg.cat([x, w])[:2] + mg.cat([x, w])[2:],
        lambda x, w: x.transpose(0, 1).transpose(0, 1) + w.reshape(3, 2).reshape(2, 3),
        lambda x, w: x[:, :] + w[...],
        lambda x, w: (x + w) * 2,
    ],
    ids=["sum", "reshape", "cat", "transpose", "index", "later"],
)
def test_gradients_never_share_memory_with_each_other_or_with_the_seed(combine, create_graph):
    x = leaf(2, 3)
    w = leaf(2, 3, seed=1)
    g = mg.randn(2, 3, dtype=np.float64)
    expected = mg.grad(combine(x, w), [x, w], g)
    combine(x, w).backward(g, create_graph=create_graph)
    arrays = x.grad.array, w.grad.array, g.array
    for i, a in enumerate(arrays):
        assert not any(devices.xp.shares_memory(a, b) for b in arrays[:i])
    for p, d in zip((x, w), expected):
        np.testing.assert_array_equal(p.grad.numpy(), d.numpy())


def test_a_seed_that_is_a_plain_array_is_not_shared_either():
    x = leaf(2, 3)
    g = devices.xp.ones((2, 3))
    (x + 0).backward(g)
    assert not devices.xp.shares_memory(x.grad.array, g)


@pytest.mark.parametrize("scale", [1, 2])
def test_broadcast_views_never_become_gradients(scale):
    x = leaf(4, 3)
    (x.sum() if scale == 1 else x.sum() * scale).backward()
    assert 0 not in x.grad.array.strides
    x.grad.array[0, 0] = 7
    assert x.grad.numpy().sum() == 7 + 11 * scale


def test_the_gradient_of_an_independent_input_is_none():
    x = leaf(2)
    other = leaf(2)
    assert mg.grad((x * x).sum(), [x, other])[1] is None
    assert mg.grad(x.sum(), [other]) == (None,)
    assert mg.grad((x * other.detach()).sum(), other) == (None,)


def test_outputs_add_up_each_with_its_own_seed():
    x = leaf(3)
    a = x * x
    b = x * 3
    (g,) = mg.grad([a, b.sum()], x, [mg.tensor(np.array([1.0, 2.0, 0.0])), None])
    np.testing.assert_allclose(g.numpy(), 2 * x.numpy() * [1, 2, 0] + 3)


def test_the_same_tensor_may_be_listed_twice():
    x = leaf(3)
    y = (x * x).sum()
    first, second = mg.grad([y, y], [x, x])
    np.testing.assert_allclose(first.numpy(), 4 * x.numpy())
    np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_inputs_need_not_be_leaves():
    x = leaf(3)
    h = x * 2
    gx, gh = mg.grad((h * h).sum(), [x, h])  # h lies between x and the output
    np.testing.assert_allclose(gh.numpy(), 2 * h.numpy())
    np.testing.assert_allclose(gx.numpy(), 8 * x.numpy())


def test_an_output_may_be_its_own_input():
    x = leaf()
    h = x * 3
    gx, gh = mg.grad(h, [x, h])
    assert gx.item() == 3
    assert gh.item() == 1


def test_derivatives_to_the_fifth_order():
    x = leaf()
    y = x**4
    expected = [4 * x.item() ** 3, 12 * x.item() ** 2, 24 * x.item(), 24, 0]
    for value in expected:
        (y,) = mg.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(value)


def test_without_create_graph_the_result_is_plain_numbers():
    x = leaf(3)
    assert not mg.grad((x**3).sum(), x)[0].requires_grad
    assert mg.grad((x**3).sum(), x, create_graph=True)[0].requires_grad


def test_mixed_second_derivatives_agree():
    x = leaf(3)
    w = leaf(3, seed=1)
    y = (x**2 * w**3).sum()
    gx, gw = mg.grad(y, [x, w], create_graph=True)
    np.testing.assert_allclose(mg.grad(gx.sum(), w)[0].numpy(), mg.grad(gw.sum(), x)[0].numpy())


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_chain_of_ten_thousand_operations(create_graph):
    x = leaf()
    y = x
    for _ in range(10_000):
        y = y + 1
    (g,) = mg.grad(y * y, x, create_graph=create_graph)
    assert g.item() == pytest.approx(2 * (x.item() + 10_000))
    if create_graph:
        assert mg.grad(g, x)[0].item() == 2


def test_a_billion_paths_are_walked_as_thirty_nodes():
    x = leaf()
    y = x
    for _ in range(30):
        y = y + y
    assert mg.grad(y, x)[0].item() == 2**30
