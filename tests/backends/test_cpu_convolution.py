"""The fast convolutions, each against its definition, one tap at a time."""

import numpy as np
import pytest
from cpu_convolutions import Axis, axes, check_convolutions, fixed_axis, make_layer
from cpu_kernels import random_array, random_arrays, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dtypes, layouts

from minigan.backends import cpu
from minigan.backends.cpu import im2col, shifted_products, winograd

# ---- what is drawn -------------------------------------------------------------------------------


@st.composite
def convolutions(draw):
    """Any Layer."""
    small = st.integers(1, 5)
    channels = st.one_of(small, st.sampled_from((8, 17, 20)))
    return make_layer(
        n=draw(small),
        c=draw(channels),
        k=draw(channels),
        down=draw(axes()),
        across=draw(axes()),
    )


@st.composite
def dcgan_axes(draw):
    left_over = draw(st.sampled_from((0, 0, 0, 1)))
    windows = draw(st.sampled_from((2, 4, 6, 8, 1, 3)))
    return Axis(kernel=4, stride=2, padding=1, left_over=left_over, windows=windows)


@st.composite
def dcgan_layers(draw):
    """4x4, stride 2, padding 1, with enough channels for Winograd; some of the sizes fit it too."""
    return make_layer(
        n=draw(st.integers(1, 4)),
        c=draw(st.sampled_from((16, 17, 32))),
        k=draw(st.sampled_from((16, 20, 33))),
        down=draw(dcgan_axes()),
        across=draw(dcgan_axes()),
    )


# ---- the tests -----------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    layer=convolutions(),
    dtype=dtypes,
    layout_x=layouts,
    layout_w=layouts,
    seed=seeds,
)
def test_three_convolutions_are_their_definitions(layer, dtype, layout_x, layout_w, seed):
    check_convolutions(layer, dtype, layout_x, layout_w, seed)


@settings(max_examples=40, deadline=None)
@given(
    layer=dcgan_layers(),
    dtype=dtypes,
    layout_x=layouts,
    layout_w=layouts,
    seed=seeds,
    count=st.integers(1, 5),
    by_pixels=st.booleans(),
)
def test_layers_that_winograd_serves_are_their_definitions(
    layer, dtype, layout_x, layout_w, seed, count, by_pixels
):
    """For any number of threads, which share the pixels or the channels."""
    pixels = 8 if by_pixels else 1 << 10  # several blocks of tile rows, or one
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "_LEAST_TILES", 1)
        patch.setattr(winograd, "thread_count", lambda: count)
        patch.setattr(winograd, "_LEAST_ROWS", pixels)
        patch.setattr(winograd, "_MOST_ELEMENTS", 1 << 13)  # several parts of the batch
        check_convolutions(layer, dtype, layout_x, layout_w, seed)


@pytest.mark.parametrize(
    "n, c, k, size, kernel, stride, padding",
    [
        (4, 3, 32, (32, 32), 4, 2, 1),  # DCGAN's first layer: few channels gathered pixel by pixel
        (2, 64, 3, (20, 24), 7, 1, 3),  # CycleGAN's last: multiplied first, added shifted
        (1, 32, 32, (24, 40), 3, 1, 1),  # a residual block, one image
        (1, 16, 24, (37, 25), 3, 2, 1),  # odd size, an uncovered column
        (8, 40, 24, (4, 4), 4, 1, 0),  # one output pixel
        (2, 20, 30, (9, 9), 1, 3, 0),  # a stride longer than the kernel
        (3, 24, 16, (32, 32), 4, 2, 1),  # Winograd, several blocks
        (3, 24, 16, (16, 16), 4, 2, 1),  # too few tiles for Winograd
        (4, 260, 16, (16, 16), 4, 2, 1),  # too many channels
        (1, 16, 16, (40, 40), 4, 2, 1),  # Winograd, one image: the threads share its rows
        (2, 16, 16, (33, 32), 4, 2, 1),  # even output of an odd height: no Winograd
        (2, 16, 16, (32, 33), 4, 2, 1),  # or of an odd width
    ],
)
def test_large_layers_in_many_blocks_are_their_definitions(n, c, k, size, kernel, stride, padding):
    height, width = size
    down = fixed_axis(height, kernel, stride, padding)
    across = fixed_axis(width, kernel, stride, padding)
    layer = make_layer(n, c, k, down, across)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(im2col, "_BLOCK", 1 << 14)
        patch.setattr(shifted_products, "_PRODUCTS", 1 << 12)
        patch.setattr(shifted_products, "thread_count", lambda: 3)
        check_convolutions(layer, np.float32, "contiguous", "contiguous", seed=0)
        check_convolutions(layer, np.float64, "HWNC", "contiguous", seed=1)


def test_results_lie_in_memory_as_the_next_layer_reads_them_and_weight_gradients_as_weights():
    rng = np.random.default_rng(0)
    for w_shape in ((32, 24, 4, 4), (32, 3, 4, 4), (32, 24, 3, 3)):
        c = w_shape[1]
        kernel_size = w_shape[2:]
        x, w = random_arrays(rng, np.float32, (2, c, 8, 8), w_shape)
        y = cpu.conv2d(x, w, (2, 2), (1, 1))
        dw = cpu.conv2d_weight_grad(x, y, kernel_size, (2, 2), (1, 1))
        assert y.transpose(2, 3, 0, 1).flags.c_contiguous
        assert dw.flags.c_contiguous


def test_same_bits_every_time():
    rng = np.random.default_rng(0)
    kernel_size = 4, 4
    stride = 2, 2
    padding = 1, 1
    x = random_array(rng, (4, 3, 64, 64), np.float32)
    w = random_array(rng, (32, 3, 4, 4), np.float32)
    v = random_array(rng, (48, 32, 4, 4), np.float32)
    g = cpu.conv2d(x, w, stride, padding)
    h = cpu.conv2d(g, v, stride, padding)

    def statistics():
        nothing = [None] * 4
        moments = cpu.batch_norm_statistics(g, *nothing, 0.1, 1e-5)
        return np.vstack(moments)

    for function in (
        lambda: cpu.conv2d_weight_grad(x, g, kernel_size, stride, padding),
        lambda: cpu.conv2d_weight_grad(g, h, kernel_size, stride, padding),
        lambda: cpu.conv2d(g, v, stride, padding),
        lambda: cpu.conv_transpose2d(g, w, stride, padding, (0, 0)),
        lambda: cpu.channel_sum(g),
        statistics,
    ):
        first = function()
        for _ in range(5):
            assert np.array_equal(first, function())
