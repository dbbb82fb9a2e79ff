"""Which kernel of kernels/*.cu an operation launches: the rungs of its ladder, and the choice.

A ladder is the list of an operation's kernels, which all compute the same; each rung of it, from
"naive" on, is one idea faster than the one below (kernels/README.md). The choice depends on shapes,
dtypes, alignment and the GPU's generation, never on its load, so the same seed gives the same bits.
"""

import contextlib
import os
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np

from . import launch
from .arguments import Out

ALL = ("naive", "shared", "tiled", "tensor")
BOTH = ("naive", "tiled")
PRODUCT = ("naive", "tiled", "tensor")  # of the other convolutions: "shared" teaches in conv2d
# kernels/<file>: {operation: its rungs, the lowest first}. Each rung is a __global__ function
# <operation>_<rung>.
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
# CHUNK<T> of common.cuh: numbers in 16 bytes, the most that one load brings.
CHUNK = {"float": 4, "double": 2}


# ---- which rung ----------------------------------------------------------------------------------


def _known(name, why):
    if name not in (*ALL, None):
        raise ValueError(f"unknown rung {name!r} ({why}), expected {', '.join(ALL)}")
    return name


everywhere = os.environ.get("MINIGAN_RUNG") or None  # for the whole process: check_environment
forced = ContextVar("forced", default=None)
tf32 = True


def check_environment():
    """Raise ValueError if MINIGAN_RUNG names no rung.

    It is called when a device is chosen, because an import never fails.
    """
    _known(everywhere, "MINIGAN_RUNG says so")


@contextlib.contextmanager
def rung(name):
    """``with rung("tiled"):`` takes that rung of every ladder inside the block.

    A ladder that lacks it gives the nearest rung below. name: "naive", "shared" (conv2d only),
    "tiled" or "tensor", or None for the usual choice; ValueError for another. MINIGAN_RUNG does
    the same for a process. Device cpu has no rungs.
    """
    before = forced.set(_known(name, "rung"))
    try:
        yield
    finally:
        forced.reset(before)


def set_tf32(flag):
    """Whether float32 convolutions may multiply in TF32, which has 10 bits after the point.

    True, as at the start, uses TF32 where the GPU has it; False always multiplies in float32.
    """
    global tf32
    tf32 = bool(flag)


def pick_rung(operation, dtype):
    """The rung that is forced, otherwise the highest that serves this dtype on this GPU."""
    rungs = RUNGS[operation]
    name = forced.get() or everywhere
    if name is None:
        if "tensor" in rungs and tf32 and dtype == np.float32 and launch.target.generation >= 80:
            return "tensor"
        return "tiled"
    if name not in ALL:
        check_environment()
    if name in rungs:
        if name == "tensor" and dtype != np.float32:
            raise ValueError(
                f"{operation}: the tensor rung multiplies float32 numbers in TF32, this is {dtype}"
            )
        return name
    below = [each for each in rungs if ALL.index(each) < ALL.index(name)]
    return below[-1] if below else rungs[0]


class KernelVariant(NamedTuple):
    """What a plan depends on besides sizes: hashable, because plans are cached by it."""

    rung: str  # "naive", "shared", "tiled" or "tensor"
    dtype: np.dtype  # float32 or float64
    is_aligned: bool  # all arrays begin at a multiple of 16 bytes

    def kernel(self, operation, *template):
        """The kernel of this rung for this dtype; template: what follows the dtype."""
        return kernel_name(operation, self.rung, (self.ctype, *template))

    @property
    def ctype(self):
        """C++'s name of the dtype."""
        return C_TYPES[self.dtype]

    def pack(self, length):
        """How many numbers one load or store brings from rows of this length.

        16 bytes where every row begins at a multiple of 16 bytes, otherwise one number.
        """
        numbers = CHUNK[C_TYPES[self.dtype]]
        return numbers if self.is_aligned and length % numbers == 0 else 1


def variant_of(operation, arguments):
    """The KernelVariant for an operation on these arguments, of which the first is an array."""
    ndarray = launch.driver.xp.ndarray
    arrays = []
    for argument in arguments:
        array = argument.array if type(argument) is Out else argument
        if isinstance(array, ndarray) and array.dtype.names is None:
            arrays.append(array)
    dtype = arrays[0].dtype
    if dtype not in C_TYPES:
        raise unknown_dtype(operation, dtype)
    is_aligned = not any(address % 16 for address in launch.driver.addresses(arrays))
    return KernelVariant(pick_rung(operation, dtype), dtype, is_aligned)


def unknown_dtype(operation, dtype):
    """The error for a dtype that the kernels do not know."""
    return TypeError(f"{operation} got {dtype}, expected float32 or float64")


# ---- its name ------------------------------------------------------------------------------------


def kernel_name(operation, rung, template):
    """("conv2d", "tiled", ("float", 64)) -> "conv2d.cu:conv2d_tiled<float, 64>"."""
    return f"{FILES[operation]}:{expression(operation, rung, template)}"


def expression(operation, rung, template):
    """C++'s name of an instantiation: ("conv2d", "tiled", ("float", 64)) -> conv2d_tiled<...>."""
    return f"{operation}_{rung}<{', '.join(map(str, template))}>"
