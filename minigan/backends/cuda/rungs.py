"""Which kernel of kernels/*.cu an operation launches: the rungs of its ladder, and which of them
is taken.

The one idea: what is chosen depends on shapes, dtypes, alignment and the GPU's generation, never
on its load, so one seed gives the same bits.
"""

import contextlib
import functools
import os
from contextvars import ContextVar

import numpy as np

from . import launch as device
from .launch import Out, launch

# kernels/<file>: {operation: its rungs, the lowest first}; each is a __global__ function
# <operation>_<rung>.
ALL = ("naive", "shared", "tiled", "tensor")
BOTH = ("naive", "tiled")
PRODUCT = (
    "naive",
    "tiled",
    "tensor",
)  # of the convolutions that are matrix products; conv2d explains the way there
LADDERS = {
    "conv2d.cu": {"conv2d": ALL, "conv2d_taps": ("tiled",)},
    "conv_transpose2d.cu": {"conv_transpose2d": PRODUCT, "conv_transpose2d_taps": ("tiled",)},
    "conv2d_weight_grad.cu": {"conv2d_weight_grad": PRODUCT},
    "channels.cu": {"add_bias": BOTH, "channel_sum": BOTH},
    "batch_norm.cu": {
        "batch_norm_statistics": BOTH,
        "batch_norm_statistics_merge": ("tiled",),
        "batch_norm_forward": BOTH,
        "batch_norm_grad_sums": BOTH,
        "batch_norm_grad": BOTH,
    },
    "leaky_relu.cu": {"leaky_relu": BOTH, "leaky_relu_grad": BOTH},
    "bce_with_logits.cu": {
        "bce_with_logits": BOTH,
        "bce_with_logits_sum": BOTH,
        "bce_with_logits_grad": BOTH,
    },
    "adam.cu": {"adam": BOTH},
}
FILES = {operation: file for file, operations in LADDERS.items() for operation in operations}
RUNGS = {
    operation: rungs for operations in LADDERS.values() for operation, rungs in operations.items()
}
C_TYPES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
CHUNK = {"float": 4, "double": 2}  # numbers in 16 bytes


def _known(name, why):
    if name not in (*ALL, None):
        raise ValueError(f"unknown rung {name!r} ({why}), expected {', '.join(ALL)}")
    return name


everywhere = os.environ.get("MINIGAN_RUNG") or None  # of the whole process, see check_environment
forced = ContextVar("forced", default=None)
tf32 = True


def check_environment():
    """Raise ValueError if MINIGAN_RUNG names no rung; asked when a device is chosen, because
    imports never fail.
    """
    _known(everywhere, "MINIGAN_RUNG says so")


@contextlib.contextmanager
def rung(name):
    """``with rung("tiled"):`` takes that rung of every ladder inside; of one that lacks it, the
    nearest rung below.

    name: "naive", "shared" (of conv2d alone), "tiled" or "tensor", or None for the usual choice;
    ValueError for another. MINIGAN_RUNG does the same for a process. Device cpu has no rungs.
    """
    before = forced.set(_known(name, "rung"))
    try:
        yield
    finally:
        forced.reset(before)


def set_tf32(flag):
    """False: float32 convolutions multiply in float32; True, as at the start: in TF32 (10 bits)
    where the GPU can.
    """
    global tf32
    tf32 = bool(flag)


def choose(operation, dtype):
    """The rung that was forced, else the highest that serves this dtype on this GPU."""
    rungs = RUNGS[operation]
    name = forced.get() or everywhere
    if name is None:
        has_tensor_cores = dtype == np.float32 and tf32 and device.generation() >= 80
        return "tensor" if "tensor" in rungs and has_tensor_cores else "tiled"
    if name not in ALL:
        check_environment()
    if name == "tensor" and name in rungs and dtype != np.float32:
        raise ValueError(
            f"{operation}: the tensor rung multiplies float32 numbers in TF32, this is {dtype}"
        )
    not_above = ALL[: ALL.index(name) + 1]
    return next((each for each in reversed(not_above) if each in rungs), rungs[0])


def kind(operation, args, length=0):
    """(rung, C's name of the dtype, V): V numbers make 16 bytes where they divide the length and
    all arrays lie so.
    """
    arrays = [a.array if type(a) is Out else a for a in args]
    arrays = [a for a in arrays if isinstance(a, device.xp.ndarray) and a.dtype.names is None]
    dtype, bits = arrays[0].dtype, length * arrays[0].itemsize
    for a in arrays:
        if a.dtype != dtype or dtype not in C_TYPES:
            types = ", ".join(str(each.dtype) for each in arrays)
            raise TypeError(f"{operation} got {types}, expected float32 or float64 alike")
        device.check_size(operation, a)
        bits |= address(a)
    return choose(operation, dtype), C_TYPES[dtype], 1 if bits % 16 else CHUNK[C_TYPES[dtype]]


def address(array):
    """Where an array begins in its device's memory."""
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr


def run(operation, rung, template, grid, block, args, **options):
    """Launch one kernel of an operation; template: its arguments, as ("float", 4)."""
    launch(_name(operation, rung, template), grid, block, args, **options)


@functools.lru_cache(maxsize=1024)
def _name(operation, rung, template):
    return f"{FILES[operation]}:{operation}_{rung}<{', '.join(map(str, template))}>"


def ceil(a, b):
    """a / b, rounded up."""
    return -(-a // b)
