"""Times of kernels on a GPU, and PyTorch's in turn on the same numbers."""

import functools

import numpy as np
from kernel_cases import largest_error, mapped, moved, torch_arguments
from predictions import LATENCY, launches, roofline, with_rungs, work

from minigan import devices
from minigan.backends import cuda
from minigan.backends.cuda import rungs as ladder

WARM_UP = 3  # calls that are not counted
ENOUGH = 1000  # milliseconds, after which a call is not repeated
TOO_LONG = 0.5  # seconds of one call


def milliseconds(function, xp, rounds):
    """The median time of a call on the GPU.

    Before each call, ones are written: more of them than the second-level cache holds, and for
    half a millisecond. Meanwhile Python launches what is timed; otherwise Python would be timed.
    """
    times = []
    start = xp.cuda.Event()
    end = xp.cuda.Event()
    ones = _ones(xp)
    while _goes_on(times, rounds):
        for _ in range(8):
            ones.fill(1)
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(xp.cuda.get_elapsed_time(start, end))
    return float(np.median(times[WARM_UP:]))


def _goes_on(times, rounds):
    """Whether another call is timed: at least one is, and a call that takes long fewer times."""
    if len(times) <= WARM_UP:
        return True
    return len(times) < WARM_UP + rounds and sum(times) < ENOUGH


@functools.cache
def _ones(xp):
    return xp.empty(64 << 20, np.float32)


def copy_bandwidth(xp):
    """TB/s of a copy inside the GPU's memory."""
    a = xp.ones(1 << 28, np.float32)
    b = xp.empty(1 << 28, np.float32)
    time = milliseconds(lambda: xp.copyto(b, a), xp, 20)
    return 2 * a.nbytes / time / 1e9


def least_seconds(case):
    """How long the naive rung of a memory-bound case takes, if each thread waits for every load."""
    if case.flops:
        return 0
    on_device = case._replace(arguments=mapped(moved, case.arguments))
    first = launches(on_device)[0]
    loads = case.bytes / 4
    return loads * LATENCY / (first.blocks * first.threads_per_block)


def measured(cases, gpu, rounds, torch):
    """Rows for every kernel and rung: time, share of the roofline, and PyTorch's time and error."""
    for case, rung in with_rungs(cases):
        ideal = roofline(case, gpu, rung)
        row = [case.operation, rung, case.size, *work(case), f"{1000 * ideal:.1f}"]
        seconds = 0
        if rung == "naive":
            with ladder.rung(rung):
                seconds = least_seconds(case)
        if seconds > TOO_LONG:
            yield [*row, f"not run: {seconds:.1f} s by the formula", "", "", "", ""]
        else:
            yield [*row, *times_and_error(case, rung, ideal, rounds, torch)]


def times_and_error(case, rung, ideal, rounds, torch):
    """The last five columns of a row."""
    ours = our_time(case, rung, rounds)
    columns = [f"{1000 * ours:.1f}", f"{ideal / ours:.0%}"]
    if torch is None:
        return [*columns, "no PyTorch", "", ""]
    theirs = torch_time(case, torch, rounds)
    error = largest_error(case, rung, torch)
    return [*columns, f"{1000 * theirs:.1f}", f"{theirs / ours:.2f}", f"{error:.2f}"]


def our_time(case, rung, rounds):
    """Milliseconds of minigan."""
    arguments = mapped(moved, case.arguments)
    kernel = getattr(cuda, case.operation)
    with ladder.rung(rung):
        return milliseconds(lambda: kernel(*arguments), devices.xp, rounds)


def torch_time(case, torch, rounds):
    """Milliseconds of PyTorch."""
    twins = torch_arguments(case, torch)
    return milliseconds(lambda: case.torch(torch, *twins), devices.xp, rounds)
