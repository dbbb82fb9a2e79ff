"""The memory behind Tensors. Views share it, so a change in place concerns all of them.

A VJP reads what a Tensor held when it was recorded. So each memory counts how often it was changed,
and the engine refuses a backward pass through values that are gone.
"""


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
