"""The fast NumPy implementations, each against the plainest statement of its formula in float64, in any memory layout."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import cpu

LAYOUTS = ("C", "HWNC", "CHWN", "reversed", "sliced", "broadcast")
seeds = st.integers(0, 2 ** 32 - 1)
dtypes = st.sampled_from((np.float32, np.float64))
layouts = st.sampled_from(LAYOUTS)


def in_layout(a, layout):
    """The same values in other memory, read-only: no function may write to what it is given."""
    if layout == "HWNC" and a.ndim == 4:
        a = np.ascontiguousarray(a.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)
    elif layout == "CHWN" and a.ndim == 4:
        a = np.ascontiguousarray(a.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    elif layout == "reversed":
        a = a[..., ::-1].copy()[..., ::-1]
    elif layout == "sliced":
        wide = np.full(tuple(2 * n + 1 for n in a.shape), np.nan, a.dtype)
        wide[tuple(slice(1, None, 2) for _ in a.shape)] = a
        a = wide[tuple(slice(1, None, 2) for _ in a.shape)]
    elif layout == "broadcast":
        a = np.broadcast_to(a[:1].copy(), a.shape)
    a = a.view()
    a.flags.writeable = False
    return a


def random_array(rng, shape, dtype, layout="C"):
    return in_layout(rng.standard_normal(shape).astype(dtype), layout)


def assert_close(actual, expected, terms, scale=1.0):
    """Agreement to rounding: a sum of `terms` products of unit size, each rounded to the result's precision."""
    assert actual.shape == expected.shape
    tolerance = 16 * np.finfo(actual.dtype).eps * scale * max(8, terms) ** 0.5
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


# ---- convolution: the definitions, one tap at a time

def taps(x_size, output_size, kernel_size, stride):
    """For each tap (r, s), the slices of the padded image that meet it."""
    for r in range(kernel_size[0]):
        for s in range(kernel_size[1]):
            yield (r, s), (slice(r, r + (output_size[0] - 1) * stride[0] + 1, stride[0]),
                           slice(s, s + (output_size[1] - 1) * stride[1] + 1, stride[1]))


def padded(x, padding):
    return np.pad(np.asarray(x, np.float64), ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))


def plain_conv2d(x, w, stride, padding):
    x, w = padded(x, padding), np.asarray(w, np.float64)
    size = tuple((n - r) // s + 1 for n, r, s in zip(x.shape[2:], w.shape[2:], stride))
    return sum(np.einsum("nchw,kc->nkhw", x[(...,) + where], w[:, :, r, s])
               for (r, s), where in taps(x.shape, size, w.shape[2:], stride))


def plain_conv_transpose2d(g, w, stride, padding, output_padding):
    g, w = np.asarray(g, np.float64), np.asarray(w, np.float64)
    size = [(p - 1) * s + r + o for p, r, s, o in zip(g.shape[2:], w.shape[2:], stride, output_padding)]
    x = np.zeros((len(g), w.shape[1], *size))
    for (r, s), where in taps(x.shape, g.shape[2:], w.shape[2:], stride):
        x[(...,) + where] += np.einsum("nkhw,kc->nchw", g, w[:, :, r, s])
    return x[:, :, padding[0]:size[0] - padding[0], padding[1]:size[1] - padding[1]]


def plain_weight_grad(x, g, kernel_size, stride, padding):
    x, g = padded(x, padding), np.asarray(g, np.float64)
    dw = np.zeros((g.shape[1], x.shape[1], *kernel_size))
    for (r, s), where in taps(x.shape, g.shape[2:], kernel_size, stride):
        dw[:, :, r, s] = np.einsum("nchw,nkhw->kc", x[(...,) + where], g)
    return dw


@st.composite
def convolutions(draw):
    """x and g shapes, weight shape, stride, padding, and the rows and columns that the stride leaves uncovered."""
    small = st.integers(1, 5)
    channels = st.one_of(small, st.sampled_from((8, 17, 20)))
    kernel = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    stride = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    padding = tuple(draw(st.integers(0, r)) for r in kernel)
    output = draw(small), draw(small)
    left_over = tuple(draw(st.integers(0, s - 1)) for s in stride)
    size = tuple((p - 1) * s - 2 * a + r + o for p, s, a, r, o in zip(output, stride, padding, kernel, left_over))
    grow = tuple(max(0, -(-(1 - n) // s)) for n, s in zip(size, stride))        # an image has at least one pixel
    size = tuple(n + m * s for n, m, s in zip(size, grow, stride))
    output = tuple(p + m for p, m in zip(output, grow))
    n, c, k = draw(small), draw(channels), draw(channels)
    return (n, c, *size), (n, k, *output), (k, c, *kernel), stride, padding, left_over


@st.composite
def dcgan_layers(draw):
    """4x4, stride 2, padding 1, with channels enough and even output for Winograd."""
    n, c, k = draw(st.integers(1, 4)), draw(st.sampled_from((16, 17, 32))), draw(st.sampled_from((16, 20, 33)))
    p, q = 2 * draw(st.integers(1, 4)), 2 * draw(st.integers(1, 4))
    return (n, c, 2 * p, 2 * q), (n, k, p, q), (k, c, 4, 4), (2, 2), (1, 1), (0, 0)


def check_convolutions(problem, dtype, layout_x, layout_w, seed):
    x_shape, g_shape, w_shape, stride, padding, left_over = problem
    rng = np.random.default_rng(seed)
    x, g = random_array(rng, x_shape, dtype, layout_x), random_array(rng, g_shape, dtype, layout_x)
    w = random_array(rng, w_shape, dtype, layout_w)
    kernel = w_shape[2:]
    taps_ = kernel[0] * kernel[1]

    y = cpu.conv2d(x, w, stride, padding)
    assert y.dtype == dtype and y.shape == g_shape
    assert_close(y, plain_conv2d(x, w, stride, padding), w_shape[1] * taps_, 4)
    dx = cpu.conv_transpose2d(g, w, stride, padding, left_over)
    assert dx.dtype == dtype and dx.shape == x_shape
    assert_close(dx, plain_conv_transpose2d(g, w, stride, padding, left_over), w_shape[0] * taps_, 4)
    dw = cpu.conv2d_weight_grad(x, g, kernel, stride, padding)
    assert dw.dtype == dtype and dw.shape == w_shape
    assert_close(dw, plain_weight_grad(x, g, kernel, stride, padding), g.size // g_shape[1], 4)


@settings(max_examples=150, deadline=None)
@given(convolutions(), dtypes, layouts, layouts, seeds)
def test_three_convolutions_are_their_definitions(problem, dtype, layout_x, layout_w, seed):
    check_convolutions(problem, dtype, layout_x, layout_w, seed)


@settings(max_examples=50, deadline=None)
@given(dcgan_layers(), dtypes, layouts, layouts, seeds)
def test_winograd_layers_are_their_definitions(problem, dtype, layout_x, layout_w, seed):
    check_convolutions(problem, dtype, layout_x, layout_w, seed)
