"""copy, deepcopy and pickle of tensors: leaves are copied, outputs of operations are refused."""

import copy
import pickle

import numpy as np
import pytest
from tensors import array, listed, row

import minigan as mg
from minigan import devices, nn
from minigan.nn.module import Buffer


def through_pickle(t):
    """The tensor that comes back after pickling."""
    return pickle.loads(pickle.dumps(t))


LEAVES = [
    row,
    lambda: row(True),
    lambda: nn.Parameter(row()),
    lambda: Buffer(np.ones(3, np.float32)),
]


@pytest.mark.parametrize("make", LEAVES)
@pytest.mark.parametrize(
    "how", [copy.copy, copy.deepcopy, through_pickle], ids=["copy", "deepcopy", "pickle"]
)
def test_a_copy_of_a_leaf_is_a_leaf_of_its_own(make, how):
    x = make()
    if x.requires_grad:
        (x * x).sum().backward()
    y = how(x)
    assert type(y) is type(x)
    assert y is not x
    assert y.requires_grad == x.requires_grad
    assert y.grad is None
    np.testing.assert_array_equal(y.numpy(), x.numpy())
    is_shallow = how is copy.copy
    assert np.shares_memory(y.numpy(), x.numpy()) == is_shallow
    if x.requires_grad:
        before = listed(x.grad)
        (3 * y).sum().backward()
        assert listed(y.grad) == [3, 3, 3]
        assert listed(x.grad) == before


def test_deepcopy_copies_values_and_flag_but_no_history():
    x = mg.tensor(array(3), requires_grad=True)
    (x * x).sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad
    assert y.grad is None
    assert not devices.xp.shares_memory(x.array, y.array)
    np.testing.assert_array_equal(x.numpy(), y.numpy())
    twice = y * 2
    twice.sum().backward()
    assert listed(y.grad) == [2, 2, 2]


def test_deepcopy_keeps_the_class_and_what_is_shared():
    p = nn.Parameter(mg.ones(2))
    assert type(copy.deepcopy(p)) is nn.Parameter
    tied = copy.deepcopy([p, p])
    assert tied[0] is tied[1]
    x = mg.tensor(array(3), requires_grad=True)
    with pytest.raises(RuntimeError, match=r"output of mul .* detach\(\)"):
        copy.deepcopy(x * 2)


def test_the_changes_of_a_shallow_copy_are_counted():
    x = row(True)
    y = (x * x).sum()
    shallow = copy.copy(x)
    shallow.detach().copy_(0.0)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
def test_what_has_a_history_cannot_be_copied(how):
    y = row(True) * 2
    message = "the output of mul cannot be (copied|deep-copied|pickled), only leaves can"
    with pytest.raises(RuntimeError, match=message):
        how(y)
