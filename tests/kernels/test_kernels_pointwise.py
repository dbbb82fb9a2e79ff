"""LeakyReLU, the loss on logits, bias and channel sum: their CUDA kernels, naive and tiled."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_device import (
    compare_off_the_grid,
    compare_with_reference,
    image,
    mapped,
    on_device,
    results,
    rungs,
    seeds,
)
from strategies import cases, dtypes, fixed_case, layouts

from minigan import devices
from minigan.backends import reference
from minigan.backends.cuda.plans import ceil_div
from minigan.backends.cuda.rungs import C_TYPES
from minigan.backends.host import machine

both_rungs = pytest.mark.parametrize("rung", ["naive", "tiled"])


def anything(case):
    """Normal numbers of any shape: up to four short axes, or one long enough for several blocks."""
    return case.normal(
        *case.of(case.shape(0, 4), (case.choose(1, 9000),), (4 * case.choose(1, 2500),))
    )


def leaky_relu(case):
    return [anything(case), case.of(0.2, 0.0, 1.0, 1.5)]


def leaky_relu_grad(case):
    y, slope = leaky_relu(case)
    y = np.where(y < -1, 0, y)  # some exactly at the kink
    return [case.normal(*y.shape), y, slope]


def bce_with_logits(case):
    x = 4 * anything(case)
    return [
        x,
        case.of(0.0, 1.0, 0.9, np.asarray(case.rng.uniform(0, 1, x.shape))),
        case.of("mean", "sum", "none"),
    ]


def bce_with_logits_grad(case):
    x, target, reduction = bce_with_logits(case)
    return [x, target, case.normal(*x.shape if reduction == "none" else ()), reduction]


class Textbook:
    """The loss in its own terms, -(1 - t) log(1 - p) - t log p with p = sigmoid(x).

    reference.py's log(1 + e^x) - t x is a difference of like numbers where t = 1: at x = 14 it
    keeps 9 digits of 16.
    """

    @staticmethod
    def bce_with_logits(x, target, reduction):
        losses = (1 - target) * np.logaddexp(0, x) + target * np.logaddexp(0, -x)
        return np.asarray(losses if reduction == "none" else getattr(np, reduction)(losses))


def add_bias(case):
    x = image(case)
    return [x, case.normal(x.shape[1])]


# name -> (draw the arguments, how many terms the sums have)
KERNELS = {
    "leaky_relu": (leaky_relu, lambda *_: 1),
    "leaky_relu_grad": (leaky_relu_grad, lambda *_: 1),
    "bce_with_logits": (bce_with_logits, lambda x, *_: 4 * x.size),
    "bce_with_logits_grad": (bce_with_logits_grad, lambda *_: 1),
    "add_bias": (add_bias, lambda *_: 1),
    "channel_sum": (lambda case: [image(case)], lambda x: x[:, 0].size),
}


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=40)
@given(case=cases(), dtype=dtypes, layout=layouts, rung=rungs, seed=seeds)
def test_kernel_agrees_with_the_plain_loops(name, case, dtype, layout, rung, seed):
    draw, terms = KERNELS[name]
    arguments = draw(case)
    oracle = Textbook if name == "bce_with_logits" else reference
    compare_with_reference(name, arguments, dtype, layout, rung, seed, terms(*arguments), oracle)


@pytest.mark.parametrize("name", KERNELS)
def test_any_array_may_lie_off_the_grid(name):
    case = fixed_case(8)
    x = case.normal(12, 8)
    arguments = {
        "leaky_relu": [x, 0.2],
        "leaky_relu_grad": [case.normal(12, 8), x, 0.2],
        "bce_with_logits": [x, np.abs(np.tanh(x)), "none"],
        "bce_with_logits_grad": [x, np.abs(np.tanh(x)), case.normal(12, 8), "none"],
        "add_bias": [x, case.normal(8)],
        "channel_sum": [x],
    }
    compare_off_the_grid(name, arguments[name])


@settings(max_examples=25)
@given(
    case=cases(),
    dtype=dtypes,
    seed=seeds,
    lanes=st.sampled_from((1, 2, 4, 8, 16, 32)),
    tile_rows=st.integers(1, 90),
)
def test_channel_sum_is_right_for_any_tiling(case, dtype, seed, lanes, tile_rows):
    """Also for tilings that would not be chosen.

    One channel in a warp, tiles of one row, tiles with more rows than the matrix.
    """
    pack = case.of(16 // np.dtype(dtype).itemsize, 1)
    g = case.normal(case.choose(1, 200), pack * case.choose(1, 9)).astype(dtype)
    rows, c = g.shape
    ctype = C_TYPES[g.dtype]
    partial = np.empty((ceil_div(rows, tile_rows), c), dtype)
    sizes = [np.int32(size) for size in (rows, c, tile_rows)]
    machine.run_kernel(
        "channels.cu",
        f"channel_sum_tiled<{ctype}, {pack}>",
        (len(partial), ceil_div(c, pack * lanes)),
        (lanes, 256 // lanes),
        [g, machine.Out(partial), *sizes],
        seed=seed,
    )
    tolerance = 100 * np.finfo(dtype).eps
    for b, sums in enumerate(partial):
        rows_of_tile = g[b * tile_rows : (b + 1) * tile_rows]
        exact = rows_of_tile.astype(np.float64).sum(0)
        np.testing.assert_allclose(sums, exact, rtol=tolerance, atol=tolerance)


def test_the_error_of_a_long_sum_stays_small():
    """One after the other, 100,000 float32 tenths miss by 1e-4 of their sum.

    In parts they must do far better.
    """
    count = 100_000
    tenth = np.float32(0.1)
    g = np.full((count, 1), tenth)
    with on_device("tiled", 1) as kernels:
        (total,) = kernels.channel_sum(g)
    one_by_one = np.cumsum(g)[-1]
    exact = count * float(tenth)
    assert abs(total / exact - 1) < 1e-6
    assert abs(one_by_one / exact - 1) > 1e-6


NAN = np.nan
INF = np.inf


@both_rungs
def test_activation_at_the_edges(rung):
    small = 1e-45
    if devices.name == "cuda":  # there CuPy has denormal numbers count as 0
        small = 1.2e-38
    x = np.float32([NAN, INF, -INF, 0.0, -0.0, 3.0, -2.0, small])
    g = np.ones(8, np.float32)
    g[-1] = NAN
    with on_device(rung, 5) as kernels:
        relu = kernels.leaky_relu(x, 0.0)
        leaky = kernels.leaky_relu(x, 0.5)
        grad = kernels.leaky_relu_grad(g, x, 0.5)
    assert_equal(relu, [NAN, INF, 0, 0, 0, 3, 0, small])
    assert_equal(leaky, [NAN, INF, -INF, 0, 0, 3, -1, small])
    assert_equal(grad, [0.5, 1, 0.5, 0.5, 0.5, 1, 0.5, NAN])


def assert_equal(actual, expected):
    np.testing.assert_array_equal(actual, np.float32(expected))


@both_rungs
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loss_is_exact_where_the_textbook_formula_overflows(rung, dtype):
    x = np.array([2000, -2000, 80, -80], dtype)
    target = np.array([0, 1, 1, 0], dtype)
    one = np.asarray(1, dtype)
    poison = np.array([1, NAN, 2, 3], dtype)
    with on_device(rung, 6) as kernels:
        loss = kernels.bce_with_logits(x, target, "none")
        grad = kernels.bce_with_logits_grad(x, target, one, "sum")
        poisoned = kernels.bce_with_logits(poison, 1.0, "mean")
    tiny = math.exp(-80)
    np.testing.assert_allclose(loss, [2000, 2000, tiny, tiny], rtol=1e-6)
    np.testing.assert_allclose(grad, [1, -1, 0, tiny], rtol=1e-6)
    assert np.isnan(poisoned)


@both_rungs
@pytest.mark.parametrize("name", KERNELS)
def test_bits_do_not_depend_on_the_schedule(name, rung):
    arguments = mapped(np.float32, KERNELS[name][0](fixed_case(11)))
    bits = set()
    for seed in range(4):
        with on_device(rung, seed) as kernels:
            bits.add(b"".join(y.tobytes() for y in results(kernels, name, arguments)))
    assert len(bits) == 1


def test_a_sum_over_several_blocks_is_added_in_order():
    case = fixed_case(12)
    x = np.float32(case.normal(30_000))
    target = np.float32(case.positive(30_000) / 2)
    bits = set()
    for seed in range(4):
        with on_device("tiled", seed) as kernels:
            loss = kernels.bce_with_logits(x, target, "mean")
        bits.add(loss.tobytes())
    x = x.astype(np.float64)
    exact = np.mean(np.logaddexp(0, x) - x * target)
    np.testing.assert_allclose(loss, exact, rtol=1e-6)
    assert len(bits) == 1
