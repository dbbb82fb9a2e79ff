"""The convolution's CUDA kernels, naive, shared, tiled and tensor."""

import convolutions
import numpy as np
import pytest
from convolutions import check, ran
from hypothesis import given, settings
from hypothesis import strategies as st
from on_device import mapped, seeds
from strategies import cases, dcgan_convolution, fixed_case, layouts

from minigan.backends.cuda import launch

RUNGS = ["naive", "shared", "tiled", "tensor"]
FAST = [("tensor", np.float32), ("tiled", np.float32), ("tiled", np.float64)]
rungs = convolutions.rungs | st.sampled_from((("shared", np.float32), ("shared", np.float64)))


@settings(max_examples=60)
@given(case=cases(), rung=rungs, x_layout=layouts, w_layout=layouts, seed=seeds)
def test_every_rung_agrees_with_the_loops(case, rung, x_layout, w_layout, seed):
    name, dtype = rung
    arguments = convolutions.draw("conv2d", case)
    check("conv2d", arguments, dtype, name, seed, (x_layout, w_layout))


def layer(seed, sizes, dtype=np.float64):
    """Arguments; sizes: "N C H W | K R S | stride | padding"."""
    return convolutions.arguments("conv2d", fixed_case(seed), sizes, dtype)


@settings(max_examples=6)
@given(case=cases(), seed=seeds)
def test_dcgan_layer(case, seed):
    check("conv2d", dcgan_convolution(case), np.float32, "tensor", seed)


TILES = convolutions.tile_cases("""
the kernel that must run           | N C H W   | K R S  | stride | padding
conv2d_tensor<128, 128, 2, 4, 4>   | 20 8 6 5  | 68 3 3 | 2 2    | 1 1
conv2d_tensor<128, 64, 2, 4, 4>    | 33 4 4 4  | 36 4 4 | 2 2    | 1 1
conv2d_tensor<64, 64, 2, 4, 4>     | 2 12 5 4  | 67 2 3 | 1 1    | 0 2
conv2d_tensor<128, 32, 4, 4, 4>    | 9 20 4 4  | 6 3 3  | 1 1    | 1 1
conv2d_tensor<64, 64, 2, 1, 1>     | 5 3 8 6   | 9 4 4  | 2 2    | 1 1
conv2d_tiled<float, 128, 64, 4, 4> | 15 12 6 5 | 65 3 3 | 2 2    | 1 1
conv2d_tiled<float, 64, 64, 4, 4>  | 3 8 5 5   | 6 3 3  | 1 1    | 1 1
conv2d_tiled<float, 64, 64, 1, 1>  | 3 5 5 5   | 70 1 3 | 2 1    | 0 0
conv2d_tiled<double, 64, 64, 2, 2> | 9 6 4 4   | 66 3 3 | 1 1    | 1 1
conv2d_tiled<double, 64, 64, 1, 1> | 3 1 9 8   | 5 7 6  | 1 2    | 3 3
""")
LARGEST = convolutions.tile_cases("""
the kernel that must run         | N C H W  | K R S   | stride | padding
conv2d_tensor<256, 64, 4, 4, 4>  | 29 8 6 5 | 36 3 3  | 2 2    | 1 1
conv2d_tensor<256, 128, 4, 4, 4> | 29 4 5 6 | 68 3 3  | 2 2    | 1 1
conv2d_tensor<128, 256, 2, 4, 4> | 15 8 6 5 | 260 2 3 | 2 2    | 1 1
""")


@convolutions.each_tile(TILES)
def test_every_tile(tile):
    arguments = layer(1, tile.sizes)
    assert ran(check("conv2d", arguments, tile.dtype, tile.rung)) == [tile.kernel]


