"""The convolution's CUDA kernels, naive, shared, tiled and tensor."""

import convolutions
import numpy as np
import pytest
from convolutions import check, ran
from hypothesis import given, settings
from hypothesis import strategies as st
from on_device import seeds
from strategies import cases, dcgan_convolution, fixed_case, layouts

from minigan.backends.cuda import launch

rungs = convolutions.rungs | st.sampled_from((("shared", np.float32), ("shared", np.float64)))


@settings(max_examples=60)
@given(case=cases(), rung=rungs, x_layout=layouts, w_layout=layouts, seed=seeds)
def test_every_rung_agrees_with_the_loops(case, rung, x_layout, w_layout, seed):
    name, dtype = rung
    check("conv2d", convolutions.draw("conv2d", case), dtype, name, seed, (x_layout, w_layout))


@settings(max_examples=6)
@given(case=cases(), seed=seeds)
def test_dcgan_layer(case, seed):
    check("conv2d", dcgan_convolution(case), np.float32, "tensor", seed)


# the kernel that must run, (N, C, H, W), (K, R, S), stride, padding
TILES = [
    ("conv2d_tensor<128, 128, 2, 4, 4>", (20, 8, 6, 5), (68, 3, 3), (2, 2), (1, 1)),
    ("conv2d_tensor<128, 64, 2, 4, 4>", (33, 4, 4, 4), (36, 4, 4), (2, 2), (1, 1)),
    ("conv2d_tensor<64, 64, 2, 4, 4>", (2, 12, 5, 4), (67, 2, 3), (1, 1), (0, 2)),
    ("conv2d_tensor<128, 32, 4, 4, 4>", (9, 20, 4, 4), (6, 3, 3), (1, 1), (1, 1)),
    ("conv2d_tensor<64, 64, 2, 1, 1>", (5, 3, 8, 6), (9, 4, 4), (2, 2), (1, 1)),
    ("conv2d_tiled<float, 128, 64, 4, 4>", (15, 12, 6, 5), (65, 3, 3), (2, 2), (1, 1)),
    ("conv2d_tiled<float, 64, 64, 4, 4>", (3, 8, 5, 5), (6, 3, 3), (1, 1), (1, 1)),
    ("conv2d_tiled<float, 64, 64, 1, 1>", (3, 5, 5, 5), (70, 1, 3), (2, 1), (0, 0)),
    ("conv2d_tiled<double, 64, 64, 2, 2>", (9, 6, 4, 4), (66, 3, 3), (1, 1), (1, 1)),
    ("conv2d_tiled<double, 64, 64, 1, 1>", (3, 1, 9, 8), (5, 7, 6), (1, 2), (3, 3)),
]
LARGEST = [
    ("conv2d_tensor<256, 64, 4, 4, 4>", (29, 8, 6, 5), (36, 3, 3)),
    ("conv2d_tensor<256, 128, 4, 4, 4>", (29, 4, 5, 6), (68, 3, 3)),
    ("conv2d_tensor<128, 256, 2, 4, 4>", (15, 8, 6, 5), (260, 2, 3)),
]


@pytest.mark.parametrize(
    "kernel, image, weight, stride, padding", TILES, ids=[tile[0] for tile in TILES]
)
def test_every_tile(kernel, image, weight, stride, padding):
    case, (k, *taps) = fixed_case(1), weight
    arguments = [case.normal(*image), case.normal(k, image[1], *taps), stride, padding]
    dtype = np.float64 if "double" in kernel else np.float32
    rung = kernel.split("<")[0].split("_")[-1]
    assert ran(check("conv2d", arguments, dtype, rung)) == [kernel]


