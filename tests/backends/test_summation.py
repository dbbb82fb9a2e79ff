"""Every sum is right, whatever the order in which its numbers lie in memory.

Added one after the other, a million float32 numbers 0.1 come out 1 % too large. The oracle is
math.fsum, or a wider float with the numbers in C order.
"""

import math

import numpy as np
import pytest
from cpu_kernels import both_dtypes, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dtypes
from sums import ORDERS, assert_exact, numbers

import minigan as mg
from minigan import functional as F
from minigan import ops
from minigan.backends import summation

lengths = st.sampled_from((1, 2, 3, 7, 33, 130, 1000))
shapes = st.lists(lengths, min_size=1, max_size=4)
small_shapes = shapes.filter(lambda shape: math.prod(shape) <= 40_000)


def positive_numbers(draw, shape):
    """All 0.1, or random."""
    if draw(st.booleans()):
        values = np.full(shape, 0.1)
    else:
        rng = np.random.default_rng(draw(seeds))
        values = rng.uniform(1, 2, shape)
    return values.astype(draw(dtypes))


@st.composite
def arrays(draw):
    """Positive numbers of one to four axes, stored in any order, forwards or backwards, dense or
    not.
    """
    shape = draw(small_shapes)
    axes = range(len(shape))
    order = draw(st.permutations(axes))
    size = []
    steps = []  # along each axis: -3 is every third number, backwards
    for n in shape:
        step = draw(st.sampled_from((1, -1, 2, -3)))
        size.append(n * abs(step))
        steps.append(slice(None, None, step))
    values = positive_numbers(draw, size)
    stored = values.transpose(order).copy()
    a = stored.transpose(np.argsort(order))
    return stretched(draw, a[tuple(steps)])


def stretched(draw, a):
    """The same shape, but along some of the axes the first number is repeated."""
    index = []
    for _ in a.shape:
        is_stretched = draw(st.integers(0, 5)) == 0
        which = slice(0, 1) if is_stretched else slice(None)
        index.append(which)
    first = a[tuple(index)]
    return np.broadcast_to(first, a.shape)


@st.composite
def arrays_and_axes(draw):
    """An array, and the axes to sum over: a tuple, or None for all."""
    a = draw(arrays())
    every_axis = st.integers(0, a.ndim - 1)
    axes = sorted(draw(st.sets(every_axis)))
    return a, tuple(axes) or None


def sum_by_fsum(a, axes, keepdims):
    """The sums over axes, exactly rounded, and how many terms each has."""
    every_axis = range(a.ndim)
    summed = every_axis if axes is None else axes
    kept = []
    terms = 1
    shape = []
    for axis in every_axis:
        if axis not in summed:
            kept.append(axis)
            shape.append(a.shape[axis])
        else:
            terms *= a.shape[axis]
            if keepdims:
                shape.append(1)
    summed_last = a.transpose(*kept, *summed)
    rows = summed_last.reshape(-1, terms)
    sums = [math.fsum(row) for row in rows.tolist()]
    return np.reshape(sums, shape), terms


@settings(max_examples=150)
@given(case=arrays_and_axes(), keepdims=st.booleans())
def test_a_sum_is_that_of_fsum_in_every_order_of_memory(case, keepdims):
    a, axes = case
    expected, terms = sum_by_fsum(a, axes, keepdims)
    actual = summation.total(a, axes, keepdims=keepdims)
    is_short = 8 <= terms <= summation._FEW
    one_by_one = is_short and a.dtype == np.float64  # so few numbers may be added in any order
    assert_exact(actual, expected, a.dtype, terms, in_pairs=not one_by_one)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int32, np.int64])
def test_integers_and_truth_values_are_counted_in_int64(dtype):
    ones = np.ones((300, 1000), dtype)
    x = mg.tensor(ones.T)
    total = ops.sum(x)
    assert total.dtype == np.int64
    assert total.item() == 300_000


@both_dtypes
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (0, 2000, 0)])
def test_a_sum_of_nothing_is_nothing(shape, dtype):
    nothing = np.empty(shape, dtype)
    sums = summation.total(nothing, (0,))
    assert not sums.any()
    assert summation.total(nothing) == 0


def test_a_sum_over_two_axes_without_numbers_is_nothing():
    for dtype in (np.float32, np.float64):
        nothing = np.empty((0, 2000, 0), dtype)
        sums = summation.total(nothing, (0, 1))
        assert not sums.any()


@pytest.mark.parametrize("axes", [None, (0, 2, 3), (1, 2, 3), (2, 3), (0,)])
def test_a_million_float64_numbers_in_every_order_of_memory(axes):
    for order, store in ORDERS.items():
        x = store(numbers("0.1", dtype=np.float64))
        wide = x.astype(np.longdouble)
        expected = wide.sum(axes).astype(np.float64)
        actual = summation.total(x, axes)
        np.testing.assert_allclose(actual, expected, rtol=4e-15, err_msg=order)


def test_the_mean_of_a_constant_image_after_a_convolution():
    constant = np.full((64, 3, 64, 64), 0.1, np.float32)
    identity = np.eye(3, dtype=np.float32)
    x = mg.tensor(constant)
    weight = mg.tensor(identity.reshape(3, 3, 1, 1))
    y = F.conv2d(x, weight)
    means = y.mean((0, 2, 3))
    np.testing.assert_allclose(means.numpy(), 0.1, rtol=1e-7)


def test_the_gradient_of_an_index_that_occurs_a_million_times():
    times = 10**6
    x = mg.zeros(3, 2, requires_grad=True)
    index = np.full(times, 1)
    y = x[index]
    g = np.full((times, 2), 0.1, np.float32)
    (d,) = mg.grad(y, x, mg.Tensor(g))
    expected = [[0, 0], [1e5, 1e5], [0, 0]]
    assert d.dtype == np.float32
    np.testing.assert_allclose(d.numpy(), expected, rtol=1e-7)
