"""PyTorch's questions about GPUs, answered for the device that this process works on.

``torch.device("cuda" if torch.cuda.is_available() else "cpu")`` so names the device at hand, which
is the only one that a tensor can be made on.
"""

from . import devices
from .factories import DoubleTensor, FloatTensor, LongTensor

__all__ = ["DoubleTensor", "FloatTensor", "LongTensor", "device_count", "is_available"]


def is_available():
    """Does this process work on a GPU?"""
    return devices.name == "cuda"


def device_count():
    """How many GPUs this process works on: one or none."""
    return int(is_available())
