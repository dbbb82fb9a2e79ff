"""Each kernel on each rung at the sizes of DCGAN and CycleGAN: what it needs, what it could do,
what it does.

On a GPU: time, share of the roofline (the time that the arithmetic or the memory alone would
take), and PyTorch's time in turn on the same numbers. Anywhere: what ptxas and the host device
know without a GPU: registers, shared memory, occupancy, spills, bank conflicts and memory
sectors, and the time that follows from them on an H200.

    python tests/benchmarks/bench_kernels.py   # on the GPU; without one, what is known without
    python tests/benchmarks/bench_kernels.py --write kernels/README.md   # between their markers
"""

import argparse
import datetime
import functools
import math
from collections import namedtuple
from unittest import mock

import numpy as np
from common import report
from kernel_cases import (
    as_torch,
    convolutions,
    image,
    import_torch,
    largest_error,
    mapped,
    memory_bound,
    moved,
)

from minigan import devices
from minigan.backends import cuda
from minigan.backends.cuda import launch
from minigan.backends.cuda import rungs as ladder
from minigan.backends.cuda.architectures import occupancy as share_of_threads
from minigan.backends.cuda.arguments import Out
from minigan.backends.cuda.resources import resources as resources_of

# What a GPU can do: multiprocessors, clock in GHz, TFLOP/s of float32 and of TF32 (dense), TB/s.
# NVIDIA's datasheets; the H200's bandwidth is what a copy reaches (datasheet 4.8), and a GPU that
# is at hand is measured.
Gpu = namedtuple("Gpu", "name multiprocessors clock fp32 tf32 bandwidth")
GPUS = [
    Gpu("H200", 132, 1.755, 67, 495, 4.3),
    Gpu("H100 PCIe", 114, 1.755, 51, 378, 1.8),
    Gpu("H100 NVL", 132, 1.785, 60, 418, 3.5),
    Gpu("H100", 132, 1.755, 67, 495, 3.0),
    Gpu("A100", 108, 1.41, 19.5, 156, 1.7),
]
ARCHITECTURE = "sm_90"  # of an H200
LATENCY = 0.6e-6  # seconds from a load to its number, an assumption
L2_BANDWIDTH = 5.5  # TB/s from the second-level cache, an assumption: NVIDIA publishes none
MMA_SHARE = 2 / 3  # of the TF32 peak that mma.sync reaches on Hopper; the rest belongs to wgmma

Row = namedtuple(
    "Row", "name grid block shared bytes results"
)  # a launch: bytes of its arrays, numbers that it writes


# ---- without a GPU -------------------------------------------------------------------------------


def launches(case):
    """What the operation would launch, with nothing launched."""
    found = []

    def note(plan, args, touches=()):
        outs = [a.array for a in args if type(a) is Out]
        given = [
            *outs,
            *(a for a in args if isinstance(a, devices.xp.ndarray) and a.dtype.names is None),
        ]
        nbytes = sum(a.nbytes for a in given)
        results = sum(a.size for a in outs)
        found.append(Row(plan.kernel, plan.grid, plan.block, plan.shared, nbytes, results))

    with mock.patch.object(launch, "launch", note):
        getattr(cuda, case.operation)(*case.arguments)
    return found


def predicted(case, gpu, found, resources):
    """(milliseconds, what bounds them) of a case on this GPU."""
    times = (product_times if case.flops else memory_times)(case, gpu, found[0], resources)
    bound = max(times, key=times.get)
    more = (
        sum(row.bytes for row in found[1:]) / gpu.bandwidth / 1e9 if case.flops else 0
    )  # sums of parts, of taps
    return times[bound] + more, bound


def memory_times(case, gpu, row, resources):
    """Little's law: bandwidth times latency is how many bytes must be under way.

    A thread of a naive rung has 4 of them so, of a tiled one at least twice 4 or 16, as the
    machine code shows; half of all bytes are written, but for kernels that only sum.
    """
    threads = min(
        math.prod(row.grid) * math.prod(row.block),
        occupancy(row, resources) * 2048 * gpu.multiprocessors,
    )
    each = 4 if "_naive<" in row.name else 2 * 4 * int(row.name[-2])
    reads = 1 if any(word in row.name for word in ("sum", "statistics")) else 0.5
    share = threads * each / (gpu.bandwidth * 1e12 * LATENCY * reads)
    memory = case.bytes / gpu.bandwidth / 1e9
    return {"memory": memory, "latency": memory / share}


