"""The fast NumPy implementations, each against the plainest statement of its formula, in any
memory layout.
"""

import math
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dtypes, in_layout, layouts

from minigan.backends import cpu
from minigan.backends.cpu import blocks, memory, products, threads, winograd

seeds = st.integers(0, 2**32 - 1)


def random_array(rng, shape, dtype, layout="contiguous"):
    return in_layout(rng.standard_normal(shape).astype(dtype), layout)


def assert_close(actual, expected, terms, scale=1.0):
    """Agreement to rounding: a sum of `terms` products of unit size, each rounded to the result's
    precision.
    """
    assert actual.shape == expected.shape
    tolerance = 16 * np.finfo(actual.dtype).eps * scale * max(8, terms) ** 0.5
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


# ---- convolution: the definitions, one tap at a time


def taps(x_size, output_size, kernel_size, stride):
    """For each tap (r, s), the slices of the padded image that meet it."""
    for r in range(kernel_size[0]):
        for s in range(kernel_size[1]):
            yield (
                (r, s),
                (
                    slice(r, r + (output_size[0] - 1) * stride[0] + 1, stride[0]),
                    slice(s, s + (output_size[1] - 1) * stride[1] + 1, stride[1]),
                ),
            )


def padded(x, padding):
    return np.pad(np.asarray(x, np.float64), ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))


