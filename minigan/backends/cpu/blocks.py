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
    """Some rows of a (rows, C) matrix, `many` of which are seen as one line of many C numbers.

    NumPy is fast where its innermost loop is long, and a matrix of three columns has short rows. A
    sum down a column of lines has `many` times fewer terms than one down the rows, so float32 loses
    few digits.
    """

    start: int
    stop: int
    many: int

    def lines(self, matrix):
        """These rows of the matrix, as (lines, many C): a view."""
        return matrix[self.start : self.stop].reshape(-1, self.many * matrix.shape[1])

    def repeat(self, vector):
        """One number per column, as one per place in a line: (C,) -> (many C,)."""
        return np.broadcast_to(vector, (self.many, len(vector))).reshape(-1)

    def sums(self, lines, times=None):
        """The sum of each column, of the numbers or of their products with `times`.

        (lines, many C) -> float64 (C,).
        """
        if times is None:
            ones = np.ones(len(lines), lines.dtype)
            along = np.matmul(ones, lines)  # two to four times as fast as sum(axis=0)
        else:
            along = np.einsum("ij,ij->j", lines, times)
        return along.reshape(self.many, -1).sum(axis=0, dtype=np.float64)


def blocks_of(shape, size=None):
    """A matrix (rows, C) as Blocks of at most about `size` numbers (SIZE if it is not given).

    The last one holds the rows that do not fill a line.
    """
    size = SIZE if size is None else size
    rows, columns = shape
    if rows * columns == 0:
        return []
    many = max(1, min(_LINE, size) // columns)
    lines = rows // many
    parts = split(lines, math.ceil(lines * many * columns / size)) if lines else []
    found = [Block(part.start * many, part.stop * many, many) for part in parts]
    rest = rows - lines * many
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
