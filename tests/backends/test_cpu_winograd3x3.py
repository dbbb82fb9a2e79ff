"""Winograd's algorithm for 3x3 convolutions: its matrices, its results, its rounding errors."""

import re

import numpy as np
import pytest
from cpu_convolutions import (
    Axis,
    check_convolutions,
    fixed_axis,
    make_layer,
    plain_conv2d,
    plain_conv_transpose2d,
    plain_weight_grad,
)
from cpu_kernels import random_array, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dtypes, layouts

from minigan.backends import cpu
from minigan.backends.cpu import convolution, winograd3x3, winograd_blocks, winograd_tiles
from minigan.backends.cpu.winograd_tiles import FOUR, THREE, TWO, tile_for

ALL = TWO, THREE, FOUR
TILES = {tile.size: tile for tile in ALL}
STRIDE = 1, 1


# ---- the matrices --------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs, points", [(2, "0 1 -1"), (3, "1/2 3 -7 2"), (4, "0 1 2 3 4")])
def test_the_matrices_of_any_points_multiply_each_tap_with_its_pixel(outputs, points):
    """y_o = Σ s_(o + t) w_t, so Σ A[o, i] B[i, s] G[i, t] is 1 where s = o + t, and 0 elsewhere."""
    points = [winograd_tiles.Fraction(point) for point in points.split()]
    a, b, g = winograd_tiles.matrices(points, outputs)
    found = np.einsum("oi,is,it->ost", a, b, g)
    expected = np.zeros_like(found)
    for o in range(outputs):
        for t in range(3):
            expected[o, o + t, t] = 1
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("tile", TILES.values(), ids=TILES)
def test_the_transforms_of_a_tile_multiply_each_tap_with_its_pixel_in_two_dimensions(tile):
    float64 = np.dtype("float64")
    y = tile.to_y[float64]
    v = tile.to_v[float64]
    u = tile.to_u[float64]
    assert len(u) == tile.products
    found = np.einsum("oi,is,it->ost", y, v, u)
    m = tile.size
    n = tile.seen
    found = found.reshape(m, m, n, n, 3, 3)
    for i, j, r, s in np.ndindex(m, m, 3, 3):
        pixels = found[i, j, :, :, r, s]
        expected = np.zeros_like(pixels)
        expected[i + r, j + s] = 1
        np.testing.assert_allclose(pixels, expected, atol=1e-12)


# ---- which tile ----------------------------------------------------------------------------------


CHOSEN = """
    16 images, 128 channels, maps 32x32: THREE
     1 images, 128 channels, maps 33x33: THREE because 11 x 11 tiles fit
    64 images,  64 channels, maps   8x8: THREE
    64 images,  64 channels, maps   4x4: TWO   because 4 tiles with 16 products cost less
    64 images,  64 channels, maps   2x2: TWO
    64 images,  64 channels, maps   1x1: None  because 16 products are many for one output
     4 images,  64 channels, maps   5x1: None
     1 images,  15 channels, maps 32x32: None  because the transforms cost more than they save
     1 images, 256 channels, maps 20x20: None  because 49 tiles are few for a matrix product
     2 images, 256 channels, maps 20x20: THREE
"""


@pytest.mark.parametrize("row", CHOSEN.strip().splitlines())
def test_the_tile_with_the_fewest_products_is_taken(row):
    shape, outcome = row.split(":")
    batch, channels, *size = map(int, re.findall(r"\d+", shape))
    name = outcome.split()[0]
    expected = {"TWO": TWO, "THREE": THREE, "None": None}[name]
    weight_shape = 64, channels, 3, 3
    found = tile_for(batch, weight_shape, size, STRIDE, (1, 1), (TWO, THREE))
    assert found is expected


