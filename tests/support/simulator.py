"""Small kernels for tests of the simulator: patterns.cu, and a project folder of one's own."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from minigan.backends.cuda.arguments import Out
from minigan.backends.host import compiler, machine

FILE = Path(__file__).parents[1] / "kernels" / "patterns.cu"
TEXT = FILE.read_text(encoding="utf-8")
KERNELS = [name for name in re.findall(r"__global__ void (\w+)\(", TEXT) if name != "program"]
PROGRAMS = ["program<true>", "program<false>"]

needs_a_compiler = pytest.mark.skipif(
    not shutil.which((os.environ.get("CXX") or "g++").split()[0]),
    reason="device host compiles kernels with a C++ compiler",
)


def compile_patterns():
    """All kernels of patterns.cu in one library."""
    compiler.library(FILE, KERNELS + PROGRAMS)


def run(kernel, grid, block, arguments, **options):
    """Run a kernel of patterns.cu on a grid and a block of one axis."""
    return machine.run_kernel(FILE, kernel, (grid,), (block,), arguments, **options)


def numbers(*shape, dtype=np.float32):
    """Normally distributed numbers, the same every time."""
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape).astype(dtype)


def scaled(folder):
    """What scale.cu, the kernel of a project folder, makes of 1."""
    y = np.empty(4, np.float32)
    ones = np.ones(4, np.float32)
    file = folder / "scale.cu"
    compiler.library(file, ["scale"])
    machine.run_kernel(file, "scale", (1,), (4,), [ones, Out(y)])
    return y[0]
