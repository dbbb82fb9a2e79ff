"""Optimisers against their formulas, and their states: saved anywhere, continued to the same
bits.
"""

import re

import numpy as np
import pytest

import minigan as mg
from minigan import nn, optim

OPTIMISERS = {
    "sgd": lambda params: optim.SGD(params, lr=0.1),
    "sgd momentum": lambda params: optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=0.01),
    "sgd nesterov": lambda params: optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda params: optim.RMSprop(params, lr=0.01),
    "rmsprop momentum": lambda params: optim.RMSprop(
        params, lr=0.01, momentum=0.5, weight_decay=0.01
    ),
    "adam": lambda params: optim.Adam(params, lr=0.01, betas=(0.5, 0.9)),
    "adam decay": lambda params: optim.Adam(params, lr=0.01, weight_decay=0.01),
}
every_optimiser = pytest.mark.parametrize("make", OPTIMISERS.values(), ids=list(OPTIMISERS))


def network(seed=0):
    mg.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.LeakyReLU(0.2), nn.Linear(5, 2))


def train(net, optimiser, steps, seed, schedule=None):
    data = np.random.default_rng(seed)
    for _ in range(steps):
        optimiser.zero_grad()
        (net(mg.tensor(data.standard_normal((6, 3)).astype(np.float32))) ** 2).mean().backward()
        optimiser.step()
        if schedule is not None:
            schedule.step()


def bits(net):
    return {name: t.numpy().tobytes() for name, t in net.state_dict().items()}


def one(value, gradient):
    p = nn.Parameter(np.array([value], np.float64))
    p.grad = mg.tensor(np.array([gradient]))
    return p


# ---- the formulas --------------------------------------------------------------------------------


def test_sgd_walks_down():
    p = one(1.0, 2.0)
    optim.SGD([p], lr=0.1).step()
    assert p.item() == pytest.approx(1 - 0.1 * 2)


def test_sgd_with_momentum_and_decay():
    p = one(1.0, 2.0)
    optimiser = optim.SGD([p], lr=0.1, momentum=0.5, weight_decay=0.1)
    optimiser.step()  # buf = 2 + 0.1
    after = 1 - 0.1 * 2.1
    assert p.item() == pytest.approx(after)
    optimiser.step()  # buf = 0.5 * 2.1 + 2 + 0.1 p
    assert p.item() == pytest.approx(after - 0.1 * (1.05 + 2 + 0.1 * after))


def test_nesterov_looks_ahead():
    p = one(1.0, 2.0)
    optim.SGD([p], lr=0.1, momentum=0.5, nesterov=True).step()
    assert p.item() == pytest.approx(1 - 0.1 * (2 + 0.5 * 2))


def test_rmsprop_divides_by_the_running_root_mean_square():
    p = one(1.0, 2.0)
    optim.RMSprop([p], lr=0.1, alpha=0.75).step()
    assert p.item() == pytest.approx(1 - 0.1 * 2 / (0.25 * 4) ** 0.5)


def test_adam_s_first_step_has_the_length_of_the_learning_rate():
    p, q = one(1.0, 2.0), one(1.0, -3000.0)
    optim.Adam([p, q], lr=0.1).step()
    assert p.item() == pytest.approx(0.9) and q.item() == pytest.approx(1.1)


@every_optimiser
def test_every_optimiser_finds_the_minimum_of_a_bowl(make):
    p = nn.Parameter(np.array([0.3, -0.2]))
    optimiser = make([p])
    for _ in range(400):
        optimiser.zero_grad()
        (p * p).sum().backward()
        optimiser.step()
    assert np.abs(p.numpy()).max() < 0.02


@every_optimiser
def test_a_parameter_without_a_gradient_stays_and_its_state_too(make):
    moving, still = one(1.0, 2.0), one(1.0, 2.0)
    still.grad = None
    optimiser = make([moving, still])
    optimiser.step()
    assert moving.item() != 1 and still.item() == 1 and not optimiser.state[1]
    still.grad = mg.tensor(np.array([2.0]))
    moving.grad = None
    first_step = moving.item()
    optimiser.step()
    assert (
        still.item() == pytest.approx(first_step) and moving.item() == first_step
    )  # it starts as the other did


@every_optimiser
def test_gradients_and_dtypes_are_left_alone(make):
    p = nn.Parameter(np.ones(2, np.float32))
    p.grad = mg.tensor(np.full(2, 0.5, np.float32))
    optimiser = make([p])
    for _ in range(2):
        optimiser.step()
    assert p.grad.numpy().tolist() == [0.5, 0.5] and p.dtype == np.float32
    assert all(a.dtype == np.float32 for a in optimiser.state[0].values() if np.ndim(a))
    optimiser.zero_grad()
    assert p.grad is None


# ---- states --------------------------------------------------------------------------------------


