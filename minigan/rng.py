"""Random numbers: one NumPy generator (PCG64) on the CPU, whatever the device.

Latents, initial weights and dropout masks are drawn here and copied to the device. So one seed
means one sequence everywhere, and the whole state fits in a checkpoint.
"""

import numpy as np

from . import devices
from .checks import whole_number
from .creation import dtype_of, flat, take_room
from .engine import Tensor
from .files.foreign import check_pcg64

generator = np.random.Generator(np.random.PCG64(0))


def manual_seed(seed):
    """Restart the generator. seed: a whole number of at least 0; otherwise ValueError."""
    whole_number("seed", seed, 0)
    generator.bit_generator.state = np.random.PCG64(seed).state


def randn(*shape, dtype=None, device=None, requires_grad=False):
    """Standard normal numbers of the given shape, ``randn(2, 3)`` or ``randn((2, 3))``."""
    devices.check(device)
    shape = take_room(flat(shape))
    return Tensor(generator.standard_normal(shape, dtype_of(dtype)), requires_grad)


def rand(*shape, dtype=None, device=None, requires_grad=False):
    """Uniform numbers in [0, 1) of the given shape."""
    devices.check(device)
    shape = take_room(flat(shape))
    return Tensor(generator.random(shape, dtype_of(dtype)), requires_grad)


def randn_like(x, requires_grad=False):
    """Standard normal numbers with the shape and the dtype of x."""
    return randn(x.shape, dtype=x.dtype, requires_grad=requires_grad)


def rand_like(x, requires_grad=False):
    """Uniform numbers in [0, 1) with the shape and the dtype of x."""
    return rand(x.shape, dtype=x.dtype, requires_grad=requires_grad)


def randint(low, high=None, size=None, *, dtype=np.int64, device=None):
    """Random whole numbers from low to high - 1; ``randint(10, (3,))`` begins at 0.

    size: the shape, a tuple or list. Raises ValueError for an empty range.
    """
    devices.check(device)
    if size is None:
        size = high
        high = low
        low = 0
    if not isinstance(size, (tuple, list)) or not low < high:
        raise ValueError(
            f"randint got low={low!r}, high={high!r}, size={size!r}, expected low < high and a "
            "shape"
        )
    return Tensor(generator.integers(low, high, take_room(tuple(size))).astype(dtype_of(dtype)))


def randperm(n, *, device=None):
    """The whole numbers 0 to n - 1 in random order, as int64."""
    devices.check(device)
    return Tensor(generator.permutation(whole_number("randperm: n", n, 0)))


def state_dict():
    """The generator's state: a dict of strings and integers, which JSON can hold."""
    return generator.bit_generator.state


def load_state_dict(state):
    """Continue from a state that ``state_dict`` returned. Raises ValueError for anything else."""
    check_pcg64("the random generator's state", state)
    generator.bit_generator.state = state
