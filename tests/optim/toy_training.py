"""A small network, all optimisers, and a few steps of training, for the tests of this folder."""

import numpy as np
import pytest

import minigan as mg
from minigan import nn, optim

OPTIMISERS = {
    "sgd": (optim.SGD, {"lr": 0.1}),
    "sgd momentum": (
        optim.SGD,
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    ),
    "sgd nesterov": (
        optim.SGD,
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ),
    "rmsprop": (optim.RMSprop, {"lr": 0.01}),
    "rmsprop momentum": (
        optim.RMSprop,
        {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.01},
    ),
    "adam": (optim.Adam, {"lr": 0.01, "betas": (0.5, 0.9)}),
    "adam decay": (optim.Adam, {"lr": 0.01, "weight_decay": 0.01}),
}
every_optimiser = pytest.mark.parametrize("name", OPTIMISERS)


def make(name, params):
    kind, settings = OPTIMISERS[name]
    return kind(params, **settings)


def network(seed=0):
    mg.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(3, 5),
        nn.BatchNorm1d(5),
        nn.LeakyReLU(0.2),
        nn.Linear(5, 2),
    )


def train(net, optimiser, steps, seed):
    """Steps towards the output 0, for random inputs of this seed."""
    generator = np.random.default_rng(seed)
    for _ in range(steps):
        x = generator.standard_normal((6, 3)).astype(np.float32)
        y = net(mg.tensor(x))
        optimiser.minimize((y**2).mean())


def bits(net):
    return {name: t.numpy().tobytes() for name, t in net.state_dict().items()}


def one(value, gradient):
    """A parameter of one number, and its gradient."""
    p = nn.Parameter(np.array([value], np.float64))
    p.grad = mg.tensor(np.array([gradient]))
    return p
