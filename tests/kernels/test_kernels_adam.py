"""Adam's CUDA kernels: PyTorch's definition, all parameters in one launch, or in as few as fit."""

import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from on_device import on_device, rungs, seeds
from strategies import DTYPES, cases, dtypes, fixed_case, in_layout, layouts

from minigan.backends import reference
from minigan.backends.cuda import adam_step, launch


def pytorch_step(p, g, m, v, step, lr, betas, eps, weight_decay):
    """One step of torch.optim.Adam's single-tensor code, line by line."""
    g = g + weight_decay * p
    m += (g - m) * (1 - betas[0])
    v *= betas[1]
    v += (1 - betas[1]) * g * g
    bias_correction1 = 1 - betas[0] ** step
    bias_correction2 = 1 - betas[1] ** step
    p -= lr / bias_correction1 * (m / (np.sqrt(v) / math.sqrt(bias_correction2) + eps))


def arrays(case, shapes, dtype, layout="contiguous"):
    """Parameters, gradients and both moments, writable, in this memory layout."""
    made = [
        [in_layout(case.normal(*s).astype(dtype), layout).copy(order="K") for s in shapes]
        for _ in range(3)
    ]
    return [
        *made,
        [in_layout(case.positive(*s).astype(dtype), layout).copy(order="K") for s in shapes],
    ]


@settings(max_examples=40)
@given(case=cases(), dtype=dtypes, layout=layouts, rung=rungs, seed=seeds)
def test_a_step_agrees_with_the_plain_loops_in_place(case, dtype, layout, rung, seed):
    shapes = [case.of(case.shape(0, 3), (case.choose(1, 9000),)) for _ in range(case.choose(1, 5))]
    ours = arrays(case, shapes, dtype, layout)
    plain = [[a.copy() for a in same] for same in ours]
    grads = [a.copy() for a in ours[1]]
    arguments = (
        case.choose(1, 5),
        0.01,
        case.of((0.9, 0.999), (0.5, 0.9), (0.0, 0.9)),
        1e-8,
        case.of(0.0, 0.1),
    )
    with on_device(rung, seed) as kernels:
        kernels.adam(*ours, *arguments)
    reference.adam(*plain, *arguments)
    tolerance = 20 * np.finfo(dtype).eps
    for a, b in zip(sum(ours, []), sum(plain, []), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    for a, before in zip(ours[1], grads):
        np.testing.assert_array_equal(a, before, "adam wrote to the gradients")


@pytest.mark.parametrize("rung", ["naive", "tiled"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_twenty_steps_are_pytorchs(rung, weight_decay):
    case = fixed_case(1)
    shapes = [(3,), (5, 7), (4, 4, 4), (4099,)]
    p, _, m, v = arrays(case, shapes, np.float64)
    m, v = ([np.zeros_like(a) for a in same] for same in (m, v))
    theirs = [[a.copy() for a in same] for same in (p, m, v)]
    for step in range(1, 21):
        g = [case.normal(*s) for s in shapes]
        settings = step, 2e-4, (0.5, 0.999), 1e-8, weight_decay
        with on_device(rung, step) as kernels:
            kernels.adam(p, g, m, v, *settings)
        for pi, gi, mi, vi in zip(theirs[0], g, theirs[1], theirs[2]):
            pytorch_step(pi, gi, mi, vi, *settings)
    for a, b in zip(p + m + v, sum(theirs, [])):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("count", [96, 97, 200])
def test_more_parameters_than_a_table_holds(count):
    case = fixed_case(2)
    shapes = [(1 + 7 * i % 50,) for i in range(count)]
    shapes[5] = shapes[-1] = (4097,)  # a whole chunk and one number more
    ours = arrays(case, shapes, np.float32)
    plain = [[a.copy() for a in same] for same in ours]
    with on_device("tiled", 3) as kernels:
        kernels.adam(*ours, 3, 0.01, (0.9, 0.999), 1e-8, 0.0)
    reference.adam(*plain, 3, 0.01, (0.9, 0.999), 1e-8, 0.0)
    for a, b in zip(sum(ours, []), sum(plain, []), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_last_chunk_of_the_longest_array():
    """Its numbers are counted up to 2^31 - 1024, of which only those of the last block exist:
    pointers aim at them.
    """
    first = launch.MOST // adam_step.ADAM_CHUNK * adam_step.ADAM_CHUNK
    ours = arrays(fixed_case(5), [(launch.MOST - first,)], np.float32)
    plain = [[a.copy() for a in same] for same in ours]
    settings = 3, 0.01, (0.9, 0.999), 1e-8, 0.0
    launch_as_usual = launch.launch

    def launch_far_out(plan, arguments, touches):
        row = arguments[0]["rows"][0]
        for pointer in "pgmv":
            row[pointer] -= np.uintp(4 * first)
        row["n"], row["first_block"] = launch.MOST, -(first // adam_step.ADAM_CHUNK)
        launch_as_usual(plan, arguments, touches)

    with on_device("tiled", 5) as kernels, mock.patch.object(launch, "launch", launch_far_out):
        kernels.adam(*ours, *settings)
    reference.adam(*plain, *settings)
    for a, b in zip(sum(ours, []), sum(plain, []), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_parameters_anywhere_in_memory(dtype):
    """Slices that start off the 16-byte grid take the narrow loads; their neighbours stay as they
    were.
    """
    case = fixed_case(4)
    whole = arrays(case, [(1000,)], dtype)
    before = [same[0].copy() for same in whole]
    views = [[same[0][1:998]] for same in whole]
    plain = [[same[0].copy()] for same in views]
    with on_device("tiled", 4) as kernels:
        kernels.adam(*views, 1, 0.01, (0.9, 0.999), 1e-8, 0.0)
    reference.adam(*plain, 1, 0.01, (0.9, 0.999), 1e-8, 0.0)
    for same, was, expected in zip(whole, before, plain):
        np.testing.assert_allclose(same[0][1:998], expected[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(same[0][[0, 998, 999]], was[[0, 998, 999]])


@pytest.mark.parametrize("rung", ["naive", "tiled"])
def test_the_same_bits_whatever_the_schedule(rung):
    results = set()
    for seed in (1, 2, 3):
        ours = arrays(fixed_case(3), [(5, 7), (4099,)], np.float32)
        with on_device(rung, seed) as kernels:
            kernels.adam(*ours, 3, 0.01, (0.5, 0.999), 1e-8, 0.1)
        results.add(b"".join(a.tobytes() for a in sum(ours, [])))
    assert len(results) == 1
