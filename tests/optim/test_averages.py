"""The exponential moving average of a network's weights: its formula, its state, its refusals."""

import re

import numpy as np
import pytest
from toy_training import bits, network, train

import minigan as mg
from minigan import nn, optim


def test_the_average_follows_the_weights_and_copies_the_statistics():
    net = network()
    average = optim.ExponentialMovingAverage(net, decay=0.9)
    optimiser = optim.SGD(net.parameters(), lr=0.1)
    expected = net[0].weight.numpy().copy()
    for n in range(1, 8):
        train(net, optimiser, 1, seed=n)
        average.update(net)
        decay = min(0.9, (1 + n) / (10 + n))
        weight = net[0].weight.numpy()
        expected = decay * expected + (1 - decay) * weight
    averaged = average.module
    np.testing.assert_allclose(averaged[0].weight.numpy(), expected, rtol=1e-5)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        found = getattr(averaged[1], name)
        statistic = getattr(net[1], name)
        np.testing.assert_array_equal(found.numpy(), statistic.numpy())
    assert not any(p.requires_grad for p in averaged.parameters())
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
    average = optim.ExponentialMovingAverage(net, 0.99)
    optimiser = optim.Adam(net.parameters())
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
    net = network()
    x = mg.randn(4, 3, requires_grad=True)
    average = optim.ExponentialMovingAverage(net)
    y = average.module.eval()(x).sum()
    average.update(net)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def drop_weight(net):
    net.weight = None


def add_layer(net):
    net.more = nn.Linear(2, 2)


def replace_weight(net):
    net.weight = nn.Parameter(np.ones((1, 2), np.float32))


@pytest.mark.parametrize(
    "change, message",
    [
        (drop_weight, "missing ['weight']"),
        (add_layer, "unexpected ['more.weight', 'more.bias']"),
        (replace_weight, "of another shape ['weight']"),
    ],
)
def test_an_average_refuses_a_network_that_is_no_longer_its_own(change, message):
    """By position the bias would be averaged into the weight, and one row broadcast over all."""
    net = nn.Linear(2, 2)
    average = optim.ExponentialMovingAverage(net)
    before = bits(average.module)
    change(net)
    with pytest.raises(ValueError, match=re.escape(message)):
        average.update(net)
    assert average.count == 0
    assert bits(average.module) == before


def test_an_average_follows_names_and_not_the_order_of_definition():
    net = nn.LayerNorm(2)
    average = optim.ExponentialMovingAverage(net, 0.5)
    weight = net.weight
    del net.weight
    net.weight = weight  # now it is the last
    average.update(net)
    assert average.module.weight.numpy().tolist() == [1, 1]
    assert average.module.bias.numpy().tolist() == [0, 0]
