"""DCGAN's own: the R1 penalty, PyTorch's names of weights, and a long trajectory beside PyTorch.

In float32 a ReLU that flips at its kink makes two correct programs drift apart, so trajectories are
compared in float64. What is true of every model is in test_models.py.
"""

import numpy as np
import pytest

import minigan as mg
from minigan.models import dcgan
from minigan.optim import Adam

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
ADAM = dict(lr=2e-4, betas=(0.5, 0.999))


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    torch.set_num_threads(1)
    return torch


def test_r1_is_half_the_mean_squared_slope_at_the_real_images():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((5, 1, 2, 3))
    w = np.arange(6.0).reshape(2, 3)
    weight = mg.tensor(w, requires_grad=True)

    def discriminator(images):  # its slope at x is 2 x w
        scores = images * images * weight
        return scores.flatten(1).sum(1)

    penalty = dcgan.r1_penalty(discriminator, mg.tensor(x), weight=0.3)
    slopes = 2 * x * w
    squares = (slopes**2).sum((1, 2, 3))
    expected = 0.3 / 2 * squares.mean()
    assert penalty.item() == pytest.approx(expected, rel=1e-12)
    penalty.backward()
    (mean_square,) = (4 * x**2).mean(0)
    expected = 0.3 * mean_square * w
    found = weight.grad.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 1), (2, 3, 2, 1), (3,)])
def test_latents_that_do_not_fit_are_refused(shape):
    G = dcgan.Generator(
        latent_dim=3,
        image_size=16,
        channels=1,
        width=2,
    )
    images = G(mg.randn(2, 3, 1, 1))
    assert images.shape == (2, 1, 16, 16)
    z = mg.randn(*shape)
    message = r"^Generator: latents have shape .*, expected \(N, 3"
    with pytest.raises(ValueError, match=message):
        G(z)


def names(weights, norms):
    """The names of a network's parameters and buffers, by the numbers of its layers."""
    found = [f"main.{i}.weight" for i in weights]
    for i in norms:
        found += [f"main.{i}.{name}" for name in NORM]
    return sorted(found)


def check_names(ours, theirs, expected):
    assert sorted(ours) == expected
    assert list(ours) == list(theirs)
    assert all(ours[name].shape == tuple(theirs[name].shape) for name in ours)


def test_the_generators_state_has_the_names_and_shapes_of_pytorchs_dcgan_example(torch):
    import twins

    theirs = twins.dcgan_generator(100, 3, 64, upsamplings=3).state_dict()
    expected = names(weights=(0, 3, 6, 9, 12), norms=(1, 4, 7, 10))
    check_names(dcgan.Generator().state_dict(), theirs, expected)


def test_the_discriminators_state_has_the_names_and_shapes_of_pytorchs_dcgan_example(torch):
    import twins

    theirs = twins.dcgan_discriminator(3, 64, downsamplings=3).state_dict()
    expected = names(weights=(0, 2, 5, 8, 11), norms=(3, 6, 9))
    check_names(dcgan.Discriminator().state_dict(), theirs, expected)


class Game:
    """Both players of Algorithm 1 of Goodfellow et al. 2014, in minigan."""

    def __init__(self, width):
        self.G = dcgan.Generator(
            latent_dim=5,
            image_size=64,
            channels=3,
            width=width,
        )
        self.D = dcgan.Discriminator(
            image_size=64,
            channels=3,
            width=width,
        )
        self.G.double()
        self.D.double()
        self.G_optimizer = Adam(self.G.parameters(), **ADAM)
        self.D_optimizer = Adam(self.D.parameters(), **ADAM)

    def step(self, real, z):
        real = mg.tensor(real)
        fake = self.G(mg.tensor(z))
        real_logits = self.D(real)
        fake_logits = self.D(fake.detach())
        d_loss = dcgan.discriminator_loss(real_logits, fake_logits)
        self.D_optimizer.minimize(d_loss)
        fake_logits = self.D(fake)
        g_loss = dcgan.generator_loss(fake_logits)
        self.G_optimizer.minimize(g_loss)
        return d_loss.item(), g_loss.item()


class TorchGame:
    """The same in PyTorch."""

    def __init__(self, torch, width):
        import twins

        self.torch = torch
        self.bce = twins.bce
        self.G = twins.dcgan_generator(
            latent_dim=5,
            channels=3,
            width=width,
            upsamplings=3,
        )
        self.D = twins.dcgan_discriminator(
            channels=3,
            width=width,
            downsamplings=3,
        )
        self.G_optimizer = torch.optim.Adam(self.G.parameters(), **ADAM)
        self.D_optimizer = torch.optim.Adam(self.D.parameters(), **ADAM)

    def step(self, real, z):
        real = self.torch.from_numpy(real)
        fake = self.G(self.torch.from_numpy(z))
        real_logits = self.D(real)
        fake_logits = self.D(fake.detach())
        d_loss = self.bce(real_logits, 1.0) + self.bce(fake_logits, 0.0)
        self.descend(self.D_optimizer, d_loss)
        fake_logits = self.D(fake)
        g_loss = self.bce(fake_logits, 1.0)
        self.descend(self.G_optimizer, g_loss)
        return d_loss.item(), g_loss.item()

    def descend(self, optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def copy_state(torch, ours, theirs):
    state = {}
    for name, value in ours.state_dict().items():
        state[name] = torch.from_numpy(value.numpy())
    theirs.load_state_dict(state)


def check_same_state(ours, theirs):
    state = ours.state_dict()
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(
            state[name].numpy(),
            value.numpy(),
            rtol=1e-9,
            atol=1e-10,
        )


@pytest.mark.parametrize("width, batch", [(4, 6), (16, 3)])  # the wider one takes the Winograd path
def test_a_dcgan_trajectory_of_20_steps(torch, width, batch):
    """All losses agree to 1e-10, and all weights at the end."""
    mg.manual_seed(8)
    ours = Game(width)
    theirs = TorchGame(torch, width)
    copy_state(torch, ours.G, theirs.G)
    copy_state(torch, ours.D, theirs.D)
    rng = np.random.default_rng(9)
    for _ in range(20):
        real = rng.uniform(-1, 1, (batch, 3, 64, 64))
        z = rng.standard_normal((batch, 5))
        losses = ours.step(real, z)
        expected = theirs.step(real, z)
        np.testing.assert_allclose(losses, expected, rtol=1e-10)
    check_same_state(ours.G, theirs.G)
    check_same_state(ours.D, theirs.D)
