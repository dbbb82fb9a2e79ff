"""Everything that adds up is right for a million numbers, whatever their order in memory.

The oracle is the formula in float64, with the numbers in C order.
"""

from typing import Callable, NamedTuple

import numpy as np
import pytest
from on_device import on_device
from sums import ORDERS, assert_exact, numbers

import minigan as mg
from minigan import functional as F
from minigan.ops.conv import channel_sum

ALL_BUT_CHANNELS = (0, 2, 3)
IMAGE = (1, 2, 3)
bce = F.binary_cross_entropy_with_logits


# ---- minigan's -----------------------------------------------------------------------------------


def gradient(f, *shape):
    """The gradient of the sum of f(w) at w = 1."""
    w = mg.ones(*shape, requires_grad=True)
    y = f(w)
    ones = mg.ones(*y.shape)
    (d,) = mg.grad(y, w, ones)
    return d.numpy()


def rows_of(x):
    """(N, C, H, W) -> (N H W, C), as its memory allows."""
    channels_last = x.array.transpose(0, 2, 3, 1)
    return mg.Tensor(channels_last.reshape(-1, x.shape[1]))


def broadcasting(x):
    return gradient(lambda w: w * x, x.shape[1], 1, 1)


def weight_grad(x):
    return gradient(lambda w: F.conv2d(x, w), 2, x.shape[1], 1, 1)


def statistics(x):
    """The running mean and variance after one batch with momentum 1."""
    c = x.shape[1]
    mean = mg.zeros(c, dtype=x.dtype)
    var = mg.ones(c, dtype=x.dtype)
    F.batch_norm(x, mean, var, training=True, momentum=1.0)
    return np.stack([mean.numpy(), var.numpy()])


def batch_norm_gradients(x):
    """dweight and dbias for the gradient x of the output: the terms of dbias all have one sign."""
    c = x.shape[1]
    weight = mg.ones(c, dtype=x.dtype, requires_grad=True)
    bias = mg.ones(c, dtype=x.dtype, requires_grad=True)
    y = F.batch_norm(x.detach(), weight=weight, bias=bias, training=True)
    gradients = mg.grad(y, [weight, bias], x)
    return np.stack([d.numpy() for d in gradients])


def log_softmax(x):
    """The first row of it, over all pixels."""
    return F.log_softmax(rows_of(x), 0)[0]


def norms(x):
    """The squared norm of each image, as in a gradient penalty."""
    squares = (x * x).flatten(1)
    return squares.sum(1)


# ---- the same in float64 -------------------------------------------------------------------------


def exact_sums(x):
    """Of each channel."""
    return x.sum(ALL_BUT_CHANNELS)


def exact_broadcasting(x):
    return exact_sums(x)[:, None, None]


def exact_weight_grad(x):
    of_one_filter = exact_broadcasting(x)
    return np.stack([of_one_filter, of_one_filter])


def exact_statistics(x):
    mean = x.mean(ALL_BUT_CHANNELS)
    var = x.var(ALL_BUT_CHANNELS, ddof=1)
    return np.stack([mean, var])


def exact_batch_norm_gradients(x):
    mean = x.mean(ALL_BUT_CHANNELS, keepdims=True)
    var = x.var(ALL_BUT_CHANNELS, keepdims=True)
    z = (x - mean) / np.sqrt(var + 1e-5)
    return np.stack([exact_sums(x * z), exact_sums(x)])


def exact_log_softmax(x):
    sums = exact_sums(np.exp(x))
    return x[0, :, 0, 0] - np.log(sums)


class Reduction(NamedTuple):
    """A function that adds up numbers."""

    ours: Callable  # of a Tensor (N, C, H, W)
    exact: Callable  # of its numbers in float64
    zero_for_constants: bool = False
    terms: int = 10**6  # of a sum in pairs


