"""Random numbers: one NumPy generator (PCG64) on the CPU, whatever the device.

Latents, initial weights and dropout masks are drawn here and copied to the device. So one seed
means one sequence everywhere, and the whole state fits in a checkpoint.
"""

import numpy as np

from .creation import flat, take_room
from .engine import Tensor
from .files.foreign import check_pcg64, whole_number

generator = np.random.Generator(np.random.PCG64(0))


def manual_seed(seed):
    """Restart the generator. seed: a whole number of at least 0; otherwise ValueError."""
    whole_number("seed", seed, 0)
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
    """The generator's state: a dict of strings and integers, which JSON can hold."""
    return generator.bit_generator.state


def load_state_dict(state):
    """Continue from a state that ``state_dict`` returned. Raises ValueError for anything else."""
    check_pcg64("the random generator's state", state)
    generator.bit_generator.state = state
