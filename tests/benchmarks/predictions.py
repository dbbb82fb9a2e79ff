"""What a kernel's time should be, from what is known without a GPU.

The launches of a case are noted and not run; ptxas says what each kernel needs. From both follow
the roofline (the time that the arithmetic or the memory alone would take) and a prediction with
its bound, which also knows tiles, occupancy and caches.
"""

import math
from typing import NamedTuple
from unittest import mock

from minigan import devices
from minigan.backends import cuda
from minigan.backends.cuda import architectures, launch
from minigan.backends.cuda.arguments import Out

ARCHITECTURE = "sm_90"  # of an H200
LATENCY = 0.6e-6  # seconds from a load to its number, an assumption
L2_BANDWIDTH = 5.5  # TB/s from the second-level cache, an assumption: NVIDIA publishes none
MMA_SHARE = 2 / 3  # of the TF32 peak that mma.sync reaches on Hopper; the rest belongs to wgmma
THREADS = 2048  # that a multiprocessor holds at most


class Launch(NamedTuple):
    name: str  # the file and the kernel's instantiation, "conv2d:conv2d_naive<float>"
    grid: tuple
    block: tuple
    shared: int  # bytes of shared memory, asked for at launch
    bytes: int  # of its arrays
    results: int  # numbers that it writes

    @property
    def blocks(self):
        return math.prod(self.grid)

    @property
    def threads(self):
        """Of a block."""
        return math.prod(self.block)


def launches(case):
    """What the operation would launch, with nothing launched."""
    found = []

    def note(plan, args, touches=()):
        outs = [a.array for a in args if type(a) is Out]
        arrays = [a for a in args if isinstance(a, devices.xp.ndarray) and a.dtype.names is None]
        nbytes = sum(a.nbytes for a in outs + arrays)
        results = sum(a.size for a in outs)
        found.append(Launch(plan.kernel, plan.grid, plan.block, plan.shared, nbytes, results))

    with mock.patch.object(launch, "launch", note):
        getattr(cuda, case.operation)(*case.arguments)
    return found


def occupancy(row, resources):
    """The share of a multiprocessor's threads that can be there at once."""
    found = resources[row.name]
    shared = found["shared"] + row.shared
    return architectures.occupancy(found["registers"], row.threads, shared, ARCHITECTURE)


def roofline(case, gpu, rung):
    """Milliseconds that the arithmetic or the memory alone would take."""
    peak = gpu.tf32 if rung == "tensor" else gpu.fp32
    return max(case.flops / peak, case.bytes / gpu.bandwidth) / 1e9


def predicted(case, gpu, found, resources):
    """(milliseconds, what bounds them) of a case on this GPU."""
    first, *later = found
    if not case.flops:
        times = memory_times(case, gpu, first, resources)
    else:
        times = product_times(case, gpu, first, resources)
    bound = max(times, key=times.get)
    if not case.flops:
        return times[bound], bound
    sums = sum(row.bytes for row in later) / gpu.bandwidth / 1e9  # of parts, of taps
    return times[bound] + sums, bound


def memory_times(case, gpu, row, resources):
    """Little's law: bandwidth times latency is how many bytes must be under way.

    A thread of a naive rung has 4 of them under way, of a tiled one at least twice 4 or 16, as the
    machine code shows. Half of all bytes are written, except by kernels that only sum.
    """
    room = occupancy(row, resources) * THREADS * gpu.multiprocessors
    threads = min(row.blocks * row.threads, room)
    each = 4 if "_naive<" in row.name else 2 * 4 * int(row.name[-2])
    only_sums = "sum" in row.name or "statistics" in row.name
    reads = 1 if only_sums else 0.5
    share = threads * each / (gpu.bandwidth * 1e12 * LATENCY * reads)
    memory = case.bytes / gpu.bandwidth / 1e9
    return {"memory": memory, "latency": memory / share}


def product_times(case, gpu, row, resources):
    """Milliseconds of arithmetic, of the caches and of shared memory, {bound: time}."""
    used = share_of_the_gpu(gpu, row, resources)
    peak = gpu.tf32 * MMA_SHARE if "_tensor<" in row.name else gpu.fp32
    shared = 128 * gpu.multiprocessors * gpu.clock / 1000  # TB/s: 128 bytes each clock
    if "_naive<" in row.name:
        times = naive_times(case, peak * used, shared * used)
    elif "_shared<" in row.name:
        times = shared_times(case, peak * used, shared * used, L2_BANDWIDTH * used)
    else:
        times = tile_times(case, row, peak * used, shared * used, L2_BANDWIDTH * used)
    times = {"memory": row.bytes / gpu.bandwidth, **times}
    return {bound: time / 1e9 for bound, time in times.items()}


def share_of_the_gpu(gpu, row, resources):
    """A wave is all blocks that are there at once; the last wave's empty places are lost."""
    blocks_at_once = max(1, round(occupancy(row, resources) * THREADS / row.threads))
    waves = row.blocks / (gpu.multiprocessors * blocks_at_once)
    if waves > 1:
        return waves / math.ceil(waves)
    return min(1, row.blocks / gpu.multiprocessors)


def naive_times(case, peak, first_level):
    """Two numbers per multiplication come from the first-level cache, which is shared memory too.

    A warp of conv2d reads 32 filters (32 sectors, 8 turns) and one number of x (1 turn).
    """
    loads = 4 * case.flops / first_level
    if case.operation == "conv2d":
        loads *= (8 + 1) / 2
    return {"arithmetic": case.flops / peak, "loads": loads}


def shared_times(case, peak, shared, second_level):
    """Two numbers per multiplication; once in 16 times one comes from the second-level cache."""
    return {
        "arithmetic": case.flops / peak,
        "shared memory": 4 * case.flops / shared,
        "second-level cache": 4 * case.flops / 16 / second_level,
    }


def tile_times(case, row, peak, shared, second_level):
    """A tile's places that lie outside the result are work all the same."""
    tile = tile_bytes(row)
    places = row.grid[0] * row.grid[2] * tile.rows * tile.columns
    flops = case.flops * places / (row.results / row.grid[1])
    return {
        "arithmetic": flops / peak,
        "second-level cache": flops * tile.from_cache / second_level,
        "shared memory": flops * tile.through_shared / shared,
    }


class Tile(NamedTuple):
    rows: int
    columns: int
    from_cache: float  # bytes from the second-level cache for each operation of its loop
    through_shared: float  # and through shared memory


def tile_bytes(row):
    """The Tile of a tiled or a tensor kernel, from the numbers in its name."""
    numbers = row.name.split("<")[1].rstrip(">").split(", ")
    if "_tensor<" in row.name:
        rows, columns, down = map(int, numbers[:3])
        warps = row.threads // 32
        read = warps * (rows // down + columns // (warps // down))
    else:
        rows, columns = map(int, numbers[1:3])
        # per step: a warp's 2 x 16 threads share their rows and their columns
        read = 16 * rows // 2 + 8 * columns
    operations = 2 * rows * columns
    written = rows + columns
    return Tile(rows, columns, 4 * written / operations, 4 * (read + written) / operations)
