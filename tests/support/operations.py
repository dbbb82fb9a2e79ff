"""Every public operation and layer once: what it computes, and inputs at which it may be
differentiated.

One row feeds the gradient, the PyTorch and the mutation tests. A row's function gets a namespace
first, MINIGAN here and its twin in test_torch.py, because the names are PyTorch's: ``lambda F, x:
F.relu(x)`` means the same in both. A linear row is squared by ``Operation.function``: else its
second derivative is zero, and so is every wrong one.
"""

from dataclasses import dataclass
from typing import Callable

import inputs as draw
import numpy as np
from strategies import convolution, transposed_convolution

import minigan as mg
from minigan import functional as F
from minigan import ops
from minigan.ops import activation, conv, norm


@dataclass(repr=False)
class Operation:
    """apply(F, *tensors, **options) -> a Tensor; inputs(case) -> (float64 arrays, options);
    order: how far to check.
    """

    name: str
    inputs: Callable
    apply: Callable
    linear: bool = False
    order: int = 2

    def function(self, namespace, options):
        """The operation as a function of its tensors alone, squared if it is linear."""

        def f(*tensors):
            y = self.apply(namespace, *tensors, **options)
            return y * y if self.linear else y

        return f

    def __repr__(self):
        return self.name


class Minigan:
    """Looks a name up where a user finds it; ``constant`` marks the arrays that PyTorch's twin
    must convert.
    """

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
        return array

    def bce_of_number(self, x, target, **options):
        return F.binary_cross_entropy_with_logits(x, target, **options)

    def dropout(self, x, p, seed):
        mg.manual_seed(seed)  # the same mask at every call
        return F.dropout(x, p)


MINIGAN = Minigan()


def batch_norm(F, x, weight=None, bias=None, running_mean=None, running_var=None, **options):
    running = [None if r is None else F.tensor(r) for r in (running_mean, running_var)]
    return F.batch_norm(x, *running, weight, bias, **options)


def instance_norm(F, x, weight=None, bias=None):
    return F.instance_norm(x, weight=weight, bias=bias)


def constants(F, index):
    """The index with its arrays converted for the library at hand."""
    if isinstance(index, tuple):
        return tuple(constants(F, i) for i in index)
    return F.constant(index) if isinstance(index, np.ndarray) else index


