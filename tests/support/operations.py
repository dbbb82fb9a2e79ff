"""Every public operation once: what it computes, and inputs at which it may be differentiated.

One row feeds the gradient, the PyTorch and the mutation tests. A row is a small function whose
decorator names it and says what it takes. The function gets a namespace first, MINIGAN here and its
twin TORCH in torch_twin.py, because the names are PyTorch's: F.relu(x) means the same in both. A
linear operation is squared by ``Operation.function``: otherwise its second derivative is zero, and
so is every wrong one.
"""

import inputs as draw
import inputs_of_layers as draw_layer
import numpy as np
import operations_by_torchs_names  # noqa: F401  adds its rows
from rows import MINIGAN, OPERATIONS, Operation, linear_operation, operation
from strategies import convolution, transposed_convolution

__all__ = ["MINIGAN", "OPERATIONS", "Operation", "operation"]

normal = draw.any_shape()
positive = draw.any_shape("positive")
nonzero = draw.away_from(0)
pair = draw.broadcast_pair
shaped = draw.with_shape

# ---- numbers -------------------------------------------------------------------------------------


@linear_operation("x + y", pair(), order=3)
def add(F, x, y):
    return x + y


@linear_operation("x - y", pair(), order=3)
def subtract(F, x, y):
    return x - y


@operation("x * y", pair(), order=3)
def multiply(F, x, y):
    return x * y


@operation("x / y", pair("positive"), order=3)
def divide(F, x, y):
    return x / y


@operation("x ** p", draw.power, order=3)
def power_of_number(F, x, p):
    return x**p


@operation("x ** y", pair("positive", "normal"))
def power(F, x, y):
    return x**y


@linear_operation("-x", normal)
def negate(F, x):
    return -x


@linear_operation("1 - x", normal)
def subtract_from_one(F, x):
    return 1 - x


@operation("2 / x", positive, order=3)
def divide_two(F, x):
    return 2 / x


@operation("2 ** x", normal, order=3)
def power_of_two(F, x):
    return 2**x


@linear_operation("abs", nonzero)
def absolute(F, x):
    return x.abs()


@operation("exp", normal, order=3)
def exp(F, x):
    return x.exp()


@operation("log", positive, order=3)
def log(F, x):
    return x.log()


@operation("sqrt", positive, order=3)
def sqrt(F, x):
    return x.sqrt()


@operation("tanh", normal, order=3)
def tanh(F, x):
    return x.tanh()


@operation("sigmoid", normal, order=3)
def sigmoid(F, x):
    return x.sigmoid()


@operation("softplus", normal, order=3)
def softplus(F, x):
    return F.softplus(x)


@linear_operation("clamp", draw.limits)
def clamp(F, x, min, max):
    return x.clamp(min, max)


@linear_operation("double", normal)
def double(F, x):
    return x.double()


# ---- sums ----------------------------------------------------------------------------------------


@linear_operation("sum", draw.reduced(), order=3)
def total(F, x, **options):
    return x.sum(**options)


@linear_operation("mean", draw.reduced())
def mean(F, x, **options):
    return x.mean(**options)


@operation("var", draw.reduced(least=2), order=3)
def var(F, x, **options):
    return x.var(**options)


@operation("biased var", draw.reduced())
def biased_var(F, x, **options):
    return x.var(unbiased=False, **options)


@linear_operation("centred", draw.centred)
def centred(F, x, **options):
    return F.centred(x, **options)


@linear_operation("amax", draw.reduced("distinct"))
def amax(F, x, **options):
    return x.amax(**options)


# ---- shapes --------------------------------------------------------------------------------------


@linear_operation("reshape", shaped(draw.reshaped))
def reshape(F, x, shape):
    return x.reshape(shape)


@linear_operation("flatten", shaped(draw.merged))
def flatten(F, x, start_dim, end_dim):
    return x.flatten(start_dim, end_dim)


@linear_operation("transpose", shaped(draw.swapped))
def transpose(F, x, dim0, dim1):
    return x.transpose(dim0, dim1)


@linear_operation("permute", shaped(draw.shuffled))
def permute(F, x, dims):
    return x.permute(dims)


@linear_operation("expand", draw.expanded)
def expand(F, x, shape):
    return x.expand(shape)


def constants(F, index):
    """The index with its arrays converted for the library at hand."""
    if isinstance(index, tuple):
        return tuple(constants(F, i) for i in index)
    return F.constant(index) if isinstance(index, np.ndarray) else index


@linear_operation("x[index]", draw.indexed, order=3)
def getitem(F, x, index):
    return x[constants(F, index)]


@linear_operation("cat", draw.joined(grows=True))
def cat(F, *xs, dim):
    return F.cat(xs, dim)


@linear_operation("stack", draw.joined(grows=False))
def stack(F, *xs, dim):
    return F.stack(xs, dim)


# ---- matrices and convolutions -------------------------------------------------------------------


@operation("x @ y", draw.products, order=3)
def product(F, x, y):
    return x @ y


