"""minimize(loss): one step down the gradient, which touches this optimiser's parameters alone."""

import numpy as np
import pytest

import minigan as mg
from minigan import nn, optim

OPTIMISERS = {
    "sgd": lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
    "rmsprop": lambda params: optim.RMSprop(params, lr=0.01),
    "adam": lambda params: optim.Adam(params, lr=0.01, betas=(0.5, 0.9)),
}


def two_networks():
    mg.manual_seed(0)
    first = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.LeakyReLU(0.2))
    return first, nn.Linear(5, 2)


def loss_of(first, second, seed):
    x = np.random.default_rng(seed).standard_normal((6, 3)).astype(np.float32)
    return (second(first(mg.tensor(x))) ** 2).mean()


def bits(network):
    return {name: t.numpy().tobytes() for name, t in network.state_dict().items()}


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=list(OPTIMISERS))
def test_minimize_is_zero_grad_backward_step(make):
    first, second = two_networks()
    twin, twin_second = two_networks()
    optimizer = make(first.parameters())
    twin_optimizer = make(twin.parameters())
    for seed in range(4):
        optimizer.minimize(loss_of(first, second, seed))
        twin_optimizer.zero_grad()
        loss_of(twin, twin_second, seed).backward()
        twin_optimizer.step()
    assert bits(first) == bits(twin)


def test_only_its_own_parameters_move_and_get_a_gradient():
    first, second = two_networks()
    before = bits(second)
    second.weight.grad = mg.ones(2, 5)
    kept = second.weight.grad
    optim.SGD(first.parameters(), lr=0.1).minimize(loss_of(first, second, 0))
    assert bits(second) == before
    assert second.weight.grad is kept
    assert second.bias.grad is None
    assert all(p.grad is not None for p in first.parameters())


def test_a_gradient_of_before_is_not_added():
    p = nn.Parameter(np.array([1.0]))
    p.grad = mg.tensor(np.array([100.0]))
    optim.SGD([p], lr=0.5).minimize((3 * p).sum())
    assert p.numpy().tolist() == [-0.5] and p.grad.numpy().tolist() == [3.0]


def test_what_the_loss_does_not_depend_on_or_is_frozen_stays():
    p, unused, frozen = (nn.Parameter(np.array([1.0])) for _ in range(3))
    optimizer = optim.SGD([p, unused, frozen], lr=0.5)
    unused.grad = mg.tensor(np.array([100.0]))
    frozen.requires_grad = False
    optimizer.minimize((p * frozen).sum())
    assert [t.item() for t in (p, unused, frozen)] == [0.5, 1.0, 1.0]


def test_two_losses_of_one_graph_are_minimised_one_after_the_other():
    p, q = nn.Parameter(np.array([2.0])), nn.Parameter(np.array([3.0]))
    y = p * p
    optim.SGD([q], lr=0.1).minimize((y.detach() * q).sum())
    optim.SGD([p], lr=0.1).minimize((y * y).sum())
    np.testing.assert_allclose([p.item(), q.item()], [2 - 0.1 * 4 * 8, 3 - 0.1 * 4])


def test_a_loss_of_several_numbers_is_refused():
    p = nn.Parameter(np.ones(2))
    with pytest.raises(RuntimeError, match=r"\(2,\)"):
        optim.SGD([p], lr=0.1).minimize(p * p)
    assert p.numpy().tolist() == [1, 1]


def test_several_losses_are_added_one_after_the_other():
    p = nn.Parameter(np.array([2.0]))
    q = nn.Parameter(np.array([1.0]))
    optim.SGD([p, q], lr=0.5).minimize((p * p).sum(), (3 * p + q).sum())
    assert p.item() == 2 - 0.5 * (4 + 3)
    assert q.item() == 1 - 0.5