@pytest.mark.parametrize("kernel, images, weight", LARGEST, ids=[tile[0] for tile in LARGEST])
def test_the_largest_tiles(kernel, images, weight):
    case, (k, *taps) = fixed_case(8), weight
    arguments = [case.normal(*images), case.normal(k, images[1], *taps), (2, 2), (1, 1)]
    with convolutions.small_gpu():
        assert ran(check("conv2d", arguments)) == [kernel]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "image, weight",
    [
        ((3, 5, 7, 5), (17, 3, 3)),
        ((1, 16, 4, 4), (16, 1, 1)),
        ((2, 1, 9, 8), (1, 4, 5)),
        ((1, 17, 3, 3), (2, 1, 1)),
    ],
)
def test_the_shared_rung_at_the_edges_of_its_tiles_of_16(image, weight, dtype):
    """Pixels, maps and steps that 16 does not divide, that it divides exactly, one more, and
    fewer than 16 of each.
    """
    case, (k, *taps) = fixed_case(12), weight
    arguments = [case.normal(*image), case.normal(k, image[1], *taps), (2, 1), (1, 2)]
    ctype = "float" if dtype == np.float32 else "double"
    assert ran(check("conv2d", arguments, dtype, "shared")) == [f"conv2d_shared<{ctype}>"]


def test_the_shared_rung_reads_a_sixteenth_of_what_naive_reads_and_its_loop_has_no_bank_conflicts():
    case = fixed_case(13)
    arguments = [
        np.float32(case.normal(2, 16, 8, 8)),
        np.float32(case.normal(32, 16, 3, 3)),
        (1, 1),
        (0, 0),
    ]
    requests = {}
    for rung in ("naive", "shared"):
        with launch.collect_launches(counting=True) as launches:
            convolutions.run("conv2d", arguments, rung, 0, host=True)
        lines = launches[0].report.lines
        requests[rung] = sum(line.requests for line in lines if line.space == "global")
    assert requests["shared"] < requests["naive"] / 12
    loop = max((line for line in lines if line.space == "shared"), key=lambda line: line.requests)
    assert loop.cost == loop.ideal > 1000


@pytest.mark.parametrize("rung", ["tiled", "tensor"])
def test_a_tile_that_lies_in_one_row_of_a_wide_image(rung):
    """Which taps it meets depends on where in the row it lies, and on the stride along the row."""
    case = fixed_case(9)
    check(
        "conv2d",
        [case.normal(1, 4, 4, 300), case.normal(4, 4, 3, 3), (3, 1), (1, 1)],
        np.float32,
        rung,
    )


def test_every_kernel_has_its_case():
    assert convolutions.instantiated("conv2d") == {tile[0] for tile in TILES + LARGEST}


@pytest.mark.parametrize(
    "rung, dtype", [("tensor", np.float32), ("tiled", np.float32), ("tiled", np.float64)]
)
def test_a_long_sum_is_cut_into_parts(rung, dtype):
    """As in a critic's last layer: few numbers per image, from all pixels and channels."""
    case = fixed_case(2)
    arguments = [case.normal(3, 36, 4, 4), case.normal(5, 36, 4, 4), (1, 1), (0, 0)]
    first, second = check("conv2d", arguments, dtype, rung)
    assert first.grid[1] > 1
    assert second.name.startswith("conv2d.cu:sum_parts_tiled<")


@pytest.mark.parametrize("rung", ["naive", "shared", "tiled", "tensor"])
def test_the_same_bits_whatever_the_schedule(rung):
    case = fixed_case(3)
    for c in (3, 32):
        arguments = [
            np.float32(case.normal(3, c, 8, 6)),
            np.float32(case.normal(5, c, 4, 4)),
            (2, 2),
            (1, 1),
        ]
        convolutions.same_bits_whatever_the_schedule("conv2d", arguments, rung)


@pytest.mark.parametrize("rung", ["tiled", "tensor"])
def test_an_array_may_lie_off_the_grid(rung):
    case = fixed_case(4)
    arguments = [
        np.float32(case.normal(2, 4, 5, 5)),
        np.float32(case.normal(8, 4, 3, 3)),
        (1, 1),
        (1, 1),
    ]
    convolutions.the_same_bits_off_the_grid("conv2d", arguments, rung)


