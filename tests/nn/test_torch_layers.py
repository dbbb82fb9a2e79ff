"""Every layer against PyTorch: values, gradients, running statistics, and weights both ways."""

import numpy as np
import pytest
from every_layer import LAYERS, layer
from torch_twin import all_close, close, gradients, torch

from minigan import devices
from minigan import functional as F
from minigan.engine import Tensor


def pass_one_batch(ours, theirs, x):
    """Compare output and gradients of the two layers for a batch x, an array."""
    differentiable = x.dtype.kind == "f"
    a = Tensor(x, requires_grad=differentiable)
    b = torch.from_numpy(x.copy()).requires_grad_(differentiable)
    y = ours(a)
    expected = theirs(b)
    close(y, expected)
    inputs = list(ours.parameters())
    their_inputs = list(theirs.parameters())
    if differentiable:
        inputs.append(a)
        their_inputs.append(b)
    found = gradients(y, inputs)
    all_close(found, gradients(expected, their_inputs), tolerance=1e-9)


@pytest.mark.parametrize("name", LAYERS)
def test_with_pytorch_s_weights_a_layer_computes_what_pytorch_s_does(name):
    """Three batches in training, then the running statistics, then a batch in evaluation."""
    theirs, x = layer(name, torch.nn)
    ours, _ = layer(name)
    ours.load_state_dict(theirs.state_dict())
    for batch in range(3):
        scaled = x * (batch + 1) if x.dtype.kind == "f" else x
        pass_one_batch(ours, theirs, scaled)
    state = ours.state_dict()
    their_state = theirs.state_dict()
    assert list(state) == list(their_state)
    all_close(state.values(), their_state.values())
    ours.eval()
    theirs.eval()
    close(ours(Tensor(x)), theirs(torch.from_numpy(x)))


def has_state(name):
    module, _ = layer(name)
    return module.state_dict() != {}


@pytest.mark.parametrize("name", list(filter(has_state, LAYERS)))
def test_weights_that_move_to_pytorch_compute_the_same_there(name):
    ours, x = layer(name)
    for t in ours.parameters():
        values = np.random.default_rng(5).standard_normal(t.shape)
        t.array += devices.xp.asarray(values)
    theirs, _ = layer(name, torch.nn)
    state = {}
    for key, value in ours.state_dict().items():
        state[key] = torch.from_numpy(value.numpy())
    theirs.load_state_dict(state)
    close(ours(Tensor(x)), theirs(torch.from_numpy(x)))


@pytest.mark.parametrize("momentum", [0.1, 0.7, 0.0, 1.0])
def test_batch_norm_moves_its_running_statistics_as_torch_does(momentum):
    """The biased variance normalises, the unbiased one is remembered.

    Momentum is the weight of the new minibatch.
    """
    x = np.random.default_rng(2).standard_normal((5, 3, 2, 2))
    mean = np.full(3, 0.5)
    var = np.full(3, 2.0)
    options = dict(training=True, momentum=momentum)
    ours = [Tensor(mean.copy()), Tensor(var.copy())]
    theirs = [torch.from_numpy(mean), torch.from_numpy(var)]
    F.batch_norm(Tensor(x), *ours, **options)
    torch.nn.functional.batch_norm(torch.from_numpy(x), *theirs, **options)
    all_close(ours, theirs)
