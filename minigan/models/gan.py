"""The first GAN (Goodfellow et al. 2014): two multilayer perceptrons that play

    min over G, max over D of  V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))]

The generator's pixels come out of a sigmoid; the discriminator is a maxout network with dropout,
which keeps it from learning the training set by heart. The paper's pixels lie in [0, 1],
minigan's in [-1, 1]: both networks convert at their image side, so that inside they are the
paper's. The losses stand in dcgan.py, for the game is the same.
"""

import math

from .. import nn
from ..nn.init import goodfellow_
from ..ops import reshape
from .dcgan import discriminator_loss, generator_loss  # noqa: F401

GENERATOR_TAKES = ("latent",)  # for each image


class Generator(nn.Module):
    """z (N, latent_dim) -> images (N, channels, image_size, image_size) in (-1, 1), by two layers
    of ReLUs.
    """

    def __init__(self, latent_dim=100, image_size=28, channels=1, hidden=1200):
        self.latent_dim, self.shape = latent_dim, (channels, image_size, image_size)
        self.main = nn.Sequential(
            nn.Linear(latent_dim, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, math.prod(self.shape)),
            nn.Sigmoid(),
        )
        goodfellow_(self, 0.05)

    def forward(self, z):
        if z.shape[1:] != (self.latent_dim,):
            raise ValueError(
                f"Generator: latents have shape {z.shape}, expected (N, {self.latent_dim})"
            )
        return (2 * self.main(z) - 1).reshape(len(z), *self.shape)


class Discriminator(nn.Module):
    """Images (N, channels, image_size, image_size) in [-1, 1] -> logits (N / pack,): positive
    means "real".

    Two layers of ``units`` maxout units of ``pieces`` pieces; dropout keeps 0.8 of the pixels and
    0.5 of the units. pack: how many images are judged as one (PacGAN, Lin et al. 2018): a
    generator that repeats itself is found out.
    """

    def __init__(self, image_size=28, channels=1, units=240, pieces=5, pack=1):
        self.shape, self.pack = (channels, image_size, image_size), pack
        self.main = nn.Sequential(
            nn.Dropout(0.2),
            nn.Maxout(pack * math.prod(self.shape), units, pieces),
            nn.Dropout(0.5),
            nn.Maxout(units, units, pieces),
            nn.Dropout(0.5),
            nn.Linear(units, 1),
        )
        goodfellow_(self, 0.005)

    def forward(self, x):
        if x.shape[1:] != self.shape:
            raise ValueError(
                f"Discriminator: images have shape {x.shape}, expected (N, {str(self.shape)[1:]}"
            )
        return self.main((packed(x, self.pack) + 1) * 0.5).reshape(-1)


def packed(x, m):
    """(N, ...) -> (N / m, m * features): m samples side by side, to be judged as one. ValueError
    unless m divides N.
    """
    if m < 1 or len(x) % m:
        raise ValueError(
            f"packed: {len(x)} samples cannot be packed by {m}, expected a multiple of 1 or more"
        )
    return reshape(x, len(x) // m, -1)
