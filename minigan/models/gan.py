"""The first GAN (Goodfellow et al. 2014): two multilayer perceptrons that play

    min over G, max over D of  V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))]

The generator's pixels come out of a sigmoid. The discriminator is a maxout network with dropout,
which keeps it from overfitting the training set. The paper's pixels lie in [0, 1] and minigan's in
[-1, 1]: both networks convert where images enter or leave, so that inside they are the paper's.
The losses are in dcgan.py, because the game is the same.
"""

import math

from .. import nn
from ..nn.init import goodfellow_
from ..ops import reshape
from ..sizes import height_and_width
from .dcgan import discriminator_loss, generator_loss  # noqa: F401

GENERATOR_TAKES = ("latent",)  # for each image


class Generator(nn.Module):
    """z (N, latent_dim) -> images (N, channels, image_size, image_size) in (-1, 1).

    Two hidden layers of ``hidden`` ReLU units each.
    """

    def __init__(self, latent_dim=100, image_size=28, channels=1, hidden=1200):
        self.latent_dim = latent_dim
        self.shape = (channels, *height_and_width(image_size))
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
        nn.expect(z, (None, self.latent_dim), "Generator: latents")
        pixels = self.main(z)  # (N, channels * image_size^2), in (0, 1)
        pixels = 2 * pixels - 1  # the same shape, in (-1, 1)
        return pixels.reshape(len(z), *self.shape)  # (N, channels, image_size, image_size)


class Discriminator(nn.Module):
    """Images (N, channels, image_size, image_size) in [-1, 1] -> logits (N / pack,).

    A positive logit means "real". Two layers of ``units`` maxout units, each the maximum of
    ``pieces`` linear functions. Dropout keeps 80 % of the pixels and half of the units.
    pack: how many images are judged together (PacGAN, Lin et al. 2018). A generator that repeats
    itself gives itself away.
    """

    def __init__(self, image_size=28, channels=1, units=240, pieces=5, pack=1):
        self.shape = (channels, *height_and_width(image_size))
        self.pack = pack
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
        nn.expect(x, (None, *self.shape), "Discriminator: images")
        pixels = packed(x, self.pack)  # (N / pack, pack * channels * image_size^2), in [-1, 1]
        pixels = (pixels + 1) * 0.5  # the same shape, in [0, 1]
        logits = self.main(pixels)  # (N / pack, 1)
        return logits.reshape(-1)  # (N / pack,)


def packed(x, m):
    """(N, ...) -> (N / m, m * features): m samples side by side, which are judged as one.

    Raises ValueError unless m divides N.
    """
    if m < 1 or len(x) % m:
        raise ValueError(
            f"packed: {len(x)} samples cannot be packed by {m}, expected a multiple of 1 or more"
        )
    return reshape(x, len(x) // m, -1)
