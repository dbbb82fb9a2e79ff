"""The three convolutions on kernels/conv*.cu: memory order, tiles and launches.

The kernels know one order of memory: images (H, W, N, C), weights (K, R, S, C), so that
neighbouring threads read neighbouring channels. Here arrays are brought into it, with a copy only
where their memory has another order, and results are NCHW views of it: the next layer finds them
as it wants them.
"""

import functools

import numpy as np

from . import launch as device
from .grids import THREADS
from .launch import Out, launch
from .rungs import CHUNK, FILES, address, ceil, kind, run

PIXELS, TAPS = (
    (2, 3, 0, 1),
    (0, 2, 3, 1),
)  # (N, C, H, W) -> (H, W, N, C), its own inverse; (K, C, R, S) -> (K, R, S, C)


def _in_order(x, axes):
    """x with its axes in this order, C-contiguous: no copy where memory lies so."""
    return device.xp.ascontiguousarray(x.transpose(axes))


def conv2d(x, weight, stride, padding):
    """(N, C, H, W), (K, C, R, S) -> (N, K, P, Q): y[k, p] = Σ_c,r x[c, s p + r - padding] w[k, c,
    r].
    """
    (n, c, h, w), (k, _, r, s) = x.shape, weight.shape
    p, q = (
        (size + 2 * pad - tap) // step + 1
        for size, pad, tap, step in zip((h, w), padding, (r, s), stride)
    )
    x, weight = _in_order(x, PIXELS), _in_order(weight, TAPS)
    y = convolve(
        "conv2d", x, weight, (n, c, h, w, k, p, q, r, s, *stride, *padding), [(x, c), (weight, c)]
    )
    return y.transpose(PIXELS)


def conv_transpose2d(x, weight, stride, padding, output_padding):
    """(N, K, P, Q), (K, C, R, S) -> (N, C, H, W): the adjoint of conv2d, so also its input
    gradient.
    """
    (n, k, p, q), (_, c, r, s) = x.shape, weight.shape
    h, w = (
        (size - 1) * step - 2 * pad + tap + extra
        for size, step, pad, tap, extra in zip((p, q), stride, padding, (r, s), output_padding)
    )
    x, weight = _in_order(x, PIXELS), _in_order(weight, TAPS)
    y = convolve(
        "conv_transpose2d",
        x,
        weight,
        (n, c, h, w, k, p, q, r, s, *stride, *padding),
        [(x, k), (weight, c)],
    )
    return y.transpose(PIXELS)


def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """(N, C, H, W), (N, K, P, Q) -> (K, C, R, S): the gradient of conv2d with respect to its
    weight.
    """
    (n, c, h, w), (_, k, p, q), (r, s) = x.shape, g.shape, kernel_size
    x, g = _in_order(x, PIXELS), _in_order(g, PIXELS)
    if k <= NARROW < c and stride == (1, 1) and r * s < p * q and padding[0] < r and padding[1] < s:
        # Of few maps, a tile of rows would be nearly empty: x and g change places, and the taps
        # run backwards.
        sizes = n, k, p, q, c, h, w, r, s, 1, 1, r - 1 - padding[0], s - 1 - padding[1]
        return convolve("conv2d_weight_grad", g, x, sizes, [(x, c), (g, k)])[
            :, ::-1, ::-1
        ].transpose(3, 0, 1, 2)
    dw = convolve(
        "conv2d_weight_grad", x, g, (n, c, h, w, k, p, q, r, s, *stride, *padding), [(g, k), (x, c)]
    )
    return dw.transpose(0, 3, 1, 2)


# One matrix product (a transposed convolution: one per phase) of rows x columns numbers, each a
# sum of `steps`.

