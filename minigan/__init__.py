"""minigan: generative adversarial networks on a small autograd engine."""

from . import data, devices, engine, files, functional, models, nn, ops, optim, rng
from .backends.cuda.rungs import rung, set_tf32
from .creation import ones, tensor, zeros
from .data import images
from .devices import device, set_device
from .engine import Tensor, grad, no_grad
from .evaluation import metrics
from .finite_differences import gradcheck
from .nn import init
from .ops import cat, stack
from .rng import manual_seed, rand, randn
from .training import checkpoint, run
from .training.checkpoint import load, save

__version__ = "0.1.0"
