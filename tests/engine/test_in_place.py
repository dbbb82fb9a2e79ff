"""x += y and its siblings against PyTorch: the tensor itself changes, and its history with it."""

import operator

import numpy as np
import pytest
from in_place import OPERATORS
from tensors import array, leaf, listed

import minigan as mg
from minigan import nn

CHANGED = r"gradient of mul needs a tensor of shape \(3,\) .* changed in place"

# ---- where nothing is recorded -------------------------------------------------------------------


def test_gradient_descent_by_hand_moves_the_weights():
    layer = nn.Linear(2, 1)
    before = [p.numpy().copy() for p in layer.parameters()]
    layer(mg.ones(3, 2)).sum().backward()
    parameters = layer.parameters()
    with mg.no_grad():
        for p in layer.parameters():
            p -= 0.1 * p.grad
    for p, old, same in zip(layer.parameters(), before, parameters):
        assert p is same
        assert p.requires_grad
        assert p.node.leaf is not None
        np.testing.assert_allclose(p.numpy(), old - np.float32(0.1) * p.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("other", ["number", "array", "tensor", "row"])
def test_a_tensor_without_gradient_is_changed_itself(symbol, other):
    a = array(2, 3, dtype=np.float64)
    b = array(2, 3, dtype=np.float64, seed=1)
    operands = {
        "number": (2, 2),
        "array": (b, b),
        "tensor": (mg.tensor(b), b),
        "row": (mg.tensor(b[0]), b[0]),
    }
    ours, plain = operands[other]
    operate = OPERATORS[symbol]
    x = mg.tensor(a)
    memory = x.array
    view = x[1]
    assert operate(x, ours) is x
    assert x.array is memory
    assert not x.requires_grad
    expected = operate(a.copy(), plain)
    np.testing.assert_allclose(x.numpy(), expected)
    np.testing.assert_array_equal(view.numpy(), x.numpy()[1])


def test_a_matrix_product_and_logic_change_the_tensor_itself():
    a = np.arange(4.0).reshape(2, 2)
    m = np.array([True, False])
    x = mg.tensor(a)
    y = mg.tensor(m)
    n = mg.tensor(np.array([6, 3]))
    kept = x, y, n
    x @= mg.tensor(a)
    y |= [True, True]
    y &= mg.tensor(m)
    y ^= True
    n &= 3
    assert x is kept[0]
    assert y is kept[1]
    assert n is kept[2]
    assert listed(x) == (a @ a).tolist()
    assert listed(n) == [2, 3]
    assert listed(y) == [False, True]
    assert y.dtype == bool


@pytest.mark.parametrize("symbol", OPERATORS)
def test_a_change_in_no_grad_is_seen_by_the_backward_pass(symbol):
    x = leaf(3)
    w = leaf(3, seed=1)
    y = (x * w).sum()
    with mg.no_grad():
        OPERATORS[symbol](x, 2.0)
    with pytest.raises(RuntimeError, match=CHANGED):
        y.backward()


@pytest.mark.parametrize("symbol", OPERATORS)
def test_a_leaf_that_requires_grad_and_its_views_are_refused_while_gradients_are_recorded(symbol):
    x = leaf(2, 3)
    before = x.numpy().copy()
    words = r"requires grad, and any view of it.* inside no_grad\(\)"
    for target in (x, x[0], x.reshape(3, 2), x[:, 1:][0]):
        with pytest.raises(RuntimeError, match=words):
            OPERATORS[symbol](target, 2.0)
    assert np.array_equal(x.numpy(), before)
    (x * x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * before)


# ---- while gradients are recorded ----------------------------------------------------------------


@pytest.mark.parametrize("symbol", OPERATORS)
def test_the_history_changes_with_the_values(symbol):
    def changed(x, w):
        h = x * 2
        OPERATORS[symbol](h, w)
        return h * h

    def changed_by_a_row(x, w):
        return changed(x, w[0])

    x = leaf(2, 3)
    assert mg.gradcheck(changed, [x, leaf(2, 3, seed=1)])
    assert mg.gradcheck(changed_by_a_row, [x, leaf(1, 3, seed=1)])


def test_a_sum_of_losses_may_be_collected_in_place():
    x = leaf(3)
    total = mg.zeros(dtype=np.float64)
    kept = total
    for power in (1, 2, 3):
        total += (x**power).sum()
    assert total is kept
    assert total.requires_grad
    total.backward()
    np.testing.assert_allclose(x.grad.numpy(), 1 + 2 * x.numpy() + 3 * x.numpy() ** 2)


def test_a_gradient_that_needs_the_old_values_is_refused():
    x = leaf(3)
    h = x * 2
    y = (h * h).sum()
    h += 1
    with pytest.raises(RuntimeError, match=CHANGED):
        y.backward()


def test_a_view_changed_in_place_has_a_history_and_its_base_is_refused():
    x = leaf(2, 3)
    h = x * 2
    row = h[0]
    row *= 3
    (d,) = mg.grad(row.sum(), x)
    np.testing.assert_allclose(d.numpy(), [[6, 6, 6], [0, 0, 0]])
    np.testing.assert_allclose(h.numpy()[0], 6 * x.numpy()[0])
    for use in (
        lambda: h + 1,
        lambda: h[1],
        lambda: h.sum(),
        lambda: mg.grad(h, x, mg.ones(2, 3, dtype=np.float64)),
        lambda: h.__iadd__(1),
    ):
        with pytest.raises(
            RuntimeError, match=r"shape \(2, 3\) shares memory with one that was changed in place"
        ):
            use()
    with mg.no_grad():
        assert (h + 0).numpy().tolist() == listed(h)


def test_a_base_changed_in_place_has_a_history_and_its_views_are_refused():
    x = leaf(2, 3)
    w = leaf(2, 3, seed=1)
    data = mg.ones(2, 3, dtype=np.float64)
    h = x * 2
    row = h[0]
    outside = h.detach()
    first = data[0]
    h *= 3
    data *= w
    (d,) = mg.grad(h[1].sum(), x)
    np.testing.assert_allclose(d.numpy(), [[0, 0, 0], [6, 6, 6]])
    for view in (row, first):
        with pytest.raises(RuntimeError, match="shares memory with one that was changed in place"):
            view * 2
    product = outside * w  # outside has no history that could be wrong
    np.testing.assert_array_equal(product.numpy(), h.numpy() * w.numpy())


def test_views_of_memory_that_is_used_again_are_known_for_views():
    """On a CPU the results of kernels lie in memory that is lent to them, if they are large."""
    x = leaf(300, 300)
    h = mg.functional.leaky_relu(x, 0.5)
    row = h[1:][0]
    h *= 3
    with pytest.raises(RuntimeError, match="shares memory with one that was changed in place"):
        row * 2


def test_a_recorded_change_makes_no_cycle_and_keeps_no_old_values_without_need(tmp_path):
    import gc
    import weakref

    gc.collect()
    gc.disable()
    try:
        h = leaf(3) * 2
        h += 1
        h *= leaf(3)
        h **= 2
        seen = weakref.ref(h), weakref.ref(h.node)
        del h
        assert seen[0]() is None
        assert seen[1]() is None
    finally:
        gc.enable()


# ---- what does not fit ---------------------------------------------------------------------------


def expanded():
    return mg.zeros(1, 3).expand(2, 3)


def sliding():
    return mg.Tensor(np.lib.stride_tricks.as_strided(np.zeros(4), (3, 2), (8, 8)))


@pytest.mark.parametrize(
    "make, words",
    [
        (expanded, r"shape \(2, 3\) was expanded, several of its entries are one number"),
        (lambda: expanded()[:, 1:], r"shape \(2, 2\) was expanded"),
        (lambda: mg.zeros(1, 3).expand(1, 3), r"memory of a tensor of shape \(1, 3\) is read-only"),
        (sliding, r"shape \(3, 2\) was expanded"),
        (lambda: mg.Tensor(np.broadcast_to(np.zeros(3), (2, 3))), "was expanded"),
    ],
    ids=["expanded", "a part", "expanded by nothing", "sliding", "broadcast"],
)
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.copy_(1),
        lambda x: x.clamp_(1, 2),
        lambda x: x.__setitem__(0, 1),
        lambda x: operator.iadd(x, 1),
        lambda x: operator.isub(x, 2),
    ],
    ids=["copy_", "clamp_", "[0] =", "+=", "-="],
)
def test_memory_that_several_entries_share_is_refused_in_one_sentence(make, words, change):
    x = make()
    with pytest.raises(RuntimeError, match=words) as refusal:
        change(x)
    assert "\n" not in str(refusal.value)
    assert not x.numpy().any()
    assert x._memory.changes == 0
    y = mg.tensor(x)
    change(y)
    assert y.numpy().any()


