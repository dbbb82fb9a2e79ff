"""What a kernel's arguments are, for both drivers: marks beside plain arrays and NumPy scalars."""

from typing import Any, NamedTuple

import numpy as np

NULL = np.uintp(0)  # a pointer to nothing


class Out(NamedTuple):
    """An array that a launch writes wholly and does not read before."""

    array: Any


def is_passed_by_value(argument):
    """Whether a kernel gets this as a value: a NumPy scalar, or a struct as a 0-d structured array.

    Everything else must be an array, of which a kernel gets the address.
    """
    if isinstance(argument, np.generic):
        return True
    return isinstance(argument, np.ndarray) and argument.dtype.names is not None
