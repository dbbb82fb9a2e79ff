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


def meetings(image, tap, stride, padding, pixels):
    """How many pairs of an output pixel and a tap have their input pixel in the image, along one
    axis.
    """
    return sum(0 <= p * stride + r - padding < image for p in range(pixels) for r in range(tap))


def multiplied(name, arguments):
    """(the result, how many slices were multiplied, as the requests of the inner loop)."""
    with launch.collect_launches(counting=True) as launches:
        y = convolutions.run(name, arguments, "tiled", 0, host=True)
    source = (sources.kernels_folder() / "gemm.cuh").read_text(encoding="utf-8").splitlines()
    loop = {("gemm.cuh", n) for n, line in enumerate(source, 1) if "tile.template multiply" in line}
    return y, sum(line.requests for line in launches[0].report.lines if loop & set(line.places))


def arguments(name, image, taps, stride, padding):
    """Arguments with which a tile is one pixel or tap, and a slice another."""
    case, pixels = fixed_case(1), convolutions.map_size(image, taps, stride, padding)
    if name == "conv2d":
        return [case.normal(64, 16, *image), case.normal(5, 16, *taps), stride, padding]
    if name == "conv2d_weight_grad":
        return [case.normal(16, 64, *image), case.normal(16, 3, *pixels), taps, stride, padding]
    rest = tuple((n + 2 * p - r) % s for n, p, r, s in zip(image, padding, taps, stride))
    return [case.normal(64, 16, *pixels), case.normal(16, 5, *taps), stride, padding, rest]


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
    _, one = multiplied(name, arguments(name, (1, 1), (1, 1), (1, 1), (0, 0)))
    for sizes in SHAPES:
        given = arguments(name, *sizes)
        y, slices = multiplied(name, given)
        assert np.all(
            np.abs(y - getattr(reference, name)(*given))
            <= error_bound(name, given, np.float64, "tiled")
        )
        needed = [meetings(*axis) for axis in zip(*sizes, convolutions.map_size(*sizes))]
        assert slices == one * np.prod(needed) > 0
