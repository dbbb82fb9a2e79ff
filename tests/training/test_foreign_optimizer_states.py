"""An optimiser holds a state that it takes up to what its constructor takes."""

import copy

import numpy as np
import pytest
from states import NUMBERS, content, refused, replaced

import minigan as mg
from minigan import nn, optim

OPTIMISERS = {
    "sgd": lambda params: optim.SGD(params, 0.1),
    "sgd with momentum": lambda params: optim.SGD(params, 0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda params: optim.RMSprop(params, 0.1),
    "rmsprop with momentum": lambda params: optim.RMSprop(params, 0.1, momentum=0.5),
    "adam": lambda params: optim.Adam(params, 0.1),
}
ODD_BETAS = [
    (0.9, float("nan")),
    (0.9,),
    (0.9, 1.0),
    (-0.1, 0.9),
    (True, 0.5),
    ("0.9", "0.9"),
    (0.9, None),
    "ab",
]


def trained(make):
    mg.manual_seed(0)
    net = nn.Linear(3, 2)
    optimiser = make(net.parameters())
    for _ in range(2):
        optimiser.zero_grad()
        (net(mg.ones(4, 3)) ** 2).sum().backward()
        optimiser.step()
    return optimiser


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_s_settings_are_numbers_that_its_constructor_takes(name):
    optimiser = trained(OPTIMISERS[name])
    state = optimiser.state_dict()
    for key in optimiser.settings:
        for value in NUMBERS:
            if key == "nesterov" and value is True:
                continue
            assert key in refused(optimiser, replaced(state, ("param_groups", 0, key), value))
        smaller = copy.deepcopy(state)
        del smaller["param_groups"][0][key]
        assert key in refused(optimiser, smaller)
    if "betas" in optimiser.settings:
        for betas in ODD_BETAS:
            odd = replaced(state, ("param_groups", 0, "betas"), betas)
            assert "betas are" in refused(optimiser, odd)


ODD_STEPS = [
    None,
    -1,
    1.5,
    2.0,
    True,
    "3",
    float("nan"),
    10**30,
    [],
    np.array([1]),
    np.array(1.5),
    np.array(-1),
]


def odd_moments(array):
    """What can be no moment in the place of this one."""
    bad = np.full(array.shape, np.nan, np.float32)
    return [
        None,
        1.0,
        "x",
        [1.0],
        array.tolist(),
        array[..., None],
        np.float32(1),
        array.astype(int),
        array.astype(complex),
        array.astype(bool),
        array.astype(object),
        bad,
        bad * np.inf,
        array.ravel()[:1],
    ]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_s_moments_are_finite_floats_of_its_parameters_shapes(name):
    optimiser = trained(OPTIMISERS[name])
    state = optimiser.state_dict()
    for i, entry in state["state"].items():
        for key, array in entry.items():
            odd = ODD_STEPS if key == "step" else odd_moments(array)
            if key in optim.SQUARES:
                odd.append(-1 - array)
            for value in odd:
                assert key in refused(optimiser, replaced(state, ("state", i, key), value)), value
            if key in optimiser.needs:
                smaller = copy.deepcopy(state)
                del smaller["state"][i][key]
                assert key in refused(optimiser, smaller)
        assert refused(optimiser, replaced(state, ("state", i, "more"), np.zeros(2)))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_s_state_is_of_its_own_parameters(name):
    optimiser = trained(OPTIMISERS[name])
    state = optimiser.state_dict()
    entry = next(iter(state["state"].values()), {"step": 1})
    for index in (2, -1, 10**30, "0", "x", None, 0.5, True, (0,)):
        assert refused(optimiser, {**state, "state": {**state["state"], index: entry}})
    for odd in (None, [], "x", 3, {}, {"state": {}}, {"param_groups": []}, [state]):
        assert refused(optimiser, odd)
    for odd in (None, [], {}, "x", [None], [[]], ["x"], state["param_groups"] * 2, [{}], (3,)):
        assert refused(optimiser, {**state, "param_groups": odd})
    for odd in (None, [], "x", [3], {0: None}, {0: []}, {0: 5}):
        assert refused(optimiser, {**state, "state": odd})
    for odd in (None, [], [0], [0, 0], [1, 0], [0, 1, 2], ["0", "1"], {}, "01", [None, None]):
        assert refused(optimiser, replaced(state, ("param_groups", 0, "params"), odd))
    for key in set(optimiser.fixed) - set(optimiser.settings):
        for value in (True, 1, 0.5, None, "", [], {}, float("nan")):
            assert key in refused(optimiser, replaced(state, ("param_groups", 0, key), value))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_s_own_state_is_taken_up(name):
    optimiser, other = trained(OPTIMISERS[name]), trained(OPTIMISERS[name])
    other.lr = 0.5
    other.load_state_dict(optimiser.state_dict())
    assert content(other) == content(optimiser)


def test_nesterov_without_momentum_is_refused_wherever_it_comes_from():
    p = nn.Parameter(np.ones(2))
    with pytest.raises(ValueError, match="nesterov needs a momentum above 0"):
        optim.SGD([p], nesterov=True)
    optimiser = optim.SGD([p])
    assert "nesterov" in refused(
        optimiser, replaced(optimiser.state_dict(), ("param_groups", 0, "nesterov"), True)
    )
