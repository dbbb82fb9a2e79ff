"""What is wrong is refused where it enters, in one sentence with the offending value and what was
expected.

One table: a slip as a user would make it, the kind of error, and the words that its message must
hold.
"""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import minigan as mg
from minigan import functional as F
from minigan import nn, optim, rng
from minigan.models import dcgan
from minigan.ops import conv

IMAGE = mg.ones(2, 3, 4, 4)
KERNEL = mg.ones(5, 3, 3, 3)
MATRIX = mg.ones(3, 4)
LOGITS = mg.zeros(3)
ARRAY = np.ones((2, 3), np.float32)
INTEGERS = mg.tensor(np.arange(6).reshape(2, 3))
DOUBLE = mg.ones(5, 3, 3, 3, dtype=np.float64)


def parameter(*shape):
    return mg.ones(*shape, requires_grad=True)


def adam():
    return optim.Adam([parameter(2)])


def stepped(grad):
    p = parameter(2)
    p.grad = grad
    optim.Adam([p]).step()


def step_after_backward_graph():
    p = parameter(2)
    y = (p * p).sum()
    optimiser = optim.SGD([p])
    p.grad = mg.ones(2)
    optimiser.step()
    y.backward()


bce = F.binary_cross_entropy_with_logits
ce = F.cross_entropy