@convolutions.each_tile(LARGEST)
def test_the_largest_tiles(tile):
    arguments = layer(8, tile.sizes)
    with convolutions.small_gpu():
        assert ran(check("conv2d", arguments)) == [tile.kernel]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "sizes",
    ["3 5 7 5 | 17 3 3", "1 16 4 4 | 16 1 1", "2 1 9 8 | 1 4 5", "1 17 3 3 | 2 1 1"],
)
def test_the_shared_rung_at_the_edges_of_its_tiles_of_16(sizes, dtype):
    """Pixels, maps and steps: fewer than 16, 16 exactly, one more, and others that 16 does not
    divide.
    """
    arguments = layer(12, f"{sizes} | 2 1 | 1 2")
    ctype = "float" if dtype == np.float32 else "double"
    assert ran(check("conv2d", arguments, dtype, "shared")) == [f"conv2d_shared<{ctype}>"]


def test_the_shared_rung_reads_a_sixteenth_of_what_naive_reads_and_its_loop_has_no_bank_conflicts():
    arguments = layer(13, "2 16 8 8 | 32 3 3", np.float32)
    of_naive = lines_of_code(arguments, "naive")
    of_shared = lines_of_code(arguments, "shared")
    assert count(of_shared, "global") < count(of_naive, "global") / 12
    in_shared_memory = [line for line in of_shared if line.space == "shared"]
    loop = max(in_shared_memory, key=lambda line: line.requests)
    assert loop.cost == loop.ideal > 1000


def lines_of_code(arguments, rung):
    """What each line of a kernel asks of memory."""
    with launch.collect_launches(counting=True) as launches:
        convolutions.run("conv2d", arguments, rung, 0, host=True)
    return launches[0].report.lines


def count(lines, space):
    """The requests to "global" or "shared" memory."""
    return sum(line.requests for line in lines if line.space == space)


@pytest.mark.parametrize("rung", ["tiled", "tensor"])
def test_a_tile_that_lies_in_one_row_of_a_wide_image(rung):
    """Which taps it meets depends on where in the row it lies, and on the stride along the row."""
    arguments = layer(9, "1 4 4 300 | 4 3 3 | 3 1 | 1 1")
    check("conv2d", arguments, np.float32, rung)


@pytest.mark.parametrize("rung", ["tiled", "tensor"])
def test_a_tile_of_several_rows_that_are_longer_than_the_image_is_high(rung):
    """Its last pixel in a row decides about the taps on the left, and not the last row."""
    arguments = layer(14, "3 4 2 3 | 4 1 5 | 1 1 | 0 2")
    check("conv2d", arguments, np.float32, rung)


def test_every_kernel_has_its_case():
    assert convolutions.instantiated("conv2d") == {tile.kernel for tile in TILES + LARGEST}


@pytest.mark.parametrize("rung, dtype", FAST)
def test_a_long_sum_is_cut_into_parts(rung, dtype):
    """As in a critic's last layer: few numbers per image, from all pixels and channels."""
    arguments = layer(2, "3 36 4 4 | 5 4 4")
    first, second = check("conv2d", arguments, dtype, rung)
    assert first.grid[1] > 1
    assert second.name.startswith("conv2d.cu:sum_parts_tiled<")


@pytest.mark.parametrize("rung", RUNGS)
def test_the_same_bits_whatever_the_schedule(rung):
    for sizes in ("3 3 8 6 | 5 4 4 | 2 2 | 1 1", "3 32 8 6 | 5 4 4 | 2 2 | 1 1"):
        arguments = layer(3, sizes, np.float32)
        convolutions.same_bits_whatever_the_schedule("conv2d", arguments, rung)


@pytest.mark.parametrize("rung", ["tiled", "tensor"])
def test_an_array_may_lie_off_the_grid(rung):
    arguments = layer(4, "2 4 5 5 | 8 3 3 | 1 1 | 1 1", np.float32)
    convolutions.the_same_bits_off_the_grid("conv2d", arguments, rung)


