"""The transposed convolution's CUDA kernels, naive, tiled and tensor."""

import convolutions
import numpy as np
import pytest
from convolutions import check, ran, rungs
from hypothesis import given, settings
from on_device import seeds
from strategies import cases, fixed_case, layouts


@settings(max_examples=60)
@given(case=cases(), rung=rungs, x_layout=layouts, w_layout=layouts, seed=seeds)
def test_every_rung_agrees_with_the_loops(case, rung, x_layout, w_layout, seed):
    name, dtype = rung
    check(
        "conv_transpose2d",
        convolutions.draw("conv_transpose2d", case),
        dtype,
        name,
        seed,
        (x_layout, w_layout),
    )


# the kernel that must run, (N, K, P, Q), (C, R, S), stride, padding, output_padding
TILES = [
    (
        "conv_transpose2d_tensor<128, 128, 2, 4, 4>",
        (20, 8, 3, 3),
        (68, 3, 3),
        (2, 2),
        (1, 1),
        (0, 1),
    ),
    (
        "conv_transpose2d_tensor<128, 64, 2, 4, 4>",
        (33, 4, 2, 2),
        (36, 4, 4),
        (2, 2),
        (1, 1),
        (0, 0),
    ),
    ("conv_transpose2d_tensor<64, 64, 2, 4, 4>", (2, 12, 5, 4), (68, 2, 3), (1, 1), (0, 2), (0, 0)),
    ("conv_transpose2d_tensor<128, 32, 4, 4, 4>", (9, 20, 4, 4), (8, 3, 3), (1, 1), (1, 1), (0, 0)),
    ("conv_transpose2d_tensor<128, 32, 4, 4, 1>", (9, 8, 4, 4), (6, 4, 4), (2, 2), (1, 1), (0, 0)),
    ("conv_transpose2d_tensor<64, 64, 2, 4, 1>", (2, 8, 4, 4), (6, 4, 4), (2, 2), (1, 1), (0, 0)),
    ("conv_transpose2d_tensor<64, 64, 2, 1, 4>", (5, 1, 3, 2), (36, 3, 4), (1, 2), (0, 1), (0, 1)),
    ("conv_transpose2d_tensor<64, 64, 2, 1, 1>", (5, 3, 4, 3), (67, 3, 3), (2, 1), (1, 1), (1, 0)),
    (
        "conv_transpose2d_tiled<float, 128, 64, 4, 4>",
        (17, 12, 3, 3),
        (68, 3, 3),
        (2, 2),
        (1, 1),
        (0, 1),
    ),
    (
        "conv_transpose2d_tiled<float, 64, 64, 4, 4>",
        (3, 8, 5, 5),
        (8, 3, 3),
        (1, 1),
        (1, 1),
        (0, 0),
    ),
    (
        "conv_transpose2d_tiled<float, 64, 64, 4, 1>",
        (3, 8, 5, 5),
        (6, 3, 3),
        (1, 1),
        (1, 1),
        (0, 0),
    ),
    (
        "conv_transpose2d_tiled<float, 64, 64, 1, 4>",
        (3, 5, 5, 5),
        (68, 1, 3),
        (2, 1),
        (0, 0),
        (1, 0),
    ),
    (
        "conv_transpose2d_tiled<float, 64, 64, 1, 1>",
        (3, 5, 5, 5),
        (70, 1, 3),
        (2, 1),
        (0, 0),
        (0, 0),
    ),
    (
        "conv_transpose2d_tiled<double, 64, 64, 2, 2>",
        (9, 6, 4, 4),
        (66, 3, 3),
        (1, 1),
        (1, 1),
        (0, 0),
    ),
    (
        "conv_transpose2d_tiled<double, 64, 64, 2, 1>",
        (2, 4, 4, 4),
        (5, 4, 4),
        (2, 2),
        (1, 1),
        (0, 0),
    ),
    (
        "conv_transpose2d_tiled<double, 64, 64, 1, 2>",
        (2, 3, 4, 4),
        (6, 4, 4),
        (2, 2),
        (1, 1),
        (0, 0),
    ),
    (
        "conv_transpose2d_tiled<double, 64, 64, 1, 1>",
        (3, 1, 9, 8),
        (5, 7, 6),
        (1, 2),
        (3, 3),
        (0, 1),
    ),
]
LARGEST = [
    ("conv_transpose2d_tensor<256, 64, 4, 4, 4>", (33, 12, 3, 3), (36, 3, 3)),
    ("conv_transpose2d_tensor<256, 128, 4, 4, 4>", (33, 8, 3, 3), (68, 3, 3)),
    ("conv_transpose2d_tensor<128, 256, 2, 4, 4>", (15, 4, 3, 3), (260, 3, 3)),
]


@pytest.mark.parametrize(
    "kernel, image, weight, stride, padding, extra", TILES, ids=[tile[0] for tile in TILES]
)
def test_every_tile(kernel, image, weight, stride, padding, extra):
    case = fixed_case(1)
    arguments = [case.normal(*image), case.normal(image[1], *weight), stride, padding, extra]
    dtype, rung = (
        np.float64 if "double" in kernel else np.float32,
        kernel.split("<")[0].split("_")[-1],
    )
    assert ran(check("conv_transpose2d", arguments, dtype, rung)) == [kernel]


@pytest.mark.parametrize("kernel, images, weight", LARGEST, ids=[tile[0] for tile in LARGEST])
def test_the_largest_tiles(kernel, images, weight):
    case = fixed_case(8)
    arguments = [case.normal(*images), case.normal(images[1], *weight), (2, 2), (1, 1), (0, 1)]
    with convolutions.small_gpu():
        assert ran(check("conv_transpose2d", arguments)) == [kernel]


