"""A WGAN's critic measures W1: how far two distributions are apart, where JSD says only that.

    python examples/theory/wasserstein.py

W1(P, Q) = max E_P[f] - E_Q[f] over f of slope at most 1 (Arjovsky, Chintala and Bottou 2017,
equation 2). On a line, with distribution functions F and G, integration by parts turns the
difference into the integral of f' (G - F), so f' is the sign of G - F, and W1 is the integral of
|G - F|: |m| for N(0, 1) and N(m, 1), |s - 1| sqrt(2 / pi) for N(0, 1) and N(0, s^2).

A gradient penalty weight E_r[(|f'| - 1)^2] (Gulrajani et al. 2017) does not forbid steeper slopes
but charges for them. Maximised at each x, |f'| = 1 + |G - F| / (2 weight r), so a trained critic
says a little more than W1, namely

    W1 + integral of (G - F)^2 / (2 weight r),

where r is the density of the points between pairs of real and fake samples.

(In the tails, where pairs are rare, a network learns no such slope, and falls a little short of
that.) The penalty charges for flatter slopes too, and to change its sign a slope must pass 0: so
that no critic stays with the wrong sign that it began with, the weight here grows from 0 in the
first third of the training.

The paper's example 1: P lies on the line {0} x [0, 1], Q on {theta} x [0, 1]. All of P must move
by |theta|, so W1 = |theta|; r is uniform between the lines, so a penalised critic says |theta| +
theta^2 / (2 weight). But JSD is log 2 for every theta except 0: the best discriminator cannot
tell near from far, and the generator that moves theta has no gradient to follow. A critic w . x,
clipped to |w_i| <= c, says c |theta|: W1, but in a unit of its own.
"""

import claims
import numpy as np
from claims import normal_density

import minigan as mg
from minigan import nn
from minigan.models.dcgan import discriminator_loss
from minigan.models.dcgan import generator_loss as gan_loss
from minigan.models.wgan import clip_weights_, critic_loss, gradient_penalty
from minigan.models.wgan import generator_loss as wgan_loss
from minigan.optim import Adam, ConstantThenLinearLR
from minigan.training import scripts

GAUSSIANS = ((2.0, 1.0), (0.0, 3.0), (-1.0, 2.0))  # (m, s) of Q; P is N(0, 1)
THETAS = (0.25, 0.5, 1.0, 2.0)
WEIGHT, CLIP = 10.0, 0.01
BATCH_SIZE, MANY = 256, 20000


def normal(mean, std):
    """A function that draws n points of N(mean, std^2), (n, 1)."""
    return lambda n: mg.randn(n, 1) * std + mean


def line(theta):
    """A function that draws n points of {theta} x [0, 1], (n, 2)."""
    return lambda n: mg.cat([mg.zeros(n, 1) + theta, mg.rand(n, 1)], 1)


