"""A layer in minigan and in PyTorch, trained on a fixed batch."""

import numpy as np
from torch_twin import torch

import minigan as mg


def networks():
    """A layer of each library with the same float64 weights."""
    theirs = torch.nn.Linear(4, 3).double()
    ours = mg.nn.Linear(4, 3).double()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def train(library, net, optimizer, steps=5):
    """Steps of least squares on a fixed batch."""
    x = library.tensor(np.random.default_rng(0).standard_normal((6, 4)))
    for _ in range(steps):
        optimizer.zero_grad()
        y = net(x)
        loss = (y * y).mean()
        loss.backward()
        optimizer.step()


def groups_of(net, **settings):
    return [{"params": [net.weight]}, {"params": net.bias, **settings}]
