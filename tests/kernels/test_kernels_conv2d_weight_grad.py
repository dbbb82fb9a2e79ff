"""The CUDA kernels of the convolution's weight gradient, naive, tiled and tensor."""

import convolutions
import numpy as np
import pytest
from convolutions import check, ran, rungs
from hypothesis import given, settings
from on_device import seeds
from strategies import cases, fixed_case, layouts


@settings(max_examples=60)
@given(case=cases(), rung=rungs, x_layout=layouts, g_layout=layouts, seed=seeds)
def test_every_rung_agrees_with_the_loops(case, rung, x_layout, g_layout, seed):
    name, dtype = rung
    check(
        "conv2d_weight_grad",
        convolutions.draw("conv2d_weight_grad", case),
        dtype,
        name,
        seed,
        (x_layout, g_layout),
    )


# the kernel that must run, (N, C, H, W), (K, R, S), stride, padding
TILES = [
    ("conv2d_weight_grad_tensor<128, 128, 2, 4, 4>", (7, 8, 6, 5), (132, 3, 3), (2, 2), (1, 1)),
    ("conv2d_weight_grad_tensor<128, 64, 2, 4, 4>", (5, 4, 4, 6), (128, 3, 3), (2, 2), (1, 1)),
    ("conv2d_weight_grad_tensor<64, 64, 2, 4, 4>", (3, 12, 5, 4), (36, 2, 3), (1, 1), (0, 2)),
    ("conv2d_weight_grad_tensor<128, 32, 4, 4, 4>", (9, 4, 4, 4), (128, 2, 2), (1, 1), (1, 1)),
    ("conv2d_weight_grad_tensor<128, 32, 4, 4, 1>", (5, 3, 4, 6), (132, 3, 3), (2, 2), (1, 1)),
    ("conv2d_weight_grad_tensor<64, 64, 2, 4, 1>", (5, 3, 8, 6), (68, 4, 4), (2, 2), (1, 1)),
    ("conv2d_weight_grad_tensor<64, 64, 2, 1, 4>", (9, 20, 4, 4), (1, 4, 4), (1, 1), (0, 0)),
    ("conv2d_weight_grad_tensor<64, 64, 2, 1, 1>", (2, 3, 5, 7), (67, 3, 3), (2, 1), (1, 1)),
    ("conv2d_weight_grad_tiled<float, 128, 64, 4, 4>", (6, 12, 6, 5), (132, 3, 2), (2, 2), (1, 1)),
    ("conv2d_weight_grad_tiled<float, 64, 64, 4, 4>", (3, 8, 5, 5), (4, 3, 3), (1, 1), (1, 1)),
    ("conv2d_weight_grad_tiled<float, 64, 64, 4, 1>", (3, 3, 5, 5), (4, 3, 3), (1, 1), (1, 1)),
    ("conv2d_weight_grad_tiled<float, 64, 64, 1, 4>", (3, 4, 5, 5), (70, 1, 3), (2, 1), (0, 0)),
    ("conv2d_weight_grad_tiled<float, 64, 64, 1, 1>", (3, 5, 5, 5), (70, 1, 3), (2, 1), (0, 0)),
    ("conv2d_weight_grad_tiled<double, 64, 64, 2, 2>", (3, 6, 4, 4), (66, 3, 3), (1, 1), (1, 1)),
    ("conv2d_weight_grad_tiled<double, 64, 64, 2, 1>", (2, 3, 4, 4), (4, 4, 4), (2, 2), (1, 1)),
    ("conv2d_weight_grad_tiled<double, 64, 64, 1, 2>", (2, 4, 4, 4), (3, 4, 4), (2, 2), (1, 1)),
    ("conv2d_weight_grad_tiled<double, 64, 64, 1, 1>", (1, 1, 9, 8), (5, 7, 6), (1, 2), (3, 3)),
]
LARGEST = [
    ("conv2d_weight_grad_tensor<256, 64, 4, 4, 4>", (5, 4, 4, 6), (260, 3, 3)),
    ("conv2d_weight_grad_tensor<256, 128, 4, 4, 4>", (5, 8, 4, 6), (260, 3, 3)),
    ("conv2d_weight_grad_tensor<128, 256, 2, 4, 4>", (5, 32, 4, 6), (132, 3, 3)),
]


def maps(case, images, weight, stride, padding, dtype=np.float32):
    """Arguments with these sizes."""
    size = convolutions.map_size(images[2:], weight[1:], stride, padding)
    x = case.normal(*images)
    g = case.normal(images[0], weight[0], *size)
    return [x.astype(dtype), g.astype(dtype), weight[1:], stride, padding]


@pytest.mark.parametrize(
    "kernel, images, weight, stride, padding", TILES, ids=[tile[0] for tile in TILES]
)
def test_every_tile(kernel, images, weight, stride, padding):
    dtype = np.float64 if "double" in kernel else np.float32
    rung = kernel.split("<")[0].split("_")[-1]
    arguments = maps(fixed_case(1), images, weight, stride, padding, dtype)
    assert ran(check("conv2d_weight_grad", arguments, dtype, rung))[0] == kernel


@pytest.mark.parametrize("kernel, images, weight", LARGEST, ids=[tile[0] for tile in LARGEST])
def test_the_largest_tiles(kernel, images, weight):
    arguments = maps(fixed_case(8), images, weight, (2, 2), (1, 1))
    with convolutions.small_gpu():
        assert ran(check("conv2d_weight_grad", arguments)) == [kernel]


def test_every_kernel_has_its_case():
    assert convolutions.instantiated("conv2d_weight_grad") == {tile[0] for tile in TILES + LARGEST}


