"""x[index] = values while gradients are recorded: x becomes the output, as in PyTorch.

The values of assignments without gradients are tested with indexing. The gradient of the operation
itself is a row of the table of operations.
"""

import numpy as np
import pytest
from torch_twin import close, torch

import minigan as mg


def test_an_assigned_tensor_gets_the_gradient_of_the_entries_that_it_fills():
    x = mg.zeros(2, 3)
    w = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[1] = w
    assert x.requires_grad
    (x * mg.tensor([[1.0, 1.0, 1.0], [2.0, 3.0, 4.0]])).sum().backward()
    assert w.grad.tolist() == [2, 3, 4]


def test_replaced_entries_get_no_gradient():
    w = mg.ones(2, 2, requires_grad=True)
    x = w * 3
    x[0, 1] = 5
    x.sum().backward()
    assert x.tolist() == [[3, 5], [3, 3]]
    assert w.grad.tolist() == [[3, 0], [3, 3]]


def test_a_leaf_that_requires_grad_is_refused():
    w = mg.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"inside no_grad\(\)"):
        w[0] = mg.ones((), requires_grad=True)
    assert w.tolist() == [1, 1]


def test_values_that_backpropagation_needs_are_refused_when_it_comes():
    w = mg.ones(2, requires_grad=True)
    x = w * 3
    y = x * x
    x[0] = 5
    with pytest.raises(RuntimeError, match="changed in place after its use"):
        y.sum().backward()


def assign_in_turn(library, w):
    """A short program of assignments; w (3, 4) -> a scalar."""
    x = w * 2
    x[0] += w[1]
    x[:, 1] *= 3
    x[1:, ::2] = w[:2, 1:3]
    x[2] = x[2] * 2 - x[0]
    return (x * x).sum()


def test_a_program_of_assignments_has_pytorchs_gradient():
    values = np.random.default_rng(0).standard_normal((3, 4))
    ours = mg.tensor(values, requires_grad=True)
    theirs = torch.tensor(values, requires_grad=True)
    y = assign_in_turn(mg, ours)
    expected = assign_in_turn(torch, theirs)
    close(y, expected)
    y.backward()
    expected.backward()
    close(ours.grad, theirs.grad)


def test_other_views_of_a_changed_tensor_are_refused():
    w = mg.ones(2, 2, requires_grad=True)
    x = w * 3
    row = x[1]
    x[0] = mg.zeros(2)
    with pytest.raises(RuntimeError, match="shares memory with one that was changed in place"):
        row * 2


def test_the_values_take_the_dtype_of_the_tensor():
    w = mg.tensor(np.array([0.5, 1.5]), requires_grad=True)
    x = mg.zeros(2)
    x[...] = w
    assert x.dtype == np.float32
    x.sum().backward()
    assert w.grad.dtype == np.float64
    assert w.grad.tolist() == [1, 1]
