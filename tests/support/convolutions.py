"""Runs the kernels of the three convolutions and holds them against the loops of reference.py.

How far a sum may be off is known: with unit roundoff u, n products a b come out within (n + 2) u
sum |a b|, in whatever order they are added (Higham, Accuracy and Stability of Numerical
Algorithms, 3.1). TF32 rounds both factors to a relative 2^-11 first. So the bound is the
operation itself on |a| and |b|, number by number.
"""

import contextlib
import os
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from on_device import on_device
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
    """Arguments of an operation: odd shapes, one in two with channels that 16 bytes divide, some
    with many images.
    """
    images = case.of(1, 1, 1, 14)
    wide = case.of(1, 4)
    tall = case.of(1, 4, 3)
    if name == "conv_transpose2d":
        (n, k, p, q), (_, c, r, s), *options = (
            getattr(a, "shape", a) for a in transposed_convolution(case)
        )
        return [
            case.normal(n * images, k * tall, p, q),
            case.normal(k * tall, c * wide, r, s),
            *options,
        ]
    (n, c, h, w), (k, _, r, s), stride, padding = (
        getattr(a, "shape", a) for a in convolution(case)
    )
    x = case.normal(n * images, c * wide, h, w)
    if name == "conv2d":
        return [x, case.normal(k * tall, c * wide, r, s), stride, padding]
    return [
        x,
        case.normal(n * images, k * tall, *map_size((h, w), (r, s), stride, padding)),
        (r, s),
        stride,
        padding,
    ]


def map_size(image, kernel, stride, padding):
    """The height and width of a convolution's output."""
    return tuple(
        (n + 2 * pad - r) // step + 1 for n, r, step, pad in zip(image, kernel, stride, padding)
    )


def terms(name, a, b, *_):
    """How many products each number of the result adds up, at most."""
    return {
        "conv2d": b[0].size,
        "conv_transpose2d": b[:, 0].size,
        "conv2d_weight_grad": b[:, 0].size,
    }[name]


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
    magnitudes = [np.abs(a) if isinstance(a, np.ndarray) else a for a in arguments]
    relative = (terms(name, *arguments) + 2) * np.finfo(dtype).eps + (
        2.01 * TF32 if rung == "tensor" else 0
    )
    return relative * getattr(reference, name)(*magnitudes)


def check(
    name, arguments, dtype=np.float32, rung="tensor", seed=0, layouts=("contiguous", "contiguous")
):
    """Run a kernel and compare -> the launches. The loops see, in float64, the very numbers that
    it is given.
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
    wrong = ~(np.abs(y - expected) <= bound)
    assert not wrong.any(), (
        f"{wrong.sum()} of {y.size} numbers differ by up to {np.abs(y - expected)[wrong].max()}, "
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
    """TF32 holds whole numbers up to 2^11, float32 sums up to 2^24; results that TF32 could not
    hold are among them.

    So a rounding that nobody asked for, of a sum on its way out or of a part of one, shows.
    """
    whole = [np.round(300 * np.float32(a)) if isinstance(a, np.ndarray) else a for a in arguments]
    y = run(name, whole, rung, 0)
    expected = getattr(reference, name)(*whole)
    assert 2**11 < abs(expected).max() < 2**24
    assert (expected % 2 != 0).any()
    np.testing.assert_array_equal(y, expected)


def conflicts_in_the_loop(name, arguments):
    """Turns of shared memory's banks beyond the least, in the tensor kernel's loop -> (conflicts,
    turns).

    The places of the rows are read once per block, before the loop, in Copier::take: these are
    left out.
    """
    with launch.collect_launches(counting=True) as launches:
        run(name, arguments, "tensor", 0, host=True)
    source = (sources.kernels_folder() / "gemm.cuh").read_text(encoding="utf-8").splitlines()
    once = {
        ("gemm.cuh", n)
        for n, line in enumerate(source, 1)
        if "own[0] = rows" in line or "own[i] = rows" in line
    }
    lines = [
        line
        for line in launches[0].report.lines
        if line.space == "shared" and not once & set(line.places)
    ]
    return sum(line.cost - line.ideal for line in lines), sum(line.cost for line in lines)


def the_same_bits_off_the_grid(name, arguments, rung):
    """16-byte loads would be misaligned where 16 does not divide an array's address: other
    kernels must run.
    """
    a, b, *options = arguments
    with launch.collect_launches() as launches:
        aligned = run(name, arguments, rung, 0)
        for some in (
            [_shifted(a, IMAGES), b],
            [a, _shifted(b, IMAGES if name == "conv2d_weight_grad" else WEIGHTS)],
        ):
            assert run(name, [*some, *options], rung, 0).tobytes() == aligned.tobytes()
    assert ran(launches)[0] not in ran(launches)[1:]


IMAGES, WEIGHTS = (2, 3, 0, 1), (0, 2, 3, 1)  # the orders in which the kernels want them in memory


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
