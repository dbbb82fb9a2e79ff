"""Launches the kernels of kernels/*.cu, on a GPU or in the simulator.

    plan = plan_elementwise("leaky_relu", KernelVariant("tiled", x.dtype, True), x.size)
    launch(plan, [x, Out(y), np.float32(slope)])

A Plan (plans.py) says which kernel, and how many blocks and threads. Pure cached functions make
it, in the file of each family of kernels. ``launch`` checks the arguments and hands them to the
*driver*, gpu.py for CuPy or host/machine.py for the simulator. Everything up to the driver is the
same for both, so what the simulator proves of a launch holds on the GPU. A launch is checked before
it happens, because a GPU answers a wrong one late, elsewhere, or not at all.

A driver is a module with

    name                     "cuda" or "host", for messages
    xp                       the array module, cupy or numpy
    find_target()            the GPU that plans are made for, an architectures.Target
    addresses(arrays)        where arrays begin in the memory of the device
    prepare(plan, target)    checks what depends on the compiled kernel, and returns a function
                             start(values, arguments, touches, counting) -> a report or None
"""

import contextlib
import functools
import math
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from .architectures import BLOCK_LIMITS, GRID_LIMITS, MOST_THREADS_PER_BLOCK, Target
from .arguments import NULL, Out, is_passed_by_value
from .plans import Plan

# Of an array. The kernels index with int32, and may step up to 1,024 past the end.
MAX_ELEMENTS = 2**31 - 2**10

# Set by `use`, when a device is chosen.
driver = None  # the module that starts kernels: see above
target: Target | None = None  # the GPU that plans are made for

# File -> the kernels that may be asked of it, which the simulator compiles together. It is filled
# by instantiations.register.
instantiations = {}


class Launch(NamedTuple):
    """A launch that has happened, or would happen."""

    name: str  # the plan's kernel
    grid: tuple
    block: tuple
    shared: int
    report: Any  # a host.costs.Report; None on a GPU, and where the kernel did not run
    plan: Plan


class LaunchLog(NamedTuple):
    """What is wanted of the launches inside a ``with collect_launches()``."""

    launches: list
    counting: bool  # the simulator also counts bank conflicts and memory sectors
    dry_run: bool  # nothing is launched


launch_log = ContextVar("launch_log", default=None)


def use(new_driver):
    """Launch with this driver from now on. Raises ValueError for a MINIGAN_ARCH that it lacks."""
    global driver, target
    new_target = new_driver.find_target()
    driver = new_driver
    target = new_target


@contextlib.contextmanager
def collect_launches(counting=False, dry_run=False):
    """``with collect_launches() as launches:`` collects a Launch of every kernel.

    counting: with what the kernel asked of memory (simulator only). dry_run: only plan; results
    are then uninitialised arrays.
    """
    launches = []
    before = launch_log.set(LaunchLog(launches, counting, dry_run))
    try:
        yield launches
    finally:
        launch_log.reset(before)


def launch(plan, arguments, touches=()):
    """Run a kernel. On a GPU this returns at once; whoever reads the result waits for it.

    arguments, in the kernel's order without the plan's sizes, which follow: C-contiguous arrays
    (read, or read and written), ``Out(array)`` for arrays that are written wholly and not read,
    None for a null pointer, NumPy scalars, and structs as 0-d structured NumPy arrays. touches:
    arrays that the kernel reaches through pointers in a struct. Raises ValueError, TypeError or
    RuntimeError for what cannot run; host.machine.KernelError for what a kernel does wrong.
    """
    wanted = launch_log.get()
    values = _checked_values(plan, arguments)
    report = None
    if wanted is None:
        start = _prepared(driver, target, plan.kernel, plan.grid, plan.block, plan.shared)
        start(values, arguments, touches, False)
        return
    if not wanted.dry_run:
        start = _prepared(driver, target, plan.kernel, plan.grid, plan.block, plan.shared)
        report = start(values, arguments, touches, wanted.counting)
    done = Launch(plan.kernel, plan.grid, plan.block, plan.shared, report, plan)
    wanted.launches.append(done)


