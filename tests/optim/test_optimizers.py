"""Optimisers against their formulas, written out for parameters of one number."""

import numpy as np
import pytest
from toy_training import every_optimiser, make, one

import minigan as mg
from minigan import nn, optim


def test_sgd_walks_down():
    p = one(1.0, 2.0)
    optim.SGD([p], lr=0.1).step()
    assert p.item() == pytest.approx(1 - 0.1 * 2)


def test_sgd_with_momentum_and_decay():
    p = one(1.0, 2.0)
    optimiser = optim.SGD([p], lr=0.1, momentum=0.5, weight_decay=0.1)
    optimiser.step()  # buf = 2 + 0.1
    after = 1 - 0.1 * 2.1
    assert p.item() == pytest.approx(after)
    optimiser.step()  # buf = 0.5 * 2.1 + 2 + 0.1 p
    assert p.item() == pytest.approx(after - 0.1 * (1.05 + 2 + 0.1 * after))


def test_nesterov_looks_ahead():
    p = one(1.0, 2.0)
    optim.SGD([p], lr=0.1, momentum=0.5, nesterov=True).step()
    assert p.item() == pytest.approx(1 - 0.1 * (2 + 0.5 * 2))


def test_rmsprop_divides_by_the_running_root_mean_square():
    p = one(1.0, 2.0)
    optim.RMSprop([p], lr=0.1, alpha=0.75).step()
    assert p.item() == pytest.approx(1 - 0.1 * 2 / (0.25 * 4) ** 0.5)


def test_adam_s_first_step_has_the_length_of_the_learning_rate():
    p = one(1.0, 2.0)
    q = one(1.0, -3000.0)
    optim.Adam([p, q], lr=0.1).step()
    assert p.item() == pytest.approx(0.9)
    assert q.item() == pytest.approx(1.1)


@every_optimiser
def test_every_optimiser_finds_the_minimum_of_a_bowl(name):
    p = nn.Parameter(np.array([0.3, -0.2]))
    optimiser = make(name, [p])
    for _ in range(400):
        optimiser.minimize((p * p).sum())
    assert np.abs(p.numpy()).max() < 0.02


@every_optimiser
def test_a_parameter_without_a_gradient_stays_and_its_state_too(name):
    moving = one(1.0, 2.0)
    still = one(1.0, 2.0)
    still.grad = None
    optimiser = make(name, [moving, still])
    optimiser.step()
    assert moving.item() != 1
    assert still.item() == 1
    assert not optimiser.state[1]
    still.grad = mg.tensor(np.array([2.0]))
    moving.grad = None
    first_step = moving.item()
    optimiser.step()
    assert still.item() == pytest.approx(first_step)  # it starts as the other did
    assert moving.item() == first_step


@every_optimiser
def test_gradients_and_dtypes_are_left_alone(name):
    p = nn.Parameter(np.ones(2, np.float32))
    p.grad = mg.tensor(np.full(2, 0.5, np.float32))
    optimiser = make(name, [p])
    for _ in range(2):
        optimiser.step()
    assert p.grad.numpy().tolist() == [0.5, 0.5]
    assert p.dtype == np.float32
    for value in optimiser.state[0].values():
        if np.ndim(value):
            assert value.dtype == np.float32
    optimiser.zero_grad()
    assert p.grad is None
