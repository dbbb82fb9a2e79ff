"""Batch norm's kernels: odd shapes, large means, poison, the same bits in all schedules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_device import (
    compare_off_the_grid,
    compare_with_reference,
    image,
    on_device,
    results,
    rungs,
    seeds,
)
from strategies import cases, dtypes, fixed_case, in_layout, layouts

import minigan as mg
from minigan import functional as F
from minigan.backends import reference
from minigan.backends.host import machine

SLOPES = (None, 0.0, 0.2, 1.5)


def moments(kernels, x):
    """The mean, as two numbers, and the variance of each channel."""
    with np.errstate(divide="ignore"):
        mean, inv_std, *_ = kernels.batch_norm_statistics(x, *[None] * 4, 0.1, 0.0)
        return mean, inv_std**-2


@settings(max_examples=50)
@given(case=cases(), dtype=dtypes, layout=layouts, rung=rungs, seed=seeds)
def test_statistics_are_those_of_the_channel(case, dtype, layout, rung, seed):
    x = image(case)
    weight, bias = (case.of(None, case.normal(x.shape[1])) for _ in range(2))
    eps = case.of(
        1.0, 0.3
    )  # so large that a small variance may lose digits: other tests are about those
    arguments = [x, weight, bias, None, None, 0.1, eps]
    compare_with_reference(
        "batch_norm_statistics", arguments, dtype, layout, rung, seed, x[:, 0].size
    )


@settings(max_examples=30)
@given(case=cases(), dtype=dtypes, layout=layouts, rung=rungs, seed=seeds)
def test_running_statistics_take_a_step_in_place(case, dtype, layout, rung, seed):
    x = image(case, 2000)
    x = (x if x[:, 0].size > 1 else np.concatenate([x, x])).astype(dtype)
    running = [
        in_layout(a.astype(dtype), layout)
        for a in (case.normal(x.shape[1]), case.positive(x.shape[1]))
    ]
    wide = [np.full((len(a), 2), 7, dtype) for a in running]
    ours = [
        b[:, 0] if layout == "offset" else a.copy() for a, b in zip(running, wide)
    ]  # with gaps, or without
    plain = [a.copy() for a in running]
    momentum = case.of(0.1, 0.0, 1.0, 0.3)
    for a, values in zip(ours, running):
        a[...] = values
    with on_device(rung, seed) as kernels:
        kernels.batch_norm_statistics(x, None, None, *ours, momentum, 1e-5)
    reference.batch_norm_statistics(x, None, None, *plain, momentum, 1e-5)
    tolerance = 16 * np.finfo(dtype).eps * max(8, x[:, 0].size) ** 0.5
    np.testing.assert_allclose(ours, plain, rtol=tolerance, atol=tolerance)
    assert (np.stack(wide)[..., 1] == 7).all()  # nothing was written beside them


@settings(max_examples=50)
@given(case=cases(), dtype=dtypes, layout=layouts, rung=rungs, seed=seeds)
def test_forward_is_centre_scale_shift_and_activation(case, dtype, layout, rung, seed):
    x = image(case)
    arguments = [x, *(case.normal(x.shape[1]) for _ in range(3)), case.of(*SLOPES)]
    compare_with_reference("batch_norm_forward", arguments, dtype, layout, rung, seed)


@settings(max_examples=60)
@given(case=cases(), dtype=dtypes, layout=layouts, rung=rungs, seed=seeds)
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
    g, x, y = (case.normal(12, 8) for _ in range(3))
    inv_std, weight, bias, mean = (case.normal(*shape) for shape in ((8,), (8,), (8,), (2, 8)))
    compare_off_the_grid("batch_norm_statistics", [x, weight, bias, None, None, 0.1, 0.3])
    compare_off_the_grid("batch_norm_forward", [x, inv_std, weight, bias, 0.2])
    compare_off_the_grid("batch_norm_grad", [g, x, y, mean, inv_std, weight, 0.2])


@settings(max_examples=30)
@given(
    case=cases(),
    dtype=dtypes,
    seed=seeds,
    lanes=st.sampled_from((1, 2, 4, 8, 16, 32)),
    band=st.integers(1, 90),
)
def test_statistics_are_right_for_any_tiling(case, dtype, seed, lanes, band):
    """Also for those that the ladder would not choose: one channel a warp, bands of a row, bands
    longer than a tile.
    """
    v = case.of(16 // np.dtype(dtype).itemsize, 1)
    x = case.normal(case.choose(1, 200), v * case.choose(1, 9)).astype(dtype) + dtype(
        case.of(0, 30)
    )
    rows, c = x.shape
    bands = -(-rows // band)
    block = (lanes, 256 // lanes)
    partial, y = (np.empty(shape, dtype) for shape in ((bands, 2, c), (5, c)))
    t = {np.float32: "float", np.float64: "double"}[dtype]
    n = [np.int32(k) for k in (rows, c, band, bands)]
    machine.run_kernel(
        "batch_norm.cu",
        f"batch_norm_statistics_tiled<{t}, {v}>",
        (bands, -(-c // (v * lanes))),
        block,
        [x, machine.Out(partial), *n[:3]],
        seed=seed,
    )
    machine.run_kernel(
        "batch_norm.cu",
        f"batch_norm_statistics_merge_tiled<{t}>",
        (1, -(-c // lanes)),
        block,
        [x, partial, *[machine.NULL] * 4, machine.Out(y), dtype(0.1), dtype(1e-3), *n],
        seed=seed,
    )
    x = x.astype(np.float64)
    eps = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(y[0], x.mean(0), rtol=eps, atol=eps)
    np.testing.assert_allclose(y[2] ** -2, x.var(0) + 1e-3, rtol=100 * eps, atol=100 * eps)


@settings(max_examples=30)
@given(case=cases(), dtype=dtypes, layout=layouts, rung=rungs, seed=seeds)
def test_statistics_keep_their_digits_under_a_large_mean(case, dtype, layout, rung, seed):
    offset = case.of(1e6, 1e3, 50.0, 0.0)
    x = in_layout((image(case) + offset).astype(dtype), layout)
    with on_device(rung, seed) as kernels:
        mean, var = moments(kernels, x)
    exact = x.astype(np.float64) - offset
    axes = (0, *range(2, x.ndim))
    tolerance = 16 * np.finfo(dtype).eps * max(8, x[:, 0].size) ** 0.5
    np.testing.assert_allclose(mean[0] - offset + mean[1], exact.mean(axes), atol=tolerance)
    np.testing.assert_allclose(var, exact.var(axes), rtol=4 * tolerance, atol=4 * tolerance)


@settings(max_examples=30)
@given(case=cases(), dtype=dtypes, rung=rungs, seed=seeds)
def test_output_and_gradient_keep_their_digits_under_a_large_mean(case, dtype, rung, seed):
    """Of x + offset, which cost x some digits, float64 makes the same as the kernels."""
    x = image(case, 2000)
    offset = case.of(1e3, 50.0)
    slope = case.of(*SLOPES)
    c = x.shape[1]
    axes = (0, *range(2, x.ndim))
    per_channel = (-1,) + (1,) * (x.ndim - 2)
    x, g, weight, bias = (
        np.asarray(a, dtype)
        for a in (x + offset, case.normal(*x.shape), case.normal(c), case.normal(c))
    )
    with on_device(rung, seed) as kernels:
        mean, inv_std, scale, shift = kernels.batch_norm_statistics(
            x, weight, bias, None, None, 0.1, 0.1
        )
        y = kernels.batch_norm_forward(x, mean[0], scale, shift, slope)
        actual = kernels.batch_norm_grad(g, x, y, mean, inv_std, weight, slope)
    exact = x.astype(np.float64) - offset
    average = exact.mean(axes)
    variance = exact.var(axes)
    z = (exact - average.reshape(per_channel)) / np.sqrt(variance + 0.1).reshape(per_channel)
    z = z * weight.reshape(per_channel) + bias.reshape(per_channel)
    tolerance = 16 * np.finfo(dtype).eps * max(8, x[:, 0].size) ** 0.5
    np.testing.assert_allclose(
        y, z if slope is None else reference.leaky_relu(z, slope), rtol=tolerance, atol=tolerance
    )
    expected = reference.batch_norm_grad(
        g.astype(np.float64),
        exact,
        y.astype(np.float64),
        np.stack([average, 0 * average]),
        1 / np.sqrt(variance + 0.1),
        weight.astype(np.float64),
        slope,
    )
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=4 * tolerance, atol=4 * tolerance)


@pytest.mark.parametrize("rung", ["naive", "tiled"])
def test_a_large_mean_and_an_outlier_in_the_middle_cost_no_more_than_pytorchs_algorithm(rung):
    """The pivot is then no neighbour of the others, and they lie 1,000 deviations from it, as
    they do from 0.
    """
    x = np.random.default_rng(1).standard_normal((6, 8, 9, 30))
    x[:, :, 4, 15] = -1000
    exact = x
    x = x.astype(np.float32)
    with on_device(rung, 1) as kernels:
        mean, var = moments(kernels, x)
    np.testing.assert_allclose(mean[0].astype(float) + mean[1], exact.mean((0, 2, 3)), atol=1e-3)
    np.testing.assert_allclose(var, exact.var((0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 5, 7, 9), (2, 64, 5, 7), (70, 260), (300, 1)])
@pytest.mark.parametrize("rung", ["naive", "tiled"])
def test_bits_do_not_depend_on_the_schedule(shape, rung):
    case = fixed_case(7)
    c = shape[1]
    g, x, y = (np.float32(case.normal(*shape)) for _ in range(3))
    inv_std, weight, bias = (np.float32(a(c)) for a in (case.positive, case.normal, case.normal))
    mean = np.float32(case.normal(2, c))
    bits = set()
    for seed in range(4):
        with on_device(rung, seed) as kernels:
            arrays = (
                results(kernels, "batch_norm_statistics", [x, weight, bias, None, None, 0.1, 1e-5])
                + results(kernels, "batch_norm_forward", [x, bias, weight, bias, 0.2])
                + results(kernels, "batch_norm_grad", [g, x, y, mean, inv_std, weight, 0.2])
            )
        bits.add(b"".join(a.tobytes() for a in arrays))
    assert len(bits) == 1


@pytest.mark.parametrize("rung", ["naive", "tiled"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_channels_poison_stays_there(rung, bad):
    x = np.float32(fixed_case(3).normal(20, 8, 3, 3))
    x[13, 5, 1, 2] = bad
    others = np.arange(8) != 5
    zero = np.zeros(8, np.float32)
    one = np.ones(8, np.float32)
    with on_device(rung, 3) as kernels:
        mean, var = moments(kernels, x)
        dx, dweight, dbias = kernels.batch_norm_grad(
            x, x, x, np.stack([zero, zero]), one, None, None
        )
        y = kernels.batch_norm_forward(x, zero, one, zero, 0.0)
    for a in (mean[0], var, dweight, dbias):
        assert not np.isfinite(a[5])
        assert np.isfinite(a[others]).all()
    assert not np.isfinite(dx[:, 5]).any()
    assert np.isfinite(dx[:, others]).all()
    np.testing.assert_array_equal(
        y[13, 5, 1, 2], np.maximum(bad, 0)
    )  # ReLU of -inf is 0, of NaN NaN
    assert np.isfinite(np.delete(y.ravel(), np.ravel_multi_index((13, 5, 1, 2), y.shape))).all()


@pytest.mark.parametrize("rung", ["naive", "tiled"])
def test_instance_norm_goes_through_the_same_kernels(rung):
    """Each channel of each image has mean 0 and variance 1 before weight and bias, and their
    gradients are its sums.
    """
    case = fixed_case(9)
    x = case.normal(3, 6, 5, 4)
    g = case.normal(3, 6, 5, 4)
    weight = case.normal(6)
    bias = case.normal(6)
    with on_device(rung, 4):
        tensors = [mg.tensor(a, requires_grad=True) for a in (x, weight, bias)]
        y = F.instance_norm(tensors[0], weight=tensors[1], bias=tensors[2], eps=0.0)
        dx, dweight, dbias = (d.numpy() for d in mg.grad(y, tensors, mg.tensor(g)))
        y = y.numpy()
    z = (x - x.mean((2, 3), keepdims=True)) / x.std((2, 3), keepdims=True)
    np.testing.assert_allclose(y, z * weight[:, None, None] + bias[:, None, None], atol=1e-12)
    np.testing.assert_allclose(dbias, g.sum((0, 2, 3)), atol=1e-12)
    np.testing.assert_allclose(dweight, (g * z).sum((0, 2, 3)), atol=1e-12)
    np.testing.assert_allclose(
        dx.sum((2, 3)), 0, atol=1e-12
    )  # a shift of an image's channel changes nothing,
    np.testing.assert_allclose((dx * z).sum((2, 3)), 0, atol=1e-12)  # nor does its scale
