"""A matrix in blocks: each row is in one of them, and their sums are those of the columns."""

import numpy as np
import pytest
from cpu_kernels import both_dtypes
from sums import assert_exact

from minigan.backends import cpu
from minigan.backends.cpu import blocks


def assert_near(actual, exact, dtype):
    """Agreement of float64 sums of numbers of this dtype."""
    units = 4 if dtype == np.float32 else 64
    tolerance = units * np.finfo(dtype).eps
    np.testing.assert_allclose(actual, exact.astype(np.float64), rtol=tolerance)


def many_rows(columns):
    """The shape of a matrix with a little more than 400,000 numbers."""
    return 400_000 // columns + 1, columns


many_columns = pytest.mark.parametrize("columns", [1, 2, 3, 64, 130, 5000])
sizes = pytest.mark.parametrize("size", [3000, 1 << 17])


@many_columns
@sizes
def test_blocks_cover_a_matrix(size, columns):
    shape = many_rows(columns)
    end = 0
    for block in blocks.blocks_of(shape, size):
        assert block.start == end
        assert block.stop > end
        end = block.stop
    assert end == shape[0]


@many_columns
@sizes
@both_dtypes
def test_the_sums_of_blocks_are_those_of_the_columns(size, columns, dtype):
    rng = np.random.default_rng(0)
    values = rng.uniform(1, 2, many_rows(columns))
    x = values.astype(dtype)
    sums = np.zeros(columns)
    squares = np.zeros(columns)
    for block in blocks.blocks_of(x.shape, size):
        lines = block.lines(x)
        sums += block.sums(lines)
        squares += block.sums(lines, lines)
    wide = x.astype(np.longdouble)
    assert_near(sums, wide.sum(0), dtype)
    assert_near(squares, np.square(wide).sum(0), dtype)


@many_columns
def test_a_line_repeats_the_columns(columns):
    vector = np.arange(columns)
    shape = many_rows(columns)
    for block in blocks.blocks_of(shape, 3000):
        line = block.repeat(vector)
        expected = np.tile(vector, block.rows_per_line)
        np.testing.assert_array_equal(line, expected)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_a_matrix_of_nothing_has_no_blocks(shape):
    assert blocks.blocks_of(shape, 64) == []


def test_the_channel_sums_of_nothing_are_0():
    nothing = np.empty((0, 3, 4, 4), np.float32)
    assert not cpu.channel_sum(nothing).any()


def test_a_thousand_rows_are_added_as_exactly_as_a_million():
    for rows in (1, 100, 300, 1000, 3000):
        for store in (np.ascontiguousarray, np.asfortranarray):
            values = np.full((rows, 7), 0.1, np.float32)
            x = store(values)
            sums = cpu.channel_sum(x)
            exact = x.sum(0, np.float64)
            assert_exact(sums, exact, terms=2**20)
