"""Initial weights, drawn in place from minigan's generator: PyTorch's defaults for layers, the
papers' for GANs.
"""

import math

import numpy as np

from .. import rng
from ..engine import no_grad
from ..ops.in_place import copy_
from .module import Parameter


@no_grad()
def normal_(t, mean=0.0, std=1.0):
    """Fill with N(mean, std^2)."""
    return copy_(t, mean + std * rng.generator.standard_normal(t.shape, np.float32))


@no_grad()
def uniform_(t, low=0.0, high=1.0):
    """Fill with U(low, high)."""
    return copy_(t, low + (high - low) * rng.generator.random(t.shape, np.float32))


def fan_in_(t, fan_in):
    """Fill with U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default for linear and convolution
    layers.
    """
    if fan_in < 1:
        raise ValueError(f"a layer with {fan_in} inputs to each output: expected at least one")
    return uniform_(t, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))


def _parameters_with_layers(module):
    """(layer, the parameter's own name, the parameter) of all inside, each once, in the order of
    parameters().
    """
    seen = set()
    for layer in module.modules():
        for name, value in vars(layer).items():
            if isinstance(value, Parameter) and id(value) not in seen:
                seen.add(id(value))
                yield layer, name, value


@no_grad()
def dcgan_(module, std=0.02):
    """Radford et al. 2015: all weights N(0, 0.02^2), a norm's N(1, 0.02^2), biases zero. Returns
    the module.
    """
    for layer, name, p in _parameters_with_layers(module):
        if name.endswith("bias"):
            copy_(p, 0)
        else:
            normal_(p, 1.0 if layer.normalises else 0.0, std)
    return module


@no_grad()
def goodfellow_(module, bound):
    """Goodfellow et al. 2014: all weights U(-bound, bound), a norm's 1, biases zero. Returns the
    module.
    """
    for layer, name, p in _parameters_with_layers(module):
        if name.endswith("bias"):
            copy_(p, 0)
        elif layer.normalises:
            copy_(p, 1)
        else:
            uniform_(p, -bound, bound)
    return module
