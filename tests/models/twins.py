"""The papers' networks and losses once more, in PyTorch: an independent oracle.

Each function at the end of a section makes a Twin: networks at the toy size of their row in
conformance.py, in float64, with parameters in the same order; and the loss of each player. They
are written down from the papers, not from minigan's code.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    InstanceNorm2d,
    LayerNorm,
    LeakyReLU,
    Linear,
    ReflectionPad2d,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
)
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    instance_norm,
    l1_loss,
    leaky_relu,
    relu,
)

import minigan as mg


class Twin(NamedTuple):
    networks: dict  # name -> torch.nn.Module
    losses: list  # of each player, in the order of the row: f(networks, batch) -> a number


class Main(nn.Module):
    """A network that is one Sequential named `main`, as in PyTorch's DCGAN example."""

    def __init__(self, *layers):
        super().__init__()
        self.main = Sequential(*layers)
        self.double()

    def forward(self, x):
        return self.main(x)


# ---- Goodfellow et al. 2014


def bce(logits, label):
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def discriminator_loss(n, b):
    fake = n.G(b.z).detach()
    return bce(n.D(b.x), 1.0) + bce(n.D(fake), 0.0)


def generator_loss(n, b):
    """The non-saturating loss."""
    return bce(n.D(n.G(b.z)), 1.0)


class Maxout(nn.Module):
    def __init__(self, inputs, units, pieces):
        super().__init__()
        self.linear = Linear(inputs, units * pieces)
        self.pieces = pieces

    def forward(self, x):
        y = self.linear(x)
        return y.unflatten(1, (-1, self.pieces)).amax(2)


class GanGenerator(Main):
    def forward(self, z):
        pixels = 2 * self.main(z) - 1
        return pixels.reshape(-1, 1, 2, 2)


class GanDiscriminator(Main):
    def forward(self, x):
        pixels = (x.flatten(1) + 1) / 2
        return self.main(pixels)[:, 0]


def gan():
    G = GanGenerator(
        Linear(3, 6),
        ReLU(),
        Linear(6, 6),
        ReLU(),
        Linear(6, 4),
        Sigmoid(),
    )
    D = GanDiscriminator(Maxout(4, 5, 2), Maxout(5, 5, 2), Linear(5, 1))
    return Twin({"G": G, "D": D}, [discriminator_loss, generator_loss])


# ---- DCGAN


class DcganGenerator(Main):
    """PyTorch's DCGAN example; the latents may be (N, latent_dim), too."""

    def forward(self, z):
        return self.main(z.reshape(*z.shape[:2], 1, 1))


class DcganDiscriminator(Main):
    """PyTorch's DCGAN example without its last sigmoid, because the loss takes logits."""

    def forward(self, x):
        return self.main(x).flatten()


