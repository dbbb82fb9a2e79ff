"""The table of models: one row for each, from which test_models.py draws its tests.

A row has the networks at toy size, a batch, the players and their losses, the parameter counts of
the paper, inputs that are refused, and a PyTorch twin where there is one. To add a model, add a
row; what is special to its paper gets a test file of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

import minigan as mg
from minigan import optim, rng
from minigan.functional import l1_loss
from minigan.models import cyclegan, dcgan, gan, wgan


class Output(NamedTuple):
    """What a network makes of one array of the batch."""

    of: str  # the array's name
    shape: tuple
    bounded: bool = False  # whether all numbers lie in [-1, 1]


class Player(NamedTuple):
    """One part of a training step: some networks move down the gradient of one loss."""

    moves: str  # the names of its networks, one letter each
    loss: Callable  # of (networks, batch)
    limit: float = None  # to which the weights of D are clipped after the step, if they are


@dataclass(frozen=True)
class Model:
    """A row of the table."""

    networks: Callable  # () -> {name: network}, at toy size
    batch: dict  # name of an array -> its shape; "z" is drawn from N(0, 1), others from U(-1, 1)
    outputs: dict  # name of a network -> Output
    players: tuple  # in the order of the step
    optimizer: tuple  # its name, in minigan and PyTorch, and its settings
    refused: dict  # name of a network -> the shape of an input that does not fit
    published: dict = field(default_factory=dict)  # name -> (make the network, its parameters)
    twin: str = None  # the name of a function of twins.py, which needs PyTorch


# ---- the losses of the players


def adversarial(discriminator_loss, generator_loss, limit=None, penalty=None):
    """Two players: D tells real from fake, then G moves its fakes."""

    def loss_of_D(n, b):
        fake = n.G(b.z).detach()
        loss = discriminator_loss(n.D(b.x), n.D(fake))
        if penalty:
            loss = loss + penalty(n.D, b.x, fake)
        return loss

    def loss_of_G(n, b):
        return generator_loss(n.D(n.G(b.z)))

    return Player("D", loss_of_D, limit), Player("G", loss_of_G)


def cycle_loss(n, b):
    """CycleGAN's two generators: adversarial, cycle and identity losses."""
    fake_b = n.G(b.a)
    fake_a = n.F(b.b)
    loss = cyclegan.generator_loss(n.B(fake_b)) + cyclegan.generator_loss(n.A(fake_a))
    cycle = l1_loss(n.F(fake_b), b.a) + l1_loss(n.G(fake_a), b.b)
    identity = l1_loss(n.G(b.b), b.b) + l1_loss(n.F(b.a), b.a)
    return loss + 10 * cycle + 5 * identity


def patches_loss(n, b):
    """CycleGAN's two discriminators."""
    fake_a = n.F(b.b).detach()
    fake_b = n.G(b.a).detach()
    loss_a = cyclegan.discriminator_loss(n.A(b.a), n.A(fake_a))
    return loss_a + cyclegan.discriminator_loss(n.B(b.b), n.B(fake_b))


def translators(make):
    """Two generators, by `make`, and two discriminators."""
    networks = {name: make() for name in "GF"}
    return networks | {name: cyclegan.PatchDiscriminator(1, width=2, n_layers=2) for name in "AB"}


ADAM = ("Adam", dict(lr=2e-3, betas=(0.5, 0.999)))
IMAGES_OF_16 = {  # what the convolutional networks of latents of 3 numbers share
    "batch": {"z": (3, 3), "x": (3, 1, 16, 16)},
    "outputs": {
        "G": Output("z", (3, 1, 16, 16), bounded=True),
        "D": Output("x", (3,)),
    },
    "refused": {"G": (2, 4), "D": (2, 1, 8, 8)},
}
IMAGES_OF_2 = {  # what the perceptrons share
    "batch": {"z": (4, 3), "x": (4, 1, 2, 2)},
    "outputs": {
        "G": Output("z", (4, 1, 2, 2), bounded=True),
        "D": Output("x", (4,)),
    },
    "refused": {"G": (2, 4), "D": (2, 1, 3, 3)},
}
PAIRS_OF_16 = {  # what translators between two kinds of images share
    "batch": {"a": (2, 1, 16, 16), "b": (2, 1, 16, 16)},
    "outputs": {
        "G": Output("a", (2, 1, 16, 16), bounded=True),
        "F": Output("b", (2, 1, 16, 16), bounded=True),
        "A": Output("a", (2, 1, 2, 2)),
        "B": Output("b", (2, 1, 2, 2)),
    },
    "refused": {
        "G": (1, 3, 16, 16),
        "F": (1, 1, 18, 16),
        "A": (1, 16, 16),
        "B": (1, 1, 16, 8),
    },
}

# ---- the table

