"""A change in place between the forward and the backward pass is detected and refused."""

import numpy as np
import pytest
from tensors import leaf

import minigan as mg
from minigan import nn, optim


def double_by(change):
    """h = 2 x, then h h is recorded, then h changes."""
    x = leaf(4)
    h = x * 2
    y = (h * h).sum()
    with mg.no_grad():
        change(h)
    return y, x


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.copy_(np.zeros(4)),
        lambda h: h.clamp_(0, 1),
        lambda h: h.detach().copy_(0.0),
        lambda h: h.reshape(2, 2).copy_(0.0),
        lambda h: h[1:3].clamp_(0, 1),
        lambda h: h[None].transpose(0, 1).copy_(1.0),
        lambda h: h.detach().detach()[::-1].copy_(2.0),
    ],
    ids=["copy_", "clamp_", "detach", "reshape", "slice", "transpose", "detached slice"],
)
def test_a_change_between_forward_and_backward_is_refused(change):
    y, _ = double_by(change)
    with pytest.raises(
        RuntimeError,
        match=r"gradient of mul needs a tensor of shape \(4,\) that was changed in place",
    ):
        y.backward()


def test_an_optimiser_step_between_forward_and_backward_is_refused():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimiser = optim.Adam(net.parameters())
    first = net(mg.randn(2, 3)).sum()
    second = net(mg.randn(2, 3)).sum()
    first.backward()
    optimiser.step()
    with pytest.raises(RuntimeError, match=r"gradient of linear needs a tensor of shape \(1, 4\)"):
        second.backward()


def test_a_changed_output_is_refused_where_the_vjp_reads_it():
    x = leaf(4)
    y = x.exp()
    with mg.no_grad():
        y.copy_(0.0)
    with pytest.raises(RuntimeError, match="gradient of exp"):
        y.sum().backward()


def test_a_changed_output_is_refused_by_the_second_derivative_too():
    x = leaf(4)
    v = leaf(4, seed=1)
    y = x.exp()
    (g,) = mg.grad(y, x, v, create_graph=True)  # v y, on the memory of y
    with mg.no_grad():
        y.copy_(0.0)
    with pytest.raises(RuntimeError, match="gradient of mul"):
        mg.grad(g.sum(), v)


def test_what_no_vjp_reads_may_change():
    x = leaf(4)
    h = x * 2
    y = (h + x).sum()
    with mg.no_grad():
        h.copy_(0.0)
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(4, 3.0))


def test_after_the_backward_pass_everything_may_change():
    x = leaf(4)
    (x * x).sum().backward()
    with mg.no_grad():
        x.clamp_(0, 1)
    x.grad = None
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * x.numpy())


def test_writing_into_data_bypasses_the_check():
    def overwrite(h):
        h.array[:] = 3

    y, x = double_by(overwrite)
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(4, 2 * 2 * 3.0))


def test_a_leaf_that_requires_grad_changes_in_no_grad_only():
    x = leaf(4)
    with pytest.raises(RuntimeError, match=r"inside no_grad\(\)"):
        x.copy_(0.0)
    with pytest.raises(RuntimeError, match=r"inside no_grad\(\)"):
        x.clamp_(0, 1)
    with mg.no_grad():
        assert x.copy_(0.0) is x
