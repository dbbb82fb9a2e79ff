"""Networks: what a Module is, the layers, and their initial weights."""

from .. import functional
from ..refused import refusal
from . import init, utils
from .activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    LogSoftmax,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from .augmentation import DiffAugment, checked_policy
from .checks import expect
from .clipping import clip_grad_norm_, clip_grad_value_
from .containers import ModuleDict, ModuleList, Sequential
from .convolution import Conv1d, Conv2d, ConvTranspose2d
from .images import (
    ConstantPad2d,
    Dropout,
    Dropout2d,
    Flatten,
    PixelShuffle,
    ReflectionPad2d,
    ReplicationPad2d,
    Unflatten,
    Upsample,
    ZeroPad2d,
)
from .linear_layers import Embedding, Linear, Maxout
from .losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from .module import Buffer, Count, Module, Parameter
from .normalisation import FUSED, BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from .pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from .spectral import remove_spectral_norm, spectral_norm


def __getattr__(name):
    """What Python calls for a name that minigan.nn does not have."""
    raise AttributeError(refusal("minigan.nn", name))
