"""Sequential runs a norm and its activation as one operation, without changing a number."""

import copy

import numpy as np
import pytest

import minigan as mg
from minigan import drawing, nn


def test_a_subclass_of_a_norm_is_not_fused():
    class Doubled(nn.BatchNorm2d):
        def forward(self, x):
            return 2 * super().forward(x)

    x = mg.randn(3, 2, 2, 2)
    ours = nn.Sequential(Doubled(2), nn.ReLU())
    plain = nn.Sequential(nn.BatchNorm2d(2), nn.ReLU())
    np.testing.assert_allclose(ours(x).numpy(), 2 * plain(x).numpy(), rtol=1e-6)


class Unfused(nn.Module):
    """A layer that Sequential does not recognise, so nothing is fused with it."""

    def __init__(self, layer):
        self.layer = layer

    def forward(self, x):
        return self.layer(x)


def after_two_passes(norm, activation, shape, training):
    """The second output of the two layers, its gradients, and the state of the norm."""
    x = np.random.default_rng(0).standard_normal(shape)
    x = mg.tensor(x, requires_grad=True)
    g = np.random.default_rng(1).standard_normal(shape)
    layer = copy.deepcopy(norm).double()
    net = nn.Sequential(layer, activation)
    net.train(training)
    net(x)
    y = net(x)
    gradients = mg.grad(y, [x, *layer.parameters()], mg.tensor(g))
    return [y, *gradients, *layer.state_dict().values()]


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(
    "activation", [nn.ReLU(), nn.LeakyReLU(0.2), nn.Tanh()], ids=["relu", "leaky", "tanh"]
)
@pytest.mark.parametrize(
    "norm, shape",
    [
        (
            nn.BatchNorm2d(3),
            (4, 3, 5, 2),
        ),
        (
            nn.BatchNorm1d(3),
            (6, 3),
        ),
        (
            nn.BatchNorm1d(3),
            (4, 3, 5),
        ),
        (
            nn.BatchNorm2d(3, affine=False),
            (4, 3, 5, 2),
        ),
        (
            nn.InstanceNorm2d(3, affine=True),
            (4, 3, 5, 2),
        ),
    ],
    ids=["2d", "1d", "1d long", "no weights", "instance"],
)
def test_fused_and_unfused_normalisation_give_the_same_numbers(norm, shape, activation, training):
    fused = after_two_passes(norm, activation, shape, training)
    unfused = after_two_passes(norm, Unfused(activation), shape, training)
    for a, b in zip(fused, unfused, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-12)


def test_a_norm_and_its_activation_are_one_operation():
    net = nn.Sequential(nn.BatchNorm1d(3), nn.LeakyReLU(0.2))
    x = mg.randn(4, 3)
    with drawing.trace() as traced:
        net(x)
    assert len(traced.records) == 1
