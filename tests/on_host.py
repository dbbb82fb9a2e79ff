"""Runs a kernel of kernels/*.cu on the host device: on one rung, in one schedule, against the loops of reference.py."""
import contextlib
import os
from unittest import mock

import numpy as np
from hypothesis import strategies as st

import minigan as mg
from minigan import devices, reference
from strategies import in_layout

rungs = st.sampled_from(("naive", "tiled"))
seeds = st.integers(0, 2 ** 32 - 1)


@contextlib.contextmanager
def on_host(rung, seed):
    """The kernels' namespace on the host device, with this rung forced and this schedule of threads and blocks."""
    with mock.patch.dict(os.environ, MINIGAN_HOST_SEED=str(seed)), mg.device("host"), mg.rung(rung):
        yield devices.kernels


def results(kernels, name, arguments):
    """What a kernel returns, as a tuple."""
    y = getattr(kernels, name)(*arguments)
    return y if isinstance(y, tuple) else (y,)


def mapped(f, arguments):
    """The arguments with f applied to the arrays among them."""
    return [np.asarray(f(a)) if isinstance(a, (np.ndarray, np.generic)) else a for a in arguments]


def compare_with_reference(name, arguments, dtype, layout, rung, seed, terms=1, oracle=reference):
    """Run one kernel; AssertionError where it differs from the loops by more than the rounding of a sum of `terms`.

    The loops run in float64 on the very numbers that the kernel is given, so what is left is the kernel's own rounding:
    for terms of unit size at most a few eps sqrt(terms).
    """
    arguments = mapped(lambda a: in_layout(np.asarray(a, dtype), layout), arguments)
    exact = mapped(np.float64, arguments)
    tolerance = 16 * np.finfo(dtype).eps * max(8, terms) ** 0.5
    with on_host(rung, seed) as kernels:
        actual = results(kernels, name, arguments)
    for y, expected in zip(actual, results(oracle, name, exact), strict=True):
        assert y.dtype == dtype and y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)
    for a, before in zip(arguments, exact):
        np.testing.assert_array_equal(a, before, "the kernel wrote to its input")


def compare_off_the_grid(name, arguments, rung="tiled"):
    """Compare with one array at a time at an address that 16 does not divide: wide loads would be misaligned there."""
    arguments = mapped(np.float32, arguments)
    for i, a in enumerate(arguments):
        if isinstance(a, np.ndarray):
            shifted = np.concatenate([a.ravel()[:1], a.ravel()])[1:].reshape(a.shape)
            some = [*arguments[:i], shifted, *arguments[i + 1:]]
            compare_with_reference(name, some, np.float32, "contiguous", rung, i)


def image(case, numbers=4000):
    """Normal numbers (N, C) or (N, C, H, W): few or many channels, with or without a factor of 4, few or many rows."""
    c = case.of(3, 4, 1, 8, 5, 12, 36, 130, 260)
    rows = max(1, numbers // c)
    if case.choose(0, 1):
        return case.normal(case.choose(1, min(rows, 70)), c)
    n, h = case.choose(1, min(3, rows)), case.choose(1, min(rows, 20))
    return case.normal(n, c, h, case.choose(1, max(1, rows // (n * h))))
