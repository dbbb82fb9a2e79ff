"""Every layer once: how to make it, and the shape of an input for it.

A row is a small function of ``nn``, because PyTorch's nn takes the same arguments. No input is near
an activation's kink.
"""

import collections
import functools
from typing import Callable, NamedTuple

import numpy as np

import minigan as mg


class Example(NamedTuple):
    """A row of the table."""

    make: Callable  # nn -> a layer
    shape: tuple  # of its input; None for an Embedding, which takes integers


LAYERS = {}


def example(name, *shape):
    """A decorator: the function becomes a row with this name."""

    def add(make):
        LAYERS[name] = Example(make, shape or None)
        return make

    return add


def evaluated(call, nn):
    """The layer that a line of CALLS makes with this library."""
    return eval(call, {**vars(nn), "OrderedDict": collections.OrderedDict})


@example("Linear", 4, 3)
def linear(nn):
    return nn.Linear(3, 2)


@example("Linear without bias", 2, 4, 3)
def linear_without_bias(nn):
    return nn.Linear(3, 2, bias=False)


@example("Conv2d", 2, 2, 5, 4)
def conv2d(nn):
    return nn.Conv2d(2, 3, 3, stride=2, padding=1)


@example("Conv2d, oblong", 2, 2, 4, 5)
def conv2d_oblong(nn):
    return nn.Conv2d(2, 1, (3, 2), stride=(1, 2), padding=(0, 1), bias=False)


@example("ConvTranspose2d", 2, 2, 3, 2)
def conv_transpose2d(nn):
    return nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1)


@example("ConvTranspose2d, padded", 1, 2, 2, 3)
def conv_transpose2d_padded(nn):
    return nn.ConvTranspose2d(2, 1, 3, stride=2, padding=1, output_padding=1)


@example("BatchNorm1d", 4, 3)
def batch_norm1d(nn):
    return nn.BatchNorm1d(3)


@example("BatchNorm1d of lines", 2, 3, 4)
def batch_norm1d_of_lines(nn):
    return nn.BatchNorm1d(3, eps=1e-3, momentum=0.3)


@example("BatchNorm2d", 2, 2, 3, 3)
def batch_norm2d(nn):
    return nn.BatchNorm2d(2, eps=1e-4)


@example("BatchNorm2d, mean of all batches", 2, 2, 3, 3)
def batch_norm2d_mean_of_all_batches(nn):
    return nn.BatchNorm2d(2, momentum=None)


@example("BatchNorm2d, no weights", 3, 2, 2, 2)
def batch_norm2d_no_weights(nn):
    return nn.BatchNorm2d(2, affine=False)


@example("InstanceNorm2d", 2, 2, 3, 2)
def instance_norm2d(nn):
    return nn.InstanceNorm2d(2)


@example("InstanceNorm2d with weights", 2, 2, 3, 2)
def instance_norm2d_with_weights(nn):
    return nn.InstanceNorm2d(2, affine=True)


@example("LayerNorm", 4, 3, 2)
def layer_norm(nn):
    return nn.LayerNorm((3, 2))


@example("LeakyReLU", 3, 4)
def leaky_relu(nn):
    return nn.LeakyReLU(0.2)


@example("ReLU", 3, 4)
def relu(nn):
    return nn.ReLU()


@example("Tanh", 3, 4)
def tanh(nn):
    return nn.Tanh()


@example("Sigmoid", 3, 4)
def sigmoid(nn):
    return nn.Sigmoid()


@example("Flatten", 2, 3, 2)
def flatten(nn):
    return nn.Flatten()


@example("Flatten(0, 1)", 2, 3, 2)
def flatten_0_1(nn):
    return nn.Flatten(0, 1)


@example("Unflatten", 2, 6)
def unflatten(nn):
    return nn.Unflatten(1, (2, 3))


@example("Embedding")
def embedding(nn):
    return nn.Embedding(4, 3)


@example("Dropout in evaluation", 3, 4)
def dropout_in_evaluation(nn):
    return nn.Dropout(0.5).eval()


@example("ReflectionPad2d", 1, 2, 4, 3)
def reflection_pad2d(nn):
    return nn.ReflectionPad2d((1, 0, 2, 1))


@example("Upsample", 1, 2, 2, 3)
def upsample(nn):
    return nn.Upsample(scale_factor=2, mode="bilinear")


@example("PixelShuffle", 1, 4, 2, 2)
def pixel_shuffle(nn):
    return nn.PixelShuffle(2)


@example("Sequential", 5, 3)
def sequential(nn):
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LeakyReLU(0.2), nn.Linear(4, 1))


