"""Gradient clipping against torch.nn.utils."""

import pytest
from least_squares import networks
from torch_twin import all_close, torch

import minigan as mg


def with_gradients(library, net):
    """The layer after a backward pass: the gradients of a sum of squares."""
    y = net(library.ones(2, 4).double())
    loss = (y * y).sum()
    loss.backward()
    return net


@pytest.mark.parametrize("norm_type", [2.0, 1, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.1, 100.0])
def test_clipping_by_the_norm_is_torchs(max_norm, norm_type):
    results = []
    for library, net in zip((mg, torch), networks()):
        with_gradients(library, net)
        clip = library.nn.utils.clip_grad_norm_
        total = clip(net.parameters(), max_norm, norm_type=norm_type)
        results.append([total, net.weight.grad, net.bias.grad])
    all_close(*results)


def test_clipping_by_value_is_torchs():
    results = []
    for library, net in zip((mg, torch), networks()):
        with_gradients(library, net)
        clip = library.nn.utils.clip_grad_value_
        clip(net.parameters(), 0.3)
        results.append([net.weight.grad, net.bias.grad])
    all_close(*results)


def test_what_cannot_be_clipped():
    p = mg.ones(2, requires_grad=True)
    assert mg.nn.clip_grad_norm_(p, 1.0).item() == 0
    with pytest.raises(ValueError, match="max_norm is -1"):
        mg.nn.clip_grad_norm_(p, -1)
    p.grad = mg.tensor([float("inf"), 0.0])
    with pytest.raises(RuntimeError, match="the norm of the gradients is inf"):
        mg.nn.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
