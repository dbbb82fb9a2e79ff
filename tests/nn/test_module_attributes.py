"""What Python does to a Module: no assignment drops a Parameter, and copies are complete."""

import copy
import pickle

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.nn.module import Buffer

F32 = np.float32


def networks():
    return {
        "linear": nn.Linear(2, 2),
        "bare": nn.Linear(2, 2, bias=False),
        "norm": nn.BatchNorm2d(2),
        "plain norm": nn.InstanceNorm2d(2),
        "deep": nn.Sequential(nn.Linear(2, 2), nn.ReLU()),
        "convolution": nn.Conv2d(1, 1, 1, bias=False),
        "transposed": nn.ConvTranspose2d(1, 1, 1, bias=False),
    }


VALUES = {
    "Tensor": mg.zeros(2, 2),
    "ndarray": np.zeros((2, 2)),
    "int": 3,
    "list": [1.0],
    "Buffer": Buffer(np.zeros(2)),
    "ReLU": nn.ReLU(),
}


@pytest.mark.parametrize(
    "network, name, kind",
    [
        ("linear", "weight", "parameter"),
        ("linear", "bias", "parameter"),
        ("bare", "bias", "parameter"),
        ("norm", "weight", "parameter"),
        ("norm", "running_mean", "buffer"),
        ("norm", "num_batches_tracked", "buffer"),
        ("plain norm", "weight", "parameter"),
        ("plain norm", "bias", "parameter"),
        ("deep", "0", "module"),
        ("deep", "1", "module"),
        ("convolution", "bias", "parameter"),
        ("transposed", "bias", "parameter"),
    ],
)
@pytest.mark.parametrize("value", VALUES)
def test_the_place_of_a_parameter_a_buffer_or_a_module_takes_its_own_kind_only(
    network, name, kind, value
):
    net = networks()[network]
    own = {"parameter": nn.Parameter, "buffer": Buffer, "module": nn.Module}[kind]
    if isinstance(VALUES[value], own):
        return
    before = getattr(net, name)
    names = list(net.state_dict())
    words = f"cannot assign a {value} as {kind} '{name}' of {type(net).__name__}: "
    words += f"expected a {own.__name__} or None"
    with pytest.raises(TypeError) as refusal:
        setattr(net, name, VALUES[value])
    assert str(refusal.value) == words
    assert getattr(net, name) is before
    assert list(net.state_dict()) == names
    setattr(net, name, None)
    with pytest.raises(TypeError, match=f"as {kind} '{name}'"):
        setattr(net, name, VALUES[value])
    for copied in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        with pytest.raises(TypeError, match=f"as {kind} '{name}'"):
            setattr(copied, name, VALUES[value])


def test_their_own_kind_takes_the_place_and_is_found():
    net = networks()
    weight = nn.Parameter(mg.zeros(2, 2))
    mean = Buffer(np.zeros(2, F32))
    tanh = nn.Tanh()
    net["linear"].weight = weight
    net["bare"].bias = nn.Parameter(mg.zeros(2))
    net["norm"].running_mean = mean
    setattr(net["deep"], "1", tanh)
    assert net["linear"].parameters()[0] is weight
    assert len(net["bare"].parameters()) == 2
    assert dict(net["norm"].named_tensors())["running_mean"] is mean
    assert net["deep"][1] is tanh
    net["linear"].bias = None
    assert list(net["linear"].state_dict()) == ["weight"]
    assert net["linear"](mg.ones(1, 2)).shape == (1, 2)
    # As in PyTorch, a Parameter may take any place.
    net["norm"].running_var = nn.Parameter(mg.ones(2))
    assert "running_var" in dict(net["norm"].named_parameters())
    del net["linear"].weight
    assert not net["linear"].parameters()


def test_an_operator_in_place_on_an_attribute_keeps_the_parameter():
    layer = nn.Linear(2, 2)
    weight = layer.weight
    with mg.no_grad():
        layer.weight *= 2
        layer.weight[0] = 1
        layer.bias[:1] += 5
    assert layer.weight is weight
    assert weight.numpy()[0].tolist() == [1, 1]
    assert len(layer.parameters()) == 2
    with pytest.raises(RuntimeError, match=r"inside no_grad\(\)"):
        layer.weight *= 2
    with pytest.raises(TypeError, match="cannot assign a Tensor as parameter 'weight'"):
        layer.weight = layer.weight * 2


def test_any_other_attribute_holds_anything_and_lists_are_not_searched():
    net = nn.Linear(2, 2)
    net.cache = None
    net.cache = mg.zeros(2)
    net.cache = 5
    net.layers = [nn.Linear(2, 2)]  # as in PyTorch, nobody finds the parameters in it
    assert len(net.parameters()) == 2
    assert net.cache == 5


def test_modules_are_compared_and_hashed_by_identity_and_a_layer_is_no_container():
    a = nn.Linear(2, 2)
    b = nn.Linear(2, 2)
    assert a == a
    assert a != b
    assert {a: 1, b: 2}[b] == 2
    assert a in [b, a]
    assert b not in [a]
    net = nn.Sequential(a, nn.ReLU())
    assert a in net
    assert b not in net
    assert len(net) == 2
    assert list(net)[0] is a
    assert bool(a)
    for refused in (
        lambda: len(a),
        lambda: list(a),
        lambda: float(a),
        lambda: a + a,
        lambda: a < b,
        lambda: f"{a:.2f}",
        lambda: mg.ones(2) * a,
        lambda: np.ones(2) * a,
        lambda: net.__setitem__(0, b),
    ):
        with pytest.raises((TypeError, AttributeError)):
            refused()


@pytest.mark.parametrize(
    "how", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deepcopy", "pickle"]
)
def test_a_copied_module_is_another_with_the_same_values(how):
    for net in networks().values():
        twin = how(net)
        assert [n for n, _ in twin.named_tensors()] == [n for n, _ in net.named_tensors()]
        for (_, a), (_, b) in zip(twin.named_tensors(), net.named_tensors()):
            assert a is not b
            assert type(a) is type(b)
            assert np.array_equal(a.numpy(), b.numpy())
    net = nn.Linear(2, 2)
    shared = copy.copy(net)
    assert shared.weight is net.weight
