"""Every model of the table in conformance.py is its paper's, trains, and can be saved and refused.

Shapes and ranges, parameter counts, gradients of the whole network, which networks a step moves,
five steps beside PyTorch, a training that is interrupted and continued, and refusals.
"""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from conformance import (
    MODELS,
    as_tensors,
    make_batch,
    make_networks,
    make_optimizers,
    play,
    state_of,
    train,
)

import minigan as mg
from minigan import nn, rng
from minigan.training import checkpoint

NETWORKS = []  # (the model's name, the network's name)
COUNTS = []
for _name, _model in MODELS.items():
    NETWORKS += [(_name, network) for network in _model.outputs]
    COUNTS += [(_name, network) for network in _model.published]
TWINS = [name for name, model in MODELS.items() if model.twin]


def bits(state):
    """A state's tree and the bytes of its arrays: equal if and only if the states are."""
    tree, arrays = checkpoint.flatten(state)
    return tree, {name: (array.dtype, array.tobytes()) for name, array in arrays.items()}


def without_dropout(network):
    """Switch off what draws random numbers."""
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    return network


def in_float64(network, seed=0):
    """The network in float64, with weights so large that no layer is idle."""
    generator = np.random.default_rng(seed)
    for p in network.double().parameters():
        with mg.no_grad():
            p.copy_(0.3 * generator.standard_normal(p.shape))
    return without_dropout(network)


@pytest.mark.parametrize("name, network", NETWORKS)
def test_the_output_has_its_shape_and_range(name, network):
    model = MODELS[name]
    output = model.outputs[network]
    made = getattr(make_networks(model), network)
    y = made(mg.tensor(10 * make_batch(model)[output.of]))
    assert y.shape == output.shape and y.dtype == np.float32
    if output.bounded:
        assert abs(y.numpy()).max() <= 1


@pytest.mark.parametrize("name, network", COUNTS)
def test_the_parameter_count_is_the_papers(name, network):
    make, count = MODELS[name].published[network]
    assert sum(p.numel() for p in make().parameters()) == count


@pytest.mark.parametrize("name, network", NETWORKS)
def test_gradients_with_respect_to_the_input_agree_to_second_order(name, network):
    model = MODELS[name]
    made = in_float64(getattr(make_networks(model), network))
    x = make_batch(model, dtype=np.float64)[model.outputs[network].of]
    assert mg.gradcheck(made, [x[:2]])


@pytest.mark.parametrize("name, network", NETWORKS)
def test_gradients_with_respect_to_every_weight_agree(name, network):
    model = MODELS[name]
    made = in_float64(getattr(make_networks(model), network))
    x = mg.tensor(make_batch(model, dtype=np.float64)[model.outputs[network].of][:2])
    places = []  # (layer, name of the parameter)
    for layer in made.modules():
        for key, value in vars(layer).items():
            if isinstance(value, nn.Parameter):
                places.append((layer, key))
    weights = [getattr(layer, key).numpy() for layer, key in places]

    def of_weights(*weights):
        for (layer, key), weight in zip(places, weights):
            vars(layer)[key] = weight  # in the place of the Parameter
        return made(x)

    assert len(weights) >= 3
    assert mg.gradcheck(of_weights, weights, order=1)


@pytest.mark.parametrize("name", MODELS)
def test_each_player_moves_its_own_networks_and_no_other(name):
    model = MODELS[name]
    networks = make_networks(model)
    for network in vars(networks).values():
        in_float64(network)
    optimizers = make_optimizers(model, networks)
    batch = as_tensors(make_batch(model, dtype=np.float64))
    for player, optimizer in zip(model.players, optimizers):
        before = {}
        for letter, network in vars(networks).items():
            network.zero_grad()
            before[letter] = [p.numpy().copy() for p in network.parameters()]
        play(player, networks, optimizer, batch)
        for letter, network in vars(networks).items():
            for p, was in zip(network.parameters(), before[letter]):
                if letter not in player.moves:
                    assert p.numpy().tobytes() == was.tobytes() and p.grad is None
                elif p.ndim > 1:
                    assert (p.numpy() != was).any()


