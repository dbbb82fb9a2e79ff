"""Initial weights under PyTorch's names: the distributions that torch.nn.init documents."""

import numpy as np
import pytest
from torch_twin import torch

import minigan as mg
from minigan.nn import init

SHAPES = [
    (200, 100),
    (64, 32, 3, 3),
    (50, 400),
]
CALLS = """
    xavier_uniform_(t)
    xavier_uniform_(t, gain=2.0)
    xavier_normal_(t, 0.5)
    kaiming_uniform_(t)
    kaiming_uniform_(t, a=0.2, mode="fan_out")
    kaiming_normal_(t, nonlinearity="relu")
    kaiming_normal_(t, 0, "fan_in")
    normal_(t, 0.0, 0.02)
    uniform_(t, -0.1, 0.3)
"""


def filled(call, library, t):
    """The numbers in t after the call with this library's functions."""
    names = dict(vars(library), t=t)
    return eval(call.strip(), names).numpy()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("call", CALLS.split("\n")[1:-1])
def test_a_distribution_has_torchs_mean_deviation_and_range(call, shape):
    mg.manual_seed(1)
    torch.manual_seed(1)
    ours = filled(call, init, mg.empty(*shape))
    theirs = filled(call, torch.nn.init, torch.empty(*shape))
    deviation = float(theirs.std())
    tolerance = 0.05 * deviation
    assert ours.mean() == pytest.approx(float(theirs.mean()), abs=tolerance)
    assert ours.std() == pytest.approx(deviation, rel=0.03)
    if "uniform" in call:
        assert ours.max() == pytest.approx(theirs.max(), rel=0.01)


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (6, 2, 2, 1)])
def test_an_orthogonal_matrix_has_orthonormal_rows_or_columns(shape):
    t = init.orthogonal_(mg.zeros(*shape), gain=2.0)
    matrix = t.numpy().reshape(shape[0], -1)
    rows, columns = matrix.shape
    if rows > columns:
        matrix = matrix.T
    identity = np.eye(len(matrix))
    np.testing.assert_allclose(matrix @ matrix.T, 4 * identity, atol=1e-5)


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "selu"])
def test_gains_are_torchs(name):
    expected = torch.nn.init.calculate_gain(name)
    assert init.calculate_gain(name) == pytest.approx(expected)


def test_the_gain_of_a_leaky_relu_depends_on_its_slope():
    for slope in (None, 0.0, 0.2, 1):
        expected = torch.nn.init.calculate_gain("leaky_relu", slope)
        found = init.calculate_gain("leaky_relu", slope)
        assert found == pytest.approx(expected)


def test_constants():
    t = mg.empty(2)
    init.constant_(t, 0.5)
    assert t.tolist() == [0.5, 0.5]
    init.ones_(t)
    assert t.tolist() == [1, 1]
    init.zeros_(t)
    assert t.tolist() == [0, 0]


def test_parameters_are_filled_also_outside_no_grad():
    p = mg.nn.Linear(2, 2).weight
    assert init.constant_(p, 3) is p
    init.normal_(p.data, 0.0, 0.02)
    assert abs(p.numpy()).max() < 0.2


def test_what_has_no_fan_in_is_refused():
    vector = mg.zeros(3)
    with pytest.raises(ValueError, match=r"a tensor of shape \(3,\) has no fan-in"):
        init.xavier_uniform_(vector)
    with pytest.raises(ValueError, match=r"a tensor of shape \(3,\) is not a matrix"):
        init.orthogonal_(vector)


def test_unknown_words_are_refused():
    matrix = mg.zeros(3, 3)
    with pytest.raises(ValueError, match="mode is 'fan'"):
        init.kaiming_normal_(matrix, mode="fan")
    with pytest.raises(ValueError, match="nonlinearity is 'rleu', expected leaky_relu or one of"):
        init.calculate_gain("rleu")
