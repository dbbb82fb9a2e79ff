"""Each kernel on each rung at the sizes of DCGAN and CycleGAN: what it needs, what it could do,
what it does.

On a GPU: time, share of the roofline (the time that the arithmetic or the memory alone would
take), and PyTorch's time in turn on the same numbers. Anywhere: what ptxas and the host device
know without a GPU: registers, shared memory, occupancy, spills, bank conflicts and memory
sectors, and the time that follows from them on an H200.

    python tests/benchmarks/bench_kernels.py   # on the GPU; without one, what is known without
    python tests/benchmarks/bench_kernels.py --static --write kernels/PREDICTIONS.md   # in a file
"""

import argparse
import datetime

from agreement import as_torch, import_torch, largest_error, moved
from common import report
from gpus import GPUS, at_hand, milliseconds
from kernel_cases import every_case, mapped
from memory_requests import memory_requests
from predictions import ARCHITECTURE, LATENCY, launches, occupancy, predicted, roofline

from minigan import devices
from minigan.backends import cuda
from minigan.backends.cuda import launch, rungs
from minigan.backends.cuda.resources import resources

LONGEST = 0.5  # seconds; a kernel that must take longer is not run


def with_rungs(cases):
    for case in cases:
        for rung in rungs.RUNGS[case.operation]:
            yield case, rung


def work(case):
    """GFLOP, MB, FLOP per byte."""
    megabytes = f"{case.bytes / 1e6:.1f}"
    if not case.flops:
        return "", megabytes, ""
    return f"{case.flops / 1e9:.2f}", megabytes, f"{case.flops / case.bytes:.0f}"


# ---- without a GPU -------------------------------------------------------------------------------


def known_without_a_gpu(cases, gpu):
    """Two tables: of every kernel at every size, and of every instantiation that they take."""
    rows = []
    first_launch = {}  # of every instantiation
    needs = {}  # of every instantiation: what ptxas says
    for case, rung in with_rungs(cases):
        with rungs.rung(rung):
            found = launches(case)
        for row in found:
            if row.name not in needs:
                needs.update(resources_of_the_file(row.name))
            first_launch.setdefault(row.name, row)
        time, bound = predicted(case, gpu, found, needs)
        ideal = roofline(case, gpu, rung)
        times = f"{1000 * ideal:.1f}", f"{1000 * time:.1f}", bound, f"{ideal / time:.0%}"
        rows.append([case.operation, rung, case.size, *work(case), in_short(found), *times])
    return rows, [static_row(row, needs) for row in first_launch.values()]


def resources_of_the_file(name):
    """{"file:instantiation": what ptxas says} of the file in which this kernel is."""
    file = name.split(":")[0]
    found = resources(file, launch.instantiations[file], ARCHITECTURE)
    return {f"{file}:{instantiation}": needs for instantiation, needs in found.items()}


def static_row(row, needs):
    found = needs[row.name]
    kernel = row.name.split(":")[1]
    shared = (found["shared"] + row.shared) / 1024
    return [
        kernel,
        row.threads,
        found["registers"],
        f"{shared:.1f}",
        f"{occupancy(row, needs):.0%}",
        found["spills"],
        found["stack"],
    ]


def in_short(found):
    """The launches: kernel and grid of the first three, and how many more."""
    names = [f"{row.name.split(':')[1]} x {' x '.join(map(str, row.grid))}" for row in found]
    shown = " + ".join(names[:3])
    if len(names) > 3:
        return f"{shown} + {len(names) - 3} more"
    return shown


# ---- on a GPU ------------------------------------------------------------------------------------


def measured(cases, gpu, rounds, torch):
    """Rows for every kernel and rung: time, share of the roofline, and PyTorch's time in turn."""
    for case, rung in with_rungs(cases):
        ideal = roofline(case, gpu, rung)
        row = [case.operation, rung, case.size, *work(case), f"{1000 * ideal:.1f}"]
        seconds = least_seconds(case, rung)
        if seconds > LONGEST:
            yield [*row, f"not run: {seconds:.1f} s by the formula", "", "", "", ""]
            continue
        ours, theirs = in_turn(case, rung, torch, rounds)
        row += [f"{1000 * ours:.1f}", f"{ideal / ours:.0%}"]
        if torch is None:
            yield [*row, "no PyTorch", "", ""]
        else:
            error = largest_error(case, rung, torch)
            yield [*row, f"{1000 * theirs:.1f}", f"{theirs / ours:.2f}", f"{error:.2f}"]


