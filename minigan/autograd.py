"""PyTorch's module of this name, as far as training programs call it; see engine.py.

``autograd.grad`` is ``minigan.grad``, and ``autograd.Variable`` is from the time when tensors had
no gradients of their own.
"""

from .engine import grad

__all__ = ["Function", "Variable", "grad"]


def Variable(data, requires_grad=False):
    """A leaf on the memory of a tensor."""
    return data.detach().requires_grad_(requires_grad)


class Function:
    """Refused: here an operation is one function, the value and the gradients side by side."""

    def __init_subclass__(cls):
        raise TypeError(
            f"{cls.__name__} is an autograd.Function, which minigan does not have: an operation of "
            "your own is one function that calls minigan.engine.record"
        )