@linear_operation("array @ x", shaped(draw.left_factor))
def product_with_array(F, x, array):
    return F.constant(array) @ x


@operation("linear", draw.linear_layer, order=3)
def linear(F, *xs):
    return F.linear(*xs)


@operation("conv2d", draw_layer.with_bias(convolution), order=3)
def conv2d(F, *xs, **options):
    return F.conv2d(*xs, **options)


@operation("conv_transpose2d", draw_layer.with_bias(transposed_convolution), order=3)
def conv_transpose2d(F, *xs, **options):
    return F.conv_transpose2d(*xs, **options)


@operation("conv2d_weight_grad", draw_layer.weight_gradient, order=3)
def conv2d_weight_grad(F, x, g, **options):
    return F.conv2d_weight_grad(x, g, **options)


@linear_operation("add_bias", draw_layer.bias)
def add_bias(F, x, b):
    return F.add_bias(x, b)


@linear_operation("channel_sum", draw_layer.channels)
def channel_sum(F, x):
    return F.channel_sum(x)


# ---- norms ---------------------------------------------------------------------------------------


@operation("batch_norm in evaluation, LeakyReLU", draw_layer.batch_norm(0.2, training=False))
@operation("batch_norm in evaluation, ReLU", draw_layer.batch_norm(0.0, training=False))
@operation("batch_norm in evaluation", draw_layer.batch_norm(training=False))
@operation("batch_norm, LeakyReLU", draw_layer.batch_norm(0.2))
@operation("batch_norm, ReLU", draw_layer.batch_norm(0.0))
@operation("batch_norm", draw_layer.batch_norm(), order=3)
def batch_norm(F, x, weight=None, bias=None, running_mean=None, running_var=None, **options):
    if running_mean is not None:
        running_mean = F.tensor(running_mean)
        running_var = F.tensor(running_var)
    return F.batch_norm(x, running_mean, running_var, weight, bias, **options)


@operation("channel_affine", draw_layer.affine(0.2))
@operation("channel_affine, no activation", draw_layer.affine(None))
def channel_affine(F, *xs, negative_slope):
    return F.channel_affine(*xs, negative_slope=negative_slope)


@operation("instance_norm", draw_layer.instance_norm)
def instance_norm(F, x, weight=None, bias=None):
    return F.instance_norm(x, weight=weight, bias=bias)


@operation("layer_norm", draw_layer.layer_norm, order=3)
def layer_norm(F, x, *weights, normalized_shape):
    return F.layer_norm(x, normalized_shape, *weights)


# ---- activations ---------------------------------------------------------------------------------


@linear_operation("leaky_relu", draw.slope)
def leaky_relu(F, x, negative_slope):
    return F.leaky_relu(x, negative_slope)


@linear_operation("leaky_relu_grad", draw.slope_and_output)
def leaky_relu_grad(F, g, y, negative_slope):
    return F.leaky_relu_grad(g, F.tensor(y), negative_slope)


@linear_operation("relu", nonzero)
def relu(F, x):
    return F.relu(x)


@linear_operation("dropout", draw.any_shape(p=0.3, seed=5))
def dropout(F, x, p, seed):
    return F.dropout(x, p=p, seed=seed)


@linear_operation("maxout", draw_layer.maxout)
def maxout(F, x, pieces):
    return F.maxout(x, pieces)


# ---- images --------------------------------------------------------------------------------------


@linear_operation("pad, reflect", draw_layer.padded("reflect"))
@linear_operation("pad, constant", draw_layer.padded("constant"))
def pad(F, x, padding, **options):
    return F.pad(x, padding, **options)


@linear_operation("shift", draw_layer.shifted)
def shift(F, x, down, right):
    return F.shift(x, down, right)


@linear_operation("interpolate", draw_layer.resized)
def interpolate(F, x, **options):
    return F.interpolate(x, **options)


@linear_operation("pixel_shuffle", draw_layer.pixels)
def pixel_shuffle(F, x, factor):
    return F.pixel_shuffle(x, factor)


# ---- losses --------------------------------------------------------------------------------------


@operation("log_softmax", shaped(draw.one_axis), order=3)
def log_softmax(F, x, dim):
    return F.log_softmax(x, dim)


@operation("binary_cross_entropy_with_logits", draw_layer.logits_and_targets, order=3)
def bce(F, x, t, reduction):
    return F.binary_cross_entropy_with_logits(x, t, reduction=reduction)


@operation("bce of a number", draw_layer.logits_and_number, order=3)
def bce_of_number(F, x, t, reduction):
    return F.bce_of_number(x, t, reduction=reduction)


@operation("cross_entropy", draw_layer.logits_and_labels)
def cross_entropy(F, x, labels, reduction):
    return F.cross_entropy(x, F.constant(labels), reduction=reduction)


@operation("mse_loss", draw_layer.predictions())
def mse_loss(F, x, t, reduction):
    return F.mse_loss(x, t, reduction=reduction)


@linear_operation("l1_loss", draw_layer.predictions(kinked=True))
def l1_loss(F, x, t, reduction):
    return F.l1_loss(x, t, reduction=reduction)
