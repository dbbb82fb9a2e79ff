"""Networks: what a Module is, the layers, and their initial weights."""

from .checks import expect
from .layers import (
    FUSED,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Embedding,
    Flatten,
    InstanceNorm2d,
    LayerNorm,
    LeakyReLU,
    Linear,
    Maxout,
    PixelShuffle,
    ReflectionPad2d,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
    Unflatten,
    Upsample,
)
from .module import Buffer, Count, Module, Parameter
