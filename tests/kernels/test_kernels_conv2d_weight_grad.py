"""The CUDA kernels of the convolution's weight gradient, naive, tiled and tensor."""

import convolutions
import numpy as np
import pytest
from convolutions import check, ran, rungs
from hypothesis import given, settings
from on_device import mapped, seeds
from strategies import cases, fixed_case, layouts

RUNGS = ["naive", "tiled", "tensor"]
FAST = [("tensor", np.float32), ("tiled", np.float32), ("tiled", np.float64)]
ONE_OF_EACH = [("tensor", np.float32), ("tiled", np.float32), ("naive", np.float64)]


@settings(max_examples=60)
@given(case=cases(), rung=rungs, x_layout=layouts, g_layout=layouts, seed=seeds)
def test_every_rung_agrees_with_the_loops(case, rung, x_layout, g_layout, seed):
    name, dtype = rung
    arguments = convolutions.draw("conv2d_weight_grad", case)
    check("conv2d_weight_grad", arguments, dtype, name, seed, (x_layout, g_layout))


def maps(seed, sizes, dtype=np.float32):
    """Arguments; sizes: "N C H W | K R S | stride | padding"."""
    return convolutions.arguments("conv2d_weight_grad", fixed_case(seed), sizes, dtype)


TILES = convolutions.tile_cases("""
the kernel that must run                       | N C H W  | K R S   | stride | padding
conv2d_weight_grad_tensor<128, 128, 2, 4, 4>   | 7 8 6 5  | 132 3 3 | 2 2    | 1 1
conv2d_weight_grad_tensor<128, 64, 2, 4, 4>    | 5 4 4 6  | 128 3 3 | 2 2    | 1 1
conv2d_weight_grad_tensor<64, 64, 2, 4, 4>     | 3 12 5 4 | 36 2 3  | 1 1    | 0 2
conv2d_weight_grad_tensor<128, 32, 4, 4, 4>    | 9 4 4 4  | 128 2 2 | 1 1    | 1 1
conv2d_weight_grad_tensor<128, 32, 4, 4, 1>    | 5 3 4 6  | 132 3 3 | 2 2    | 1 1
conv2d_weight_grad_tensor<64, 64, 2, 4, 1>     | 5 3 8 6  | 68 4 4  | 2 2    | 1 1
conv2d_weight_grad_tensor<64, 64, 2, 1, 4>     | 9 20 4 4 | 1 4 4   | 1 1    | 0 0
conv2d_weight_grad_tensor<64, 64, 2, 1, 1>     | 2 3 5 7  | 67 3 3  | 2 1    | 1 1
conv2d_weight_grad_tiled<float, 128, 64, 4, 4> | 6 12 6 5 | 132 3 2 | 2 2    | 1 1
conv2d_weight_grad_tiled<float, 64, 64, 4, 4>  | 3 8 5 5  | 4 3 3   | 1 1    | 1 1
conv2d_weight_grad_tiled<float, 64, 64, 4, 1>  | 3 3 5 5  | 4 3 3   | 1 1    | 1 1
conv2d_weight_grad_tiled<float, 64, 64, 1, 4>  | 3 4 5 5  | 70 1 3  | 2 1    | 0 0
conv2d_weight_grad_tiled<float, 64, 64, 1, 1>  | 3 5 5 5  | 70 1 3  | 2 1    | 0 0
conv2d_weight_grad_tiled<double, 64, 64, 2, 2> | 3 6 4 4  | 66 3 3  | 1 1    | 1 1
conv2d_weight_grad_tiled<double, 64, 64, 2, 1> | 2 3 4 4  | 4 4 4   | 2 2    | 1 1
conv2d_weight_grad_tiled<double, 64, 64, 1, 2> | 2 4 4 4  | 3 4 4   | 2 2    | 1 1
conv2d_weight_grad_tiled<double, 64, 64, 1, 1> | 1 1 9 8  | 5 7 6   | 1 2    | 3 3
""")
LARGEST = convolutions.tile_cases("""
the kernel that must run                     | N C H W  | K R S   | stride | padding
conv2d_weight_grad_tensor<256, 64, 4, 4, 4>  | 5 4 4 6  | 260 3 3 | 2 2    | 1 1
conv2d_weight_grad_tensor<256, 128, 4, 4, 4> | 5 8 4 6  | 260 3 3 | 2 2    | 1 1
conv2d_weight_grad_tensor<128, 256, 2, 4, 4> | 5 32 4 6 | 132 3 3 | 2 2    | 1 1
""")


@convolutions.each_tile(TILES)
def test_every_tile(tile):
    arguments = maps(1, tile.sizes, tile.dtype)
    first, *_ = ran(check("conv2d_weight_grad", arguments, tile.dtype, tile.rung))
    assert first == tile.kernel


@convolutions.each_tile(LARGEST)
def test_the_largest_tiles(tile):
    arguments = maps(8, tile.sizes)
    with convolutions.small_gpu():
        assert ran(check("conv2d_weight_grad", arguments)) == [tile.kernel]


