"""Checks of the arguments that a caller passes to minigan: is this a whole number that fits?

A caller's number may be Python's or NumPy's. What was stored in a file, such as a checkpoint, is
held to a stricter rule, because it may be damaged or hostile: see is_stored_int and
check_stored_int in files/foreign.py.
"""

import numbers

from .files.foreign import shown


def is_whole_number(value, least):
    """Is it a whole number of at least `least`, of Python or NumPy? True and False are not."""
    return isinstance(value, numbers.Integral) and type(value) is not bool and value >= least


def whole_number(name, value, least, most=None, reason=""):
    """The argument `value`, if it is a whole number of at least `least`, otherwise ValueError.

    name: the argument's, for the message. most: the largest value that is allowed, or None.
    reason: where `most` comes from, in words, for the message: "the number of images".
    """
    if is_whole_number(value, least) and (most is None or value <= most):
        return value
    expected = f"a whole number of at least {least}"
    if most is not None:
        expected = f"a whole number from {least} to {most}"
    if reason:
        expected = f"{expected}, {reason}"
    raise ValueError(f"{name} is {shown(value)}, expected {expected}")
