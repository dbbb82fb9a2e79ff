"""Runs a kernel of kernels/*.cu on one rung against the loops of reference.py.

It runs on the host device, in one schedule of threads and blocks; or, where MINIGAN_DEVICE is
cuda, on the GPU, with a schedule of its own. Arrays are NumPy's on both: to the GPU they go with
their gaps and their place in memory.
"""

import contextlib
import ctypes
import os
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from strategies import in_layout

import minigan as mg
from minigan import devices
from minigan.backends import reference

rungs = st.sampled_from(("naive", "tiled"))
seeds = st.integers(0, 2**32 - 1)


@contextlib.contextmanager
def on_device(rung, seed, host=False):
    """The kernels' namespace with this rung forced and, on the host device, this schedule of
    threads and blocks.

    host: take the host device even where there is a GPU, for what only it can say.
    """
    name = "cuda" if os.environ.get("MINIGAN_DEVICE") == "cuda" and not host else "host"
    with mock.patch.dict(os.environ, MINIGAN_HOST_SEED=str(seed)), mg.device(name), mg.rung(rung):
        yield devices.kernels if name == "host" else OnGpu()


class OnGpu:
    """The kernels' namespace, for NumPy arrays: what a kernel changes in place is changed in
    them.
    """

    def __getattr__(self, name):
        def call(*arguments):
            twins = mapped_in_lists(lambda a: as_it_lies(a, devices.xp), arguments)
            y = getattr(devices.kernels, name)(*twins)
            for a, twin in pairs(arguments, twins):
                if a.flags.writeable:
                    a[...] = devices.to_numpy(twin)
            return (
                tuple(map(devices.to_numpy, y))
                if isinstance(y, tuple)
                else y
                if y is None
                else devices.to_numpy(y)
            )

        return call


def as_it_lies(a, xp):
    """A copy of an array with its strides, and at an address that is as good: what it is a view
    of is copied whole.
    """
    if not a.size:
        return xp.empty(a.shape, a.dtype)
    whole = a
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    low, high = np.lib.array_utils.byte_bounds(whole)
    room = xp.empty(high - low + 512, np.uint8)  # memory on a GPU begins at a multiple of 512
    numbers = np.frombuffer((ctypes.c_uint8 * (high - low)).from_address(low), np.uint8)
    room[low % 512 : low % 512 + high - low] = xp.asarray(numbers)
    return xp.ndarray(a.shape, a.dtype, room.data + (low % 512 + a.ctypes.data - low), a.strides)


def mapped_in_lists(f, arguments):
    """The arguments with f applied to the arrays among them, also in lists."""
    return [
        mapped_in_lists(f, a) if isinstance(a, list) else f(a) if isinstance(a, np.ndarray) else a
        for a in arguments
    ]


def pairs(arguments, twins):
    """The arrays among the arguments, also in lists, each with its twin."""
    for a, twin in zip(arguments, twins):
        if isinstance(a, list):
            yield from pairs(a, twin)
        elif isinstance(a, np.ndarray):
            yield a, twin


def results(kernels, name, arguments):
    """What a kernel returns, as a tuple."""
    y = getattr(kernels, name)(*arguments)
    return y if isinstance(y, tuple) else (y,)


def mapped(f, arguments):
    """The arguments with f applied to the arrays among them."""
    return [np.asarray(f(a)) if isinstance(a, (np.ndarray, np.generic)) else a for a in arguments]


def compare_with_reference(name, arguments, dtype, layout, rung, seed, terms=1, oracle=reference):
    """Run one kernel; AssertionError where it differs from the loops by more than the rounding of
    a sum of `terms`.

    The loops run in float64 on the very numbers that the kernel is given, so what is left is the
    kernel's own rounding: for terms of unit size at most a few eps sqrt(terms).
    """
    arguments = mapped(lambda a: in_layout(np.asarray(a, dtype), layout), arguments)
    exact = mapped(np.float64, arguments)
    tolerance = 16 * np.finfo(dtype).eps * max(8, terms) ** 0.5
    with on_device(rung, seed) as kernels:
        actual = results(kernels, name, arguments)
    for y, expected in zip(actual, results(oracle, name, exact), strict=True):
        assert y.dtype == dtype and y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)
    for a, before in zip(arguments, exact):
        np.testing.assert_array_equal(a, before, "the kernel wrote to its input")


def compare_off_the_grid(name, arguments, rung="tiled"):
    """Compare with one array at a time at an address that 16 does not divide: wide loads would be
    misaligned there.
    """
    arguments = mapped(np.float32, arguments)
    for i, a in enumerate(arguments):
        if isinstance(a, np.ndarray):
            shifted = np.concatenate([a.ravel()[:1], a.ravel()])[1:].reshape(a.shape)
            some = [*arguments[:i], shifted, *arguments[i + 1 :]]
            compare_with_reference(name, some, np.float32, "contiguous", rung, i)


def image(case, numbers=4000):
    """Normal numbers (N, C) or (N, C, H, W): few or many channels, with or without a factor of 4,
    few or many rows.
    """
    c = case.of(3, 4, 1, 8, 5, 12, 36, 130, 260)
    rows = max(1, numbers // c)
    if case.choose(0, 1):
        return case.normal(case.choose(1, min(rows, 70)), c)
    n, h = case.choose(1, min(3, rows)), case.choose(1, min(rows, 20))
    return case.normal(n, c, h, case.choose(1, max(1, rows // (n * h))))
