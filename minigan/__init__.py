"""minigan: generative adversarial networks on a small autograd engine."""

import numpy as np

from . import autograd, cuda, data, devices, engine, files, functional, models, nn, ops, optim, rng
from .backends.cuda.rungs import rung, set_tf32
from .creation import ones, tensor, zeros
from .data import images
from .devices import device, set_device
from .engine import Tensor, grad
from .evaluation import metrics
from .factories import (
    DoubleTensor,
    FloatTensor,
    LongTensor,
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    ones_like,
    zeros_like,
)
from .finite_differences import gradcheck
from .grad_modes import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .nn import init
from .ops import (
    abs,
    add,
    amax,
    amin,
    argmax,
    argmin,
    bmm,
    cat,
    chunk,
    clamp,
    clone,
    cos,
    div,
    dot,
    einsum,
    erf,
    exp,
    flatten,
    flip,
    gather,
    isnan,
    log,
    log_softmax,
    matmul,
    max,
    maximum,
    mean,
    meshgrid,
    min,
    minimum,
    mm,
    mul,
    mv,
    neg,
    norm,
    permute,
    pow,
    relu,
    reshape,
    roll,
    rsqrt,
    sigmoid,
    sin,
    softmax,
    split,
    sqrt,
    square,
    squeeze,
    stack,
    std,
    sub,
    sum,
    t,
    tanh,
    transpose,
    unbind,
    unsqueeze,
    var,
    where,
)
from .refused import refusal
from .rng import manual_seed, rand, rand_like, randint, randn, randn_like, randperm
from .training import checkpoint, run
from .training.checkpoint import load, save

__version__ = "0.1.0"

# dtypes under PyTorch's names
float32 = np.dtype("float32")
float = float32
float64 = np.dtype("float64")
double = float64
int32 = np.dtype("int32")
int = int32
int64 = np.dtype("int64")
long = int64
uint8 = np.dtype("uint8")
bool = np.dtype("bool")


def __getattr__(name):
    """What Python calls for a name that minigan does not have."""
    raise AttributeError(refusal("minigan", name))
