"""Arrays in blocks that fit a core's cache.

A formula of five NumPy calls on a large array reads and writes main memory five times. Here a
block goes through all of the calls before the next block is touched, so main memory is read once
and written once. The blocks are shared out between threads.
"""

import math
from typing import NamedTuple

import numpy as np

from .threads import parallel, split

# Numbers in a block. Half a dozen blocks should share a second-level cache, but each NumPy call
# must be long enough (tens of microseconds) that two threads seldom meet at Python's lock.
SIZE = 1 << 17
_LINE = 1 << 11  # numbers in a line: long enough for NumPy, and a block has at most 64 lines


class Block(NamedTuple):
    """Some rows of a (rows, C) matrix, seen as lines: rows_per_line rows are one line.

    NumPy is fast where its innermost loop is long, and a matrix of three columns has short rows. A
    line has L = rows_per_line * C numbers. A sum down a column of the lines has only a
    rows_per_line-th of the terms of one down the rows, so float32 loses few digits.
    """

    start: int
    stop: int
    rows_per_line: int

    def lines(self, matrix):
        """These rows of the matrix, as (lines, L): a view."""
        return matrix[self.start : self.stop].reshape(-1, self.rows_per_line * matrix.shape[1])

    def repeat(self, vector):
        """One number per column, as one per place in a line: (C,) -> (L,)."""
        return np.broadcast_to(vector, (self.rows_per_line, len(vector))).reshape(-1)

    def sums(self, lines, times=None):
        """The sum of each column, of the numbers or of their products with `times`.

        (lines, L) -> float64 (C,).
        """
        if times is None:
            ones = np.ones(len(lines), lines.dtype)
            along = np.matmul(ones, lines)  # two to four times as fast as sum(axis=0)
        else:
            along = np.einsum("ij,ij->j", lines, times)
        return along.reshape(self.rows_per_line, -1).sum(axis=0, dtype=np.float64)


def blocks_of(shape, size=None):
    """A matrix (rows, C) as Blocks of at most about `size` numbers (SIZE if it is not given).

    The last one holds the rows that do not fill a line.
    """
    size = SIZE if size is None else size
    rows, columns = shape
    if rows * columns == 0:
        return []
    rows_per_line = max(1, min(_LINE, size) // columns)
    lines = rows // rows_per_line
    parts = split(lines, math.ceil(lines * rows_per_line * columns / size)) if lines else []
    found = [
        Block(part.start * rows_per_line, part.stop * rows_per_line, rows_per_line)
        for part in parts
    ]
    rest = rows - lines * rows_per_line
    if rest:
        found.append(Block(rows - rest, rows, rest))
    return found


def for_each_block(task, rows):
    """Call task(block) for the Blocks of a matrix."""
    blocks = blocks_of(rows.shape)
    if rows.size <= SIZE:  # a small array is not worth setting BLAS's threads
        for block in blocks:
            task(block)
    else:
        parallel(task, blocks)


def for_each_slice(task, vector):
    """Call task(slice) for the slices of a vector."""
    if vector.size <= SIZE:
        task(slice(0, len(vector)))
    else:
        parallel(task, slices_of(vector))


def slices_of(vector):
    """Slices of a vector, of at most about SIZE numbers."""
    parts = math.ceil(vector.size / SIZE)
    return split(len(vector), parts)
