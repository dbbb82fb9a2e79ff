"""The best discriminator is p / (p + q), and with it the game measures 2 JSD(p, q) - log 4.

    python examples/theory/optimal_discriminator.py

For fixed p (the data) and q (the generator), V(D) = integral of p(x) log D(x) + q(x) log(1 -
D(x)). At every x the integrand a log y + b log(1 - y) is largest at y = a / (a + b), so D* = p /
(p + q) (Goodfellow et al. 2014, Proposition 1). Put in, with m = (p + q) / 2 and p / (p + q) = p
/ 2m:

    V(D*) = KL(p || m) + KL(q || m) - 2 log 2 = 2 JSD(p, q) - log 4,

and no other D gets more (Theorem 1). Here a small network is trained on samples of p and q, and
integrals are taken on a fine grid: the network never sees the densities that it must find the
ratio of.
"""

import claims
import numpy as np
from claims import normal_density

import minigan as mg
from minigan import nn
from minigan.models.dcgan import discriminator_loss
from minigan.optim import Adam, ConstantThenLinearLR
from minigan.training import scripts

PARTS = ((0.6, -1.5, 0.5), (0.4, 1.5, 0.8))  # of p: weight, mean, standard deviation; q is N(0, 1)
X = np.linspace(-8, 8, 4001)
DX = X[1] - X[0]
BATCH_SIZE = 512


def p(x):
    """The data's density, a mixture of two Gaussians."""
    return sum(weight * normal_density(x, mean, std) for weight, mean, std in PARTS)


def draw_p(n):
    """n samples of p, (n, 1) float32."""
    weights, means, stds = np.array(PARTS).T
    part = mg.rng.generator.choice(len(weights), n, p=weights)
    noise = mg.rng.generator.standard_normal(n)
    return as_column(means[part] + stds[part] * noise)


def as_column(x):
    """Numbers (n,) as a Tensor (n, 1) float32, which a network takes."""
    return mg.tensor(x.astype(np.float32)[:, None])


def train(steps):
    """A network that tells samples of p from samples of q -> (D(X), V on each step's batch)."""
    D = nn.Sequential(
        nn.Linear(1, 64),
        nn.Tanh(),
        nn.Linear(64, 64),
        nn.Tanh(),
        nn.Linear(64, 1),
    )
    optimizer = Adam(D.parameters(), 3e-3)
    schedule = ConstantThenLinearLR(optimizer, steps // 3, steps - steps // 3)
    values = []
    for _ in range(steps):
        loss = discriminator_loss(D(draw_p(BATCH_SIZE)), D(mg.randn(BATCH_SIZE, 1)))
        optimizer.minimize(loss)
        schedule.step()
        values.append(-loss.item())
    with mg.no_grad():
        trained = D(as_column(X)).sigmoid()  # (4001, 1)
    return trained.numpy()[:, 0].astype(float), values


def kl(a, b):
    """The integral of a log(a / b) over the grid."""
    return np.sum(a * np.log(a / b)) * DX


def value(p, q, D):
    """V(D), by the integral over the grid."""
    return np.sum(p * np.log(D) + q * np.log(1 - D)) * DX


@claims.one_thread
def main(argv=None):
    args = claims.parse(__file__, __doc__, argv, steps=1500)
    real = p(X)
    fake = normal_density(X)
    middle = (real + fake) / 2
    best = real / (real + fake)
    optimum = kl(real, middle) + kl(fake, middle) - np.log(4)

    D, values = train(args.steps)
    of_best = value(real, fake, best)
    claims.claim(
        "V(p / (p + q)) against 2 JSD - log 4",
        of_best,
        optimum,
        1e-9,
    )
    distance = np.sum(middle * abs(D - best)) * DX
    claims.claim(
        "mean |D - p / (p + q)|, x drawn from (p + q) / 2",
        distance,
        0,
        0.02,
    )
    reached = value(real, fake, D)
    claims.claim(
        "V of the trained network",
        reached,
        optimum,
        0.006,
    )
    claims.claim_between("no D gets more, nor does this one", -np.log(4), reached, optimum)
    claims.save(plot(real, fake, best, D, values, optimum), args.out)


def plot(real, fake, best, D, values, optimum):
    """The densities; the best discriminator and the trained one; V during training."""
    figure, (densities, discriminator, course) = claims.subplots(3, width=4)
    densities.plot(X, real, label="p")
    densities.plot(X, fake, label="q")
    discriminator.plot(X, best, "k--", label="p / (p + q)")
    discriminator.plot(X, D, label="trained D")
    course.plot(values, color="0.7", label="V on each batch")
    course.axhline(optimum, color="k", linestyle="--", label="2 JSD - log 4")
    course.axhline(-np.log(4), color="k", linestyle=":", label="-log 4")
    for axes in (densities, discriminator):
        axes.set_xlim(-4, 4)
    for axes in (densities, discriminator, course):
        axes.legend()
    return figure


if __name__ == "__main__":
    scripts.program(main)
