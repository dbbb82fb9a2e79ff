"""How much the convolutions' kernels multiply: a tile takes those steps whose numbers lie in the
image, and no more.

A multiplication with padding changes no result, so results cannot show it. Here tiles are as
large as what belongs to one pixel (64 images), or to one tap (64 channels), and slices as long as
the other factor's channels (16 doubles): then an operation needs one slice for each pixel and tap
that meet in the image, and the host device counts them.
"""

import convolutions
import numpy as np
import pytest
from convolutions import error_bound
from strategies import fixed_case

from minigan.backends import reference
from minigan.backends.cuda import launch, sources


def meetings(image, taps, stride, padding, pixels):
    """How many pairs of an output pixel and a tap have their input pixel in the image.

    Along one axis: all arguments are numbers.
    """
    count = 0
    for pixel in range(pixels):
        for tap in range(taps):
            place = pixel * stride + tap - padding
            count += 0 <= place < image
    return count


def multiplied(name, arguments):
    """(the result, how many slices were multiplied, as the requests of the inner loop)."""
    with launch.collect_launches(counting=True) as launches:
        y = convolutions.run(name, arguments, "tiled", 0, host=True)
    slices = 0
    for line in launches[0].report.lines:
        if inner_loop() & set(line.places):
            slices += line.requests
    return y, slices


def inner_loop():
    """Where gemm.cuh multiplies a slice: a set of (file, line)."""
    source = (sources.kernels_folder() / "gemm.cuh").read_text(encoding="utf-8")
    places = set()
    for number, line in enumerate(source.splitlines(), 1):
        if "tile.template multiply" in line:
            places.add(("gemm.cuh", number))
    return places


def arguments(name, image, taps, stride, padding):
    """Arguments with which a tile is one pixel or tap, and a slice another."""
    case = fixed_case(1)
    pixels = convolutions.map_size(image, taps, stride, padding)
    if name == "conv2d":
        x = case.normal(64, 16, *image)
        weight = case.normal(5, 16, *taps)
        return [x, weight, stride, padding]
    if name == "conv2d_weight_grad":
        x = case.normal(16, 64, *image)
        g = case.normal(16, 3, *pixels)
        return [x, g, taps, stride, padding]
    x = case.normal(64, 16, *pixels)
    weight = case.normal(16, 5, *taps)
    rest = []  # pixels of the image that no window reaches
    for n, r, step, pad in zip(image, taps, stride, padding):
        padded = n + 2 * pad
        rest.append((padded - r) % step)
    return [x, weight, stride, padding, tuple(rest)]


# image, taps, stride, padding
SHAPES = [
    ((2, 3), (3, 3), (1, 1), (2, 0)),
    ((3, 2), (3, 3), (1, 1), (0, 2)),
    ((5, 1), (4, 3), (2, 2), (3, 1)),
    ((2, 4), (3, 3), (1, 3), (1, 2)),
    ((1, 5), (3, 5), (2, 2), (1, 2)),
]


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d", "conv2d_weight_grad"])
def test_no_slice_is_of_padding_alone(name):
    small = arguments(name, (1, 1), (1, 1), (1, 1), (0, 0))
    _, slices_of_one_meeting = multiplied(name, small)
    for sizes in SHAPES:
        given = arguments(name, *sizes)
        y, slices = multiplied(name, given)
        loops = getattr(reference, name)
        expected = loops(*given)
        bound = error_bound(name, given, np.float64, "tiled")
        assert np.all(np.abs(y - expected) <= bound)
        pixels = convolutions.map_size(*sizes)
        height, width = zip(*sizes, pixels)
        needed = meetings(*height) * meetings(*width)
        assert needed > 0
        assert slices == slices_of_one_meeting * needed