REDUCTIONS = {
    "sum": Reduction(
        ours=lambda x: x.sum(),
        exact=lambda x: x.sum(),
    ),
    "sum over an image": Reduction(
        ours=lambda x: x.sum(IMAGE),
        exact=lambda x: x.sum(IMAGE),
    ),
    "sum over pixels": Reduction(
        ours=lambda x: x.sum((2, 3)),
        exact=lambda x: x.sum((2, 3)),
    ),
    "sum of rows": Reduction(
        ours=lambda x: rows_of(x).sum(0),
        exact=exact_sums,
    ),
    "mean": Reduction(
        ours=lambda x: x.mean(),
        exact=lambda x: x.mean(),
    ),
    "mean of channels": Reduction(
        ours=lambda x: x.mean(ALL_BUT_CHANNELS),
        exact=lambda x: x.mean(ALL_BUT_CHANNELS),
    ),
    "var": Reduction(
        ours=lambda x: x.var(),
        exact=lambda x: x.var(ddof=1),
        zero_for_constants=True,
    ),
    "var of channels": Reduction(
        ours=lambda x: x.var(ALL_BUT_CHANNELS),
        exact=lambda x: x.var(ALL_BUT_CHANNELS, ddof=1),
        zero_for_constants=True,
    ),
    "gradient of broadcasting": Reduction(
        ours=broadcasting,
        exact=exact_broadcasting,
    ),
    "channel_sum": Reduction(
        ours=channel_sum,
        exact=exact_sums,
    ),
    "channel_sum of rows": Reduction(
        ours=lambda x: channel_sum(rows_of(x)),
        exact=exact_sums,
    ),
    "batch norm's statistics": Reduction(
        ours=statistics,
        exact=exact_statistics,
        zero_for_constants=True,
    ),
    "batch norm's gradients": Reduction(
        ours=batch_norm_gradients,
        exact=exact_batch_norm_gradients,
        zero_for_constants=True,
    ),
    "mse_loss": Reduction(
        ours=lambda x: F.mse_loss(x, 0.0),
        exact=lambda x: np.mean(x * x),
    ),
    "l1_loss": Reduction(
        ours=lambda x: F.l1_loss(x, 0.0),
        exact=lambda x: x.mean(),
    ),
    "binary cross-entropy, mean": Reduction(
        ours=lambda x: bce(x, 0.0),
        exact=lambda x: np.logaddexp(0, x).mean(),
    ),
    "binary cross-entropy, sum": Reduction(
        ours=lambda x: bce(x, 1.0, reduction="sum"),
        exact=lambda x: np.logaddexp(0, -x).sum(),
    ),
    "log_softmax": Reduction(
        ours=log_softmax,
        exact=exact_log_softmax,
    ),
    "gradient penalty's norm": Reduction(
        ours=norms,
        exact=lambda x: np.square(x).sum(IMAGE),
    ),
    "convolution's weight gradient": Reduction(
        ours=weight_grad,
        exact=exact_weight_grad,
        terms=2**40,  # BLAS adds up the terms of a block one after the other, then the blocks
    ),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_million_numbers_in_every_order_of_memory(name):
    reduction = REDUCTIONS[name]
    kinds = ["random"] if reduction.zero_for_constants else ["0.1", "random"]
    for kind in kinds:
        for order, store in ORDERS.items():
            x = store(numbers(kind))
            wide = np.ascontiguousarray(x).astype(np.float64)
            actual = reduction.ours(mg.Tensor(x))
            expected = reduction.exact(wide)
            try:
                assert_exact(actual, expected, terms=reduction.terms)
            except AssertionError as error:
                raise AssertionError(f"{kind} in the order {order}") from error


def test_the_weight_gradient_of_a_single_map_is_exact():
    x = mg.tensor(numbers("0.1", (4, 16, 160, 160)))
    for kernel in (1, 3):
        dw = gradient(lambda w: F.conv2d(x, w), 1, 16, kernel, kernel)
        pixels = 4 * (161 - kernel) ** 2
        np.testing.assert_allclose(dw, 0.1 * pixels, rtol=5e-6)


# ---- the kernels on a GPU, or on the host device -------------------------------------------------


@pytest.mark.parametrize("rung", ["naive", "tiled"])
@pytest.mark.parametrize("columns", [1, 3, 8])
def test_the_kernels_sums_are_exact(rung, columns):
    """60,000 numbers 0.1: added up one after the other in float32 they lose three digits."""
    shape = (60_000 // columns, columns)
    x = np.full(shape, 0.1, np.float32)
    ones = np.ones(columns, np.float32)
    zeros = np.zeros((2, columns), np.float32)
    with on_device(rung, 1) as kernels:
        _, dweight, dbias = kernels.batch_norm_grad(x, x, x, zeros, ones, None, None)
        sums = kernels.channel_sum(x)
        loss = kernels.bce_with_logits(x, 0.0, "sum")
        mean, *_ = kernels.batch_norm_statistics(x, *[None] * 4, 0.1, 1.0)
    wide = x.astype(np.float64)
    assert_exact(sums, wide.sum(0), terms=60_000)
    assert_exact(dweight, np.square(wide).sum(0), terms=60_000)
    assert_exact(dbias, wide.sum(0), terms=60_000)
    assert_exact(loss, np.logaddexp(0, wide).sum(), terms=60_000)
    assert_exact(mean[0], wide.mean(0), terms=60_000)


@pytest.mark.parametrize("rung", ["naive", "tiled"])
@pytest.mark.parametrize("columns", [1, 3, 8])
def test_the_kernels_variance_is_exact_where_most_numbers_lie_far_from_the_first(rung, columns):
    shape = (60_000 // columns, columns)
    spread = numbers("random", shape) ** 8
    with on_device(rung, 1) as kernels:
        _, inv_std, *_ = kernels.batch_norm_statistics(spread, *[None] * 4, 0.1, 0.0)
    var = inv_std.astype(np.float64) ** -2
    exact = spread.astype(np.float64).var(0)
    np.testing.assert_allclose(var, exact, rtol=2e-6)