CONV = np.dtype(
    [(name, np.int32) for name in "N C H W K P Q R S stride_h stride_w pad_h pad_w".split()]
)
MULTIPROCESSORS = 132  # of an H200
SHARED_TILE = 16  # pixels, and maps, of a block of the shared rung
# Which tile a product gets: the first row that fits it. (Its rows, its columns, how many of a
# block's warps lie below each other, blocks that a multiprocessor holds); how many rows and
# columns the product may have; the factors whose loads must be of four floats; whether the tiles
# must fill the GPU. A large tile needs fewer bytes per multiplication, small ones make more
# blocks and waste less at the edges.
ANY = (1, 2**31)
TILES = {
    "tiled": [
        ((128, 64, 0, 2), (128, ANY[1]), ANY, "AB", False),
        ((64, 64, 0, 2), ANY, ANY, "", False),
    ],
    "tensor": [
        ((128, 32, 4, 3), (128, ANY[1]), (1, 32), "A", False),
        ((256, 64, 4, 2), (256, ANY[1]), (33, 64), "AB", True),
        ((256, 128, 4, 1), (256, ANY[1]), (65, ANY[1]), "AB", True),
        ((128, 256, 2, 1), (128, 255), (256, ANY[1]), "AB", True),
        ((128, 64, 2, 2), (128, ANY[1]), (33, 64), "AB", False),
        ((128, 128, 2, 2), (128, ANY[1]), (65, ANY[1]), "AB", False),
        ((64, 64, 2, 4), ANY, ANY, "", False),
    ],
}


def _tile(rung, rows, columns, slices, phases, widths, kilobytes):
    """The row of TILES for a product.

    widths: of the loads of the two factors, 4 floats or 2 doubles where 16 bytes can travel
    together, else 1. kilobytes: of shared memory that a block may have; those that must fill the
    GPU, at least three quarters, take 147.
    """
    for tile, (low, high), (left, right), wide, large in TILES[rung]:
        loads = all(width == 4 for width, factor in zip(widths, "AB") if factor in wide)
        tiles = ceil(rows, tile[0]) * ceil(columns, tile[1]) * phases
        fills = (
            kilobytes >= 147 and 4 * tiles * _parts(tiles, slices, tile[3]) >= 3 * MULTIPROCESSORS
        )
        if low <= rows <= high and left <= columns <= right and loads and (fills or not large):
            return tile


