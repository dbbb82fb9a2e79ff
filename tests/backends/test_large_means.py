"""Normalisation keeps its digits where the mean is large beside the spread.

x = offset + spread has lost some digits of the spread already. But from the x that there is, all
that follows is exact: float32 must give what float64 gives for the same x. The oracle is the
formula in float64 on x - offset, in which no digit is in danger. For second derivatives it is
minigan in float64, which finite differences check (test_gradients.py).
"""

import numpy as np
import pytest
from cpu_kernels import BLOCK_SIZES, axes_of, both_dtypes, per_channel
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
ALL_BUT_CHANNELS = (0, 2, 3)


def shape_of(case):
    """(N, C) or (N, C, H, W)."""
    n = case.choose(4, 30)
    c = case.choose(1, 5)
    height = case.choose(2, 6)
    width = case.choose(2, 6)
    image = case.of((), (height, width))
    return n, c, *image


def far_from_zero(case, shape, offset, dtype, layout):
    values = case.normal(*shape) + offset
    if layout == "broadcast":
        layout = "HWNC"  # equal rows have no variance
    return in_layout(values.astype(dtype), layout)


def wide(a):
    return a.astype(np.float64)


def parameter(values, dtype):
    return mg.tensor(values.astype(dtype), requires_grad=True)


def tolerance(dtype):
    return 64 * np.finfo(dtype).eps


def largest(a):
    return np.abs(a).max()


def assert_near(y, exact, dtype, scale=0):
    """Agreement to 64 units in the last place of the largest number, or of `scale`."""
    scale = scale or largest(exact)
    close = tolerance(dtype) * scale
    np.testing.assert_allclose(y.numpy(), exact, atol=close)


def normalised(x, axes):
    """(x - mean) / std over these axes."""
    mean = x.mean(axes, keepdims=True)
    centred = x - mean
    squares = np.square(centred)
    var = squares.mean(axes, keepdims=True)
    std = np.sqrt(var + EPS)
    return centred / std


class Exact:
    """Batch norm of x and its statistics in float64, about a point that lies near all of x."""

    def __init__(self, x, weight, bias, offset):
        self.axes = axes_of(x)
        self.n = x[:, 0].size
        beyond_offset = wide(x) - offset
        var = beyond_offset.var(self.axes)
        self.mean = beyond_offset.mean(self.axes) + offset
        self.unbiased_var = var * self.n / (self.n - 1)
        self.std = np.sqrt(var + EPS)
        self.z = normalised(beyond_offset, self.axes)
        self.weight = weight
        scaled = self.z * per_channel(weight, x)
        self.y = scaled + per_channel(bias, x)

    def gradients(self, g):
        """dx, dweight and dbias for the gradient g of y."""
        z = self.z
        g = wide(g)
        dweight = (g * z).sum(self.axes)
        dbias = g.sum(self.axes)
        mean_g = per_channel(dbias, z) / self.n
        mean_gz = per_channel(dweight, z) / self.n
        factor = per_channel(self.weight / self.std, z)
        dx = factor * (g - mean_g - z * mean_gz)
        return dx, dweight, dbias