def test_tf32_rounds_to_nearest_with_ties_away_from_zero():
    """A 1x1 convolution with a weight of one shows what mma was given."""
    x = float32_numbers()
    row = x.reshape(1, 1, 1, -1)
    one = np.ones((1, 1, 1, 1), np.float32)
    y = convolutions.run("conv2d", [row, one, (1, 1), (0, 0)], "tensor", 0)
    np.testing.assert_array_equal(y.ravel(), rounded_to_tf32(x))


def float32_numbers():
    """Zero and normal numbers, among them ties of TF32 and their neighbours; infinity and NaN."""
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2**32, 4_000, np.uint32)
    near_ties = np.uint32([0x0FFF, 0x1000, 0x1001])
    bits[:1000] &= 0xFFFFE000
    bits[:1000] |= rng.choice(near_ties, 1000)
    bits[:6] = 0x7F800000, 0xFF800000, 0x7FFFFFFF, 0xFFC00000, 0x7F7FFFFF, 0xFF7FEFFF
    exponent = bits & 0x7F800000
    is_normal = exponent != 0
    return bits[is_normal | (bits == 0)].view(np.float32)


def rounded_to_tf32(x):
    """Add half a unit of the last bit that TF32 has, and cut off the 13 bits below it."""
    half = np.uint32(0x1000)
    bits = x.view(np.uint32) + half
    bits &= 0xFFFFE000
    return np.where(np.isfinite(x), bits.view(np.float32), x)


@pytest.mark.parametrize("rung", RUNGS)
def test_a_nan_spreads_as_in_the_loops(rung):
    arguments = mapped(np.ones_like, layer(5, "2 4 7 6 | 5 3 3 | 2 1 | 1 1", np.float32))
    convolutions.a_nan_spreads_as_in_the_loops("conv2d", arguments, rung)
    arguments = mapped(np.ones_like, layer(5, "2 3 7 6 | 5 3 3", np.float32))
    x = arguments[0]
    x[0, 0, 3, 2] = np.nan  # it lies below a window, at the step after the last, 27
    convolutions.a_nan_spreads_as_in_the_loops("conv2d", arguments, rung)


def test_the_tensor_loop_has_no_bank_conflicts():
    for sizes in (
        "20 8 6 5 | 68 3 3",
        "33 4 6 5 | 36 3 3",
        "9 20 6 5 | 3 3 3",
        "2 8 6 5 | 9 3 3",
        "4 3 6 5 | 9 3 3",
    ):
        arguments = layer(6, f"{sizes} | 2 1 | 1 1", np.float32)
        conflicts, turns = convolutions.conflicts_in_the_loop("conv2d", arguments)
        assert conflicts == 0
        assert turns > 100


@pytest.mark.parametrize("rung", RUNGS)
def test_whole_numbers_come_out_exact(rung):
    for channels in (3, 8):
        arguments = layer(10, f"2 {channels} 6 5 | 5 4 4 | 2 1 | 1 1")
        convolutions.whole_numbers_come_out_exact("conv2d", arguments, rung)


@pytest.mark.parametrize("rung, dtype", FAST)
def test_few_maps_are_many_of_one_tap(rung, dtype):
    """Padding within the kernel and beyond it, and from one to four maps."""
    for weight, padding in (("3 7 7", "3 3"), ("1 4 4", "0 0"), ("4 2 3", "0 4"), ("2 5 1", "6 1")):
        arguments = layer(11, f"2 6 5 8 | {weight} | 1 1 | {padding}")
        kernels = ran(check("conv2d", arguments, dtype, rung))
        first = kernels[0]
        last = kernels[-1]
        assert first.startswith(f"conv2d_{rung}<")
        assert last.startswith("conv2d_taps_tiled<")
    x, weight, _, _ = arguments  # at a stride of 2 maps stay what they are
    kernels = ran(check("conv2d", [x, weight, (1, 2), (6, 1)], dtype, rung))
    assert "taps" not in " ".join(kernels)
