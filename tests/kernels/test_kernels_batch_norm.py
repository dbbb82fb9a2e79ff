"""Batch norm's kernels: odd shapes, large means, poison, the same bits in all schedules."""

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
from strategies import cases, dtypes, fixed_case, in_layout, layouts

import minigan as mg
from minigan import functional as F
from minigan.backends import reference
from minigan.backends.cuda.plans import ceil_div
from minigan.backends.cuda.rungs import C_TYPES
from minigan.backends.host import machine

SLOPES = (None, 0.0, 0.2, 1.5)
both_rungs = pytest.mark.parametrize("rung", ["naive", "tiled"])
any_case = given(
    case=cases(),
    dtype=dtypes,
    layout=layouts,
    rung=rungs,
    seed=seeds,
)


def tolerance_for(x):
    """A few roundings, which grow as the root of the number of a channel's values."""
    values = x[:, 0].size
    return 16 * np.finfo(x.dtype).eps * max(8, values) ** 0.5


def all_but_channels(x):
    """The axes that a statistic is over."""
    return (0, *range(2, x.ndim))


def assert_close(actual, expected, tolerance):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def moments(kernels, x):
    """The mean, as two numbers, and the variance of each channel."""
    with np.errstate(divide="ignore"):
        mean, inv_std, *_ = kernels.batch_norm_statistics(x, *[None] * 4, 0.1, 0.0)
        return mean, inv_std**-2


@settings(max_examples=50)
@any_case
def test_statistics_are_those_of_the_channel(case, dtype, layout, rung, seed):
    x = image(case)
    weight, bias = (case.of(None, case.normal(x.shape[1])) for _ in range(2))
    # so large that a small variance may lose digits: other tests are about those
    eps = case.of(1.0, 0.3)
    arguments = [x, weight, bias, None, None, 0.1, eps]
    compare_with_reference(
        "batch_norm_statistics", arguments, dtype, layout, rung, seed, x[:, 0].size
    )


@settings(max_examples=30)
@any_case
def test_running_statistics_take_a_step_in_place(case, dtype, layout, rung, seed):
    x = image(case, 2000)
    if x[:, 0].size == 1:  # no variance
        x = np.concatenate([x, x])
    x = x.astype(dtype)
    c = x.shape[1]
    plain = np.stack([case.normal(c), case.positive(c)])
    plain = plain.astype(dtype)
    with_gaps = np.full((2, c, 2), 7, dtype)
    ours = with_gaps[:, :, 0]
    if layout != "offset":
        ours = plain.copy()
    ours[...] = plain
    momentum = case.of(0.1, 0.0, 1.0, 0.3)
    with on_device(rung, seed) as kernels:
        kernels.batch_norm_statistics(x, None, None, *ours, momentum, 1e-5)
    reference.batch_norm_statistics(x, None, None, *plain, momentum, 1e-5)
    tolerance = tolerance_for(x)
    assert_close(ours, plain, tolerance)
    gaps = with_gaps[:, :, 1]
    assert (gaps == 7).all()  # nothing was written beside them


@settings(max_examples=50)
@any_case
def test_forward_is_centre_scale_shift_and_activation(case, dtype, layout, rung, seed):
    x = image(case)
    centre, scale, shift = case.normal(3, x.shape[1])
    arguments = [x, centre, scale, shift, case.of(*SLOPES)]
    compare_with_reference("batch_norm_forward", arguments, dtype, layout, rung, seed)


@settings(max_examples=60)
@any_case
def test_gradient_is_the_transposed_jacobian(case, dtype, layout, rung, seed):
    x = image(case, 2000)
    c = x.shape[1]
    y = case.away(x.shape, 0)
    y[y < -1] = 0  # exactly at the kink
    arguments = [
        case.normal(*x.shape),
        x,
        y,
        case.normal(2, c),
        case.positive(c),
        case.of(None, case.normal(c)),
        case.of(*SLOPES),
    ]
    compare_with_reference(
        "batch_norm_grad", arguments, dtype, layout, rung, seed, 16 * x[:, 0].size
    )


def test_any_array_may_lie_off_the_grid():
    case = fixed_case(8)
    g, x, y = case.normal(3, 12, 8)
    inv_std, weight, bias = case.normal(3, 8)
    mean = case.normal(2, 8)
    compare_off_the_grid("batch_norm_statistics", [x, weight, bias, None, None, 0.1, 0.3])
    compare_off_the_grid("batch_norm_forward", [x, inv_std, weight, bias, 0.2])
    compare_off_the_grid("batch_norm_grad", [g, x, y, mean, inv_std, weight, 0.2])


