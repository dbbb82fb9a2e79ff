"""The simulator, as a driver: kernels/*.cu run thread by thread, strictly, on this processor.

The compiler announces every access to memory (-fsanitize=thread), and kernels/host,
linked in place of the sanitizer's own library, judges each one. A race, a read of memory that
nobody wrote or of the wrong place, or threads that part ways at a barrier are errors that name
kernel, file, line and threads, where a GPU is silently wrong. compiler.py compiles, costs.py
counts bank conflicts and sectors. cuda/launch.py says what a driver is.
"""

import ctypes
import functools
import os
import re
import secrets
import threading
from typing import NamedTuple

import numpy as np

from ..cuda.architectures import (
    ARCHITECTURES,
    GRID_LIMITS,
    MOST_THREADS_PER_BLOCK,
    limits,
    target,
)
from ..cuda.arguments import NULL, Out, is_passed_by_value
from ..cuda.launch import instantiations
from . import compiler, costs

name = "host"
xp = np

MOST_BLOCKS = GRID_LIMITS[0]  # of a grid, along all axes together
MOST_SHARED = 256 << 10  # bytes that a kernel may ask for; its GPU allows less
ADDRESS = re.compile(r"@([0-9a-f]{2,})")  # "@4f21e0": the address of an instruction
INDEX = re.compile(r"\b(thread|block) (\d+)")  # "thread 33"

_one_at_a_time = threading.Lock()  # a library has one set of threads, and its shared memory


class KernelError(RuntimeError):
    """What a kernel did wrong.

    kind: "race", "out of bounds", ...; places: the (file, line) of the access and of the calls
    that contain it, innermost first; seed: of the schedule.
    """

    def __init__(self, message, kind, places, seed):
        super().__init__(message)
        self.kind = kind
        self.places = places
        self.seed = seed


# The structures of kernels/host/thread.h
_ARRAY = np.dtype([("begin", "u8"), ("bytes", "u8"), ("argument", "i4"), ("write_only", "i4")])
_LAUNCH = np.dtype(
    [
        ("grid", "u4", 3),
        ("block", "u4", 3),
        ("shared", "u4"),
        ("shared_most", "u4"),
        ("counting", "u4"),
        ("unused", "u4"),
        ("seed", "u8"),
        ("arrays", "u8"),
        ("array_count", "u8"),
    ]
)
_REPORT = np.dtype(
    [("kind", "S32"), ("message", "S512"), ("requests", "u8"), ("request_count", "u8")]
)


class Span(NamedTuple):
    """Memory that a launch may touch."""

    begin: int
    bytes: int
    argument: int  # the number of the argument that it belongs to; -1: a __shared__ array
    is_out: bool  # it is written wholly and not read before

    @property
    def end(self):
        return self.begin + self.bytes


class PreparedKernel(NamedTuple):
    """A compiled kernel, and how it is launched."""

    library: compiler.Library
    expression: str  # which of the library's kernels
    sizes: list  # of its parameters: see Library.sizes
    grid: tuple  # of three numbers
    block: tuple  # of three numbers
    shared: int  # bytes of dynamic shared memory
    shared_most: int  # bytes that a block may have in all


# ---- the driver ----------------------------------------------------------------------------------


def find_target():
    """The GPU that is imitated: MINIGAN_ARCH, otherwise an H200 (sm_90)."""
    architecture = os.environ.get("MINIGAN_ARCH") or "sm_90"
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ValueError(f"MINIGAN_ARCH is {architecture!r}, expected one of {known}")
    return target(architecture, limits(architecture).multiprocessors)


def addresses(arrays):
    """Where arrays begin in memory."""
    return [array.ctypes.data for array in arrays]


def prepare(plan, target):
    """Compile the plan's kernel, with the others of its file -> a function that starts it."""
    file, expression = plan.kernel.split(":", 1)
    library = compiled(file, expression)
    shared_most = target.shared_per_block << 10
    kernel = _prepare_kernel(library, expression, plan.grid, plan.block, plan.shared, shared_most)
    return functools.partial(_execute, kernel)


def compiled(file, expression):
    """The Library with this kernel; all kernels of its file that may be launched are in it."""
    loaded = compiler.loaded.get((file, expression, None))
    if loaded is not None:
        return loaded
    together = instantiations.get(file, ())
    return compiler.library(file, together if expression in together else (expression,))


# ---- one kernel by itself ------------------------------------------------------------------------


