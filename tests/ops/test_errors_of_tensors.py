"""Tensors and convolutions refuse what is wrong where it enters, in one sentence."""

import numpy as np
import pytest
from refusals import assert_refused

import minigan as mg
from minigan import functional as F
from minigan import nn, rng
from minigan.models import dcgan

IMAGE = mg.ones(2, 3, 4, 4)
KERNEL = mg.ones(5, 3, 3, 3)
MATRIX = mg.ones(3, 4)
ARRAY = np.ones((2, 3), np.float32)
DOUBLE = mg.ones(5, 3, 3, 3, dtype=np.float64)


def parameter(*shape):
    return mg.ones(*shape, requires_grad=True)


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
    "a negative seed": (lambda: mg.manual_seed(-1), ValueError, "-1 whole number of at least 0"),
    "a fractional seed": (
        lambda: mg.manual_seed(1.5),
        ValueError,
        "1.5 whole number of at least 0",
    ),
    "a seed that is a flag": (
        lambda: mg.manual_seed(True),
        ValueError,
        "True whole number of at least 0",
    ),
    "a seed that is a word": (
        lambda: mg.manual_seed("7"),
        ValueError,
        "'7' whole number of at least 0",
    ),
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
    "dilation": (lambda: F.conv2d(IMAGE, KERNEL, dilation=0), ValueError, "dilation 0 at least 1"),
    "groups": (lambda: F.conv2d(IMAGE, KERNEL, groups=3), ValueError, "groups=3"),
    "transposed dilation": (
        lambda: F.conv_transpose2d(IMAGE, mg.ones(3, 5, 3, 3), dilation=(2, -1)),
        ValueError,
        "(2, -1) at least 1",
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
        lambda: F.conv2d(IMAGE, KERNEL, padding="half"),
        ValueError,
        "padding 'half' numbers",
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
    "a weight that is not a matrix": (
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
}


@pytest.mark.parametrize("slip, kind, words", TABLE.values(), ids=list(TABLE))
def test_it_is_refused_in_one_sentence(slip, kind, words):
    assert_refused(slip, kind, words)
