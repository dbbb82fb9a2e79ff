"""The blocks in which winograd3x3.py goes through a batch, and views of images as tiles."""

import math
from typing import NamedTuple

from numpy.lib.stride_tricks import as_strided

from .threads import split, thread_count

_BLOCK = 1 << 19  # elements of v per block: 2 MB of float32,
_ROWS = 128  # but no fewer tiles than this: BLAS is slow for matrices of fewer rows


class Block(NamedTuple):
    """Some rows of tiles of some images."""

    first: int  # output row of the first tile
    down: int  # tiles
    across: int
    images: slice
    size: int  # of a tile, in outputs

    @property
    def batch(self):
        """How many images these are."""
        return self.images.stop - self.images.start

    def shape(self, side):
        """The shape of an array of tiles, of side x side numbers each, without the channels."""
        return side, side, self.down, self.across, self.batch


def blocks_of(size, batch, c, tile):
    """All Blocks of maps of this size, at least one per thread; the v of each fits the cache."""
    down, across = map(tile.count, size)
    most = max(_ROWS, _BLOCK // (tile.products * c))  # tiles
    images_at_once = max(1, min(batch, most // across))
    rows_at_once = max(1, most // (across * images_at_once))
    parts_of_images = math.ceil(batch / images_at_once)
    parts_of_rows = math.ceil(down / rows_at_once)
    least = math.ceil(thread_count() / parts_of_images)
    parts_of_rows = max(parts_of_rows, least)
    blocks = []
    for images in split(batch, parts_of_images):
        for rows in split(down, parts_of_rows):
            first = rows.start * tile.size
            count = rows.stop - rows.start
            blocks.append(Block(first, count, across, images, tile.size))
    return blocks


def whole_and_cut(y, block):
    """Pairs of an index into an array of tiles, and a view of y (P, Q, N, K) in the same order.

    One pair is of the whole tiles. There are up to three more: of the last row and the last column
    of tiles, where the map cuts them off, and of the corner.
    """
    of_images = y[block.first :, :, block.images]
    height, width = of_images.shape[:2]
    for rows, high in _along_axis(height, block.down, block.size):
        for columns, wide in _along_axis(width, block.across, block.size):
            top = rows.start * block.size
            left = columns.start * block.size
            down = rows.stop - rows.start
            across = columns.stop - columns.start
            corner = of_images[top:, left:]
            view = in_tiles(corner, block.size, high, wide, down, across)
            yield (slice(high), slice(wide), rows, columns), view


def _along_axis(length, tiles, size):
    """[(a slice of the tiles, outputs in each of them)]: the whole ones, and one that is cut."""
    whole = min(tiles, length // size)
    found = [(slice(0, whole), size), (slice(whole, tiles), length - whole * size)]
    return [(some, outputs) for some, outputs in found if some.start < some.stop]


def in_tiles(image, step, high, wide, down, across):
    """A view (high, wide, down, across, N, C) of an image (H, W, N, C), a tile every `step` pixels.

    There are down x across tiles of high x wide pixels, which may overlap.
    """
    row, column, *rest = image.strides
    shape = high, wide, down, across, *image.shape[2:]
    strides = row, column, step * row, step * column, *rest
    return as_strided(image, shape, strides)