def product_times(case, gpu, row, resources):
    """Arithmetic, the caches and shared memory, as far as tiles and blocks come out even.

    A tile's places that lie outside the result are work all the same. A wave is all blocks that
    are there at once; the share of the last wave's places that is empty is lost.
    """
    blocks = math.prod(row.grid)
    waves = blocks / (
        gpu.multiprocessors * max(1, round(occupancy(row, resources) * 2048 / math.prod(row.block)))
    )
    used = waves / math.ceil(waves) if waves > 1 else min(1, blocks / gpu.multiprocessors)
    peak = gpu.tf32 * MMA_SHARE if "_tensor<" in row.name else gpu.fp32
    shared = (
        128 * gpu.multiprocessors * gpu.clock / 1000
    )  # TB/s: 128 bytes a clock of each multiprocessor
    times = {"memory": row.bytes / gpu.bandwidth, "arithmetic": case.flops / (peak * used)}
    if (
        "_naive<" in row.name
    ):  # two numbers from the first-level cache, which is that memory too, per multiplication
        times["loads"] = 4 * case.flops / (shared * used)
        if (
            case.operation == "conv2d"
        ):  # a warp reads 32 filters: 32 sectors, 8 turns, where x is one number, 1 turn
            times["loads"] *= (8 + 1) / 2
    elif (
        "_shared<" in row.name
    ):  # two numbers per multiplication; one of 16 times comes from the second-level cache
        times["shared memory"] = 4 * case.flops / (shared * used)
        times["second-level cache"] = 4 * case.flops / 16 / (L2_BANDWIDTH * used)
    else:
        (rows, columns), once, again = tile_bytes(row)
        flops = (
            case.flops * row.grid[0] * row.grid[2] * rows * columns / (row.results / row.grid[1])
        )
        times["arithmetic"] = flops / (peak * used)
        times["second-level cache"] = flops * once / (L2_BANDWIDTH * used)
        times["shared memory"] = flops * again / (shared * used)
    return {bound: time / 1e9 for bound, time in times.items()}


