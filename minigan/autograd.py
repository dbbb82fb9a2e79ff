"""PyTorch's module of this name, as far as training programs call it; see engine.py.

``autograd.grad`` is ``minigan.grad``, and ``autograd.Variable`` is from the time when tensors had
no gradients of their own.
"""

from .engine import grad

__all__ = ["Variable", "grad"]


def Variable(data, requires_grad=False):
    """A leaf on the memory of a tensor."""
    return data.detach().requires_grad_(requires_grad)
