"""LeakyReLU and binary cross-entropy in NumPy, against their definitions at every value."""

import numpy as np
from cpu_kernels import assert_close, in_blocks, random_array, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dtypes, in_layout, layouts

from minigan.backends import cpu

POSITIVE_EXTREMES = [0.0, 1e-38, 1e-45, 3e38, np.inf, 1.0]
NEGATIVE_EXTREMES = [-value for value in POSITIVE_EXTREMES]
EXTREMES = [*POSITIVE_EXTREMES, *NEGATIVE_EXTREMES, np.nan]


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(1, 9), max_size=4),
    dtype=dtypes,
    layout=layouts,
    seed=seeds,
    slope=st.sampled_from((0.0, 0.01, 0.2, 1.0, 3.0)),
)
@in_blocks
def test_leaky_relu_and_its_gradient_are_their_definitions_at_every_value(
    shape, dtype, layout, seed, slope
):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape).astype(dtype)
    is_extreme = rng.random(shape) < 0.3
    extremes = rng.choice(np.array(EXTREMES, dtype), shape)
    x = in_layout(np.where(is_extreme, extremes, values), layout)
    g = random_array(rng, shape, dtype, layout)
    is_zero = np.isneginf(x) & (slope == 0)  # 0 times infinity would be NaN
    with np.errstate(all="ignore"):
        scaled = np.where(is_zero, 0, dtype(slope) * x)
    positive = x > 0
    y = cpu.leaky_relu(x, slope)
    dx = cpu.leaky_relu_grad(g, x, slope)
    np.testing.assert_array_equal(y, np.where(positive, x, scaled))
    np.testing.assert_array_equal(dx, np.where(positive, g, dtype(slope) * g))


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(1, 6), max_size=3),
    dtype=dtypes,
    layout=layouts,
    seed=seeds,
    reduction=st.sampled_from(("mean", "sum", "none")),
    label=st.sampled_from((None, 0.0, 0.9, 1.0)),
)
def test_bce_with_logits_is_its_textbook_formula(shape, dtype, layout, seed, reduction, label):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, shape)
    x = in_layout(logits.astype(dtype), layout)
    target = label
    if label is None:
        labels = rng.random(shape)
        target = in_layout(labels.astype(dtype), layout)
    g_shape = shape if reduction == "none" else ()
    g = random_array(rng, g_shape, dtype)
    wide = x.astype(np.longdouble)
    p = 1 / (1 + np.exp(-wide))  # 1 - p cancels
    if_real = target * np.log(p)
    if_fake = (1 - target) * np.log(1 - p)
    value = -(if_real + if_fake)
    if reduction != "none":
        value = getattr(value, reduction)()
    actual = cpu.bce_with_logits(x, target, reduction)
    assert_close(actual, np.asarray(value), x.size, 4)

    grad = (p - target) * g
    if reduction == "mean":
        grad = grad / x.size
    actual = cpu.bce_with_logits_grad(x, target, g, reduction)
    assert actual.dtype == dtype
    assert_close(actual, grad, 1, 4)


def test_bce_with_logits_does_not_overflow():
    x = np.array([-1e4, -100, 0, 100, 1e4], np.float32)
    g = np.ones(5, np.float32)
    if_fake = [0, 0, np.log(2), 100, 1e4]
    if_real = if_fake[::-1]
    grad = [-1, -1, -0.5, 0, 0]
    fake_losses = cpu.bce_with_logits(x, 0.0, "none")
    real_losses = cpu.bce_with_logits(x, 1.0, "none")
    dx = cpu.bce_with_logits_grad(x, 1.0, g, "none")
    np.testing.assert_allclose(fake_losses, if_fake, 1e-6, 1e-40)
    np.testing.assert_allclose(real_losses, if_real, 1e-6, 1e-40)
    np.testing.assert_allclose(dx, grad, atol=1e-7)
