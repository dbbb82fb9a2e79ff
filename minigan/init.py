"""Initial weights, drawn in place from minigan's generator: PyTorch's defaults for layers, the papers' for GANs."""

import math

import numpy as np

from . import rng
from .engine import no_grad
from .tensors import copy_


@no_grad()
def normal_(t, mean=0.0, std=1.0):
    """Fill with N(mean, std^2)."""
    return copy_(t, mean + std * rng.generator.standard_normal(t.shape, np.float32))


@no_grad()
def fan_in_(t, fan_in):
    """Fill with U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default for linear and convolution layers."""
    if fan_in < 1:
        raise ValueError(f"a layer with {fan_in} inputs to each output: expected at least one")
    bound = 1 / math.sqrt(fan_in)
    return copy_(t, -bound + 2 * bound * rng.generator.random(t.shape, np.float32))


@no_grad()
def dcgan_(module, std=0.02):
    """Radford et al. 2015: all weights N(0, 0.02^2), batch norm's N(1, 0.02^2), biases zero. Returns the module."""
    for name, p in module.named_parameters():
        if name.endswith("bias"):
            copy_(p, 0)
        else:
            normal_(p, 1.0 if p.ndim == 1 else 0.0, std)
    return module
