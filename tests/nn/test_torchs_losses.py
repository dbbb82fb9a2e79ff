"""Loss modules under PyTorch's names: value and gradient of the same call."""

import numpy as np
import pytest
from torch_programs import both, normal
from torch_twin import all_close, close

import minigan as mg
from minigan import nn

LOSSES = """
    BCEWithLogitsLoss()
    BCEWithLogitsLoss(reduction="sum")
    MSELoss()
    MSELoss(reduction="none")
    L1Loss()
    SmoothL1Loss()
    SmoothL1Loss(beta=0.3)
"""


@pytest.mark.parametrize("call", LOSSES.split("\n")[1:-1])
def test_a_loss_module_is_torchs(call):
    rng = np.random.default_rng(1)
    target = rng.uniform(0, 1, (3, 4))

    def program(library, x):
        loss = eval(call.strip(), vars(library.nn))
        y = loss(x, library.tensor(target))
        squared = y * y
        squared.sum().backward()
        return y, x.grad

    ours, theirs = both(program, normal(3, 4))
    all_close(ours, theirs)


def test_bce_loss_is_torchs_also_where_a_probability_is_0_or_1():
    probabilities = np.array([0.0, 1.0, 0.0, 1.0, 0.3])
    target = np.array([1.0, 0.0, 0.0, 1.0, 0.6])

    def program(library, p):
        y = library.nn.BCELoss()(p, library.tensor(target))
        y.backward()
        return y, p.grad

    ours, theirs = both(program, probabilities)
    close(ours[0], theirs[0])
    # PyTorch's 1e-12 is a float32 number
    close(ours[1], theirs[1], tolerance=1e-8)


def test_losses_of_labels_are_torchs():
    labels = np.array([2, 0, 1])

    def program(library, x):
        nn = library.nn
        classes = library.tensor(labels)
        log_softmax = nn.LogSoftmax(dim=1)
        y = nn.CrossEntropyLoss()(x, classes)
        z = nn.NLLLoss()(log_softmax(x), classes)
        total = y + z
        total.backward()
        return y, z, x.grad

    ours, theirs = both(program, normal(3, 4))
    all_close(ours, theirs)


def test_a_target_that_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="probabilities must lie in"):
        nn.BCELoss()(mg.tensor([1.5]), mg.ones(1))
    with pytest.raises(TypeError, match="the target requires grad"):
        nn.BCELoss()(mg.tensor([0.5]), mg.ones(1, requires_grad=True))
    with pytest.raises(ValueError, match="reduction is 'max'"):
        nn.MSELoss("max")