def operations():
    """name, inputs, function, linear (1 or 0), the highest order that is worth its time."""
    normal = draw.any_shape()
    positive = draw.any_shape("positive")
    nonzero = draw.away_from(0)
    pair = draw.broadcast_pair
    distinct = draw.reduced("distinct")
    shaped = draw.with_shape
    yield "x + y", pair(), lambda F, x, y: x + y, 1, 3
    yield "x - y", pair(), lambda F, x, y: x - y, 1, 3
    yield "x * y", pair(), lambda F, x, y: x * y, 0, 3
    yield "x / y", pair("positive"), lambda F, x, y: x / y, 0, 3
    yield "x ** p", draw.power, lambda F, x, p: x**p, 0, 3
    yield "x ** y", pair("positive", "normal"), lambda F, x, y: x**y, 0, 2
    yield "-x", normal, lambda F, x: -x, 1, 2
    yield "1 - x", normal, lambda F, x: 1 - x, 1, 2
    yield "2 / x", positive, lambda F, x: 2 / x, 0, 3
    yield "2 ** x", normal, lambda F, x: 2**x, 0, 3
    yield "abs", nonzero, lambda F, x: x.abs(), 1, 2
    yield "exp", normal, lambda F, x: x.exp(), 0, 3
    yield "log", positive, lambda F, x: x.log(), 0, 3
    yield "sqrt", positive, lambda F, x: x.sqrt(), 0, 3
    yield "tanh", normal, lambda F, x: x.tanh(), 0, 3
    yield "sigmoid", normal, lambda F, x: x.sigmoid(), 0, 3
    yield "softplus", normal, lambda F, x: F.softplus(x), 0, 3
    yield "clamp", draw.limits, lambda F, x, **o: x.clamp(**o), 1, 2
    yield "double", normal, lambda F, x: x.double(), 1, 2
    yield "sum", draw.reduced(), lambda F, x, **o: x.sum(**o), 1, 3
    yield "mean", draw.reduced(), lambda F, x, **o: x.mean(**o), 1, 2
    yield "var", draw.reduced(least=2), lambda F, x, **o: x.var(**o), 0, 3
    yield "biased var", draw.reduced(), lambda F, x, **o: x.var(unbiased=False, **o), 0, 2
    yield "centred", draw.centred, lambda F, x, **o: F.centred(x, **o), 1, 2
    yield "amax", distinct, lambda F, x, **o: x.amax(**o), 1, 2
    yield "reshape", shaped(draw.reshaped), lambda F, x, shape: x.reshape(shape), 1, 2
    yield "flatten", shaped(draw.merged), lambda F, x, **o: x.flatten(**o), 1, 2
    yield "transpose", shaped(draw.swapped), lambda F, x, **o: x.transpose(**o), 1, 2
    yield "permute", shaped(draw.shuffled), lambda F, x, dims: x.permute(dims), 1, 2
    yield "expand", draw.expanded, lambda F, x, shape: x.expand(shape), 1, 2
    yield "x[index]", draw.indexed, lambda F, x, index: x[constants(F, index)], 1, 3
    yield "cat", draw.joined(grows=True), lambda F, *xs, dim: F.cat(xs, dim), 1, 2
    yield "stack", draw.joined(grows=False), lambda F, *xs, dim: F.stack(xs, dim), 1, 2
    yield "x @ y", draw.products, lambda F, x, y: x @ y, 0, 3
    yield "array @ x", shaped(draw.left_factor), lambda F, x, array: F.constant(array) @ x, 1, 2
    yield "linear", draw.linear_layer, lambda F, *xs: F.linear(*xs), 0, 3
    yield "conv2d", draw.with_bias(convolution), lambda F, *xs, **o: F.conv2d(*xs, **o), 0, 3
    yield (
        "conv_transpose2d",
        draw.with_bias(transposed_convolution),
        lambda F, *xs, **o: F.conv_transpose2d(*xs, **o),
        0,
        3,
    )
    yield (
        "conv2d_weight_grad",
        draw.weight_gradient,
        lambda F, *xs, **o: F.conv2d_weight_grad(*xs, **o),
        0,
        3,
    )
    yield "add_bias", draw.bias, lambda F, x, b: F.add_bias(x, b), 1, 2
    yield "channel_sum", draw.channels, lambda F, x: F.channel_sum(x), 1, 2
    yield "batch_norm", draw.batch_norm(), batch_norm, 0, 3
    yield "batch_norm, ReLU", draw.batch_norm(0.0), batch_norm, 0, 2
    yield "batch_norm, LeakyReLU", draw.batch_norm(0.2), batch_norm, 0, 2
    yield "batch_norm in evaluation", draw.batch_norm(training=False), batch_norm, 0, 2
    yield "batch_norm in evaluation, ReLU", draw.batch_norm(0.0, training=False), batch_norm, 0, 2
    yield (
        "batch_norm in evaluation, LeakyReLU",
        draw.batch_norm(0.2, training=False),
        batch_norm,
        0,
        2,
    )
    yield ("channel_affine", draw.affine(0.2), lambda F, *xs, **o: F.channel_affine(*xs, **o), 0, 2)
    yield "instance_norm", draw.instance_norm, instance_norm, 0, 2
    yield (
        "layer_norm",
        draw.layer_norm,
        lambda F, x, *xs, normalized_shape: F.layer_norm(x, normalized_shape, *xs),
        0,
        2,
    )
    yield "leaky_relu", draw.slope, lambda F, x, **o: F.leaky_relu(x, **o), 1, 2
    yield (
        "leaky_relu_grad",
        draw.slope_and_output,
        lambda F, g, y, negative_slope: F.leaky_relu_grad(g, F.tensor(y), negative_slope),
        1,
        2,
    )
    yield "relu", nonzero, lambda F, x: F.relu(x), 1, 2
    yield "dropout", draw.any_shape(p=0.3, seed=5), lambda F, x, **o: F.dropout(x, **o), 1, 2
    yield "maxout", draw.maxout, lambda F, x, **o: F.maxout(x, **o), 1, 2
    yield (
        "pad, constant",
        draw.padded("constant"),
        lambda F, x, padding, **o: F.pad(x, padding, **o),
        1,
        2,
    )
    yield (
        "pad, reflect",
        draw.padded("reflect"),
        lambda F, x, padding, **o: F.pad(x, padding, **o),
        1,
        2,
    )
    yield "interpolate", draw.resized, lambda F, x, **o: F.interpolate(x, **o), 1, 2
    yield "pixel_shuffle", draw.pixels, lambda F, x, factor: F.pixel_shuffle(x, factor), 1, 2
    yield "log_softmax", shaped(draw.one_axis), lambda F, x, dim: F.log_softmax(x, dim), 0, 3
    yield (
        "binary_cross_entropy_with_logits",
        draw.logits_and_targets,
        lambda F, x, t, **o: F.binary_cross_entropy_with_logits(x, t, **o),
        0,
        3,
    )
    yield (
        "bce of a number",
        draw.logits_and_number,
        lambda F, x, t, **o: F.bce_of_number(x, t, **o),
        0,
        3,
    )
    yield (
        "cross_entropy",
        draw.logits_and_labels,
        lambda F, x, labels, **o: F.cross_entropy(x, F.constant(labels), **o),
        0,
        2,
    )
    yield "mse_loss", draw.predictions(), lambda F, x, t, **o: F.mse_loss(x, t, **o), 0, 2
    yield "l1_loss", draw.predictions(kinked=True), lambda F, x, t, **o: F.l1_loss(x, t, **o), 1, 2