OTHERS = {
    "stride of rows": {"stride": (2, 1)},
    "stride of columns": {"stride": (1, 2)},
    "padding": {"padding": (1, 3)},
    "kernel of one column": {"weight_shape": (64, 64, 3, 1)},
    "5x5 kernel": {"weight_shape": (64, 64, 5, 5)},
    "few inputs": {"weight_shape": (64, 8, 3, 3)},
    "few outputs": {"weight_shape": (8, 64, 3, 3)},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_other_convolutions_have_no_tile(other):
    usual = dict(
        batch=8,
        weight_shape=(64, 64, 3, 3),
        size=(32, 32),
        stride=STRIDE,
        padding=(1, 1),
        choices=ALL,
    )
    changed = usual | other
    assert tile_for(**usual) is FOUR
    assert tile_for(**changed) is None


def test_only_the_weight_gradient_takes_the_largest_tile():
    """Elsewhere it would lose too many digits."""
    assert convolution._TILES == (TWO, THREE)
    assert convolution._WEIGHT_TILES == ALL


# ---- the results ---------------------------------------------------------------------------------


@st.composite
def axes3(draw):
    windows = draw(st.integers(1, 11))
    padding = draw(st.integers(0, 3))  # 3 is left to the other algorithms
    axis = Axis(kernel=3, stride=1, padding=padding, left_over=0, windows=windows)
    while axis.length < 1:
        axis = axis._replace(windows=axis.windows + 1)
    return axis


@st.composite
def layers3x3(draw):
    return make_layer(
        n=draw(st.integers(1, 4)),
        c=draw(st.sampled_from((16, 17, 33, 100))),
        k=draw(st.sampled_from((16, 20, 65))),
        down=draw(axes3()),
        across=draw(axes3()),
    )


@settings(max_examples=60, deadline=None)
@given(
    layer=layers3x3(),
    dtype=dtypes,
    layout_x=layouts,
    layout_w=layouts,
    seed=seeds,
    threads=st.integers(1, 5),
    size=st.sampled_from((2, 3, 4)),
    are_small=st.booleans(),
)
def test_every_tile_gives_the_definitions(
    layer, dtype, layout_x, layout_w, seed, threads, size, are_small
):
    """For any number of threads, in blocks of few tiles and of many, in parts of the channels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd_tiles, "_LEAST_TILES", 1)
        patch.setattr(winograd_tiles, "_MOST_PRODUCTS", 100)
        patch.setattr(convolution, "_TILES", (TILES[size],))
        patch.setattr(convolution, "_WEIGHT_TILES", (TILES[size],))
        patch.setattr(winograd3x3, "thread_count", lambda: threads)
        patch.setattr(winograd_blocks, "thread_count", lambda: threads)
        if are_small:
            patch.setattr(winograd_blocks, "_BLOCK", 1)
            patch.setattr(winograd_blocks, "_ROWS", 2)
            patch.setattr(winograd3x3, "_PART", 7)
        check_convolutions(layer, dtype, layout_x, layout_w, seed)


@pytest.mark.parametrize(
    "n, c, k, size, padding",
    [
        (2, 130, 40, (25, 22), 1),  # two parts of the channels
        (3, 16, 70, (32, 32), 0),
        (1, 48, 16, (31, 32), 2),
        (70, 16, 16, (2, 2), 1),
    ],
)
def test_large_layers_are_their_definitions(n, c, k, size, padding):
    height, width = size
    layer = layer3x3(n, c, k, height, width, padding)
    size = layer.y_shape[2:]
    tile = tile_for(n, layer.w_shape, size, STRIDE, layer.padding, ALL)
    assert tile is not None
    check_convolutions(layer, np.float32, "HWNC", "contiguous", seed=0)
    check_convolutions(layer, np.float64, "contiguous", "contiguous", seed=1)


def layer3x3(n, c, k, height, width, padding):
    down = fixed_axis(height, 3, 1, padding)
    across = fixed_axis(width, 3, 1, padding)
    return make_layer(n, c, k, down, across)


def test_any_number_of_threads_gives_the_same_images_and_each_number_its_own_weights(monkeypatch):
    layer = layer3x3(5, 40, 24, 20, 20, padding=1)

    def with_threads(count):
        monkeypatch.setattr(winograd3x3, "thread_count", lambda: count)
        monkeypatch.setattr(winograd_blocks, "thread_count", lambda: count)
        return convolve(layer, np.float32)

    one = with_threads(1)
    three = with_threads(3)
    again = with_threads(3)
    np.testing.assert_array_equal(three[0], one[0])
    np.testing.assert_array_equal(three[1], one[1])
    np.testing.assert_array_equal(three[2], again[2])


def convolve(layer, dtype):
    """y, dx and dw of random numbers."""
    x, g, w = numbers(layer, dtype)
    padding = layer.padding
    y = cpu.conv2d(x, w, STRIDE, padding)
    dx = cpu.conv_transpose2d(g, w, STRIDE, padding, (0, 0))
    dw = cpu.conv2d_weight_grad(x, g, layer.kernel_size, STRIDE, padding)
    return y, dx, dw


def numbers(layer, dtype):
    rng = np.random.default_rng(0)
    shapes = layer.x_shape, layer.y_shape, layer.w_shape
    return [random_array(rng, shape, dtype) for shape in shapes]


# ---- the rounding errors -------------------------------------------------------------------------


@pytest.mark.parametrize("n, c, k, side", [(2, 128, 128, 16), (1, 512, 64, 24), (1, 64, 512, 24)])
def test_rounding_errors_in_float32_are_what_the_documentation_says(n, c, k, side):
    """As root mean squares relative to the result's: 6e-7 for 128 channels, 1.1e-6 for weights."""
    layer = layer3x3(n, c, k, side, side, padding=1)
    y, dx, dw = convolve(layer, np.float32)
    x, g, w = numbers(layer, np.float32)
    exact = plain_conv2d(x, w, layer)
    assert relative_error(y, exact) < 7e-7
    exact = plain_conv_transpose2d(g, w, layer)
    assert relative_error(dx, exact) < 7e-7
    exact = plain_weight_grad(x, g, layer)
    assert relative_error(dw, exact) < 1.3e-6


def relative_error(actual, exact):
    error = actual - exact
    return np.linalg.norm(error) / np.linalg.norm(exact)
