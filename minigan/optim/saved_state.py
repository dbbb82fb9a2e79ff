"""Checks of an optimiser's saved state, which may come from a damaged or a foreign file."""

import numbers

import numpy as np

from .. import devices
from ..files.foreign import is_stored_int, shown

SQUARES = {"square_avg", "exp_avg_sq"}  # running means of squares: never negative


def is_number(value):
    """Is it a real number, of Python or NumPy? True and False are not."""
    return isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))


def saved_count(what, value):
    """A saved count as an int. Raises ValueError for anything else.

    The count may be a number, or an array or tensor without axes, as PyTorch saves it.
    """
    number = value
    if hasattr(value, "dtype") and np.shape(value) == ():
        number = value.item()
    if type(number) is float and number.is_integer():
        number = int(number)
    if type(value) is float or not is_stored_int(number):
        raise ValueError(f"{what} {shown(value)}, expected at least 0 and a whole number")
    return number


def check_like(what, value, p, signed):
    """Raise ValueError unless the value is an array of finite floats of the shape of p.

    signed: whether numbers below 0 are allowed.
    """
    shape = np.shape(value)
    if shape != p.shape:
        raise ValueError(f"{what} of shape {shape}, expected shape {p.shape}")
    array = None
    if getattr(value, "dtype", None) is not None:
        array = devices.to_numpy(value)
    if array is None or array.dtype.kind != "f":
        raise ValueError(f"{what} {shown(value)}, expected an array of floats")
    if signed:
        if not np.isfinite(array).all():
            raise ValueError(f"{what} an array with a number that is not finite")
    elif not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"{what} an array with a number that is not finite or below 0")


def like(p, values):
    """The values as an array with the memory layout of p, so that an update reads both in order."""
    array = devices.xp.empty_like(p)
    array[...] = devices.xp.asarray(devices.to_numpy(values), p.dtype)
    return array


def parts_of(state):
    """Take a state apart -> (the parameter groups, {index: what is kept of the parameter}).

    Raises ValueError for anything but a dictionary of both.
    """
    if not isinstance(state, dict) or not {"state", "param_groups"} <= set(state):
        found = sorted(map(str, state)) if isinstance(state, dict) else state
        raise ValueError(
            f"expected an optimiser's state with state and param_groups, got {shown(found)}"
        )
    groups = state["param_groups"]
    entries = state["state"]
    if not isinstance(groups, (list, tuple)):
        raise ValueError(f"the state has {shown(groups)} param_groups, expected a list")
    for group in groups:
        if not isinstance(group, dict) or not isinstance(group.get("params"), (list, tuple)):
            raise ValueError(
                f"the state has the param_group {shown(group)}, expected settings and params"
            )
    if not isinstance(entries, dict):
        raise ValueError(
            f"the state has the state {shown(entries)}, expected what is kept by index"
        )
    return groups, entries
