"""Sums, biases and batch norm in NumPy, against their formulas, in one block and in many."""

import math

import numpy as np
from cpu_kernels import (
    assert_close,
    axes_of,
    channel_shapes,
    in_blocks,
    per_channel,
    random_array,
    seeds,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dtypes, in_layout, layouts

from minigan.backends import cpu

EPS = 1e-5


@settings(max_examples=40, deadline=None)
@given(shape=channel_shapes(), dtype=dtypes, layout=layouts, seed=seeds)
@in_blocks
def test_sums_biases_and_affine_maps_of_channels(shape, dtype, layout, seed):
    rng = np.random.default_rng(seed)
    x = random_array(rng, shape, dtype, layout)
    centre, scale, shift = random_array(rng, (3, shape[1]), dtype)
    wide = x.astype(np.float64)
    biased = wide + per_channel(shift, x)
    assert_close(cpu.channel_sum(x), wide.sum(axes_of(x)), x.size, 4)
    assert_close(cpu.add_bias(x, shift), biased, 1)

    centred = wide - per_channel(centre, x)
    affine = centred * per_channel(scale, x) + per_channel(shift, x)
    for slope in (None, 0.0, 0.2, 1.5):
        expected = affine if slope is None else np.where(affine > 0, affine, slope * affine)
        y = cpu.batch_norm_forward(x, centre, scale, shift, slope)
        assert_close(y, expected, 1)


@settings(max_examples=40, deadline=None)
@given(
    shape=channel_shapes(),
    dtype=dtypes,
    layout=layouts,
    seed=seeds,
    offset=st.sampled_from((0.0, 1.0, 1e3, 1e6)),
)
@in_blocks
def test_batch_norm_statistics_keep_their_digits_under_a_large_mean(
    shape, dtype, layout, seed, offset
):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape) + offset
    x = in_layout(values.astype(dtype), layout)
    mean, inv_std, *_ = cpu.batch_norm_statistics(x, *[None] * 4, 0.1, 1e-12)
    beyond_offset = x.astype(np.float64) - offset
    exact_mean = beyond_offset.mean(axes_of(x))
    exact_var = beyond_offset.var(axes_of(x)) + 1e-12
    close = 64 * np.finfo(dtype).eps
    np.testing.assert_allclose(mean[0] - offset + mean[1], exact_mean, atol=close)
    np.testing.assert_allclose(inv_std**-2, exact_var, rtol=close, atol=close)


# ---- the gradient of batch norm ------------------------------------------------------------------


def normalised(x):
    """(x - mean) / std of each channel."""
    axes = axes_of(x)
    mean = x.mean(axes, keepdims=True)
    std = np.sqrt(x.var(axes, keepdims=True) + EPS)
    return (x - mean) / std


def affine(z, weight, bias):
    return z * per_channel(weight, z) + per_channel(bias, z)


def activated(y, slope, positive):
    """LeakyReLU with the given signs of its inputs; a slope of None is no activation."""
    return y if slope is None else np.where(positive, y, slope * y)


@settings(max_examples=40, deadline=None)
@given(
    shape=channel_shapes(),
    layout=layouts,
    seed=seeds,
    slope=st.sampled_from((None, 0.0, 0.2, 1.5)),
    weighted=st.booleans(),
)
@in_blocks
def test_batch_norm_gradient_is_the_derivative(shape, layout, seed, slope, weighted):
    """Along a random direction u in x, weight and bias, f(h) = <batch_norm(x + h u), g> changes by
    (f(h) - f(-h)) / 2 h.
    """
    rng = np.random.default_rng(seed)
    x, u, g = (rng.standard_normal(shape) for _ in range(3))
    weight, bias, weight_u, bias_u = rng.standard_normal((4, shape[1]))
    if not weighted:
        weight = np.ones(shape[1])
        weight_u = np.zeros(shape[1])
    y = affine(normalised(x), weight, bias)
    positive = y > 0
    g *= np.abs(y) > 1e-3  # numbers near the kink have no say in f

    def f(h):
        moved = normalised(x + h * u)
        z = affine(moved, weight + h * weight_u, bias + h * bias_u)
        return (g * activated(z, slope, positive)).sum()

    layout = "HWNC" if layout == "broadcast" else layout
    output = None if slope is None else np.where(positive, y, slope * y - 1e-300)
    mean = x.mean(axes_of(x))
    var = x.var(axes_of(x))
    dx, dweight, dbias = cpu.batch_norm_grad(
        in_layout(g, layout),
        in_layout(x, layout),
        output,
        np.stack([mean, 0 * mean]),
        1 / np.sqrt(var + EPS),
        weight if weighted else None,
        slope,
    )
    h = 1e-5 * math.sqrt(var.min())  # small beside the least spread of a channel
    by_differences = (f(h) - f(-h)) / (2 * h)
    by_gradient = (dx * u).sum() + dweight @ weight_u + dbias @ bias_u
    largest = max(1, *(np.abs(a).max() for a in (dx, dweight, dbias)))
    size = largest * max(1, np.abs(u).max()) * x.size
    assert abs(by_gradient - by_differences) < 1e-5 * size
