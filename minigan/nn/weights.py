"""How layers get their weights: PyTorch's initial intervals, and the order of memory."""

import math

from ..checks import is_whole_number
from ..creation import zeros
from . import init
from .module import Parameter


def draw_weights(shape, out_features, bias):
    """Draw the weight of a layer, and its bias unless ``bias`` is false -> (weight, bias or None).

    shape: the weight's. The initial interval depends on the fan-in, the number of inputs that one
    output depends on, which is the product of shape[1:]. Raises ValueError for a shape that is not
    made of positive whole numbers.
    """
    if not all(is_whole_number(n, 1) for n in shape):
        raise ValueError(
            f"a layer has weights of shape {shape}, expected whole numbers, at least one of each"
        )
    fan_in = math.prod(shape[1:])
    if len(shape) != 4:
        weight = zeros(shape)
    else:
        # A weight (K, C, R, S) is stored as (K, R, S, C), because the kernels read neighbouring
        # channels together. Its gradient and Adam's moments take the same layout.
        k, c, r, s = shape
        weight = zeros(k, r, s, c).permute(0, 3, 1, 2)
    weight = Parameter(init.fan_in_(weight, fan_in))
    if not bias:
        return weight, None
    return weight, Parameter(init.fan_in_(zeros(out_features), fan_in))


def weight_of(layer):
    """Return the layer's weight; raise TypeError if it has been set to None."""
    if layer.weight is None:
        raise TypeError(f"{type(layer).__name__}: its weight is None, expected a Parameter")
    return layer.weight
