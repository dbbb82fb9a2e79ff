"""Grids of the memory-bound kernels: how many blocks, and which part of an array each of them
takes.
"""

import functools

import numpy as np

from . import launch as device
from .launch import Out
from .rungs import ceil, kind, run

THREADS, SPAN = (
    256,
    1024,
)  # of a block; packs of V numbers that a block of an elementwise kernel takes
FEW, MANY = (
    528,
    8448,
)  # blocks at most: of a reduction, whose blocks' results a second pass unites; of the others


def elementwise(operation, args, n):
    """Launch what sees its arrays as n numbers."""
    rung, t, v = kind(operation, args, n)
    if n:
        grid, template = (
            (ceil(n, THREADS), (t,)) if rung == "naive" else (ceil(n // v, SPAN), (t, v))
        )
        run(operation, rung, template, (grid,), (THREADS,), [*args, np.int32(n)])


@functools.lru_cache(maxsize=1024)
def _tiles(rows, channels, v, most):
    """Tiles of a (rows, C) matrix -> (grid, block, band): a block takes `band` rows of up to 32
    packs of v channels.
    """
    packs = ceil(channels, v)
    across = min(32, 1 << (packs - 1).bit_length())
    groups, step = ceil(packs, across), 4 * THREADS // across
    band = step * ceil(rows, step * max(1, most // groups))
    return (ceil(rows, band), groups), (across, THREADS // across), band


def _merging(columns):
    """The same for a second pass, in which a block takes all rows -> (grid, block)."""
    across = min(
        8 if columns <= 8 * 65535 else 32, 1 << (columns - 1).bit_length()
    )  # a grid is at most so high
    return (1, ceil(columns, across)), (across, THREADS // across)


def rowwise(operation, args, rows):
    """Launch what reads a (rows, C) matrix and writes another."""
    rung, t, v = kind(operation, args, rows.shape[1])
    sizes = [np.int32(n) for n in rows.shape]
    if rung == "naive" and rows.size:
        run(operation, rung, (t,), (ceil(rows.size, THREADS),), (THREADS,), [*args, *sizes])
    elif rows.size:
        grid, block, band = _tiles(*rows.shape, v, MANY)
        run(operation, rung, (t, v), grid, block, [*args, *sizes, np.int32(band)])


def reduce(operation, args, rows, width, *more):
    """Launch what takes `width` sums down the columns of a (rows, C) matrix -> (width, C); `more`
    follow the result.

    Tiled, every band of rows has sums of its own, which channel_sum adds up in their order.
    """
    (m, c), (rung, t, v) = rows.shape, kind(operation, args, rows.shape[1])
    template, grid, block, band, bands = (t,), (ceil(c, THREADS),), (THREADS,), [], 1
    if rung == "tiled":
        template, (grid, block, *band) = (t, v), _tiles(m, c, v, FEW)
        bands = grid[0]
    parts, sizes = (
        device.xp.empty((bands, width * c), rows.dtype),
        [np.int32(n) for n in (m, c, *band)],
    )
    run(operation, rung, template, grid, block, [*args, Out(parts), *more, *sizes])
    return _sum_bands(parts, t).reshape(width, c)


def _sum_bands(parts, t):
    """(bands, columns) -> (columns,)."""
    bands, columns = parts.shape
    if bands == 1:
        return parts[0]
    sums, sizes = (
        device.xp.empty(columns, parts.dtype),
        [np.int32(bands), np.int32(columns), np.int32(bands)],
    )
    run("channel_sum", "tiled", (t, 1), *_merging(columns), [parts, Out(sums), *sizes])
    return sums


def moments(rows, vectors, *numbers):
    """batch_norm_statistics of a matrix -> (5, C): the mean's two parts, inv_std, scale, shift.

    vectors: weight, bias, running mean and variance, arrays (C,) or None; numbers: momentum, eps.
    """
    (m, c), (rung, t, v) = (
        rows.shape,
        kind("batch_norm_statistics", [rows, *vectors], rows.shape[1]),
    )
    if not rows.size:
        raise ValueError(
            f"batch_norm_statistics: of {m} numbers in each of {c} channels, expected one at least"
        )
    y, sizes = device.xp.empty((5, c), rows.dtype), [np.int32(m), np.int32(c)]
    rest = [*vectors, Out(y), *numbers, *sizes]
    if rung == "naive":
        run("batch_norm_statistics", rung, (t,), (ceil(c, THREADS),), (THREADS,), [rows, *rest])
        return y
    grid, block, band = _tiles(m, c, v, FEW)
    parts, bands = device.xp.empty((grid[0], 2, c), rows.dtype), [np.int32(band), np.int32(grid[0])]
    run("batch_norm_statistics", rung, (t, v), grid, block, [rows, Out(parts), *sizes, bands[0]])
    run("batch_norm_statistics_merge", rung, (t,), *_merging(c), [rows, parts, *rest, *bands])
    return y


def total(operation, args, scale, n):
    """The sum of what an elementwise kernel would give for n > 0 numbers, times scale -> ()."""
    rung, t, v = kind(operation, args, n)
    template, blocks, threads = (
        ((t,), 1, 1) if rung == "naive" else ((t, v), ceil(n // v, SPAN), THREADS)
    )
    parts = device.xp.empty((blocks, 1), scale.dtype)
    run(operation, rung, template, (blocks,), (threads,), [*args, Out(parts), scale, np.int32(n)])
    return _sum_bands(parts, t).reshape(())