TABLE = {
    # ---- making tensors
    "nothing": (lambda: mg.tensor(None), TypeError, "got None numbers"),
    "a word": (lambda: mg.tensor("3"), TypeError, "got '3' numbers"),
    "a list with a hole": (lambda: mg.tensor([1.0, None]), TypeError, "[1.0, None] numbers"),
    "ragged lists": (lambda: mg.tensor([[1, 2], [3]]), ValueError, "(2,) inhomogeneous"),
    "complex numbers": (
        lambda: mg.tensor(np.ones(2, complex)),
        TypeError,
        "complex128 float32 float64",
    ),
    "half precision": (
        lambda: mg.tensor(np.ones(2, np.float16)),
        TypeError,
        "float16 float32 float64",
    ),
    "extended precision": (
        lambda: mg.tensor(np.ones(2, np.longdouble)),
        TypeError,
        "float32 float64",
    ),
    "integers that require grad": (
        lambda: mg.tensor(np.arange(2), requires_grad=True),
        TypeError,
        "int64 floating",
    ),
    "a negative size": (lambda: mg.zeros(-1), ValueError, "negative"),
    "a fractional size": (lambda: mg.randn(2.5), TypeError, "'float' integer"),
    # ---- seeds and devices
    "a negative seed": (lambda: mg.manual_seed(-1), ValueError, "-1 non-negative integer"),
    "a fractional seed": (lambda: mg.manual_seed(1.5), ValueError, "1.5 non-negative integer"),
    "a seed that is a flag": (
        lambda: mg.manual_seed(True),
        ValueError,
        "True non-negative integer",
    ),
    "a seed that is a word": (lambda: mg.manual_seed("7"), ValueError, "'7' non-negative integer"),
    "another generator's state": (
        lambda: rng.load_state_dict({"bit_generator": "MT19937"}),
        ValueError,
        "PCG64",
    ),
    "an unknown device": (lambda: mg.set_device("gpu"), ValueError, "'gpu' cpu"),
    "no device": (lambda: mg.set_device(None), ValueError, "None cpu"),
    "an unknown device for a block": (
        lambda: mg.device("tpu").__enter__(),
        ValueError,
        "'tpu' cpu",
    ),
    # ---- looking and changing
    "item of many": (lambda: MATRIX.item(), ValueError, "array of size 1"),
    "truth of many": (lambda: bool(MATRIX), ValueError, "(3, 4) ambiguous any() all()"),
    "length of a scalar": (lambda: len(mg.zeros()), TypeError, "len() unsized"),
    "iteration over a scalar": (lambda: list(mg.zeros()), TypeError, "len() unsized"),
    "copy of another shape": (lambda: mg.zeros(2, 3).copy_(np.ones(2)), ValueError, "(2,) (2, 3)"),
    "copy of more axes": (lambda: mg.zeros(3).copy_(np.ones((1, 3))), ValueError, "(1, 3) (3,)"),
    "in place on a leaf": (
        lambda: parameter(2).clamp_(0, 1),
        RuntimeError,
        "requires grad no_grad()",
    ),
    "order between a tensor and a word": (lambda: MATRIX > "0", TypeError, "'>' 'Tensor' 'str'"),
    # ---- operations
    "shapes that do not broadcast": (lambda: MATRIX + mg.ones(5), ValueError, "(3,4) (5,)"),
    "tensor plus nothing": (lambda: MATRIX + None, TypeError, "got None numbers"),
    "a word times a tensor": (lambda: "2" * MATRIX, TypeError, "got '2' numbers"),
    "matrices that do not fit": (lambda: MATRIX @ MATRIX, ValueError, "(3, 4) (3, 4) matmul"),
    "matrices of two dtypes": (
        lambda: MATRIX @ mg.ones(4, 2, dtype=np.float64),
        TypeError,
        "float32 float64 one dtype",
    ),
    "a matrix times a number": (lambda: MATRIX @ 2, ValueError, "matmul (3, 4) ()"),
    "reshape to another size": (lambda: MATRIX.reshape(5), ValueError, "12 (5,)"),
    "sum over an axis that is not there": (lambda: MATRIX.sum(2), IndexError, "dim=2 2"),
    "sum twice over an axis": (lambda: MATRIX.sum((0, -2)), IndexError, "(0, -2) different"),
    "flatten beyond the end": (lambda: MATRIX.flatten(2), IndexError, "dim=2"),
    "permute too few axes": (lambda: MATRIX.permute(0), ValueError, "(0,) all 2 (3, 4)"),
    "permute a missing axis": (lambda: MATRIX.permute(0, 2), IndexError, "(0, 2)"),
    "transpose a missing axis": (lambda: MATRIX.transpose(0, 2), IndexError, "2 out of bounds"),
    "expand an axis that is not 1": (lambda: MATRIX.expand(3, 5), ValueError, "(3,4) (3,5)"),
    "index beyond the end": (lambda: MATRIX[3], IndexError, "3 out of bounds size 3"),
    "index with a word": (lambda: MATRIX["x"], IndexError, "only integers"),
    "mean of nothing": (lambda: mg.zeros(0, 3).mean(), ValueError, "mean (0, 3) empty"),
    "mean of nothing along an axis": (
        lambda: mg.zeros(0, 3).mean(0),
        ValueError,
        "mean (0, 3) dim=0",
    ),
    "variance of one": (lambda: mg.zeros(1, 3).var(0), ValueError, "1 value unbiased=True (1, 3)"),
    "cat of nothing": (lambda: mg.cat([]), ValueError, "empty at least one"),
    "cat along a missing axis": (lambda: mg.cat([MATRIX, MATRIX], 2), IndexError, "dim=2 2"),
    "cat of other shapes": (lambda: mg.cat([MATRIX, mg.ones(3, 5)]), ValueError, "4 5 dimension"),
    "cat of two dtypes": (
        lambda: mg.cat([MATRIX, MATRIX.double()]),
        TypeError,
        "float32 float64 one dtype",
    ),
    "cat of arrays": (lambda: mg.cat([ARRAY, ARRAY]), TypeError, "ndarray Tensors"),
    "stack of nothing": (lambda: mg.stack([]), ValueError, "empty at least one"),
    "stack along a missing axis": (lambda: mg.stack([MATRIX, MATRIX], 3), IndexError, "dim=3 3"),
    # ---- arrays where tensors belong
    **{
        f"an array for F.{f.__name__}": (
            lambda f=f, x=x: f(ARRAY, *x),
            TypeError,
            "ndarray Tensors",
        )
        for f, *x in (
            (F.relu,),
            (F.tanh,),
            (F.log_softmax,),
            (F.linear, mg.ones(4, 3)),
            (F.dropout,),
            (F.batch_norm,),
            (F.layer_norm, 3),
            (F.conv2d, KERNEL),
            (F.flatten,),
            (F.maxout, 3),
            (F.pad, (1, 1)),
            (F.mse_loss, ARRAY),
            (F.l1_loss, ARRAY),
            (bce, 1.0),
            (ce, [0, 1]),
        )
    },
    "an array for a layer": (lambda: nn.Linear(3, 4)(ARRAY), TypeError, "ndarray Tensors"),
    "an array for a generator": (
        lambda: dcgan.Generator(3, 16, 1, 2)(ARRAY),
        TypeError,
        "ndarray Tensor",
    ),
    "an array for a discriminator": (
        lambda: dcgan.Discriminator(16, 1, 2)(np.ones((2, 1, 16, 16))),
        TypeError,
        "ndarray Tensor",
    ),
    # ---- convolutions
    "an image of three axes": (
        lambda: F.conv2d(mg.ones(3, 4, 4), KERNEL),
        ValueError,
        "(3, 4, 4) 4 axes",
    ),
    "an empty batch of images": (
        lambda: F.conv2d(mg.ones(0, 3, 4, 4), KERNEL),
        ValueError,
        "(0, 3, 4, 4) empty",
    ),
    "channels that do not fit": (
        lambda: F.conv2d(mg.ones(2, 4, 5, 5), KERNEL),
        ValueError,
        "4 channels (5, 3, 3, 3) 3",
    ),
    "a kernel larger than the image": (
        lambda: F.conv2d(IMAGE, mg.ones(5, 3, 7, 3)),
        ValueError,
        "(7, 3) (4, 4) (0, 0)",
    ),
    "dilation": (lambda: F.conv2d(IMAGE, KERNEL, dilation=2), ValueError, "dilation 2 only 1"),
    "groups": (lambda: F.conv2d(IMAGE, KERNEL, groups=3), ValueError, "groups 3 only 1"),
    "transposed dilation": (
        lambda: F.conv_transpose2d(IMAGE, mg.ones(3, 5, 3, 3), dilation=(2, 1)),
        ValueError,
        "(2, 1) only 1",
    ),
    "stride zero": (lambda: F.conv2d(IMAGE, KERNEL, stride=0), ValueError, "stride 0 at least 1"),
    "three strides": (
        lambda: F.conv2d(IMAGE, KERNEL, stride=(1, 1, 1)),
        ValueError,
        "stride (1, 1, 1) pair",
    ),
    "negative padding": (
        lambda: F.conv2d(IMAGE, KERNEL, padding=-1),
        ValueError,
        "padding -1 at least 0",
    ),
    "padding by name": (
        lambda: F.conv2d(IMAGE, KERNEL, padding="same"),
        ValueError,
        "padding 'same' int",
    ),
    "fractional padding": (
        lambda: F.conv2d(IMAGE, KERNEL, padding=1.5),
        ValueError,
        "padding 1.5 int",
    ),
    "weights of another dtype": (lambda: F.conv2d(IMAGE, DOUBLE), TypeError, "float64 float32 one"),
    "an image of integers": (
        lambda: F.conv2d(mg.tensor(np.ones((1, 3, 4, 4), int)), KERNEL),
        TypeError,
        "int64 floating",
    ),
    "a bias of another length": (
        lambda: F.conv2d(IMAGE, KERNEL, mg.ones(4)),
        ValueError,
        "bias (4,) (5,)",
    ),
    "transposed channels": (
        lambda: F.conv_transpose2d(IMAGE, KERNEL),
        ValueError,
        "3 channels (5, 3, 3, 3) 5",
    ),
    "output padding of a stride": (
        lambda: F.conv_transpose2d(IMAGE, mg.ones(3, 5, 3, 3), stride=2, output_padding=2),
        ValueError,
        "output_padding (2, 2) smaller (2, 2)",
    ),
    "an output that vanishes": (
        lambda: F.conv_transpose2d(IMAGE, mg.ones(3, 5, 1, 1), padding=2),
        ValueError,
        "(4, 4) (0, 0)",
    ),
    # ---- the other layers
    "features that do not fit": (
        lambda: F.linear(mg.ones(2, 4), mg.ones(5, 3)),
        ValueError,
        "(2, 4) (5, 3)",
    ),
    "features of two dtypes": (
        lambda: F.linear(mg.ones(2, 3, dtype=np.float64), mg.ones(5, 3)),
        ValueError,
        "float64 float32",
    ),
    "a weight that is no matrix": (
        lambda: F.linear(mg.ones(2, 3), mg.ones(3)),
        ValueError,
        "(2, 3) (3,)",
    ),
    "a linear bias of another length": (
        lambda: F.linear(mg.ones(2, 3), mg.ones(5, 3), mg.ones(4)),
        ValueError,
        "(4,) (5,)",
    ),
    "one value per channel": (
        lambda: F.batch_norm(mg.ones(1, 3), training=True),
        ValueError,
        "more than one (1, 3)",
    ),
    "one pixel of one image": (
        lambda: nn.BatchNorm2d(3)(mg.ones(1, 3, 1, 1)),
        ValueError,
        "more than one (1, 3, 1, 1)",
    ),
    "batch norm of nothing": (
        lambda: F.batch_norm(mg.ones(0, 3), training=True),
        ValueError,
        "(0, 3) empty",
    ),
    "batch norm of integers": (
        lambda: F.batch_norm(INTEGERS, training=True),
        ValueError,
        "int64 floats",
    ),
    "batch norm of five axes": (
        lambda: F.batch_norm(mg.ones(1, 2, 3, 4, 5), training=True),
        ValueError,
        "(1, 2, 3, 4, 5) 2 to 4",
    ),
    "a negative eps": (
        lambda: F.batch_norm(IMAGE, training=True, eps=-1e-5),
        ValueError,
        "-1e-05 at least 0",
    ),
    "a negative slope in batch norm": (
        lambda: F.batch_norm(IMAGE, training=True, negative_slope=-0.2),
        ValueError,
        "-0.2 at least 0",
    ),
    "batch norm's weight": (
        lambda: F.batch_norm(IMAGE, weight=mg.ones(4), training=True),
        ValueError,
        "weight (4,) (3,)",
    ),
    "half of the statistics": (
        lambda: F.batch_norm(IMAGE, mg.ones(3), training=True),
        ValueError,
        "running_var None both",
    ),
    "evaluation without statistics": (lambda: F.batch_norm(IMAGE), ValueError, "running_mean None"),
    "channels of BatchNorm2d": (
        lambda: nn.BatchNorm2d(4)(IMAGE),
        ValueError,
        "BatchNorm2d(4) (2, 3, 4, 4) 4",
    ),
    "axes of BatchNorm2d": (
        lambda: nn.BatchNorm2d(3)(mg.ones(2, 3)),
        ValueError,
        "BatchNorm2d(3) (2, 3) 4 axes",
    ),
    "momentum by position": (lambda: nn.BatchNorm2d(3, 0.8), TypeError, "positional"),
    "instance norm of one pixel": (
        lambda: F.instance_norm(mg.ones(2, 3, 1, 1)),
        ValueError,
        "(2, 3, 1, 1) more than one",
    ),
    "instance norm's weight": (
        lambda: F.instance_norm(IMAGE, mg.ones(4)),
        ValueError,
        "(3,) (2, 3, 4, 4)",
    ),
    "layer norm's shape": (lambda: F.layer_norm(IMAGE, (3, 4)), ValueError, "(2, 3, 4, 4) (3, 4)"),
    "layer norm's weight": (lambda: F.layer_norm(IMAGE, 4, mg.ones(3)), ValueError, "weight (4,)"),
    "a slope to be learned": (
        lambda: F.leaky_relu(IMAGE, parameter()),
        TypeError,
        "negative_slope Tensor number gradient",
    ),
    "a tensor as array": (
        lambda: mg.Tensor(parameter(2)),
        TypeError,
        "requires grad numbers detach()",
    ),
    "a negative slope": (lambda: F.leaky_relu(IMAGE, -0.2), ValueError, "-0.2 at least 0"),
    "a slope that is no number": (
        lambda: F.leaky_relu(IMAGE, float("nan")),
        ValueError,
        "nan at least 0",
    ),
    "a dropout probability above one": (lambda: F.dropout(IMAGE, 1.5), ValueError, "1.5 0 to 1"),
    "maxout that does not divide": (
        lambda: F.maxout(mg.ones(2, 7), 2),
        ValueError,
        "(2, 7) pieces=2",
    ),
    "maxout of no pieces": (lambda: F.maxout(mg.ones(2, 7), 0), ValueError, "(2, 7) pieces=0"),
    "padding by one number": (lambda: F.pad(IMAGE, 1), ValueError, "(1,) pairs"),
    "padding of half a pair": (lambda: F.pad(IMAGE, (1, 2, 3)), ValueError, "(1, 2, 3) pairs"),
    "cropping by padding": (lambda: F.pad(IMAGE, (-1, 0)), ValueError, "(-1, 0) non-negative"),
    "reflection beyond the image": (
        lambda: F.pad(IMAGE, (4, 0), mode="reflect"),
        ValueError,
        "(4, 0) (2, 3, 4, 4) larger",
    ),
    "an unknown padding mode": (
        lambda: F.pad(IMAGE, (1, 1), mode="wrap"),
        ValueError,
        "'wrap' 'constant' 'reflect'",
    ),
    "resizing to nothing": (
        lambda: F.interpolate(IMAGE, scale_factor=0.1),
        ValueError,
        "[0, 0] size",
    ),
    "resizing nothing": (
        lambda: F.interpolate(mg.ones(1, 1, 0, 4), 8),
        ValueError,
        "0 x 4 at least 1 x 1",
    ),
    "resizing in three axes": (
        lambda: F.interpolate(IMAGE, (8, 8, 8)),
        ValueError,
        "(8, 8, 8) a pair",
    ),
    "scaling in one axis": (
        lambda: F.interpolate(IMAGE, scale_factor=(2,)),
        ValueError,
        "(2,) a pair",
    ),
    "a size below none": (lambda: mg.ones(2, 3).reshape(-2, 3), ValueError, "(2, 3) (-2, 3) -1"),
    "resizing to no size": (lambda: F.interpolate(IMAGE), ValueError, "None one of"),
    "an unknown interpolation": (
        lambda: F.interpolate(IMAGE, 8, mode="cubic"),
        ValueError,
        "'cubic' nearest bilinear",
    ),
    "resizing three axes": (
        lambda: F.interpolate(mg.ones(3, 4, 4), 8),
        ValueError,
        "(3, 4, 4) (N, C, H, W)",
    ),
    "shuffling what does not divide": (
        lambda: F.pixel_shuffle(IMAGE, 2),
        ValueError,
        "(2, 3, 4, 4) C * 2 * 2",
    ),
    "shuffling two axes": (lambda: F.pixel_shuffle(MATRIX, 2), ValueError, "(3, 4) (N, C"),
    "an index outside the table": (
        lambda: nn.Embedding(3, 2)([0, 3]),
        IndexError,
        "Embedding 0 to 3 0 to 2",
    ),
    "a fractional index": (lambda: nn.Embedding(3, 2)(LOGITS), TypeError, "float32 integers"),
    "a layer without inputs": (lambda: nn.Linear(0, 3), ValueError, "(3, 0) at least one"),
    "a layer of fewer than no outputs": (
        lambda: nn.Linear(3, -1),
        ValueError,
        "(-1, 3) at least one",
    ),
    "half a channel": (lambda: nn.Conv2d(3, 2.5, 3), ValueError, "(2.5, 3, 3, 3) whole numbers"),
    "a dilated layer": (
        lambda: nn.Conv2d(3, 3, 3, dilation=2),
        ValueError,
        "dilation 2 not supported",
    ),
    "a layer of groups": (
        lambda: nn.ConvTranspose2d(4, 4, 3, groups=2),
        ValueError,
        "groups 2 not supported",
    ),
    "a kernel of no size": (lambda: nn.Conv2d(3, 3, 0), ValueError, "kernel_size 0 at least 1"),
    "a function in Sequential": (
        lambda: nn.Sequential(nn.ReLU(), F.tanh),
        TypeError,
        "layer 1 function Module",
    ),
    "a list in Sequential": (lambda: nn.Sequential([nn.ReLU()]), TypeError, "layer 0 list Module"),
    "a module without forward": (lambda: nn.Module()(IMAGE), NotImplementedError, "Module forward"),
    # ---- losses
    "a label above one": (lambda: bce(LOGITS, 1.2), ValueError, "1.2 [0, 1]"),
    "a label below zero": (
        lambda: bce(LOGITS, mg.tensor([0.0, 0.5, -0.1])),
        ValueError,
        "-0.1 [0, 1]",
    ),
    "labels with NaN": (lambda: bce(LOGITS, np.array([0, np.nan, 1])), ValueError, "nan [0, 1]"),
    "maps of another batch": (
        lambda: conv.conv2d_weight_grad(mg.ones(2, 1, 4, 4), mg.ones(1, 1, 3, 3), 2),
        ValueError,
        "(1, 1, 3, 3) (2, K, 3, 3)",
    ),
    "a map of another size": (
        lambda: conv.conv2d_weight_grad(mg.ones(1, 1, 4, 4), mg.ones(1, 1, 9, 9), 2),
        ValueError,
        "(1, 1, 9, 9) (1, K, 3, 3)",
    ),
    "a map of another dtype": (
        lambda: conv.conv2d_weight_grad(mg.ones(1, 1, 2, 2), mg.ones(1, 1, 1, 1).double(), 2),
        TypeError,
        "float64 float32",
    ),
    "a short bias": (
        lambda: conv.add_bias(mg.ones(2, 3), mg.ones(2)),
        ValueError,
        "(2, 3) (2,) (C,)",
    ),
    "a bias of one for all": (
        lambda: conv.add_bias(mg.ones(2, 3), mg.ones(1)),
        ValueError,
        "(2, 3) (1,)",
    ),
    "labels of another shape": (lambda: bce(LOGITS, np.ones((3, 1))), ValueError, "(3, 1) (3,)"),
    "labels of another dtype": (
        lambda: bce(LOGITS, mg.ones(3, dtype=np.float64)),
        ValueError,
        "float64 float32",
    ),
    "no labels": (lambda: bce(LOGITS, None), ValueError, "() (3,)"),
    "logits of integers": (lambda: bce(INTEGERS, 1.0), TypeError, "int64 float32"),
    "the mean loss of nobody": (lambda: bce(mg.zeros(0), 1.0), ValueError, "(0,) empty"),
    "the mean square of nothing": (
        lambda: F.mse_loss(mg.zeros(0, 3), 1.0),
        ValueError,
        "(0, 3) empty",
    ),
    "a list that would broadcast": (
        lambda: F.l1_loss(mg.zeros(2, 3), [1, 2, 3]),
        ValueError,
        "(3,) (2, 3)",
    ),
    "targets that would broadcast": (
        lambda: F.mse_loss(mg.zeros(3, 1), mg.zeros(3)),
        ValueError,
        "(3,) (3, 1)",
    ),
    "targets that would broadcast in l1": (
        lambda: F.l1_loss(mg.zeros(3, 1), mg.zeros(3)),
        ValueError,
        "(3,) (3, 1)",
    ),
    "an unknown reduction": (
        lambda: F.mse_loss(LOGITS, LOGITS, reduction="avg"),
        ValueError,
        "'avg' mean sum none",
    ),
    "an unknown reduction of bce": (
        lambda: bce(LOGITS, 1.0, reduction=None),
        ValueError,
        "None mean sum none",
    ),
    "a class that is not there": (lambda: ce(mg.zeros(2, 3), [0, 3]), IndexError, "0 to 3 0 to 2"),
    "a negative class": (lambda: ce(mg.zeros(2, 3), [-1, 0]), IndexError, "-1 to 0 0 to 2"),
    "fractional classes": (lambda: ce(mg.zeros(2, 3), np.zeros(2)), TypeError, "float64 integers"),
    "classes of pixels": (
        lambda: ce(mg.zeros(4, 3, 2), np.zeros((4, 2), int)),
        ValueError,
        "(4, 3, 2) (4, 2) (N,)",
    ),
    "logits of one": (lambda: ce(mg.zeros(3), 1), ValueError, "(3,) () (N, classes)"),
    "too few classes": (lambda: ce(mg.zeros(2, 3), [0]), ValueError, "(2, 3) (1,)"),
    # ---- gradients
    "grad of a float": (lambda: mg.grad(1.0, parameter(2)), TypeError, "float Tensors"),
    "grad for an array": (lambda: mg.grad(parameter(2).sum(), ARRAY), TypeError, "ndarray Tensors"),
    "grad for frozen inputs": (
        lambda: mg.grad((p := parameter(2)).sum(), [p, MATRIX]),
        RuntimeError,
        "[1] of 2 require grad",
    ),
    "grad of a frozen output": (
        lambda: mg.grad(MATRIX.sum(), parameter(2)),
        RuntimeError,
        "() does not require grad",
    ),
    "grad of a vector": (
        lambda: mg.grad((p := parameter(2)) * 2, p),
        RuntimeError,
        "(2,) no scalar needs g",
    ),
    "a seed of another shape": (
        lambda: (parameter(2) * 2).backward(mg.ones(3)),
        ValueError,
        "(3,) (2,)",
    ),
    "a seed of another dtype": (
        lambda: (parameter(2) * 2).backward(mg.ones(2, dtype=np.float64)),
        ValueError,
        "float64 float32",
    ),
    "too few seeds": (
        lambda: mg.grad([(p := parameter(2)) * 2, p], p, [mg.ones(2)]),
        ValueError,
        "2 outputs 1 grad_outputs",
    ),
    "backward of data": (lambda: MATRIX.sum().backward(), RuntimeError, "() does not require grad"),
    "a changed parameter": (
        step_after_backward_graph,
        RuntimeError,
        "mul (2,) in place version 1 expected 0",
    ),
    "gradcheck in float32": (
        lambda: mg.gradcheck(F.tanh, MATRIX),
        TypeError,
        "float64 input 0 float32",
    ),
    # ---- layers
    "a stride of 0": (lambda: nn.Conv2d(3, 4, 3, stride=0), ValueError, "stride 0 at least 1"),
    "a negative padding": (
        lambda: nn.Conv2d(3, 4, 3, padding=-1),
        ValueError,
        "padding -1 at least 0",
    ),
    "half a pixel": (
        lambda: nn.ConvTranspose2d(3, 4, 3, output_padding=0.5),
        ValueError,
        "output_padding 0.5 pair",
    ),
    "no features": (
        lambda: nn.BatchNorm2d(0),
        ValueError,
        "num_features 0 whole number at least 1",
    ),
    "a layer's negative eps": (
        lambda: nn.InstanceNorm2d(3, eps=-1),
        ValueError,
        "eps -1 at least 0",
    ),
    "too much momentum": (
        lambda: nn.BatchNorm1d(3, momentum=1.5),
        ValueError,
        "momentum 1.5 from 0 to 1",
    ),
    "too much dropout": (lambda: nn.Dropout(2), ValueError, "p 2 from 0 to 1"),
    "a slope in words": (lambda: nn.LeakyReLU("0.2"), ValueError, "negative_slope '0.2' number"),
    "two edges of four": (
        lambda: nn.ReflectionPad2d((1, 1)),
        ValueError,
        "(1, 1) (left, right, top, bottom)",
    ),
    "a copy of nothing": (lambda: mg.ones(2).copy_(None), TypeError, "copy_ None numbers"),
    "axes from behind": (lambda: mg.ones(2, 3).flatten(1, 0), ValueError, "start_dim 1 end_dim 0"),
    "a check of nothing": (
        lambda: mg.gradcheck(lambda x: x, [DOUBLE], order=0),
        ValueError,
        "order 0 at least 1",
    ),
    "a copy of another shape": (lambda: mg.ones(2, 3).copy_(mg.ones(4)), ValueError, "(4,) (2, 3)"),
    # ---- optimisers
    "no parameters": (lambda: optim.SGD([]), ValueError, "SGD no parameters"),
    "an array as parameter": (lambda: optim.SGD([ARRAY]), TypeError, "SGD number 0 ndarray leaf"),
    "a tensor instead of a list": (
        lambda: optim.SGD(parameter(2, 3)),
        TypeError,
        "number 0 getitem leaf",
    ),
    "a frozen parameter": (
        lambda: optim.SGD([parameter(2), MATRIX]),
        TypeError,
        "number 1 requires none leaf",
    ),
    "a parameter twice": (
        lambda: optim.SGD([p := parameter(2), p]),
        ValueError,
        "parameter 1 of 2 twice once",
    ),
    "a negative learning rate": (
        lambda: optim.SGD([parameter(2)], lr=-1),
        ValueError,
        "lr -1 at least 0",
    ),
    "a learning rate of NaN": (
        lambda: optim.Adam([parameter(2)], lr=float("nan")),
        ValueError,
        "lr nan finite",
    ),
    "an infinite decay": (
        lambda: optim.SGD([parameter(2)], weight_decay=float("inf")),
        ValueError,
        "weight_decay inf finite",
    ),
    "a learning rate in words": (
        lambda: optim.RMSprop([parameter(2)], lr="0.1"),
        ValueError,
        "lr '0.1' finite number",
    ),
    "beta of one": (
        lambda: optim.Adam([parameter(2)], betas=(0.5, 1.0)),
        ValueError,
        "(0.5, 1.0) [0, 1)",
    ),
    "one beta": (lambda: optim.Adam([parameter(2)], betas=0.5), ValueError, "0.5 two numbers"),
    "nesterov without momentum": (
        lambda: optim.SGD([parameter(2)], nesterov=True),
        ValueError,
        "momentum above 0",
    ),
    "a gradient of another shape": (
        lambda: stepped(mg.zeros(3)),
        ValueError,
        "Adam (3,) (2,) float32",
    ),
    "a gradient of another dtype": (
        lambda: stepped(mg.zeros(2, dtype="float64")),
        ValueError,
        "float64 float32",
    ),
    "an array as gradient": (lambda: stepped(np.zeros(2)), ValueError, "ndarray (2,) Tensor"),
    "an empty optimiser state": (lambda: adam().load_state_dict({}), ValueError, "[] param_groups"),
    "steps of no size": (lambda: optim.StepLR(adam(), 0), ValueError, "step_size 0 at least 1"),
    "a decay of no length": (
        lambda: optim.ConstantThenLinearLR(adam(), 5, 0),
        ValueError,
        "linear 0 at least",
    ),
    "an average that never moves": (
        lambda: optim.ExponentialMovingAverage(nn.Linear(2, 2), 1.0),
        ValueError,
        "1.0 decay < 1",
    ),
    # ---- networks
    "an image size between": (
        lambda: dcgan.Generator(image_size=48),
        ValueError,
        "48 16, 32, 64 or 128",
    ),
    "an image size for D": (
        lambda: dcgan.Discriminator(image_size=0),
        ValueError,
        "0 16, 32, 64 or 128",
    ),
    "latents of another length": (
        lambda: dcgan.Generator(3, 16, 1, 2)(mg.ones(2, 4)),
        ValueError,
        "(2, 4) (N, 3)",
    ),
    "latents of another dtype": (
        lambda: dcgan.Generator(3, 16, 1, 2)(mg.ones(2, 3, dtype=np.float64)),
        TypeError,
        "float32 float64",
    ),
    "images of another size": (
        lambda: dcgan.Discriminator(16, 1, 2)(mg.ones(2, 1, 32, 32)),
        ValueError,
        "(2, 1, 32, 32) (N, 1, 16, 16)",
    ),
    "logits for nobody": (lambda: dcgan.generator_loss(mg.zeros(0)), ValueError, "(0,) empty"),
    "a real label above one": (
        lambda: dcgan.discriminator_loss(LOGITS, LOGITS, real_label=1.1),
        ValueError,
        "1.1 [0, 1]",
    ),
}