@settings(max_examples=30)
@given(
    case=cases(),
    dtype=dtypes,
    seed=seeds,
    lanes=st.sampled_from((1, 2, 4, 8, 16, 32)),
    tile_rows=st.integers(1, 90),
)
def test_statistics_are_right_for_any_tiling(case, dtype, seed, lanes, tile_rows):
    """Also for tilings that would not be chosen.

    One channel in a warp, tiles of one row, tiles with more rows than the matrix.
    """
    pack = case.of(16 // np.dtype(dtype).itemsize, 1)
    x = case.normal(case.choose(1, 200), pack * case.choose(1, 9)) + case.of(0, 30)
    x = x.astype(dtype)
    y = statistics_in_tiles(x, pack, lanes, tile_rows, seed)
    x = x.astype(np.float64)
    tolerance = 100 * np.finfo(dtype).eps
    assert_close(y[0], x.mean(0), tolerance)
    tolerance *= 100
    assert_close(y[2] ** -2, x.var(0) + 1e-3, tolerance)


def statistics_in_tiles(x, pack, lanes, tile_rows, seed):
    """Both passes with this tiling -> what they leave behind for each channel, (5, C)."""
    rows, c = x.shape
    parts = ceil_div(rows, tile_rows)
    block = (lanes, 256 // lanes)
    ctype = C_TYPES[x.dtype]
    partial = np.empty((parts, 2, c), x.dtype)
    y = np.empty((5, c), x.dtype)
    no_running_statistics = [machine.NULL] * 2
    no_weight_and_bias = [machine.NULL] * 2
    momentum_and_eps = [x.dtype.type(0.1), x.dtype.type(1e-3)]
    sizes = [np.int32(size) for size in (rows, c, tile_rows, parts)]
    machine.run_kernel(
        "batch_norm.cu",
        f"batch_norm_statistics_tiled<{ctype}, {pack}>",
        (parts, ceil_div(c, pack * lanes)),
        block,
        [x, machine.Out(partial), *sizes[:3]],
        seed=seed,
    )
    merge_arguments = [x, partial, *no_weight_and_bias, *no_running_statistics, machine.Out(y)]
    machine.run_kernel(
        "batch_norm.cu",
        f"batch_norm_statistics_merge_tiled<{ctype}>",
        (1, ceil_div(c, lanes)),
        block,
        [*merge_arguments, *momentum_and_eps, *sizes],
        seed=seed,
    )
    return y


@settings(max_examples=30)
@any_case
def test_statistics_keep_their_digits_under_a_large_mean(case, dtype, layout, rung, seed):
    offset = case.of(1e6, 1e3, 50.0, 0.0)
    x = image(case) + offset
    x = in_layout(x.astype(dtype), layout)
    with on_device(rung, seed) as kernels:
        mean, var = moments(kernels, x)
    centre, rest = mean
    exact = x.astype(np.float64) - offset
    axes = all_but_channels(x)
    tolerance = tolerance_for(x)
    np.testing.assert_allclose(centre - offset + rest, exact.mean(axes), atol=tolerance)
    tolerance *= 4
    assert_close(var, exact.var(axes), tolerance)


@settings(max_examples=30)
@given(case=cases(), dtype=dtypes, rung=rungs, seed=seeds)
def test_output_and_gradient_keep_their_digits_under_a_large_mean(case, dtype, rung, seed):
    """Of x + offset, which cost x some digits, float64 makes the same as the kernels."""
    x = image(case, 2000)
    offset = case.of(1e3, 50.0)
    slope = case.of(*SLOPES)
    c = x.shape[1]
    g = case.normal(*x.shape)
    weight, bias = case.normal(2, c)
    x, g, weight, bias = mapped(dtype, [x + offset, g, weight, bias])
    with on_device(rung, seed) as kernels:
        statistics = kernels.batch_norm_statistics(x, weight, bias, None, None, 0.1, 0.1)
        mean, inv_std, scale, shift = statistics
        y = kernels.batch_norm_forward(x, mean[0], scale, shift, slope)
        actual = kernels.batch_norm_grad(g, x, y, mean, inv_std, weight, slope)
    exact = x.astype(np.float64) - offset
    tolerance = tolerance_for(x)
    expected = normalised(exact, weight, bias, slope)
    assert_close(y, expected, tolerance)
    expected = gradients(*mapped(np.float64, [g, exact, y, weight]), slope)
    tolerance *= 4
    for a, b in zip(actual, expected, strict=True):
        assert_close(a, b, tolerance)


def normalised(x, weight, bias, slope):
    """Batch norm's output by its definition, with eps = 0.1 and the activation."""
    axes = all_but_channels(x)
    per_channel = (-1,) + (1,) * (x.ndim - 2)
    mean = x.mean(axes, keepdims=True)
    std = np.sqrt(x.var(axes, keepdims=True) + 0.1)
    y = (x - mean) / std
    y *= weight.reshape(per_channel)
    y += bias.reshape(per_channel)
    if slope is None:
        return y
    return reference.leaky_relu(y, slope)


def gradients(g, x, y, weight, slope):
    """Batch norm's gradients by the plain loops, with eps = 0.1."""
    axes = all_but_channels(x)
    centre = x.mean(axes)
    mean = np.stack([centre, 0 * centre])
    inv_std = 1 / np.sqrt(x.var(axes) + 0.1)
    return reference.batch_norm_grad(g, x, y, mean, inv_std, weight, slope)


@both_rungs
def test_a_large_mean_and_an_outlier_in_the_middle_cost_no_more_than_pytorchs_algorithm(rung):
    """The pivot is then no neighbour of the others.

    They lie 1,000 deviations from it, as they do from 0.
    """
    exact = np.random.default_rng(1).standard_normal((6, 8, 9, 30))
    exact[:, :, 4, 15] = -1000
    x = exact.astype(np.float32)
    with on_device(rung, 1) as kernels:
        (centre, rest), var = moments(kernels, x)
    axes = all_but_channels(x)
    exact_mean = exact.mean(axes)
    mean = centre.astype(float) + rest
    np.testing.assert_allclose(mean, exact_mean, atol=1e-3)
    np.testing.assert_allclose(var, exact.var(axes), rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 5, 7, 9), (2, 64, 5, 7), (70, 260), (300, 1)])