@pytest.mark.parametrize(
    "images", [(3, 2, 11, 12), (19, 1, 11, 12)], ids=["few parts", "many parts"]
)
@pytest.mark.parametrize(
    "rung, dtype", [("tensor", np.float32), ("tiled", np.float32), ("tiled", np.float64)]
)
def test_a_long_sum_is_cut_into_parts(rung, dtype, images):
    arguments = maps(fixed_case(2), images, (3, 2, 1), (1, 1), (0, 0), dtype)
    first, second = check("conv2d_weight_grad", arguments, dtype, rung)
    assert first.grid[1] > 1
    assert second.name.startswith("conv2d_weight_grad.cu:sum_parts_tiled<")
    assert (second.block == (32, 8)) == (first.grid[1] >= 16) == (len(arguments[0]) > 3)


@pytest.mark.parametrize("rung", ["naive", "tiled", "tensor"])
def test_a_tap_that_no_window_puts_on_the_image_is_zero(rung):
    """A 3x5 kernel on one pixel with padding 2: the outer columns meet only padding."""
    arguments = maps(fixed_case(3), (2, 4, 1, 1), (5, 3, 5), (1, 4), (2, 2))
    check("conv2d_weight_grad", arguments, np.float32, rung)
    dw = convolutions.run("conv2d_weight_grad", arguments, rung, 0)
    assert not dw[:, :, :, [0, 1, 3, 4]].any()
    assert dw[:, :, :, 2].all()


@pytest.mark.parametrize("rung", ["naive", "tiled", "tensor"])
def test_the_same_bits_whatever_the_schedule(rung):
    case = fixed_case(4)
    for images in ((3, 8, 5, 4), (5, 3, 12, 13)):
        arguments = maps(case, images, (8, 3, 2), (1, 1), (1, 0))
        convolutions.same_bits_whatever_the_schedule("conv2d_weight_grad", arguments, rung)


@pytest.mark.parametrize("rung", ["tiled", "tensor"])
def test_an_array_may_lie_off_the_grid(rung):
    arguments = maps(fixed_case(5), (2, 4, 5, 5), (4, 3, 3), (1, 1), (1, 1))
    convolutions.the_same_bits_off_the_grid("conv2d_weight_grad", arguments, rung)


@pytest.mark.parametrize("rung", ["naive", "tiled", "tensor"])
def test_a_nan_spreads_as_in_the_loops(rung):
    arguments = [
        np.ones((2, 4, 7, 6), np.float32),
        np.ones((2, 5, 4, 6), np.float32),
        (3, 3),
        (2, 1),
        (1, 1),
    ]
    convolutions.a_nan_spreads_as_in_the_loops("conv2d_weight_grad", arguments, rung)


def test_the_tensor_loop_has_no_bank_conflicts():
    case = fixed_case(6)
    for c, k in ((8, 132), (4, 128), (12, 36), (20, 3), (3, 8), (3, 9)):
        arguments = maps(case, (4, c, 4, 5), (k, 3, 3), (2, 1), (1, 1))
        conflicts, turns = convolutions.conflicts_in_the_loop("conv2d_weight_grad", arguments)
        assert conflicts == 0
        assert turns > 100


@pytest.mark.parametrize("rung", ["naive", "tiled", "tensor"])
def test_whole_numbers_come_out_exact(rung):
    case = fixed_case(10)
    for c in (3, 8):
        arguments = [case.normal(2, c, 6, 5), case.normal(2, 5, 3, 4), (4, 4), (2, 1), (1, 1)]
        convolutions.whole_numbers_come_out_exact("conv2d_weight_grad", arguments, rung)


@pytest.mark.parametrize(
    "rung, dtype", [("tensor", np.float32), ("tiled", np.float32), ("naive", np.float64)]
)
def test_of_few_maps_image_and_maps_change_places(rung, dtype):
    """Padding up to the kernel's edge; where it is beyond, or the stride is not 1, they stay
    where they are.
    """
    case = fixed_case(11)
    for k, taps, padding in ((3, (3, 3), (1, 1)), (1, (2, 3), (0, 2)), (4, (1, 2), (0, 1))):
        maps = convolutions.map_size((7, 8), taps, (1, 1), padding)
        arguments = [case.normal(2, 6, 7, 8), case.normal(2, k, *maps), taps, (1, 1), padding]
        check("conv2d_weight_grad", arguments, dtype, rung)
    for stride, padding in (((1, 2), (1, 1)), ((1, 1), (3, 0))):
        maps = convolutions.map_size((7, 8), (3, 3), stride, padding)
        check(
            "conv2d_weight_grad",
            [case.normal(2, 6, 7, 8), case.normal(2, 3, *maps), (3, 3), stride, padding],
            dtype,
            rung,
        )


@pytest.mark.parametrize("rung", ["tiled", "tensor"])
def test_a_tile_that_begins_in_the_middle_of_a_row_of_taps(rung):
    """Its first row of taps is not whole, the next one is: the pixels that any of them needs are
    those of all.
    """
    case = fixed_case(12)
    for c, h in (
        (12, 6),
        (9, 6),
        (12, 1),
    ):  # of an image that is one pixel high, a row of taps meets padding alone
        arguments = [case.normal(2, c, h, 6), case.normal(2, 36, h, 6), (3, 3), (1, 1), (1, 1)]
        check("conv2d_weight_grad", arguments, np.float32, rung)


@pytest.mark.parametrize("rung", ["naive", "tiled", "tensor"])
def test_more_results_than_16_bits_count(rung):
    case = fixed_case(13)
    arguments = [case.normal(2, 256, 1, 1), case.normal(2, 257, 1, 1), (1, 1), (1, 1), (0, 0)]
    check("conv2d_weight_grad", arguments, np.float32, rung)
