"""What is known of a kernel without a GPU: its launch, its resources, and the time they predict."""

import math
from typing import NamedTuple
from unittest import mock

from minigan import devices
from minigan.backends import cuda
from minigan.backends.cuda import launch
from minigan.backends.cuda import rungs as ladder
from minigan.backends.cuda.architectures import occupancy as share_of_threads
from minigan.backends.cuda.arguments import Out
from minigan.backends.cuda.resources import resources as resources_of

ARCHITECTURE = "sm_90"  # of an H200
LATENCY = 0.6e-6  # seconds from a load to its number, an assumption
L2_BANDWIDTH = 5.5  # TB/s from the second-level cache, an assumption: NVIDIA publishes none
MMA_SHARE = 2 / 3  # of the TF32 peak that mma.sync reaches on Hopper; the rest belongs to wgmma
MOST_THREADS = 2048  # of a multiprocessor
SHARED_BYTES = 128  # that a multiprocessor's shared memory gives per clock
FILTER_TURNS = 8  # in which a warp reads a number of 32 filters, from 32 sectors


class Launch(NamedTuple):
    """What an operation would launch."""

    name: str  # "file.cu:kernel<template>"
    grid: tuple
    block: tuple
    shared: int  # bytes
    bytes: int  # of its arrays
    results: int  # numbers that it writes

    @property
    def kernel(self):
        return self.name.split(":")[1]

    @property
    def blocks(self):
        return math.prod(self.grid)

    @property
    def threads_per_block(self):
        return math.prod(self.block)

    @property
    def template(self):
        """The template's arguments, as strings."""
        inside = self.name.split("<")[1]
        return inside.rstrip(">").split(", ")

    def is_on(self, rung):
        return f"_{rung}<" in self.name


def launches(case):
    """What the operation would launch, with nothing launched."""
    found = []

    def note(plan, args, touches=()):
        outs = [a.array for a in args if type(a) is Out]
        arrays = list(outs)
        for a in args:
            if isinstance(a, devices.xp.ndarray) and a.dtype.names is None:
                arrays.append(a)
        nbytes = sum(a.nbytes for a in arrays)
        results = sum(a.size for a in outs)
        found.append(Launch(plan.kernel, plan.grid, plan.block, plan.shared, nbytes, results))

    with mock.patch.object(launch, "launch", note):
        getattr(cuda, case.operation)(*case.arguments)
    return found


def with_rungs(cases):
    """Each case with each rung of its operation."""
    for case in cases:
        for rung in ladder.RUNGS[case.operation]:
            yield case, rung


# ---- the predicted time --------------------------------------------------------------------------


def roofline(case, gpu, rung):
    """Milliseconds that the arithmetic or the memory alone would take."""
    peak = gpu.tf32 if rung == "tensor" else gpu.fp32
    arithmetic = case.flops / peak
    memory = case.bytes / gpu.bandwidth
    return max(arithmetic, memory) / 1e9


def predicted(case, gpu, found, resources):
    """(milliseconds, what bounds them) of a case on this GPU."""
    first, *others = found
    if not case.flops:
        times = memory_times(case, gpu, first, resources)
        bound = max(times, key=times.get)
        return times[bound], bound
    times = product_times(case, gpu, first, resources)
    bound = max(times, key=times.get)
    other_bytes = sum(row.bytes for row in others)  # sums of parts, of taps
    return times[bound] + other_bytes / gpu.bandwidth / 1e9, bound


def memory_times(case, gpu, row, resources):
    """Little's law: bandwidth times latency is how many bytes must be under way.

    In a naive rung a thread has 4 bytes under way, in a tiled one at least twice 4 or 16, as the
    machine code shows. Half of all bytes are written, except by kernels that only sum.
    """
    most = occupancy(row, resources) * MOST_THREADS * gpu.multiprocessors
    threads = min(row.blocks * row.threads_per_block, most)
    pack = row.name[-2]
    each = 4 if row.is_on("naive") else 2 * 4 * int(pack)
    only_reads = "sum" in row.name or "statistics" in row.name
    reads = 1 if only_reads else 0.5
    needed = gpu.bandwidth * 1e12 * LATENCY * reads
    share = threads * each / needed
    memory = case.bytes / gpu.bandwidth / 1e9
    return {"memory": memory, "latency": memory / share}


