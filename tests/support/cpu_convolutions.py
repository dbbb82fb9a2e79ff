"""The three convolutions of backends/cpu, each held against its definition, one tap at a time."""

from typing import NamedTuple

import numpy as np
from cpu_kernels import assert_close, random_array
from hypothesis import strategies as st

from minigan.backends import cpu


class Layer(NamedTuple):
    """A convolution: the shapes of images, feature maps and weights, and its options."""

    x_shape: tuple
    y_shape: tuple
    w_shape: tuple
    stride: tuple
    padding: tuple
    left_over: tuple  # rows and columns that the stride leaves uncovered

    @property
    def kernel_size(self):
        return self.w_shape[2:]


# ---- the definitions -----------------------------------------------------------------------------


def met_by(tap, windows, stride):
    """The places along an axis that a tap meets, one in each window."""
    last = tap + (windows - 1) * stride
    return slice(tap, last + 1, stride)


def taps(layer):
    """For each tap (r, s), the pixels of the padded image that it meets."""
    down, across = layer.y_shape[2:]
    row_stride, column_stride = layer.stride
    height, width = layer.kernel_size
    for r in range(height):
        rows = met_by(r, down, row_stride)
        for s in range(width):
            columns = met_by(s, across, column_stride)
            yield r, s, (..., rows, columns)


def padded(x, layer):
    ph, pw = layer.padding
    wide = x.astype(np.float64)
    return np.pad(wide, ((0, 0), (0, 0), (ph, ph), (pw, pw)))


def without_padding(x, layer):
    ph, pw = layer.padding
    height, width = layer.x_shape[2:]
    rows = slice(ph, ph + height)
    columns = slice(pw, pw + width)
    return x[:, :, rows, columns]


def plain_conv2d(x, w, layer):
    image = padded(x, layer)
    y = np.zeros(layer.y_shape)
    for r, s, pixels in taps(layer):
        tap = w[:, :, r, s]
        y += np.einsum("nchw,kc->nkhw", image[pixels], tap)
    return y


def plain_conv_transpose2d(g, w, layer):
    wide = g.astype(np.float64)
    image = padded(np.zeros(layer.x_shape), layer)
    for r, s, pixels in taps(layer):
        tap = w[:, :, r, s]
        image[pixels] += np.einsum("nkhw,kc->nchw", wide, tap)
    return without_padding(image, layer)


def plain_weight_grad(x, g, layer):
    image = padded(x, layer)
    dw = np.zeros(layer.w_shape)
    for r, s, pixels in taps(layer):
        dw[:, :, r, s] = np.einsum("nchw,nkhw->kc", image[pixels], g)
    return dw


# ---- what is drawn -------------------------------------------------------------------------------


class Axis(NamedTuple):
    """A convolution along one axis."""

    kernel: int
    stride: int
    padding: int
    left_over: int
    windows: int

    @property
    def length(self):
        """The pixels of the image along this axis."""
        covered = (self.windows - 1) * self.stride + self.kernel
        return covered + self.left_over - 2 * self.padding


@st.composite
def axes(draw):
    """An Axis with at least one pixel."""
    kernel = draw(st.integers(1, 7))
    stride = draw(st.integers(1, 4))
    padding = draw(st.integers(0, kernel))
    left_over = draw(st.integers(0, stride - 1))
    windows = draw(st.integers(1, 5))
    axis = Axis(kernel, stride, padding, left_over, windows)
    while axis.length < 1:
        axis = axis._replace(windows=axis.windows + 1)
    return axis


def make_layer(n, c, k, down, across):
    """The Layer with these two axes."""
    return Layer(
        x_shape=(n, c, down.length, across.length),
        y_shape=(n, k, down.windows, across.windows),
        w_shape=(k, c, down.kernel, across.kernel),
        stride=(down.stride, across.stride),
        padding=(down.padding, across.padding),
        left_over=(down.left_over, across.left_over),
    )


def fixed_axis(length, kernel, stride, padding):
    free = length + 2 * padding - kernel
    left_over = free % stride
    windows = free // stride + 1
    return Axis(kernel, stride, padding, left_over, windows)


def check_convolutions(layer, dtype, layout_x, layout_w, seed):
    """All three convolutions of a layer are their definitions, to rounding."""
    rng = np.random.default_rng(seed)
    x = random_array(rng, layer.x_shape, dtype, layout_x)
    g = random_array(rng, layer.y_shape, dtype, layout_x)
    w = random_array(rng, layer.w_shape, dtype, layout_w)
    stride = layer.stride
    padding = layer.padding
    kernel_size = layer.kernel_size

    y = cpu.conv2d(x, w, stride, padding)
    assert y.dtype == dtype
    expected = plain_conv2d(x, w, layer)
    assert_close(y, expected, terms=w[0].size, scale=4)

    dx = cpu.conv_transpose2d(g, w, stride, padding, layer.left_over)
    assert dx.dtype == dtype
    expected = plain_conv_transpose2d(g, w, layer)
    assert_close(dx, expected, terms=w[:, 0].size, scale=4)

    dw = cpu.conv2d_weight_grad(x, g, kernel_size, stride, padding)
    assert dw.dtype == dtype
    expected = plain_weight_grad(x, g, layer)
    assert_close(dw, expected, terms=g[:, 0].size, scale=4)