def run_kernel(
    file,
    expression,
    grid,
    block,
    arguments,
    *,
    shared=0,
    shared_most=227 << 10,
    touches=(),
    seed=None,
    counting=False,
    sanitize=None,
):
    """Run one kernel of any file and wait for it -> costs.Report.

    arguments: C-contiguous NumPy arrays and Out(array), passed as pointers; NumPy scalars and 0-d
    structured arrays, by value. touches: arrays reached through pointers inside a struct. shared:
    bytes of dynamic shared memory; shared_most: of all that a block may have, 227 KB on an sm_90.
    seed: of the schedule; MINIGAN_HOST_SEED, or a fresh one. counting: also count bank conflicts
    and sectors. Raises KernelError for what the kernel does wrong, ValueError or TypeError for
    what cannot be launched.
    """
    library = compiler.loaded.get((file, expression, sanitize))
    if library is None:
        library = compiler.library(file, (expression,), sanitize=sanitize)
    seed = _checked_seed(seed)
    _check_is_launchable(expression, _three(grid), _three(block), shared)
    kernel = _prepare_kernel(library, expression, grid, block, shared, shared_most)
    values = [_checked_value(i, argument) for i, argument in enumerate(arguments)]
    for i, array in enumerate(touches, len(arguments)):
        _checked_value(i, array)
    return _execute(kernel, values, arguments, touches, counting, seed)


def _three(extent):
    """(64,) -> (64, 1, 1)"""
    return (*extent, 1, 1)[:3]


def _check_is_launchable(expression, grid, block, shared):
    """Refuse what no GPU could launch."""
    threads = np.prod(block)
    blocks = np.prod(grid)
    if (
        1 <= threads <= MOST_THREADS_PER_BLOCK
        and 1 <= blocks <= MOST_BLOCKS
        and 0 <= shared <= MOST_SHARED
    ):
        return
    raise ValueError(
        f"{expression}: no GPU launches grid {grid}, block {block} with {shared} bytes of shared "
        "memory"
    )


def _prepare_kernel(library, expression, grid, block, shared, shared_most):
    """A PreparedKernel; ValueError if a block has more threads than its launch bounds allow."""
    block = _three(block)
    most = library.threads(expression)
    if np.prod(block) > most:
        raise ValueError(
            f"{expression}: block {block}, and its __launch_bounds__ allow {most} threads"
        )
    sizes = library.sizes(expression)
    return PreparedKernel(library, expression, sizes, _three(grid), block, shared, shared_most)


def _checked_value(i, argument):
    """What the kernel is given for the argument with number i; TypeError for what cannot be one."""
    value = argument.array if isinstance(argument, Out) else argument
    if is_passed_by_value(value):
        return value
    if isinstance(value, np.ndarray) and value.flags.c_contiguous:
        return value
    raise TypeError(
        f"argument {i} is a {type(value).__name__} of shape {np.shape(value)}, strides "
        f"{getattr(value, 'strides', ())}: expected C-contiguous NumPy arrays, NumPy scalars, Outs"
    )


# ---- the schedule's seed -------------------------------------------------------------------------


def check_environment():
    """Raise ValueError if MINIGAN_HOST_SEED is not a seed of a schedule."""
    _checked_seed(None)


def _checked_seed(seed):
    """A schedule's seed as an int; None: that of MINIGAN_HOST_SEED, or a fresh one."""
    if seed is None:
        seed = os.environ.get("MINIGAN_HOST_SEED") or secrets.randbits(32)
    text = str(seed)
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) < 2**64):
        raise ValueError(
            f"MINIGAN_HOST_SEED or seed is {text!r}, expected an integer from 0 to 2^64 - 1"
        )
    return int(text)


# ---- running -------------------------------------------------------------------------------------


def _execute(kernel, values, arguments, touches, counting, seed=None):
    """Run a kernel on checked values -> costs.Report; KernelError for what it does wrong.

    kernel: a PreparedKernel. arguments: as the caller gave them, to tell which arrays are Outs.
    """
    if seed is None:
        seed = _checked_seed(None)
    library = kernel.library
    values = _marshal(values, arguments, kernel)
    pointers = np.array([value.array.ctypes.data for value in values], np.uintp)
    arrays = np.array(_touched_memory(values, touches, library), _ARRAY)
    geometry = (kernel.grid, kernel.block, kernel.shared, kernel.shared_most)
    launch = np.array((*geometry, counting, 0, seed, arrays.ctypes.data, len(arrays)), _LAUNCH)
    report = np.zeros((), _REPORT)
    with _one_at_a_time:
        failed = library.launch(
            library.index[kernel.expression],
            launch.ctypes.data,
            pointers.ctypes.data,
            report.ctypes.data,
        )
        size = int(report["request_count"]) * costs.ACCESS.itemsize
        accesses = np.frombuffer(ctypes.string_at(int(report["requests"]), size), costs.ACCESS)
    if failed:
        raise _error(kernel, report, seed)
    lines = costs.lines_of(accesses, library.places) if len(accesses) else ()
    return costs.Report(seed, lines)


