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
    """The kernels' namespace with this rung forced and, on the host device, this schedule.

    host: take the host device even where there is a GPU, for what only it can say.
    """
    is_gpu = os.environ.get("MINIGAN_DEVICE") == "cuda" and not host
    schedule = mock.patch.dict(os.environ, MINIGAN_HOST_SEED=str(seed))
    with schedule, mg.device("cuda" if is_gpu else "host"), mg.rung(rung):
        yield OnGpu() if is_gpu else devices.kernels


class OnGpu:
    """The kernels' namespace, for NumPy arrays, which a kernel may change in place."""

    def __getattr__(self, name):
        def call(*arguments):
            twins = mapped_in_lists(lambda a: as_it_lies(a, devices.xp), arguments)
            y = getattr(devices.kernels, name)(*twins)
            for a, twin in pairs(arguments, twins):
                if a.flags.writeable:
                    a[...] = devices.to_numpy(twin)
            if y is None:
                return None
            if isinstance(y, tuple):
                return tuple(map(devices.to_numpy, y))
            return devices.to_numpy(y)

        return call


def as_it_lies(a, xp):
    """A copy of an array with its strides, at an address with the same alignment.

    The array that it is a view of is copied whole.
    """
    if not a.size:
        return xp.empty(a.shape, a.dtype)
    whole = a
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    low, high = np.lib.array_utils.byte_bounds(whole)
    size = high - low
    memory = (ctypes.c_uint8 * size).from_address(low)
    room = xp.empty(size + 512, np.uint8)
    begin = low % 512  # memory on a GPU begins at a multiple of 512
    room[begin : begin + size] = xp.asarray(np.frombuffer(memory, np.uint8))
    offset = begin + a.ctypes.data - low
    return xp.ndarray(a.shape, a.dtype, room.data + offset, a.strides)


def mapped_in_lists(f, arguments):
    """The arguments with f applied to the arrays among them, also in lists."""
    found = []
    for a in arguments:
        if isinstance(a, list):
            a = mapped_in_lists(f, a)
        elif isinstance(a, np.ndarray):
            a = f(a)
        found.append(a)
    return found


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
    found = []
    for a in arguments:
        if isinstance(a, (np.ndarray, np.generic)):
            a = np.asarray(f(a))
        found.append(a)
    return found


def compare_with_reference(name, arguments, dtype, layout, rung, seed, terms=1, oracle=reference):
    """Run one kernel; AssertionError where it differs from the loops by more than rounding.

    The loops run in float64 on the very numbers that the kernel is given, so what is left is the
    kernel's own rounding: for a sum of `terms` of unit size at most a few eps sqrt(terms).
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
    """Compare with one array at a time at an address that 16 does not divide.

    Wide loads would be misaligned there.
    """
    arguments = mapped(np.float32, arguments)
    for i, a in enumerate(arguments):
        if isinstance(a, np.ndarray):
            numbers = a.ravel()
            shifted = np.concatenate([numbers[:1], numbers])[1:]
            some = list(arguments)
            some[i] = shifted.reshape(a.shape)
            compare_with_reference(name, some, np.float32, "contiguous", rung, i)


def image(case, numbers=4000):
    """Normal numbers (N, C) or (N, C, H, W).

    Channels are few or many, with or without a factor of 4; rows are few or many.
    """
    c = case.of(3, 4, 1, 8, 5, 12, 36, 130, 260)
    rows = max(1, numbers // c)
    if case.choose(0, 1):
        n = case.choose(1, min(rows, 70))
        return case.normal(n, c)
    n = case.choose(1, min(3, rows))
    h = case.choose(1, min(rows, 20))
    w = case.choose(1, max(1, rows // (n * h)))
    return case.normal(n, c, h, w)
