"""Adam's CUDA kernels: PyTorch's definition, all parameters in one launch, or in as few as fit."""

import math
from typing import NamedTuple
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from on_device import on_device, rungs, seeds
from strategies import DTYPES, cases, dtypes, fixed_case, in_layout, layouts

from minigan.backends import reference
from minigan.backends.cuda import adam_step, launch


class Options(NamedTuple):
    """What a step is told beside the arrays."""

    step: int = 3
    lr: float = 0.01
    betas: tuple = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0


DCGAN = Options(lr=2e-4, betas=(0.5, 0.999))


class Arrays(NamedTuple):
    """A list of arrays each, one for every parameter."""

    p: list
    g: list
    m: list
    v: list

    def copies(self):
        """The same numbers, contiguous, in memory of their own."""
        return Arrays(*([a.copy() for a in arrays] for arrays in self))

    def bits(self):
        """All numbers as bytes."""
        return b"".join(a.tobytes() for a in self.all())

    def all(self):
        """The arrays in one list."""
        return self.p + self.g + self.m + self.v


def make_arrays(case, shapes, dtype, layout="contiguous"):
    """Parameters, gradients and both moments, writable, in this memory layout."""

    def laid_out(a):
        return in_layout(a.astype(dtype), layout).copy(order="K")

    made = Arrays([], [], [], [])
    for arrays in (made.p, made.g, made.m):
        for shape in shapes:
            arrays.append(laid_out(case.normal(*shape)))
    for shape in shapes:
        made.v.append(laid_out(case.positive(*shape)))
    return made


def pytorch_step(p, g, m, v, options):
    """One step of torch.optim.Adam's single-tensor code, line by line."""
    beta1, beta2 = options.betas
    g = g + options.weight_decay * p
    m += (g - m) * (1 - beta1)
    v *= beta2
    v += (1 - beta2) * g * g
    bias_correction1 = 1 - beta1**options.step
    bias_correction2 = 1 - beta2**options.step
    denominator = np.sqrt(v) / math.sqrt(bias_correction2) + options.eps
    p -= options.lr / bias_correction1 * (m / denominator)


def run_both(ours, options, rung, seed):
    """A step by a kernel, in place -> the arrays after a step by the plain loops."""
    plain = ours.copies()
    with on_device(rung, seed) as kernels:
        kernels.adam(*ours, *options)
    reference.adam(*plain, *options)
    return plain


def assert_close(ours, plain, rtol=1e-5, atol=1e-6):
    pairs = zip(ours.all(), plain.all(), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


@settings(max_examples=40)
@given(case=cases(), dtype=dtypes, layout=layouts, rung=rungs, seed=seeds)
def test_a_step_agrees_with_the_plain_loops_in_place(case, dtype, layout, rung, seed):
    shapes = []
    for _ in range(case.choose(1, 5)):
        short_axes = case.shape(0, 3)
        one_long_axis = (case.choose(1, 9000),)
        shapes.append(case.of(short_axes, one_long_axis))
    ours = make_arrays(case, shapes, dtype, layout)
    gradients = ours.copies().g
    options = Options(
        step=case.choose(1, 5),
        betas=case.of((0.9, 0.999), (0.5, 0.9), (0.0, 0.9)),
        weight_decay=case.of(0.0, 0.1),
    )
    plain = run_both(ours, options, rung, seed)
    tolerance = 20 * np.finfo(dtype).eps
    assert_close(ours, plain, tolerance, tolerance)
    for a, b in zip(ours.g, gradients):
        np.testing.assert_array_equal(a, b, "adam wrote to the gradients")


@pytest.mark.parametrize("rung", ["naive", "tiled"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_twenty_steps_are_pytorchs(rung, weight_decay):
    case = fixed_case(1)
    shapes = [(3,), (5, 7), (4, 4, 4), (4099,)]
    ours = make_arrays(case, shapes, np.float64)
    for moment in ours.m + ours.v:
        moment[...] = 0
    theirs = ours.copies()
    for step in range(1, 21):
        g = [case.normal(*shape) for shape in shapes]
        ours = ours._replace(g=g)
        theirs = theirs._replace(g=g)
        options = DCGAN._replace(step=step, weight_decay=weight_decay)
        with on_device(rung, step) as kernels:
            kernels.adam(*ours, *options)
        for one in zip(*theirs):
            pytorch_step(*one, options)
    assert_close(ours, theirs, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("count", [96, 97, 200])
def test_more_parameters_than_a_table_holds(count):
    shapes = [(1 + 7 * i % 50,) for i in range(count)]
    a_chunk_and_one_number = (4097,)
    shapes[5] = a_chunk_and_one_number
    shapes[-1] = a_chunk_and_one_number
    ours = make_arrays(fixed_case(2), shapes, np.float32)
    plain = run_both(ours, Options(), "tiled", 3)
    assert_close(ours, plain)


def test_the_last_chunk_of_the_longest_array():
    """Its numbers are counted up to 2^31 - 1024.

    Only those of the last block exist: the pointers aim so far before the arrays.
    """
    blocks = launch.MAX_ELEMENTS // adam_step.ADAM_TILE
    first = blocks * adam_step.ADAM_TILE
    ours = make_arrays(fixed_case(5), [(launch.MAX_ELEMENTS - first,)], np.float32)
    launch_as_usual = launch.launch

    def launch_far_out(plan, arguments, touches):
        row = arguments[0]["rows"][0]
        for pointer in ("p", "g", "m", "v"):
            row[pointer] -= np.uintp(4 * first)
        row["n"] = launch.MAX_ELEMENTS
        row["first_block"] = -blocks
        launch_as_usual(plan, arguments, touches)

    with mock.patch.object(launch, "launch", launch_far_out):
        plain = run_both(ours, Options(), "tiled", 5)
    assert_close(ours, plain)


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_anywhere_in_memory(dtype):
    """Slices that start off the 16-byte grid take the narrow loads.

    Their neighbours stay as they were.
    """
    whole = make_arrays(fixed_case(4), [(1000,)], dtype)
    before = whole.copies()
    slices = [[arrays[0][1:998]] for arrays in whole]
    views = Arrays(*slices)
    plain = run_both(views, Options(step=1), "tiled", 4)
    assert_close(views, plain)
    pairs = zip(whole.all(), before.all())
    for a, b in pairs:
        a[1:998] = b[1:998]
        np.testing.assert_array_equal(a, b, "adam wrote beside its arrays")


@pytest.mark.parametrize("rung", ["naive", "tiled"])
def test_the_same_bits_whatever_the_schedule(rung):
    options = DCGAN._replace(lr=0.01, weight_decay=0.1)
    bits = set()
    for seed in (1, 2, 3):
        ours = make_arrays(fixed_case(3), [(5, 7), (4099,)], np.float32)
        with on_device(rung, seed) as kernels:
            kernels.adam(*ours, *options)
        bits.add(ours.bits())
    assert len(bits) == 1
