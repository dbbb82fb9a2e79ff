"""Nothing outlives its use: no reference cycles, no unneeded activations, no growth over steps."""

import gc
import os
import sys
import weakref

import numpy as np
import pytest

import minigan as mg
from minigan import functional as F
from minigan import nn, optim
from minigan.engine import Node, Tensor
from minigan.models import dcgan
from minigan.ops import conv


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive():
    """How many Tensors and Nodes there are in the whole process."""
    return sum(issubclass(type(thing), (Tensor, Node)) for thing in gc.get_objects())


def gan_step(generator, discriminator, g_optimiser, d_optimiser, real, z):
    fake = generator(z)
    d_loss = dcgan.discriminator_loss(discriminator(real), discriminator(fake.detach()))
    d_optimiser.zero_grad()
    d_loss.backward()
    d_optimiser.step()
    discriminator.requires_grad_(False)
    g_optimiser.zero_grad()
    dcgan.generator_loss(discriminator(fake)).backward()
    g_optimiser.step()
    discriminator.requires_grad_(True)


def mlp_gan(width):
    generator = nn.Sequential(
        nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 6), nn.Tanh()
    )
    discriminator = nn.Sequential(nn.Dropout(0.2), nn.Maxout(6, width, 2), nn.Linear(width, 1))
    optimisers = (
        optim.Adam(generator.parameters()),
        optim.SGD(discriminator.parameters(), momentum=0.5),
    )
    return generator, discriminator, *optimisers


def test_a_thousand_steps_leave_no_tensor_alive(no_collector):
    players = mlp_gan(8)
    for network in players[:2]:
        network.zero_grad()
    before = alive()
    for _ in range(1000):
        gan_step(*players, mg.randn(5, 6), mg.randn(5, 4))
    for network in players[:2]:
        network.zero_grad()
    assert alive() == before


def test_convolutions_and_gradient_penalties_leave_no_tensor_alive(no_collector):
    generator = dcgan.Generator(latent_dim=4, image_size=16, channels=1, width=2)
    discriminator = nn.Sequential(
        nn.Conv2d(1, 2, 4, stride=4),
        nn.LayerNorm((2, 4, 4)),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(32, 1),
    )
    optimisers = [optim.Adam(network.parameters()) for network in (generator, discriminator)]
    before = alive()
    for _ in range(20):
        real = mg.randn(4, 1, 16, 16)
        gan_step(generator, discriminator, *optimisers, real, mg.randn(4, 4))
        real.requires_grad = True
        (slope,) = mg.grad(discriminator(real).sum(), real, create_graph=True)
        discriminator.zero_grad()
        ((slope * slope).sum((1, 2, 3)).sqrt() - 1).mean().backward()
        optimisers[1].step()
    generator.zero_grad()
    discriminator.zero_grad()
    del real, slope
    assert alive() == before


def test_a_refused_backward_pass_leaves_no_tensor_alive(no_collector):
    x = mg.ones(3, requires_grad=True)
    before = alive()
    for _ in range(3):
        h = x * 2
        y = (h * h).sum()
        h.detach().copy_(0.0)
        with pytest.raises(RuntimeError):
            y.backward()
    del h, y
    assert alive() == before


def memory(t):
    """A weak reference to the array that owns a tensor's memory."""
    return weakref.ref(t.array if t.array.base is None else t.array.base)


# none of these needs the values of h for its gradient: some need their output, some nothing
USES = {
    "add": lambda h: h + 1,
    "sum": lambda h: h.sum(),
    "scale": lambda h: h * 3,
    "exp": lambda h: h.exp(),
    "tanh": F.tanh,
    "relu": F.relu,
    "sigmoid": F.sigmoid,
    "divide": lambda h: h / 2,
    "leaky": lambda h: F.leaky_relu(h, 0.2),
    "conv": lambda h: F.conv2d(h, mg.ones(2, 3, 3, 3)),
    "pad": lambda h: F.pad(h, (1, 1)),
    "bias": lambda h: conv.add_bias(h, mg.ones(3, requires_grad=True)),
    "subtract": lambda h: h - mg.ones(1, requires_grad=True),
}


@pytest.mark.parametrize("use", USES.values(), ids=list(USES))
def test_an_activation_that_no_vjp_reads_is_freed_at_once(use, no_collector):
    h = mg.randn(2, 3, 4, 4, requires_grad=True) * 2
    y = use(h)
    seen = memory(h)
    assert y.requires_grad
    del h
    assert seen() is None


def test_an_activation_that_a_vjp_reads_lives_as_long_as_the_graph(no_collector):
    h = mg.randn(3, requires_grad=True) * 2
    y = h * h
    seen = memory(h)
    del h
    assert seen() is not None
    y.sum().backward()
    del y
    assert seen() is None


def test_no_array_is_kept_for_a_frozen_network(no_collector):
    x = mg.randn(2, 3, requires_grad=True) * 1
    frozen = nn.Linear(3, 4).requires_grad_(False)
    trained = nn.Linear(3, 4)
    seen = memory(x)
    y = frozen(x)
    z = trained(x)
    del x
    assert seen() is not None  # the trained layer's weight gradient is g^T x
    del z
    assert seen() is None
    assert y.requires_grad


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads /proc/self/statm, which only Linux has"
)
def test_resident_memory_is_flat_over_five_hundred_steps(no_collector):
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    players = mlp_gan(32)
    real = mg.randn(128, 6)  # one lost activation a step: 16 KiB, 8 MiB in all
    z = mg.randn(128, 4)
    for _ in range(50):
        gan_step(*players, real, z)
    before = resident()
    for _ in range(500):
        gan_step(*players, real, z)
    assert resident() - before < 2 << 20
    assert all(np.isfinite(p.numpy()).all() for p in players[0].parameters())
