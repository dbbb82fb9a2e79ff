"""Which kernel of kernels/*.cu an operation launches, and how: the rung of its ladder, the tile, the grid.

The one idea: what is chosen depends on shapes, dtypes, alignment and the GPU's generation, never on its load, so one
seed gives the same bits. Arrays come here as they lie in memory, C-contiguous: cuda.py sees to that.
"""

import contextlib
import functools
import itertools
import os
from contextvars import ContextVar

import numpy as np

from . import launch as device
from .launch import Out, launch

# kernels/<file>: {operation: its rungs, the lowest first}; each is a __global__ function <operation>_<rung>.
ALL = ("naive", "shared", "tiled", "tensor")
BOTH = ("naive", "tiled")
PRODUCT = ("naive", "tiled", "tensor")  # of the convolutions that are matrix products; conv2d explains the way there
LADDERS = {
    "conv2d.cu": {"conv2d": ALL, "conv2d_taps": ("tiled",)},
    "conv_transpose2d.cu": {"conv_transpose2d": PRODUCT, "conv_transpose2d_taps": ("tiled",)},
    "conv2d_weight_grad.cu": {"conv2d_weight_grad": PRODUCT},
    "channels.cu": {"add_bias": BOTH, "channel_sum": BOTH},
    "batch_norm.cu": {"batch_norm_statistics": BOTH, "batch_norm_statistics_merge": ("tiled",),
                      "batch_norm_forward": BOTH, "batch_norm_grad_sums": BOTH, "batch_norm_grad": BOTH},
    "leaky_relu.cu": {"leaky_relu": BOTH, "leaky_relu_grad": BOTH},
    "bce_with_logits.cu": {"bce_with_logits": BOTH, "bce_with_logits_sum": BOTH, "bce_with_logits_grad": BOTH},
    "adam.cu": {"adam": BOTH},
}
FILES = {operation: file for file, operations in LADDERS.items() for operation in operations}
RUNGS = {operation: rungs for operations in LADDERS.values() for operation, rungs in operations.items()}
C_TYPES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
CHUNK = {"float": 4, "double": 2}  # numbers in 16 bytes


# ---- which rung ----------------------------------------------------------------------------------------------------

def _known(name, why):
    if name not in (*ALL, None):
        raise ValueError(f"unknown rung {name!r} ({why}), expected {', '.join(ALL)}")
    return name


everywhere = os.environ.get("MINIGAN_RUNG") or None  # of the whole process, see check_environment
forced = ContextVar("forced", default=None)
tf32 = True


def check_environment():
    """Raise ValueError if MINIGAN_RUNG names no rung; asked when a device is chosen, because imports never fail."""
    _known(everywhere, "MINIGAN_RUNG says so")


@contextlib.contextmanager
def rung(name):
    """``with rung("tiled"):`` takes that rung of every ladder inside; of one that lacks it, the nearest rung below.

    name: "naive", "shared" (of conv2d alone), "tiled" or "tensor", or None for the usual choice; ValueError for
    another. MINIGAN_RUNG does the same for a process. Device cpu has no rungs.
    """
    before = forced.set(_known(name, "rung"))
    try:
        yield
    finally:
        forced.reset(before)


def set_tf32(flag):
    """False: float32 convolutions multiply in float32; True, as at the start: in TF32 (10 bits) where the GPU can."""
    global tf32
    tf32 = bool(flag)


def choose(operation, dtype):
    """The rung that was forced, else the highest that serves this dtype on this GPU."""
    rungs = RUNGS[operation]
    name = forced.get() or everywhere
    if name is None:
        has_tensor_cores = dtype == np.float32 and tf32 and device.generation() >= 80
        return "tensor" if "tensor" in rungs and has_tensor_cores else "tiled"
    if name not in ALL:
        check_environment()
    if name == "tensor" and name in rungs and dtype != np.float32:
        raise ValueError(f"{operation}: the tensor rung multiplies float32 numbers in TF32, this is {dtype}")
    not_above = ALL[:ALL.index(name) + 1]
    return next((each for each in reversed(not_above) if each in rungs), rungs[0])


def kind(operation, args, length=0):
    """(rung, C's name of the dtype, V): V numbers make 16 bytes where they divide the length and all arrays lie so."""
    arrays = [a.array if type(a) is Out else a for a in args]
    arrays = [a for a in arrays if isinstance(a, device.xp.ndarray) and a.dtype.names is None]
    dtype, bits = arrays[0].dtype, length * arrays[0].itemsize
    for a in arrays:
        if a.dtype != dtype or dtype not in C_TYPES:
            types = ", ".join(str(each.dtype) for each in arrays)
            raise TypeError(f"{operation} got {types}, expected float32 or float64 alike")
        device.check_size(operation, a)
        bits |= address(a)
    return choose(operation, dtype), C_TYPES[dtype], 1 if bits % 16 else CHUNK[C_TYPES[dtype]]


