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


class TwoNetworks:
    """The output of `first` is the input of `second`."""

    def __init__(self):
        mg.manual_seed(0)
        self.first = nn.Sequential(
            nn.Linear(3, 5),
            nn.BatchNorm1d(5),
            nn.LeakyReLU(0.2),
        )
        self.second = nn.Linear(5, 2)

    def loss(self, seed):
        generator = np.random.default_rng(seed)
        x = generator.standard_normal((6, 3)).astype(np.float32)
        y = self.first(mg.tensor(x))
        return (self.second(y) ** 2).mean()


def bits(network):
    return {name: t.numpy().tobytes() for name, t in network.state_dict().items()}


def parameter(value):
    return nn.Parameter(np.array([value]))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_minimize_is_zero_grad_backward_step(name):
    make = OPTIMISERS[name]
    networks = TwoNetworks()
    twins = TwoNetworks()
    optimizer = make(networks.first.parameters())
    twin_optimizer = make(twins.first.parameters())
    for seed in range(4):
        optimizer.minimize(networks.loss(seed))
        twin_optimizer.zero_grad()
        twins.loss(seed).backward()
        twin_optimizer.step()
    assert bits(networks.first) == bits(twins.first)


def test_only_its_own_parameters_move_and_get_a_gradient():
    networks = TwoNetworks()
    first = networks.first
    second = networks.second
    before = bits(second)
    kept = mg.ones(2, 5)
    second.weight.grad = kept
    optimizer = optim.SGD(first.parameters(), lr=0.1)
    optimizer.minimize(networks.loss(seed=0))
    assert bits(second) == before
    assert second.weight.grad is kept
    assert second.bias.grad is None
    for p in first.parameters():
        assert p.grad is not None


def test_a_gradient_of_before_is_not_added():
    p = parameter(1.0)
    p.grad = mg.tensor(np.array([100.0]))
    optimizer = optim.SGD([p], lr=0.5)
    optimizer.minimize((3 * p).sum())
    assert p.item() == -0.5
    assert p.grad.item() == 3.0


def test_what_the_loss_does_not_depend_on_or_is_frozen_stays():
    p = parameter(1.0)
    unused = parameter(1.0)
    frozen = parameter(1.0)
    optimizer = optim.SGD([p, unused, frozen], lr=0.5)
    unused.grad = mg.tensor(np.array([100.0]))
    frozen.requires_grad = False
    optimizer.minimize((p * frozen).sum())
    assert p.item() == 0.5
    assert unused.item() == 1.0
    assert frozen.item() == 1.0


def test_two_losses_of_one_graph_are_minimised_one_after_the_other():
    p = parameter(2.0)
    q = parameter(3.0)
    y = p * p
    loss_of_q = (y.detach() * q).sum()
    loss_of_p = (y * y).sum()
    optim.SGD([q], lr=0.1).minimize(loss_of_q)
    optim.SGD([p], lr=0.1).minimize(loss_of_p)
    assert q.item() == pytest.approx(3 - 0.1 * 4)  # d/dq = y = 4
    assert p.item() == pytest.approx(2 - 0.1 * 32)  # d/dp = 4 p^3 = 32


def test_several_losses_are_minimised_together():
    p = parameter(2.0)
    q = parameter(1.0)
    optimizer = optim.SGD([p, q], lr=0.5)
    first = (p * p).sum()
    second = (3 * p + q).sum()
    optimizer.minimize(first, second)
    assert p.grad.item() == 7.0  # 2 p + 3
    assert p.item() == 2 - 0.5 * 7
    assert q.item() == 1 - 0.5 * 1


def test_a_loss_of_several_numbers_is_refused():
    p = nn.Parameter(np.ones(2))
    optimizer = optim.SGD([p], lr=0.1)
    with pytest.raises(RuntimeError, match=r"\(2,\)"):
        optimizer.minimize(p * p)
    assert p.numpy().tolist() == [1, 1]
