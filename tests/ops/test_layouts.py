"""The layout of an array in memory does not change a number."""

import numpy as np
import pytest

import minigan as mg
from minigan import functional as F

# ---- layouts: functions of an array that give the same values, stored in another way -------------


def reversed_ends(a):
    stored = np.ascontiguousarray(a[::-1, ..., ::-1])
    return stored[::-1, ..., ::-1]


def transposed(a):
    return np.ascontiguousarray(a.T).T


def channels_last(a):
    moved = np.moveaxis(a, 1, -1)
    stored = np.ascontiguousarray(moved)
    return np.moveaxis(stored, -1, 1)


def every_other(a):
    larger = a.repeat(2, axis=0)
    larger = larger.repeat(3, axis=-1)
    return larger[::2, ..., ::3]


def read_only(a):
    larger = np.broadcast_to(a, (1, *a.shape))
    return larger[0]


def inside_a_larger_one(a):
    inside = (slice(1, -1),) * a.ndim
    return np.pad(a, 1)[inside]


LAYOUTS = {
    "reversed": reversed_ends,
    "transposed": transposed,
    "channels last": channels_last,
    "every other": every_other,
    "read-only": read_only,
    "big": inside_a_larger_one,
}


# ---- functions -----------------------------------------------------------------------------------

FUNCTIONS = {}


def function(name, *shapes):
    """A decorator: this function, of arrays with these shapes, is a row of the table."""

    def add(f):
        FUNCTIONS[name] = (f, shapes)
        return f

    return add


function("linear", (5, 3), (4, 3))(F.linear)
function("instance_norm", (2, 3, 4, 4))(F.instance_norm)
function("sigmoid", (4, 3, 5))(F.sigmoid)
function("mse", (4, 3), (4, 3))(F.mse_loss)
function("log_softmax", (4, 3))(F.log_softmax)


@function(
    "conv2d",
    (2, 3, 6, 6),
    (4, 3, 3, 3),
)
@function(
    "conv2d 4x4",
    (2, 16, 8, 8),
    (16, 16, 4, 4),
)
def convolution(x, w):
    return F.conv2d(x, w, stride=2, padding=1)


@function(
    "conv_transpose2d",
    (2, 3, 4, 4),
    (3, 5, 4, 4),
)
def transposed_convolution(x, w):
    return F.conv_transpose2d(x, w, stride=2, padding=1)


@function(
    "matmul",
    (2, 3, 4),
    (2, 4, 5),
)
def product(x, y):
    return x @ y


@function("batch_norm", (4, 3, 5, 2))
def fused_batch_norm(x):
    return F.batch_norm(x, training=True, negative_slope=0.2)


@function("batch_norm of rows", (6, 3))
def batch_norm(x):
    return F.batch_norm(x, training=True)


@function("layer_norm", (3, 4, 5))
def layer_norm(x):
    return F.layer_norm(x, x.shape[1:])


@function("leaky_relu", (4, 3, 5))
def leaky_relu(x):
    return F.leaky_relu(x, 0.2)


@function(
    "bce",
    (4, 3),
    (4, 3),
)
def bce(x, t):
    return F.binary_cross_entropy_with_logits(x, F.sigmoid(t), reduction="none")


@function("maxout", (3, 4))
def maxout(x):
    return F.maxout(x, 2)


@function("pad", (2, 3, 4, 4))
def pad(x):
    return F.pad(x, (1, 2, 2, 1), mode="reflect")


@function("interpolate", (2, 3, 4, 4))
def interpolate(x):
    return F.interpolate(x, 7, mode="bilinear")


@function("pixel_shuffle", (2, 4, 3, 3))
def pixel_shuffle(x):
    return F.pixel_shuffle(x, 2)


@function("reshape", (2, 3, 4))
def reshape(x):
    return x.reshape(-1)


@function("var", (2, 3, 4))
def var(x):
    return x.var((0, 2))


@function(
    "cat",
    (2, 3, 4),
    (2, 2, 4),
)
def cat(x, y):
    return mg.cat([x, y], 1)


@function("index", (2, 3, 4))
def index(x):
    return x[:, ::-1, [0, 0, 2]]


def value_and_gradients(f, arrays, layout):
    """The results for arrays, and a gradient, in this layout."""
    inputs = [mg.Tensor(layout(a), requires_grad=True) for a in arrays]
    y = f(*inputs)
    g = np.random.default_rng(1).standard_normal(y.shape)
    if g.ndim > 1:
        g = layout(g)
    gradients = mg.grad(y, inputs, mg.Tensor(g))
    for a, x in zip(arrays, inputs):
        np.testing.assert_array_equal(x.numpy(), a)  # nothing wrote into its inputs
    return [y, *gradients]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
@pytest.mark.parametrize("f, shapes", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_memory_layout_does_not_change_a_number(f, shapes, layout):
    draw = np.random.default_rng(0)
    arrays = [draw.standard_normal(shape) for shape in shapes]
    expected = value_and_gradients(f, arrays, np.array)
    found = value_and_gradients(f, arrays, layout)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), atol=1e-12)
