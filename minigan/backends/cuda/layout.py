"""The orders of memory that the kernels know, and how arrays are brought into them.

An array is copied only where its memory has another order. Results are views in the usual order
(NCHW), so the next layer finds their memory as it wants it.
"""

from typing import NamedTuple

from . import launch

# Images lie in memory as (H, W, N, C), weights as (K, R, S, C): neighbouring threads read
# neighbouring channels, which is coalesced access.
PIXELS = (2, 3, 0, 1)  # (N, C, H, W) -> (H, W, N, C); it is its own inverse
TAPS = (0, 2, 3, 1)  # (K, C, R, S) -> (K, R, S, C)


def in_order(x, axes):
    """x with its axes in this order, C-contiguous: a copy only if its memory has another order."""
    return launch.driver.xp.ascontiguousarray(x.transpose(axes))


def as_rows(x):
    """(N, C, ...) as a matrix with a column per channel, of N H W rows in the order (H, W, N)."""
    pixel_axes = range(2, x.ndim)
    stored = in_order(x, (*pixel_axes, 0, 1))
    return stored.reshape(-1, x.shape[1])


def as_image(rows, x):
    """The inverse of as_rows: a matrix as a view in the shape of x."""
    n, c, *pixels = x.shape
    stored = rows.reshape(*pixels, n, c)  # (H, W, N, C)
    axes = range(len(pixels))
    return stored.transpose(len(pixels), len(pixels) + 1, *axes)


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
