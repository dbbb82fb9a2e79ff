"""F: every operation under its usual name. Only names stand here: the operations are in ops/."""

from .ops.activation import leaky_relu, log_softmax, prelu, relu
from .ops.conv import channel_sum, conv2d, conv_transpose2d
from .ops.elementwise import abs, exp, log, sigmoid, softplus, sqrt, tanh
from .ops.error_function import erf
from .ops.gathering import embedding, one_hot
from .ops.grouped import conv1d, conv_transpose1d
from .ops.indexing import getitem
from .ops.joining import cat
from .ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    check_reduction,
    cross_entropy,
    indices,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from .ops.magnitudes import normalize
from .ops.noise import dropout, dropout2d
from .ops.normalisation import batch_norm, group_norm, instance_norm, layer_norm
from .ops.padding import pad
from .ops.pooling import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from .ops.products import linear, matmul, maxout
from .ops.resizing import interpolate, pixel_shuffle
from .ops.shapes import amax, expand, flatten, mean, permute, reshape, sum, transpose
from .ops.smooth import elu, gelu, silu, softmax

__all__ = [
    "abs",
    "adaptive_avg_pool2d",
    "amax",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cat",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "elu",
    "embedding",
    "exp",
    "flatten",
    "gelu",
    "group_norm",
    "instance_norm",
    "interpolate",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log",
    "log_softmax",
    "max_pool2d",
    "maxout",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pixel_shuffle",
    "prelu",
    "relu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "sqrt",
    "tanh",
]
