"""The size of an image in its three spellings."""

import numpy as np
import pytest

from minigan.sizes import height_and_width, plain_size


@pytest.mark.parametrize(
    "size, expected",
    [
        (64, (64, 64)),
        (np.int64(5), (5, 5)),
        ((96, 160), (96, 160)),
        ([1, 2], (1, 2)),
        ("96x160", (96, 160)),
        ("7x7", (7, 7)),
    ],
)
def test_a_size_is_a_height_and_a_width(size, expected):
    assert height_and_width(size) == expected
    assert height_and_width(plain_size(size)) == expected


@pytest.mark.parametrize(
    "size",
    [0, -1, 2.0, True, None, "8", "0x5", "05x5", "5x", "5x5x5", "５x５", "5 x 5", (5,), (5, 0)]
    + [(5, 2.0), (True, 5), "9999999x1", {}],
)
def test_what_is_no_size_is_refused(size):
    with pytest.raises(ValueError, match="crop is .*, expected a whole number of at least 1, or"):
        height_and_width(size, "crop")


def test_a_plain_size_is_a_number_for_a_square_and_otherwise_a_text():
    assert plain_size((8, 8)) == 8
    assert plain_size("8x8") == 8
    assert plain_size((8, 12)) == "8x12"
