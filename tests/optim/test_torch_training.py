"""Optimisers and schedules agree with PyTorch's, step by step, in float64."""

import numpy as np
import pytest

from minigan import optim
from minigan.engine import Tensor

torch = pytest.importorskip(
    "torch", reason="PyTorch, the independent oracle, is not installed (extra: oracle)"
)
torch.set_num_threads(1)

SHAPES = [(3, 4), (5,), (), (2, 1, 3, 3)]
OPTIMIZERS = {
    "SGD": dict(lr=0.1),
    "SGD with momentum": dict(lr=0.05, momentum=0.9),
    "SGD with nesterov": dict(lr=0.05, momentum=0.9, nesterov=True),
    "SGD with weight decay": dict(lr=0.1, momentum=0.5, weight_decay=0.01),
    "SGD with dampening": dict(lr=0.1, momentum=0.9, dampening=0.3),
    "RMSprop": dict(lr=5e-3),
    "RMSprop with momentum": dict(lr=5e-3, alpha=0.9, eps=1e-6, momentum=0.9),
    "RMSprop with weight decay": dict(lr=5e-3, weight_decay=0.1),
    "Adam": dict(lr=1e-2),
    "Adam of DCGAN": dict(lr=2e-4, betas=(0.5, 0.999)),
    "Adam of WGAN-GP": dict(lr=1e-2, betas=(0.0, 0.9), eps=1e-4),
    "Adam with weight decay": dict(lr=1e-2, weight_decay=0.1),
    "AdamW": dict(lr=1e-2),
    "AdamW with more weight decay": dict(lr=1e-2, betas=(0.5, 0.9), weight_decay=0.3),
}


def parameters():
    """The same float64 parameters for both libraries."""
    rng = np.random.default_rng(4)
    values = [np.asarray(rng.standard_normal(shape)) for shape in SHAPES]
    ours = [Tensor(value.copy(), requires_grad=True) for value in values]
    theirs = [torch.from_numpy(value.copy()).requires_grad_() for value in values]
    return ours, theirs


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimiser_is_exact_over_100_steps(name):
    """Gradients depend on the weights, with noise; from step 10 to 20 one parameter has none."""
    kind = name.split()[0]
    settings = OPTIMIZERS[name]
    ours, theirs = parameters()
    optimizer = getattr(optim, kind)(ours, **settings)
    their_optimizer = getattr(torch.optim, kind)(theirs, **settings)
    rng = np.random.default_rng(5)
    for step in range(100):
        for i, (p, q) in enumerate(zip(ours, theirs)):
            noise = np.asarray(rng.standard_normal(p.shape))
            if i == 1 and 10 <= step < 20:
                p.grad = None
                q.grad = None
                continue
            p.grad = Tensor(p.numpy() * 0.5 + noise)
            q.grad = q.detach() * 0.5 + torch.from_numpy(noise)
        optimizer.step()
        their_optimizer.step()
        for p, q in zip(ours, theirs):
            np.testing.assert_allclose(
                p.numpy(),
                q.detach().numpy(),
                rtol=1e-12,
                atol=1e-12,
            )


def cyclegan_factor(step):
    return 1 - max(0, step - 5) / 8


def harmonic_factor(step):
    return 1 / (1 + step)


SCHEDULES = {  # name -> arguments, the same for both libraries
    "ExponentialLR": [0.9],
    "StepLR": [3, 0.5],
    "LambdaLR": [harmonic_factor],
    "MultiStepLR": [[2, 5, 6], 0.5],
    "LinearLR": [0.25, 0.9, 4],
    "CosineAnnealingLR": [7, 0.01],
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name):
    arguments = SCHEDULES[name]
    ours = getattr(optim, name)
    theirs = getattr(torch.optim.lr_scheduler, name)
    check_same_rates(
        lambda optimizer: ours(optimizer, *arguments),
        lambda optimizer: theirs(optimizer, *arguments),
    )


def test_cyclegans_schedule():
    check_same_rates(
        lambda optimizer: optim.ConstantThenLinearLR(optimizer, 5, 8),
        lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, cyclegan_factor),
    )


def check_same_rates(make_ours, make_theirs):
    ours, theirs = parameters()
    optimizer = optim.SGD(ours, lr=0.2)
    their_optimizer = torch.optim.SGD(theirs, lr=0.2)
    schedule = make_ours(optimizer)
    their_schedule = make_theirs(their_optimizer)
    for _ in range(13):
        (expected,) = their_schedule.get_last_lr()
        assert optimizer.lr == pytest.approx(expected, rel=1e-12, abs=1e-15)
        their_optimizer.step()  # PyTorch warns about the order otherwise
        schedule.step()
        their_schedule.step()
