"""Runs the kernels of the three convolutions and holds them against the loops of reference.py.

How far a sum may be off is known: with unit roundoff u, n products a b come out within (n + 2) u
sum |a b|, in whatever order they are added (Higham, Accuracy and Stability of Numerical
Algorithms, 3.1). TF32 rounds both factors to a relative 2^-11 first. So the bound is the
operation itself on |a| and |b|, number by number.
"""

import contextlib
import os
from typing import NamedTuple
from unittest import mock

import numpy as np
import pytest
from hypothesis import strategies as st
from on_device import mapped, on_device
from strategies import convolution, in_layout, transposed_convolution

from minigan.backends import reference
from minigan.backends.cuda import launch, sources
from minigan.backends.host import machine

TF32 = 2.0**-11
rungs = st.sampled_from(
    (
        ("naive", np.float32),
        ("naive", np.float64),
        ("tiled", np.float32),
        ("tiled", np.float64),
        ("tensor", np.float32),
    )
)


def draw(name, case):
    """Arguments of an operation with odd shapes.

    One in two has channels that 16 bytes divide; some have many images.
    """
    images = case.of(1, 1, 1, 14)
    wide = case.of(1, 4)
    tall = case.of(1, 4, 3)
    if name == "conv_transpose2d":
        x, weight, stride, padding, output_padding = transposed_convolution(case)
        n, k, p, q = x.shape
        _, c, r, s = weight.shape
        x = case.normal(n * images, k * tall, p, q)
        weight = case.normal(k * tall, c * wide, r, s)
        return [x, weight, stride, padding, output_padding]
    x, weight, stride, padding = convolution(case)
    n, c, h, w = x.shape
    k, _, r, s = weight.shape
    x = case.normal(n * images, c * wide, h, w)
    if name == "conv2d":
        return [x, case.normal(k * tall, c * wide, r, s), stride, padding]
    g = case.normal(n * images, k * tall, *map_size((h, w), (r, s), stride, padding))
    return [x, g, (r, s), stride, padding]


