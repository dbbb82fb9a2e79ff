"""Norms, activations, resizing, layers and networks refuse what is wrong in one sentence."""

import numpy as np
import pytest
from refusals import assert_refused

import minigan as mg
from minigan import functional as F
from minigan import nn
from minigan.ops import conv

IMAGE = mg.ones(2, 3, 4, 4)
MATRIX = mg.ones(3, 4)
LOGITS = mg.zeros(3)
INTEGERS = mg.tensor(np.arange(6).reshape(2, 3))


def parameter(*shape):
    return mg.ones(*shape, requires_grad=True)


bce = F.binary_cross_entropy_with_logits
ce = F.cross_entropy


TABLE = {
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
    "instance norm of one pixel": (
        lambda: F.instance_norm(mg.ones(2, 3, 1, 1)),
        ValueError,
        "(2, 3, 1, 1) more than one",
    ),
    "instance norm's weight": (
        lambda: F.instance_norm(IMAGE, weight=mg.ones(4)),
        ValueError,
        "(3,) (2, 3, 4, 4)",
    ),
    "instance norm's means": (lambda: F.instance_norm(IMAGE, IMAGE), ValueError, "running_mean"),
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
    "a slope that is not a number": (
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
    "maxout of no pieces": (lambda: F.maxout(mg.ones(2, 7), 0), ValueError, "pieces 0 whole"),
    "maxout of half pieces": (lambda: F.maxout(mg.ones(2, 7), 3.5), ValueError, "pieces 3.5 whole"),
    "maxout along no axis": (lambda: F.maxout(mg.ones(2, 7), 7, 2), IndexError, "dim=2 axes"),
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
        "size 0 x 0",
    ),
    "resizing to no pixels": (lambda: F.interpolate(IMAGE, (0, 3)), ValueError, "size 0 whole"),
    "resizing to half a pixel": (lambda: F.interpolate(IMAGE, 2.5), ValueError, "size 2.5 whole"),
    "padding by half a pixel": (lambda: F.pad(IMAGE, (1, 0.5)), ValueError, "(1, 0.5) ints"),
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
    "shuffling by a fraction": (
        lambda: F.pixel_shuffle(IMAGE, 2.0),
        ValueError,
        "upscale_factor 2.0 whole",
    ),
    "shuffling two axes": (lambda: F.pixel_shuffle(MATRIX, 2), ValueError, "(3, 4) (N, C"),
    "an index outside the table": (
        lambda: nn.Embedding(3, 2)([0, 3]),
        IndexError,
        "embedding 0 to 3 0 to 2",
    ),
    "a fractional index": (lambda: nn.Embedding(3, 2)(LOGITS), TypeError, "float32 integers"),
    "a layer without inputs": (lambda: nn.Linear(0, 3), ValueError, "(3, 0) at least one"),
    "a layer of fewer than no outputs": (
        lambda: nn.Linear(3, -1),
        ValueError,
        "(-1, 3) at least one",
    ),
    "half a channel": (lambda: nn.Conv2d(3, 2.5, 3), ValueError, "channels 2.5 a whole number"),
    "groups that do not divide the channels": (
        lambda: nn.Conv2d(3, 4, 3, groups=2),
        ValueError,
        "3 and 4 channels 2 groups",
    ),
    "groups that do not fit the weight": (
        lambda: F.conv2d(IMAGE, mg.ones(2, 3, 1, 1), groups=3),
        ValueError,
        "(2, 3, 4, 4) (2, 3, 1, 1) groups=3",
    ),
    "transposed groups that do not fit": (
        lambda: F.conv_transpose2d(IMAGE, mg.ones(3, 2, 1, 1), groups=2),
        ValueError,
        "3 channels 2 groups",
    ),
    "same padding with a stride": (
        lambda: F.conv2d(IMAGE, mg.ones(2, 3, 3, 3), padding="same", stride=2),
        ValueError,
        "'same' (2, 2)",
    ),
    "an unknown padding": (
        lambda: F.conv2d(IMAGE, mg.ones(2, 3, 3, 3), padding="full"),
        ValueError,
        "'full'",
    ),
    "a padding mode": (
        lambda: nn.Conv2d(3, 3, 3, padding_mode="circular"),
        ValueError,
        "'circular'",
    ),
    "lines of another shape": (
        lambda: F.conv1d(IMAGE, mg.ones(2, 3, 3)),
        ValueError,
        "(2, 3, 4, 4) (2, 3, 3)",
    ),
    "a window that does not fit": (
        lambda: F.avg_pool2d(IMAGE, 5),
        ValueError,
        "5 4 pixels",
    ),
    "a window in the padding": (
        lambda: F.max_pool2d(IMAGE, 2, 2, 2),
        ValueError,
        "(2, 2) at most half",
    ),
    "a dilated window": (
        lambda: F.max_pool2d(IMAGE, 2, dilation=2),
        ValueError,
        "dilation is 2",
    ),
    "a size of images for lines": (
        lambda: F.adaptive_avg_pool2d(mg.ones(2, 3, 4), 1),
        ValueError,
        "(2, 3, 4)",
    ),
    "groups of channels": (
        lambda: F.group_norm(IMAGE, 2),
        ValueError,
        "(2, 3, 4, 4) num_groups=2",
    ),
    "aligned corners of nearest pixels": (
        lambda: F.interpolate(IMAGE, 2, align_corners=True),
        ValueError,
        "align_corners 'nearest'",
    ),
    "half a group": (
        lambda: nn.ConvTranspose2d(4, 4, 3, groups=0.5),
        ValueError,
        "groups is 0.5",
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
}


@pytest.mark.parametrize("slip, kind, words", TABLE.values(), ids=list(TABLE))
def test_it_is_refused_in_one_sentence(slip, kind, words):
    assert_refused(slip, kind, words)
