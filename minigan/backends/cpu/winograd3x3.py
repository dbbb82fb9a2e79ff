"""The 3x3 convolution with stride 1, with fewer multiplications: Winograd's F(2, 3) to F(4, 3).

**One dimension.** Three neighbouring outputs see five pixels s through three taps w: nine products.
Read s, w and y as polynomials, and the outputs are coefficients of a product; a product of
polynomials is known from its values at five points. So five products are enough (Toom and Cook;
Winograd 1980, Lavin and Gray 2016):

    y = A [(B s) * (G w)]        A (3, 5), B (5, 5), G (5, 3), * element by element

G takes the values of w at the points, A and B together put the outputs together again.
winograd_tiles.py makes the three from the points. The same works for tiles of two outputs and four
points, and of four outputs and six points.

**Two dimensions.** Rows and columns are independent, so for a tile of 3x3 outputs

    y = (A x A) [((B x B) s) * ((G x G) w)]

where x is the Kronecker product: s are the 25 pixels that the tile sees, w the 9 taps, and 25
products take the place of 81. Each product is not of numbers but of a row of C channels with a
(C, K) matrix, and all tiles of the batch share that matrix. So the convolution is

    v = (B x B) s      one product (25, 25) by (25, tiles C)
    u = (G x G) w      one product (25, 9) by (9, C K)
    m = v u            25 products (tiles, C) by (C, K)
    y = (A x A) m      one product (9, 25) by (25, tiles K)

**The other two passes.** The input gradient is a convolution again, with mirrored taps and the
channels exchanged. <y, g> is linear in s, w and g, so the weight gradient can be read off it, as in
winograd.py:

    d = (A x A)' g      du = d' v      dw = (G x G)' du

**The points.** In exact arithmetic any points would do. In float32 their powers in A and B decide
how much is lost when large numbers cancel. Small whole numbers would save multiplications in
hand-written transforms. Here a transform is a matrix product, which costs the same for any numbers,
so the points are those with the smallest error among fractions of small numbers. The error against
float64, as a root mean square relative to the result, for 128 channels (2.2e-7 in PyTorch, 3.5e-7
by im2col):

    tile     products    points                            error
    2 x 2    4.0         0, 1, -1, infinity                3.6e-7
    3 x 3    2.8         2/5, -2/5, 5/4, -5/4, infinity    5.8e-7
    4 x 4    2.25        0, 2/3, -2/3, 3/2, -3/2, infinity 1.1e-6

A direct sum has 9 products for each output. The 4 x 4 tile would lose too much in the forward pass
and in the input gradient. In the weight gradient it is used, because there the sum over all pixels
loses more in any method. The error grows with the number of channels that are added one by one, so
they are added in parts of 128, and the parts are added by the last transform. An infinite pixel
makes all numbers of its tile nan, because infinities cancel.

The images are gone through in blocks of tiles, whose transforms stay in the cache. In memory they
are (H, W, N, C).
"""

import math

import numpy as np

from ..memory_order import PIXELS, in_order
from .memory import empty, scratch
from .products import shared_matmul
from .threads import parallel, split, thread_count
from .winograd_blocks import blocks_of, in_tiles, whole_and_cut

_COLUMNS = 256  # of a product with a transform
_PART = 128  # channels that are added one by one


# ---- y = (A x A) [((B x B) s) * ((G x G) w)] -----------------------------------------------------


def conv2d(x, weight, padding, tile):
    """(N, C, H, W), (K, C, 3, 3) -> (N, K, P, Q), P = H + 2 padding - 2."""
    exchanged = weight.transpose(1, 0, 2, 3)
    u = _transformed_taps(exchanged, tile.to_u[x.dtype])  # (products, C, K)
    return _convolve(x, u, padding, tile)


def conv_transpose2d(x, weight, padding, tile):
    """(N, K, P, Q), (K, C, 3, 3) -> (N, C, H, W), H = P + 2 - 2 padding: the adjoint of conv2d."""
    mirrored = tile.to_u[x.dtype][:, ::-1]
    u = _transformed_taps(weight, mirrored)  # (products, K, C)
    top, left = padding
    return _convolve(x, u, (2 - top, 2 - left), tile)


def _transformed_taps(weight, to_u):
    """u = (G x G) w: (C, K, 3, 3) -> (products, C, K)."""
    c, k = weight.shape[:2]
    products = len(to_u)
    taps = weight.reshape(-1, 9).T
    u = empty((products, c * k), weight.dtype)

    def task(columns):
        _multiply(to_u, taps[:, columns], u[:, columns])

    parallel(task, split(c * k, thread_count()))
    return u.reshape(products, c, k)


def _multiply(transform, numbers, out):
    """out = transform numbers, where the transform acts on the first axis of out.

    A few columns at a time, because BLAS multiplies small matrices without copying them first.
    """
    out = out.reshape(len(transform), -1)
    columns = out.shape[1]
    rest = columns - columns % _COLUMNS
    np.matmul(transform, _pieces(numbers, rest), out=_pieces(out, rest))
    np.matmul(transform, numbers[:, rest:], out=out[:, rest:])


def _pieces(matrix, columns):
    """The first columns of a matrix as matrices of _COLUMNS columns each."""
    rows = len(matrix)
    pieces = matrix[:, :columns].reshape(rows, -1, _COLUMNS)
    return pieces.transpose(1, 0, 2)