def address(array):
    """Where an array begins in its device's memory."""
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr


def run(operation, rung, template, grid, block, args, **options):
    """Launch one kernel of an operation; template: its arguments, as ("float", 4)."""
    launch(_name(operation, rung, template), grid, block, args, **options)


@functools.lru_cache(maxsize=1024)
def _name(operation, rung, template):
    return f"{FILES[operation]}:{operation}_{rung}<{', '.join(map(str, template))}>"


# ---- geometry of the memory-bound kernels --------------------------------------------------------------------------

THREADS, SPAN = 256, 1024  # of a block; packs of V numbers that a block of an elementwise kernel takes
FEW, MANY = 528, 8448  # blocks at most: of a reduction, whose blocks' results a second pass unites; of the others


def ceil(a, b):
    """a / b, rounded up."""
    return -(-a // b)


def elementwise(operation, args, n):
    """Launch what sees its arrays as n numbers."""
    rung, t, v = kind(operation, args, n)
    if n:
        grid, template = (ceil(n, THREADS), (t,)) if rung == "naive" else (ceil(n // v, SPAN), (t, v))
        run(operation, rung, template, (grid,), (THREADS,), [*args, np.int32(n)])


@functools.lru_cache(maxsize=1024)
def _tiles(rows, channels, v, most):
    """Tiles of a (rows, C) matrix -> (grid, block, band): a block takes `band` rows of up to 32 packs of v channels."""
    packs = ceil(channels, v)
    across = min(32, 1 << (packs - 1).bit_length())
    groups, step = ceil(packs, across), 4 * THREADS // across
    band = step * ceil(rows, step * max(1, most // groups))
    return (ceil(rows, band), groups), (across, THREADS // across), band


def _merging(columns):
    """The same for a second pass, in which a block takes all rows -> (grid, block)."""
    across = min(8 if columns <= 8 * 65535 else 32, 1 << (columns - 1).bit_length())  # a grid is at most so high
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
    """Launch what takes `width` sums down the columns of a (rows, C) matrix -> (width, C); `more` follow the result.

    Tiled, every band of rows has sums of its own, which channel_sum adds up in their order.
    """
    (m, c), (rung, t, v) = rows.shape, kind(operation, args, rows.shape[1])
    template, grid, block, band, bands = (t,), (ceil(c, THREADS),), (THREADS,), [], 1
    if rung == "tiled":
        template, (grid, block, *band) = (t, v), _tiles(m, c, v, FEW)
        bands = grid[0]
    parts, sizes = device.xp.empty((bands, width * c), rows.dtype), [np.int32(n) for n in (m, c, *band)]
    run(operation, rung, template, grid, block, [*args, Out(parts), *more, *sizes])
    return _sum_bands(parts, t).reshape(width, c)


def _sum_bands(parts, t):
    """(bands, columns) -> (columns,)."""
    bands, columns = parts.shape
    if bands == 1:
        return parts[0]
    sums, sizes = device.xp.empty(columns, parts.dtype), [np.int32(bands), np.int32(columns), np.int32(bands)]
    run("channel_sum", "tiled", (t, 1), *_merging(columns), [parts, Out(sums), *sizes])
    return sums


def moments(rows, vectors, *numbers):
    """batch_norm_statistics of a matrix -> (5, C): the mean's two parts, inv_std, scale, shift.

    vectors: weight, bias, running mean and variance, arrays (C,) or None; numbers: momentum, eps.
    """
    (m, c), (rung, t, v) = rows.shape, kind("batch_norm_statistics", [rows, *vectors], rows.shape[1])
    if not rows.size:
        raise ValueError(f"batch_norm_statistics: of {m} numbers in each of {c} channels, expected one at least")
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
    template, blocks, threads = ((t,), 1, 1) if rung == "naive" else ((t, v), ceil(n // v, SPAN), THREADS)
    parts = device.xp.empty((blocks, 1), scale.dtype)
    run(operation, rung, template, (blocks,), (threads,), [*args, Out(parts), scale, np.int32(n)])
    return _sum_bands(parts, t).reshape(())


# ---- convolution ---------------------------------------------------------------------------------------------------
# One matrix product (a transposed convolution: one per phase) of rows x columns numbers, each a sum of `steps`.

CONV = np.dtype([(name, np.int32) for name in "N C H W K P Q R S stride_h stride_w pad_h pad_w".split()])
MULTIPROCESSORS = 132  # of an H200
SHARED_TILE = 16  # pixels, and maps, of a block of the shared rung


# Which tile a product gets: the first row that fits it. (Its rows, its columns, how many of a block's warps lie below
# each other, blocks that a multiprocessor holds); how many rows and columns the product may have; the factors whose
# loads must be of four floats; whether the tiles must fill the GPU. A large tile needs fewer bytes per multiplication,
# small ones make more blocks and waste less at the edges.
ANY = (1, 2 ** 31)
TILES = {
    "tiled": [((128, 64, 0, 2), (128, ANY[1]), ANY, "AB", False),
              ((64, 64, 0, 2), ANY, ANY, "", False)],
    "tensor": [((128, 32, 4, 3), (128, ANY[1]), (1, 32), "A", False),
               ((256, 64, 4, 2), (256, ANY[1]), (33, 64), "AB", True),
               ((256, 128, 4, 1), (256, ANY[1]), (65, ANY[1]), "AB", True),
               ((128, 256, 2, 1), (128, 255), (256, ANY[1]), "AB", True),
               ((128, 64, 2, 2), (128, ANY[1]), (33, 64), "AB", False),
               ((128, 128, 2, 2), (128, ANY[1]), (65, ANY[1]), "AB", False),
               ((64, 64, 2, 4), ANY, ANY, "", False)],
}


def _tile(rung, rows, columns, slices, phases, widths, kilobytes):
    """The row of TILES for a product.

    widths: of the loads of the two factors, 4 floats or 2 doubles where 16 bytes can travel together, else 1.
    kilobytes: of shared memory that a block may have; those that must fill the GPU, at least three quarters, take 147.
    """
    for tile, (low, high), (left, right), wide, large in TILES[rung]:
        loads = all(width == 4 for width, factor in zip(widths, "AB") if factor in wide)
        tiles = ceil(rows, tile[0]) * ceil(columns, tile[1]) * phases
        fills = kilobytes >= 147 and 4 * tiles * _parts(tiles, slices, tile[3]) >= 3 * MULTIPROCESSORS
        if low <= rows <= high and left <= columns <= right and loads and (fills or not large):
            return tile


def _parts(tiles, slices, blocks):
    """How many parts the steps are cut into where the tiles leave half of a GPU idle: of at least four slices."""
    return max(1, min(blocks * MULTIPROCESSORS // tiles, slices // 4, 256)) if tiles <= MULTIPROCESSORS // 2 else 1


@functools.lru_cache(maxsize=1024)
def _plan(rung, t, rows, columns, steps, phases, widths, kilobytes):
    """The kernel's template, the grid (tiles, parts of the steps, phases), the block and the bytes of shared memory.

    A slice is 128 bytes of steps; sum_parts adds up the parts in their order.
    """
    tensor, slices = rung == "tensor", ceil(steps, 8 * CHUNK[t])
    down, across, warps_down, blocks = _tile(rung, rows, columns, slices, phases, widths, kilobytes)
    tiles = ceil(rows, down) * ceil(columns, across) * phases
    template = (down, across, warps_down, *widths) if tensor else (t, down, across, *widths)
    slim = (down, across) == (256, 64)  # two of its blocks have room for no third stage
    stages, places = (3 if tensor and not slim else 2), (16 if tensor and (slim or widths[0] == 1) else 0)
    shared = (128 * stages + places) * (down + across) + 512 * (CHUNK[t] + 1)  # as gemm.cuh counts it
    threads = 128 if tensor and down * across <= 128 * 128 else THREADS
    return template, (tiles // phases, _parts(tiles, slices, blocks), phases), (threads,), shared


def _product(operation, n, c, h, w, k, p, q, r, s, stride_h, stride_w, *_):
    """((rows, columns, steps, phases) of the matrix product, the result's shape in memory)."""
    if operation == "conv2d":
        return (p * q * n, k, r * s * c, 1), (p, q, n, k)
    if operation == "conv2d_weight_grad":
        return (k, r * s * c, p * q * n, 1), (k, r, s, c)
    taps = min(ceil(r, stride_h) * ceil(s, stride_w), ceil(p * q * r * s, h * w))  # that meet x, on average
    return (ceil(h, stride_h) * ceil(w, stride_w) * n, c, taps * k, stride_h * stride_w), (h, w, n, c)


def convolve(operation, a, b, sizes, lines):
    """Launch a convolution of the arrays a and b, as they lie in memory -> a new array in the same manner.

    sizes: CONV's; lines: for each factor of the product, its array and how many of its numbers lie side by side.
    """
    (_, _, h, w), (pad_h, pad_w) = sizes[:4], sizes[11:]  # gemm.cuh adds -2^30 to the place of what is nowhere
    if max(sizes) >= 2 ** 31 or max(h + 2 * pad_h, w + 2 * pad_w) >= 2 ** 30 or 0 in sizes[:9]:
        raise ValueError(f"{operation}: sizes, strides and paddings {sizes}, expected them below 2^31, padded images "
                         "below 2^30, no size 0")
    xp, (rung, t, _), (product, shape) = device.xp, kind(operation, [a, b]), _product(operation, *sizes)
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
    widths = tuple(CHUNK[t] if n % CHUNK[t] == 0 and address(array) % 16 == 0 else 1 for array, n in lines)
    widths = (min(widths),) * 2 if operation == "conv2d" else widths  # there both lie along C
    template, grid, block, shared = _plan(rung, t, *product, widths, device.limits().shared_per_block)
    parts = y if grid[1] == 1 else xp.empty((grid[1], *shape), a.dtype)
    run(operation, rung, template, grid, block, [a, b, Out(parts), conv], shared=shared)
    if parts is not y:
        block = (THREADS, 1) if grid[1] < 16 else (32, 8)
        launch(f"{FILES[operation]}:sum_parts_tiled<{t}>", (ceil(y.size, block[0]),), block,
               [parts, Out(y), np.int32(y.size), np.int32(grid[1])])
    return y


NARROW = 4  # columns of a product of which most of a tile would be empty


def _apart(operation, weight, n, c, h, w, k, p, q, r, s, stride_h, stride_w, *_):
    """What makes taps of few columns into many columns of one tap: (weights, CONV's sizes), or None to leave it so."""
    taps, few = r * s, k if operation == "conv2d" else c
    if few > NARROW or few * taps <= NARROW or n * max(h * w, p * q) * taps * few >= 2 ** 31:
        return None
    if operation == "conv2d" and stride_h == stride_w == 1:
        weight = device.xp.ascontiguousarray(weight.transpose(1, 2, 0, 3)).reshape(taps * k, 1, 1, c)
        return weight, (n, c, h, w, taps * k, h, w, 1, 1, 1, 1, 0, 0)
    if operation == "conv_transpose2d":
        return weight.reshape(k, 1, 1, taps * c), (n, taps * c, p, q, k, p, q, 1, 1, 1, 1, 0, 0)
    return None


def _by_taps(operation, a, weight, product, sizes, y, t):
    """The numbers of each tap, as a convolution of 1 x 1, and their sum."""
    n, c, h, w, k, *_ = product
    taps = convolve(operation, a, weight, product, [(a, c if operation == "conv2d" else k), (weight, c)])
    conv = np.array(sizes, CONV)
    run(f"{operation}_taps", "tiled", (t,), (ceil(y.size, THREADS),), (THREADS,), [taps, Out(y), conv])
    return y


# ---- all that may be launched: on the host a file's kernels are compiled together ----------------------------------

def _templates(operation, rung, t):
    """All template arguments of a kernel for one dtype."""
    widths = (1, CHUNK[t])
    if rung in ("naive", "shared") or RUNGS[operation] == ("tiled",):  # a second pass
        return [(t,)]
    if "tensor" not in RUNGS[operation]:
        return [(t, v) for v in widths]
    if rung == "tensor" and t != "float":
        return []
    pairs = [pair for pair in itertools.product(widths, widths) if operation != "conv2d" or pair[0] == pair[1]]
    return sorted({_plan(rung, t, rows, columns, 1, 1, pair, 147)[0]
                   for rows in (1, 128, 1 << 15) for columns in (1, 33, 65, 1 << 15) for pair in pairs})


for _file, _operations in LADDERS.items():
    device.instantiations[_file] = [f"{operation}_{rung}<{', '.join(map(str, template))}>"
                                    for operation, rungs in _operations.items() for rung in rungs for t in CHUNK
                                    for template in _templates(operation, rung, t)]
    if any("tensor" in rungs for rungs in _operations.values()):
        device.instantiations[_file] += [f"sum_parts_tiled<{t}>" for t in CHUNK]
