"""Modules as PyTorch's users write them: containers, buffers, apply, prefixes, refusals."""

import numpy as np
import pytest

import minigan as mg
from minigan import nn


def names_in(module):
    """The names in the state of a module, in a line."""
    return " ".join(module.state_dict())


def classes_of(modules):
    """The names of the modules' classes, in a line."""
    return " ".join(type(module).__name__ for module in modules)


def test_a_module_list_is_found_and_indexed():
    layers = nn.ModuleList([nn.Linear(2, 3), nn.Tanh()])
    layers.append(nn.Linear(3, 1))
    assert len(layers) == 3
    assert classes_of(layers) == "Linear Tanh Linear"
    assert layers[-1].weight.shape == (1, 3)
    assert len(layers[:2]) == 2
    assert names_in(layers) == "0.weight 0.bias 2.weight 2.bias"
    layers[1] = nn.ReLU()
    assert type(layers[1]) is nn.ReLU
    with pytest.raises(TypeError, match="ModuleList: layer 3 is a int, expected a Module"):
        layers.append(5)
    with pytest.raises(NotImplementedError):
        layers(mg.ones(1, 2))


def test_a_module_dict_is_found_and_indexed():
    layers = nn.ModuleDict({"in": nn.Linear(2, 3)})
    layers["out"] = nn.Linear(3, 1)
    assert "in" in layers
    assert list(layers) == layers.keys() == ["in", "out"]
    assert layers["out"] is layers.values()[1]
    assert [name for name, _ in layers.items()] == ["in", "out"]
    assert names_in(layers) == "in.weight in.bias out.weight out.bias"
    with pytest.raises(TypeError, match="ModuleDict: layer x is a str"):
        layers["x"] = "y"


def test_a_sequential_takes_names_and_more_layers():
    net = nn.Sequential({"first": nn.Linear(2, 2)})
    net.append(nn.Tanh())
    net.add_module("last", nn.Linear(2, 1))
    assert [name for name, _ in net.named_children()] == ["first", "1", "last"]
    assert classes_of(net) == "Linear Tanh Linear"
    assert net(mg.ones(3, 2)).shape == (3, 1)


def weights_init(module):
    """As in PyTorch's DCGAN example."""
    classname = module.__class__.__name__
    if classname.find("Conv") != -1:
        mg.nn.init.normal_(module.weight, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        module.weight.data.normal_(1.0, 0.02)
        module.bias.data.fill_(0)


def test_apply_visits_every_module():
    net = nn.Sequential(
        nn.Conv2d(3, 64, 4, 2, 1, bias=False),
        nn.Sequential(nn.BatchNorm2d(64), nn.ReLU(True)),
    )
    assert net.apply(weights_init) is net
    convolution, block = net
    assert convolution.weight.std().item() == pytest.approx(0.02, abs=0.002)
    assert block[0].weight.mean().item() == pytest.approx(1, abs=0.01)
    visited = []
    net.apply(visited.append)
    assert classes_of(visited) == "Conv2d BatchNorm2d ReLU Sequential Sequential"
    names = [name for name, _ in net.named_modules()]
    assert names == ["", "0", "1", "1.0", "1.1"]
    assert classes_of(net.children()) == "Conv2d Sequential"


def test_buffers_belong_to_the_state_unless_they_are_passing():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("kept", mg.ones(2))
            self.register_buffer("passing", mg.ones(3), persistent=False)
            self.register_buffer("none", None)
            self.weight = nn.Parameter(mg.zeros(2), requires_grad=False)

    net = Net()
    assert names_in(net) == "kept weight"
    assert [name for name, _ in net.named_buffers()] == ["kept", "passing"]
    assert not net.weight.requires_grad
    assert next(net.parameters()) is net.weight
    net.none = mg.ones(4)
    assert "none" in net.state_dict()


def test_a_module_is_converted_and_stays_on_its_device():
    net = nn.BatchNorm2d(2)
    net.double()
    assert net.running_mean.dtype == np.float64
    net.to(mg.float32)
    assert net.running_mean.dtype == np.float32
    assert net.to("cpu") is net
    assert net.cpu() is net
    with pytest.raises(ValueError, match="device is 'cuda', but this process works on"):
        net.cuda()


def test_a_state_from_several_gpus_is_read_without_its_prefix():
    net = nn.Linear(2, 1)
    state = {
        "module.weight": np.full((1, 2), 5),
        "module.bias": np.zeros(1),
    }
    assert net.load_state_dict(state) is net
    assert net.weight.tolist() == [[5, 5]]


def test_a_state_that_fits_in_part_is_read_in_part():
    net = nn.Linear(2, 1)
    state = {"weight": np.ones((1, 2)), "extra": np.ones(1)}
    with pytest.raises(ValueError, match="missing .*bias.*unexpected .*extra"):
        net.load_state_dict(state)
    found = net.load_state_dict(state, strict=False)
    assert found.missing_keys == ["bias"]
    assert found.unexpected_keys == ["extra"]
    assert net.weight.tolist() == [[1, 1]]
    with pytest.raises(ValueError, match="has shape"):
        net.load_state_dict({"weight": np.ones(3)}, strict=False)


def test_gradients_are_forgotten_or_zeroed():
    net = nn.Linear(2, 1)
    net(mg.ones(1, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.weight.grad.tolist() == [[0, 0]]
    net.zero_grad()
    assert net.weight.grad is None


def test_the_dictionaries_of_a_module_may_be_changed():
    net = nn.BatchNorm2d(2)
    assert " ".join(net._parameters) == "weight bias"
    assert " ".join(net._buffers) == "running_mean running_var num_batches_tracked"
    weight = net._parameters.pop("weight")
    assert "weight" not in net._parameters
    net.register_parameter("weight_bar", weight)
    net.weight = weight * 2  # a plain Tensor, which is no parameter
    assert names_in(net) == "bias running_mean running_var num_batches_tracked weight_bar"
    net._parameters["bias"] = None
    assert net._parameters["bias"] is None
    assert list(nn.Sequential(net)._modules) == ["0"]
    with pytest.raises(KeyError):
        net._parameters["running_mean"]


def test_hooks_are_refused_in_a_sentence():
    with pytest.raises(AttributeError, match="Linear has no attribute 'register_forward_hook': ho"):
        nn.Linear(2, 1).register_forward_hook(print)
    with pytest.raises(AttributeError, match="half precision is not supported"):
        nn.Linear(2, 1).half()
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'wieght'"):
        getattr(nn.Linear(2, 1), "wieght")  # noqa: B009


def test_dropout2d_drops_whole_channels():
    mg.manual_seed(0)
    x = mg.ones(20, 30, 4, 4)
    layer = nn.Dropout2d(0.25)
    y = layer(x).numpy()
    means = y.mean((2, 3))
    kept = means > 0
    np.testing.assert_allclose(means[kept], 1 / 0.75, rtol=1e-6)
    assert 0.7 < kept.mean() < 0.8
    assert y.var((2, 3)).max() < 1e-12
    assert nn.Dropout2d(0.25, inplace=True)(x) is x
    with pytest.raises(ValueError, match="dropout2d: x has shape"):
        nn.Dropout2d()(mg.ones(3))
