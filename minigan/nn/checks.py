"""Checks of a layer's settings and of a network's input.

What does not fit is refused where it enters, in one sentence.
"""

import math
import numbers


def expect(x, shape, who):
    """Raise ValueError unless the tensor x has this shape.

    shape: a tuple of sizes, where None stands for any size. who: the network and its input, for the
    message: expect(x, (None, 3, 64, 64), "Discriminator: images") may raise "Discriminator:
    images have shape (2, 1, 64, 64), expected (N, 3, 64, 64)".
    """
    fits = x.ndim == len(shape) and all(
        size is None or size == found for found, size in zip(x.shape, shape)
    )
    if not fits:
        raise ValueError(f"{who} have shape {tuple(x.shape)}, expected {_written(shape)}")


def _written(shape):
    """(None, 3, 64, 64) -> "(N, 3, 64, 64)": None is written as N, the size of the batch."""
    return "(" + ", ".join("N" if size is None else str(size) for size in shape) + ")"


def number(what, value, low, high=math.inf):
    """Return the value if it is a number from low to high; otherwise raise ValueError."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        bounds = f"from {low} to {high}" if high < math.inf else f"of at least {low}"
        raise ValueError(f"{what} is {value!r}, expected a number {bounds}")
    return value
