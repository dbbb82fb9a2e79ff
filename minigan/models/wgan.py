"""WGAN (Arjovsky, Chintala and Bottou 2017): a critic measures the Wasserstein distance between
real and fake images. By the theorem of Kantorovich and Rubinstein it is

    W1(P, Q) = max over f with |f(x) - f(y)| <= |x - y| of  E_P[f(x)] - E_Q[f(x)]

The critic is f. It has no sigmoid, and something must limit its slope. The first paper keeps the
weights small by clipping them after each step. WGAN-GP (Gulrajani et al. 2017) adds a penalty where
the slope is not 1, which takes a gradient of a gradient. The generator is DCGAN's, or a multilayer
perceptron.
"""

import math

from .. import nn
from ..engine import grad
from ..grad_modes import no_grad
from ..nn.init import dcgan_
from ..ops import sqrt
from ..rng import rand
from ..sizes import height_and_width
from .dcgan import Generator, feature_maps, smallest_maps  # noqa: F401

GENERATOR_TAKES = ("latent",)  # for each image

NORMS = ("batch", "layer", "none")  # what a Critic's norm may be


class Critic(nn.Module):
    """Images (N, channels, image_size, image_size) in [-1, 1] -> scores (N,).

    DCGAN's discriminator. norm: "batch" as in the first paper; "layer" or "none" for the gradient
    penalty, which is taken of each sample alone.
    """

    def __init__(self, image_size=64, channels=3, width=64, norm="layer"):
        if norm not in NORMS:
            raise ValueError(f"Critic: norm is {norm!r}, expected {', '.join(NORMS)}")
        H, W = height_and_width(image_size)
        self.shape = (channels, H, W)
        first, *others = feature_maps(image_size, width)
        H //= 2
        W //= 2
        layers = [
            # (N, channels, 2 * H, 2 * W) -> (N, first, H, W)
            nn.Conv2d(channels, first, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        ]
        maps = first
        for next_maps in others:
            # (N, maps, H, W) -> (N, next_maps, H / 2, W / 2), twice as many maps
            layers.append(nn.Conv2d(maps, next_maps, 4, stride=2, padding=1, bias=norm == "none"))
            maps = next_maps
            H //= 2
            W //= 2
            if norm == "batch":
                layers.append(nn.BatchNorm2d(maps))
            if norm == "layer":
                layers.append(nn.LayerNorm((maps, H, W)))
            layers.append(nn.LeakyReLU(0.2))
        # (N, maps, 4, 4) -> (N, 1, 1, 1)
        layers.append(nn.Conv2d(maps, 1, smallest_maps(image_size)))
        self.main = nn.Sequential(*layers)
        dcgan_(self)

    def forward(self, x):
        nn.expect(x, (None, *self.shape), "Critic: images")
        scores = self.main(x)  # (N, 1, 1, 1)
        return scores.reshape(-1)  # (N,)


def _perceptron(inputs, hidden, outputs):
    """(N, inputs) -> (N, outputs), by three hidden layers of ReLU units."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


class MLPGenerator(nn.Module):
    """z (N, latent_dim) -> images (N, channels, image_size, image_size) in (-1, 1).

    A multilayer perceptron with three hidden layers of ``hidden`` ReLU units.
    """

    def __init__(self, latent_dim=100, image_size=64, channels=3, hidden=512):
        self.latent_dim = latent_dim
        self.shape = (channels, *height_and_width(image_size))
        self.main = _perceptron(latent_dim, hidden, math.prod(self.shape))

    def forward(self, z):
        nn.expect(z, (None, self.latent_dim), "MLPGenerator: latents")
        pixels = self.main(z).tanh()  # (N, channels * image_size^2)
        return pixels.reshape(len(z), *self.shape)  # (N, channels, image_size, image_size)


class MLPCritic(nn.Module):
    """Images (N, channels, image_size, image_size) in [-1, 1] -> scores (N,).

    A multilayer perceptron with three hidden layers of ``hidden`` ReLU units.
    """

    def __init__(self, image_size=64, channels=3, hidden=512):
        self.shape = (channels, *height_and_width(image_size))
        self.main = _perceptron(math.prod(self.shape), hidden, 1)

    def forward(self, x):
        nn.expect(x, (None, *self.shape), "MLPCritic: images")
        scores = self.main(x.flatten(1))  # (N, 1)
        return scores.reshape(-1)  # (N,)


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
    """Clamp every parameter to [-limit, limit]. Returns the critic.

    To be called after each step of the critic's optimiser.
    """
    for p in critic.parameters():
        p.clamp_(-limit, limit)
    return critic


def critic_steps(generator_step, n_critic=5):
    """How many steps the critic takes before the generator's step number 1, 2, ...

    n_critic, but 100 before each of the first 25 and every 500th, as in the authors' code.
    """
    if generator_step <= 25 or generator_step % 500 == 0:
        return 100
    return n_critic


def gradient_penalty(critic, real, fake, weight=10.0):
    """weight * E[(|grad f(x)| - 1)^2] at points x between real and fake samples.

    Each x = t * real + (1 - t) * fake with its own t from U(0, 1), and each has its own norm.
    real, fake: (N, ...), of one shape; no gradient flows into them. Raises ValueError for
    different shapes, and for a critic with batch norm: there a score depends on the whole batch,
    so it has no gradient of its own (Gulrajani et al. 2017).
    """
    if real.shape != fake.shape:
        raise ValueError(
            f"gradient_penalty: real has shape {real.shape} and fake {fake.shape}, "
            "expected one shape"
        )
    if _has_batch_norm(critic):
        raise ValueError(
            "gradient_penalty: the critic has batch norm, which makes a sample's score depend on "
            "the whole batch, but the penalty is on each sample's own slope; expected layer norm, "
            "or none"
        )
    ones = [1] * (real.ndim - 1)
    t = rand(len(real), *ones, dtype=real.dtype)  # (N, 1, ...)
    x = (t * real.detach() + (1 - t) * fake.detach()).requires_grad_()  # (N, ...)
    (slope,) = grad(critic(x).sum(), x, create_graph=True)  # (N, ...)
    squares = (slope * slope).flatten(1).sum(1)  # (N,)
    norm = sqrt(squares + 1e-12)  # the derivative of a square root is infinite at 0
    return weight * ((norm - 1) ** 2).mean()


def _has_batch_norm(critic):
    if not isinstance(critic, nn.Module):  # a plain function
        return False
    return any(isinstance(layer, nn.BatchNorm2d) for layer in critic.modules())
