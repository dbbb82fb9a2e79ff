"""Learning-rate schedules by PyTorch's names and forms."""

import numpy as np
import pytest
from least_squares import groups_of, networks, train
from torch_twin import torch

import minigan as mg
from minigan import optim

PLATEAUS = {
    "usual": {},
    "maximum": dict(mode="max", patience=1),
    "absolute": dict(threshold=0.5, threshold_mode="abs", patience=2, factor=0.3),
    "cooldown": dict(patience=0, cooldown=3, factor=0.5),
    "least": dict(patience=0, factor=0.1, min_lr=0.01, eps=1e-3),
}


def plateau(library, **options):
    """An optimiser with a learning rate of 0.2, and its schedule."""
    p = library.tensor([1.0], requires_grad=True)
    optimizer = library.optim.SGD([p], lr=0.2)
    schedule = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    return optimizer, schedule


@pytest.mark.parametrize("name", PLATEAUS)
def test_a_plateau_reduces_the_rate_where_pytorch_does(name):
    """Stopped in the middle and continued from the state, too."""
    options = {"patience": 3, **PLATEAUS[name]}
    optimizer, schedule = plateau(mg, **options)
    theirs, their_schedule = plateau(torch, **options)
    rng = np.random.default_rng(3)
    for step in range(40):
        metric = float(np.round(rng.standard_normal(), 1))
        schedule.step(metric)
        their_schedule.step(metric)
        assert optimizer.lr == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12)
        if step == 20:
            state = schedule.state_dict()
            optimizer, schedule = plateau(mg, **options)
            schedule.load_state_dict(state)


def test_each_group_has_a_rate_of_its_own():
    rates = []
    for library, net in zip((mg, torch), networks()):
        optimizer = library.optim.SGD(groups_of(net, lr=0.2), lr=0.1)
        schedule = library.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda n: 0.9**n)
        train(library, net, optimizer, steps=1)
        schedule.step()
        schedule.step()
        rates.append(schedule.get_last_lr())
    assert rates[0] == pytest.approx(rates[1])
    state = optim.StepLR(optim.SGD(groups_of(networks()[0], lr=0.2), lr=0.1), 3).state_dict()
    assert state == {"count": 0, "base": [0.1, 0.2]}


REFUSED = [
    ("CosineAnnealingLR(o, 0)", "T_max is 0"),
    ("LinearLR(o, 0)", "start_factor is 0"),
    ("ReduceLROnPlateau(o, 'least')", "mode is 'least'"),
    ("ReduceLROnPlateau(o, factor=1.5)", "factor is 1.5"),
    ("LambdaLR(o, [abs, abs])", "got 2 functions"),
    ("ExponentialLR(o, 0.9, last_epoch=3)", "last_epoch is 3, expected -1"),
]


@pytest.mark.parametrize("call, message", REFUSED)
def test_wrong_arguments_are_refused(call, message):
    optimizer, _ = plateau(mg)
    with pytest.raises(ValueError, match=message):
        eval(call, {**vars(optim), "o": optimizer})
