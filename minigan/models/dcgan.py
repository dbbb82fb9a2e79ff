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

GENERATOR_TAKES = ("latent",)  # for each image


def doublings(image_size):
    """How often a side of 4 pixels must be doubled to reach the image size."""
    if image_size not in (16, 32, 64, 128):
        raise ValueError(f"DCGAN: image_size is {image_size}, expected 16, 32, 64 or 128")
    return image_size.bit_length() - 3


class Generator(nn.Module):
    """z (N, latent_dim) or (N, latent_dim, 1, 1) -> images in (-1, 1).

    The images have shape (N, channels, image_size, image_size). width: the number of feature maps
    before the last layer, 64 in the paper. There are twice as many at half the size, and so on.
    """

    def __init__(self, latent_dim=100, image_size=64, channels=3, width=64):
        self.latent_dim = latent_dim
        upsamplings = doublings(image_size) - 1  # without the last layer
        maps = width * 2**upsamplings
        layers = [
            # (N, latent_dim, 1, 1) -> (N, maps, 4, 4)
            nn.ConvTranspose2d(latent_dim, maps, 4, stride=1, padding=0, bias=False),
            nn.BatchNorm2d(maps),
            nn.ReLU(),
        ]
        for _ in range(upsamplings):
            layers += [
                # (N, maps, H, W) -> (N, maps / 2, 2 * H, 2 * W)
                nn.ConvTranspose2d(maps, maps // 2, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(maps // 2),
                nn.ReLU(),
            ]
            maps //= 2
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
        self.shape = (channels, image_size, image_size)
        layers = [
            # (N, channels, image_size, image_size) -> (N, width, image_size / 2, image_size / 2)
            nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False),
            nn.LeakyReLU(0.2),
        ]
        maps = width
        for _ in range(doublings(image_size) - 1):
            layers += [
                # (N, maps, H, W) -> (N, 2 * maps, H / 2, W / 2)
                nn.Conv2d(maps, 2 * maps, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(2 * maps),
                nn.LeakyReLU(0.2),
            ]
            maps *= 2
        # (N, maps, 4, 4) -> (N, 1, 1, 1)
        layers.append(nn.Conv2d(maps, 1, 4, stride=1, padding=0, bias=False))
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