@pytest.mark.parametrize(
    "change, kind, words",
    [
        (
            lambda: operator.iadd(mg.zeros(3), mg.ones(2, 3)),
            ValueError,
            r"x \+= y: the result has shape \(2, 3\).* \(3,\)",
        ),
        (
            lambda: operator.iadd(mg.tensor(np.arange(2)), 0.5),
            TypeError,
            r"x \+= y: the result is float32.* int64",
        ),
        (
            lambda: operator.itruediv(mg.tensor(np.arange(2)), 2),
            TypeError,
            "x /= y: the result is float32.* int64",
        ),
        (
            lambda: operator.iadd(mg.tensor(np.ones(2, bool)), 1),
            TypeError,
            r"x \+= y: the result is int64.* bool",
        ),
        (
            lambda: operator.imatmul(mg.ones(2), mg.ones(2)),
            ValueError,
            r"x @= y: the result has shape \(\).* \(2,\)",
        ),
        (lambda: operator.iadd(mg.ones(2), "a"), TypeError, "takes numbers .* got 'a'"),
        (
            lambda: operator.iand(mg.ones(2), True),
            TypeError,
            "& takes tensors of truth values or integers, got float32",
        ),
        (lambda: operator.ifloordiv(mg.ones(2), 2), TypeError, "//="),
        (lambda: operator.imod(mg.ones(2), 2), TypeError, "%="),
        (lambda: operator.ilshift(mg.ones(2), 2), TypeError, "<<="),
        (
            lambda: mg.ones(2).copy_(leaf(2)),
            RuntimeError,
            "copy_ would lose the gradient of what it writes",
        ),
        (
            lambda: mg.ones(2).clamp_(mg.zeros(2), 1),
            TypeError,
            "clamp got a Tensor as a bound, expected numbers",
        ),
        (
            lambda: mg.ones(2).clamp(0, leaf()),
            TypeError,
            "clamp got a Tensor as a bound, expected numbers",
        ),
    ],
)
def test_what_does_not_fit_in_place_is_refused(change, kind, words):
    with pytest.raises(kind, match=words) as refusal:
        change()
    assert "\n" not in str(refusal.value)


def test_a_narrower_float_or_integer_takes_the_result_as_in_pytorch():
    x = mg.ones(2)
    n = mg.tensor(np.array([250, 3], np.uint8))
    x += mg.tensor(np.array([0.5, 1.5]))
    n += mg.tensor(np.array([1, 2]))
    assert x.dtype == np.float32
    assert listed(x) == [1.5, 2.5]
    assert n.dtype == np.uint8
    assert listed(n) == [251, 5]
