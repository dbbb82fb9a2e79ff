"""The kernel-backed operations on kernels/*.cu, for a GPU and for the simulator.

An array goes in, an array comes out, without autograd.

One file for each family of kernels has its memory order and its plans: convolution, channels,
normalisation, elementwise, adam_step. plans.py says what a plan is, rungs.py chooses the kernel,
tiles.py the tile of a matrix product, grids.py the grid of memory-bound kernels. launch.py launches
a plan through a driver.
"""

from . import instantiations
from .adam_step import adam
from .channels import add_bias, channel_sum
from .convolution import conv2d, conv2d_weight_grad, conv_transpose2d
from .elementwise import bce_with_logits, bce_with_logits_grad, leaky_relu, leaky_relu_grad
from .normalisation import batch_norm_forward, batch_norm_grad, batch_norm_statistics
from .products import linear, matmul

instantiations.register()  # fills launch.instantiations
