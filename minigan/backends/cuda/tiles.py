"""Which tile of a matrix product a block computes, and into how many parts a long sum is split.

A large tile needs fewer bytes per multiplication. Small tiles make more blocks, and waste less at
the edges.
"""

from typing import NamedTuple

from .plans import ceil_div

LARGE_SHARED = 147  # KB of shared memory that the largest tiles take
UNLIMITED = 2**31


class Tile(NamedTuple):
    """The numbers of the product that one block computes."""

    rows: int
    columns: int
    warps_down: int  # of a block's warps, how many lie below each other; 0 where it does not matter
    blocks: int  # that a multiprocessor holds at once


class Rule(NamedTuple):
    """Which products get a tile."""

    tile: Tile
    rows: range  # of the product
    columns: range  # of the product
    wide: str = ""  # the factors, "A" and "B", whose loads must bring four floats at once
    must_fill: bool = False  # the tiles must fill three quarters of the GPU


def at_least(n):
    """n and all larger sizes."""
    return range(n, UNLIMITED + 1)


def at_most(n):
    """The sizes from 1 to n."""
    return range(1, n + 1)


def between(low, high):
    """The sizes from low to high, both included."""
    return range(low, high + 1)


ANY = at_least(1)
# The first rule that fits decides.
RULES = {
    "tiled": [
        Rule(Tile(128, 64, 0, blocks=2), at_least(128), ANY, wide="AB"),
        Rule(Tile(64, 64, 0, blocks=2), ANY, ANY),
    ],
    "tensor": [
        Rule(Tile(128, 32, 4, blocks=3), at_least(128), at_most(32), wide="A"),
        Rule(Tile(256, 64, 4, blocks=2), at_least(256), between(33, 64), "AB", must_fill=True),
        Rule(Tile(256, 128, 4, blocks=1), at_least(256), at_least(65), "AB", must_fill=True),
        Rule(Tile(128, 256, 2, blocks=1), between(128, 255), at_least(256), "AB", must_fill=True),
        Rule(Tile(128, 64, 2, blocks=2), at_least(128), between(33, 64), wide="AB"),
        Rule(Tile(128, 128, 2, blocks=2), at_least(128), at_least(65), wide="AB"),
        Rule(Tile(64, 64, 2, blocks=4), ANY, ANY),
    ],
}


class Product(NamedTuple):
    """A matrix product: rows x columns numbers, each a sum of `steps` products.

    A transposed convolution is one matrix product per phase.
    """

    rows: int
    columns: int
    steps: int
    phases: int


def choose_tile(rung, product, slices, widths, target):
    """The tile for a product.

    slices: into which the steps are cut, 128 bytes each. widths: numbers that one load brings of
    each of the two factors; 4 for floats, 2 for doubles, or 1.
    """
    for rule in RULES[rung]:
        fits = product.rows in rule.rows and product.columns in rule.columns
        if not fits or not loads_suffice(rule, widths):
            continue
        if rule.must_fill and not _fills(product, slices, rule.tile, target):
            continue
        return rule.tile


def loads_suffice(rule, widths):
    """Whether the factors that the rule names are read four floats at a time."""
    return all(width == 4 for factor, width in zip("AB", widths) if factor in rule.wide)


def count_tiles(product, tile):
    """How many tiles cover the product, in all phases."""
    return (
        ceil_div(product.rows, tile.rows) * ceil_div(product.columns, tile.columns) * product.phases
    )


def _fills(product, slices, tile, target):
    """Whether the blocks of such tiles keep three quarters of the GPU busy, and fit on it."""
    tiles = count_tiles(product, tile)
    blocks = tiles * split_k(tiles, slices, tile, target)
    return target.shared_per_block >= LARGE_SHARED and 4 * blocks >= 3 * target.multiprocessors


def split_k(tiles, slices, tile, target):
    """Split-K: how many blocks share the steps of one tile.

    A tile's numbers are sums of `steps` products (the K of a matrix product M x K by K x N).
    Where the tiles fill at most half of the GPU, several blocks each take a part of the steps and
    leave a partial sum; a second pass adds these up in a fixed order, so the bits stay the same.
    A part has at least four slices, otherwise starting a block costs more than it gains.
    """
    if tiles > target.multiprocessors // 2:
        return 1
    wanted = tile.blocks * target.multiprocessors // tiles
    return max(1, min(wanted, slices // 4, 256))
