"""Translation of images: each image of a batch is moved by a number of pixels of its own."""

from .. import devices
from ..creation import raw
from ..engine import record


def shift(x, down, right):
    """Move each image, y[n, c, i, j] = x[n, c, i - down[n], j - right[n]], with 0 from outside.

    x: (N, C, H, W). down, right: N whole numbers each, pixels; negative ones move up and left. Any
    of them may be larger than the image. Raises ValueError for other shapes.
    """
    array = raw(x)
    if array.ndim != 4 or not len(down) == len(right) == len(array):
        raise ValueError(
            f"shift: x has shape {array.shape}, and there are {len(down)} and {len(right)} "
            "distances, expected (N, C, H, W) and N of each"
        )

    def vjp(g):
        back_up = [-distance for distance in down]
        back_left = [-distance for distance in right]
        return shift(g, back_up, back_left)

    return record(_shifted(array, down, right), (x, vjp), op="shift")


def _shifted(x, down, right):
    """The value, an array: what stays inside of each image is copied to its new place."""
    y = devices.xp.zeros_like(x)
    height, width = x.shape[2:]
    for n in range(len(x)):
        from_rows, to_rows = _overlap(int(down[n]), height)
        from_columns, to_columns = _overlap(int(right[n]), width)
        y[n, :, to_rows, to_columns] = x[n, :, from_rows, from_columns]
    return y


def _overlap(distance, size):
    """The part of an axis that stays inside, before and after it is moved -> two slices."""
    before = slice(max(0, -distance), max(0, size - distance))
    after = slice(max(0, distance), max(0, size + distance))
    return before, after
