"""DCGAN (Radford, Metz and Chintala 2015): two convolutional networks play the game of
Goodfellow et al. 2014.

The generator makes an image from a latent vector: it starts with feature maps of 4 x 4 pixels and
upsamples them until they have the image's size. The discriminator downsamples an image until its
feature maps have 4 x 4 pixels, and answers with one logit. Batch norm follows every layer but the
generator's last and the discriminator's first and last. Layer names and shapes are those of
PyTorch's DCGAN example, so that weights can be exchanged.
"""

from .. import functional as F
from .. import nn
from ..engine import grad
from ..nn.init import dcgan_
from ..sizes import height_and_width

GENERATOR_TAKES = ("latent",)  # for each image


MOST_FACTOR = 16  # no layer has more feature maps than this times the width
LEAST, MOST = 16, 1024  # pixels of a side


def doublings(image_size):
    """How often the smallest feature maps must be doubled to reach the image size.

    Their shorter side has 4 to 7 pixels: 4 if that of the image is a power of 2. Raises ValueError
    for a size that cannot be halved so often.
    """
    sides = height_and_width(image_size)
    count = (min(sides) // 4).bit_length() - 1
    fits = LEAST <= min(sides) and max(sides) <= MOST
    if not fits or any(side % 2**count for side in sides):
        multiples = f" that are multiples of {2**count}" if fits else ""
        raise ValueError(
            f"DCGAN: image_size is {image_size}, expected sides of {LEAST} to {MOST} "
            f"pixels{multiples}"
        )
    return count


def smallest_maps(image_size):
    """The (height, width) of the smallest feature maps: (4, 4) for 16, 32, 64 or 128 pixels."""
    height, width = height_and_width(image_size)
    factor = 2 ** doublings(image_size)
    return height // factor, width // factor


def feature_maps(image_size, width):
    """How many feature maps each layer of the discriminator has, from the image on -> list.

    width, 2 * width, 4 * width ...: twice as many at half the size, but at most 16 * width.
    """
    return [width * min(2**i, MOST_FACTOR) for i in range(doublings(image_size))]


class Generator(nn.Module):
    """z (N, latent_dim) or (N, latent_dim, 1, 1) -> images in (-1, 1).

    The images have shape (N, channels, image_size, image_size), or an oblong one for an image_size
    such as "96x160". width: the number of feature maps before the last layer, 64 in the paper.
    There are twice as many at half the size, and so on.
    """

    def __init__(self, latent_dim=100, image_size=64, channels=3, width=64):
        self.latent_dim = latent_dim
        first, *others = reversed(feature_maps(image_size, width))
        layers = [
            # (N, latent_dim, 1, 1) -> (N, first, 4, 4)
            nn.ConvTranspose2d(latent_dim, first, smallest_maps(image_size), bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        ]
        maps = first
        for next_maps in others:
            layers += [
                # (N, maps, H, W) -> (N, next_maps, 2 * H, 2 * W), half as many maps
                nn.ConvTranspose2d(maps, next_maps, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(next_maps),
                nn.ReLU(),
            ]
            maps = next_maps
        layers += [
            # (N, width, image_size / 2, image_size / 2) -> (N, channels, image_size, image_size)
            nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1, bias=False),
            nn.Tanh(),
        ]
        self.main = nn.Sequential(*layers)
        dcgan_(self)

    def forward(self, z):
        latent_shape = (self.latent_dim,) if z.ndim == 2 else (self.latent_dim, 1, 1)
        nn.expect(z, (None, *latent_shape), "Generator: latents")
        z = z.reshape(len(z), self.latent_dim, 1, 1)  # (N, latent_dim, 1, 1)
        return self.main(z)  # (N, channels, image_size, image_size)


class Discriminator(nn.Module):
    """Images (N, channels, image_size, image_size) in [-1, 1] -> logits (N,).

    A positive logit means "real". width: the number of feature maps after the first layer.
    """

    def __init__(self, image_size=64, channels=3, width=64):
        self.shape = (channels, *height_and_width(image_size))
        first, *others = feature_maps(image_size, width)
        layers = [
            # (N, channels, image_size, image_size) -> (N, width, image_size / 2, image_size / 2)
            nn.Conv2d(channels, first, 4, stride=2, padding=1, bias=False),
            nn.LeakyReLU(0.2),
        ]
        maps = first
        for next_maps in others:
            layers += [
                # (N, maps, H, W) -> (N, next_maps, H / 2, W / 2), twice as many maps
                nn.Conv2d(maps, next_maps, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(next_maps),
                nn.LeakyReLU(0.2),
            ]
            maps = next_maps
        # (N, maps, 4, 4) -> (N, 1, 1, 1)
        layers.append(nn.Conv2d(maps, 1, smallest_maps(image_size), bias=False))
        self.main = nn.Sequential(*layers)
        dcgan_(self)

    def forward(self, x):
        nn.expect(x, (None, *self.shape), "Discriminator: images")
        logits = self.main(x)  # (N, 1, 1, 1)
        return logits.reshape(-1)  # (N,)


def discriminator_loss(real_logits, fake_logits, *, real_label=1.0):
    """-E[log D(x)] - E[log(1 - D(G(z)))], where D = sigmoid(logits).

    real_label: 0.9 is one-sided label smoothing (Salimans et al. 2016).
    """
    real_loss = F.binary_cross_entropy_with_logits(real_logits, real_label)
    fake_loss = F.binary_cross_entropy_with_logits(fake_logits, 0.0)
    return real_loss + fake_loss


def generator_loss(fake_logits, *, minimax=False):
    """-E[log D(G(z))], the non-saturating loss.

    minimax=True: E[log(1 - D(G(z)))], the loss of the game itself. Its gradient vanishes while the
    discriminator is sure.
    """
    if minimax:
        return -F.binary_cross_entropy_with_logits(fake_logits, 0.0)
    return F.binary_cross_entropy_with_logits(fake_logits, 1.0)


def r1_penalty(discriminator, real, *, weight=1.0):
    """weight / 2 * E[|gradient of D's logit at a real image|^2] (Mescheder et al. 2018).

    It keeps an overfitted discriminator smooth around real images, so that it still gives the
    generator a useful gradient. The result can be differentiated: a gradient of a gradient.
    """
    x = real.detach().requires_grad_()
    (slope,) = grad(discriminator(x).sum(), x, create_graph=True)  # the shape of x
    return (slope * slope).sum() * (weight / (2 * len(x)))
