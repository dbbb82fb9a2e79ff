"""The memory behind Tensors. Views share it, so a change in place concerns all of them.

A VJP reads what a Tensor held when it was recorded. So each memory counts how often it was changed,
and the engine refuses a backward pass through values that are gone.
"""

import sys


class Memory:
    """What all Tensors on the same memory share, their ``_memory``."""

    changes = 0  # how often the memory was changed in place
    recorded_changes = 0  # how many of these were recorded, so that the values have another history
    owner = None  # the Node of the leaf that the memory belongs to


def memory_of(x):
    """The identity of what owns a Tensor's memory: the same for all views of it."""
    owner = x.array
    while getattr(owner, "base", None) is not None:
        owner = owner.base
    return id(owner)


def check_history(x):
    """Refuse a Tensor whose memory got its values from a recorded ``+=`` on another view of it."""
    if x._recorded_changes not in (None, x._memory.recorded_changes):
        raise RuntimeError(
            f"a tensor of shape {x.array.shape} shares memory with one that was changed in place "
            "while gradients were recorded, which its own history does not tell: use that one, or "
            "change a copy"
        )


def is_seen_elsewhere(x):
    """Whether anything but the caller's variable refers to the Tensor, its array or its memory."""
    is_view = hasattr(x.array.base, "dtype")
    return is_view or _references(x) != _ALONE


def _references(x):
    return sys.getrefcount(x), sys.getrefcount(x.array)


class _Thing:
    """Stands for a Tensor to which only one variable refers."""

    def __init__(self):
        self.array = []


def _references_of_a_variable():
    x = _Thing()

    def of_argument(x):  # as is_seen_elsewhere counts them
        return _references(x)

    return of_argument(x)


_ALONE = _references_of_a_variable()  # counted, because versions of Python differ
