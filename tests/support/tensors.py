"""Arrays and tensors of random numbers, and the numbers of a tensor as a list."""

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


def listed(t):
    """The numbers of a tensor as a list of lists, as long as its axes."""
    return t.numpy().tolist()
