"""The states of optimisers and schedules: saved anywhere, continued to the same bits."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from toy_training import bits, every_optimiser, make, network, one, train

import minigan as mg
from minigan import nn, optim


@pytest.mark.parametrize("through_a_file", [False, True], ids=["in memory", "through a file"])
@every_optimiser
def test_a_state_continues_to_the_same_bits(name, through_a_file, tmp_path):
    net = network()
    optimiser = make(name, net.parameters())
    train(net, optimiser, 3, seed=1)
    state = {"network": net.state_dict(), "optimiser": optimiser.state_dict()}
    if through_a_file:
        mg.save(tmp_path / "state.npz", state)
        state = mg.load(tmp_path / "state.npz")
    train(net, optimiser, 4, seed=2)  # after the copy was taken: it must not follow

    other = network(seed=9)
    restored = make(name, other.parameters())
    train(other, restored, 1, seed=5)
    other.load_state_dict(state["network"])
    restored.load_state_dict(state["optimiser"])
    train(other, restored, 4, seed=2)
    assert bits(other) == bits(net)


class Library(NamedTuple):
    """Functions of the same meaning in minigan and in PyTorch."""

    tensor: Callable
    parameter: Callable
    optimiser: Callable


@pytest.mark.parametrize(
    "name, options",
    [
        ("Adam", {"betas": (0.5, 0.99)}),
        ("RMSprop", {"alpha": 0.9}),
        ("SGD", {"momentum": 0.8, "nesterov": True}),
    ],
)
def test_a_state_goes_to_pytorch_and_comes_from_there(name, options):
    """Three steps here and three there, or the other way round, are six of PyTorch's."""
    torch = pytest.importorskip("torch", reason="PyTorch is the other side")
    start = np.array([1.0, -2.0])
    gradient = np.array([0.3, 0.7])
    ours = Library(mg.tensor, nn.Parameter, getattr(optim, name))
    theirs = Library(torch.tensor, torch.nn.Parameter, getattr(torch.optim, name))

    def trained(library, values, state=None):
        """Three steps -> the values, the optimiser's state."""
        p = library.parameter(library.tensor(values))
        optimiser = library.optimiser([p], lr=0.05, **options)
        if state:
            optimiser.load_state_dict(state)
        for _ in range(3):
            p.grad = library.tensor(gradient)
            optimiser.step()
        return p.detach().numpy().copy(), optimiser.state_dict()

    expected, _ = trained(theirs, *trained(theirs, start))
    found, _ = trained(ours, *trained(theirs, start))
    np.testing.assert_allclose(found, expected, rtol=1e-14)

    values, state = trained(ours, start)
    for entry in state["state"].values():
        for key, value in entry.items():
            entry[key] = torch.as_tensor(value)
    found, _ = trained(theirs, values, state)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_a_state_of_what_cannot_be_done_is_refused():
    parameter = nn.Parameter(np.ones(2))
    state = optim.Adam([parameter]).state_dict()
    for key in ("amsgrad", "decoupled_weight_decay"):
        state["param_groups"][0][key] = True
        with pytest.raises(ValueError, match=f"the state has {key}=True, which Adam cannot do"):
            optim.Adam([parameter]).load_state_dict(state)
        state["param_groups"][0][key] = False


def other_shape(state):
    state["state"][1].update(exp_avg=np.zeros(7))


def unknown_index(state):
    state["state"][99] = state["state"][1]


def change(**settings):
    return lambda state: state["param_groups"][0].update(settings)


SPOILED = {  # what -> (a change to an Adam's state, words of the refusal)
    "empty": (
        lambda state: state.clear(),
        ["param_groups", "[]"],
    ),
    "fewer parameters": (
        lambda state: state["param_groups"][0]["params"].pop(),
        ["5 parameters", "6"],
    ),
    "another optimiser": (
        lambda state: state["param_groups"][0].pop("betas"),
        ["settings", "betas"],
    ),
    "shape": (
        other_shape,
        ["exp_avg of parameter 1", "(7,)", "(5,)"],
    ),
    "less": (
        lambda state: state["state"][1].pop("exp_avg"),
        ["parameter 1", "exp_avg"],
    ),
    "index": (
        unknown_index,
        ["parameter 99", "6 parameters"],
    ),
    "lr": (
        change(lr="x"),
        ["lr", "'x'"],
    ),
    "betas": (
        change(betas=None),
        ["betas", "None"],
    ),
    "step": (
        lambda state: state["state"][1].update(step=-1),
        ["step", "-1"],
    ),
    "no group": (
        lambda state: state["param_groups"].clear(),
        ["param_groups", "0"],
    ),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_state_of_something_else_is_refused_and_changes_nothing(what):
    spoil, words = SPOILED[what]
    net = network()
    optimiser = optim.Adam(net.parameters(), lr=0.25)
    train(net, optimiser, 1, seed=1)
    state = optimiser.state_dict()
    spoil(state)
    with pytest.raises(ValueError) as refusal:
        optimiser.load_state_dict(state)
    for word in words:
        assert word in str(refusal.value)
    assert optimiser.lr == 0.25
    assert optimiser.state[0]["step"] == 1


@pytest.mark.parametrize("name", ["adam", "sgd momentum", "rmsprop"])
def test_moments_of_another_shape_are_refused(name):
    p = nn.Parameter(np.ones((2, 2), np.float32))
    optimizer = make(name, [p])
    optimizer.minimize((p * p).sum())
    p.data = np.ones((1, 2), np.float32)
    p.grad = None
    p.sum().backward()
    message = r"of shape \(2, 2\) for parameter 0, which now has shape \(1, 2\)"
    with pytest.raises(ValueError, match=message):
        optimizer.step()
    assert p.numpy().tolist() == [[1, 1]]


# ---- schedules

SCHEDULES = {
    "exponential": (lambda o: optim.ExponentialLR(o, 0.5), [8, 4, 2, 1, 0.5]),
    "step": (lambda o: optim.StepLR(o, 2, 0.5), [8, 8, 4, 4, 2]),
    "constant, then linear": (lambda o: optim.ConstantThenLinearLR(o, 1, 2), [8, 8, 4, 0, 0]),
    "lambda": (lambda o: optim.LambdaLR(o, lambda step: 1 / (1 + step)), [8, 4, 8 / 3, 2, 1.6]),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_writes_the_learning_rate_and_continues(name):
    make_schedule, expected = SCHEDULES[name]
    optimiser = optim.SGD([one(1.0, 2.0)], lr=8.0)
    schedule = make_schedule(optimiser)
    rates = [optimiser.lr]
    for step in range(4):
        if step == 2:  # stopped here, and resumed in a new process
            optimiser_state = optimiser.state_dict()
            schedule_state = schedule.state_dict()
            optimiser = optim.SGD([one(1.0, 2.0)], lr=8.0)
            schedule = make_schedule(optimiser)
            optimiser.load_state_dict(optimiser_state)
            schedule.load_state_dict(schedule_state)
        schedule.step()
        rates.append(optimiser.lr)
    assert rates == pytest.approx(expected)


def test_the_learning_rate_of_a_schedule_is_the_one_that_is_used():
    p = one(1.0, 2.0)
    optimiser = optim.SGD([p], lr=0.1)
    schedule = optim.ExponentialLR(optimiser, 0.5)
    schedule.step()
    optimiser.step()
    assert p.item() == pytest.approx(1 - 0.05 * 2)
