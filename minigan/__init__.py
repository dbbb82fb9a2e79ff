"""minigan: generative adversarial networks on a small autograd engine."""

from . import checkpoint, data, devices, engine, functional, images, init, metrics, models  # isort: skip
from . import data_model, in_place, indexing, logic, nn, ops, optim, rng, run, tensors  # isort: skip
from .check import gradcheck
from .checkpoint import load, save
from .devices import device, set_device
from .engine import Tensor, grad, no_grad
from .ladder import rung, set_tf32
from .ops import cat, stack
from .rng import manual_seed, rand, randn
from .tensors import ones, tensor, zeros

__version__ = "0.1.0"
