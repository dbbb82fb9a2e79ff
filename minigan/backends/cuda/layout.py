"""The orders of memory that the kernels know, and how arrays are brought into them.

Images and weights have their channels innermost: see memory_order.py. Elementwise kernels take any
order that all of their arrays share. An array is copied only where its memory has another order.
"""

from typing import NamedTuple

from ..memory_order import PIXELS, TAPS, as_image, as_rows, in_order  # noqa: F401
from . import launch


class Flat(NamedTuple):
    """Arrays of one shape, C-contiguous, with their axes in the order of the first one's memory."""

    arrays: list
    order: tuple | None  # the axes of the given arrays, as they are here; None: unchanged

    def restore(self, y):
        """A result in the arrays' order, seen with the axes in the order of the given arrays."""
        if self.order is None:
            return y
        inverse = sorted(range(len(self.order)), key=self.order.__getitem__)
        return y.transpose(inverse)


def flat(*arrays):
    """Arrays of one shape for a kernel that sees them as a sequence of numbers -> Flat."""
    if all(a.flags.c_contiguous for a in arrays):
        return Flat(list(arrays), None)
    strides = arrays[0].strides
    order = tuple(sorted(range(len(strides)), key=lambda axis: -strides[axis]))
    return Flat([in_order(a, order) for a in arrays], order)


def is_copy(array, used):
    """Whether `used`, made from `array` by one of these functions, has memory of its own."""
    if used is array:
        return False
    begin, begin_used = launch.driver.addresses([array, used])
    return begin != begin_used