def test_every_kernel_has_its_case():
    assert convolutions.instantiated("conv_transpose2d") == {tile[0] for tile in TILES + LARGEST}


@pytest.mark.parametrize(
    "rung, dtype", [("tensor", np.float32), ("tiled", np.float32), ("tiled", np.float64)]
)
def test_a_long_sum_is_cut_into_parts(rung, dtype):
    case = fixed_case(2)
    for stride, taps in ((1, 3), (2, 4)):
        arguments = [
            case.normal(2, 132, 2, 3),
            case.normal(132, 8, taps, taps),
            (stride,) * 2,
            (1, 1),
            (0, 0),
        ]
        first, second = check("conv_transpose2d", arguments, dtype, rung)
        assert first.grid[1] > 1 and second.name.startswith("conv_transpose2d.cu:sum_parts_tiled<")


@pytest.mark.parametrize("rung", ["naive", "tiled", "tensor"])
def test_pixels_that_no_tap_meets_are_zero(rung):
    """Stride 3 with a 2x1 kernel: seven of nine phases have no tap. The host device sees that
    they are written.
    """
    case = fixed_case(3)
    arguments = [case.normal(2, 4, 3, 2), case.normal(4, 5, 2, 1), (3, 3), (0, 0), (2, 2)]
    check("conv_transpose2d", arguments, np.float32, rung)
    y = convolutions.run(
        "conv_transpose2d", [*map(np.float32, arguments[:2]), *arguments[2:]], rung, 0
    )
    assert not y[:, :, 2::3].any() and not y[:, :, :, 1::3].any() and not y[:, :, :, 2::3].any()
    assert y[:, :, 0:9:3, 0::3].all() and y[:, :, 1:9:3, 0::3].all()


@pytest.mark.parametrize("rung", ["naive", "tiled", "tensor"])
def test_the_same_bits_whatever_the_schedule(rung):
    case = fixed_case(4)
    for k in (3, 32):
        arguments = [
            np.float32(case.normal(3, k, 4, 3)),
            np.float32(case.normal(k, 5, 4, 4)),
            (2, 2),
            (1, 1),
            (0, 0),
        ]
        convolutions.same_bits_whatever_the_schedule("conv_transpose2d", arguments, rung)


@pytest.mark.parametrize("rung", ["tiled", "tensor"])
def test_an_array_may_lie_off_the_grid(rung):
    case = fixed_case(5)
    arguments = [
        np.float32(case.normal(2, 4, 5, 5)),
        np.float32(case.normal(4, 4, 3, 3)),
        (1, 1),
        (1, 1),
        (0, 0),
    ]
    convolutions.the_same_bits_off_the_grid("conv_transpose2d", arguments, rung)


@pytest.mark.parametrize("rung", ["naive", "tiled", "tensor"])
def test_a_nan_spreads_as_in_the_loops(rung):
    arguments = [
        np.ones((2, 4, 4, 5), np.float32),
        np.ones((4, 5, 3, 3), np.float32),
        (2, 1),
        (1, 1),
        (1, 0),
    ]
    convolutions.a_nan_spreads_as_in_the_loops("conv_transpose2d", arguments, rung)


def test_the_tensor_loop_has_no_bank_conflicts():
    case = fixed_case(6)
    for (n, k), c in (
        ((20, 8), 68),
        ((33, 4), 36),
        ((9, 20), 3),
        ((3, 8), 4),
        ((2, 3), 8),
        ((4, 3), 9),
    ):
        arguments = [
            np.float32(case.normal(n, k, 3, 3)),
            np.float32(case.normal(k, c, 3, 3)),
            (2, 1),
            (1, 1),
            (0, 0),
        ]
        conflicts, turns = convolutions.conflicts_in_the_loop("conv_transpose2d", arguments)
        assert conflicts == 0 and turns > 100


@pytest.mark.parametrize("rung", ["naive", "tiled", "tensor"])
def test_whole_numbers_come_out_exact(rung):
    case = fixed_case(10)
    for c in (3, 8):
        arguments = [case.normal(2, c, 3, 4), case.normal(c, 5, 4, 4), (2, 1), (1, 1), (0, 0)]
        convolutions.whole_numbers_come_out_exact("conv_transpose2d", arguments, rung)


@pytest.mark.parametrize(
    "rung, dtype", [("tensor", np.float32), ("tiled", np.float32), ("tiled", np.float64)]
)
def test_few_channels_are_many_of_one_tap(rung, dtype):
    """Strides beyond the kernel, padding beyond the stride, pixels that no tap meets, channels up
    to the last few.
    """
    case = fixed_case(11)
    for c, taps, stride, padding, extra in (
        (3, (4, 4), (2, 2), (1, 1), (0, 0)),
        (1, (3, 5), (1, 2), (2, 3), (0, 1)),
        (4, (2, 3), (3, 1), (0, 2), (1, 0)),
        (2, (5, 2), (2, 3), (4, 0), (1, 2)),
    ):
        arguments = [case.normal(2, 6, 5, 4), case.normal(6, c, *taps), stride, padding, extra]
        first, *_, last = ran(check("conv_transpose2d", arguments, dtype, rung))
        assert first.startswith(f"conv_transpose2d_{rung}<") and last.startswith(
            "conv_transpose2d_taps_tiled<"
        )
