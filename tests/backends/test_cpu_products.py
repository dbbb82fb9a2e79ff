"""Matrix products by BLAS, on its own threads and on ours."""

import numpy as np
import pytest
from cpu_kernels import assert_close, random_array, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dtypes, layouts
from sums import numbers

from minigan.backends.cpu import products

SIZES = st.integers(1, 300)


@settings(max_examples=30, deadline=None)
@given(
    n=SIZES,
    terms=SIZES,
    m=SIZES,
    dtype=dtypes,
    layout_x=layouts,
    layout_y=layouts,
    seed=seeds,
)
def test_matmul_is_the_product(n, terms, m, dtype, layout_x, layout_y, seed):
    rng = np.random.default_rng(seed)
    x = random_array(rng, (n, terms), dtype, layout_x)
    y = random_array(rng, (terms, m), dtype, layout_y)
    bias = random_array(rng, (m,), dtype)
    wide_x = x.astype(np.float64)
    wide_y = y.astype(np.float64)
    exact = np.einsum("nk,km->nm", wide_x, wide_y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "_THREADS_FROM", 1 << 19)
        shared = products.shared_matmul(x, y)
        product = products.matmul(x, y)
        layer = products.linear(x, y.T, bias)
    assert_close(shared, exact, terms, 4)
    assert_close(product, exact, terms, 4)
    assert_close(layer, exact + bias, terms, 4)


@pytest.mark.parametrize("kind", ["0.1", "random"])
@pytest.mark.parametrize("n, m", [(1, 1), (1, 2), (5, 1), (1, 7)])
def test_a_product_with_a_vector_adds_up_as_exactly_as_one_of_matrices(n, m, kind):
    terms = 1_000_001 // n
    x = numbers(kind, (n, terms))
    y = np.ones((terms, m), np.float32)
    stacked = np.ones((2, terms, m), np.float32)
    sums = x.sum(1, np.float64)
    expected = np.broadcast_to(sums[:, None], (n, m))
    for left in (x, np.asfortranarray(x)):
        for right in (y, np.asfortranarray(y), stacked[0]):
            for product in (products.matmul, products.shared_matmul):
                actual = product(left, right)
                np.testing.assert_allclose(actual, expected, rtol=4e-6)