@settings(max_examples=60)
@given(
    case=cases(),
    dtype=dtypes,
    layout=layouts,
    offset=RATIOS,
    size=st.sampled_from(tuple(BLOCK_SIZES.values())),
)
def test_batch_norm_and_its_gradients_are_those_of_float64(case, dtype, layout, offset, size):
    shape = shape_of(case)
    c = shape[1]
    a = far_from_zero(case, shape, offset, dtype, layout)
    g = case.normal(*shape).astype(dtype)
    x = parameter(a, dtype)
    x.data = a  # as it lies in memory
    weight = parameter(case.normal(c), dtype)
    bias = parameter(case.normal(c), dtype)
    mean = mg.zeros(c, dtype=dtype)
    var = mg.ones(c, dtype=dtype)
    inputs = [x, weight, bias]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "SIZE", size)
        y = F.batch_norm(
            x,
            mean,
            var,
            weight,
            bias,
            training=True,
            momentum=1.0,
            eps=EPS,
        )
        gradients = mg.grad(y, inputs, mg.Tensor(g))

    close = tolerance(dtype)
    exact = Exact(a, weight.numpy(), bias.numpy(), offset)
    assert_near(y, exact.y, dtype)
    np.testing.assert_allclose(mean.numpy(), exact.mean, rtol=close, atol=close)
    np.testing.assert_allclose(var.numpy(), exact.unbiased_var, rtol=close)
    size_of_g = np.abs(g).sum() / 16
    for ours, theirs in zip(gradients, exact.gradients(g), strict=True):
        scale = max(1, largest(theirs), size_of_g)
        assert_near(ours, theirs, dtype, scale)


@settings(max_examples=40)
@given(case=cases(), layout=layouts, offset=RATIOS)
def test_batch_norm_in_evaluation_subtracts_the_running_mean_first(case, layout, offset):
    shape = shape_of(case)
    values = case.normal(*shape) + offset
    x = in_layout(values.astype(np.float32), layout)
    parameters = []
    for _ in range(4):
        positive = case.positive(shape[1])
        parameters.append(positive.astype(np.float32))
    mean, var, weight, bias = parameters
    mean += np.float32(offset)
    tensors = [mg.tensor(a) for a in parameters]
    y = F.batch_norm(mg.Tensor(x), *tensors, eps=EPS)

    beyond_offset = wide(x) - offset
    mean_beyond_offset = wide(mean) - offset
    centred = beyond_offset - per_channel(mean_beyond_offset, x)
    std = np.sqrt(per_channel(var, x) + EPS)
    scaled = centred / std * per_channel(weight, x)
    exact = scaled + per_channel(bias, x)
    assert_near(y, exact, np.float32)


@settings(max_examples=40)
@given(case=cases(), dtype=dtypes, layout=layouts, offset=RATIOS)
def test_variance_and_instance_and_layer_norm_are_those_of_float64(case, dtype, layout, offset):
    n = case.choose(2, 3)
    c = case.choose(2, 4)
    height = case.choose(2, 6)
    width = case.choose(4, 6)
    shape = n, c, height, width
    a = far_from_zero(case, shape, offset, dtype, layout)
    x = mg.Tensor(a)
    beyond_offset = wide(a) - offset
    close = tolerance(dtype)

    for axes in (None, (0, 2)):
        var = x.var(axes).numpy()
        exact = beyond_offset.var(axes, ddof=1)
        np.testing.assert_allclose(var, exact, rtol=close)

    by_channel = F.instance_norm(x, eps=EPS)
    exact = normalised(beyond_offset, (2, 3))
    assert_near(by_channel, exact, dtype)

    by_sample = F.layer_norm(x, shape[1:], eps=EPS)
    exact = normalised(beyond_offset, (1, 2, 3))
    assert_near(by_sample, exact, dtype)


# ---- second derivatives --------------------------------------------------------------------------

NORMS = {
    "batch": lambda x: F.batch_norm(x, training=True),
    "instance": F.instance_norm,
    "layer": lambda x: F.layer_norm(x, x.shape[1:]),
}


def two_derivatives(normalise, a, g):
    """Of <normalise(x), g> at x = a: its gradient, and the gradient of that one's squared norm."""
    x = mg.tensor(a, requires_grad=True)
    y = normalise(x)
    g = mg.tensor(g)
    (first,) = mg.grad(y, x, g, create_graph=True)
    penalty = (first * first).sum()
    (second,) = mg.grad(penalty, x)
    return first, second