class Value(NamedTuple):
    """One argument, as the kernel gets it."""

    array: np.ndarray  # holds the bytes: the value itself, or a pointer
    size: int  # of the value in bytes; of a pointer, minus the size of one number it points to
    span: Span | None  # the memory that a pointer points to


def _marshal(values, arguments, kernel):
    """The Values of a launch; TypeError unless they have the sizes of the kernel's parameters."""
    found = []
    for i, (value, argument) in enumerate(zip(values, arguments)):
        if isinstance(value, np.ndarray) and value.dtype.names is None:
            address = value.ctypes.data
            span = Span(address, value.nbytes, i, isinstance(argument, Out))
            found.append(Value(np.array(address, np.uintp), -value.itemsize, span))
        else:
            found.append(Value(np.asarray(value), 0 if value is NULL else value.nbytes, None))
    for value in values[len(arguments) :]:  # the sizes that launch() has added
        found.append(Value(np.asarray(value), value.nbytes, None))
    sizes = [value.size for value in found]
    if sizes != kernel.sizes:
        _check_parameter_sizes(kernel.expression, sizes, kernel.sizes)
    return found


def _check_parameter_sizes(expression, given, expected):
    """Raise TypeError unless values of the given sizes fit the kernel's parameters."""
    if len(given) == len(expected) and all(map(_fits, given, expected)):
        return
    raise TypeError(
        f"{expression} takes arguments of {expected} bytes, got {given}; a minus marks a pointer, "
        "by the size of what it points to"
    )


def _fits(given, expected):
    """Whether a value fits a parameter, by their sizes; those of pointers are negative."""
    if given == expected:
        return True
    is_pointer = expected < 0
    is_null = given == 0
    points_to_anything = expected in (-1, -16)  # bytes, or packs of 16 bytes
    return is_pointer and (is_null or points_to_anything)


def _touched_memory(values, touches, library):
    """The memory that a launch may touch -> [Span]; arrays that overlap make one Span.

    Raises ValueError if an Out overlaps another array.
    """
    spans = [value.span for value in values if value.span is not None]
    for i, array in enumerate(touches, len(values)):
        spans.append(Span(array.ctypes.data, array.nbytes, i, False))
    merged = []
    for span in sorted(spans):
        if span.bytes == 0:
            continue
        if merged and span.begin < merged[-1].begin + merged[-1].bytes:
            span = _union(merged.pop(), span)
        merged.append(span)
    for begin, size in library.shared:
        merged.append(Span(begin, size, -1, False))
    return merged


def _union(first, second):
    """The Span of two that overlap; it keeps the number of the first."""
    if first.is_out or second.is_out:
        raise ValueError(
            f"arguments {first.argument} and {second.argument} share memory, and one of them is "
            "an Out"
        )
    end = max(first.end, second.end)
    return Span(first.begin, end - first.begin, first.argument, False)


# ---- errors --------------------------------------------------------------------------------------


def _error(kernel, report, seed):
    """A failed launch as a KernelError: its report's numbers become lines and coordinates."""
    text = report["message"].item().decode()
    kind = report["kind"].item().decode()
    addresses = tuple(int(address, 16) for address in ADDRESS.findall(text))
    found = kernel.library.places(addresses)

    def place(match):
        return _place(found.get(int(match[1], 16), ()), match[0])

    def coordinates(match):
        extent = kernel.block if match[1] == "thread" else kernel.grid
        return f"{match[1]} {_coordinates(int(match[2]), extent)}"

    text = ADDRESS.sub(place, text.replace(" @0", ""))
    text = INDEX.sub(coordinates, text)
    replay = f"MINIGAN_HOST_SEED={seed} runs this schedule again"
    if addresses and not found:
        replay += "; line numbers need addr2line, of binutils"
    return KernelError(
        f"{kernel.expression}: {kind}: {text} ({replay})",
        kind,
        found.get(addresses[0], ()) if addresses else (),
        seed,
    )


def _place(places, address):
    """ "gemm.cuh:12 (called from conv2d.cu:40)", or the address where no lines are known."""
    if not places:
        return address
    first, *callers = [f"{file}:{line}" for file, line in places]
    if not callers:
        return first
    return f"{first} (called from {', '.join(callers)})"


def _coordinates(index, extent):
    """The coordinates of a thread in its block, or a block in its grid.

    (33, (32, 2, 1)) -> (1, 1, 0)
    """
    x, y, _ = extent
    return index % x, index // x % y, index // x // y