def test_tf32_rounds_to_nearest_with_ties_away_from_zero():
    """A 1x1 convolution with a weight of one shows what mma was given: every normal number,
    infinity and NaN.
    """
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2**32, 4_000, np.uint32)
    bits[:1000] = bits[:1000] & 0xFFFFE000 | rng.choice(np.uint32([0x0FFF, 0x1000, 0x1001]), 1000)
    bits[:6] = 0x7F800000, 0xFF800000, 0x7FFFFFFF, 0xFFC00000, 0x7F7FFFFF, 0xFF7FEFFF
    bits = bits[(bits & 0x7F800000 != 0) | (bits == 0)]
    x = bits.view(np.float32)
    expected = np.where(
        np.isfinite(x), ((bits + np.uint32(0x1000)) & 0xFFFFE000).view(np.float32), x
    )
    y = convolutions.run(
        "conv2d",
        [x.reshape(1, 1, 1, -1), np.ones((1, 1, 1, 1), np.float32), (1, 1), (0, 0)],
        "tensor",
        0,
    )
    np.testing.assert_array_equal(y.ravel(), expected)


@pytest.mark.parametrize("rung", ["naive", "shared", "tiled", "tensor"])
def test_a_nan_spreads_as_in_the_loops(rung):
    arguments = [
        np.ones((2, 4, 7, 6), np.float32),
        np.ones((5, 4, 3, 3), np.float32),
        (2, 1),
        (1, 1),
    ]
    convolutions.a_nan_spreads_as_in_the_loops("conv2d", arguments, rung)
    centre = [np.ones((2, 3, 7, 6), np.float32), np.ones((5, 3, 3, 3), np.float32), (1, 1), (0, 0)]
    centre[0][0, 0, 3, 2] = np.nan  # it lies below a window, at the step after the last, 27
    convolutions.a_nan_spreads_as_in_the_loops("conv2d", centre, rung)


def test_the_tensor_loop_has_no_bank_conflicts():
    case = fixed_case(6)
    for (n, c), k in (((20, 8), 68), ((33, 4), 36), ((9, 20), 3), ((2, 8), 9), ((4, 3), 9)):
        arguments = [
            np.float32(case.normal(n, c, 6, 5)),
            np.float32(case.normal(k, c, 3, 3)),
            (2, 1),
            (1, 1),
        ]
        conflicts, turns = convolutions.conflicts_in_the_loop("conv2d", arguments)
        assert conflicts == 0
        assert turns > 100


@pytest.mark.parametrize("rung", ["naive", "shared", "tiled", "tensor"])
def test_whole_numbers_come_out_exact(rung):
    case = fixed_case(10)
    for c in (3, 8):
        arguments = [case.normal(2, c, 6, 5), case.normal(5, c, 4, 4), (2, 1), (1, 1)]
        convolutions.whole_numbers_come_out_exact("conv2d", arguments, rung)


@pytest.mark.parametrize(
    "rung, dtype", [("tensor", np.float32), ("tiled", np.float32), ("tiled", np.float64)]
)
def test_few_maps_are_many_of_one_tap(rung, dtype):
    """Padding within the kernel and beyond it, maps up to the last few; at a stride of 2 they
    stay what they are.
    """
    case = fixed_case(11)
    for k, taps, padding in (
        (3, (7, 7), (3, 3)),
        (1, (4, 4), (0, 0)),
        (4, (2, 3), (0, 4)),
        (2, (5, 1), (6, 1)),
    ):
        arguments = [case.normal(2, 6, 5, 8), case.normal(k, 6, *taps), (1, 1), padding]
        first, *_, last = ran(check("conv2d", arguments, dtype, rung))
        assert first.startswith(f"conv2d_{rung}<")
        assert last.startswith("conv2d_taps_tiled<")
    assert "taps" not in " ".join(
        ran(check("conv2d", [*arguments[:2], (1, 2), (6, 1)], dtype, rung))
    )