def product_times(case, gpu, row, resources):
    """Arithmetic, the caches and shared memory, as far as tiles and blocks come out even.

    A tile's places that lie outside the result are work all the same.
    """
    used = share_of_the_gpu(gpu, row, resources)
    shared = SHARED_BYTES * gpu.multiprocessors * gpu.clock / 1000 * used  # TB/s
    level_2 = L2_BANDWIDTH * used
    peak = gpu.tf32 * MMA_SHARE if row.is_on("tensor") else gpu.fp32
    peak = peak * used
    flops = case.flops
    times = {"memory": row.bytes / gpu.bandwidth, "arithmetic": flops / peak}
    if row.is_on("naive"):
        # Two numbers per multiplication from the first-level cache, which is that memory too.
        times["loads"] = 4 * flops / shared
        if case.operation == "conv2d":
            # The number of x is one for the whole warp: 1 turn.
            times["loads"] *= (FILTER_TURNS + 1) / 2
    elif row.is_on("shared"):
        # Two numbers per multiplication; one of 16 comes from the second-level cache.
        times["shared memory"] = 4 * flops / shared
        times["second-level cache"] = 4 * flops / 16 / level_2
    else:
        traffic = tile_traffic(row)
        computed = row.grid[0] * row.grid[2] * traffic.rows * traffic.columns
        flops = flops * computed / (row.results / row.grid[1])
        times["arithmetic"] = flops / peak
        times["second-level cache"] = flops * traffic.level_2 / level_2
        times["shared memory"] = flops * traffic.shared / shared
    return {bound: time / 1e9 for bound, time in times.items()}


def share_of_the_gpu(gpu, row, resources):
    """A wave is all blocks that are there at once; the last one's empty places are lost."""
    threads = occupancy(row, resources) * MOST_THREADS
    at_once = max(1, round(threads / row.threads_per_block))
    waves = row.blocks / (gpu.multiprocessors * at_once)
    if waves > 1:
        return waves / math.ceil(waves)
    return min(1, row.blocks / gpu.multiprocessors)


class Traffic(NamedTuple):
    """A tile, and the bytes for each operation of its loop."""

    rows: int
    columns: int
    level_2: float  # from the second-level cache
    shared: float  # through shared memory


def tile_traffic(row):
    """The Traffic of a tiled or tensor kernel."""
    if row.is_on("tensor"):
        rows, columns, down = [int(number) for number in row.template[:3]]
        warps = row.threads_per_block // 32
        across = warps // down
        read = warps * (rows // down + columns // across)
    else:
        rows, columns = [int(number) for number in row.template[1:3]]
        # per step: a warp's 2 x 16 threads share their rows and their columns
        read = 16 * rows // 2 + 8 * columns
    written = rows + columns
    flops = 2 * rows * columns
    level_2 = 4 * written / flops
    shared = 4 * (read + written) / flops
    return Traffic(rows, columns, level_2, shared)


def occupancy(row, resources):
    """The share of a multiprocessor's threads that are there at once."""
    found = resources[row.name]
    shared = found["shared"] + row.shared
    return share_of_threads(found["registers"], row.threads_per_block, shared, ARCHITECTURE)


# ---- two tables ----------------------------------------------------------------------------------


def known_without_a_gpu(cases, gpu):
    """Two tables: of every kernel at every size, and of every instantiation that they take."""
    rows = []
    taken = {}
    resources = {}
    for case, rung in with_rungs(cases):
        with ladder.rung(rung):
            found = launches(case)
        for row in found:
            if row.name not in resources:
                resources.update(resources_of_file(row.name))
            taken.setdefault(row.name, row)
        rows.append(predicted_row(case, rung, gpu, found, resources))
    return rows, [static_row(row, resources) for row in taken.values()]


def resources_of_file(name):
    """What ptxas says of all kernels in the file of this one, by name."""
    file = name.split(":")[0]
    known = resources_of(file, launch.instantiations[file], ARCHITECTURE)
    return {f"{file}:{expression}": numbers for expression, numbers in known.items()}


def predicted_row(case, rung, gpu, found, resources):
    milliseconds, bound = predicted(case, gpu, found, resources)
    ideal = roofline(case, gpu, rung)
    return [
        case.operation,
        rung,
        case.size,
        *work(case),
        in_short(found),
        f"{1000 * ideal:.1f}",
        f"{1000 * milliseconds:.1f}",
        bound,
        f"{ideal / milliseconds:.0%}",
    ]


def static_row(row, resources):
    found = resources[row.name]
    shared = found["shared"] + row.shared
    return [
        row.kernel,
        row.threads_per_block,
        found["registers"],
        f"{shared / 1024:.1f}",
        f"{occupancy(row, resources):.0%}",
        found["spills"],
        found["stack"],
    ]


def in_short(found):
    """The launches: kernel and grid of the first three, and how many more."""
    names = []
    for row in found[:3]:
        grid = " x ".join(map(str, row.grid))
        names.append(f"{row.kernel} x {grid}")
    if len(found) > 3:
        names.append(f"{len(found) - 3} more")
    return " + ".join(names)


def work(case):
    """GFLOP, MB, FLOP per byte."""
    megabytes = f"{case.bytes / 1e6:.1f}"
    if not case.flops:
        return "", megabytes, ""
    return f"{case.flops / 1e9:.2f}", megabytes, f"{case.flops / case.bytes:.0f}"
