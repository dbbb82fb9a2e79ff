"""What a launch's plan is, and what all files that make plans share.

A plan is data, made by a pure function of sizes, dtype, alignment and the GPU's generation. So it
can be cached, printed and tested without a GPU.
"""

import functools
from typing import NamedTuple

import numpy as np


class Plan(NamedTuple):
    """One launch of one kernel, before it has any arrays."""

    kernel: str  # "conv2d.cu:conv2d_tiled<float, 64, 64, 4, 4>": a file, an expression in it
    grid: tuple  # blocks along x, y, z
    block: tuple  # threads along x, y, z
    dtype: np.dtype | None = None  # of all arrays; None: not checked
    sizes: tuple = ()  # the kernel's last arguments, int32
    shared: int = 0  # bytes of dynamic shared memory
    parts: int = 1  # partial results that it leaves for a second pass to add up


def cached_plan(plan_function):
    """Cache a pure function that makes plans: a training step asks for the same few every time."""
    return functools.lru_cache(maxsize=4096)(plan_function)


def ceil_div(a, b):
    """a / b for integers, rounded up."""
    return -(-a // b)