def train(network, loss, P, Q, steps, lr, after_step=None):
    """Minimise loss(network, real, fake, progress from 0 to 1) over fresh batches -> network."""
    optimizer = Adam(network.parameters(), lr, betas=(0.5, 0.9))
    schedule = ConstantThenLinearLR(optimizer, steps // 2, steps - steps // 2)
    for step in range(steps):
        optimizer.minimize(loss(network, P(BATCH_SIZE), Q(BATCH_SIZE), step / steps))
        schedule.step()
        if after_step:
            after_step(network)
    return network


def perceptron(inputs):
    """A network of two hidden layers, (N, inputs) -> (N, 1)."""
    return nn.Sequential(
        nn.Linear(inputs, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, 1),
    )


def penalised_critic(P, Q, steps):
    """A critic trained with the gradient penalty, whose weight grows in the first third."""

    def loss(f, real, fake, progress):
        weight = WEIGHT * min(1, 3 * progress)
        return critic_loss(f(real), f(fake)) + gradient_penalty(f, real, fake, weight)

    return train(perceptron(P(1).shape[1]), loss, P, Q, steps, 1e-2)


def clipped_critic(P, Q, steps):
    """A linear critic whose weights are clipped after each step."""

    def loss(f, real, fake, _):
        return critic_loss(f(real), f(fake))

    def clip(f):
        clip_weights_(f, CLIP)

    return train(nn.Linear(2, 1), loss, P, Q, steps, 1e-3, after_step=clip)


def discriminator(P, Q, steps):
    """A GAN's discriminator of P and Q."""

    def loss(D, real, fake, _):
        return discriminator_loss(D(real), D(fake))

    return train(perceptron(2), loss, P, Q, steps, 1e-2)


@mg.no_grad()
def difference(f, P, Q):
    """E_P[f] - E_Q[f], what a critic says W1 is."""
    return -critic_loss(f(P(MANY)), f(Q(MANY))).item()


@mg.no_grad()
def estimated_jsd(D, P, Q):
    """(V(D) + log 4) / 2, what a discriminator says JSD is."""
    return (np.log(4) - discriminator_loss(D(P(MANY)), D(Q(MANY))).item()) / 2


def pull(loss, Q):
    """d loss(x) / d theta where theta moves all points x of Q along the first axis."""
    x = Q(MANY).requires_grad_()
    return mg.grad(loss(x), x)[0].numpy()[:, 0].sum()


def exact(m, s):
    """W1(N(0, 1), N(m, s^2)), and what the penalty adds to a critic's answer.

    Both are integrals on a grid.
    """
    x = np.linspace(-15, 15, 3001)
    dx = x[1] - x[0]
    gap = np.abs(np.cumsum(normal_density(x, m, s) - normal_density(x)) * dx)  # |G - F|
    t = (np.arange(500) + 0.5)[:, None] / 500
    between = normal_density(x, (1 - t) * m, np.sqrt(t**2 + ((1 - t) * s) ** 2)).mean(0)
    some = between > 1e-9  # farther out the integrand is 0, but rounding would divide by nearly 0
    extra = gap[some] ** 2 / (2 * WEIGHT * between[some])
    return gap.sum() * dx, np.sum(extra) * dx


def on_lines(steps):
    """What three networks say of two parallel lines, and how they pull on theta.

    -> five arrays, a number for each of THETAS: the penalised critic's distance, the clipped
    critic's, the discriminator's JSD, the pull of the penalised critic and of the discriminator.
    """
    found = []
    for theta in THETAS:
        P, Q = line(0), line(theta)
        f = penalised_critic(P, Q, steps)
        clipped = clipped_critic(P, Q, steps)
        D = discriminator(P, Q, steps)
        said = difference(f, P, Q), difference(clipped, P, Q), estimated_jsd(D, P, Q)
        found.append((*said, pull_of_critic(f, Q), pull_of_discriminator(D, Q)))
    return np.array(found).T


def pull_of_critic(f, Q):
    """d loss / d theta of the generator that moves Q, against a critic."""
    return pull(lambda x: wgan_loss(f(x)), Q)


def pull_of_discriminator(D, Q):
    """The same against a discriminator, by the minimax loss."""
    return pull(lambda x: gan_loss(D(x), minimax=True), Q)


def check_integrals():
    """W1 on the grid is what the closed forms say."""
    moved, _ = exact(2, 1)
    claims.claim(
        "W1(N(0, 1), N(2, 1)) by integration against |m|",
        moved,
        2,
        1e-4,
    )
    wider, _ = exact(0, 3)
    what = "W1(N(0, 1), N(0, 9)) by integration against |s - 1| sqrt(2 / pi)"
    claims.claim(
        what,
        wider,
        2 * np.sqrt(2 / np.pi),
        1e-4,
    )


def check_gaussians(steps):
    """A trained critic finds W1 and the penalty's extra.

    -> three arrays, a number for each of GAUSSIANS: W1, W1 with the extra, what the critic says.
    """
    said = []
    for m, s in GAUSSIANS:
        P, Q = normal(0, 1), normal(m, s)
        w1, extra = exact(m, s)
        found = difference(penalised_critic(P, Q, steps), P, Q)
        pair = f"N(0, 1) and N({m:g}, {s:g}^2)"
        what = f"critic on {pair}, W1 {w1:.3f}; with the penalty's extra"
        claims.claim(
            what,
            found,
            w1 + extra,
            0.1 * w1,
        )
        said.append((w1, w1 + extra, found))
    return np.array(said).T


def check_lines(found):
    """found: what on_lines returns."""
    penalised, clipped, jsd, critic_pull, gan_pull = found
    theta = np.array(THETAS)
    formula = theta + theta**2 / 20
    claims.claim(
        "lines: penalised critic against theta + theta^2 / 20",
        penalised,
        formula,
        0.01,
    )
    claims.claim("lines: clipped critic over c against theta", clipped / CLIP, theta, 0.02)
    claims.claim(
        "lines: discriminator's JSD against log 2",
        jsd,
        np.log(2),
        0.01,
    )
    slope = 1 + theta / 20
    claims.claim(
        "critic's pull on theta against 1 + theta / 20",
        critic_pull,
        slope,
        0.01,
    )
    claims.claim("discriminator's pull on theta, minimax loss, against 0", gan_pull, 0, 1e-3)


def plot_gaussians(axes, w1, with_extra, found):
    """What the critic says of Gaussians, over W1."""
    axes.plot(w1, w1, "k--", label="W1")
    axes.plot(w1, with_extra, "k+", markersize=12, label="W1 + the penalty's extra")
    axes.plot(w1, found, "o", label="trained critic")
    axes.set(xlabel="W1 of N(0, 1) and N(m, s²)")
    axes.legend(fontsize=8)


def plot_lines(axes, penalised, clipped, jsd):
    """What the three networks say of two lines, over their distance."""
    thetas = np.array([0, *THETAS])
    axes.plot(thetas, thetas, "k--", label="W1 = theta")
    axes.plot(THETAS, penalised, "o", label="penalised critic")
    axes.plot(THETAS, clipped / CLIP, "x", label="clipped critic / c")
    axes.plot(thetas, np.where(thetas > 0, np.log(2), 0), "k:", label="JSD", drawstyle="steps")
    axes.plot(THETAS, jsd, "s", label="trained discriminator")
    axes.set(xlabel="theta, the distance of two parallel lines")
    axes.legend(fontsize=8)


@claims.one_thread
def main(argv=None):
    args = claims.parse(__file__, __doc__, argv, steps=600)
    check_integrals()
    gaussians = check_gaussians(args.steps)
    lines = on_lines(args.steps)
    check_lines(lines)

    figure, (left, right) = claims.subplots(2)
    plot_gaussians(left, *gaussians)
    plot_lines(right, *lines[:3])
    claims.save(figure, args.out)


if __name__ == "__main__":
    scripts.program(main)