MODELS = {
    "gan": Model(
        networks=lambda: {
            "G": gan.Generator(latent_dim=3, image_size=2, hidden=6),
            "D": gan.Discriminator(image_size=2, units=5, pieces=2),
        },
        players=adversarial(gan.discriminator_loss, gan.generator_loss),
        optimizer=("SGD", dict(lr=0.1, momentum=0.5)),
        **IMAGES_OF_2,
        published={
            "G": (gan.Generator, 101 * 1200 + 1201 * 1200 + 1201 * 784),
            "D": (gan.Discriminator, 785 * 240 * 5 + 241 * 240 * 5 + 241),
        },
        twin="gan",
    ),
    "dcgan": Model(
        networks=lambda: {
            "G": dcgan.Generator(latent_dim=3, image_size=16, channels=1, width=2),
            "D": dcgan.Discriminator(image_size=16, channels=1, width=2),
        },
        players=adversarial(dcgan.discriminator_loss, dcgan.generator_loss),
        optimizer=ADAM,
        **IMAGES_OF_16,
        published={
            "G": (dcgan.Generator, 3_576_704),
            "D": (dcgan.Discriminator, 2_765_568),
        },
        twin="dcgan",
    ),
    "wgan": Model(
        networks=lambda: {
            "G": wgan.Generator(latent_dim=3, image_size=16, channels=1, width=2),
            "D": wgan.Critic(image_size=16, channels=1, width=2, norm="batch"),
        },
        players=adversarial(wgan.critic_loss, wgan.generator_loss, limit=0.01),
        optimizer=("RMSprop", dict(lr=5e-4)),
        **IMAGES_OF_16,
        published={
            "D": (lambda: wgan.Critic(norm="batch"), 2_765_568 + 64 + 1),
        },
        twin="wgan",
    ),
    "wgan-gp": Model(
        networks=lambda: {
            "G": wgan.Generator(latent_dim=3, image_size=16, channels=1, width=2),
            "D": wgan.Critic(image_size=16, channels=1, width=2, norm="layer"),
        },
        players=adversarial(wgan.critic_loss, wgan.generator_loss, penalty=wgan.gradient_penalty),
        optimizer=("Adam", dict(lr=1e-3, betas=(0.0, 0.9))),
        **IMAGES_OF_16,
        twin="wgan_gp",
    ),
    "wgan, perceptrons": Model(
        networks=lambda: {
            "G": wgan.MLPGenerator(latent_dim=3, image_size=2, channels=1, hidden=6),
            "D": wgan.MLPCritic(image_size=2, channels=1, hidden=6),
        },
        players=adversarial(wgan.critic_loss, wgan.generator_loss, limit=0.3),
        optimizer=("RMSprop", dict(lr=5e-4)),
        **IMAGES_OF_2,
        published={
            "G": (wgan.MLPGenerator, 101 * 512 + 2 * 513 * 512 + 513 * 3 * 64 * 64),
            "D": (wgan.MLPCritic, (3 * 64 * 64 + 1) * 512 + 2 * 513 * 512 + 513),
        },
        twin="wgan_mlp",
    ),
    "cyclegan": Model(
        networks=lambda: translators(lambda: cyclegan.ResnetGenerator(1, 1, width=2, blocks=1)),
        published={
            "G": (cyclegan.ResnetGenerator, 11_378_179),
            "F": (lambda: cyclegan.ResnetGenerator(blocks=6), 7_837_699),
            "A": (cyclegan.PatchDiscriminator, 2_764_737),
        },
        twin="cyclegan",
        players=(Player("GF", cycle_loss), Player("AB", patches_loss)),
        optimizer=ADAM,
        **PAIRS_OF_16,
    ),
    "cyclegan, U-Net": Model(
        networks=lambda: translators(lambda: cyclegan.UnetGenerator(1, 1, width=2, depth=3)),
        twin="cyclegan_unet",
        players=(Player("GF", cycle_loss), Player("AB", patches_loss)),
        optimizer=ADAM,
        **PAIRS_OF_16,
    ),
}

# ---- what the tests need of a row


def make_networks(model, seed=0):
    """The row's networks with the initial weights of this seed, as a namespace."""
    mg.manual_seed(seed)
    return SimpleNamespace(**model.networks())


def make_batch(model, seed=0, dtype=np.float32):
    """Random arrays of the batch, {name: array}."""
    generator = np.random.default_rng(seed)
    batch = {}
    for name, shape in model.batch.items():
        if name == "z":
            array = generator.standard_normal(shape)
        else:
            array = generator.uniform(-1, 1, shape)
        batch[name] = array.astype(dtype)
    return batch


def as_tensors(batch):
    return SimpleNamespace(**{name: mg.tensor(array) for name, array in batch.items()})


def parameters_of(networks, names):
    """The parameters of the networks with these names, in order."""
    return [p for name in names for p in getattr(networks, name).parameters()]


def make_optimizers(model, networks):
    """An optimiser for each player."""
    name, settings = model.optimizer
    make = getattr(optim, name)
    return [make(parameters_of(networks, player.moves), **settings) for player in model.players]


def play(player, networks, optimizer, batch):
    """A player's part of a training step."""
    optimizer.minimize(player.loss(networks, batch))
    if player.limit:
        wgan.clip_weights_(networks.D, player.limit)


def train(model, networks, optimizers, steps, first=0):
    """Whole steps with the batches number first, first + 1, ..."""
    for step in range(first, first + steps):
        batch = as_tensors(make_batch(model, seed=step))
        for player, optimizer in zip(model.players, optimizers):
            play(player, networks, optimizer, batch)


def state_of(networks, optimizers):
    """Everything that a training changes, as a checkpoint keeps it."""
    return {
        "networks": {name: network.state_dict() for name, network in vars(networks).items()},
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "rng": rng.state_dict(),
    }