def least_seconds(case, rung):
    """What the first kernel of a naive, memory-bound case takes at least.

    Each of its threads waits for one load at a time.
    """
    if case.flops or rung != "naive":
        return 0
    with rungs.rung(rung):
        row = launches(case._replace(arguments=mapped(moved, case.arguments)))[0]
    loads = case.bytes / 4
    return loads * LATENCY / (row.blocks * row.threads)


def in_turn(case, rung, torch, rounds):
    """Milliseconds of minigan, and of PyTorch or None."""
    xp = devices.xp
    arguments = mapped(moved, case.arguments)
    kernel = getattr(cuda, case.operation)
    with rungs.rung(rung):
        ours = milliseconds(lambda: kernel(*arguments), xp, rounds)
    if torch is None:
        return ours, None
    twins = mapped(lambda a: as_torch(torch, moved(a)), case.arguments)
    return ours, milliseconds(lambda: case.torch(torch, *twins), xp, rounds)


# ---- the tables ----------------------------------------------------------------------------------

SIZES = ["kernel", "rung", "size", "GFLOP", "MB", "FLOP/byte"]
MEASURED = ["roofline us", "us", "of roofline", "PyTorch us", "PyTorch / minigan", "error"]
PREDICTED = ["launch", "roofline us", "predicted us", "bound", "of roofline"]
STATIC = ["kernel", "threads", "registers", "shared KB", "occupancy", "spilled", "stack"]
REQUESTS = ["kernel", "shared requests", "bank conflicts", "sectors per request", "at best"]


def main(argv=None):
    args = parse(argv)
    cases = [case for case in every_case() if args.only in case.operation]
    if devices.name == "cuda" and not args.static:
        report_measured(cases, args.rounds, args.write)
    else:
        devices.set_device("host", "the kernels' static figures need no GPU")
        report_known(cases, args.write)


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options = [
        ("--only", "TEXT", "only kernels whose name holds this"),
        ("--write", "FILE", "put the tables between the markers of a markdown file"),
    ]
    for name, metavar, words in options:
        parser.add_argument(name, metavar=metavar, default="", help=words)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--static", action="store_true", help="what is known without a GPU, also where there is one"
    )
    return parser.parse_args(argv)


def report_measured(cases, rounds, path):
    gpu = at_hand()
    torch = import_torch()
    rows = []
    for row in measured(cases, gpu, rounds, torch):
        print(*row, sep=" | ", flush=True)  # in case that the table is never reached
        rows.append(row)
    report("measured", SIZES + MEASURED, rows, caption_of(gpu, torch), path)
    wrong = [row for row in rows if row[-1] and not float(row[-1]) <= 1]
    if wrong:
        raise SystemExit(
            f"{len(wrong)} results differ from PyTorch's by more than rounding, the first: "
            f"{wrong[0]}"
        )


def caption_of(gpu, torch):
    peaks = f"peaks {gpu.fp32} (float32) and {gpu.tf32} TFLOP/s (TF32)"
    machine = f"{datetime.date.today()}, {devices.describe()}; copy {gpu.bandwidth:.2f} TB/s"
    if torch is None:
        return f"{machine}; {peaks}; no PyTorch"
    return (
        f"{machine}; {peaks}; PyTorch {torch.__version__} with cuDNN "
        f"{torch.backends.cudnn.version()}, its defaults for convolutions, channels_last; error: "
        "as a share of what rounding explains"
    )


def report_known(cases, path):
    today = datetime.date.today()
    rows, kernels = known_without_a_gpu(cases, GPUS[0])
    predictions = f"{today}: predicted for an {GPUS[0].name}, not measured"
    report("predicted", SIZES + PREDICTED, rows, predictions, path)
    report("static", STATIC, kernels, f"{today}: what ptxas says for {ARCHITECTURE}", path)
    requests = list(memory_requests())
    counted = f"{today}: counted by the host device on small arrays"
    report("requests", REQUESTS, requests, counted, path)


if __name__ == "__main__":
    main()
