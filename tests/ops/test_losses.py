"""Losses, softmax and dropout: the textbook's formulas, their exact limits, and empty batches."""

import math

import numpy as np
import pytest
from adjoints import T, close
from hypothesis import given, settings
from strategies import cases

import minigan as mg
from minigan import functional as F
from minigan.engine import Tensor

bce = F.binary_cross_entropy_with_logits
LOG_2 = math.log(2)

# ---- the formulas --------------------------------------------------------------------------------


@settings(max_examples=25)
@given(case=cases())
def test_bce_is_the_textbook_formula_where_that_does_not_overflow(case):
    """Up to |x| = 6, because the textbook's 1 - p loses its digits long before it overflows."""
    shape = case.shape(1, 3)
    x = case.rng.uniform(-6, 6, shape)
    t = case.rng.uniform(0, 1, shape)
    p = 1 / (1 + np.exp(-x))
    if_real = -np.log(p)
    if_fake = -np.log(1 - p)
    textbook = t * if_real + (1 - t) * if_fake
    loss = bce(T(x), T(t), reduction="none")
    close(loss, textbook, 1e-10)


def test_softmax_of_equal_logits_is_uniform_and_ignores_a_constant():
    equal = np.full((2, 4), 7.0)
    uniform = np.full((2, 4), 1 / 4)
    y = F.log_softmax(T(equal))
    close(y, np.log(uniform))
    x = np.random.default_rng(1).standard_normal((3, 5))
    y = F.log_softmax(T(x))
    z = F.log_softmax(T(x + 100))
    close(y, z)
    sums = np.exp(y.numpy()).sum(1)
    close(sums, np.ones(3))


def test_dropout_keeps_the_mean_and_zeroes_the_share_that_it_was_told():
    mg.manual_seed(0)
    n = 100_000
    x = mg.ones(n, dtype=np.float64)
    y = F.dropout(x, 0.3).numpy()
    dropped = y == 0
    assert (y[~dropped] == 1 / 0.7).all()
    share = dropped.mean()
    deviation = np.sqrt(0.3 * 0.7 / n)
    assert abs(share - 0.3) < 5 * deviation
    x = mg.randn(3, 4)
    assert F.dropout(x, 0.3, training=False) is x
    nothing = F.dropout(x, 1.0)
    assert not nothing.numpy().any()


# ---- limits --------------------------------------------------------------------------------------


# logit x, target t, loss, and its gradient sigmoid(x) - t
LIMITS = [
    (1e4, 1, 0, 0),
    (1e4, 0, 1e4, 1),
    (-1e4, 1, 1e4, -1),
    (-1e4, 0, 0, 0),
    (0, 1, LOG_2, -0.5),
    (0, 0, LOG_2, 0.5),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bce_and_its_gradient_at_the_limits(dtype):
    """At |x| = 10,000 the sigmoid is exactly 0 or 1, and the loss exactly max(x, 0) - x t."""
    x, t, limits, slopes = np.array(LIMITS, dtype).T
    x = Tensor(x, requires_grad=True)
    y = bce(x, T(t), reduction="none")
    close(y, limits, 1e-7)
    losses = y.numpy()
    assert (losses[:4] == limits[:4]).all()
    for create_graph in (False, True):  # the fused kernel and the composition
        (g,) = mg.grad(y.sum(), x, create_graph=create_graph)
        assert (g.numpy() == slopes).all()
        assert g.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saturating_functions_neither_overflow_nor_warn(dtype):
    values = np.array([-1e4, -90, 0, 90, 1e4], dtype)
    x = T(values)
    y = F.sigmoid(x)
    close(y, [0, 0, 0.5, 1, 1], 1e-38)
    y = F.softplus(x)
    close(y, [0, 0, LOG_2, 90, 1e4], 1e-7)
    y = F.tanh(x)
    close(y, np.sign(values), 0)
    logs = F.log_softmax(x).numpy()
    assert logs[-1] == 0
    assert logs[0] == -2e4


def test_infinite_and_huge_logits_give_the_exact_limit():
    x = mg.tensor([1e4, -1e4])  # so sure that the sigmoid is exactly 1 and 0
    right = mg.tensor([1.0, 0.0])
    wrong = mg.tensor([0.0, 1.0])
    loss = bce(x, right)
    assert loss.item() == 0
    loss = bce(x, wrong)
    assert loss.item() == 1e4
    probabilities = F.sigmoid(x)
    assert probabilities.numpy().tolist() == [1, 0]
    logits = mg.tensor([1e4, 0.0])
    logs = F.log_softmax(logits)
    assert logs.numpy().tolist() == [0, -1e4]


# ---- what may look unusual -----------------------------------------------------------------------


def test_empty_batches_work_where_they_mean_something():
    x = mg.zeros(0, 3, requires_grad=True)
    w = mg.ones(4, 3, requires_grad=True)
    b = mg.zeros(4, requires_grad=True)
    y = F.relu(F.linear(x, w, b))
    total = y.sum()
    assert y.shape == (0, 4)
    assert total.item() == 0
    total.backward()
    assert x.grad.shape == (0, 3)
    assert not w.grad.numpy().any()
    rows = mg.ones(2, 4)
    joined = mg.cat([y, rows])
    assert joined.shape == (2, 4)
    loss = bce(mg.zeros(0), 1.0, reduction="sum")
    assert loss.item() == 0
    y = F.mse_loss(x, x, reduction="none")
    assert y.shape == x.shape


def test_targets_may_be_arrays_lists_and_numbers():
    logits = mg.zeros(3)
    numbers = [0.0, 0.5, 1.0]
    for target in (np.array(numbers), numbers, mg.tensor(numbers), True):
        loss = bce(logits, target)
        assert loss.item() == pytest.approx(LOG_2)
    loss = bce(logits, 0.9)
    assert loss.dtype == np.float32
    loss = F.mse_loss(logits, 2)
    assert loss.item() == 4
    loss = F.l1_loss(logits, [1, 2, 3])
    assert loss.item() == 2
    logits = mg.zeros(2, 3)
    loss = F.cross_entropy(logits, [0, 2])
    assert loss.item() == pytest.approx(math.log(3))