@pytest.mark.parametrize("through_a_file", [False, True], ids=["in memory", "through a file"])
@every_optimiser
def test_a_state_continues_to_the_same_bits(make, through_a_file, tmp_path):
    net = network()
    optimiser = make(net.parameters())
    train(net, optimiser, 3, seed=1)
    state = {"network": net.state_dict(), "optimiser": optimiser.state_dict()}
    if through_a_file:
        mg.save(tmp_path / "state.npz", state)
        state = mg.load(tmp_path / "state.npz")
    train(net, optimiser, 4, seed=2)  # after the copy was taken: it must not follow

    other = network(seed=9)
    restored = make(other.parameters())
    train(other, restored, 1, seed=5)
    other.load_state_dict(state["network"])
    restored.load_state_dict(state["optimiser"])
    train(other, restored, 4, seed=2)
    assert bits(other) == bits(net)


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
    start, gradient = np.array([1.0, -2.0]), np.array([0.3, 0.7])

    def trained(library, values, state=None):
        tensor, parameter, make = (
            (mg.tensor, nn.Parameter, optim)
            if library == "ours"
            else (torch.tensor, torch.nn.Parameter, torch.optim)
        )
        p = parameter(tensor(values))
        optimiser = getattr(make, name)([p], lr=0.05, **options)
        if state:
            optimiser.load_state_dict(state)
        for _ in range(3):
            p.grad = tensor(gradient)
            optimiser.step()
        return p.detach().numpy().copy(), optimiser.state_dict()

    expected, _ = trained("theirs", *trained("theirs", start))
    values, state = trained("ours", start)
    state["state"] = {
        i: {k: torch.as_tensor(v) for k, v in entry.items()} for i, entry in state["state"].items()
    }
    np.testing.assert_allclose(trained("theirs", values, state)[0], expected, rtol=1e-14)
    np.testing.assert_allclose(trained("ours", *trained("theirs", start))[0], expected, rtol=1e-14)


def test_a_state_of_what_cannot_be_done_is_refused():
    state = optim.Adam([parameter := nn.Parameter(np.ones(2))]).state_dict()
    for key in ("amsgrad", "decoupled_weight_decay"):
        state["param_groups"][0][key] = True
        with pytest.raises(ValueError, match=f"the state has {key}=True, which Adam cannot do"):
            optim.Adam([parameter]).load_state_dict(state)
        state["param_groups"][0][key] = False


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda s: s.clear(), ["param_groups", "[]"]),
        (lambda s: s["param_groups"][0]["params"].pop(), ["5 parameters", "6"]),
        (lambda s: s["param_groups"][0].pop("betas"), ["settings", "betas"]),
        (
            lambda s: s["state"][1].update(exp_avg=np.zeros(7)),
            ["exp_avg of parameter 1", "(7,)", "(5,)"],
        ),
        (lambda s: s["state"][1].pop("exp_avg"), ["parameter 1", "exp_avg"]),
        (lambda s: s["state"].update({99: s["state"][1]}), ["parameter 99", "6 parameters"]),
        (lambda s: s["param_groups"][0].update(lr="x"), ["lr", "'x'"]),
        (lambda s: s["param_groups"][0].update(betas=None), ["betas", "None"]),
        (lambda s: s["state"][1].update(step=-1), ["step", "-1"]),
        (lambda s: s["param_groups"].clear(), ["param_groups", "0"]),
    ],
    ids=[
        "empty",
        "fewer parameters",
        "another optimiser",
        "shape",
        "less",
        "index",
        "lr",
        "betas",
        "step",
        "no group",
    ],
)
def test_a_state_of_something_else_is_refused_and_changes_nothing(spoil, words):
    net = network()
    optimiser = optim.Adam(net.parameters(), lr=0.25)
    train(net, optimiser, 1, seed=1)
    state = optimiser.state_dict()
    spoil(state)
    with pytest.raises(ValueError) as refusal:
        optimiser.load_state_dict(state)
    assert all(word in str(refusal.value) for word in words)
    assert optimiser.lr == 0.25 and optimiser.state[0]["step"] == 1


# ---- schedules -----------------------------------------------------------------------------------

SCHEDULES = {
    "exponential": (lambda o: optim.ExponentialLR(o, 0.5), [8, 4, 2, 1, 0.5]),
    "step": (lambda o: optim.StepLR(o, 2, 0.5), [8, 8, 4, 4, 2]),
    "constant, then linear": (lambda o: optim.ConstantThenLinearLR(o, 1, 2), [8, 8, 4, 0, 0]),
    "lambda": (lambda o: optim.LambdaLR(o, lambda step: 1 / (1 + step)), [8, 4, 8 / 3, 2, 1.6]),
}


