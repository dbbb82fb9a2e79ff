"""Every sum is right, whatever the order in which its numbers lie in memory.

Added one after the other, a million float32 numbers 0.1 come out 1 % too large. So the numbers here
are all 0.1, whose rounding errors all have one sign, or random numbers between 1 and 2; the oracle
is math.fsum, or float64 with the numbers in C order.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_device import on_device
from strategies import dtypes

import minigan as mg
from minigan import functional as F
from minigan import ops
from minigan.backends import cpu, summation
from minigan.backends.cpu import blocks, products
from minigan.ops.conv import channel_sum

MILLION = (4, 3, 295, 295)
seeds = st.integers(0, 2**32 - 1)


def every_other(a):
    wide = np.full([2 * n for n in a.shape], np.nan, a.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in a.shape)]
    view[...] = a
    return view


# name: the same values (N, C, H, W) in another order of memory
ORDERS = {
    "C": np.ascontiguousarray,
    "H, W, N, C": lambda a: np.ascontiguousarray(a.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1),
    "N, H, W, C": lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "C, N, H, W": lambda a: np.ascontiguousarray(a.transpose(1, 0, 2, 3)).transpose(1, 0, 2, 3),
    "Fortran": np.asfortranarray,
    "flipped": lambda a: np.ascontiguousarray(a[::-1, :, ::-1, ::-1])[::-1, :, ::-1, ::-1],
    "every other": every_other,
    "expanded": lambda a: np.broadcast_to(a[:, :, :, :1], a.shape),
}


def numbers(kind, shape=MILLION, dtype=np.float32):
    if kind == "0.1":
        return np.full(shape, 0.1, dtype)
    return np.random.default_rng(0).uniform(1, 2, shape).astype(dtype)


def assert_exact(actual, expected, dtype=np.float32, terms=10**6):
    """Agreement to a few times eps log2(terms): the error of a sum in pairs, where one after the
    other has eps terms.
    """
    actual = np.asarray(actual)
    expected = np.asarray(expected, np.float64)
    assert actual.dtype == dtype
    assert actual.shape == expected.shape
    tolerance = 0.5 * np.finfo(dtype).eps * math.log2(max(128, terms))
    largest = np.max(np.abs(expected), initial=0)
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * largest)


# ---- sums


@st.composite
def arrays(draw):
    """Positive numbers of one to four axes, which lie in memory in any order, forwards or
    backwards, dense or not.
    """
    shape = draw(
        st.lists(st.sampled_from((1, 2, 3, 7, 33, 130, 1000)), min_size=1, max_size=4).filter(
            lambda shape: math.prod(shape) <= 40_000
        )
    )
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from((1, -1, 2, -3))) for _ in shape]
    stretched = [draw(st.integers(0, 5)) == 0 for _ in shape]
    size = [n * abs(step) for n, step in zip(shape, steps)]
    if draw(st.booleans()):
        a = np.full(size, 0.1)
    else:
        a = np.random.default_rng(draw(seeds)).uniform(1, 2, size)
    a = a.astype(draw(dtypes))
    a = a.transpose(order).copy().transpose(np.argsort(order))
    a = a[tuple(slice(None, None, step) for step in steps)]
    ones = a[tuple(slice(0, 1) if one else slice(None) for one in stretched)]
    axes = draw(st.sets(st.integers(0, len(shape) - 1)).map(sorted))
    return np.broadcast_to(ones, a.shape), tuple(axes) or None


@settings(max_examples=150)
@given(case=arrays(), keepdims=st.booleans())
def test_a_sum_is_that_of_fsum_in_every_order_of_memory(case, keepdims):
    a, axes = case
    summed = range(a.ndim) if axes is None else axes
    kept = [axis for axis in range(a.ndim) if axis not in summed]
    rows = a.transpose(*kept, *summed).reshape(math.prod(a.shape[axis] for axis in kept), -1)
    shape = [1 if axis in summed else n for axis, n in enumerate(a.shape)]
    if not keepdims:
        shape = [a.shape[axis] for axis in kept]
    expected = np.reshape([math.fsum(row) for row in rows.tolist()], shape)
    assert_exact(summation.total(a, axes, keepdims=keepdims), expected, a.dtype, rows.shape[1])


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int32, np.int64])
def test_integers_and_truth_values_are_counted_in_int64(dtype):
    a = np.ones((300, 1000), dtype).T * dtype(1)
    total = ops.sum(mg.tensor(a))
    assert total.dtype == np.int64
    assert total.item() == 300_000


def test_a_sum_of_nothing_is_nothing():
    for shape, axes in (((0,), None), ((0, 3), (0,)), ((3, 0), (0,)), ((0, 2000, 0), (0, 1))):
        for dtype in (np.float32, np.float64):
            assert not summation.total(np.empty(shape, dtype), axes).any()


# ---- everything that adds up, for a million numbers


def gradient(f, *shape):
    """The gradient of the sum of f(w) at w = 1."""
    w = mg.ones(*shape, requires_grad=True)
    y = f(w)
    return mg.grad(y, w, mg.ones(*y.shape))[0].numpy()


def rows_of(x):
    """(N, C, H, W) -> (N H W, C), as its memory allows."""
    return mg.Tensor(x.array.transpose(0, 2, 3, 1).reshape(-1, x.shape[1]))


def cross_entropy_sum(x):
    return F.binary_cross_entropy_with_logits(x, 1.0, reduction="sum").numpy()


def weight_grad(x):
    return gradient(lambda w: F.conv2d(x, w), 2, x.shape[1], 1, 1)


def statistics(x):
    mean = mg.zeros(x.shape[1], dtype=x.dtype)
    var = mg.ones(x.shape[1], dtype=x.dtype)
    F.batch_norm(x, mean, var, training=True, momentum=1.0)
    return np.stack([mean.numpy(), var.numpy()])


def exact_statistics(x):
    return np.stack([x.mean((0, 2, 3)), x.var((0, 2, 3), ddof=1)])


def batch_norm_gradients(x):
    """dweight and dbias for the gradient x of the output: of the sums' terms, the second's have one
    sign.
    """
    w, b = (mg.ones(x.shape[1], dtype=x.dtype, requires_grad=True) for _ in range(2))
    y = F.batch_norm(x.detach(), weight=w, bias=b, training=True)
    return np.stack([d.numpy() for d in mg.grad(y, [w, b], x)])


def exact_batch_norm_gradients(x):
    z = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
    return np.stack([(x * z).sum((0, 2, 3)), x.sum((0, 2, 3))])


def exact_log_softmax(x):
    """The first row of it, over all pixels."""
    return x[0, :, 0, 0] - np.log(np.exp(x).sum((0, 2, 3)))


def expected_weight_grad(x):
    return np.stack([x.sum((0, 2, 3))[:, None, None]] * 2)


# name: (of a Tensor (N, C, H, W), of its numbers in float64)
REDUCTIONS = {
    "sum": (lambda x: x.sum().numpy(), lambda x: x.sum()),
    "sum over an image": (lambda x: x.sum((1, 2, 3)).numpy(), lambda x: x.sum((1, 2, 3))),
    "sum over pixels": (lambda x: x.sum((2, 3)).numpy(), lambda x: x.sum((2, 3))),
    "sum of rows": (lambda x: rows_of(x).sum(0).numpy(), lambda x: x.sum((0, 2, 3))),
    "mean": (lambda x: x.mean().numpy(), lambda x: x.mean()),
    "mean of channels": (lambda x: x.mean((0, 2, 3)).numpy(), lambda x: x.mean((0, 2, 3))),
    "var": (lambda x: x.var().numpy(), lambda x: x.var(ddof=1)),
    "var of channels": (lambda x: x.var((0, 2, 3)).numpy(), lambda x: x.var((0, 2, 3), ddof=1)),
    "gradient of broadcasting": (
        lambda x: gradient(lambda w: w * x, x.shape[1], 1, 1),
        lambda x: x.sum((0, 2, 3))[:, None, None],
    ),
    "channel_sum": (lambda x: channel_sum(x).numpy(), lambda x: x.sum((0, 2, 3))),
    "channel_sum of rows": (lambda x: channel_sum(rows_of(x)).numpy(), lambda x: x.sum((0, 2, 3))),
    "batch norm's statistics": (statistics, exact_statistics),
    "batch norm's gradients": (batch_norm_gradients, exact_batch_norm_gradients),
    "mse_loss": (lambda x: F.mse_loss(x, 0.0).numpy(), lambda x: np.mean(x * x)),
    "l1_loss": (lambda x: F.l1_loss(x, 0.0).numpy(), lambda x: x.mean()),
    "binary cross-entropy, mean": (
        lambda x: F.binary_cross_entropy_with_logits(x, 0.0).numpy(),
        lambda x: np.logaddexp(0, x).mean(),
    ),
    "binary cross-entropy, sum": (cross_entropy_sum, lambda x: np.logaddexp(0, -x).sum()),
    "log_softmax": (lambda x: F.log_softmax(rows_of(x), 0).numpy()[0], exact_log_softmax),
    "gradient penalty's norm": (
        lambda x: (x * x).flatten(1).sum(1).numpy(),
        lambda x: (x * x).sum((1, 2, 3)),
    ),
    "convolution's weight gradient": (weight_grad, expected_weight_grad),
}
# a product's sums are BLAS's own: it adds up a block's terms one after the other, then the blocks
TERMS = {"convolution's weight gradient": 2**40}
ZERO_FOR_CONSTANTS = {"var", "var of channels", "batch norm's statistics", "batch norm's gradients"}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_million_numbers_in_every_order_of_memory(name):
    f, exact = REDUCTIONS[name]
    for kind in ("random",) if name in ZERO_FOR_CONSTANTS else ("0.1", "random"):
        for order, lay_out in ORDERS.items():
            x = lay_out(numbers(kind))
            expected = exact(np.ascontiguousarray(x).astype(np.float64))
            try:
                assert_exact(f(mg.Tensor(x)), expected, terms=TERMS.get(name, 10**6))
            except AssertionError as error:
                raise AssertionError(f"{kind} in the order {order}") from error


@pytest.mark.parametrize("axes", [None, (0, 2, 3), (1, 2, 3), (2, 3), (0,)])
def test_a_million_float64_numbers_in_every_order_of_memory(axes):
    for order, lay_out in ORDERS.items():
        x = lay_out(numbers("0.1", dtype=np.float64))
        expected = x.astype(np.longdouble).sum(axes).astype(np.float64)
        np.testing.assert_allclose(summation.total(x, axes), expected, rtol=4e-15, err_msg=order)


def test_a_thousand_rows_are_added_as_exactly_as_a_million():
    for rows in (1, 100, 300, 1000, 3000):
        for lay_out in (np.ascontiguousarray, np.asfortranarray):
            x = lay_out(np.full((rows, 7), 0.1, np.float32))
            assert_exact(cpu.channel_sum(x), x.sum(0, np.float64), terms=2**20)


def test_the_mean_of_a_constant_image_after_a_convolution():
    x = mg.tensor(np.full((64, 3, 64, 64), 0.1, np.float32))
    y = F.conv2d(x, mg.tensor(np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)))
    np.testing.assert_allclose(y.mean((0, 2, 3)).numpy(), 0.1, rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [1, 2, 3, 64, 130, 5000])
def test_pieces_cover_a_matrix_and_their_sums_are_its_columns(columns, dtype):
    rows = 400_000 // columns + 1
    x = np.random.default_rng(0).uniform(1, 2, (rows, columns)).astype(dtype)
    for size in (3000, 1 << 17):
        parts = blocks.blocks_of(x.shape, size)
        assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
        assert parts[-1].stop == rows
        sums = sum(part.sums(part.lines(x)) for part in parts)
        products = sum(part.sums(part.lines(x), part.lines(x)) for part in parts)
        tolerance = (4 if dtype == np.float32 else 64) * np.finfo(dtype).eps
        wide = x.astype(np.longdouble)
        np.testing.assert_allclose(sums, wide.sum(0).astype(np.float64), rtol=tolerance)
        squares = (wide * wide).sum(0).astype(np.float64)
        np.testing.assert_allclose(products, squares, rtol=tolerance)
        line = parts[0].repeat(np.arange(columns))
        np.testing.assert_array_equal(line, np.tile(np.arange(columns), parts[0].many))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_a_matrix_of_nothing_has_no_pieces(shape):
    assert blocks.blocks_of(shape, 64) == []
    assert not cpu.channel_sum(np.empty((0, 3, 4, 4), np.float32)).any()


# ---- products with a vector, and indices that occur often


@pytest.mark.parametrize("kind", ["0.1", "random"])
@pytest.mark.parametrize("n, m", [(1, 1), (1, 2), (5, 1), (1, 7)])
def test_a_product_with_a_vector_adds_up_as_exactly_as_one_of_matrices(n, m, kind):
    terms = 1_000_001 // n
    x = numbers(kind, (n, terms))
    y = np.ones((terms, m), np.float32)
    expected = np.broadcast_to(x.sum(1, np.float64)[:, None], (n, m))
    for left in (x, np.asfortranarray(x)):
        for right in (y, np.asfortranarray(y), np.ones((2, terms, m), np.float32)[0]):
            for product in (products.matmul, products.shared_matmul):
                np.testing.assert_allclose(product(left, right), expected, rtol=4e-6)


def test_the_weight_gradient_of_a_single_map_is_exact():
    x = mg.tensor(numbers("0.1", (4, 16, 160, 160)))
    for kernel in (1, 3):
        dw = gradient(lambda w: F.conv2d(x, w), 1, 16, kernel, kernel)
        np.testing.assert_allclose(dw, 0.1 * 4 * (161 - kernel) ** 2, rtol=5e-6)


def test_the_gradient_of_an_index_that_occurs_a_million_times():
    x = mg.zeros(3, 2, requires_grad=True)
    index = np.full(10**6, 1)
    (d,) = mg.grad(x[index], x, mg.Tensor(np.full((10**6, 2), 0.1, np.float32)))
    assert d.dtype == np.float32
    np.testing.assert_allclose(d.numpy(), [[0, 0], [1e5, 1e5], [0, 0]], rtol=1e-7)


# ---- the same kernels on a GPU, or on the host device


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
        sums = [kernels.channel_sum(x), dweight, dbias]
        loss = kernels.bce_with_logits(x, 0.0, "sum")
        mean = kernels.batch_norm_statistics(x, None, None, None, None, 0.1, 1.0)[0]
        spread = numbers("random", shape) ** 8  # most of it far from the number in the middle
        inv_std = kernels.batch_norm_statistics(spread, None, None, None, None, 0.1, 0.0)[1]
    var = inv_std.astype(np.float64) ** -2
    np.testing.assert_allclose(var, spread.astype(np.float64).var(0), rtol=2e-6)
    x = x.astype(np.float64)
    for actual, expected in zip(sums, (x.sum(0), (x * x).sum(0), x.sum(0)), strict=True):
        assert_exact(actual, expected, terms=60_000)
    assert_exact(loss, np.logaddexp(0, x).sum(), terms=60_000)
    assert_exact(mean[0], x.mean(0), terms=60_000)
