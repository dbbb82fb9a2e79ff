"""The three convolutions on kernels/conv*.cu: their plans and launches.

Each is one matrix product that reads the images in place (implicit GEMM), cut into tiles that
tiles.py chooses. memory_order.py has the order of memory that the kernels know.
"""

import math
from typing import NamedTuple

import numpy as np

from ..convolution_sizes import output_size, transposed_size
from ..memory_order import PIXELS, TAPS, in_order
from . import launch
from .arguments import Out
from .grids import THREADS
from .plans import Plan, cached_plan, ceil_div
from .rungs import C_TYPES, CHUNK, FILES, kernel_name, pick_rung, unknown_dtype
from .tiles import Product, choose_tile, count_tiles, split_k

SHARED_TILE = 16  # pixels, and output channels, of a block of the shared rung
NARROW = 4  # a product with at most this many columns would leave most of a tile empty


class Sizes(NamedTuple):
    """A convolution from (N, C, H, W) to (N, K, P, Q) with a kernel of R x S: the struct Conv.

    A transposed convolution goes from (N, K, P, Q) to (N, C, H, W).
    """

    n: int
    c: int
    h: int
    w: int
    k: int
    p: int
    q: int
    r: int
    s: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int


DTYPES = {ctype: dtype for dtype, ctype in C_TYPES.items()}
CONV = np.dtype([(name, np.int32) for name in Sizes._fields])


# ---- the three operations ------------------------------------------------------------------------


def conv2d(x, weight, stride, padding):
    """(N, C, H, W), (K, C, R, S) -> (N, K, P, Q).

    y[k, p] = Σ_c,r x[c, s p + r - padding] w[k, c, r], along both axes of the image.
    """
    n, c, h, w = x.shape
    k, _, r, s = weight.shape
    p, q = output_size((h, w), (r, s), stride, padding)
    sizes = Sizes(n, c, h, w, k, p, q, r, s, *stride, *padding)
    x = in_order(x, PIXELS)
    weight = in_order(weight, TAPS)
    y = convolve("conv2d", x, weight, sizes)
    return y.transpose(PIXELS)


def conv_transpose2d(x, weight, stride, padding, output_padding):
    """(N, K, P, Q), (K, C, R, S) -> (N, C, H, W): the adjoint of conv2d, so its input gradient."""
    n, k, p, q = x.shape
    _, c, r, s = weight.shape
    h, w = transposed_size((p, q), (r, s), stride, padding, output_padding)
    sizes = Sizes(n, c, h, w, k, p, q, r, s, *stride, *padding)
    x = in_order(x, PIXELS)
    weight = in_order(weight, TAPS)
    y = convolve("conv_transpose2d", x, weight, sizes)
    return y.transpose(PIXELS)


def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """(N, C, H, W), (N, K, P, Q) -> (K, C, R, S): conv2d's gradient with respect to its weight."""
    n, c, h, w = x.shape
    _, k, p, q = g.shape
    sizes = Sizes(n, c, h, w, k, p, q, *kernel_size, *stride, *padding)
    x = in_order(x, PIXELS)
    g = in_order(g, PIXELS)
    if _is_better_swapped(sizes):
        flipped = convolve("conv2d_weight_grad", g, x, _swapped(sizes))  # (C, R, S, K)
        return flipped[:, ::-1, ::-1].transpose(3, 0, 1, 2)
    dw = convolve("conv2d_weight_grad", x, g, sizes)  # (K, R, S, C)
    return dw.transpose(0, 3, 1, 2)


def _is_better_swapped(sizes):
    """Whether a weight gradient is cheaper with the roles of x and g swapped.

    With few output channels a tile of the product would be mostly empty.
    """
    if not sizes.k <= NARROW < sizes.c:
        return False
    has_stride = sizes.stride_h != 1 or sizes.stride_w != 1
    has_fewer_taps = sizes.r * sizes.s < sizes.p * sizes.q
    is_padding_inside = sizes.pad_h < sizes.r and sizes.pad_w < sizes.s
    return not has_stride and has_fewer_taps and is_padding_inside


def _swapped(sizes):
    """The Sizes of a weight gradient with x and g swapped, whose result is the flipped kernel."""
    return sizes._replace(
        c=sizes.k,
        h=sizes.p,
        w=sizes.q,
        k=sizes.c,
        p=sizes.h,
        q=sizes.w,
        pad_h=sizes.r - 1 - sizes.pad_h,
        pad_w=sizes.s - 1 - sizes.pad_w,
    )


# ---- plans ---------------------------------------------------------------------------------------


class ConvolutionPlan(NamedTuple):
    """What a convolution launches. Its sums may need a second pass (split-K)."""

    product: Plan | None  # None: it is computed tap by tap
    second_pass: Plan | None  # adds up partial sums, or the taps
    shape: tuple  # of the result in memory
    conv: np.ndarray  # the struct Conv
    taps: Sizes | None = None  # of the convolution of 1 x 1 that computes all taps