@both_rungs
def test_bits_do_not_depend_on_the_schedule(shape, rung):
    case = fixed_case(7)
    g, x, y = case.normal(3, *shape)
    c = shape[1]
    inv_std = case.positive(c)
    weight, bias = case.normal(2, c)
    mean = case.normal(2, c)
    calls = {
        "batch_norm_statistics": [x, weight, bias, None, None, 0.1, 1e-5],
        "batch_norm_forward": [x, bias, weight, bias, 0.2],
        "batch_norm_grad": [g, x, y, mean, inv_std, weight, 0.2],
    }
    for name, arguments in calls.items():
        bits = set()
        for seed in range(4):
            bits.add(bits_of(name, arguments, rung, seed))
        assert len(bits) == 1, name


def bits_of(name, arguments, rung, seed):
    """What a kernel returns, as bytes."""
    arguments = mapped(np.float32, arguments)
    with on_device(rung, seed) as kernels:
        arrays = results(kernels, name, arguments)
    return b"".join(a.tobytes() for a in arrays)


@both_rungs
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_channels_poison_stays_there(rung, bad):
    place = (13, 5, 1, 2)
    x = np.float32(fixed_case(3).normal(20, 8, 3, 3))
    x[place] = bad
    zero = np.zeros(8, np.float32)
    one = np.ones(8, np.float32)
    no_mean = np.stack([zero, zero])
    with on_device(rung, 3) as kernels:
        mean, var = moments(kernels, x)
        dx, dweight, dbias = kernels.batch_norm_grad(x, x, x, no_mean, one, None, None)
        y = kernels.batch_norm_forward(x, zero, one, zero, 0.0)
    only_channel_5 = np.arange(8) == 5
    rows_of_dx = dx.transpose(0, 2, 3, 1).reshape(-1, 8)
    for of_channel in (mean[0], var, dweight, dbias, *rows_of_dx):
        is_bad = ~np.isfinite(of_channel)
        np.testing.assert_array_equal(is_bad, only_channel_5)
    relu = np.maximum(bad, 0)  # of -inf it is 0, of NaN it is NaN
    np.testing.assert_array_equal(y[place], relu)
    y[place] = 0
    assert np.isfinite(y).all()


@both_rungs
def test_instance_norm_goes_through_the_same_kernels(rung):
    """Each channel of each image has mean 0 and variance 1 before weight and bias.

    The gradients of these are its sums.
    """
    case = fixed_case(9)
    x, g = case.normal(2, 3, 6, 5, 4)
    weight, bias = case.normal(2, 6)
    with on_device(rung, 4):
        tensors = [mg.tensor(a, requires_grad=True) for a in (x, weight, bias)]
        y = F.instance_norm(tensors[0], weight=tensors[1], bias=tensors[2], eps=0.0)
        gradients = mg.grad(y, tensors, mg.tensor(g))
        dx, dweight, dbias = (d.numpy() for d in gradients)
    of_channel = (0, 2, 3)
    of_image = (2, 3)
    mean = x.mean(of_image, keepdims=True)
    std = x.std(of_image, keepdims=True)
    per_channel = (6, 1, 1)
    z = (x - mean) / std
    expected = z * weight.reshape(per_channel)
    expected += bias.reshape(per_channel)
    assert_close(y.numpy(), expected, 1e-12)
    assert_close(dbias, g.sum(of_channel), 1e-12)
    assert_close(dweight, (g * z).sum(of_channel), 1e-12)
    assert_close(dx.sum(of_image), 0, 1e-12)  # a shift of an image's channel changes nothing,
    assert_close((dx * z).sum(of_image), 0, 1e-12)  # nor does its scale
