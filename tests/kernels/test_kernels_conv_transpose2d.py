"""The transposed convolution's CUDA kernels, naive, tiled and tensor."""

import convolutions
import numpy as np
import pytest
from convolutions import check, ran, rungs
from hypothesis import given, settings
from on_device import mapped, seeds
from strategies import cases, fixed_case, layouts

RUNGS = ["naive", "tiled", "tensor"]
FAST = [("tensor", np.float32), ("tiled", np.float32), ("tiled", np.float64)]


@settings(max_examples=60)
@given(case=cases(), rung=rungs, x_layout=layouts, w_layout=layouts, seed=seeds)
def test_every_rung_agrees_with_the_loops(case, rung, x_layout, w_layout, seed):
    name, dtype = rung
    arguments = convolutions.draw("conv_transpose2d", case)
    check("conv_transpose2d", arguments, dtype, name, seed, (x_layout, w_layout))


def layer(seed, sizes, dtype=np.float64):
    """Arguments; sizes: "N K P Q | C R S | stride | padding | output_padding"."""
    return convolutions.arguments("conv_transpose2d", fixed_case(seed), sizes, dtype)


TILES = convolutions.tile_cases("""
the kernel that must run                     | N K P Q   | C R S  | stride | padding | extra
conv_transpose2d_tensor<128, 128, 2, 4, 4>   | 20 8 3 3  | 68 3 3 | 2 2    | 1 1     | 0 1
conv_transpose2d_tensor<128, 64, 2, 4, 4>    | 33 4 2 2  | 36 4 4 | 2 2    | 1 1     | 0 0
conv_transpose2d_tensor<64, 64, 2, 4, 4>     | 2 12 5 4  | 68 2 3 | 1 1    | 0 2     | 0 0
conv_transpose2d_tensor<128, 32, 4, 4, 4>    | 9 20 4 4  | 8 3 3  | 1 1    | 1 1     | 0 0
conv_transpose2d_tensor<128, 32, 4, 4, 1>    | 9 8 4 4   | 6 4 4  | 2 2    | 1 1     | 0 0
conv_transpose2d_tensor<64, 64, 2, 4, 1>     | 2 8 4 4   | 6 4 4  | 2 2    | 1 1     | 0 0
conv_transpose2d_tensor<64, 64, 2, 1, 4>     | 5 1 3 2   | 36 3 4 | 1 2    | 0 1     | 0 1
conv_transpose2d_tensor<64, 64, 2, 1, 1>     | 5 3 4 3   | 67 3 3 | 2 1    | 1 1     | 1 0
conv_transpose2d_tiled<float, 128, 64, 4, 4> | 17 12 3 3 | 68 3 3 | 2 2    | 1 1     | 0 1
conv_transpose2d_tiled<float, 64, 64, 4, 4>  | 3 8 5 5   | 8 3 3  | 1 1    | 1 1     | 0 0
conv_transpose2d_tiled<float, 64, 64, 4, 1>  | 3 8 5 5   | 6 3 3  | 1 1    | 1 1     | 0 0
conv_transpose2d_tiled<float, 64, 64, 1, 4>  | 3 5 5 5   | 68 1 3 | 2 1    | 0 0     | 1 0
conv_transpose2d_tiled<float, 64, 64, 1, 1>  | 3 5 5 5   | 70 1 3 | 2 1    | 0 0     | 0 0
conv_transpose2d_tiled<double, 64, 64, 2, 2> | 9 6 4 4   | 66 3 3 | 1 1    | 1 1     | 0 0
conv_transpose2d_tiled<double, 64, 64, 2, 1> | 2 4 4 4   | 5 4 4  | 2 2    | 1 1     | 0 0
conv_transpose2d_tiled<double, 64, 64, 1, 2> | 2 3 4 4   | 6 4 4  | 2 2    | 1 1     | 0 0
conv_transpose2d_tiled<double, 64, 64, 1, 1> | 3 1 9 8   | 5 7 6  | 1 2    | 3 3     | 0 1
""")
LARGEST = convolutions.tile_cases("""
the kernel that must run                   | N K P Q   | C R S   | stride | padding | extra
conv_transpose2d_tensor<256, 64, 4, 4, 4>  | 33 12 3 3 | 36 3 3  | 2 2    | 1 1     | 0 1
conv_transpose2d_tensor<256, 128, 4, 4, 4> | 33 8 3 3  | 68 3 3  | 2 2    | 1 1     | 0 1
conv_transpose2d_tensor<128, 256, 2, 4, 4> | 15 4 3 3  | 260 3 3 | 2 2    | 1 1     | 0 1
""")


