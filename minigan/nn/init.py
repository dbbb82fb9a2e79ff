"""Initial weights, drawn in place from minigan's generator: PyTorch's defaults for layers, the papers' for GANs."""

import math

import numpy as np

from .. import rng
from ..engine import no_grad
from ..ops.in_place import copy_


@no_grad()
def normal_(t, mean=0.0, std=1.0):
    """Fill with N(mean, std^2)."""
    return copy_(t, mean + std * rng.generator.standard_normal(t.shape, np.float32))


@no_grad()
def uniform_(t, low=0.0, high=1.0):
    """Fill with U(low, high)."""
    return copy_(t, low + (high - low) * rng.generator.random(t.shape, np.float32))


def fan_in_(t, fan_in):
    """Fill with U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default for linear and convolution layers."""
    if fan_in < 1:
        raise ValueError(f"a layer with {fan_in} inputs to each output: expected at least one")
    return uniform_(t, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))


@no_grad()
def dcgan_(module, std=0.02):
    """Radford et al. 2015: all weights N(0, 0.02^2), a norm's N(1, 0.02^2), biases zero. Returns the module."""
    for name, p in module.named_parameters():
        if name.endswith("bias"):
            copy_(p, 0)
        else:  # batch norm's weights are (C,), layer norm's (C, H, W); all others have 2 axes or 4
            normal_(p, 1.0 if p.ndim % 2 else 0.0, std)
    return module


@no_grad()
def goodfellow_(module, bound):
    """Goodfellow et al. 2014: all weights U(-bound, bound), biases zero. Returns the module."""
    for p in module.parameters():
        if p.ndim == 1:
            copy_(p, 0)
        else:
            uniform_(p, -bound, bound)
    return module