def map_size(image, kernel, stride, padding):
    """The height and width of a convolution's output."""
    size = []
    for n, taps, step, pad in zip(image, kernel, stride, padding):
        size.append((n + 2 * pad - taps) // step + 1)
    return tuple(size)


class Sizes(NamedTuple):
    """The sizes of a convolution, in PyTorch's order."""

    images: tuple  # (N, C, H, W); of a transposed convolution (N, K, P, Q)
    weight: tuple  # (K, R, S); of a transposed convolution (C, R, S)
    stride: tuple = (1, 1)
    padding: tuple = (0, 0)
    output_padding: tuple = (0, 0)


def read_sizes(text):
    """ "2 4 5 5 | 8 3 3 | 2 1 | 1 1" -> Sizes. The last columns may be missing."""
    columns = [tuple(map(int, column.split())) for column in text.split("|")]
    return Sizes(*columns)


def arguments(name, case, text, dtype=np.float64):
    """Arguments of an operation with the sizes that the text tells: see read_sizes."""
    images, weight, stride, padding, output_padding = read_sizes(text)
    n, channels, *image = images
    maps, *taps = weight
    x = case.normal(*images).astype(dtype)
    if name == "conv2d":
        w = case.normal(maps, channels, *taps).astype(dtype)
        return [x, w, stride, padding]
    if name == "conv_transpose2d":
        w = case.normal(channels, maps, *taps).astype(dtype)
        return [x, w, stride, padding, output_padding]
    size = map_size(image, taps, stride, padding)
    g = case.normal(n, maps, *size).astype(dtype)
    return [x, g, tuple(taps), stride, padding]


class TileCase(NamedTuple):
    """A kernel, and sizes for which it must be chosen."""

    kernel: str  # "conv2d_tiled<float, 64, 64, 4, 4>"
    sizes: str

    @property
    def dtype(self):
        return np.float64 if "double" in self.kernel else np.float32

    @property
    def rung(self):
        return self.kernel.split("<")[0].split("_")[-1]


def tile_cases(table):
    """The lines of a table, "kernel | sizes", as TileCases. Its first line names the columns."""
    found = []
    for line in table.strip().splitlines()[1:]:
        kernel, _, sizes = line.partition("|")
        found.append(TileCase(kernel.strip(), sizes))
    return found


def each_tile(cases):
    """Run a test once for each of these TileCases, as its argument `tile`."""
    return pytest.mark.parametrize("tile", cases, ids=[tile.kernel for tile in cases])


def terms(name, a, b, *_):
    """How many products each number of the result adds up, at most."""
    return b[0].size if name == "conv2d" else b[:, 0].size


def run(name, arguments, rung, seed, host=False):
    with on_device(rung, seed, host) as kernels:
        return getattr(kernels, name)(*arguments)


@contextlib.contextmanager
def small_gpu():
    """Tiles are chosen for one multiprocessor, which the largest of them fill on small shapes
    too.
    """
    driver = machine
    if os.environ.get("MINIGAN_DEVICE") == "cuda":
        from minigan.backends.cuda import gpu

        driver = gpu
    target = driver.find_target()._replace(multiprocessors=1)
    with mock.patch.object(driver, "find_target", lambda: target):
        yield


def instantiated(name):
    """The tiled and tensor kernels that rungs.py may ask for."""
    return {
        kernel
        for kernel in launch.instantiations[f"{name}.cu"]
        if kernel.startswith((f"{name}_ti", f"{name}_te"))
    }


def ran(launches):
    """The names of the kernels among what launch.collect_launches() collected."""
    return [one.name.split(":")[1] for one in launches]


def error_bound(name, arguments, dtype, rung):
    """By how much each number of the result may differ from the exact one."""
    magnitudes = mapped(np.abs, arguments)
    relative = (terms(name, *arguments) + 2) * np.finfo(dtype).eps
    if rung == "tensor":
        relative += 2.01 * TF32
    return relative * getattr(reference, name)(*magnitudes)


def check(
    name, arguments, dtype=np.float32, rung="tensor", seed=0, layouts=("contiguous", "contiguous")
):
    """Run a kernel and compare -> the launches.

    The loops see, in float64, the very numbers that the kernel is given.
    """
    a, b, *options = arguments
    given = [in_layout(np.asarray(x, dtype), layout) for x, layout in zip((a, b), layouts)]
    exact = [*(x.astype(np.float64) for x in given), *options]
    with launch.collect_launches() as launches:
        y = run(name, [*given, *options], rung, seed)
    expected = getattr(reference, name)(*exact)
    bound = error_bound(name, exact, dtype, rung)
    assert y.dtype == dtype
    assert y.shape == expected.shape
    error = np.abs(y - expected)
    wrong = ~(error <= bound)
    assert not wrong.any(), (
        f"{wrong.sum()} of {y.size} numbers differ by up to {error[wrong].max()}, "
        f"allowed {bound[wrong].min()}"
    )
    for x, before in zip(given, exact):
        np.testing.assert_array_equal(x, before, "the kernel wrote to its input")
    return launches


def same_bits_whatever_the_schedule(name, arguments, rung):
    """Three orders of threads, blocks and landing copies."""
    results = [run(name, arguments, rung, seed) for seed in (1, 2, 3)]
    for y in results[1:]:
        assert y.tobytes() == results[0].tobytes()


def whole_numbers_come_out_exact(name, arguments, rung):
    """A sum or a part of one that is rounded to TF32 on its way shows.

    TF32 holds whole numbers up to 2^11, float32 sums up to 2^24. Among the results are numbers that
    TF32 could not hold.
    """
    whole = mapped(lambda a: np.round(300 * np.float32(a)), arguments)
    y = run(name, whole, rung, 0)
    expected = getattr(reference, name)(*whole)
    assert 2**11 < abs(expected).max() < 2**24
    assert (expected % 2 != 0).any()
    np.testing.assert_array_equal(y, expected)


def conflicts_in_the_loop(name, arguments):
    """Turns of shared memory's banks in the tensor kernel's loop -> (beyond the least, all).

    The places of the rows are read once per block, before the loop, in Copier::take: these are
    left out.
    """
    with launch.collect_launches(counting=True) as launches:
        run(name, arguments, "tensor", 0, host=True)
    conflicts = 0
    turns = 0
    for line in launches[0].report.lines:
        if line.space == "shared" and not places_of_take() & set(line.places):
            conflicts += line.cost - line.ideal
            turns += line.cost
    return conflicts, turns


def places_of_take():
    """The lines of Copier::take that read shared memory: a set of (file, line)."""
    source = (sources.kernels_folder() / "gemm.cuh").read_text(encoding="utf-8")
    places = set()
    for number, line in enumerate(source.splitlines(), 1):
        if "own[0] = rows" in line or "own[i] = rows" in line:
            places.add(("gemm.cuh", number))
    return places


IMAGES = (2, 3, 0, 1)  # the orders in which the kernels want them in memory
WEIGHTS = (0, 2, 3, 1)


def the_same_bits_off_the_grid(name, arguments, rung):
    """Where 16 does not divide an array's address, other kernels must run.

    16-byte loads would be misaligned.
    """
    a, b, *options = arguments
    order = IMAGES if name == "conv2d_weight_grad" else WEIGHTS
    with launch.collect_launches() as launches:
        aligned = run(name, arguments, rung, 0)
        for some in ([_shifted(a, IMAGES), b], [a, _shifted(b, order)]):
            assert run(name, [*some, *options], rung, 0).tobytes() == aligned.tobytes()
    first, *others = ran(launches)
    assert first not in others


def _shifted(a, order):
    """The same numbers in this order of memory, one number behind a multiple of 16 bytes."""
    room = np.empty(a.size + 8, a.dtype)
    start = -(room.ctypes.data // a.itemsize) % 4 + 1
    view = room[start : start + a.size].reshape([a.shape[axis] for axis in order])
    view[...] = a.transpose(order)
    return view.transpose(np.argsort(order))


def a_nan_spreads_as_in_the_loops(name, arguments, rung):
    """It reaches every sum that it belongs to, and padding multiplies it into no other."""
    arguments[0].flat[arguments[0].size // 2] = np.nan
    exact = np.isnan(getattr(reference, name)(*arguments))
    np.testing.assert_array_equal(np.isnan(run(name, arguments, rung, 0)), exact)
    assert 0 < exact.sum() < exact.size
