"""Initial weights, drawn in place from minigan's random generator.

Layers begin with PyTorch's defaults, GANs with what their papers say.
"""

import math

import numpy as np

from .. import rng
from ..engine import no_grad
from ..ops.in_place import copy_
from .module import Parameter


@no_grad()
def normal_(t, mean=0.0, std=1.0):
    """Fill t with samples of N(mean, std^2). Returns t."""
    return copy_(t, mean + std * rng.generator.standard_normal(t.shape, np.float32))


@no_grad()
def uniform_(t, low=0.0, high=1.0):
    """Fill t with samples of the uniform distribution U(low, high). Returns t."""
    return copy_(t, low + (high - low) * rng.generator.random(t.shape, np.float32))


def fan_in_(t, fan_in):
    """Fill t with U(-bound, bound), bound = 1 / sqrt(fan_in). Returns t.

    This is PyTorch's default for linear layers and convolutions. fan_in: how many inputs each
    output depends on. Raises ValueError unless there is at least one.
    """
    if fan_in < 1:
        raise ValueError(f"a layer with {fan_in} inputs to each output: expected at least one")
    bound = 1 / math.sqrt(fan_in)
    return uniform_(t, -bound, bound)


def _parameters_with_layers(module):
    """Yield (layer, the parameter's own name, the parameter) for all layers inside.

    The order is that of parameters(), and a shared parameter comes once.
    """
    seen = set()
    for layer in module.modules():
        for name, value in vars(layer).items():
            if isinstance(value, Parameter) and id(value) not in seen:
                seen.add(id(value))
                yield layer, name, value


@no_grad()
def dcgan_(module, std=0.02):
    """Draw the initial weights of DCGAN (Radford et al. 2015). Returns the module.

    Weights are N(0, std^2), those of norms N(1, std^2), and biases are zero.
    """
    for layer, name, p in _parameters_with_layers(module):
        if name.endswith("bias"):
            copy_(p, 0)
        else:
            mean = 1.0 if layer.normalises else 0.0
            normal_(p, mean, std)
    return module


@no_grad()
def goodfellow_(module, bound):
    """Draw the initial weights of the first GAN (Goodfellow et al. 2014). Returns the module.

    Weights are U(-bound, bound), those of norms are 1, and biases are zero.
    """
    for layer, name, p in _parameters_with_layers(module):
        if name.endswith("bias"):
            copy_(p, 0)
        elif layer.normalises:
            copy_(p, 1)
        else:
            uniform_(p, -bound, bound)
    return module
