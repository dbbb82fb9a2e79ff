"""Sums of a million numbers, right to the last digit in whatever order of memory they lie.

Added one after the other, n float32 numbers of one sign lose up to n / 2 units of the last place:
the mean of a million times 0.1 comes out as 0.101. NumPy adds in pairs, which loses only log2(n) of
them, but only where the numbers of a sum are neighbours in memory, and what is an array's last axis
need not be its last in memory. So here no sum depends on the order: float32 adds neighbours in
memory in pairs, or at most a few dozen numbers one after the other, float64 goes on from there, and
the sum is rounded once. float64 numbers are added in pairs.
"""

import math
from typing import NamedTuple

import numpy as np

from .cpu.threads import split

_LINE = 1 << 11  # numbers in a line: long enough for NumPy, and a piece has at most 64 lines
_FEW = 1 << 7  # of so few numbers it does not matter in which order they are added
_SHORT = 2  # an axis of so few numbers is added as NumPy likes
_RUN = 1 << 5  # neighbours in memory that NumPy adds faster in float32


def total(a, axes=None, keepdims=False):
    """The sum over axes: a tuple, or None for all.

    Integers and truth values are added as int64, floats keep their dtype.
    """
    if a.dtype.kind in "iub":
        return a.sum(axes, np.int64, keepdims=keepdims)
    axes = tuple(range(a.ndim)) if axes is None else axes
    terms = math.prod(a.shape[axis] for axis in axes)
    many = isinstance(a, np.ndarray) and terms > _FEW
    if a.dtype == np.float32:
        a = _add_neighbours(a, axes) if many else a
        return a.sum(axes, np.float64, keepdims=keepdims).astype(np.float32)
    a = _add_in_pairs(a, axes) if many else a
    return a.sum(axes, keepdims=keepdims)


def _add_neighbours(a, axes):
    """The same sums with one number left along the axis whose numbers are neighbours in memory.

    NumPy adds those in pairs. If that axis is short or is not to be summed, the result is `a`.
    """

    def distance(axis):
        return a.shape[axis] == 1, abs(a.strides[axis])

    nearest = min(range(a.ndim), key=distance)
    are_neighbours = abs(a.strides[nearest]) == a.itemsize
    if nearest not in axes or a.shape[nearest] < _RUN or not are_neighbours:
        return a
    return a.sum(nearest, keepdims=True)


def _add_in_pairs(a, axes):
    """An array with the same sums and only a few numbers along each of the axes.

    The second half of an axis is added to the first, until the axis is short. Axes whose neighbours
    lie far apart in memory come first, because their halves are long runs.
    """
    for axis in sorted(axes, key=lambda axis: -abs(a.strides[axis])):
        a = np.moveaxis(a, axis, 0)
        while len(a) > _SHORT:
            half = len(a) // 2
            pairs = a[:half] + a[half : 2 * half]
            if len(a) % 2 == 1:
                pairs[0] += a[-1]
            a = pairs
        a = np.moveaxis(a, 0, axis)
    return a


# ---- down the columns of a matrix ----------------------------------------------------------------


class Piece(NamedTuple):
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


def pieces(shape, size):
    """A matrix (rows, C) as Pieces of at most about `size` numbers.

    The last one holds the rows that do not fill a line.
    """
    rows, columns = shape
    if rows * columns == 0:
        return []
    many = max(1, min(_LINE, size) // columns)
    lines = rows // many
    parts = split(lines, math.ceil(lines * many * columns / size)) if lines else []
    found = [Piece(part.start * many, part.stop * many, many) for part in parts]
    rest = rows - lines * many
    if rest:
        found.append(Piece(rows - rest, rows, rest))
    return found
