"""The simplest critic, and random points for it."""

import numpy as np

import minigan as mg
from minigan import nn


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def points(seed, *shape):
    return mg.tensor(normal(seed, *shape))


class Linear(nn.Module):
    """f(x) = <w, x>, whose slope is w everywhere."""

    def __init__(self, w):
        self.w = nn.Parameter(np.asarray(w, float))

    def forward(self, x):
        return x.flatten(1) @ self.w
