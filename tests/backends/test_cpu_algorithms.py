"""Which algorithm serves which convolution, as the table of bench_layers.py shows it."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch, which draws the benchmarks' operands, is missing")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import bench_layers  # noqa: E402

# a layer, and the algorithms of its output, its input gradient and its weight gradient
SERVED = """
    3x3 1  20 ->  20   24  4 1: Winograd, 3x3 / Winograd, 3x3 / Winograd, 3x3
    3x3 1  20 ->  20    3  2 1: im2col / im2col / im2col
    3x3 1   3 ->  20   24  4 1: im2col / multiply, then shift / im2col
    3x3 1  20 ->   3   24  4 1: multiply, then shift / im2col / im2col
    3x3 2  20 ->  20   24  4 1: im2col / im2col / im2col
    3x3 T  20 ->  20   12  4 1: im2col / im2col / im2col
    4x4 2  20 ->  20   16  4 1: Winograd, 4x4 / Winograd, 4x4 / Winograd, 4x4
    4x4 2  20 ->  20   18  4 1: im2col / im2col / im2col
    4x4 2  20 ->  20   12  4 1: im2col / im2col / im2col
    4x4 2 260 ->  20   16  4 1: im2col / im2col / im2col
    4x4 1  20 ->  20    4  4 0: one product / one product / one product
    1x1 1  20 ->  20   16  4 0: im2col / im2col / im2col
"""


@pytest.mark.parametrize("row", SERVED.strip().splitlines())
def test_each_pass_is_served_by_its_algorithm(row):
    line, algorithms = row.split(":")
    layer = bench_layers.parsed(line)
    arrays = bench_layers.operands(layer)
    passes = bench_layers.our_passes(layer, *arrays)
    found = [bench_layers.algorithm_of(function) for function in passes.values()]
    assert " / ".join(found) == algorithms.strip()


@pytest.mark.parametrize("line", bench_layers.LAYERS.strip().splitlines())
def test_every_layer_of_the_table_can_be_read(line):
    layer = bench_layers.parsed(line)
    k, c, *taps = layer.w_shape
    inputs = k if layer.transposed else c
    assert inputs == layer.x_shape[1]
    assert line.split()[0] == "x".join(map(str, taps))
