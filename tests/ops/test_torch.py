"""Every operation against PyTorch: its value, its gradient, and the gradient of that gradient.

PyTorch is the independent oracle, because names, argument order, layouts and definitions are meant
to be its own to the letter.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from operations import MINIGAN, OPERATIONS
from strategies import cases
from torch_twin import TORCH, all_close, close, gradients, our_leaves, their_leaves, torch

import minigan as mg
from minigan.engine import Tensor


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
@settings(max_examples=20)
@given(case=cases())
def test_value_gradient_and_its_gradient_are_pytorch_s(operation, case):
    arrays, options = operation.inputs(case)
    ours = our_leaves(arrays)
    theirs = their_leaves(arrays)
    our_function = operation.function(MINIGAN, options)
    their_function = operation.function(TORCH, options)
    y = our_function(*ours)
    expected = their_function(*theirs)
    close(y, expected)
    all_close(gradients(y, ours), gradients(expected, theirs), tolerance=1e-9)


def as_dtype(options, dtype):
    """The options with their arrays of fractions in this dtype."""
    converted = {}
    for name, value in options.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            value = value.astype(dtype)
        converted[name] = value
    return converted


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
@settings(max_examples=10)
@given(case=cases())
def test_float32_is_as_exact_as_the_length_of_the_sum_allows(operation, case):
    """In float32, minigan is as exact as the sum's length allows.

    PyTorch computes in float64 on the same numbers. The bound is some roundings times the root of
    the number of summands.
    """
    arrays, options = operation.inputs(case)
    arrays = [np.float32(a) for a in arrays]
    options = as_dtype(options, np.float32)
    ours = our_leaves(arrays, np.float32)
    theirs = their_leaves(arrays)
    exact_options = as_dtype(options, np.float64)
    y = operation.apply(MINIGAN, *ours, **options)
    expected = operation.apply(TORCH, *theirs, **exact_options)
    g = np.random.default_rng(0).standard_normal(y.shape)
    g = np.asarray(g, np.float32)
    our_g = Tensor(g.astype(y.dtype))
    their_g = torch.from_numpy(g.astype(np.float64))
    ds = mg.grad(y, ours, our_g)
    expected_ds = torch.autograd.grad(expected, theirs, their_g)
    longest = max(a.size for a in arrays)
    tolerance = 64 * np.finfo(np.float32).eps * longest**0.5
    assert all(d.dtype == np.float32 for d in ds)
    found = [a.numpy().astype(np.float64) for a in (y, *ds)]
    all_close(found, [expected, *expected_ds], tolerance)