@cached_plan
def plan_convolution(operation, rung, dtype, sizes, aligned, target):
    """How to compute a convolution.

    aligned: whether the first and the second factor of the product begin at a multiple of 16
    bytes. Raises ValueError for sizes that int32 or the kernels cannot hold.
    """
    _check_sizes(operation, sizes)
    if dtype not in C_TYPES:
        raise unknown_dtype(operation, dtype)
    ctype = C_TYPES[dtype]
    product, shape = _product(operation, sizes)
    conv = np.array(sizes, CONV)
    if rung in ("tiled", "tensor"):
        taps = _taps_apart(operation, sizes)
        if taps is not None:
            second_pass = _plan_sum_of_taps(operation, dtype, shape)
            return ConvolutionPlan(None, second_pass, shape, conv, taps)
    if rung == "shared" and product.columns <= SHARED_TILE * 65535:  # no grid is higher
        plan = Plan(
            kernel_name(operation, "shared", (ctype,)),
            grid=(ceil_div(product.rows, SHARED_TILE), ceil_div(product.columns, SHARED_TILE)),
            block=(SHARED_TILE, SHARED_TILE),
            dtype=dtype,
        )
        return ConvolutionPlan(plan, None, shape, conv)
    if rung in ("naive", "shared") or product.phases > 65535:  # no grid has that many phases
        plan = Plan(
            kernel_name(operation, "naive", (ctype,)),
            grid=(ceil_div(math.prod(shape), THREADS),),
            block=(THREADS,),
            dtype=dtype,
        )
        return ConvolutionPlan(plan, None, shape, conv)
    widths = _load_widths(operation, ctype, sizes, aligned)
    plan = plan_product(operation, rung, ctype, product, widths, target)
    second_pass = _plan_sum_of_parts(operation, dtype, shape, plan.parts)
    return ConvolutionPlan(plan, second_pass, shape, conv)


def _check_sizes(operation, sizes):
    """Raise ValueError for sizes that the kernels cannot index.

    gemm.cuh adds -2^30 to the place of what lies outside the image.
    """
    padded = max(sizes.h + 2 * sizes.pad_h, sizes.w + 2 * sizes.pad_w)
    if max(sizes) >= 2**31 or padded >= 2**30 or 0 in sizes[:9]:
        raise ValueError(
            f"{operation} got sizes, strides and paddings {tuple(sizes)}, expected them below "
            "2^31, padded images below 2^30, and no size 0"
        )


def _product(operation, sizes):
    """(the matrix product that the convolution is, the shape of the result in memory)."""
    n, c, h, w, k, p, q, r, s, stride_h, stride_w, _, _ = sizes
    if operation == "conv2d":
        return Product(p * q * n, k, r * s * c, 1), (p, q, n, k)
    if operation == "conv2d_weight_grad":
        return Product(k, r * s * c, p * q * n, 1), (k, r, s, c)
    taps_of_a_phase = ceil_div(r, stride_h) * ceil_div(s, stride_w)
    taps_inside = ceil_div(p * q * r * s, h * w)  # that meet x, on average
    rows = ceil_div(h, stride_h) * ceil_div(w, stride_w) * n
    steps = min(taps_of_a_phase, taps_inside) * k
    return Product(rows, c, steps, stride_h * stride_w), (h, w, n, c)


def _load_widths(operation, ctype, sizes, aligned):
    """How many numbers one load brings of each factor: 16 bytes where all rows allow it, or 1."""
    lengths = (sizes.k, sizes.c)  # of what lies side by side in the two factors
    if operation == "conv2d":
        lengths = (sizes.c, sizes.c)
    widths = []
    for length, is_aligned in zip(lengths, aligned):
        fits = is_aligned and length % CHUNK[ctype] == 0
        widths.append(CHUNK[ctype] if fits else 1)
    if operation == "conv2d":  # here both factors are read along C
        widths = [min(widths)] * 2
    return tuple(widths)


