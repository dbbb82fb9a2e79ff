"""Parameter groups, positional arguments and PyTorch's other forms of optimisers."""

from functools import partial

import numpy as np
import pytest
from least_squares import groups_of, networks, train
from torch_twin import all_close, torch

import minigan as mg
from minigan import optim
from minigan.engine import Tensor

CALLS = """
    SGD(groups(lr=0.5), 0.1)
    SGD(groups(momentum=0.0, weight_decay=0.1), 0.1, 0.9)
    SGD(params, 0.1, 0.9, 0.2, 0.01)
    SGD(params, 0.1, 0.9, 0, 0.01, True)
    RMSprop(groups(lr=0.5, alpha=0.5), 0.01)
    RMSprop(params, 0.01, 0.9, 1e-6, 0.1, 0.5)
    Adam(groups(lr=0.5, betas=(0.0, 0.9)), 0.01, (0.5, 0.9))
    Adam(params, 0.01, (0.5, 0.9), 1e-6, 0.1)
    AdamW(groups(weight_decay=0.5), 0.01)
    AdamW(params, 0.01, (0.5, 0.9), 1e-6, 0.1)
    Adam((p for p in params), lr=0.01)
"""


@pytest.mark.parametrize("call", CALLS.split("\n")[1:-1])
def test_the_same_call_trains_to_the_same_weights(call):
    trained = []
    for library, net in zip((mg, torch), networks()):
        names = dict(vars(library.optim))
        names["params"] = list(net.parameters())
        names["groups"] = partial(groups_of, net)
        optimizer = eval(call.strip(), names)
        train(library, net, optimizer)
        trained.append(net)
    ours, theirs = trained
    all_close(ours.parameters(), list(theirs.parameters()))


def test_a_learning_rate_may_be_written_into_the_groups():
    trained = []
    for library, net in zip((mg, torch), networks()):
        optimizer = library.optim.SGD(groups_of(net, lr=0.2), lr=0.1)
        for group in optimizer.param_groups:
            group["lr"] *= 0.5
        train(library, net, optimizer)
        trained.append(net)
    all_close(trained[0].parameters(), list(trained[1].parameters()))


def test_a_setting_as_an_attribute_is_that_of_every_group():
    net, _ = networks()
    optimizer = optim.Adam(groups_of(net, lr=0.2), lr=0.1)
    assert optimizer.lr == 0.1
    optimizer.lr = 0.3
    assert [group["lr"] for group in optimizer.param_groups] == [0.3, 0.3]


def test_a_state_of_groups_comes_from_pytorch_and_goes_back():
    ours, theirs = networks()
    optimizer = optim.Adam(groups_of(ours, lr=0.2), lr=0.1)
    their_optimizer = torch.optim.Adam(groups_of(theirs, lr=0.2), lr=0.1)
    train(torch, theirs, their_optimizer)
    ours.load_state_dict(theirs.state_dict())
    optimizer.load_state_dict(their_optimizer.state_dict())
    train(mg, ours, optimizer)
    train(torch, theirs, their_optimizer)
    all_close(ours.parameters(), list(theirs.parameters()))
    found = optimizer.state_dict()["param_groups"]
    assert [group["params"] for group in found] == [[0], [1]]
    assert [group["lr"] for group in found] == [0.1, 0.2]
    with pytest.raises(ValueError, match="the state has 1 param_groups, expected 2"):
        optimizer.load_state_dict(optim.Adam(ours.parameters()).state_dict())


def test_a_group_may_be_added_later():
    net, _ = networks()
    optimizer = optim.SGD([net.weight], lr=0.1)
    optimizer.add_param_group({"params": net.bias, "lr": 0.2})
    assert optimizer.params == [net.weight, net.bias]
    before = net.bias.numpy().copy()
    optimizer.minimize((net(mg.ones(2, 4).double()) ** 2).sum())
    assert (net.bias.numpy() != before).all()


REFUSED = [
    ("Adam([{'lr': 1}])", "expected a dict with params"),
    ("Adam([{'params': p, 'lt': 1}])", "'lt'.*some of lr, betas"),
    ("Adam([{'params': p, 'lr': -1}])", "lr is -1"),
    ("Adam([{'params': p}, {'params': p}])", "twice, expected once"),
    ("Adam([{'params': []}])", "got no parameters"),
    ("Adam([p], amsgrad=True)", "Adam has no amsgrad, got True"),
    ("RMSprop([p], centered=True)", "RMSprop has no centered"),
    ("SGD([p], 0.1, 0.9, 0.1, 0, True)", "a dampening of 0"),
]


@pytest.mark.parametrize("call, message", REFUSED)
def test_what_is_no_group_is_refused(call, message):
    p = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(ValueError, match=message):
        eval(call, {**vars(optim), "p": p})


def test_a_closure_is_called_and_its_loss_returned():
    net, _ = networks()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def closure():
        optimizer.zero_grad(set_to_none=False)
        loss = net(mg.ones(1, 4).double()).sum()
        loss.backward(retain_graph=True)
        return loss

    before = net.bias.numpy().copy()
    loss = optimizer.step(closure)
    assert loss.numel() == 1
    assert (net.bias.numpy() == before - 0.1).all()
