"""WGAN (Arjovsky, Chintala and Bottou 2017): a critic that measures the Wasserstein distance
between real and fake.

    W1(P, Q) = max over f with |f(x) - f(y)| <= |x - y| of  E_P[f(x)] - E_Q[f(x)]           (Kantorovich, Rubinstein)

The critic is f. It has no sigmoid, and something must keep it from being too steep: small
weights, by clipping after each step, or a penalty where its slope is not 1, which takes a
gradient of a gradient (WGAN-GP, Gulrajani et al. 2017). The generator is DCGAN's, or a
perceptron.
"""

import math

from .. import nn
from ..engine import grad, no_grad
from ..nn.init import dcgan_
from ..ops import sqrt
from ..rng import rand
from .dcgan import Generator, doublings  # noqa: F401

GENERATOR_TAKES = ("latent",)  # for each image

NORMS = {
    "batch": lambda channels, size: [nn.BatchNorm2d(channels)],
    "layer": lambda channels, size: [nn.LayerNorm((channels, size, size))],
    "none": lambda channels, size: [],
}


class Critic(nn.Module):
    """Images (N, channels, image_size, image_size) in [-1, 1] -> scores (N,): DCGAN's
    discriminator.

    norm: "batch" as in the first paper; "layer", or "none", where each sample's own slope is
    penalised.
    """

    def __init__(self, image_size=64, channels=3, width=64, norm="layer"):
        if norm not in NORMS:
            raise ValueError(f"Critic: norm is {norm!r}, expected {', '.join(NORMS)}")
        self.shape = (channels, image_size, image_size)
        maps = [width * 2**i for i in range(doublings(image_size))]
        layers = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for i, (here, there) in enumerate(zip(maps, maps[1:])):
            layers += [
                nn.Conv2d(here, there, 4, stride=2, padding=1, bias=norm == "none"),
                *NORMS[norm](there, image_size >> i + 2),
                nn.LeakyReLU(0.2),
            ]
        self.main = nn.Sequential(*layers, nn.Conv2d(maps[-1], 1, 4, stride=1, padding=0))
        dcgan_(self)

    def forward(self, x):
        if x.shape[1:] != self.shape:
            raise ValueError(
                f"Critic: images have shape {x.shape}, expected (N, {str(self.shape)[1:]}"
            )
        return self.main(x).reshape(-1)


def _perceptron(inputs, hidden, outputs):
    """Three layers of ``hidden`` ReLUs."""
    sizes = [inputs, hidden, hidden, hidden]
    layers = [layer for a, b in zip(sizes, sizes[1:]) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(hidden, outputs))


class MLPGenerator(nn.Module):
    """z (N, latent_dim) -> images (N, channels, image_size, image_size) in (-1, 1), by three
    layers of ReLUs.
    """

    def __init__(self, latent_dim=100, image_size=64, channels=3, hidden=512):
        self.latent_dim, self.shape = latent_dim, (channels, image_size, image_size)
        self.main = _perceptron(latent_dim, hidden, math.prod(self.shape))

    def forward(self, z):
        if z.shape[1:] != (self.latent_dim,):
            raise ValueError(
                f"MLPGenerator: latents have shape {z.shape}, expected (N, {self.latent_dim})"
            )
        return self.main(z).tanh().reshape(len(z), *self.shape)


class MLPCritic(nn.Module):
    """Images (N, channels, image_size, image_size) in [-1, 1] -> scores (N,), by three layers of
    ReLUs.
    """

    def __init__(self, image_size=64, channels=3, hidden=512):
        self.shape = (channels, image_size, image_size)
        self.main = _perceptron(math.prod(self.shape), hidden, 1)

    def forward(self, x):
        if x.shape[1:] != self.shape:
            raise ValueError(
                f"MLPCritic: images have shape {x.shape}, expected (N, {str(self.shape)[1:]}"
            )
        return self.main(x.flatten(1)).reshape(-1)


GENERATORS = {"dcgan": Generator, "mlp": MLPGenerator}
CRITICS = {"dcgan": Critic, "mlp": MLPCritic}


def critic_loss(real_scores, fake_scores):
    """E[f(G(z))] - E[f(x)]: minus the estimate of W1."""
    return fake_scores.mean() - real_scores.mean()


def generator_loss(fake_scores):
    """-E[f(G(z))]."""
    return -fake_scores.mean()


@no_grad()
def clip_weights_(critic, limit=0.01):
    """Clamp every parameter to [-limit, limit], after each step of the critic's optimiser.
    Returns the critic.
    """
    for p in critic.parameters():
        p.clamp_(-limit, limit)
    return critic


def critic_steps(generator_step, n_critic=5):
    """The critic's steps before step 1, 2, ... of the generator: n_critic, but 100 for the first
    25 and every 500th.
    """
    return 100 if generator_step <= 25 or generator_step % 500 == 0 else n_critic


def gradient_penalty(critic, real, fake, weight=10.0):
    """weight E[(|grad f(x)| - 1)^2] at points x between real and fake samples; the norm is each
    sample's own.

    real, fake: (N, ...), of one shape; no gradient flows into them. Raises ValueError for
    different shapes, and for a critic with batch norm: there a sample's score depends on its
    neighbours, and its slope is none of f's.
    """
    if real.shape != fake.shape:
        raise ValueError(
            f"gradient_penalty: real has shape {real.shape} and fake {fake.shape}, expected one shape"
        )
    if any(isinstance(layer, nn.BatchNorm2d) for layer in getattr(critic, "modules", list)()):
        raise ValueError(
            "gradient_penalty: the critic has batch norm, which makes a sample's score depend on the "
            "whole batch, but the penalty is on each sample's own slope; expected layer norm, or none"
        )
    t = rand(len(real), *[1] * (real.ndim - 1), dtype=real.dtype)
    x = (t * real.detach() + (1 - t) * fake.detach()).requires_grad_()
    (slope,) = grad(critic(x).sum(), x, create_graph=True)
    norm = sqrt(
        (slope * slope).flatten(1).sum(1) + 1e-12
    )  # (N,); a root's own slope is infinite at 0
    return weight * ((norm - 1) ** 2).mean()