@settings(max_examples=20)
@given(case=cases(), offset=RATIOS, kind=st.sampled_from(tuple(NORMS)))
def test_second_derivatives_are_those_of_float64(case, offset, kind):
    n = case.choose(3, 5)
    c = case.choose(2, 4)
    height = case.choose(3, 5)
    width = case.choose(3, 5)
    shape = n, c, height, width
    every_axis = (0, 1, 2, 3)
    values = case.spread(shape, every_axis) + offset
    g = case.spread(shape, every_axis)
    x = values.astype(np.float32)
    g = g.astype(np.float32)
    beyond_offset = wide(x) - offset
    normalise = NORMS[kind]
    actual = two_derivatives(normalise, x, g)
    expected = two_derivatives(normalise, beyond_offset, wide(g))
    for ours, exact in zip(actual, expected):
        exact = exact.numpy()
        scale = max(1, largest(exact))
        assert_near(ours, exact, np.float32, 20 * scale)


# ---- fixed numbers -------------------------------------------------------------------------------


def normal_images(shape, mean, std):
    rng = np.random.default_rng(0)
    images = mean + std * rng.standard_normal(shape)
    return images.astype(np.float32)


def test_running_variance_of_a_mean_of_ten_million():
    """A million deviations from 0: float32 rounds the mean by up to half a deviation.

    With that mean, the variance would come out twice as large.
    """
    x = normal_images((8, 3, 16, 16), mean=1e7, std=10)
    mean = mg.zeros(3)
    var = mg.ones(3)
    batch = mg.tensor(x)
    F.batch_norm(batch, mean, var, training=True, momentum=1.0)
    exact = wide(x).var(ALL_BUT_CHANNELS, ddof=1)
    np.testing.assert_allclose(var.numpy(), exact, rtol=1e-6)


def test_output_at_a_mean_of_fifty_deviations():
    x = normal_images((64, 3, 64, 64), mean=5, std=0.1)
    batch = mg.tensor(x)
    y = F.batch_norm(batch, training=True)
    exact = normalised(wide(x), ALL_BUT_CHANNELS)
    assert largest(y.numpy() - exact) < 1e-6


def test_a_block_whose_every_eighth_line_is_an_outlier_keeps_its_variance():
    """The centre is taken from those lines, and is then √7 deviations from the mean."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((1 << 16, 2))
    lines = values.reshape(-1, 1024, 2)
    lines[::8] += 1000
    x = values.astype(np.float32)
    mean, inv_std, *_ = cpu.batch_norm_statistics(x, *[None] * 4, 0.1, 0.0)
    mean = mean.sum(0, np.float64)
    var = wide(inv_std) ** -2
    exact = wide(x)
    np.testing.assert_allclose(mean, exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(var, exact.var(0), rtol=2e-6)


@both_dtypes
@pytest.mark.parametrize("value", [0.1, 1e6, -3.3])
def test_a_constant_channel_is_its_bias(dtype, value):
    x = np.full((40, 3, 9, 7), value, dtype)
    bias = np.arange(3, dtype=dtype)
    batch = mg.Tensor(x)
    y = F.batch_norm(batch, bias=mg.tensor(bias), training=True)
    expected = np.broadcast_to(per_channel(bias, x), x.shape)
    close = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(y.numpy(), expected, atol=close)


def test_the_oracle_without_an_offset_is_the_formula_as_it_stands():
    case = Case(lambda low, high: high, 0)
    x = case.normal(6, 3, 4, 4)
    g = case.normal(6, 3, 4, 4)
    ones = np.ones(3)
    zeros = np.zeros(3)
    exact = Exact(x, ones, zeros, offset=0.0)
    dx, _, _ = exact.gradients(g)
    mean = exact.y.mean(ALL_BUT_CHANNELS)
    var = np.square(exact.y).mean(ALL_BUT_CHANNELS)
    along_y = (dx * exact.y).sum(ALL_BUT_CHANNELS)
    np.testing.assert_allclose(mean, 0, atol=1e-12)
    np.testing.assert_allclose(var, 1, atol=1e-4)
    np.testing.assert_allclose(along_y, 0, atol=1e-3)
