"""A program that runs once with minigan and once with PyTorch, on the same numbers."""

import numpy as np
from torch_twin import torch

import minigan as mg


def both(program, array):
    """program(library, x) of minigan and of PyTorch, x a float64 tensor that requires grad."""
    ours = mg.tensor(array, requires_grad=True)
    theirs = torch.tensor(array, requires_grad=True)
    return program(mg, ours), program(torch, theirs)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)