class TwinTraining:
    """The twin of a row and its optimisers: the same steps in PyTorch."""

    def __init__(self, torch, model, networks):
        import twins

        self.torch = torch
        self.model = model
        self.twin = getattr(twins, model.twin)()
        self.pairs = []  # of parameters: minigan's and PyTorch's
        for letter, network in vars(networks).items():
            self.pairs += self.copy_weights(network, self.twin.networks[letter])
        name, settings = model.optimizer
        self.optimizers = []
        make_optimizer = getattr(torch.optim, name)
        for player in model.players:
            own = []
            for letter in player.moves:
                own += self.twin.networks[letter].parameters()
            self.optimizers.append(make_optimizer(own, **settings))

    def copy_weights(self, ours, theirs):
        """Both networks have their parameters in the same order."""
        pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
        for p, q in pairs:
            assert p.shape == tuple(q.shape)
            with self.torch.no_grad():
                q.copy_(self.torch.from_numpy(p.numpy()))
        return pairs

    def play(self, i, arrays):
        """Player number i's part of a step."""
        batch = {name: self.torch.from_numpy(array) for name, array in arrays.items()}
        networks = SimpleNamespace(**self.twin.networks)
        loss = self.twin.losses[i](networks, SimpleNamespace(**batch))
        self.optimizers[i].zero_grad()
        loss.backward()
        self.optimizers[i].step()
        limit = self.model.players[i].limit
        if limit:
            with self.torch.no_grad():
                for q in networks.D.parameters():
                    q.clamp_(-limit, limit)


@pytest.mark.parametrize("name", TWINS)
def test_five_steps_in_float64_agree_with_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    torch.set_num_threads(1)
    model = MODELS[name]
    networks = make_networks(model)
    for seed, network in enumerate(vars(networks).values()):
        in_float64(network, seed)
    optimizers = make_optimizers(model, networks)
    theirs = TwinTraining(torch, model, networks)
    for step in range(5):
        arrays = make_batch(model, step, np.float64)
        for i, player in enumerate(model.players):
            mg.manual_seed(step)
            play(player, networks, optimizers[i], as_tensors(arrays))
            mg.manual_seed(step)  # the twin draws the same numbers
            theirs.play(i, arrays)
    for p, q in theirs.pairs:
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_a_training_that_is_saved_and_loaded_continues_to_the_same_bits(name, tmp_path):
    model = MODELS[name]
    networks = make_networks(model)
    optimizers = make_optimizers(model, networks)
    train(model, networks, optimizers, steps=2)
    checkpoint.save(tmp_path / "checkpoint.npz", state_of(networks, optimizers))
    train(model, networks, optimizers, steps=2, first=2)
    expected = bits(state_of(networks, optimizers))

    resumed = make_networks(model, seed=1)
    resumed_optimizers = make_optimizers(model, resumed)
    state = checkpoint.load(tmp_path / "checkpoint.npz")
    for letter, network in vars(resumed).items():
        network.load_state_dict(state["networks"][letter])
    for optimizer, entry in zip(resumed_optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(entry)
    rng.load_state_dict(state["rng"])
    train(model, resumed, resumed_optimizers, steps=2, first=2)
    assert bits(state_of(resumed, resumed_optimizers)) == expected


@pytest.mark.parametrize("name, network", NETWORKS)
def test_a_state_dict_makes_another_network_the_same(name, network):
    model = MODELS[name]
    first = getattr(make_networks(model, seed=1), network).eval()
    second = getattr(make_networks(model, seed=2), network).eval()
    x = mg.tensor(make_batch(model)[model.outputs[network].of])
    assert first(x).numpy().tobytes() != second(x).numpy().tobytes()
    second.load_state_dict(first.state_dict())
    assert bits(first.state_dict()) == bits(second.state_dict())
    assert first(x).numpy().tobytes() == second(x).numpy().tobytes()


@pytest.mark.parametrize("name, network", NETWORKS)
def test_an_input_that_does_not_fit_is_refused_in_one_sentence(name, network):
    model = MODELS[name]
    made = getattr(make_networks(model), network)
    shape = model.refused[network]
    message = rf"^{type(made).__name__}: .* have shape {re.escape(str(shape))}, expected \(N, .*"
    with pytest.raises(ValueError, match=message) as caught:
        made(mg.zeros(*shape))
    assert "\n" not in str(caught.value)
