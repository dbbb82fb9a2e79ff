"""The order in which images and weights lie in memory, on every device: channels innermost.

To its caller an image batch is (N, C, H, W), as in PyTorch. In memory it is (H, W, N, C): the
channels of a pixel are neighbours, then come the same pixel of the next image, the next column and
the next row. So a sum over a window reads runs of channels (on a GPU that is coalesced access), a
channel is a column of one tall matrix, and the result of a convolution's matrix product is already
the next layer's input. ``x.transpose(PIXELS)`` moves no number: it is a view of the same memory,
with the axes in another order.
"""

import numpy as np

PIXELS = (2, 3, 0, 1)  # (N, C, H, W) -> (H, W, N, C); it is its own inverse
TAPS = (0, 2, 3, 1)  # (K, C, R, S) -> (K, R, S, C)
_LARGE_SLICE = 1 << 12  # numbers; smaller ones cost more in calls than they save


def in_order(x, axes):
    """x with its axes in this order, C-contiguous: a copy only if its memory has another order."""
    view = x.transpose(axes)
    if view.flags.c_contiguous:
        return view
    if isinstance(view, np.ndarray):
        return _copy_by_slices(view)
    return view.copy(order="C")


def _copy_by_slices(view):
    """A C-contiguous copy of a NumPy array, one slice of its memory after the other.

    NumPy copies in the order of the result. From (N, C, H, W) to (H, W, N, C) it would go through
    all images for each pixel, and read a cache line for each number; one image stays in the cache.
    """
    distances = [abs(stride) for stride in view.strides]
    outermost = distances.index(max(distances))
    if view.size < _LARGE_SLICE * view.shape[outermost]:
        return view.copy(order="C")
    copied = np.empty(view.shape, view.dtype)
    targets = np.moveaxis(copied, outermost, 0)
    sources = np.moveaxis(view, outermost, 0)
    for target, source in zip(targets, sources):
        target[...] = source
    return copied


class MemoryOrder:
    """The order in which an array's axes lie in memory, for operations that take any order.

    In it, arrays of the same shape are C-contiguous, so they can be seen as sequences of numbers
    that belong together one by one.
    """

    def __init__(self, x):
        self.axes = None  # of x, the outermost first; None: as they are
        if not x.flags.c_contiguous:
            distances = [abs(stride) for stride in x.strides]
            self.axes = tuple(sorted(range(x.ndim), key=lambda axis: -distances[axis]))

    def stored(self, a):
        """An array of the same shape with its axes in this order; copied only if need be."""
        if self.axes is not None:
            return in_order(a, self.axes)
        return a if a.flags.c_contiguous else a.copy(order="C")

    def vector(self, a):
        """The same, as a sequence of numbers: (size,)."""
        return self.stored(a).reshape(-1)

    def restored(self, y):
        """The inverse of `stored`: a view with the axes as they were."""
        if self.axes is None:
            return y
        inverse = sorted(range(y.ndim), key=self.axes.__getitem__)
        return y.transpose(inverse)


def as_rows(x):
    """(N, C, ...) as a matrix with a column per channel, of N H W rows in the order (H, W, N)."""
    pixel_axes = range(2, x.ndim)
    order = (*pixel_axes, 0, 1)
    channels = x.shape[1]
    stored = in_order(x, order)  # (H, W, N, C)
    return stored.reshape(-1, channels)


def as_image(rows, x):
    """The inverse of as_rows: a matrix as a view in the shape of x."""
    n, c, *pixels = x.shape
    stored = rows.reshape(*pixels, n, c)  # (H, W, N, C)
    n_axis = len(pixels)
    c_axis = n_axis + 1
    pixel_axes = range(n_axis)
    return stored.transpose(n_axis, c_axis, *pixel_axes)
