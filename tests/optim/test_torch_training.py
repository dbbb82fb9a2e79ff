"""Training against PyTorch: optimisers step by step, schedules, and whole DCGAN trajectories in
float64.

In float32 a ReLU that flips at its kink makes two right programs drift apart, so trajectories are
compared in float64.
"""

import numpy as np
import pytest

import minigan as mg
from minigan import optim
from minigan.engine import Tensor
from minigan.models import dcgan

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
    "RMSprop": dict(lr=5e-3),
    "RMSprop with momentum": dict(lr=5e-3, alpha=0.9, eps=1e-6, momentum=0.9),
    "RMSprop with weight decay": dict(lr=5e-3, weight_decay=0.1),
    "Adam": dict(lr=1e-2),
    "Adam of DCGAN": dict(lr=2e-4, betas=(0.5, 0.999)),
    "Adam of WGAN-GP": dict(lr=1e-2, betas=(0.0, 0.9), eps=1e-4),
    "Adam with weight decay": dict(lr=1e-2, weight_decay=0.1),
}


def twins(name, settings):
    """One optimiser of each library over the same float64 parameters."""
    rng = np.random.default_rng(4)
    values = [np.asarray(rng.standard_normal(s)) for s in SHAPES]
    ours = [Tensor(v.copy(), requires_grad=True) for v in values]
    theirs = [torch.from_numpy(v.copy()).requires_grad_() for v in values]
    return (ours, getattr(optim, name)(ours, **settings)), (
        theirs,
        getattr(torch.optim, name)(theirs, **settings),
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimiser_is_exact_over_100_steps(name):
    """Gradients that depend on the weights, with noise; from step 10 to 20 one parameter has
    none.
    """
    (ours, optimizer), (theirs, their_optimizer) = twins(name.split()[0], OPTIMIZERS[name])
    rng = np.random.default_rng(5)
    for step in range(100):
        for i, (p, q) in enumerate(zip(ours, theirs)):
            noise = np.asarray(rng.standard_normal(p.shape))
            frozen = i == 1 and 10 <= step < 20
            p.grad = None if frozen else Tensor(p.numpy() * 0.5 + noise)
            q.grad = None if frozen else q.detach() * 0.5 + torch.from_numpy(noise)
        optimizer.step()
        their_optimizer.step()
        for p, q in zip(ours, theirs):
            np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-12, atol=1e-12)


SCHEDULES = {
    "ExponentialLR": (
        lambda o: optim.ExponentialLR(o, 0.9),
        lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
    ),
    "StepLR": (
        lambda o: optim.StepLR(o, 3, gamma=0.5),
        lambda o: torch.optim.lr_scheduler.StepLR(o, 3, gamma=0.5),
    ),
    "LambdaLR": (
        lambda o: optim.LambdaLR(o, lambda n: 1 / (1 + n)),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda n: 1 / (1 + n)),
    ),
    "CycleGAN's": (
        lambda o: optim.ConstantThenLinearLR(o, 5, 8),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda n: 1 - max(0, n - 5) / 8),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name):
    (_, optimizer), (_, their_optimizer) = twins("SGD", dict(lr=0.2))
    schedule, their_schedule = (
        make(o) for make, o in zip(SCHEDULES[name], (optimizer, their_optimizer))
    )
    for _ in range(13):
        assert optimizer.lr == pytest.approx(their_schedule.get_last_lr()[0], rel=1e-12, abs=1e-15)
        their_optimizer.step()  # PyTorch warns about the order otherwise
        schedule.step()
        their_schedule.step()


# ---- DCGAN ---------------------------------------------------------------------------------------


def torch_generator(latent_dim, channels, width):
    """Generator of PyTorch's DCGAN example (64 x 64)."""
    nn = torch.nn
    layers = [
        nn.ConvTranspose2d(latent_dim, width * 8, 4, 1, 0, bias=False),
        nn.BatchNorm2d(width * 8),
        nn.ReLU(),
    ]
    for maps in (width * 4, width * 2, width):
        layers += [
            nn.ConvTranspose2d(maps * 2, maps, 4, 2, 1, bias=False),
            nn.BatchNorm2d(maps),
            nn.ReLU(),
        ]
    return named_main(
        nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh())
    )


