"""F: every operation under its usual name. Only names stand here: the operations are in ops/."""

from .ops.activation import leaky_relu, log_softmax, relu
from .ops.conv import channel_sum, conv2d, conv_transpose2d
from .ops.elementwise import abs, exp, log, sigmoid, softplus, sqrt, tanh
from .ops.error_function import erf
from .ops.indexing import getitem
from .ops.joining import cat
from .ops.loss import binary_cross_entropy_with_logits, cross_entropy, indices, l1_loss, mse_loss
from .ops.magnitudes import normalize
from .ops.noise import dropout
from .ops.normalisation import batch_norm, instance_norm, layer_norm
from .ops.products import linear, matmul, maxout
from .ops.resizing import interpolate, pad, pixel_shuffle
from .ops.shapes import amax, expand, flatten, mean, permute, reshape, sum, transpose
from .ops.smooth import elu, gelu, silu, softmax

__all__ = [
    "abs",
    "amax",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "cat",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "exp",
    "flatten",
    "instance_norm",
    "interpolate",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log",
    "log_softmax",
    "maxout",
    "mse_loss",
    "pad",
    "pixel_shuffle",
    "relu",
    "sigmoid",
    "softplus",
    "sqrt",
    "normalize",
    "softmax",
    "silu",
    "gelu",
    "elu",
    "tanh",
]
