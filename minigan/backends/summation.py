"""Sums of a million numbers, right to the last digit, in whatever order of memory they lie.

Added one after the other, n float32 numbers of one sign lose up to n / 2 units of the last place:
the mean of a million times 0.1 comes out as 0.101. Added in pairs, and then the sums in pairs, they
lose only log2(n) units. NumPy adds in pairs, but only where the numbers of a sum are neighbours in
memory, and the last axis of an array need not be its last in memory. Here no sum depends on the
order of memory:

- float32: neighbours in memory are added in pairs, or at most a few dozen one after the other.
  float64 goes on from there, and the sum is rounded once.
- float64: numbers are added in pairs.
"""

import math

import numpy as np

_FEW = 1 << 7  # this many terms may be added in any order
_SHORT = 2  # an axis of this length is left to NumPy
_RUN = 1 << 5  # this many neighbours in memory are added faster in float32


def total(a, axes=None, keepdims=False):
    """The sum over axes: a tuple, or None for all.

    Integers and truth values are added as int64, floats keep their dtype.
    """
    if a.dtype.kind in "iub":
        return a.sum(axes, np.int64, keepdims=keepdims)
    if axes is None:
        axes = tuple(range(a.ndim))
    terms = math.prod(a.shape[axis] for axis in axes)
    is_on_cpu = isinstance(a, np.ndarray)  # CuPy adds in pairs, whatever the order of memory
    many = is_on_cpu and terms > _FEW
    if a.dtype == np.float32:
        if many:
            a = _add_neighbours(a, axes)
        exact = a.sum(axes, np.float64, keepdims=keepdims)
        return exact.astype(np.float32)
    if many:
        a = _add_in_pairs(a, axes)
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
            first = a[:half]
            second = a[half : 2 * half]
            pairs = first + second
            is_odd = len(a) % 2 == 1
            if is_odd:
                pairs[0] += a[-1]
            a = pairs
        a = np.moveaxis(a, 0, axis)
    return a