def plan_product(operation, rung, ctype, product, widths, target):
    """The launch of a matrix product in tiles, on the tiled or the tensor rung.

    The grid is (tiles, parts of the steps, phases).
    """
    slices = ceil_div(product.steps, 8 * CHUNK[ctype])  # a slice is 128 bytes of steps
    tile = choose_tile(rung, product, slices, widths, target)
    tiles = count_tiles(product, tile)
    parts = split_k(tiles, slices, tile, target)
    threads = THREADS  # as FmaTile::THREADS and MmaTile::THREADS of gemm.cuh
    if rung == "tensor" and tile.rows * tile.columns <= 128 * 128:
        threads = 128
    template = tile_template(rung, ctype, tile, widths)
    return Plan(
        kernel_name(operation, rung, template),
        grid=(tiles // product.phases, parts, product.phases),
        block=(threads,),
        dtype=DTYPES[ctype],
        shared=_shared_bytes(rung, ctype, tile, widths),
        parts=parts,
    )


def tile_template(rung, ctype, tile, widths):
    """The template arguments of a tiled or tensor kernel."""
    if rung == "tensor":
        return (tile.rows, tile.columns, tile.warps_down, *widths)
    return (ctype, tile.rows, tile.columns, *widths)


def _shared_bytes(rung, ctype, tile, widths):
    """Bytes of shared memory that a block needs: those of `gemm` in gemm.cuh, with its STAGES."""
    edges = tile.rows + tile.columns
    step_table = 512 * (CHUNK[ctype] + 1)
    if rung == "tiled":
        return 2 * 128 * edges + step_table  # double buffering: one slice arrives, one is used
    is_slim = (tile.rows, tile.columns) == (256, 64)  # two blocks have no room for a third stage
    stages = 2 if is_slim else 3
    places = 16 if is_slim or widths[0] == 1 else 0
    return (128 * stages + places) * edges + step_table


def _plan_sum_of_parts(operation, dtype, shape, parts):
    """The second pass of split-K, or None where the steps are not split."""
    if parts == 1:
        return None
    block = (THREADS, 1) if parts < 16 else (32, 8)
    count = math.prod(shape)
    return Plan(
        f"{FILES[operation]}:sum_parts_tiled<{C_TYPES[dtype]}>",
        grid=(ceil_div(count, block[0]),),
        block=block,
        dtype=dtype,
        sizes=(count, parts),
    )


# ---- launches ------------------------------------------------------------------------------------


def convolve(operation, a, b, sizes):
    """Launch a convolution of a and b, which are in the kernels' order -> a new array, likewise."""
    factors = [a, b]
    if operation == "conv2d_weight_grad":
        factors = [b, a]
    first, second = launch.driver.addresses(factors)
    aligned = (first % 16 == 0, second % 16 == 0)
    rung = pick_rung(operation, a.dtype)
    plan = plan_convolution(operation, rung, a.dtype, sizes, aligned, launch.target)
    y = launch.empty(plan.shape, a.dtype)
    if plan.taps is not None:
        _convolve_by_taps(operation, a, b, plan, y)
    elif plan.second_pass is None:
        launch.launch(plan.product, [a, b, Out(y), plan.conv])
    else:
        parts = launch.empty((plan.product.parts, *plan.shape), a.dtype)
        launch.launch(plan.product, [a, b, Out(parts), plan.conv])
        launch.launch(plan.second_pass, [parts, Out(y)])
    return y


# ---- few output channels: tap by tap -------------------------------------------------------------


def _taps_apart(operation, sizes):
    """The Sizes of a convolution of 1 x 1 that computes all taps as channels, or None.

    With few output channels most of a tile would be empty. So every tap of every channel becomes
    a column of a product with one tap, and a second kernel adds the taps up.
    """
    n, c, h, w, k, p, q, r, s, stride_h, stride_w, _, _ = sizes
    taps = r * s
    few = k if operation == "conv2d" else c
    if few > NARROW or few * taps <= NARROW:
        return None
    if n * max(h * w, p * q) * taps * few >= 2**31:
        return None
    if operation == "conv2d" and stride_h == stride_w == 1:
        return Sizes(n, c, h, w, taps * k, h, w, 1, 1, 1, 1, 0, 0)
    if operation == "conv_transpose2d":
        return Sizes(n, taps * c, p, q, k, p, q, 1, 1, 1, 1, 0, 0)
    return None


def _plan_sum_of_taps(operation, dtype, shape):
    """The launch that adds up the taps."""
    return Plan(
        kernel_name(f"{operation}_taps", "tiled", (C_TYPES[dtype],)),
        grid=(ceil_div(math.prod(shape), THREADS),),
        block=(THREADS,),
        dtype=dtype,
    )


def _convolve_by_taps(operation, a, weight, plan, y):
    """Compute the numbers of each tap, then their sums into y."""
    taps = plan.taps
    if operation == "conv2d":  # (K, R, S, C) -> (R S K, 1, 1, C)
        rows = launch.driver.xp.ascontiguousarray(weight.transpose(1, 2, 0, 3))
        columns = rows.reshape(taps.k, 1, 1, taps.c)
    else:  # (K, R, S, C) -> (K, 1, 1, R S C)
        columns = weight.reshape(taps.k, 1, 1, taps.c)
    products = convolve(operation, a, columns, taps)
    launch.launch(plan.second_pass, [products, Out(y), plan.conv])
