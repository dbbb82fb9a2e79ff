"""Every public operation once: what it computes, and inputs at which it may be differentiated.

One row feeds the gradient, the PyTorch and the mutation tests. A row is a small function whose
decorator names it and says what it takes. The function gets a namespace first, MINIGAN here and its
twin TORCH in torch_twin.py, because the names are PyTorch's: F.relu(x) means the same in both. A
linear operation is squared by ``Operation.function``: otherwise its second derivative is zero, and
so is every wrong one.
"""

from dataclasses import dataclass
from typing import Callable

import inputs as draw
import inputs_of_layers as draw_layer
import numpy as np
from strategies import convolution, transposed_convolution

import minigan as mg
from minigan import functional as F
from minigan import ops
from minigan.ops import activation, conv, norm


@dataclass(repr=False)
class Operation:
    """A row of the table."""

    name: str
    inputs: Callable  # inputs(case) -> (float64 arrays, options)
    apply: Callable  # apply(F, *tensors, **options) -> a Tensor
    linear: bool
    order: int  # the highest order of a derivative that is worth its time

    def function(self, namespace, options):
        """The operation as a function of its tensors alone, squared if it is linear."""

        def f(*tensors):
            y = self.apply(namespace, *tensors, **options)
            return y * y if self.linear else y

        return f

    def __repr__(self):
        return self.name


class Minigan:
    """Looks a name up where a user finds it."""

    def __getattr__(self, name):
        for module in (F, mg, conv):
            if hasattr(module, name):
                return getattr(module, name)
        return getattr(activation, name)

    def centred(self, x, dim=None):
        return ops.centred(x, dim)

    def channel_affine(self, x, centre, scale, shift, negative_slope):
        return norm.channel_affine(x, centre, scale, shift, negative_slope)

    def constant(self, array):
        """The array as what the library at hand takes for a constant."""
        return array

    def bce_of_number(self, x, target, **options):
        return F.binary_cross_entropy_with_logits(x, target, **options)

    def dropout(self, x, p, seed):
        mg.manual_seed(seed)  # the same mask at every call
        return F.dropout(x, p)


MINIGAN = Minigan()
OPERATIONS = []


def operation(name, inputs, *, linear=False, order=2):
    """A decorator: the function becomes a row with this name. Several make several rows."""

    def add(apply):
        OPERATIONS.append(Operation(name, inputs, apply, linear, order))
        return apply

    return add


normal = draw.any_shape()
positive = draw.any_shape("positive")
nonzero = draw.away_from(0)
pair = draw.broadcast_pair
shaped = draw.with_shape

# ---- numbers -------------------------------------------------------------------------------------


@operation("x + y", pair(), linear=True, order=3)
def add(F, x, y):
    return x + y


@operation("x - y", pair(), linear=True, order=3)
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


@operation("-x", normal, linear=True)
def negate(F, x):
    return -x


@operation("1 - x", normal, linear=True)
def subtract_from_one(F, x):
    return 1 - x


@operation("2 / x", positive, order=3)
def divide_two(F, x):
    return 2 / x


@operation("2 ** x", normal, order=3)
def power_of_two(F, x):
    return 2**x


@operation("abs", nonzero, linear=True)
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


@operation("clamp", draw.limits, linear=True)
def clamp(F, x, min, max):
    return x.clamp(min, max)


@operation("double", normal, linear=True)
def double(F, x):
    return x.double()


# ---- sums ----------------------------------------------------------------------------------------


@operation("sum", draw.reduced(), linear=True, order=3)
def total(F, x, **options):
    return x.sum(**options)


@operation("mean", draw.reduced(), linear=True)
def mean(F, x, **options):
    return x.mean(**options)


@operation("var", draw.reduced(least=2), order=3)
def var(F, x, **options):
    return x.var(**options)


@operation("biased var", draw.reduced())
def biased_var(F, x, **options):
    return x.var(unbiased=False, **options)