def test_every_kernel_has_its_case():
    all_of_them = {tile.kernel for tile in TILES + LARGEST}
    assert convolutions.instantiated("conv2d_weight_grad") == all_of_them


@pytest.mark.parametrize("images, many", [(3, False), (19, True)], ids=["few parts", "many parts"])
@pytest.mark.parametrize("rung, dtype", FAST)
def test_a_long_sum_is_cut_into_parts(rung, dtype, images, many):
    channels = 1 if many else 2
    arguments = maps(2, f"{images} {channels} 11 12 | 3 2 1", dtype)
    first, second = check("conv2d_weight_grad", arguments, dtype, rung)
    parts = first.grid[1]
    assert parts > 1
    assert second.name.startswith("conv2d_weight_grad.cu:sum_parts_tiled<")
    assert (parts >= 16) == many
    assert (second.block == (32, 8)) == many


@pytest.mark.parametrize("rung", RUNGS)
def test_a_tap_that_no_window_puts_on_the_image_is_zero(rung):
    """A 3x5 kernel on one pixel with padding 2: the outer columns meet only padding."""
    arguments = maps(3, "2 4 1 1 | 5 3 5 | 1 4 | 2 2")
    check("conv2d_weight_grad", arguments, np.float32, rung)
    dw = convolutions.run("conv2d_weight_grad", arguments, rung, 0)
    assert not dw[:, :, :, [0, 1, 3, 4]].any()
    assert dw[:, :, :, 2].all()


@pytest.mark.parametrize("rung", RUNGS)
def test_the_same_bits_whatever_the_schedule(rung):
    for images in ("3 8 5 4", "5 3 12 13"):
        arguments = maps(4, f"{images} | 8 3 2 | 1 1 | 1 0")
        convolutions.same_bits_whatever_the_schedule("conv2d_weight_grad", arguments, rung)


@pytest.mark.parametrize("rung", ["tiled", "tensor"])
def test_an_array_may_lie_off_the_grid(rung):
    arguments = maps(5, "2 4 5 5 | 4 3 3 | 1 1 | 1 1")
    convolutions.the_same_bits_off_the_grid("conv2d_weight_grad", arguments, rung)


@pytest.mark.parametrize("rung", RUNGS)
def test_a_nan_spreads_as_in_the_loops(rung):
    arguments = mapped(np.ones_like, maps(9, "2 4 7 6 | 5 3 3 | 2 1 | 1 1"))
    convolutions.a_nan_spreads_as_in_the_loops("conv2d_weight_grad", arguments, rung)


def test_the_tensor_loop_has_no_bank_conflicts():
    for c, k in ((8, 132), (4, 128), (12, 36), (20, 3), (3, 8), (3, 9)):
        arguments = maps(6, f"4 {c} 4 5 | {k} 3 3 | 2 1 | 1 1")
        conflicts, turns = convolutions.conflicts_in_the_loop("conv2d_weight_grad", arguments)
        assert conflicts == 0
        assert turns > 100


@pytest.mark.parametrize("rung", RUNGS)
def test_whole_numbers_come_out_exact(rung):
    for channels in (3, 8):
        arguments = maps(10, f"2 {channels} 6 5 | 5 4 4 | 2 1 | 1 1", np.float64)
        convolutions.whole_numbers_come_out_exact("conv2d_weight_grad", arguments, rung)


@pytest.mark.parametrize("rung, dtype", ONE_OF_EACH)
def test_of_few_maps_image_and_maps_change_places(rung, dtype):
    """Padding up to the kernel's edge.

    Where it is beyond, or the stride is not 1, they stay where they are: the last two.
    """
    for weight_and_options in (
        "3 3 3 | 1 1 | 1 1",
        "1 2 3 | 1 1 | 0 2",
        "4 1 2 | 1 1 | 0 1",
        "3 3 3 | 1 2 | 1 1",
        "3 3 3 | 1 1 | 3 0",
    ):
        arguments = maps(11, f"2 6 7 8 | {weight_and_options}", np.float64)
        check("conv2d_weight_grad", arguments, dtype, rung)


@pytest.mark.parametrize("rung", ["tiled", "tensor"])
def test_a_tile_that_begins_in_the_middle_of_a_row_of_taps(rung):
    """Its first row of taps is not whole, but the next one is.

    So the pixels that any tap needs are needed. In an image that is one pixel high (the last one) a
    row of taps meets padding alone.
    """
    for images in ("2 12 6 6", "2 9 6 6", "2 12 1 6"):
        arguments = maps(12, f"{images} | 36 3 3 | 1 1 | 1 1", np.float64)
        check("conv2d_weight_grad", arguments, np.float32, rung)


@pytest.mark.parametrize("rung", RUNGS)
def test_more_results_than_16_bits_count(rung):
    arguments = maps(13, "2 256 1 1 | 257 1 1", np.float64)
    check("conv2d_weight_grad", arguments, np.float32, rung)