def plain_conv2d(x, w, stride, padding):
    x = padded(x, padding)
    w = np.asarray(w, np.float64)
    size = tuple((n - r) // s + 1 for n, r, s in zip(x.shape[2:], w.shape[2:], stride))
    return sum(
        np.einsum("nchw,kc->nkhw", x[(...,) + where], w[:, :, r, s])
        for (r, s), where in taps(x.shape, size, w.shape[2:], stride)
    )


def plain_conv_transpose2d(g, w, stride, padding, output_padding):
    g = np.asarray(g, np.float64)
    w = np.asarray(w, np.float64)
    size = [
        (p - 1) * s + r + o for p, r, s, o in zip(g.shape[2:], w.shape[2:], stride, output_padding)
    ]
    x = np.zeros((len(g), w.shape[1], *size))
    for (r, s), where in taps(x.shape, g.shape[2:], w.shape[2:], stride):
        x[(...,) + where] += np.einsum("nkhw,kc->nchw", g, w[:, :, r, s])
    return x[:, :, padding[0] : size[0] - padding[0], padding[1] : size[1] - padding[1]]


def plain_weight_grad(x, g, kernel_size, stride, padding):
    x = padded(x, padding)
    g = np.asarray(g, np.float64)
    dw = np.zeros((g.shape[1], x.shape[1], *kernel_size))
    for (r, s), where in taps(x.shape, g.shape[2:], kernel_size, stride):
        dw[:, :, r, s] = np.einsum("nchw,nkhw->kc", x[(...,) + where], g)
    return dw


@st.composite
def convolutions(draw):
    """x and g shapes, weight shape, stride, padding, and the rows and columns that the stride
    leaves uncovered.
    """
    small = st.integers(1, 5)
    channels = st.one_of(small, st.sampled_from((8, 17, 20)))
    kernel = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    stride = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    padding = tuple(draw(st.integers(0, r)) for r in kernel)
    output = draw(small), draw(small)
    left_over = tuple(draw(st.integers(0, s - 1)) for s in stride)
    size = tuple(
        (p - 1) * s - 2 * a + r + o
        for p, s, a, r, o in zip(output, stride, padding, kernel, left_over)
    )
    grow = tuple(
        max(0, -(-(1 - n) // s)) for n, s in zip(size, stride)
    )  # an image has at least one pixel
    size = tuple(n + m * s for n, m, s in zip(size, grow, stride))
    output = tuple(p + m for p, m in zip(output, grow))
    n = draw(small)
    c = draw(channels)
    k = draw(channels)
    return (n, c, *size), (n, k, *output), (k, c, *kernel), stride, padding, left_over


@st.composite
def dcgan_layers(draw):
    """4x4, stride 2, padding 1, with channels enough for Winograd, which some of the sizes also
    allow.
    """
    n = draw(st.integers(1, 4))
    c = draw(st.sampled_from((16, 17, 32)))
    k = draw(st.sampled_from((16, 20, 33)))
    p, q = (draw(st.sampled_from((2, 4, 6, 8, 1, 3))) for _ in range(2))
    left_over = tuple(draw(st.sampled_from((0, 0, 0, 1))) for _ in range(2))
    size = 2 * p + left_over[0], 2 * q + left_over[1]
    return (n, c, *size), (n, k, p, q), (k, c, 4, 4), (2, 2), (1, 1), left_over


def check_convolutions(problem, dtype, layout_x, layout_w, seed):
    x_shape, g_shape, w_shape, stride, padding, left_over = problem
    rng = np.random.default_rng(seed)
    x = random_array(rng, x_shape, dtype, layout_x)
    g = random_array(rng, g_shape, dtype, layout_x)
    w = random_array(rng, w_shape, dtype, layout_w)
    kernel = w_shape[2:]
    taps_ = kernel[0] * kernel[1]

    y = cpu.conv2d(x, w, stride, padding)
    assert y.dtype == dtype
    assert y.shape == g_shape
    assert_close(y, plain_conv2d(x, w, stride, padding), w_shape[1] * taps_, 4)
    dx = cpu.conv_transpose2d(g, w, stride, padding, left_over)
    assert dx.dtype == dtype
    assert dx.shape == x_shape
    assert_close(
        dx, plain_conv_transpose2d(g, w, stride, padding, left_over), w_shape[0] * taps_, 4
    )
    dw = cpu.conv2d_weight_grad(x, g, kernel, stride, padding)
    assert dw.dtype == dtype
    assert dw.shape == w_shape
    assert_close(dw, plain_weight_grad(x, g, kernel, stride, padding), g.size // g_shape[1], 4)


@settings(max_examples=100, deadline=None)
@given(convolutions(), dtypes, layouts, layouts, seeds)
def test_three_convolutions_are_their_definitions(problem, dtype, layout_x, layout_w, seed):
    check_convolutions(problem, dtype, layout_x, layout_w, seed)


@settings(max_examples=40, deadline=None)
@given(dcgan_layers(), dtypes, layouts, layouts, seeds, st.integers(1, 5), st.booleans())
def test_layers_that_winograd_serves_are_their_definitions(
    problem, dtype, layout_x, layout_w, seed, count, by_pixels
):
    """For any number of threads, which share the pixels or the channels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "thread_count", lambda: count)
        patch.setattr(
            winograd, "_PIXELS", 8 if by_pixels else 1 << 10
        )  # several steps down the image, or one
        patch.setattr(winograd, "_MOST", 1 << 13)  # several slabs of the batch
        check_convolutions(problem, dtype, layout_x, layout_w, seed)


@pytest.mark.parametrize(
    "n, c, k, size, kernel, stride, padding",
    [
        (4, 3, 32, (32, 32), 4, 2, 1),  # DCGAN's first layer: few channels gathered pixel by pixel
        (2, 64, 3, (20, 24), 7, 1, 3),  # CycleGAN's last: multiplied first, added shifted
        (1, 32, 32, (24, 40), 3, 1, 1),  # a residual block, one image
        (1, 16, 24, (37, 25), 3, 2, 1),  # odd size, an uncovered column
        (8, 40, 24, (4, 4), 4, 1, 0),  # one output pixel
        (2, 20, 30, (9, 9), 1, 3, 0),  # a stride longer than the kernel
        (3, 24, 16, (32, 32), 4, 2, 1),  # Winograd, several steps
        (1, 16, 16, (40, 40), 4, 2, 1),  # Winograd, one image: the threads share its rows
        (2, 16, 16, (33, 32), 4, 2, 1),  # even output of an odd height: no Winograd
        (2, 16, 16, (32, 33), 4, 2, 1),  # or of an odd width
    ],
)
def test_large_layers_in_many_bands_are_their_definitions(n, c, k, size, kernel, stride, padding):
    output = tuple((s + 2 * padding - kernel) // stride + 1 for s in size)
    left_over = tuple((s + 2 * padding - kernel) % stride for s in size)
    problem = (
        (n, c, *size),
        (n, k, *output),
        (k, c, kernel, kernel),
        (stride,) * 2,
        (padding,) * 2,
        left_over,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu.im2col, "_BLOCK", 1 << 14)
        check_convolutions(problem, np.float32, "contiguous", "contiguous", seed=0)
        check_convolutions(problem, np.float64, "HWNC", "contiguous", seed=1)


def test_results_lie_in_memory_as_the_next_layer_reads_them_and_weight_gradients_as_weights():
    rng = np.random.default_rng(0)
    for c, k, kernel in ((24, 32, 4), (3, 32, 4), (24, 32, 3)):
        x = random_array(rng, (2, c, 8, 8), np.float32)
        w = random_array(rng, (k, c, kernel, kernel), np.float32)
        y = cpu.conv2d(x, w, (2, 2), (1, 1))
        assert y.transpose(2, 3, 0, 1).flags.c_contiguous
        assert cpu.conv2d_weight_grad(x, y, (kernel,) * 2, (2, 2), (1, 1)).flags.c_contiguous


def test_same_bits_every_time():
    rng = np.random.default_rng(0)
    x = random_array(rng, (4, 3, 64, 64), np.float32)
    w = random_array(rng, (32, 3, 4, 4), np.float32)
    g = cpu.conv2d(x, w, (2, 2), (1, 1))
    v = random_array(rng, (48, 32, 4, 4), np.float32)
    for function in (
        lambda: cpu.conv2d_weight_grad(x, g, (4, 4), (2, 2), (1, 1)),
        lambda: cpu.conv2d_weight_grad(g, cpu.conv2d(g, v, (2, 2), (1, 1)), (4, 4), (2, 2), (1, 1)),
        lambda: cpu.conv_transpose2d(g, w, (2, 2), (1, 1), (0, 0)),
        lambda: cpu.channel_sum(g),
        lambda: np.vstack(cpu.batch_norm_statistics(g, *[None] * 4, 0.1, 1e-5)),
    ):
        first = function()
        for _ in range(5):
            assert np.array_equal(first, function())


# ---- products, channels


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), dtypes, layouts, layouts, seeds
)
def test_matmul_is_the_product(n, i, o, dtype, layout_x, layout_y, seed):
    rng = np.random.default_rng(seed)
    x = random_array(rng, (n, i), dtype, layout_x)
    y = random_array(rng, (i, o), dtype, layout_y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "_THREADS_FROM", 1 << 19)
        product = np.einsum("ni,io->no", x.astype(np.float64), y.astype(np.float64))
        assert_close(products.shared_matmul(x, y), product, i, 4)
        assert_close(products.matmul(x, y), product, i, 4)
        bias = random_array(rng, (o,), dtype)
        assert_close(products.linear(x, y.T, bias), product + bias, i, 4)


def channel_shapes():
    """(N, C) or (N, C, H, W) with at least two values per channel."""
    n = st.integers(2, 40)
    small = st.integers(1, 6)
    return st.one_of(
        st.tuples(n, small), st.tuples(st.integers(2, 5), st.integers(1, 20), small, small)
    )


def axes_of(x):
    return (0, *range(2, x.ndim))


def per_channel(v, x):
    return np.asarray(v, np.float64).reshape((1, -1) + (1,) * (x.ndim - 2))


@pytest.fixture(params=[1 << 17, 64], ids=["one piece", "many pieces"])
def pieces(request, monkeypatch):
    monkeypatch.setattr(blocks, "SIZE", request.param)


def in_pieces(test):
    """Hypothesis runs the body many times: one piece and many pieces in each example."""

    def run(**drawn):
        for size in (1 << 17, 64):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(blocks, "SIZE", size)
                test(**drawn)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@settings(max_examples=40, deadline=None)
@given(shape=channel_shapes(), dtype=dtypes, layout=layouts, seed=seeds)
@in_pieces
def test_sums_biases_and_affine_maps_of_channels(shape, dtype, layout, seed):
    rng = np.random.default_rng(seed)
    x = random_array(rng, shape, dtype, layout)
    centre, scale, shift = random_array(rng, (3, shape[1]), dtype)
    wide = x.astype(np.float64)
    assert_close(cpu.channel_sum(x), wide.sum(axes_of(x)), x.size, 4)
    assert_close(cpu.add_bias(x, shift), wide + per_channel(shift, x), 1)
    affine = (wide - per_channel(centre, x)) * per_channel(scale, x) + per_channel(shift, x)
    for slope in (None, 0.0, 0.2, 1.5):
        expected = affine if slope is None else np.where(affine > 0, affine, slope * affine)
        assert_close(cpu.batch_norm_forward(x, centre, scale, shift, slope), expected, 1)


@settings(max_examples=40, deadline=None)
@given(
    shape=channel_shapes(),
    dtype=dtypes,
    layout=layouts,
    seed=seeds,
    offset=st.sampled_from((0.0, 1.0, 1e3, 1e6)),
)
@in_pieces
def test_batch_norm_statistics_keep_their_digits_under_a_large_mean(
    shape, dtype, layout, seed, offset
):
    x = in_layout(
        (np.random.default_rng(seed).standard_normal(shape) + offset).astype(dtype), layout
    )
    mean, inv_std, *_ = cpu.batch_norm_statistics(x, *[None] * 4, 0.1, 1e-12)
    wide = x.astype(np.float64) - offset
    tolerance = 64 * np.finfo(dtype).eps
    np.testing.assert_allclose(mean[0] - offset + mean[1], wide.mean(axes_of(x)), atol=tolerance)
    np.testing.assert_allclose(
        inv_std**-2, wide.var(axes_of(x)) + 1e-12, rtol=tolerance, atol=tolerance
    )


@settings(max_examples=40, deadline=None)
@given(
    shape=channel_shapes(),
    layout=layouts,
    seed=seeds,
    slope=st.sampled_from((None, 0.0, 0.2, 1.5)),
    weighted=st.booleans(),
)
@in_pieces
def test_batch_norm_gradient_is_the_derivative(shape, layout, seed, slope, weighted):
    """Along a random direction u in x, weight and bias: (f(h) - f(-h)) / 2 h with f(h) =
    <batch_norm(x + h u), g>.
    """
    rng = np.random.default_rng(seed)
    x, u, g = (rng.standard_normal(shape) for _ in range(3))
    weight, bias, wu, bu = rng.standard_normal((4, shape[1]))
    weight, wu = (weight, wu) if weighted else (np.ones(shape[1]), np.zeros(shape[1]))
    z = (x - x.mean(axes_of(x), keepdims=True)) / np.sqrt(x.var(axes_of(x), keepdims=True) + 1e-5)
    y = z * per_channel(weight, x) + per_channel(bias, x)
    away_from_kink = np.abs(y) > 1e-3  # the rest has no say in f
    g *= away_from_kink

    def f(h):
        v = x + h * u
        v = (v - v.mean(axes_of(x), keepdims=True)) / np.sqrt(
            v.var(axes_of(x), keepdims=True) + 1e-5
        )
        v = v * per_channel(weight + h * wu, x) + per_channel(bias + h * bu, x)
        return (g * (v if slope is None else np.where(y > 0, v, slope * v))).sum()

    mean = x.mean(axes_of(x))
    inv_std = 1 / np.sqrt(x.var(axes_of(x)) + 1e-5)
    y = y if slope is None else np.where(y > 0, y, slope * y - 1e-300)
    layout = "HWNC" if layout == "broadcast" else layout
    dx, dweight, dbias = cpu.batch_norm_grad(
        in_layout(g, layout),
        in_layout(x, layout),
        None if slope is None else y,
        np.stack([mean, 0 * mean]),
        inv_std,
        weight if weighted else None,
        slope,
    )
    h = 1e-5 * math.sqrt(x.var(axes_of(x)).min())  # small beside the least spread of a channel
    size = (
        max(1, *(np.abs(a).max() for a in (dx, dweight, dbias))) * max(1, np.abs(u).max()) * x.size
    )
    assert abs((dx * u).sum() + dweight @ wu + dbias @ bu - (f(h) - f(-h)) / (2 * h)) < 1e-5 * size


# ---- elementwise

EXTREMES = [
    0.0,
    -0.0,
    1e-38,
    -1e-38,
    1e-45,
    -1e-45,
    3e38,
    -3e38,
    np.inf,
    -np.inf,
    np.nan,
    1.0,
    -1.0,
]


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(1, 9), max_size=4),
    dtype=dtypes,
    layout=layouts,
    seed=seeds,
    slope=st.sampled_from((0.0, 0.01, 0.2, 1.0, 3.0)),
)
@in_pieces
def test_leaky_relu_and_its_gradient_are_their_definitions_at_every_value(
    shape, dtype, layout, seed, slope
):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(dtype)
    x = in_layout(
        np.where(rng.random(shape) < 0.3, rng.choice(np.array(EXTREMES, dtype), shape), x), layout
    )
    g = random_array(rng, shape, dtype, layout)
    with np.errstate(all="ignore"):
        expected = np.where(x > 0, x, np.where(np.isneginf(x) & (slope == 0), 0, dtype(slope) * x))
    np.testing.assert_array_equal(cpu.leaky_relu(x, slope), expected)
    np.testing.assert_array_equal(
        cpu.leaky_relu_grad(g, x, slope), np.where(x > 0, g, dtype(slope) * g)
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 6), max_size=3),
    dtypes,
    layouts,
    seeds,
    st.sampled_from(("mean", "sum", "none")),
    st.one_of(st.just(None), st.sampled_from((0.0, 0.9, 1.0))),
)
def test_bce_with_logits_is_its_textbook_formula(shape, dtype, layout, seed, reduction, label):
    rng = np.random.default_rng(seed)
    x = in_layout(rng.normal(0, 3, shape).astype(dtype), layout)
    target = in_layout(rng.random(shape).astype(dtype), layout) if label is None else label
    g = random_array(rng, shape if reduction == "none" else (), dtype)
    p = 1 / (1 + np.exp(-x.astype(np.longdouble)))  # 1 - p cancels
    value = -(target * np.log(p) + (1 - target) * np.log(1 - p))
    value = value if reduction == "none" else getattr(value, reduction)()
    assert_close(cpu.bce_with_logits(x, target, reduction), np.asarray(value), x.size, 4)
    grad = (p - target) * g / (x.size if reduction == "mean" else 1)
    actual = cpu.bce_with_logits_grad(x, target, g, reduction)
    assert actual.dtype == dtype
    assert_close(actual, grad, 1, 4)


def test_bce_with_logits_does_not_overflow():
    x = np.array([-1e4, -100, 0, 100, 1e4], np.float32)
    np.testing.assert_allclose(
        cpu.bce_with_logits(x, 0.0, "none"), [0, 0, np.log(2), 100, 1e4], 1e-6, 1e-40
    )
    np.testing.assert_allclose(
        cpu.bce_with_logits(x, 1.0, "none"), [1e4, 100, np.log(2), 0, 0], 1e-6, 1e-40
    )
    np.testing.assert_allclose(
        cpu.bce_with_logits_grad(x, 1.0, np.ones(5, np.float32), "none"),
        [-1, -1, -0.5, 0, 0],
        atol=1e-7,
    )


# ---- Adam


@pytest.mark.parametrize("weight_decay", [0, 0.1])
@pytest.mark.parametrize("layout", ["contiguous", "HWNC", "offset", "mixed"])
def test_adam_is_kingma_and_ba_in_any_memory(layout, weight_decay, pieces):
    rng = np.random.default_rng(0)
    shapes = [(6, 4, 3, 3), (5, 7), (), (300,)]

    def state(values):
        """The same values in writable memory of that layout; "mixed" has gradients in another
        order.
        """
        a = np.array(values)
        if a.ndim == 0:
            return a
        if layout == "offset":
            wide = np.zeros([2 * n for n in a.shape])
            wide[(slice(None, None, 2),) * a.ndim] = a
            return wide[(slice(None, None, 2),) * a.ndim]
        return np.ascontiguousarray(a.T).T if layout == "HWNC" else a

    p = [state(rng.standard_normal(s)) for s in shapes]
    m, v = ([state(np.zeros(s)) for s in shapes] for _ in range(2))
    expected = [(a.copy(), np.zeros(a.shape), np.zeros(a.shape)) for a in p]
    for step in range(1, 6):
        order = "transposed" if layout == "mixed" else "contiguous"
        grads = [in_layout(np.array(rng.standard_normal(s)), order) for s in shapes]
        cpu.adam(p, grads, m, v, step, 0.01, (0.5, 0.99), 1e-8, weight_decay)
        for i, g in enumerate(grads):
            q, mean, square = expected[i]
            g = g + weight_decay * q
            mean = 0.5 * mean + 0.5 * g
            square = 0.99 * square + 0.01 * g * g
            denominator = np.sqrt(square / (1 - 0.99**step)) + 1e-8
            expected[i] = q - 0.01 * mean / (1 - 0.5**step) / denominator, mean, square
    for actual, wanted in zip(zip(p, m, v), expected):
        for a, b in zip(actual, wanted):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_adam_is_pytorchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    p = rng.standard_normal(1000)
    m = np.zeros(1000)
    v = np.zeros(1000)
    theirs = torch.tensor(p, requires_grad=True)
    optimizer = torch.optim.Adam([theirs], lr=1e-3, betas=(0.5, 0.999), weight_decay=0.01)
    for step in range(1, 101):
        g = rng.standard_normal(1000)
        theirs.grad = torch.tensor(g)
        optimizer.step()
        cpu.adam([p], [g], [m], [v], step, 1e-3, (0.5, 0.999), 1e-8, 0.01)
    np.testing.assert_allclose(p, theirs.detach().numpy(), rtol=1e-12, atol=1e-14)


# ---- threads


def test_parallel_runs_every_item_once_and_gives_blas_its_threads_back():
    before = threads.thread_count()
    seen = []
    threads.parallel(lambda i: threads.parallel(seen.append, [i, i + 100]), range(20))  # nested too
    assert sorted(seen) == [*range(20), *range(100, 120)]
    assert threads.thread_count() == before


def test_the_first_error_of_a_task_is_raised_and_the_pool_lives_on():
    def fail(i):
        if i == 3:
            raise ValueError("task 3")

    for _ in range(3):
        with pytest.raises(ValueError, match="task 3"):
            threads.parallel(fail, range(8))
    test_parallel_runs_every_item_once_and_gives_blas_its_threads_back()


def test_split_covers_the_range_without_empty_parts():
    for size in (1, 2, 7, 64):
        for parts in (1, 2, 3, 100):
            pieces = threads.split(size, parts)
            assert [i for p in pieces for i in range(p.start, p.stop)] == list(range(size))
            assert len(pieces) == min(size, parts)


def test_arrays_start_on_a_cache_line():
    assert memory.empty((100, 1000), np.float32).ctypes.data % 64 == 0
    a = memory.scratch("test", (100, 1000), np.float64)
    assert a.ctypes.data % 64 == 0
    assert np.shares_memory(a, memory.scratch("test", (7, 3), np.float32))


def test_memory_serves_again_as_soon_as_no_array_lies_in_it():
    a = memory.empty((300, 1001), np.float32)
    address = a.ctypes.data
    view = a.T[1:, ::2]
    del a
    other = memory.empty((1001, 300), np.float32)
    assert not np.shares_memory(other, view)
    del view
    assert memory.empty((1001, 300), np.float32).ctypes.data == address
    for i in range(2 * memory._SIZES):  # so many sizes are not kept
        memory.empty((100_000 + i,), np.uint8)
    assert len(memory.buffers.of_size) == memory._SIZES
    assert other.base is not None
    assert not np.shares_memory(other, memory.empty((1001, 300), np.float32))


def test_programs_own_threads_may_all_compute_at_once():
    rng = np.random.default_rng(0)
    x = random_array(rng, (2, 16, 16, 16), np.float32)
    w = random_array(rng, (16, 16, 4, 4), np.float32)
    expected = cpu.conv2d(x, w, (2, 2), (1, 1))
    results = []

    def work():
        results.extend(
            np.array_equal(cpu.conv2d(x, w, (2, 2), (1, 1)), expected) for _ in range(20)
        )

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [True] * 80


def test_convolutions_leave_no_thread_of_blas_spinning():
    """One that spins, as OpenBLAS's do for 150 ms after a product, takes a core from whatever
    runs next.
    """
    rng = np.random.default_rng(0)
    z = random_array(rng, (32, 100, 1, 1), np.float32)
    w = random_array(rng, (100, 512, 4, 4), np.float32)
    x = random_array(rng, (32, 512, 4, 4), np.float32)
    v = random_array(rng, (512, 64, 4, 4), np.float32)
    a = random_array(rng, (64, 784), np.float32)
    b = random_array(rng, (784, 512), np.float32)
    time.sleep(0.3)  # whatever ran before
    for name, kernel in {
        "one pixel": lambda: cpu.conv_transpose2d(z, w, (1, 1), (0, 0), (0, 0)),
        "to one pixel": lambda: cpu.conv2d(x, w, (1, 1), (0, 0)),
        "one pixel's weight gradient": lambda: cpu.conv2d_weight_grad(x, z, (4, 4), (1, 1), (0, 0)),
        "Winograd": lambda: cpu.conv_transpose2d(x, v, (2, 2), (1, 1), (0, 0)),
        "im2col": lambda: cpu.conv2d(x, v.transpose(1, 0, 2, 3), (1, 1), (2, 2)),
        "matmul": lambda: products.shared_matmul(a, b),
        "a vector": lambda: products.shared_matmul(a, b[:, :1]),
        "channel_sum": lambda: cpu.channel_sum(x),
        "statistics": lambda: cpu.batch_norm_statistics(x, *[None] * 4, 0.1, 1e-5),
    }.items():
        kernel()
        before = time.process_time()
        time.sleep(0.03)
        assert time.process_time() - before < 0.015, name


PROGRAM = """
import os, numpy as np
from minigan.backends import cpu
from minigan.backends.cpu import threads
x, w = np.ones((4, 16, 16, 16), np.float32), np.ones((16, 16, 4, 4), np.float32)
print(threads.thread_count(), cpu.conv2d(x, w, (2, 2), (1, 1))[1, 1, 1, 1])
if hasattr(os, "fork"):
    child = os.fork()
    total = cpu.conv2d(x, w, (2, 2), (1, 1)).sum()
    if child == 0:
        os._exit(0 if total > 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("count", [1, 2])
def test_one_thread_is_enough_a_fork_computes_and_the_interpreter_exits(count):
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **{name: str(count) for name in names}},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(min(count, cores)), "256.0"]
