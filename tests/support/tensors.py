"""Small arrays and tensors, and the numbers of a tensor as a list."""

import numpy as np

import minigan as mg


def array(*shape, dtype=np.float32, seed=0):
    """Random numbers between 1 and 3."""
    rng = np.random.default_rng(seed)
    numbers = rng.uniform(1, 3, shape)
    return numbers.astype(dtype)


def leaf(*shape, seed=0):
    """A float64 tensor that requires grad, of random numbers between 0.5 and 2."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.5, 2.0, shape)
    return mg.tensor(np.asarray(values), requires_grad=True)


def row(requires_grad=False):
    """The float32 numbers 1, 2, 3."""
    return mg.tensor([1.0, 2.0, 3.0], requires_grad=requires_grad)


def listed(t):
    """The numbers of a tensor as a list of lists, as long as its axes."""
    return t.numpy().tolist()
