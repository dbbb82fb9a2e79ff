"""Batch normalisation, fused with its activation, on kernels/batch_norm.cu."""

from ..memory_order import as_image, as_rows
from . import launch
from .arguments import Out
from .grids import (
    REDUCTION_BLOCKS,
    THREADS,
    reduction,
    row_tiles,
    rowwise,
    second_pass_grid,
)
from .plans import Plan, cached_plan, ceil_div
from .rungs import pick_rung, variant_of


def batch_norm_statistics(x, weight, bias, running_mean, running_var, momentum, eps):
    """(N, C, ...) -> centre_and_rest (2, C), inv_std, scale, shift (C,).

    The running mean and variance change in place. centre_and_rest is the mean as two numbers: see
    reference.batch_norm_statistics.
    """
    given = [weight, bias, running_mean, running_var]
    vectors = [_contiguous(vector) for vector in given]
    y = _statistics(as_rows(x), vectors, x.dtype.type(momentum), x.dtype.type(eps))
    for vector, used in zip(given[2:], vectors[2:]):
        if vector is not None and launch.is_copy(vector, used):
            vector[...] = used
    return y[:2], y[2], y[3], y[4]


def batch_norm_forward(x, centre, scale, shift, negative_slope):
    """(N, C, ...), three (C,) -> act((x - centre[c]) scale[c] + shift[c]).

    A negative_slope of None means no activation, 0 is ReLU.
    """
    rows = as_rows(x)
    y = launch.empty(rows.shape, rows.dtype)
    vectors = [_contiguous(vector) for vector in (centre, scale, shift)]
    rowwise("batch_norm_forward", [rows, *vectors, Out(y), _slope(x, negative_slope)], rows)
    return as_image(y, x)


def batch_norm_grad(g, x, y, centre_and_rest, inv_std, weight, negative_slope):
    """The gradient of training-mode batch norm and its activation.

    -> dx (N, C, ...), dweight (C,), dbias (C,).
    """
    g_rows = as_rows(g)
    rows = as_rows(x)
    y_rows = g_rows  # without an activation, the sign of y does not matter
    if negative_slope is not None:
        y_rows = as_rows(y)
    slope = _slope(x, negative_slope)
    read = [g_rows, rows, y_rows, _contiguous(centre_and_rest), _contiguous(inv_std)]
    sums = reduction("batch_norm_grad_sums", read, rows, 2, slope)
    dx = launch.empty(rows.shape, rows.dtype)
    arguments = [*read, _contiguous(weight), sums, Out(dx), slope]
    if pick_rung("batch_norm_grad", x.dtype) == "tiled":  # this rung multiplies where naive divides
        arguments.append(x.dtype.type(1 / len(rows)))
    rowwise("batch_norm_grad", arguments, rows)
    return as_image(dx, x), sums[1], sums[0]


def _contiguous(vector):
    """A vector whose numbers lie side by side, copied if they do not; None stays None."""
    return None if vector is None else launch.driver.xp.ascontiguousarray(vector)


def _slope(x, negative_slope):
    """The activation's slope for the kernel: 1 means no activation."""
    return x.dtype.type(1 if negative_slope is None else negative_slope)


# ---- statistics ----------------------------------------------------------------------------------


@cached_plan
def plan_statistics(variant, rows, channels):
    """(first pass, second pass or None) of the moments of a (rows, C) matrix."""
    operation = "batch_norm_statistics"
    if variant.rung == "naive":
        blocks = ceil_div(channels, THREADS)  # one thread per column
        only = Plan(
            variant.kernel(operation),
            grid=(blocks,),
            block=(THREADS,),
            dtype=variant.dtype,
            sizes=(rows, channels),
        )
        return only, None
    pack = variant.pack(channels)
    grid, block, tile_rows = row_tiles(rows, channels, pack, REDUCTION_BLOCKS)
    parts = grid[0]
    first = Plan(
        variant.kernel(operation, pack),
        grid,
        block,
        dtype=variant.dtype,
        sizes=(rows, channels, tile_rows),
        parts=parts,
    )
    grid, block = second_pass_grid(channels)
    second = Plan(
        variant.kernel("batch_norm_statistics_merge"),
        grid,
        block,
        dtype=variant.dtype,
        sizes=(rows, channels, tile_rows, parts),
    )
    return first, second


def _statistics(rows, vectors, momentum, eps):
    """batch_norm_statistics of a matrix -> (5, C): the mean's two parts, inv_std, scale, shift.

    vectors: weight, bias, running mean and variance, arrays (C,) or None.
    """
    variant = variant_of("batch_norm_statistics", [rows, *vectors])
    count, channels = rows.shape
    if not rows.size:
        raise ValueError(
            f"batch_norm_statistics got {count} numbers in each of {channels} channels, expected "
            "at least one"
        )
    first, second = plan_statistics(variant, count, channels)
    y = launch.empty((5, channels), rows.dtype)
    rest = [*vectors, Out(y), momentum, eps]
    if second is None:
        launch.launch(first, [rows, *rest])
        return y
    moments = launch.empty((first.parts, 2, channels), rows.dtype)
    launch.launch(first, [rows, Out(moments)])
    launch.launch(second, [rows, moments, *rest])
    return y
