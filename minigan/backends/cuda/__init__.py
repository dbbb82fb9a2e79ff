"""The kernel-backed operations on kernels/*.cu, for a GPU and for the host device alike: array
in, array out.

One file for each family of kernels has the memory order and the launches; rungs.py chooses the
kernel, grids.py the grid of those whose time is that of reading and writing.
"""

from . import instantiations
from .adam_step import adam
from .channels import (
    add_bias,
    batch_norm_forward,
    batch_norm_grad,
    batch_norm_statistics,
    channel_sum,
)
from .convolution import conv2d, conv2d_weight_grad, conv_transpose2d
from .elementwise import bce_with_logits, bce_with_logits_grad, leaky_relu, leaky_relu_grad
from .products import linear, matmul
