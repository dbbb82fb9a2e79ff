"""What the tests of backends/cpu share: arrays in any memory layout, and small blocks."""

import numpy as np
import pytest
from hypothesis import strategies as st
from strategies import in_layout

from minigan.backends.cpu import blocks

both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)
BLOCK_SIZES = {"one block": 1 << 17, "many blocks": 64}


def random_array(rng, shape, dtype, layout="contiguous"):
    """Normal numbers."""
    values = rng.standard_normal(shape).astype(dtype)
    return in_layout(values, layout)


def random_arrays(rng, dtype, *shapes):
    """One array of normal numbers for each shape."""
    return [random_array(rng, shape, dtype) for shape in shapes]


def assert_close(actual, expected, terms, scale=1.0):
    """Agreement to rounding: a sum of `terms` products of unit size, rounded to its precision."""
    assert actual.shape == expected.shape
    eps = np.finfo(actual.dtype).eps
    tolerance = 16 * eps * scale * max(8, terms) ** 0.5
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def axes_of(x):
    """All axes but the channels'."""
    return (0, *range(2, x.ndim))


def per_channel(v, x):
    """A number per channel in float64, in a shape that broadcasts against x (N, C, ...)."""
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return np.asarray(v, np.float64).reshape(shape)


def channel_shapes():
    """(N, C) or (N, C, H, W) with at least two values per channel."""
    small = st.integers(1, 6)
    n = st.integers(2, 5)
    c = st.integers(1, 20)
    images = st.tuples(n, c, small, small)
    rows = st.tuples(st.integers(2, 40), small)
    return st.one_of(rows, images)


def in_blocks(test):
    """Run the body of a property test twice in each example: in one block and in many blocks."""

    def run(**drawn):
        for size in BLOCK_SIZES.values():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(blocks, "SIZE", size)
                test(**drawn)

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run
