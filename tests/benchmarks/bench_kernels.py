"""Each kernel on each rung at the sizes of DCGAN and CycleGAN: what it needs, what it could do,
what it does.

On a GPU: time, share of the roofline (the time that the arithmetic or the memory alone would
take), and PyTorch's time in turn on the same numbers. Anywhere: what ptxas and the host device
know without a GPU: registers, shared memory, occupancy, spills, bank conflicts and memory
sectors, and the time that follows from them on an H200.

    python tests/benchmarks/bench_kernels.py            # on the GPU, or what is known without one
    python tests/benchmarks/bench_kernels.py --write kernels/README.md
                                                        # keeps the tables between their markers
"""

import argparse
import datetime

from common import report
from gpus import GPUS, gpu_at_hand
from kernel_cases import convolutions, import_torch, memory_bound
from measurements import copy_bandwidth, measured
from memory_requests import memory_requests
from predictions import ARCHITECTURE, known_without_a_gpu

from minigan import devices

SIZES = ["kernel", "rung", "size", "GFLOP", "MB", "FLOP/byte"]
MEASURED = ["roofline us", "us", "of roofline", "PyTorch us", "PyTorch / minigan", "error"]
PREDICTED = ["launch", "roofline us", "predicted us", "bound", "of roofline"]
STATIC = ["kernel", "threads", "registers", "shared KB", "occupancy", "spilled", "stack"]
REQUESTS = ["kernel", "shared requests", "bank conflicts", "sectors per request", "at best"]


def main(argv=None):
    args = parse(argv)
    cases = []
    for case in [*convolutions(), *memory_bound()]:
        if args.only in case.operation:
            cases.append(case)
    if devices.name == "cuda" and not args.static:
        write_measured(cases, args)
    else:
        devices.set_device("host", "the kernels' static figures need no GPU")
        write_known_without_a_gpu(cases, args)


def parse(argv):
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
    return parser.parse_args(argv)


def write_measured(cases, args):
    """The table of what this GPU does; ends with an error if a result is not PyTorch's."""
    gpu = gpu_at_hand()
    gpu = gpu._replace(bandwidth=copy_bandwidth(devices.xp))
    torch = import_torch()
    rows = []
    for row in measured(cases, gpu, args.rounds, torch):
        print(*row, sep=" | ", flush=True)  # should it not come to the table
        rows.append(row)
    report("measured", [*SIZES, *MEASURED], rows, measured_caption(gpu, torch), args.write)
    wrong = [row for row in rows if row[-1] and not float(row[-1]) <= 1]
    if wrong:
        raise SystemExit(
            f"{len(wrong)} results differ from PyTorch's by more than rounding, the first: "
            f"{wrong[0]}"
        )


def measured_caption(gpu, torch):
    peer = "no PyTorch"
    if torch:
        peer = (
            f"PyTorch {torch.__version__} with cuDNN {torch.backends.cudnn.version()}, its "
            "defaults for convolutions, channels_last; error: as a share of what rounding explains"
        )
    return (
        f"{datetime.date.today()}, {devices.describe()}; copy {gpu.bandwidth:.2f} TB/s; "
        f"peaks {gpu.fp32} (float32) and {gpu.tf32} TFLOP/s (TF32); {peer}"
    )


def write_known_without_a_gpu(cases, args):
    """Three tables: predicted times, resources, and requests to memory."""
    today = datetime.date.today()
    gpu = GPUS[0]
    rows, kernels = known_without_a_gpu(cases, gpu)
    caption = f"{today}: predicted for an {gpu.name}, not measured"
    report("predicted", [*SIZES, *PREDICTED], rows, caption, args.write)
    caption = f"{today}: what ptxas says for {ARCHITECTURE}"
    report("static", STATIC, kernels, caption, args.write)
    caption = f"{today}: counted by the host device on small arrays"
    report("requests", REQUESTS, list(memory_requests()), caption, args.write)


if __name__ == "__main__":
    main()