@pytest.mark.parametrize("slip, kind, words", TABLE.values(), ids=list(TABLE))
def test_it_is_refused_in_one_sentence(slip, kind, words, request):
    if mg.devices.name == "cuda" and request.node.callspec.id in (
        "a label below zero",
        "labels with NaN",
    ):
        pytest.skip("numbers on a GPU are not read for a check: that would mean to wait for it")
    with pytest.raises(kind) as refusal:
        slip()
    message = str(refusal.value)
    assert "\n" not in message
    assert len(message) < 300
    for word in re.findall(r"\([^)]*\)|\[[^\])]*[\])]|\S+", words):
        assert word in message, f"{word!r} is missing in: {message}"


def test_a_device_in_the_environment_is_checked_when_it_is_needed():
    result = subprocess.run(
        [sys.executable, "-c", "import minigan; minigan.zeros(2)"],
        capture_output=True,
        text=True,
        env={**os.environ, "MINIGAN_DEVICE": "abacus"},
    )
    assert result.returncode == 1
    assert "unknown device 'abacus' (MINIGAN_DEVICE says so)" in result.stderr.splitlines()[-1]


def test_the_device_in_use_stays_after_a_refusal():
    before = mg.devices.name
    with pytest.raises(ValueError, match="'gpu'"):
        mg.set_device("gpu")
    with mg.device(before):
        pass
    assert mg.devices.name == before
