"""The kernel-backed operations in NumPy: array in, array out, no autograd."""

from .channels import add_bias, channel_sum
from .convolution import conv2d, conv2d_weight_grad, conv_transpose2d
from .elementwise import adam, bce_with_logits, bce_with_logits_grad, leaky_relu, leaky_relu_grad
from .normalisation import batch_norm_forward, batch_norm_grad, batch_norm_statistics
from .products import linear, matmul
