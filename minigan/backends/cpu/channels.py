"""Operations per channel in NumPy: the bias of a convolution and its gradient.

In memory an image batch is (H, W, N, C), so a channel's pixels form a column of one tall matrix
(memory_order.py). Both operations go through that matrix block by block (blocks.py).
"""

import numpy as np

from ..memory_order import as_image, as_rows
from .blocks import blocks_of, for_each_block
from .memory import empty
from .products import matmul
from .threads import parallel

_FEW_ROWS = 1 << 8  # rows of a matrix whose columns one product adds up with little rounding


def channel_sum(g):
    """(N, C, ...) -> (C,): the sum over all axes but the channels'; the gradient of a bias."""
    if g.ndim == 2 and len(g) <= _FEW_ROWS:  # a perceptron's bias: one matrix product is fastest
        ones = np.ones((1, len(g)), g.dtype)
        sums = matmul(ones, g)
        return sums[0]
    rows = as_rows(g)
    blocks = blocks_of(rows.shape)
    sums = np.zeros((len(blocks), rows.shape[1]), np.float64)

    def add(i):
        block = blocks[i]
        sums[i] = block.sums(block.lines(rows))

    parallel(add, range(len(blocks)))
    return sums.sum(axis=0).astype(g.dtype)


def add_bias(x, bias):
    """(N, C, ...), (C,) -> y[n, c, ...] = x[n, c, ...] + bias[c]."""
    rows = as_rows(x)
    y = empty(rows.shape, rows.dtype)

    def add(block):
        np.add(block.lines(rows), block.repeat(bias), out=block.lines(y))

    for_each_block(add, rows)
    return as_image(y, x)
