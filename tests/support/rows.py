"""The rows of the table of operations: what a row is, and where its names are looked up.

See operations.py, where the rows are.
"""

from dataclasses import dataclass
from typing import Callable

import minigan as mg
from minigan import functional as F
from minigan import ops
from minigan.ops import activation, conv, normalisation


@dataclass(repr=False)
class Operation:
    """A row of the table."""

    name: str
    inputs: Callable  # inputs(case) -> (float64 arrays, options)
    apply: Callable  # apply(F, *tensors, **options) -> a Tensor
    linear: bool
    order: int  # the highest order of a derivative that is worth its time

    def function(self, namespace, options):
        """The operation as a function of its tensors alone, squared if it is linear."""

        def f(*tensors):
            y = self.apply(namespace, *tensors, **options)
            return y * y if self.linear else y

        return f

    def __repr__(self):
        return self.name


class Minigan:
    """Looks a name up where a user finds it."""

    def __getattr__(self, name):
        for module in (F, mg, conv):
            if hasattr(module, name):
                return getattr(module, name)
        return getattr(activation, name)

    def centred(self, x, dim=None):
        return ops.centred(x, dim)

    def channel_affine(self, x, centre, scale, shift, negative_slope):
        return normalisation.channel_affine(x, centre, scale, shift, negative_slope)

    def shift(self, x, down, right):
        return ops.shift(x, down, right)

    def constant(self, array):
        """The array as what the library at hand takes for a constant."""
        return array

    def bce_of_number(self, x, target, **options):
        return F.binary_cross_entropy_with_logits(x, target, **options)

    def dropout(self, x, p, seed):
        mg.manual_seed(seed)  # the same mask at every call
        return F.dropout(x, p)

    def dropout2d(self, x, p, seed):
        mg.manual_seed(seed)
        return F.dropout2d(x, p)


MINIGAN = Minigan()
OPERATIONS = []


def operation(name, inputs, *, linear=False, order=2):
    """A decorator: the function becomes a row with this name. Several make several rows."""

    def add(apply):
        OPERATIONS.append(Operation(name, inputs, apply, linear, order))
        return apply

    return add


def linear_operation(name, inputs, *, order=2):
    """A decorator: the function becomes the row of an operation that is linear."""
    return operation(name, inputs, linear=True, order=order)