@operation("centred", draw.centred, linear=True)
def centred(F, x, **options):
    return F.centred(x, **options)


@operation("amax", draw.reduced("distinct"), linear=True)
def amax(F, x, **options):
    return x.amax(**options)


# ---- shapes --------------------------------------------------------------------------------------


@operation("reshape", shaped(draw.reshaped), linear=True)
def reshape(F, x, shape):
    return x.reshape(shape)


@operation("flatten", shaped(draw.merged), linear=True)
def flatten(F, x, start_dim, end_dim):
    return x.flatten(start_dim, end_dim)


@operation("transpose", shaped(draw.swapped), linear=True)
def transpose(F, x, dim0, dim1):
    return x.transpose(dim0, dim1)


@operation("permute", shaped(draw.shuffled), linear=True)
def permute(F, x, dims):
    return x.permute(dims)


@operation("expand", draw.expanded, linear=True)
def expand(F, x, shape):
    return x.expand(shape)


def constants(F, index):
    """The index with its arrays converted for the library at hand."""
    if isinstance(index, tuple):
        return tuple(constants(F, i) for i in index)
    return F.constant(index) if isinstance(index, np.ndarray) else index


@operation("x[index]", draw.indexed, linear=True, order=3)
def getitem(F, x, index):
    return x[constants(F, index)]


@operation("cat", draw.joined(grows=True), linear=True)
def cat(F, *xs, dim):
    return F.cat(xs, dim)


@operation("stack", draw.joined(grows=False), linear=True)
def stack(F, *xs, dim):
    return F.stack(xs, dim)


# ---- matrices and convolutions -------------------------------------------------------------------


@operation("x @ y", draw.products, order=3)
def product(F, x, y):
    return x @ y


@operation("array @ x", shaped(draw.left_factor), linear=True)
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


@operation("add_bias", draw_layer.bias, linear=True)
def add_bias(F, x, b):
    return F.add_bias(x, b)


@operation("channel_sum", draw_layer.channels, linear=True)
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
def channel_affine(F, *xs, negative_slope):
    return F.channel_affine(*xs, negative_slope=negative_slope)


@operation("instance_norm", draw_layer.instance_norm)
def instance_norm(F, x, weight=None, bias=None):
    return F.instance_norm(x, weight=weight, bias=bias)


@operation("layer_norm", draw_layer.layer_norm)
def layer_norm(F, x, *weights, normalized_shape):
    return F.layer_norm(x, normalized_shape, *weights)


# ---- activations ---------------------------------------------------------------------------------


@operation("leaky_relu", draw.slope, linear=True)
def leaky_relu(F, x, negative_slope):
    return F.leaky_relu(x, negative_slope)


@operation("leaky_relu_grad", draw.slope_and_output, linear=True)
def leaky_relu_grad(F, g, y, negative_slope):
    return F.leaky_relu_grad(g, F.tensor(y), negative_slope)


@operation("relu", nonzero, linear=True)
def relu(F, x):
    return F.relu(x)


@operation("dropout", draw.any_shape(p=0.3, seed=5), linear=True)
def dropout(F, x, p, seed):
    return F.dropout(x, p=p, seed=seed)


@operation("maxout", draw_layer.maxout, linear=True)
def maxout(F, x, pieces):
    return F.maxout(x, pieces)


# ---- images --------------------------------------------------------------------------------------


@operation("pad, reflect", draw_layer.padded("reflect"), linear=True)
@operation("pad, constant", draw_layer.padded("constant"), linear=True)
def pad(F, x, padding, **options):
    return F.pad(x, padding, **options)


@operation("interpolate", draw_layer.resized, linear=True)
def interpolate(F, x, **options):
    return F.interpolate(x, **options)


@operation("pixel_shuffle", draw_layer.pixels, linear=True)
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


@operation("l1_loss", draw_layer.predictions(kinked=True), linear=True)
def l1_loss(F, x, t, reduction):
    return F.l1_loss(x, t, reduction=reduction)
