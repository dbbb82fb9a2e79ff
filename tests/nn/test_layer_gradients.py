"""The gradients of layers and of whole networks against finite differences."""

import functools

import numpy as np
import pytest
from every_layer import LAYERS, call_with, layer

import minigan as mg
from minigan import devices, nn
from minigan.models import dcgan


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradients_of_input_and_parameters_are_those_of_finite_differences(name):
    module, x = layer(name)
    parameters = [p.numpy() + 0.1 for p in module.parameters()]

    def squared(x, *parameters):
        y = call_with(module, parameters, x)
        return y * y

    if x.dtype.kind == "i":  # an Embedding: integers have no gradient
        assert mg.gradcheck(functools.partial(squared, x), parameters)
    else:
        assert mg.gradcheck(squared, [x, *parameters])


def network_gradcheck(loss, modules, inputs, **how):
    """gradcheck of loss(*modules, *inputs), all float64.

    With respect to the inputs and to all parameters of the modules.
    """
    arrays = list(inputs)
    counts = []
    for module in modules:
        parameters = module.parameters()
        counts.append(len(parameters))
        arrays += [p.numpy() for p in parameters]

    def f(*tensors):
        xs = tensors[: len(inputs)]
        rest = tensors[len(inputs) :]
        calls = []
        for module, count in zip(modules, counts):
            mine = rest[:count]
            rest = rest[count:]
            calls.append(functools.partial(call_with, module, mine))
        return loss(*calls, *xs)

    return mg.gradcheck(f, arrays, directions=1, **how)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def randomised(module, seed=0):
    """Float64 weights of unit size: at DCGAN's 0.02 every activation would be near its kink."""
    rng = np.random.default_rng(seed)
    for p in module.double().parameters():
        values = 0.5 * rng.standard_normal(p.shape)
        p.array[...] = devices.xp.asarray(values)
    return module


def test_the_losses_of_an_mlp_gan_with_maxout_and_dropout():
    g = nn.Sequential(
        nn.Linear(2, 4),
        nn.ReLU(),
        nn.Linear(4, 3),
        nn.Sigmoid(),
    )
    d = nn.Sequential(
        nn.Maxout(3, 3, 2),
        nn.Dropout(0.4),
        nn.Linear(3, 1),
    )
    inputs = [normal(1, 4, 2), normal(2, 4, 3)]

    def losses(g, d, z, real):
        mg.manual_seed(3)  # the same masks at every call
        fake = d(g(z))
        d_loss = dcgan.discriminator_loss(d(real), fake)
        g_loss = dcgan.generator_loss(fake)
        return d_loss, g_loss

    assert network_gradcheck(losses, [randomised(g), randomised(d)], inputs)


@pytest.mark.parametrize("minimax", [False, True])
def test_the_losses_of_a_dcgan_of_16_pixels(minimax):
    size = dict(image_size=16, channels=1, width=1)
    g = randomised(dcgan.Generator(latent_dim=2, **size), seed=1)
    d = randomised(dcgan.Discriminator(**size), seed=2)
    inputs = [normal(3, 3, 2), normal(4, 3, 1, 16, 16)]

    def losses(g, d, z, real):
        fake = d(g(z))
        d_loss = dcgan.discriminator_loss(d(real), fake)
        g_loss = dcgan.generator_loss(fake, minimax=minimax)
        return d_loss, g_loss

    assert network_gradcheck(losses, [g, d], inputs)


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.2)])
def test_batch_norm_fused_with_its_activation(activation):
    net = nn.Sequential(
        nn.Conv2d(2, 2, 3),
        nn.BatchNorm2d(2),
        activation,
        nn.ConvTranspose2d(2, 1, 2),
    )

    def squared(net, x):
        return net(x) ** 2

    x = normal(5, 2, 2, 5, 4)
    assert network_gradcheck(squared, [randomised(net)], [x], order=3)


def test_gradient_penalty_of_a_layer_norm_critic():
    """WGAN-GP's loss contains a gradient, so its own gradient is a second derivative."""
    critic = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1),
        nn.LayerNorm((2, 2, 3)),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(12, 1),
    )

    def penalty(critic, x):
        (d,) = mg.grad(critic(x).sum(), x, create_graph=True)
        norm = (d.flatten(1) ** 2).sum(1).sqrt()
        return 10 * ((norm - 1) ** 2).mean()

    assert network_gradcheck(penalty, [randomised(critic)], [normal(6, 3, 1, 4, 5)])