def dcgan_generator(latent_dim, channels, width, upsamplings):
    maps = width * 2**upsamplings
    layers = [
        ConvTranspose2d(latent_dim, maps, 4, 1, 0, bias=False),
        BatchNorm2d(maps),
        ReLU(),
    ]
    for _ in range(upsamplings):
        layers += [
            ConvTranspose2d(maps, maps // 2, 4, 2, 1, bias=False),
            BatchNorm2d(maps // 2),
            ReLU(),
        ]
        maps //= 2
    layers.append(ConvTranspose2d(width, channels, 4, 2, 1, bias=False))
    return DcganGenerator(*layers, Tanh())


def dcgan_discriminator(channels, width, downsamplings):
    layers = [
        Conv2d(channels, width, 4, 2, 1, bias=False),
        LeakyReLU(0.2),
    ]
    maps = width
    for _ in range(downsamplings):
        layers += [
            Conv2d(maps, 2 * maps, 4, 2, 1, bias=False),
            BatchNorm2d(2 * maps),
            LeakyReLU(0.2),
        ]
        maps *= 2
    layers.append(Conv2d(maps, 1, 4, 1, 0, bias=False))
    return DcganDiscriminator(*layers)


def dcgan():
    G = dcgan_generator(3, 1, width=2, upsamplings=1)
    D = dcgan_discriminator(1, width=2, downsamplings=1)
    return Twin({"G": G, "D": D}, [discriminator_loss, generator_loss])


# ---- WGAN


def critic_loss(n, b):
    fake = n.G(b.z).detach()
    return n.D(fake).mean() - n.D(b.x).mean()


def wgan_generator_loss(n, b):
    return -n.D(n.G(b.z)).mean()


def penalised_critic_loss(n, b):
    """WGAN-GP (Gulrajani et al. 2017)."""
    fake = n.G(b.z).detach()
    t = mg.rand(len(fake), 1, 1, 1, dtype="float64").numpy()
    t = torch.from_numpy(t)
    x = (t * b.x + (1 - t) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(n.D(x).sum(), x, create_graph=True)
    squares = slope.flatten(1).square().sum(1)
    length = (squares + 1e-12).sqrt()
    penalty = (length - 1).square().mean()
    return critic_loss(n, b) + 10 * penalty


def critic(norm):
    """DCGAN's discriminator for images of 16 pixels, with biases where no norm follows."""
    return DcganDiscriminator(
        Conv2d(1, 2, 4, 2, 1),
        LeakyReLU(0.2),
        Conv2d(2, 4, 4, 2, 1, bias=False),
        norm,
        LeakyReLU(0.2),
        Conv2d(4, 1, 4, 1, 0),
    )


def wgan():
    G = dcgan_generator(3, 1, width=2, upsamplings=1)
    D = critic(BatchNorm2d(4))
    return Twin({"G": G, "D": D}, [critic_loss, wgan_generator_loss])


def wgan_gp():
    G = dcgan_generator(3, 1, width=2, upsamplings=1)
    D = critic(LayerNorm((4, 4, 4)))
    return Twin({"G": G, "D": D}, [penalised_critic_loss, wgan_generator_loss])


class PerceptronGenerator(Main):
    def forward(self, z):
        return self.main(z).tanh().reshape(-1, 1, 2, 2)


class PerceptronCritic(Main):
    def forward(self, x):
        return self.main(x.flatten(1))[:, 0]


def perceptron(inputs, outputs):
    return [
        Linear(inputs, 6),
        ReLU(),
        Linear(6, 6),
        ReLU(),
        Linear(6, 6),
        ReLU(),
        Linear(6, outputs),
    ]


def wgan_mlp():
    G = PerceptronGenerator(*perceptron(3, 4))
    D = PerceptronCritic(*perceptron(4, 1))
    return Twin({"G": G, "D": D}, [critic_loss, wgan_generator_loss])


# ---- CycleGAN


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.body = Sequential(
            ReflectionPad2d(1),
            Conv2d(c, c, 3),
            InstanceNorm2d(c),
            ReLU(),
            ReflectionPad2d(1),
            Conv2d(c, c, 3),
            InstanceNorm2d(c),
        )

    def forward(self, x):
        return x + self.body(x)


def resnet_generator(channels, w, blocks):
    return Main(
        ReflectionPad2d(3),
        Conv2d(channels, w, 7),
        InstanceNorm2d(w),
        ReLU(),
        Conv2d(w, 2 * w, 3, 2, 1),
        InstanceNorm2d(2 * w),
        ReLU(),
        Conv2d(2 * w, 4 * w, 3, 2, 1),
        InstanceNorm2d(4 * w),
        ReLU(),
        *[Residual(4 * w) for _ in range(blocks)],
        ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, 1),
        InstanceNorm2d(2 * w),
        ReLU(),
        ConvTranspose2d(2 * w, w, 3, 2, 1, 1),
        InstanceNorm2d(w),
        ReLU(),
        ReflectionPad2d(3),
        Conv2d(w, channels, 7),
        Tanh(),
    )


class Unet(nn.Module):
    """Three downsampling levels, written out."""

    def __init__(self, channels, w):
        super().__init__()
        self.down1 = Conv2d(channels, w, 4, 2, 1)
        self.down2 = Conv2d(w, 2 * w, 4, 2, 1)
        self.down3 = Conv2d(2 * w, 4 * w, 4, 2, 1)
        self.up3 = ConvTranspose2d(4 * w, 2 * w, 4, 2, 1)
        self.up2 = ConvTranspose2d(4 * w, w, 4, 2, 1)
        self.up1 = ConvTranspose2d(2 * w, channels, 4, 2, 1)
        self.double()

    def forward(self, x):
        a = self.down1(x)
        b = instance_norm(self.down2(leaky_relu(a, 0.2)))
        c = self.down3(leaky_relu(b, 0.2))
        b = torch.cat([b, instance_norm(self.up3(relu(c)))], 1)
        a = torch.cat([a, instance_norm(self.up2(relu(b)))], 1)
        return torch.tanh(self.up1(relu(a)))


def patch_discriminator(channels, w):
    """n_layers = 2."""
    return Main(
        Conv2d(channels, w, 4, 2, 1),
        LeakyReLU(0.2),
        Conv2d(w, 2 * w, 4, 2, 1),
        InstanceNorm2d(2 * w),
        LeakyReLU(0.2),
        Conv2d(2 * w, 4 * w, 4, 1, 1),
        InstanceNorm2d(4 * w),
        LeakyReLU(0.2),
        Conv2d(4 * w, 1, 4, 1, 1),
    )


def translation_loss(n, b):
    """The generators' adversarial, cycle and identity losses."""
    fake_b = n.G(b.a)
    fake_a = n.F(b.b)
    adversarial = distance(n.B(fake_b), 1) + distance(n.A(fake_a), 1)
    cycle = l1_loss(n.F(fake_b), b.a) + l1_loss(n.G(fake_a), b.b)
    identity = l1_loss(n.G(b.b), b.b) + l1_loss(n.F(b.a), b.a)
    return adversarial + 10 * cycle + 5 * identity


def patches_loss(n, b):
    """Both discriminators' losses: least squares, halved."""
    fake_a = n.F(b.b).detach()
    fake_b = n.G(b.a).detach()
    loss_a = distance(n.A(b.a), 1) + distance(n.A(fake_a), 0)
    loss_b = distance(n.B(b.b), 1) + distance(n.B(fake_b), 0)
    return loss_a / 2 + loss_b / 2


def distance(scores, target):
    return (scores - target).square().mean()


def cyclegan():
    networks = {name: resnet_generator(1, 2, blocks=1) for name in "GF"}
    networks |= {name: patch_discriminator(1, 2) for name in "AB"}
    return Twin(networks, [translation_loss, patches_loss])


def cyclegan_unet():
    networks = {name: Unet(1, 2) for name in "GF"}
    networks |= {name: patch_discriminator(1, 2) for name in "AB"}
    return Twin(networks, [translation_loss, patches_loss])
