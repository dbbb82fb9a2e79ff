"""Initial weights, drawn in place from minigan's random generator.

Layers begin with PyTorch's defaults, GANs with what their papers say.
"""

import math

import numpy as np

from .. import rng
from ..grad_modes import no_grad
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


@no_grad()
def constant_(t, value):
    """Fill t with a number. Returns t."""
    return copy_(t, np.asarray(value))


def zeros_(t):
    """Fill t with zeros. Returns t."""
    return constant_(t, 0)


def ones_(t):
    """Fill t with ones. Returns t."""
    return constant_(t, 1)


def fan_in_(t, fan_in):
    """Fill t with U(-bound, bound), bound = 1 / sqrt(fan_in). Returns t.

    This is PyTorch's default for linear layers and convolutions. fan_in: how many inputs each
    output depends on. Raises ValueError unless there is at least one.
    """
    if fan_in < 1:
        raise ValueError(f"a layer with {fan_in} inputs to each output: expected at least one")
    bound = 1 / math.sqrt(fan_in)
    return uniform_(t, -bound, bound)


# ---- by the number of inputs and outputs ---------------------------------------------------------


def fans(t):
    """(fan-in, fan-out) of a weight (out, in, ...): how many inputs an output has, and vice versa.

    Raises ValueError for fewer than two axes.
    """
    if t.ndim < 2:
        raise ValueError(f"a tensor of shape {t.shape} has no fan-in, expected at least two axes")
    window = math.prod(t.shape[2:])
    return t.shape[1] * window, t.shape[0] * window


def xavier_uniform_(t, gain=1.0):
    """Fill t with U(-bound, bound), bound = gain sqrt(6 / (fan-in + fan-out)) (Glorot 2010)."""
    bound = gain * math.sqrt(6 / sum(fans(t)))
    return uniform_(t, -bound, bound)


def xavier_normal_(t, gain=1.0):
    """Fill t with N(0, std^2), std = gain sqrt(2 / (fan-in + fan-out)) (Glorot 2010)."""
    return normal_(t, 0.0, gain * math.sqrt(2 / sum(fans(t))))


def kaiming_uniform_(t, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    """Fill t with U(-bound, bound), bound = gain sqrt(3 / fan) (He et al. 2015).

    a: the slope of the LeakyReLU that follows. mode: "fan_in" or "fan_out".
    """
    bound = math.sqrt(3) * _kaiming_std(t, a, mode, nonlinearity)
    return uniform_(t, -bound, bound)


def kaiming_normal_(t, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    """Fill t with N(0, std^2), std = gain / sqrt(fan); see kaiming_uniform_."""
    return normal_(t, 0.0, _kaiming_std(t, a, mode, nonlinearity))


def _kaiming_std(t, a, mode, nonlinearity):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is {mode!r}, expected 'fan_in' or 'fan_out'")
    fan_in, fan_out = fans(t)
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def calculate_gain(nonlinearity, param=None):
    """The factor that keeps the variance through an activation, as torch.nn.init has it.

    param: the slope of a LeakyReLU, 0.01 if None. Raises ValueError for an unknown activation.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in GAINS:
        raise ValueError(
            f"nonlinearity is {nonlinearity!r}, expected leaky_relu or one of {', '.join(GAINS)}"
        )
    return GAINS[nonlinearity]


GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv_transpose2d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


@no_grad()
def orthogonal_(t, gain=1.0):
    """Fill t, as a matrix (out, everything else), with gain times orthonormal rows or columns.

    They come from the QR decomposition of a normal matrix (Saxe et al. 2013). Returns t.
    """
    if t.ndim < 2:
        raise ValueError(f"a tensor of shape {t.shape} is not a matrix, expected at least two axes")
    rows = t.shape[0]
    columns = math.prod(t.shape[1:])
    drawn = rng.generator.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    q = q * np.sign(np.diag(r))  # so that all orthogonal matrices are equally likely
    if rows < columns:
        q = q.T
    return copy_(t, gain * q.reshape(t.shape))


# ---- whole networks ------------------------------------------------------------------------------


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
