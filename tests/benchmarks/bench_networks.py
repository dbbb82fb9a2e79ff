"""Training steps of many networks on a CPU, minigan and PyTorch in turn on the same cores.

    python tests/benchmarks/bench_networks.py --write tests/benchmarks/README.md
    python tests/benchmarks/bench_networks.py --only wgan-gp --seconds 30
    python tests/benchmarks/bench_networks.py --only wgan-gp --profile      # where the time goes

Both libraries run the same text (networks.py, network_steps.py). Each row has a process of its
own, as a training has; within it the libraries take turns, and the table has the medians of the
times and of the ratios turn by turn. Peak memory is that of a process for each library. A ratio
above 1 means that minigan is faster; CPU time is less disturbed by other work on the machine.
"""

import argparse
import cProfile
import json
import os
import pathlib
import pstats
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np
from bench_step import high_water_mark
from bound import bind, library
from common import report, settle, versions

LIBRARIES = "minigan", "PyTorch"
SHOWN = 25  # lines of a profile


class Row(NamedTuple):
    key: str
    title: str
    threads: int
    goal: float
    step: str  # a function of network_steps.py
    options: dict  # its arguments
    before: str = ""  # a step that the process takes first


LARGE = dict(size=128, width=64, blocks=9, batch=1)
SMALL = dict(size=64, width=32, blocks=6, batch=4)
ROWS = [
    Row(
        "cyclegan-128", "CycleGAN, 128x128, width 64, 9 blocks, batch 1", 1, 1.0, "cyclegan", LARGE
    ),
    Row("cyclegan-64", "CycleGAN, 64x64, width 32, 6 blocks, batch 4", 1, 1.1, "cyclegan", SMALL),
    Row("wgan-gp", "WGAN-GP critic, 32x32, width 64, batch 64", 1, 1.1, "wgan_gp", {}),
    Row("dcgan", "DCGAN, 64x64, width 64, batch 32", 2, 1.2, "dcgan", {}),
    Row("mlp", "MLP GAN, 28x28, batch 64", 2, 1.15, "mlp", {}),
    Row("mlp-after", "the same in the process of a DCGAN", 2, 1.0, "mlp", {}, before="dcgan"),
    Row("sn-gan", "SN-GAN ResNet, 32x32, 128 maps, batch 64", 1, 1.0, "sngan", {}),
    Row("pix2pix", "pix2pix U-Net, 64x64, width 64, batch 4", 1, 1.0, "pix2pix", {}),
    Row("srresnet", "SRResNet, 24 to 96 pixels, batch 4", 1, 1.0, "srresnet", {}),
    Row("stylegan2", "StyleGAN2 block, 32x32, 128 maps, batch 16", 1, 1.0, "modulated", {}),
]
HEADER = ["training step", "threads", "minigan ms", "PyTorch ms", "PyTorch / minigan", "goal"]
HEADER += ["CPU time", "minigan peak MB", "PyTorch peak MB", "minigan / PyTorch"]


# ---- in a process of its own ---------------------------------------------------------------------


def step_of(row, name):
    """The row's step with the library of this name, after the step that comes before."""
    steps = bind("network_steps", library(name))
    if row.before:
        earlier = getattr(steps, row.before)()
        earlier()
    return getattr(steps, row.step)(**row.options)


def measure(row, seconds):
    """{library: [(wall seconds, CPU seconds) of each turn]}."""
    import torch

    torch.set_num_threads(row.threads)
    steps = {name: step_of(row, name) for name in LIBRARIES}
    times = {name: [] for name in LIBRARIES}
    for step in steps.values():
        step()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["PyTorch"]) < 3:
        for name, step in steps.items():
            if row.threads > 1:
                settle()
                step()
            times[name].append(timed(step))
    return times


def timed(step):
    """(wall seconds, CPU seconds) of one step."""
    cpu = time.process_time()
    wall = time.perf_counter()
    step()
    wall = time.perf_counter() - wall
    return wall, time.process_time() - cpu


def peak_memory(row, name):
    """Megabytes that three steps need above what the process held after its imports."""
    library(name)
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = high_water_mark()
    step = step_of(row, name)
    for _ in range(3):
        step()
    return high_water_mark() - before


def profile(row, name):
    """Print where a step of the library spends its time."""
    step = step_of(row, name)
    step()
    if name == "PyTorch":
        from torch.profiler import ProfilerActivity
        from torch.profiler import profile as torch_profile

        with torch_profile(activities=[ProfilerActivity.CPU]) as found:
            step()
        print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=SHOWN))
        return
    profiler = cProfile.Profile()
    profiler.runcall(step)
    statistics = pstats.Stats(profiler)
    statistics.strip_dirs().sort_stats("tottime").print_stats(SHOWN)


TASKS = {"measure": measure, "memory": peak_memory, "profile": profile}


def in_a_process(task, row, *arguments):
    """What a task prints in a process of its own, with as many threads as the row says."""
    code = (
        "import json, bench_networks as b; "
        f"row = next(row for row in b.ROWS if row.key == {row.key!r}); "
        f"print(json.dumps(b.TASKS[{task!r}](row, *{arguments!r})))"
    )
    threads = {"OMP_NUM_THREADS": str(row.threads), "OPENBLAS_NUM_THREADS": str(row.threads)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=pathlib.Path(__file__).parent,
        env=os.environ | threads,
        check=True,
        stdout=subprocess.PIPE,
        stderr=None if task != "profile" else subprocess.DEVNULL,
        text=True,
    )
    return done.stdout


# ---- the table -----------------------------------------------------------------------------------


def cells(row, seconds):
    """A line of the table."""
    times = json.loads(in_a_process("measure", row, seconds))
    ours = np.array(times["minigan"])
    theirs = np.array(times["PyTorch"])
    ratio, cpu_ratio = np.median(theirs / ours, axis=0)
    our_ms = 1000 * np.median(ours[:, 0])
    their_ms = 1000 * np.median(theirs[:, 0])
    line = [row.title, row.threads, f"{our_ms:.1f}", f"{their_ms:.1f}", f"{ratio:.2f}"]
    line += [f"{row.goal:.2f}", f"{cpu_ratio:.2f}"]
    return line + memory_cells(row)


def memory_cells(row):
    """Peak memory of both libraries, and its ratio.

    They are empty for a row with a step before: that one's peak is higher, and hides this one's.
    """
    if row.before:
        return ["", "", ""]
    memory = [json.loads(in_a_process("memory", row, name)) for name in LIBRARIES]
    shown = [f"{megabytes:.0f}" for megabytes in memory]
    return [*shown, f"{memory[0] / memory[1]:.2f}"]


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    keys = [row.key for row in ROWS]
    parser.add_argument("--only", choices=keys, help="one row of the table")
    parser.add_argument("--seconds", type=float, default=20, help="of measuring a row (20)")
    parser.add_argument("--profile", action="store_true", help="where the time goes, no table")
    parser.add_argument("--write", metavar="FILE", help="put the table into a markdown file")
    return parser.parse_args()


def main():
    args = parse()
    rows = [row for row in ROWS if args.only in (None, row.key)]
    if args.profile:
        for row in rows:
            for name in LIBRARIES:
                print(f"{row.title}: {name}")
                print(in_a_process("profile", row, name).removesuffix("null\n"))
        return
    lines = []
    for row in rows:
        lines.append(cells(row, args.seconds))
        print(*lines[-1], file=sys.stderr, flush=True)
    report("bench_networks", HEADER, lines, versions(), args.write)


if __name__ == "__main__":
    main()
