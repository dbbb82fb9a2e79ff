"""Is the suite awake to Winograd's 3x3 convolutions? Break each row of their transforms, and each
step that cuts images into tiles, one at a time, and demand that the check notices.
"""

import numpy as np
import pytest
from cpu_convolutions import check_convolutions, fixed_axis, make_layer

from minigan.backends.cpu import convolution, winograd3x3, winograd_blocks, winograd_tiles
from minigan.backends.cpu.winograd_tiles import FOUR, THREE, TWO

TILES = {tile.size: tile for tile in (TWO, THREE, FOUR)}
MUTATIONS = {
    "zeroed": lambda row: row * 0,
    "negated": lambda row: -row,
    "scaled": lambda row: row * 1.1,
}


def check(tile):
    """One layer with 20 channels, whose maps of 7 x 9 fit no tile, in every pass."""
    rows = fixed_axis(length=7, kernel=3, stride=1, padding=1)
    columns = fixed_axis(length=9, kernel=3, stride=1, padding=1)
    layer = make_layer(n=3, c=20, k=18, down=rows, across=columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd_tiles, "_LEAST_TILES", 1)
        patch.setattr(winograd_tiles, "_MOST_PRODUCTS", 100)
        patch.setattr(convolution, "_TILES", (tile,))
        patch.setattr(convolution, "_WEIGHT_TILES", (tile,))
        patch.setattr(winograd_blocks, "_BLOCK", 1)
        patch.setattr(winograd_blocks, "_ROWS", 4)  # several blocks
        check_convolutions(layer, np.float64, "contiguous", "contiguous", seed=0)


def with_broken_row(tile, transform, i, mutation):
    """The tile with one row of a transform changed."""
    matrix = getattr(tile, transform)[np.dtype("float64")].copy()
    matrix[i] = MUTATIONS[mutation](matrix[i])
    return tile._replace(**{transform: {np.dtype("float64"): matrix}})


@pytest.mark.parametrize("size", TILES)
def test_the_transforms_as_they_are_pass(size):
    check(TILES[size])


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("transform", ["to_y", "to_v", "to_u"])
@pytest.mark.parametrize("size", TILES)
def test_every_broken_row_of_a_transform_is_noticed(size, transform, mutation):
    tile = TILES[size]
    rows = len(getattr(tile, transform)[np.dtype("float64")])
    for i in range(rows):
        broken = with_broken_row(tile, transform, i, mutation)
        with pytest.raises(AssertionError):
            check(broken)


def frame_one_row_lower(x, padding, block):
    lower = block._replace(first=block.first + 1)
    return right_framed(x, padding, lower)


def frame_without_padding(x, padding, block):
    return right_framed(x, (0, 0), block)


def without_the_last_row(outputs, y, block):
    short = block._replace(down=block.down - 1)
    right_put_outputs(outputs[:, :, :-1], y, short)


def unmirrored(weight, to_u):
    """conv_transpose2d reverses the nine taps."""
    is_mirrored = to_u.strides[1] < 0
    return right_transformed_taps(weight, to_u[:, ::-1] if is_mirrored else to_u)


def forgets_earlier_blocks(size, batch, c, tile):
    return right_blocks(size, batch, c, tile)[-1:]


right_framed = winograd3x3._framed
right_put_outputs = winograd3x3._put_outputs
right_transformed_taps = winograd3x3._transformed_taps
right_blocks = winograd3x3.blocks_of

CLASSIC_MISTAKES = [
    ("_framed", frame_one_row_lower),
    ("_framed", frame_without_padding),
    ("_put_outputs", without_the_last_row),
    ("_transformed_taps", unmirrored),
    ("blocks_of", forgets_earlier_blocks),
]


@pytest.mark.parametrize("name, mistake", CLASSIC_MISTAKES)
def test_every_classic_mistake_is_noticed(name, mistake, monkeypatch):
    monkeypatch.setattr(winograd3x3, name, mistake)
    with pytest.raises((AssertionError, ValueError)):
        check(THREE)
