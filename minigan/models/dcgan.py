"""DCGAN (Radford, Metz and Chintala 2015): two convolutional networks that play the game of
Goodfellow et al. 2014.

The generator turns a latent vector into an image by doubling a 4 x 4 map until it has the image's
size; the discriminator halves the image until 4 x 4 is left and answers with one logit. Batch
norm everywhere but at the generator's output and the discriminator's input. Layer names and
shapes are those of PyTorch's DCGAN example, so weights move over.
"""

from .. import functional as F
from .. import nn
from ..engine import grad
from ..nn.init import dcgan_

GENERATOR_TAKES = ("latent",)  # for each image


def doublings(image_size):
    """How often 4 must be doubled to reach the image size."""
    if image_size not in (16, 32, 64, 128):
        raise ValueError(f"DCGAN: image_size is {image_size}, expected 16, 32, 64 or 128")
    return image_size.bit_length() - 3


class Generator(nn.Module):
    """z (N, latent_dim) or (N, latent_dim, 1, 1) -> images (N, channels, image_size, image_size)
    in (-1, 1).

    width: the number of feature maps before the last layer (64 in the paper), doubled with every
    halving of the size.
    """

    def __init__(self, latent_dim=100, image_size=64, channels=3, width=64):
        self.latent_dim = latent_dim
        maps = [width * 2**i for i in reversed(range(doublings(image_size)))]
        layers = [nn.ConvTranspose2d(latent_dim, maps[0], 4, stride=1, padding=0, bias=False)]
        for here, there in zip(maps, maps[1:] + [channels]):
            layers += [
                nn.BatchNorm2d(here),
                nn.ReLU(),
                nn.ConvTranspose2d(here, there, 4, stride=2, padding=1, bias=False),
            ]
        self.main = nn.Sequential(*layers, nn.Tanh())
        dcgan_(self)

    def forward(self, z):
        if z.shape[1:] not in ((self.latent_dim,), (self.latent_dim, 1, 1)):
            raise ValueError(
                f"Generator: latents have shape {z.shape}, expected (N, {self.latent_dim})"
            )
        return self.main(z.reshape(z.shape[0], self.latent_dim, 1, 1))


class Discriminator(nn.Module):
    """Images (N, channels, image_size, image_size) in [-1, 1] -> logits (N,): positive means
    "real".
    """

    def __init__(self, image_size=64, channels=3, width=64):
        self.shape = (channels, image_size, image_size)
        maps = [width * 2**i for i in range(doublings(image_size))]
        layers = [nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2)]
        for here, there in zip(maps, maps[1:]):
            layers += [
                nn.Conv2d(here, there, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(there),
                nn.LeakyReLU(0.2),
            ]
        self.main = nn.Sequential(
            *layers, nn.Conv2d(maps[-1], 1, 4, stride=1, padding=0, bias=False)
        )
        dcgan_(self)

    def forward(self, x):
        if x.shape[1:] != self.shape:
            raise ValueError(
                f"Discriminator: images have shape {x.shape}, expected (N, {str(self.shape)[1:]}"
            )
        return self.main(x).reshape(-1)


def discriminator_loss(real_logits, fake_logits, *, real_label=1.0):
    """-E[log D(x)] - E[log(1 - D(G(z)))], D = sigmoid(logits). real_label=0.9: one-sided
    smoothing (Salimans 2016).
    """
    return F.binary_cross_entropy_with_logits(
        real_logits, real_label
    ) + F.binary_cross_entropy_with_logits(fake_logits, 0.0)


def generator_loss(fake_logits, *, minimax=False):
    """-E[log D(G(z))], the non-saturating loss; minimax: E[log(1 - D(G(z)))], whose gradient
    vanishes early.
    """
    if minimax:
        return -F.binary_cross_entropy_with_logits(fake_logits, 0.0)
    return F.binary_cross_entropy_with_logits(fake_logits, 1.0)


def r1_penalty(discriminator, real, *, weight=1.0):
    """weight / 2 E[|grad of D's logit at a real image|^2] (Mescheder et al. 2018): a gradient of
    a gradient.

    It keeps a discriminator that has learned few images by heart from standing on needles, where
    it teaches nothing.
    """
    x = real.detach().requires_grad_()
    (slope,) = grad(discriminator(x).sum(), x, create_graph=True)
    return (slope * slope).sum() * (weight / (2 * len(x)))