def torch_discriminator(channels, width):
    """Discriminator of PyTorch's DCGAN example, but for its last Sigmoid: the loss here takes
    logits.
    """
    nn = torch.nn
    layers = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for maps in (width, width * 2, width * 4):
        layers += [
            nn.Conv2d(maps, maps * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(maps * 2),
            nn.LeakyReLU(0.2),
        ]
    return named_main(nn.Sequential(*layers, nn.Conv2d(width * 8, 1, 4, 1, 0, bias=False)))


def named_main(main):
    module = torch.nn.Module()
    module.main, module.forward = main, lambda x: main(x)
    return module.double()


def test_state_dict_has_the_names_and_shapes_of_pytorchs_dcgan_example():
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    generator = (
        ["main.0.weight"]
        + [f"main.{i}.{k}" for i in (1, 4, 7, 10) for k in norm]
        + [f"main.{i}.weight" for i in (3, 6, 9, 12)]
    )
    discriminator = [f"main.{i}.weight" for i in (0, 2, 5, 8, 11)] + [
        f"main.{i}.{k}" for i in (3, 6, 9) for k in norm
    ]
    ours = dcgan.Generator().state_dict(), dcgan.Discriminator().state_dict()
    theirs = torch_generator(100, 3, 64).state_dict(), torch_discriminator(3, 64).state_dict()
    for expected, mine, other in zip((generator, discriminator), ours, theirs):
        assert sorted(mine) == sorted(expected) and list(mine) == list(other)
        assert all(mine[k].shape == tuple(other[k].shape) for k in mine)


@pytest.mark.parametrize("width, batch", [(4, 6), (16, 3)])  # the wider one takes the Winograd path
def test_a_dcgan_trajectory_of_20_steps(width, batch):
    """Algorithm 1 of Goodfellow et al. 2014 in both libraries: all losses agree to 1e-10, all
    weights at the end.
    """
    mg.manual_seed(8)
    g, d = dcgan.Generator(5, 64, 3, width).double(), dcgan.Discriminator(64, 3, width).double()
    tg, td = torch_generator(5, 3, width), torch_discriminator(3, width)
    for ours, theirs in ((g, tg), (d, td)):
        theirs.load_state_dict(
            {k: torch.from_numpy(v.numpy()) for k, v in ours.state_dict().items()}
        )
    adam = dict(lr=2e-4, betas=(0.5, 0.999))
    optimizers = [optim.Adam(net.parameters(), **adam) for net in (g, d)]
    their_optimizers = [torch.optim.Adam(net.parameters(), **adam) for net in (tg, td)]
    rng = np.random.default_rng(9)
    for _ in range(20):
        real, z = rng.uniform(-1, 1, (batch, 3, 64, 64)), rng.standard_normal((batch, 5))
        losses = minigan_step(g, d, *optimizers, Tensor(real), Tensor(z))
        expected = torch_step(
            tg, td, *their_optimizers, torch.from_numpy(real), torch.from_numpy(z)
        )
        np.testing.assert_allclose(losses, expected, rtol=1e-10)
    for ours, theirs in ((g, tg), (d, td)):
        for key, value in theirs.state_dict().items():
            np.testing.assert_allclose(
                ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-9, atol=1e-10
            )


def minigan_step(g, d, g_optimizer, d_optimizer, real, z):
    fake = g(z)
    d_loss = dcgan.discriminator_loss(d(real), d(fake.detach()))
    d_optimizer.zero_grad()
    d_loss.backward()
    d_optimizer.step()
    d.requires_grad_(False)  # no weight gradients of D in G's turn
    g_loss = dcgan.generator_loss(d(fake))
    d.requires_grad_(True)
    g_optimizer.zero_grad()
    g_loss.backward()
    g_optimizer.step()
    return d_loss.item(), g_loss.item()


def torch_step(g, d, g_optimizer, d_optimizer, real, z):
    def bce(x, label):
        return torch.nn.functional.binary_cross_entropy_with_logits(x, torch.full_like(x, label))

    fake = g(z[:, :, None, None])
    d_loss = bce(d(real), 1.0) + bce(d(fake.detach()), 0.0)
    d_optimizer.zero_grad()
    d_loss.backward()
    d_optimizer.step()
    g_loss = bce(d(fake), 1.0)
    g_optimizer.zero_grad()
    g_loss.backward()
    g_optimizer.step()
    return d_loss.item(), g_loss.item()