@convolutions.each_tile(TILES)
def test_every_tile(tile):
    arguments = layer(1, tile.sizes)
    assert ran(check("conv_transpose2d", arguments, tile.dtype, tile.rung)) == [tile.kernel]


@convolutions.each_tile(LARGEST)
def test_the_largest_tiles(tile):
    arguments = layer(8, tile.sizes)
    with convolutions.small_gpu():
        assert ran(check("conv_transpose2d", arguments)) == [tile.kernel]


def test_every_kernel_has_its_case():
    all_of_them = {tile.kernel for tile in TILES + LARGEST}
    assert convolutions.instantiated("conv_transpose2d") == all_of_them


@pytest.mark.parametrize("rung, dtype", FAST)
def test_a_long_sum_is_cut_into_parts(rung, dtype):
    for sizes in ("2 132 2 3 | 8 3 3 | 1 1 | 1 1", "2 132 2 3 | 8 4 4 | 2 2 | 1 1"):
        arguments = layer(2, sizes)
        first, second = check("conv_transpose2d", arguments, dtype, rung)
        parts = first.grid[1]
        assert parts > 1
        assert second.name.startswith("conv_transpose2d.cu:sum_parts_tiled<")


@pytest.mark.parametrize("rung", RUNGS)
def test_pixels_that_no_tap_meets_are_zero(rung):
    """Stride 3 with a 2x1 kernel: seven of nine phases have no tap.

    The host device sees that they are written.
    """
    arguments = layer(3, "2 4 3 2 | 5 2 1 | 3 3 | 0 0 | 2 2", np.float32)
    check("conv_transpose2d", arguments, np.float32, rung)
    y = convolutions.run("conv_transpose2d", arguments, rung, 0)
    has_tap = np.zeros(y.shape, bool)
    has_tap[:, :, 0:9:3, 0::3] = True
    has_tap[:, :, 1:9:3, 0::3] = True
    assert not y[~has_tap].any()
    assert y[has_tap].all()


@pytest.mark.parametrize("rung", RUNGS)
def test_the_same_bits_whatever_the_schedule(rung):
    for channels in (3, 32):
        arguments = layer(4, f"3 {channels} 4 3 | 5 4 4 | 2 2 | 1 1", np.float32)
        convolutions.same_bits_whatever_the_schedule("conv_transpose2d", arguments, rung)


@pytest.mark.parametrize("rung", ["tiled", "tensor"])
def test_an_array_may_lie_off_the_grid(rung):
    arguments = layer(5, "2 4 5 5 | 4 3 3 | 1 1 | 1 1", np.float32)
    convolutions.the_same_bits_off_the_grid("conv_transpose2d", arguments, rung)


@pytest.mark.parametrize("rung", RUNGS)
def test_a_nan_spreads_as_in_the_loops(rung):
    sizes = "2 4 4 5 | 5 3 3 | 2 1 | 1 1 | 1 0"
    arguments = mapped(np.ones_like, layer(9, sizes, np.float32))
    convolutions.a_nan_spreads_as_in_the_loops("conv_transpose2d", arguments, rung)


def test_the_tensor_loop_has_no_bank_conflicts():
    for n, k, c in ((20, 8, 68), (33, 4, 36), (9, 20, 3), (3, 8, 4), (2, 3, 8), (4, 3, 9)):
        arguments = layer(6, f"{n} {k} 3 3 | {c} 3 3 | 2 1 | 1 1", np.float32)
        conflicts, turns = convolutions.conflicts_in_the_loop("conv_transpose2d", arguments)
        assert conflicts == 0
        assert turns > 100


@pytest.mark.parametrize("rung", RUNGS)
def test_whole_numbers_come_out_exact(rung):
    for channels in (3, 8):
        arguments = layer(10, f"2 {channels} 3 4 | 5 4 4 | 2 1 | 1 1")
        convolutions.whole_numbers_come_out_exact("conv_transpose2d", arguments, rung)


@pytest.mark.parametrize("rung, dtype", FAST)
def test_few_channels_are_many_of_one_tap(rung, dtype):
    """Strides beyond the kernel, padding beyond the stride, pixels that no tap meets, and from one
    to four channels.
    """
    for weight_and_options in (
        "3 4 4 | 2 2 | 1 1 | 0 0",
        "1 3 5 | 1 2 | 2 3 | 0 1",
        "4 2 3 | 3 1 | 0 2 | 1 0",
        "2 5 2 | 2 3 | 4 0 | 1 2",
    ):
        arguments = layer(11, f"2 6 5 4 | {weight_and_options}")
        kernels = ran(check("conv_transpose2d", arguments, dtype, rung))
        assert kernels[0].startswith(f"conv_transpose2d_{rung}<")
        assert kernels[-1].startswith("conv_transpose2d_taps_tiled<")
