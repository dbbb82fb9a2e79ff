"""Normalisation keeps its digits where the mean is large beside the spread.

x = offset + spread has lost some digits of the spread already, but from the x that there is, all
that follows is exact: float32 must give what float64 gives for the same x. The oracle is the
formula in float64 on x - offset, in which no digit is in danger, and for second derivatives
float64's own, which finite differences hold (test_gradients.py).
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Case, cases, dtypes, in_layout, layouts

import minigan as mg
from minigan import functional as F
from minigan.backends import cpu
from minigan.backends.cpu import blocks

# of the mean to the standard deviation
RATIOS = st.sampled_from((0.0, 1.0, 2.5, 10.0, 50.0, 1e3, 1e6))
EPS = 1e-5


def shape_of(case):
    size = case.of((), (case.choose(2, 6), case.choose(2, 6)))
    return case.choose(4, 30), case.choose(1, 5), *size


def axes_of(x):
    return (0, *range(2, x.ndim))


def per_channel(v, x):
    return np.asarray(v, np.float64).reshape((1, -1) + (1,) * (x.ndim - 2))


def far_from_zero(case, shape, offset, dtype, layout):
    return in_layout((case.normal(*shape) + offset).astype(dtype), layout)


def tolerance(dtype):
    return 64 * np.finfo(dtype).eps


class Exact:
    """Batch norm of x, its statistics and its gradients, in float64, about a point that lies near
    all of x.
    """

    def __init__(self, x, g, weight, bias, offset):
        d = x.astype(np.float64) - offset
        axes = axes_of(x)
        n = x[:, 0].size
        mean = d.mean(axes, keepdims=True)
        var = np.square(d - mean).mean(axes, keepdims=True)
        std = np.sqrt(var + EPS)
        z = (d - mean) / std
        g = g.astype(np.float64)
        weight = per_channel(weight, x)
        self.y = z * weight + per_channel(bias, x)
        self.mean_beyond_offset, self.var = mean.ravel(), (var * n / (n - 1)).ravel()
        self.dweight, self.dbias = (g * z).sum(axes), g.sum(axes)
        sums = [per_channel(s, x) for s in (self.dbias, self.dweight)]
        self.dx = weight / std * (g - sums[0] / n - z * sums[1] / n)


@settings(max_examples=60)
@given(
    case=cases(), dtype=dtypes, layout=layouts, offset=RATIOS, size=st.sampled_from((1 << 17, 64))
)
def test_batch_norm_and_its_gradients_are_those_of_float64(case, dtype, layout, offset, size):
    shape = shape_of(case)
    layout = "HWNC" if layout == "broadcast" else layout  # equal rows have no variance
    x = far_from_zero(case, shape, offset, dtype, layout)
    g = case.normal(*shape).astype(dtype)
    weight, bias = (case.normal(shape[1]).astype(dtype) for _ in range(2))
    exact = Exact(x, g, weight, bias, offset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "SIZE", size)
        tensors = [mg.tensor(a, requires_grad=True) for a in (x, weight, bias)]
        tensors[0].data = x  # as it lies in memory
        running = mg.zeros(shape[1], dtype=dtype), mg.ones(shape[1], dtype=dtype)
        y = F.batch_norm(tensors[0], *running, *tensors[1:], training=True, momentum=1.0, eps=EPS)
        gradients = [d.numpy() for d in mg.grad(y, tensors, mg.Tensor(g))]
    close = tolerance(dtype)
    np.testing.assert_allclose(y.numpy(), exact.y, atol=close * np.abs(exact.y).max())
    mean = exact.mean_beyond_offset + offset
    np.testing.assert_allclose(running[0].numpy(), mean, rtol=close, atol=close)
    np.testing.assert_allclose(running[1].numpy(), exact.var, rtol=close)
    for ours, theirs in zip(gradients, (exact.dx, exact.dweight, exact.dbias), strict=True):
        size = max(1, np.abs(theirs).max(), np.abs(g).sum() / 16)
        np.testing.assert_allclose(ours, theirs, atol=close * size)


@settings(max_examples=40)
@given(case=cases(), layout=layouts, offset=RATIOS)
def test_batch_norm_in_evaluation_subtracts_the_running_mean_first(case, layout, offset):
    shape = shape_of(case)
    x = far_from_zero(case, shape, offset, np.float32, layout)
    mean, var, weight, bias = (case.positive(shape[1]).astype(np.float32) for _ in range(4))
    mean += np.float32(offset)
    y = F.batch_norm(mg.Tensor(x), *map(mg.tensor, (mean, var, weight, bias)), eps=EPS).numpy()
    d = (x.astype(np.float64) - offset) - per_channel(mean.astype(np.float64) - offset, x)
    exact = d / np.sqrt(per_channel(var, x) + EPS) * per_channel(weight, x) + per_channel(bias, x)
    np.testing.assert_allclose(y, exact, atol=tolerance(np.float32) * np.abs(exact).max())


@settings(max_examples=40)
@given(case=cases(), dtype=dtypes, layout=layouts, offset=RATIOS)
def test_variance_and_instance_and_layer_norm_are_those_of_float64(case, dtype, layout, offset):
    shape = case.choose(2, 3), case.choose(2, 4), case.choose(2, 6), case.choose(4, 6)
    layout = "HWNC" if layout == "broadcast" else layout
    x = far_from_zero(case, shape, offset, dtype, layout)
    d = x.astype(np.float64) - offset
    close = tolerance(dtype)
    np.testing.assert_allclose(mg.Tensor(x).var().numpy(), d.var(ddof=1), rtol=close)
    np.testing.assert_allclose(mg.Tensor(x).var((0, 2)).numpy(), d.var((0, 2), ddof=1), rtol=close)
    by_channel = F.instance_norm(mg.Tensor(x), eps=EPS)
    by_sample = F.layer_norm(mg.Tensor(x), shape[1:], eps=EPS)
    for axes, y in (((2, 3), by_channel), ((1, 2, 3), by_sample)):
        centred = d - d.mean(axes, keepdims=True)
        exact = centred / np.sqrt(np.square(centred).mean(axes, keepdims=True) + EPS)
        np.testing.assert_allclose(y.numpy(), exact, atol=close * np.abs(exact).max())


@settings(max_examples=20)
@given(case=cases(), offset=RATIOS, kind=st.sampled_from(("batch", "instance", "layer")))
def test_second_derivatives_are_those_of_float64(case, offset, kind):
    shape = case.choose(3, 5), case.choose(2, 4), case.choose(3, 5), case.choose(3, 5)
    x, g = ((case.spread(shape, (0, 1, 2, 3)) + add).astype(np.float32) for add in (offset, 0))
    normalise = {
        "batch": lambda t: F.batch_norm(t, training=True),
        "instance": F.instance_norm,
        "layer": lambda t: F.layer_norm(t, shape[1:]),
    }[kind]
    results = []
    for a in (x, x.astype(np.float64) - offset):
        t = mg.tensor(a, requires_grad=True)
        y = normalise(t)
        (d,) = mg.grad(y, t, mg.tensor(g.astype(a.dtype)), create_graph=True)
        (second,) = mg.grad((d * d).sum(), t)
        results.append([d.numpy(), second.numpy()])
    for ours, exact in zip(*results):
        size = max(1, np.abs(exact).max())
        np.testing.assert_allclose(ours, exact, atol=20 * tolerance(np.float32) * size)


def test_running_variance_of_a_mean_of_ten_million():
    """A million deviations from 0. A mean rounded to float32 is up to half a deviation off, and the
    variance doubled.
    """
    x = (1e7 + 10 * np.random.default_rng(0).standard_normal((8, 3, 16, 16))).astype(np.float32)
    running = mg.zeros(3), mg.ones(3)
    F.batch_norm(mg.tensor(x), *running, training=True, momentum=1.0)
    exact = x.astype(np.float64).var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(running[1].numpy(), exact, rtol=1e-6)


def test_output_at_a_mean_of_fifty_deviations():
    x = (5 + 0.1 * np.random.default_rng(0).standard_normal((64, 3, 64, 64))).astype(np.float32)
    y = F.batch_norm(mg.tensor(x), training=True).numpy()
    d = x.astype(np.float64) - x.astype(np.float64).mean((0, 2, 3), keepdims=True)
    exact = d / np.sqrt(np.square(d).mean((0, 2, 3), keepdims=True) + EPS)
    assert np.abs(y - exact).max() < 1e-6


def test_a_piece_whose_every_eighth_line_is_an_outlier_keeps_its_variance():
    """The centre is taken from those lines, and is then √7 deviations from the mean."""
    x = np.random.default_rng(0).standard_normal((1 << 16, 2))
    x.reshape(-1, 1024, 2)[::8] += 1000
    x = x.astype(np.float32)
    mean, inv_std, *_ = cpu.batch_norm_statistics(x, *[None] * 4, 0.1, 0.0)
    exact = x.astype(np.float64)
    var = inv_std.astype(np.float64) ** -2
    np.testing.assert_allclose(mean.sum(0, np.float64), exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(var, exact.var(0), rtol=2e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, 1e6, -3.3])
def test_a_constant_channel_is_its_bias(dtype, value):
    x = np.full((40, 3, 9, 7), value, dtype)
    y = F.batch_norm(mg.Tensor(x), bias=mg.tensor(np.arange(3, dtype=dtype)), training=True).numpy()
    expected = np.broadcast_to(per_channel(np.arange(3), x), x.shape)
    np.testing.assert_allclose(y, expected, atol=8 * np.finfo(dtype).eps)


def test_the_channels_of_the_cases_are_drawn_apart():
    """The oracle's own check: without an offset it is the formula as it stands."""
    case = Case(lambda low, high: high, 0)
    x = case.normal(6, 3, 4, 4)
    g = case.normal(6, 3, 4, 4)
    exact = Exact(x, g, np.ones(3), np.zeros(3), 0.0)
    np.testing.assert_allclose(exact.y.mean((0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(np.square(exact.y).mean((0, 2, 3)), 1, atol=1e-4)
    np.testing.assert_allclose((exact.dx * exact.y).sum((0, 2, 3)), 0, atol=1e-3)