@pytest.mark.parametrize("make, expected", SCHEDULES.values(), ids=list(SCHEDULES))
def test_a_schedule_writes_the_learning_rate_and_continues(make, expected):
    optimiser = optim.SGD([one(1.0, 2.0)], lr=8.0)
    schedule = make(optimiser)
    rates = [optimiser.lr]
    for step in range(4):
        if step == 2:  # stopped here, and resumed in a new process
            states = optimiser.state_dict(), schedule.state_dict()
            optimiser = optim.SGD([one(1.0, 2.0)], lr=8.0)
            schedule = make(optimiser)
            optimiser.load_state_dict(states[0])
            schedule.load_state_dict(states[1])
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


# ---- averages ------------------------------------------------------------------------------------


def test_the_average_follows_the_weights_and_copies_the_statistics():
    net = network()
    average = optim.ExponentialMovingAverage(net, decay=0.9)
    optimiser, expected = optim.SGD(net.parameters(), lr=0.1), net[0].weight.numpy().copy()
    for n in range(1, 8):
        train(net, optimiser, 1, seed=n)
        average.update(net)
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * net[0].weight.numpy()
    np.testing.assert_allclose(average.module[0].weight.numpy(), expected, rtol=1e-5)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        np.testing.assert_array_equal(
            getattr(average.module[1], name).numpy(), getattr(net[1], name).numpy()
        )
    assert not any(p.requires_grad for p in average.module.parameters())
    assert all(p.requires_grad for p in net.parameters())


def test_the_average_does_not_care_whether_the_network_is_frozen():
    results = []
    for frozen in (False, True):
        net = network()
        average = optim.ExponentialMovingAverage(net, decay=0.9)
        train(net, optim.SGD(net.parameters(), lr=0.1), 2, seed=1)
        net.requires_grad_(not frozen)
        average.update(net)
        results.append(bits(average.module))
    assert results[0] == results[1] != bits(net)


def test_an_average_continues_to_the_same_bits(tmp_path):
    net = network()
    average, optimiser = optim.ExponentialMovingAverage(net, 0.99), optim.Adam(net.parameters())
    train(net, optimiser, 2, seed=1)
    average.update(net)
    mg.save(tmp_path / "average.npz", average.state_dict())
    train(net, optimiser, 1, seed=2)
    average.update(net)
    other = optim.ExponentialMovingAverage(network(seed=4), 0.99)
    other.load_state_dict(mg.load(tmp_path / "average.npz"))
    other.update(net)
    assert bits(other.module) == bits(average.module)


def test_a_graph_of_the_average_s_old_weights_is_refused():
    net, x = network(), mg.randn(4, 3, requires_grad=True)
    average = optim.ExponentialMovingAverage(net)
    y = average.module.eval()(x).sum()
    average.update(net)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


# ---- networks and parameters that change under their average or their optimiser


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda net: setattr(net, "weight", None), "missing ['weight']"),
        (
            lambda net: setattr(net, "more", nn.Linear(2, 2)),
            "unexpected ['more.weight', 'more.bias']",
        ),
        (
            lambda net: setattr(net, "weight", nn.Parameter(np.ones((1, 2), np.float32))),
            "of another shape ['weight']",
        ),
    ],
)
def test_an_average_refuses_a_network_that_is_no_longer_its_own(change, message):
    """By position the bias would be averaged into the weight, and one row broadcast over all."""
    network = nn.Linear(2, 2)
    average = optim.ExponentialMovingAverage(network)
    before = {name: t.numpy().copy() for name, t in average.module.named_tensors()}
    change(network)
    with pytest.raises(ValueError, match=re.escape(message)):
        average.update(network)
    assert average.count == 0
    assert all(
        np.array_equal(t.numpy(), before[name]) for name, t in average.module.named_tensors()
    )


def test_an_average_follows_names_and_not_the_order_of_definition():
    network = nn.LayerNorm(2)
    average = optim.ExponentialMovingAverage(network, 0.5)
    weight = network.weight
    del network.weight
    network.weight = weight  # now it is the last
    average.update(network)
    assert average.module.weight.numpy().tolist() == [
        1,
        1,
    ] and average.module.bias.numpy().tolist() == [0, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda ps: optim.Adam(ps, 0.1),
        lambda ps: optim.SGD(ps, 0.1, momentum=0.9),
        lambda ps: optim.RMSprop(ps, 0.1),
    ],
)
def test_moments_of_another_shape_are_refused(make):
    p = nn.Parameter(np.ones((2, 2), np.float32))
    optimizer = make([p])
    (p * p).sum().backward()
    optimizer.step()
    p.data = np.ones((1, 2), np.float32)
    p.grad = None
    p.sum().backward()
    with pytest.raises(
        ValueError, match=r"of shape \(2, 2\) for parameter 0, which now has shape \(1, 2\)"
    ):
        optimizer.step()
    assert p.numpy().tolist() == [[1, 1]]