def empty(shape, dtype):
    """A new array in the device's memory, with any numbers in it."""
    return driver.xp.empty(shape, dtype)


def is_copy(array, used):
    """Whether `used`, which was made from `array`, has memory of its own."""
    if used is array:
        return False
    begin, begin_used = driver.addresses([array, used])
    return begin != begin_used


def _checked_values(plan, arguments):
    """What the kernel is given: the arrays in the Outs, null pointers for None, sizes last.

    Raises TypeError or ValueError for what cannot be an argument of a kernel.
    """
    ndarray = driver.xp.ndarray
    values = []
    for argument in arguments:
        value = argument.array if type(argument) is Out else argument
        if value is None:
            value = NULL
        elif isinstance(value, ndarray) and value.dtype.names is None:
            if (
                value.size > MAX_ELEMENTS
                or not value.flags.c_contiguous
                or value.dtype is not plan.dtype
            ):
                check_array(_operation(plan), value, plan.dtype, arguments)
        elif not isinstance(value, np.generic) and not is_passed_by_value(value):
            raise TypeError(_not_an_argument(plan, value))
        values.append(value)
    for size in plan.sizes:
        values.append(np.int32(size))
    return values


def check_array(name, array, dtype, arguments):
    """Raise ValueError or TypeError for an array that the kernel `name` cannot take.

    dtype: that it must have, or None. arguments: all of them, to name their dtypes.
    """
    if array.size > MAX_ELEMENTS:
        raise ValueError(
            f"{name} got an array of shape {array.shape}, {array.size} elements, more than "
            f"{MAX_ELEMENTS}"
        )
    if not array.flags.c_contiguous:
        raise ValueError(
            f"{name} got strides {array.strides} for the shape {array.shape}, expected C order"
        )
    if dtype is not None and array.dtype != dtype:
        arrays = [a.array if type(a) is Out else a for a in arguments]
        dtypes = [str(a.dtype) for a in arrays if isinstance(a, driver.xp.ndarray)]
        raise TypeError(f"{name} got {', '.join(dtypes)}, expected float32 or float64 alike")


def _operation(plan):
    """ "conv2d.cu:conv2d_tiled<float, 4>" -> "conv2d_tiled", for messages."""
    return plan.kernel.split(":")[1].split("<")[0]


def _not_an_argument(plan, value):
    """The sentence about an argument that no kernel can take."""
    module = type(value).__module__.split(".")[0]
    return (
        f"{_operation(plan)} got a {module} {type(value).__name__}, expected "
        f"{driver.xp.__name__} arrays, as device {driver.name} has them, or NumPy scalars"
    )


@functools.lru_cache(maxsize=4096)
def _prepared(driver, target, kernel, grid, block, shared):
    """The function that starts this kernel; RuntimeError or ValueError says why it cannot run."""
    _check_limits(target, kernel, grid, block, shared)
    return driver.prepare(Plan(kernel, grid, block, shared=shared), target)


def _check_limits(target, kernel, grid, block, shared):
    """Refuse what the hardware cannot launch, whatever the kernel."""
    _check_extent(kernel, "grid", grid, GRID_LIMITS)
    _check_extent(kernel, "block", block, BLOCK_LIMITS)
    threads = math.prod(block)
    if threads > MOST_THREADS_PER_BLOCK:
        raise ValueError(
            f"{kernel}: block {block} has {threads} threads, at most {MOST_THREADS_PER_BLOCK} are "
            "possible"
        )
    most = target.shared_per_block << 10
    if shared > most:
        raise ValueError(
            f"{kernel}: {shared} bytes of shared memory, a block of {target.architecture} has at "
            f"most {most}"
        )
    if "_tensor<" in kernel and target.generation < 80:
        raise RuntimeError(
            f"{kernel} multiplies in TF32, which needs sm_80 or newer, this is "
            f"{target.architecture}"
        )


def _check_extent(kernel, what, extent, most):
    """Refuse a grid or a block with a side beyond the limits, or with more than three sides."""
    if 1 <= len(extent) <= 3 and all(1 <= n <= limit for n, limit in zip(extent, most)):
        return
    raise ValueError(f"{kernel}: {what} {extent} does not lie within {most}")