def _parts(tiles, slices, blocks):
    """How many parts the steps are cut into where the tiles leave half of a GPU idle: of at least
    four slices.
    """
    return (
        max(1, min(blocks * MULTIPROCESSORS // tiles, slices // 4, 256))
        if tiles <= MULTIPROCESSORS // 2
        else 1
    )


@functools.lru_cache(maxsize=1024)
def _plan(rung, t, rows, columns, steps, phases, widths, kilobytes):
    """The kernel's template, the grid (tiles, parts of the steps, phases), the block and the
    bytes of shared memory.

    A slice is 128 bytes of steps; sum_parts adds up the parts in their order.
    """
    tensor, slices = rung == "tensor", ceil(steps, 8 * CHUNK[t])
    down, across, warps_down, blocks = _tile(rung, rows, columns, slices, phases, widths, kilobytes)
    tiles = ceil(rows, down) * ceil(columns, across) * phases
    template = (down, across, warps_down, *widths) if tensor else (t, down, across, *widths)
    slim = (down, across) == (256, 64)  # two of its blocks have room for no third stage
    stages, places = (
        (3 if tensor and not slim else 2),
        (16 if tensor and (slim or widths[0] == 1) else 0),
    )
    shared = (128 * stages + places) * (down + across) + 512 * (
        CHUNK[t] + 1
    )  # as gemm.cuh counts it
    threads = 128 if tensor and down * across <= 128 * 128 else THREADS
    return template, (tiles // phases, _parts(tiles, slices, blocks), phases), (threads,), shared


def _product(operation, n, c, h, w, k, p, q, r, s, stride_h, stride_w, *_):
    """((rows, columns, steps, phases) of the matrix product, the result's shape in memory)."""
    if operation == "conv2d":
        return (p * q * n, k, r * s * c, 1), (p, q, n, k)
    if operation == "conv2d_weight_grad":
        return (k, r * s * c, p * q * n, 1), (k, r, s, c)
    taps = min(
        ceil(r, stride_h) * ceil(s, stride_w), ceil(p * q * r * s, h * w)
    )  # that meet x, on average
    return (ceil(h, stride_h) * ceil(w, stride_w) * n, c, taps * k, stride_h * stride_w), (
        h,
        w,
        n,
        c,
    )


def convolve(operation, a, b, sizes, lines):
    """Launch a convolution of the arrays a and b, as they lie in memory -> a new array in the
    same manner.

    sizes: CONV's; lines: for each factor of the product, its array and how many of its numbers
    lie side by side.
    """
    (_, _, h, w), (pad_h, pad_w) = (
        sizes[:4],
        sizes[11:],
    )  # gemm.cuh adds -2^30 to the place of what is nowhere
    if max(sizes) >= 2**31 or max(h + 2 * pad_h, w + 2 * pad_w) >= 2**30 or 0 in sizes[:9]:
        raise ValueError(
            f"{operation}: sizes, strides and paddings {sizes}, expected them below 2^31, padded images "
            "below 2^30, no size 0"
        )
    xp, (rung, t, _), (product, shape) = (
        device.xp,
        kind(operation, [a, b]),
        _product(operation, *sizes),
    )
    if rung in ("tiled", "tensor") and (apart := _apart(operation, b, *sizes)):
        return _by_taps(operation, a, *apart, sizes, xp.empty(shape, a.dtype), t)
    y, conv = xp.empty(shape, a.dtype), np.array(sizes, CONV)
    if rung == "shared" and product[1] <= SHARED_TILE * 65535:  # no grid is higher
        grid = (ceil(product[0], SHARED_TILE), ceil(product[1], SHARED_TILE))
        run(operation, rung, (t,), grid, (SHARED_TILE, SHARED_TILE), [a, b, Out(y), conv])
        return y
    if rung in ("naive", "shared") or product[3] > 65535:  # no grid has so many phases
        run(operation, "naive", (t,), (ceil(y.size, THREADS),), (THREADS,), [a, b, Out(y), conv])
        return y
    widths = tuple(
        CHUNK[t] if n % CHUNK[t] == 0 and address(array) % 16 == 0 else 1 for array, n in lines
    )
    widths = (min(widths),) * 2 if operation == "conv2d" else widths  # there both lie along C
    template, grid, block, shared = _plan(
        rung, t, *product, widths, device.limits().shared_per_block
    )
    parts = y if grid[1] == 1 else xp.empty((grid[1], *shape), a.dtype)
    run(operation, rung, template, grid, block, [a, b, Out(parts), conv], shared=shared)
    if parts is not y:
        block = (THREADS, 1) if grid[1] < 16 else (32, 8)
        launch(
            f"{FILES[operation]}:sum_parts_tiled<{t}>",
            (ceil(y.size, block[0]),),
            block,
            [parts, Out(y), np.int32(y.size), np.int32(grid[1])],
        )
    return y


NARROW = 4  # columns of a product of which most of a tile would be empty


def _apart(operation, weight, n, c, h, w, k, p, q, r, s, stride_h, stride_w, *_):
    """What makes taps of few columns into many columns of one tap: (weights, CONV's sizes), or
    None to leave it so.
    """
    taps, few = r * s, k if operation == "conv2d" else c
    if few > NARROW or few * taps <= NARROW or n * max(h * w, p * q) * taps * few >= 2**31:
        return None
    if operation == "conv2d" and stride_h == stride_w == 1:
        weight = device.xp.ascontiguousarray(weight.transpose(1, 2, 0, 3)).reshape(
            taps * k, 1, 1, c
        )
        return weight, (n, c, h, w, taps * k, h, w, 1, 1, 1, 1, 0, 0)
    if operation == "conv_transpose2d":
        return weight.reshape(k, 1, 1, taps * c), (n, taps * c, p, q, k, p, q, 1, 1, 1, 1, 0, 0)
    return None


def _by_taps(operation, a, weight, product, sizes, y, t):
    """The numbers of each tap, as a convolution of 1 x 1, and their sum."""
    n, c, h, w, k, *_ = product
    taps = convolve(
        operation, a, weight, product, [(a, c if operation == "conv2d" else k), (weight, c)]
    )
    conv = np.array(sizes, CONV)
    run(
        f"{operation}_taps",
        "tiled",
        (t,),
        (ceil(y.size, THREADS),),
        (THREADS,),
        [taps, Out(y), conv],
    )
    return y
