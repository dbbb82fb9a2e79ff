"""The random numbers of minigan: one NumPy generator (PCG64) on the processor, whatever the device.

Latents, initial weights and dropout masks are drawn here and copied to the device, so one seed
means one sequence everywhere, and the whole state fits in a checkpoint.
"""

import numpy as np

from .creation import flat, take_room
from .engine import Tensor
from .files.foreign import check_pcg64

generator = np.random.Generator(np.random.PCG64(0))


def manual_seed(seed):
    """Restart the generator. seed: a non-negative int. Raises ValueError for anything else."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed is {seed!r}, expected a non-negative integer")
    generator.bit_generator.state = np.random.PCG64(seed).state


def randn(*shape, dtype=np.float32, requires_grad=False):
    """Standard normal numbers of the given shape, ``randn(2, 3)`` or ``randn((2, 3))``."""
    shape = take_room(flat(shape))
    return Tensor(generator.standard_normal(shape, dtype), requires_grad)


def rand(*shape, dtype=np.float32, requires_grad=False):
    """Uniform numbers in [0, 1) of the given shape."""
    shape = take_room(flat(shape))
    return Tensor(generator.random(shape, dtype), requires_grad)


def state_dict():
    """The generator's state: a dict of strings and integers, fit for JSON."""
    return generator.bit_generator.state


def load_state_dict(state):
    """Continue from a state that ``state_dict`` gave. Raises ValueError for anything else."""
    check_pcg64("the random generator's state", state)
    generator.bit_generator.state = state
