"""Plans of the memory-bound kernels: how many blocks, and which tile of an array each one takes.

Their time is that of reading and writing. Enough bytes must be under way at once, 16 at a time
where the arrays allow it.
"""

from . import launch
from .arguments import Out
from .plans import Plan, cached_plan, ceil_div
from .rungs import C_TYPES, kernel_name, variant_of

THREADS = 256  # of a block; memory.cuh has the same number
PACKS_OF_A_BLOCK = 4 * THREADS  # of an elementwise kernel: see PackRange of memory.cuh
REDUCTION_BLOCKS = 528  # at most: each leaves a partial sum for the second pass
ROWWISE_BLOCKS = 8448  # at most, of the other kernels that read a matrix


# ---- arrays as sequences of numbers --------------------------------------------------------------


@cached_plan
def plan_elementwise(operation, variant, n):
    """A launch over n numbers: a thread per number, or PACKS_OF_A_BLOCK per block."""
    if variant.rung == "naive":
        kernel = variant.kernel(operation)
        blocks = ceil_div(n, THREADS)
    else:
        pack = variant.pack(n)
        kernel = variant.kernel(operation, pack)
        blocks = ceil_div(n // pack, PACKS_OF_A_BLOCK)
    return Plan(kernel, grid=(blocks,), block=(THREADS,), dtype=variant.dtype, sizes=(n,))


def elementwise(operation, arguments, n):
    """Launch a kernel that sees its arrays as n numbers."""
    variant = variant_of(operation, arguments)
    if n:
        plan = plan_elementwise(operation, variant, n)
        launch.launch(plan, arguments)


@cached_plan
def plan_total(operation, variant, n):
    """A sum over n numbers, of which every block leaves a part."""
    if variant.rung == "naive":
        kernel = variant.kernel(operation)
        blocks = threads = 1  # one thread adds up everything
    else:
        pack = variant.pack(n)
        kernel = variant.kernel(operation, pack)
        blocks = ceil_div(n // pack, PACKS_OF_A_BLOCK)
        threads = THREADS
    return Plan(
        kernel,
        grid=(blocks,),
        block=(threads,),
        dtype=variant.dtype,
        sizes=(n,),
        parts=blocks,
    )


def total(operation, arguments, scale, n):
    """The sum of n > 0 numbers that an elementwise kernel would give, times scale -> ()."""
    variant = variant_of(operation, arguments)
    plan = plan_total(operation, variant, n)
    sums = launch.empty((plan.parts, 1), scale.dtype)
    launch.launch(plan, [*arguments, Out(sums), scale])
    return add_parts(sums).reshape(())


# ---- matrices with a column per channel ----------------------------------------------------------


@cached_plan
def plan_rowwise(operation, variant, rows, channels):
    """A launch that reads a (rows, C) matrix and writes another."""
    if variant.rung == "naive":
        blocks = ceil_div(rows * channels, THREADS)  # one thread per number
        return Plan(
            variant.kernel(operation),
            grid=(blocks,),
            block=(THREADS,),
            dtype=variant.dtype,
            sizes=(rows, channels),
        )
    pack = variant.pack(channels)
    grid, block, tile_rows = row_tiles(rows, channels, pack, ROWWISE_BLOCKS)
    return Plan(
        variant.kernel(operation, pack),
        grid,
        block,
        dtype=variant.dtype,
        sizes=(rows, channels, tile_rows),
    )


def rowwise(operation, arguments, rows):
    """Launch a kernel that reads the (rows, C) matrix `rows` and writes another."""
    variant = variant_of(operation, arguments)
    if rows.size:
        plan = plan_rowwise(operation, variant, *rows.shape)
        launch.launch(plan, arguments)


@cached_plan
def plan_reduction(operation, variant, rows, channels):
    """Sums down the columns of a (rows, C) matrix: every tile of rows leaves sums of its own."""
    if variant.rung == "naive":
        blocks = ceil_div(channels, THREADS)  # one thread per column
        return Plan(
            variant.kernel(operation),
            grid=(blocks,),
            block=(THREADS,),
            dtype=variant.dtype,
            sizes=(rows, channels),
        )
    pack = variant.pack(channels)
    grid, block, tile_rows = row_tiles(rows, channels, pack, REDUCTION_BLOCKS)
    return Plan(
        variant.kernel(operation, pack),
        grid,
        block,
        dtype=variant.dtype,
        sizes=(rows, channels, tile_rows),
        parts=grid[0],
    )


def reduction(operation, arguments, rows, width, *numbers):
    """Launch a kernel that takes `width` sums down the columns of a (rows, C) matrix.

    numbers: scalar arguments that follow the result. -> (width, C).
    """
    variant = variant_of(operation, arguments)
    channels = rows.shape[1]
    plan = plan_reduction(operation, variant, *rows.shape)
    sums = launch.empty((plan.parts, width * channels), rows.dtype)
    launch.launch(plan, [*arguments, Out(sums), *numbers])
    return add_parts(sums).reshape(width, channels)


def row_tiles(rows, channels, pack, most):
    """How a (rows, C) matrix is divided among at most about `most` blocks.

    -> (grid, block, tile_rows): a block takes tile_rows rows of up to 32 packs of channels.
    """
    packs = ceil_div(channels, pack)
    across = min(32, _power_of_two(packs))  # threads side by side
    tile_columns = ceil_div(packs, across)
    step = 4 * THREADS // across  # rows that a block reads at once, four per thread
    tile_rows = step * ceil_div(rows, step * max(1, most // tile_columns))
    grid = (ceil_div(rows, tile_rows), tile_columns)
    block = (across, THREADS // across)
    return grid, block, tile_rows


# ---- second passes -------------------------------------------------------------------------------


def second_pass_grid(columns):
    """(grid, block) of a second pass, in which one block takes all rows of its columns."""
    widest = 8 if columns <= 8 * 65535 else 32  # a grid is at most 65535 high
    across = min(widest, _power_of_two(columns))
    grid = (1, ceil_div(columns, across))
    block = (across, THREADS // across)
    return grid, block


@cached_plan
def plan_second_pass(dtype, parts, columns):
    """channel_sum of (parts, columns), in the order of the parts."""
    grid, block = second_pass_grid(columns)
    return Plan(
        kernel_name("channel_sum", "tiled", (C_TYPES[dtype], 1)),
        grid,
        block,
        dtype,
        sizes=(parts, columns, parts),
    )


def add_parts(parts):
    """(parts, columns) -> (columns,), added up in the order of the parts."""
    count, columns = parts.shape
    if count == 1:
        return parts[0]
    plan = plan_second_pass(parts.dtype, count, columns)
    sums = launch.empty(columns, parts.dtype)
    launch.launch(plan, [parts, Out(sums)])
    return sums


def _power_of_two(n):
    """The smallest power of two that is at least n."""
    return 1 << (n - 1).bit_length()
