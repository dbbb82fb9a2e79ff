"""Which arrays, and which implementation of the kernel-backed operations, this process works with.

Two module variables are all that the rest of minigan sees: ``devices.xp``, the array module (NumPy or CuPy), and
``devices.kernels``, a namespace of array functions (conv2d, batch_norm_forward, adam, ...): array in, array out, no
autograd. An operation calls ``devices.kernels.conv2d(x, w, ...)`` and never asks where it runs; a new device is a new
row in the table below and touches no operation.
"""

import contextlib
import os

import numpy as np

from . import cpu, threads

xp, kernels = np, cpu
name, reason = "cpu", "it is the default"


# name -> (returns the array module and the namespace of array functions, returns one line for people)
DEVICES = {"cpu": (lambda: (np, cpu), lambda: f"NumPy {np.__version__}, {threads.thread_count()} threads")}


def set_device(device, why="set_device"):
    """Work on this device from now on. device: a key of DEVICES. Raises ValueError for any other name."""
    global xp, kernels, name, reason
    if device not in DEVICES:
        raise ValueError(f"unknown device {device!r} ({why}); this version has {', '.join(sorted(DEVICES))}")
    xp, kernels = DEVICES[device][0]()
    name, reason = device, why


@contextlib.contextmanager
def device(device):
    """``with device("cpu"):`` works on that device inside the block and returns to the one before."""
    before = name, reason
    set_device(device, "with device")
    try:
        yield
    finally:
        set_device(*before)


def describe():
    """One line for the top of a script's output: the device, what it is, and why it was chosen."""
    return f"device {name}: {DEVICES[name][1]()}; chosen because {reason}"


def to_numpy(array):
    """The array as a NumPy array; on the GPU this copies and waits."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


if os.environ.get("MINIGAN_DEVICE"):
    set_device(os.environ["MINIGAN_DEVICE"], "MINIGAN_DEVICE says so")
