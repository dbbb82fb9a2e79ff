"""Initial weights go by the layer that a parameter belongs to, whatever its number of axes."""

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.nn import init
from minigan.nn.module import Parameter


class Volume(nn.Module):
    """A layer with a weight of five axes, as a convolution of clips has."""

    def __init__(self):
        self.weight = Parameter(mg.zeros(16, 8, 3, 3, 3))
        self.bias = Parameter(mg.ones(16))


def network():
    mg.manual_seed(0)
    return nn.Sequential(
        Volume(),
        nn.Conv2d(8, 32, 3),
        nn.BatchNorm2d(64),
        nn.InstanceNorm2d(64, affine=True),
        nn.LayerNorm((4, 8, 8)),
        nn.LayerNorm(64),
        nn.Linear(64, 64),
    )


NORMS = ("2", "3", "4", "5")


def test_dcgan_weights_have_mean_0_and_those_of_norms_mean_1():
    for name, p in init.dcgan_(network()).named_parameters():
        layer, kind = name.split(".")
        values = p.numpy()
        if kind == "bias":
            assert not values.any()
        else:
            assert values.mean() == pytest.approx(
                float(layer in NORMS), abs=0.02 * 5 / values.size**0.5
            ), name
            assert values.std() == pytest.approx(0.02, rel=0.5), name


def test_goodfellows_weights_are_uniform_and_those_of_norms_1():
    for name, p in init.goodfellow_(network(), 0.05).named_parameters():
        layer, kind = name.split(".")
        values = p.numpy()
        if kind == "bias":
            assert not values.any()
        elif layer in NORMS:
            assert (values == 1).all()
        else:
            assert 0.04 < abs(values).max() <= 0.05 and abs(values.mean()) < 0.005, name


def test_a_parameter_under_two_names_is_drawn_once():
    first = nn.Linear(4, 4)
    second = nn.Linear(4, 4)
    second.weight = first.weight
    mg.manual_seed(1)
    init.dcgan_(nn.Sequential(first, second))
    mg.manual_seed(1)
    assert np.array_equal(first.weight.numpy(), np.float32(0.02) * mg.randn(4, 4).numpy())
