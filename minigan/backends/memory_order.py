"""The order in which images and weights lie in memory, on every device: channels innermost.

To its caller an image batch is (N, C, H, W), as in PyTorch. In memory it is (H, W, N, C): the
channels of a pixel are neighbours, then come the same pixel of the next image, the next column and
the next row. So a sum over a window reads runs of channels (on a GPU that is coalesced access), a
channel is a column of one tall matrix, and the result of a convolution's matrix product is already
the next layer's input. ``x.transpose(PIXELS)`` moves no number: it is a view of the same memory,
with the axes in another order.
"""

PIXELS = (2, 3, 0, 1)  # (N, C, H, W) -> (H, W, N, C); it is its own inverse
TAPS = (0, 2, 3, 1)  # (K, C, R, S) -> (K, R, S, C)


def in_order(x, axes):
    """x with its axes in this order, C-contiguous: a copy only if its memory has another order."""
    view = x.transpose(axes)
    if view.flags.c_contiguous:
        return view
    return view.copy(order="C")


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
