"""Tensors from nothing, from other tensors, and from one sequence of random numbers."""

import json

import numpy as np
import pytest
from tensors import array, listed

import minigan as mg
from minigan import rng

F32 = np.float32
F64 = np.float64
I64 = np.int64


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cat_and_stack_are_numpy_s(dim):
    arrays = [array(2, 3), array(2, 3, seed=1)]
    tensors = [mg.tensor(a) for a in arrays]
    joined = mg.cat(tensors, dim)
    np.testing.assert_array_equal(joined.numpy(), np.concatenate(arrays, dim))
    stacked = mg.stack(tensors, dim)
    np.testing.assert_array_equal(stacked.numpy(), np.stack(arrays, dim))


def test_zeros_and_ones_have_the_shape_and_the_dtype_that_they_are_asked_for():
    t = mg.zeros(2, 3)
    assert listed(t) == [[0, 0, 0], [0, 0, 0]]
    t = mg.ones((2, 3))
    assert listed(t) == [[1, 1, 1], [1, 1, 1]]
    assert t.dtype == F32
    assert mg.zeros().shape == ()
    assert mg.ones([2]).shape == (2,)
    t = mg.ones(2, dtype=F64, requires_grad=True)
    assert t.requires_grad
    assert t.dtype == F64
    t = mg.zeros(2, dtype=np.int64)
    assert t.dtype == np.int64


@pytest.mark.parametrize("draw", [mg.randn, mg.rand])
def test_one_seed_gives_one_sequence(draw):
    mg.manual_seed(3)
    first = draw(2, 3)
    second = draw((2, 3))
    assert first.dtype == F32
    assert listed(first) != listed(second)
    mg.manual_seed(3)
    assert listed(draw((2, 3))) == listed(first)
    assert listed(draw(2, 3)) == listed(second)
    mg.manual_seed(4)
    assert listed(draw(2, 3)) != listed(first)


@pytest.mark.parametrize("draw", [mg.randn, mg.rand])
def test_random_numbers_may_be_wide_and_may_require_grad(draw):
    wide = draw(2, dtype=F64)
    assert wide.dtype == F64
    assert not wide.requires_grad
    leaf = draw(2, requires_grad=True)
    assert leaf.requires_grad


def test_the_numbers_have_the_moments_they_should():
    mg.manual_seed(0)
    normal = mg.randn(100_000).numpy()
    uniform = mg.rand(100_000).numpy()
    assert abs(normal.mean()) < 0.02
    assert abs(normal.std() - 1) < 0.02
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.01


def test_the_generator_s_state_goes_through_json():
    mg.manual_seed(5)
    mg.randn(7)
    state = json.loads(json.dumps(rng.state_dict()))
    normal = mg.randn(4)
    uniform = mg.rand(3)
    mg.manual_seed(99)
    rng.load_state_dict(state)
    assert listed(mg.randn(4)) == listed(normal)
    assert listed(mg.rand(3)) == listed(uniform)
