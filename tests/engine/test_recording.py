"""What is recorded and what is not: no_grad, detach, frozen tensors, and work nobody needs."""

import threading

import numpy as np
import pytest
from tensors import leaf

import minigan as mg
from minigan import devices, nn
from minigan.engine import record


def test_no_grad_as_a_context_and_as_a_decorator():
    x = leaf(3)

    @mg.no_grad()
    def double(t):
        return t * 2

    with mg.no_grad():
        assert not (x * 2).requires_grad
    for _ in range(2):
        assert not double(x).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_exception():
    x = leaf(3)
    with pytest.raises(KeyError):
        with mg.no_grad():
            raise KeyError
    assert (x * 2).requires_grad


def test_no_grad_without_parentheses_is_refused():
    with pytest.raises(TypeError, match="positional argument"):
        mg.no_grad(lambda x: x)


def test_no_grad_holds_in_its_own_thread_only():
    x = leaf(3)
    seen = []
    with mg.no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * 2).requires_grad))
        thread.start()
        thread.join()
        assert not (x * 2).requires_grad
    assert seen == [True]


def test_requires_grad_spreads_and_detach_stops_it():
    x = leaf(3)
    data = mg.ones(3, dtype=np.float64)
    assert (x + data).requires_grad
    assert not (data + data).requires_grad
    assert not x.detach().requires_grad
    assert devices.xp.shares_memory(x.detach().array, x.array)


def test_the_output_of_an_operation_cannot_be_frozen():
    with pytest.raises(RuntimeError, match=r"output of mul .* detach\(\)"):
        (leaf(3) * 2).requires_grad = False


def counted(x, w, calls):
    """x w, noting which VJP ran."""

    def to_x(g):
        calls.append("x")
        return g * w

    def to_w(g):
        calls.append("w")
        return g * x

    return record(x.array * w.array, (x, to_x), (w, to_w))


@pytest.mark.parametrize("frozen, expected", [("x", ["w"]), ("w", ["x"]), ("", ["x", "w"])])
def test_frozen_inputs_cost_nothing(frozen, expected):
    x = leaf(3)
    w = leaf(3)
    calls = []
    x.requires_grad = frozen != "x"
    w.requires_grad = frozen != "w"
    counted(x, w, calls).sum().backward()
    assert calls == expected


def test_grad_computes_only_what_is_asked():
    x = leaf(3)
    w = leaf(3)
    calls = []
    side = counted(x, w, calls)
    y = counted(side, w, calls).sum() + counted(w, w, calls).sum()
    mg.grad(y, side)
    assert calls == ["x"]  # neither w, nor anything below side, nor the branch of w alone


def test_a_frozen_discriminator_passes_gradients_on_and_keeps_none():
    generator = nn.Linear(2, 3)
    discriminator = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    fake = generator(mg.randn(5, 2))
    discriminator.requires_grad_(False)
    discriminator(fake).sum().backward()
    discriminator.requires_grad_(True)
    assert all(p.grad is None for p in discriminator.parameters())
    assert all(
        p.grad is not None and np.abs(p.grad.numpy()).max() > 0 for p in generator.parameters()
    )
    discriminator(fake.detach()).sum().backward()
    assert all(p.grad is not None for p in discriminator.parameters())


def test_a_leaf_frozen_after_the_forward_pass_gets_no_gradient():
    x = leaf(3)
    w = leaf(3)
    y = (x * w).sum()
    w.requires_grad = False
    y.backward()
    assert w.grad is None
    assert x.grad is not None
