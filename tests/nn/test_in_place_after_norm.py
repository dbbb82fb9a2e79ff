"""What follows a normalisation may change its output in place: the gradient does not need it."""

import numpy as np
import pytest
from torch_twin import all_close, close, torch

import minigan as mg

X = np.random.default_rng(0).standard_normal((3, 4, 5, 5))

NETWORKS = """
    Sequential(Sequential(BatchNorm2d(4)), ReLU(True))
    Sequential(Sequential(BatchNorm2d(4)), LeakyReLU(0.2, True)).eval()
    Sequential(Sequential(InstanceNorm2d(4)), ELU(inplace=True))
    Sequential(Sequential(InstanceNorm2d(4, affine=True)), ReLU(True))
    Sequential(GroupNorm(2, 4), Identity(), ReLU(True))
    Sequential(LayerNorm([4, 5, 5]), Identity(), ReLU(True))
"""


def run(library, network):
    """The output of a float64 network, and the gradients of the input and the weights."""
    net = eval(network.strip(), dict(vars(library.nn))).double()
    x = library.tensor(X, requires_grad=True)
    y = net(x)
    (y * y * y).sum().backward()
    return [y, x.grad, *[p.grad for p in net.parameters()]]


@pytest.mark.parametrize("network", NETWORKS.split("\n")[1:-1])
def test_an_activation_in_place_gives_torchs_gradients(network):
    all_close(run(mg, network), run(torch, network))


def test_an_addition_in_place_does_too():
    gradients = []
    for library in (mg, torch):
        x = library.tensor(X, requires_grad=True)
        y = library.nn.BatchNorm2d(4).double()(x)
        y += x
        (y * y).sum().backward()
        gradients.append(x.grad)
    close(*gradients)