def _convolve(x, u, padding, tile):
    """x (N, C, H, W) and transformed taps u (products, C, K) -> (N, K, P, Q)."""
    batch, c, height, width = x.shape
    k = u.shape[2]
    top, left = padding
    p = height + 2 * top - 2
    q = width + 2 * left - 2
    dtype = x.dtype
    x = in_order(x, PIXELS)  # (H, W, N, C)
    shape = p, q, batch, k
    y = empty(shape, dtype)
    parts = split(c, math.ceil(c / _PART))
    to_y = tile.to_y[dtype]
    to_y = np.tile(to_y, len(parts))  # this adds the parts, too

    def task(block):
        v = _transformed_images(x, padding, block, tile)
        tiles = v.shape[1]
        shape = len(parts), tile.products, tiles, k
        m = scratch("winograd m", shape, dtype)
        for part, product in zip(parts, m):
            v_part = v[:, :, part]
            u_part = u[:, part]
            np.matmul(v_part, u_part, out=product)
        shape = *block.shape(tile.size), k
        outputs = scratch("winograd y", shape, dtype)
        products = m.reshape(-1, tiles * k)
        _multiply(to_y, products, outputs.reshape(tile.size**2, -1))
        _put_outputs(outputs, y, block)

    blocks = blocks_of((p, q), batch, c, tile)
    parallel(task, blocks)
    return y.transpose(PIXELS)


def _put_outputs(outputs, y, block):
    """outputs (size, size, T, across, N, K) -> the part of y (P, Q, N, K) that the block covers."""
    for of_tiles, of_map in whole_and_cut(y, block):
        of_map[...] = outputs[of_tiles]


# ---- dw = (G x G)' [((A x A)' g) ((B x B) s)] ----------------------------------------------------


def conv2d_weight_grad(x, g, padding, tile):
    """(N, C, H, W), (N, K, P, Q) -> (K, C, 3, 3)."""
    batch, c = x.shape[:2]
    k, *size = g.shape[1:]
    dtype = x.dtype
    x = in_order(x, PIXELS)  # (H, W, N, C)
    g = in_order(g, PIXELS)  # (P, Q, N, K)
    blocks = blocks_of(size, batch, c, tile)
    shares = split(len(blocks), thread_count())
    shape = len(shares), tile.products, k, c
    du = empty(shape, dtype)

    def task(i):
        first, *others = blocks[shares[i]]
        multiply(first, du[i])
        for block in others:
            product = scratch("winograd du", shape[1:], dtype)
            multiply(block, product)
            du[i] += product

    def multiply(block, out):
        v = _transformed_images(x, padding, block, tile)
        d = _transformed_maps(g, block, tile)
        d = d.transpose(0, 2, 1)
        np.matmul(d, v, out=out)

    numbers = range(len(shares))
    parallel(task, numbers)
    total = du[0]
    for other in du[1:]:
        total += other
    total = total.reshape(tile.products, -1)
    to_u = tile.to_u[dtype]
    dw = shared_matmul(total.T, to_u)  # (K C, 9)
    return dw.reshape(k, c, 3, 3)


# ---- from images and maps to tiles ---------------------------------------------------------------


def _transformed_images(x, padding, block, tile):
    """v = (B x B) s: x (H, W, N, C) -> (products, tiles, C)."""
    c = x.shape[3]
    framed = _framed(x, padding, block)
    shape = *block.shape(tile.seen), c
    s = scratch("winograd s", shape, x.dtype)
    s[...] = in_tiles(framed, tile.size, tile.seen, tile.seen, block.down, block.across)
    s = s.reshape(tile.products, -1)
    v = scratch("winograd v", s.shape, x.dtype)
    _multiply(tile.to_v[x.dtype], s, v)
    return v.reshape(tile.products, -1, c)


def _framed(x, padding, block):
    """The pixels that a block sees, as an image of its own; 0 outside of x (H, W, N, C)."""
    top, left = padding
    height, width, _, c = x.shape
    first = block.first - top  # the row of x that comes first
    rows = block.down * block.size + 2
    columns = block.across * block.size + 2
    shape = rows, columns, block.batch, c
    framed = scratch("winograd framed", shape, x.dtype)
    above = max(0, -first)
    below = min(rows, height - first)
    right = min(columns, left + width)
    inside = slice(above, below)
    framed[:above] = 0
    framed[below:] = 0
    framed[inside, :left] = 0
    framed[inside, right:] = 0
    rows_of_x = slice(first + above, first + below)
    columns_of_x = slice(right - left)
    framed[inside, left:right] = x[rows_of_x, columns_of_x, block.images]
    return framed


def _transformed_maps(g, block, tile):
    """d = (A x A)' g: g (P, Q, N, K) -> (products, tiles, K)."""
    k = g.shape[3]
    shape = *block.shape(tile.size), k
    tiles = scratch("winograd tiles", shape, g.dtype)
    tiles[:, :, -1] = 0  # the last ones may hang over
    tiles[:, :, :, -1] = 0
    for of_tiles, of_map in whole_and_cut(g, block):
        tiles[of_tiles] = of_map
    tiles = tiles.reshape(tile.size**2, -1)
    shape = tile.products, tiles.shape[1]
    d = scratch("winograd d", shape, g.dtype)
    to_y = tile.to_y[g.dtype]
    _multiply(to_y.T, tiles, d)
    return d.reshape(tile.products, -1, k)