# Layers as people who come from PyTorch write them, and the shapes of their inputs.
CALLS = """
    Linear(3, 2, False)                                4 3
    Conv2d(2, 3, 4, 2, 1)                              2 2 6 4
    Conv2d(2, 3, 3, 1, 1, 1, 1, False)                 1 2 3 4
    Conv2d(2, 3, kernel_size=1)                        1 2 3 4
    ConvTranspose2d(2, 3, 4, 2, 1)                     2 2 3 2
    ConvTranspose2d(2, 3, 3, 2, 1, 1, 1, False)        1 2 2 3
    BatchNorm2d(2, 0.8)                                2 2 3 3
    BatchNorm2d(2, 1e-3, 0.3, False)                   2 2 3 3
    BatchNorm2d(2, track_running_stats=False)          2 2 3 3
    BatchNorm1d(3, 0.8)                                4 3
    InstanceNorm2d(2, 1e-3, 0.1, True)                 2 2 3 2
    InstanceNorm2d(2, track_running_stats=True)        2 2 3 2
    InstanceNorm2d(2, 1e-5, 0.3, True, True)           2 2 3 2
    InstanceNorm2d(2, affine=False, track_running_stats=False)  2 2 3 2
    LayerNorm((3, 2), 1e-3)                            4 3 2
    LayerNorm(2, elementwise_affine=False)             4 3 2
    LayerNorm(2, bias=False)                           4 3 2
    LeakyReLU(0.2, False)                              3 4
    ReLU(False)                                        3 4
    PReLU()                                            2 3 2
    PReLU(3, 0.1)                                      2 3 2
    ELU()                                              3 4
    ELU(0.5)                                           3 4
    SiLU()                                             3 4
    GELU()                                             3 4
    GELU("tanh")                                       3 4
    Softplus()                                         3 4
    Softmax(1)                                         3 4
    Softmax(dim=0)                                     3 4
    LogSoftmax(1)                                      3 4
    Identity()                                         3 4
    Identity(54, unused=0.1)                           3 4
    Dropout(0.5, True).eval()                          3 4
    Dropout2d(0.5).eval()                              2 3 2 2
    Flatten(1)                                         2 3 2
    ReflectionPad2d(1)                                 1 2 4 3
    ReplicationPad2d((1, 2, 0, 3))                     1 2 4 3
    ZeroPad2d((1, 0, 1, 0))                            1 2 4 3
    ConstantPad2d(2, 0.5)                              1 2 2 3
    Upsample(None, 2)                                  1 2 2 3
    Conv2d(4, 6, 3, 1, 1, groups=2)                    2 4 3 4
    Conv2d(3, 3, 3, padding=1, groups=3, bias=False)   2 3 3 4
    Conv2d(2, 3, 3, 1, 2, 2)                           2 2 5 6
    Conv2d(2, 4, (3, 2), (2, 1), (1, 2), (2, 3), 2)    1 2 6 7
    Conv2d(2, 3, 3, padding="same")                    1 2 4 5
    Conv2d(2, 3, (2, 4), padding="same", dilation=2)   1 2 6 7
    Conv2d(2, 3, 3, padding="valid")                   1 2 4 5
    Conv2d(2, 3, 3, 1, 1, padding_mode="reflect")      1 2 4 5
    Conv2d(2, 3, 3, 2, (1, 2), padding_mode="replicate")  1 2 4 5
    Conv2d(2, 3, (2, 3), padding="same", padding_mode="reflect")  1 2 4 5
    ConvTranspose2d(4, 6, 3, 2, 1, 1, 2)               1 4 3 2
    ConvTranspose2d(2, 3, 3, 1, 0, 0, 1, True, 2)      1 2 3 2
    ConvTranspose2d(2, 4, (3, 2), 2, 1, 1, 2, False, (2, 3))  1 2 3 4
    Conv1d(2, 3, 3)                                    2 2 6
    Conv1d(4, 6, 3, 2, 1, 2, 2, False)                 2 4 9
    AvgPool2d(2)                                       2 2 4 5
    AvgPool2d(3, 2, 1)                                 1 2 5 6
    AvgPool2d(3, 2, 1, True)                           1 2 6 5
    AvgPool2d(3, 2, 1, True, False)                    1 2 6 5
    AvgPool2d((2, 3), stride=(1, 2))                   1 2 4 5
    MaxPool2d(2)                                       2 2 4 5
    MaxPool2d(3, 1, 1)                                 1 2 4 5
    MaxPool2d(3, stride=2, padding=1, ceil_mode=True)  1 2 6 6
    AdaptiveAvgPool2d(1)                               1 2 4 5
    AdaptiveAvgPool2d((3, 2))                          1 2 4 5
    AdaptiveAvgPool2d((None, 7))                       1 2 4 5
    GroupNorm(2, 4)                                    2 4 3 2
    GroupNorm(4, 4, 1e-3, False)                       2 4 3
    Upsample(scale_factor=2, mode="bilinear", align_corners=True)  1 2 3 2
    Upsample((5, 1), None, "bilinear", True)           1 2 3 2
    Sequential(OrderedDict(a=Linear(3, 2), b=Tanh()))  4 3
"""
for _line in CALLS.strip().splitlines():
    _call, _, _shape = _line.strip().partition("  ")
    example(_call, *map(int, _shape.split()))(functools.partial(evaluated, _call))


def layer(name, nn=mg.nn):
    """A layer of the table in training mode, and an input for it.

    The layer and the input are float64, but an Embedding takes integers.
    """
    make, shape = LAYERS[name]
    rng = np.random.default_rng(11)
    module = make(nn).double()
    if shape is None:
        return module, rng.integers(0, 4, (2, 3))
    return module, rng.standard_normal(shape)


def call_with(module, parameters, *xs):
    """module(*xs) with its parameters replaced, in order, by these tensors."""
    parameters = list(parameters)
    for owner in module.modules():
        for name, value in vars(owner).items():
            if isinstance(value, mg.Tensor) and value.requires_grad:
                vars(owner)[name] = parameters.pop(0)
    return module(*xs)
