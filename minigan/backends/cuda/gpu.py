"""The driver of a GPU: CuPy's arrays, and kernels compiled by NVRTC.

launch.py says what a driver is. Importing this file imports CuPy; devices.py does so when the
device is chosen.
"""

import functools
import math

import cupy

from .architectures import target
from .sources import OPTIONS, source

name = "cuda"
xp = cupy

# Bytes of shared memory that every kernel may have. For more, it must be told how much dynamic
# shared memory it may ask for.
UNTOLD_SHARED = 48 << 10


@functools.lru_cache
def find_target():
    """The GPU in use, as a Target."""
    device = cupy.cuda.Device()
    return target(f"sm_{device.compute_capability}", device.attributes["MultiProcessorCount"])


def addresses(arrays):
    """Where arrays begin in the GPU's memory."""
    return [array.data.ptr for array in arrays]


def prepare(plan, target):
    """Compile the plan's kernel and check its limits -> a function that starts it."""
    kernel = _compiled(*plan.kernel.split(":", 1))
    threads = math.prod(plan.block)
    if threads > kernel.max_threads_per_block:
        raise ValueError(
            f"{plan.kernel}: block {plan.block}, and its registers and launch bounds allow "
            f"{kernel.max_threads_per_block} threads"
        )
    with_static = plan.shared + kernel.shared_size_bytes
    most = target.shared_per_block << 10
    if with_static > most:
        raise ValueError(
            f"{plan.kernel}: {plan.shared} bytes of shared memory make {with_static} with its "
            f"static ones, a block of {target.architecture} has at most {most}"
        )
    if with_static > UNTOLD_SHARED:
        kernel.max_dynamic_shared_size_bytes = plan.shared

    def start(values, arguments, touches, counting):
        kernel(plan.grid, plan.block, tuple(values), shared_mem=plan.shared)

    return start


@functools.lru_cache(maxsize=None)
def _compiled(file, expression):
    """One instantiation of a kernel: from CuPy's cache on disk, or from NVRTC in 0.1 s.

    It is compiled when it is first launched: a training script waits for the dozen kernels that it
    uses, not for all.
    """
    module = cupy.RawModule(code=source(file), options=OPTIONS, name_expressions=(expression,))
    try:
        return module.get_function(expression)
    except cupy.cuda.compiler.CompileException as error:
        raise RuntimeError(f"kernels/{file} does not compile for {expression}:\n{error}") from None
