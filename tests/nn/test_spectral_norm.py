"""Spectral normalisation: torch.nn.utils.spectral_norm's algorithm, names and numbers."""

import copy

import numpy as np
import pytest
from torch_twin import all_close, close, gradients, torch

import minigan as mg
from minigan import nn
from minigan.engine import Tensor

LAYERS = {
    "Linear(5, 4)": (3, 5),
    "Conv2d(2, 4, 3, 1, 1)": (2, 2, 4, 4),
    "ConvTranspose2d(2, 3, 4, 2, 1)": (2, 2, 3, 3),
    "Embedding(6, 4)": None,
}


def twins(call, **options):
    """The same normalised layer of minigan and of PyTorch, in float64."""
    ours = eval(call, vars(nn)).double()
    theirs = eval(call, vars(torch.nn)).double()
    ours = nn.utils.spectral_norm(ours, **options)
    theirs = torch.nn.utils.spectral_norm(theirs, **options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def batch(shape, seed):
    rng = np.random.default_rng(seed)
    if shape is None:
        return rng.integers(0, 6, (3, 2))
    return rng.standard_normal(shape)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("call", LAYERS)
def test_three_forwards_are_torchs(call, steps):
    ours, theirs = twins(call, n_power_iterations=steps)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for seed in range(3):
        x = batch(LAYERS[call], seed)
        y = ours(Tensor(x))
        expected = theirs(torch.from_numpy(x))
        close(y, expected)
        found = gradients(y, list(ours.parameters()))
        wanted = gradients(expected, list(theirs.parameters()))
        all_close(found, wanted, tolerance=1e-9)
        our_state = ours.state_dict()
        their_state = theirs.state_dict()
        all_close(our_state.values(), their_state.values())
    ours.eval()
    theirs.eval()
    x = batch(LAYERS[call], 9)
    close(ours(Tensor(x)), theirs(torch.from_numpy(x)))
    close(ours.weight_u, theirs.weight_u)


def test_the_largest_singular_value_becomes_one():
    layer = nn.spectral_norm(nn.Conv2d(3, 8, 3), n_power_iterations=50)
    layer(mg.ones(1, 3, 4, 4))
    matrix = layer.weight.numpy().reshape(8, -1)
    assert abs(np.linalg.svd(matrix)[1][0] - 1) < 1e-4


def call_twice(layer, x):
    first = layer(x)
    second = layer(x * 2)
    return first.sum() - 2 * second.sum()


def test_a_network_may_be_called_twice_before_the_backward_pass():
    ours, theirs = twins("Linear(5, 4)")
    x = batch((3, 5), 0)
    loss = call_twice(ours, Tensor(x))
    expected = call_twice(theirs, torch.from_numpy(x))
    loss.backward()
    expected.backward()
    close(loss, expected)
    close(ours.weight_orig.grad, theirs.weight_orig.grad)


def test_a_normalised_layer_is_still_what_it_was():
    layer = nn.spectral_norm(nn.Conv2d(1, 2, 3))
    assert isinstance(layer, nn.Conv2d)
    assert type(layer).__name__ == "Conv2d"
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight_orig"]
    other = copy.deepcopy(layer)
    other.weight_orig.data.zero_()
    assert layer.weight_orig.norm().item() > 0
    plain = nn.utils.remove_spectral_norm(layer)
    assert type(plain) is nn.Conv2d
    assert list(plain.state_dict()) == ["bias", "weight"]


def test_what_cannot_be_normalised_is_refused():
    layer = nn.spectral_norm(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="no parameter 'weight', or is normalised already"):
        nn.spectral_norm(layer)
    with pytest.raises(ValueError, match="Tanh has no parameter 'weight'"):
        nn.spectral_norm(nn.Tanh())
    with pytest.raises(ValueError, match="n_power_iterations is 0"):
        nn.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(ValueError, match="'weight' of Linear is plain"):
        nn.remove_spectral_norm(nn.Linear(2, 2))