def tile_bytes(row):
    """The tile, and bytes for each operation of its loop: from the second-level cache, through
    shared memory.
    """
    numbers = row.name.split("<")[1].rstrip(">").split(", ")
    if "_tensor<" in row.name:
        rows, columns, down = map(int, numbers[:3])
        warps = math.prod(row.block) // 32
        read = warps * (rows // down + columns // (warps // down))
    else:
        rows, columns = map(int, numbers[1:3])
        read = (
            16 * rows // 2 + 8 * columns
        )  # per step: a warp's 2 x 16 threads share their rows and their columns
    once, again = (
        4 * numbers / (2 * rows * columns) for numbers in (rows + columns, read + rows + columns)
    )
    return (rows, columns), once, again


def occupancy(row, resources):
    found = resources[row.name]
    return share_of_threads(
        found["registers"], math.prod(row.block), found["shared"] + row.shared, ARCHITECTURE
    )


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
                file = row.name.split(":")[0]
                known = resources_of(file, launch.instantiations[file], ARCHITECTURE)
                resources.update(
                    (f"{file}:{expression}", numbers) for expression, numbers in known.items()
                )
            taken.setdefault(row.name, row)
        milliseconds, bound = predicted(case, gpu, found, resources)
        ideal = roofline(case, gpu, rung)
        rows.append(
            [
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
        )
    return rows, [static_row(row, resources) for row in taken.values()]


def static_row(row, resources):
    found = resources[row.name]
    return [
        row.name.split(":")[1],
        math.prod(row.block),
        found["registers"],
        f"{(found['shared'] + row.shared) / 1024:.1f}",
        f"{occupancy(row, resources):.0%}",
        found["spills"],
        found["stack"],
    ]


def in_short(found):
    """The launches: kernel and grid of the first three, and how many more."""
    names = [f"{row.name.split(':')[1]} x {' x '.join(map(str, row.grid))}" for row in found]
    return " + ".join(names[:3]) + (f" + {len(names) - 3} more" if len(names) > 3 else "")


def work(case):
    """GFLOP, MB, FLOP per byte."""
    return (
        f"{case.flops / 1e9:.2f}" if case.flops else "",
        f"{case.bytes / 1e6:.1f}",
        f"{case.flops / case.bytes:.0f}" if case.flops else "",
    )


def roofline(case, gpu, rung):
    """Milliseconds that the arithmetic or the memory alone would take."""
    return (
        max(case.flops / (gpu.tf32 if rung == "tensor" else gpu.fp32), case.bytes / gpu.bandwidth)
        / 1e9
    )


def with_rungs(cases):
    for case in cases:
        for rung in ladder.RUNGS[case.operation]:
            yield case, rung


def memory_requests(rungs=ladder.ALL):
    """Of each operation on these rungs on the host device: bank conflicts, and sectors of 32
    bytes per request.
    """
    rng = np.random.default_rng(0)
    x = image(rng, 32, 64, 4, 4)
    weight = image(rng, 4, 4, 128, 64).transpose(2, 3, 0, 1)
    g = image(rng, 32, 128, 2, 2)
    row = rng.random(64, np.float32)
    one = np.ones((), np.float32)
    params = [[rng.random(4096, np.float32)] for _ in range(4)]
    mean = rng.random((2, 64), np.float32)
    small = {
        "conv2d": (x, weight, (2, 2), (1, 1)),
        "conv_transpose2d": (g, weight, (2, 2), (1, 1), (0, 0)),
        "conv2d_weight_grad": (x, g, (4, 4), (2, 2), (1, 1)),
        "leaky_relu": (x, 0.2),
        "leaky_relu_grad": (x, x, 0.2),
        "add_bias": (x, row),
        "channel_sum": (x,),
        "batch_norm_statistics": (x, row, row, None, None, 0.1, 1e-5),
        "batch_norm_forward": (x, row, row, row, 0.2),
        "batch_norm_grad": (x, x, x, mean, row, row, 0.2),
        "bce_with_logits": (x, 1.0, "mean"),
        "bce_with_logits_grad": (x, 1.0, one, "mean"),
        "adam": (*params, 2, 2e-4, (0.5, 0.999), 1e-8, 0.0),
    }
    for operation, arguments in small.items():
        for rung in [rung for rung in ladder.RUNGS[operation] if rung in rungs]:
            with launch.collect_launches(counting=True) as seen, ladder.rung(rung):
                getattr(cuda, operation)(*arguments)
            for row in seen:
                shared = [line for line in row.report.lines if line.space == "shared"]
                taken, ideal = row.report.sectors_per_request
                yield [
                    row.name.split(":")[1],
                    sum(line.requests for line in shared),
                    row.report.bank_conflicts,
                    f"{taken:.2f}",
                    f"{ideal:.2f}",
                ]


# ---- on a GPU ------------------------------------------------------------------------------------


def milliseconds(function, xp, rounds):
    """The median time of a call on the GPU.

    Before each, ones are written: more than the second-level cache holds, and for half a
    millisecond, in which Python launches what is timed; else it would be Python that is. A call
    that takes long is made fewer times.
    """
    times, (start, end), ones = [], (xp.cuda.Event(), xp.cuda.Event()), _ones(xp)
    while len(times) < 3 + rounds and (len(times) < 4 or sum(times) < 1000):
        for _ in range(8):
            ones.fill(1)
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(xp.cuda.get_elapsed_time(start, end))
    return float(np.median(times[3:]))


@functools.cache
def _ones(xp):
    return xp.empty(64 << 20, np.float32)


def copy_bandwidth(xp):
    """TB/s of a copy inside the GPU's memory."""
    a = xp.ones(1 << 28, np.float32)
    b = xp.empty(1 << 28, np.float32)
    return 2 * a.nbytes / milliseconds(lambda: xp.copyto(b, a), xp, 20) / 1e9


def endless(case):
    """Seconds that the first kernel of a memory-bound case takes at least, where each thread
    waits for one load.
    """
    row = launches(case._replace(arguments=mapped(moved, case.arguments)))[0]
    return (
        0 if case.flops else case.bytes / 4 * LATENCY / (math.prod(row.grid) * math.prod(row.block))
    )


def measured(cases, gpu, rounds, torch):
    """Rows for every kernel and rung: time, share of the roofline, and PyTorch's time in turn on
    the same numbers.
    """
    for case, rung in with_rungs(cases):
        row = [case.operation, rung, case.size, *work(case)]
        ideal = roofline(case, gpu, rung)
        with ladder.rung(rung):
            seconds = endless(case) if rung == "naive" else 0
        if seconds > 0.5:
            yield [
                *row,
                f"{1000 * ideal:.1f}",
                f"not run: {seconds:.1f} s by the formula",
                "",
                "",
                "",
                "",
            ]
            continue
        ours, theirs = in_turn(case, rung, torch, rounds)
        yield [
            *row,
            f"{1000 * ideal:.1f}",
            f"{1000 * ours:.1f}",
            f"{ideal / ours:.0%}",
            *(
                (
                    f"{1000 * theirs:.1f}",
                    f"{theirs / ours:.2f}",
                    f"{largest_error(case, rung, torch):.2f}",
                )
                if torch
                else ("no PyTorch", "", "")
            ),
        ]


def in_turn(case, rung, torch, rounds):
    """Milliseconds of minigan, and of PyTorch or None."""
    xp = devices.xp
    arguments = mapped(moved, case.arguments)
    kernel = getattr(cuda, case.operation)
    with ladder.rung(rung):
        ours = milliseconds(lambda: kernel(*arguments), xp, rounds)
    if torch is None:
        return ours, None
    twins = mapped(lambda a: as_torch(torch, moved(a)), case.arguments)
    return ours, milliseconds(lambda: case.torch(torch, *twins), xp, rounds)


# ---- the tables ----------------------------------------------------------------------------------


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="only kernels whose name holds this"
    )
    parser.add_argument(
        "--static", action="store_true", help="what is known without a GPU, also where there is one"
    )
    parser.add_argument(
        "--write", metavar="FILE", help="put the tables between the markers of a markdown file"
    )
    args = parser.parse_args(argv)
    cases = [case for case in [*convolutions(), *memory_bound()] if args.only in case.operation]
    sizes = ["kernel", "rung", "size", "GFLOP", "MB", "FLOP/byte"]
    today = datetime.date.today()
    if devices.name == "cuda" and not args.static:
        gpu = here()
        torch = import_torch()
        rows = []
        peer = (
            f"PyTorch {torch.__version__} with cuDNN {torch.backends.cudnn.version()}, its "
            "defaults for convolutions, channels_last; error: as a share of what rounding explains"
            if torch
            else "no PyTorch"
        )
        caption = (
            f"{today}, {devices.describe()}; copy {gpu.bandwidth:.2f} TB/s; peaks {gpu.fp32} "
            f"(float32) and {gpu.tf32} TFLOP/s (TF32); {peer}"
        )
        for row in measured(cases, gpu, args.rounds, torch):
            print(*row, sep=" | ", flush=True)  # should it not come to the table
            rows.append(row)
        report(
            "measured",
            [
                *sizes,
                "roofline us",
                "us",
                "of roofline",
                "PyTorch us",
                "PyTorch / minigan",
                "error",
            ],
            rows,
            caption,
            args.write,
        )
        wrong = [row for row in rows if row[-1] and not float(row[-1]) <= 1]
        if wrong:
            raise SystemExit(
                f"{len(wrong)} results differ from PyTorch's by more than rounding, the first: "
                f"{wrong[0]}"
            )
        return
    devices.set_device("host", "the kernels' static figures need no GPU")
    rows, kernels = known_without_a_gpu(cases, GPUS[0])
    report(
        "predicted",
        [*sizes, "launch", "roofline us", "predicted us", "bound", "of roofline"],
        rows,
        f"{today}: predicted for an {GPUS[0].name}, not measured",
        args.write,
    )
    report(
        "static",
        ["kernel", "threads", "registers", "shared KB", "occupancy", "spilled", "stack"],
        kernels,
        f"{today}: what ptxas says for {ARCHITECTURE}",
        args.write,
    )
    report(
        "requests",
        ["kernel", "shared requests", "bank conflicts", "sectors per request", "at best"],
        list(memory_requests()),
        f"{today}: counted by the host device on small arrays",
        args.write,
    )


def here():
    """The row of the GPU at hand, its bandwidth measured; one that is not in the table is asked
    for what it has.
    """
    xp = devices.xp
    name = xp.cuda.runtime.getDeviceProperties(xp.cuda.Device().id)["name"].decode()
    known = next((gpu for gpu in GPUS if gpu.name in name), None) or asked(
        name, xp.cuda.Device().attributes
    )
    return known._replace(bandwidth=copy_bandwidth(xp))


def asked(name, attributes):
    """A row by multiprocessors, clock and generation: multiply-adds per clock, and how many times
    as many of TF32.
    """
    each, times = {70: (64, 1), 75: (64, 1), 80: (64, 8), 90: (128, 7)}.get(
        launch.target.generation, (128, 1)
    )
    count = attributes["MultiProcessorCount"]
    clock = attributes["ClockRate"] / 1e6
    peak = round(2 * count * clock * each / 1000, 1)
    return Gpu(name, count, clock, peak, times * peak, 0)


if __name__ == "__main__":
    main()