OPERATIONS = [Operation(*row) for row in operations()]

# nn -> a layer (PyTorch's nn takes the same arguments), and the shape of its input; no
# activation's kink is near
LAYERS = {
    "Linear": (lambda nn: nn.Linear(3, 2), (4, 3)),
    "Linear without bias": (lambda nn: nn.Linear(3, 2, bias=False), (2, 4, 3)),
    "Conv2d": (lambda nn: nn.Conv2d(2, 3, 3, stride=2, padding=1), (2, 2, 5, 4)),
    "Conv2d, oblong": (
        lambda nn: nn.Conv2d(2, 1, (3, 2), stride=(1, 2), padding=(0, 1), bias=False),
        (2, 2, 4, 5),
    ),
    "ConvTranspose2d": (lambda nn: nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1), (2, 2, 3, 2)),
    "ConvTranspose2d, padded": (
        lambda nn: nn.ConvTranspose2d(2, 1, 3, stride=2, padding=1, output_padding=1),
        (1, 2, 2, 3),
    ),
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(3), (4, 3)),
    "BatchNorm1d of lines": (lambda nn: nn.BatchNorm1d(3, eps=1e-3, momentum=0.3), (2, 3, 4)),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(2, eps=1e-4), (2, 2, 3, 3)),
    "BatchNorm2d, mean of all batches": (lambda nn: nn.BatchNorm2d(2, momentum=None), (2, 2, 3, 3)),
    "BatchNorm2d, no weights": (lambda nn: nn.BatchNorm2d(2, affine=False), (3, 2, 2, 2)),
    "InstanceNorm2d": (lambda nn: nn.InstanceNorm2d(2), (2, 2, 3, 2)),
    "InstanceNorm2d with weights": (lambda nn: nn.InstanceNorm2d(2, affine=True), (2, 2, 3, 2)),
    "LayerNorm": (lambda nn: nn.LayerNorm((3, 2)), (4, 3, 2)),
    "LeakyReLU": (lambda nn: nn.LeakyReLU(0.2), (3, 4)),
    "ReLU": (lambda nn: nn.ReLU(), (3, 4)),
    "Tanh": (lambda nn: nn.Tanh(), (3, 4)),
    "Sigmoid": (lambda nn: nn.Sigmoid(), (3, 4)),
    "Flatten": (lambda nn: nn.Flatten(), (2, 3, 2)),
    "Flatten(0, 1)": (lambda nn: nn.Flatten(0, 1), (2, 3, 2)),
    "Unflatten": (lambda nn: nn.Unflatten(1, (2, 3)), (2, 6)),
    "Embedding": (lambda nn: nn.Embedding(4, 3), None),
    "Dropout in evaluation": (lambda nn: nn.Dropout(0.5).eval(), (3, 4)),
    "ReflectionPad2d": (lambda nn: nn.ReflectionPad2d((1, 0, 2, 1)), (1, 2, 4, 3)),
    "Upsample": (lambda nn: nn.Upsample(scale_factor=2, mode="bilinear"), (1, 2, 2, 3)),
    "PixelShuffle": (lambda nn: nn.PixelShuffle(2), (1, 4, 2, 2)),
    "Sequential": (
        lambda nn: nn.Sequential(
            nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LeakyReLU(0.2), nn.Linear(4, 1)
        ),
        (5, 3),
    ),
}


def layer(name, nn=mg.nn):
    """A layer of the table in training mode and an input for it: float64, or integers for an
    Embedding.
    """
    make, shape = LAYERS[name]
    rng = np.random.default_rng(11)
    return make(nn).double(), rng.integers(0, 4, (2, 3)) if shape is None else rng.standard_normal(
        shape
    )


def call_with(module, parameters, *xs):
    """module(*xs) with its parameters replaced, in order, by these tensors."""
    parameters = list(parameters)
    for owner in module.modules():
        for name, value in vars(owner).items():
            if isinstance(value, mg.Tensor) and value.requires_grad:
                vars(owner)[name] = parameters.pop(0)
    return module(*xs)
