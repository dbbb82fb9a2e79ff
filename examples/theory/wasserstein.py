"""What a WGAN's critic measures: W1, which says how far two distributions are apart where JSD
only says that they are.

    python examples/theory/wasserstein.py

W1(P, Q) = max E_P[f] - E_Q[f] over f of slope at most 1 (Arjovsky, Chintala and Bottou 2017,
equation 2). On a line, with distribution functions F and G, integration by parts turns the
difference into the integral of f' (G - F), so f' is the sign of G - F, and W1 is the integral of
|G - F|: |m| for N(0, 1) and N(m, 1), |s - 1| sqrt(2 / pi) for N(0, 1) and N(0, s^2).

A gradient penalty weight E_r[(|f'| - 1)^2] (Gulrajani et al. 2017) does not forbid steeper slopes
but charges for them. Maximised at each x, |f'| = 1 + |G - F| / (2 weight r), so a trained critic
says a little more than W1, namely

    W1 + integral of (G - F)^2 / (2 weight r),         r: the density between pairs of real and fake samples.

(In the tails, where pairs are rare, a network learns no such slope, and falls a little short of
that.) The penalty charges for flatter slopes too, and to change its sign a slope must pass 0: so
that no critic stays with the wrong sign that it began with, the weight here grows from 0 in the
first third of the training.

The paper's example 1: P lies on the line {0} x [0, 1], Q on {theta} x [0, 1]. All of P must go |theta| far, so W1 =
|theta|; r is even between the lines, so a penalised critic says |theta| + theta^2 / (2 weight). But JSD is log 2 for
every theta but 0: the best discriminator cannot tell near from far, and the generator that moves theta has nothing to
go down. A critic w . x, clipped to |w_i| <= c, says c |theta|: W1, but in a unit of its own.
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
from minigan.training import command_line

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
        optimizer.zero_grad()
        loss(network, P(BATCH_SIZE), Q(BATCH_SIZE), step / steps).backward()
        optimizer.step()
        schedule.step()
        if after_step:
            after_step(network)
    return network


def perceptron(inputs):
    return nn.Sequential(
        nn.Linear(inputs, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, 1),
    )


def penalised_critic(P, Q, steps):
    def loss(f, real, fake, progress):
        return critic_loss(f(real), f(fake)) + gradient_penalty(
            f, real, fake, WEIGHT * min(1, 3 * progress)
        )

    return train(perceptron(P(1).shape[1]), loss, P, Q, steps, 1e-2)


def clipped_critic(P, Q, steps):
    return train(
        nn.Linear(2, 1),
        lambda f, real, fake, _: critic_loss(f(real), f(fake)),
        P,
        Q,
        steps,
        1e-3,
        after_step=lambda f: clip_weights_(f, CLIP),
    )


def discriminator(P, Q, steps):
    return train(
        perceptron(2),
        lambda D, real, fake, _: discriminator_loss(D(real), D(fake)),
        P,
        Q,
        steps,
        1e-2,
    )


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
    """W1(N(0, 1), N(m, s^2)), and what the penalty adds to a critic's answer: integrals on a
    grid.
    """
    x = np.linspace(-15, 15, 3001)
    dx = x[1] - x[0]
    gap = np.abs(np.cumsum(normal_density(x, m, s) - normal_density(x)) * dx)  # |G - F|
    t = (np.arange(500) + 0.5)[:, None] / 500
    between = normal_density(x, (1 - t) * m, np.sqrt(t**2 + ((1 - t) * s) ** 2)).mean(0)
    some = between > 1e-9  # farther out nothing is left to add up, and rounding divides by nearly 0
    return gap.sum() * dx, np.sum(gap[some] ** 2 / (2 * WEIGHT * between[some])) * dx


def on_lines(steps):
    """For each theta, what three networks say of two parallel lines, and how they pull on theta:
    (len(THETAS), 5).
    """
    found = []
    for theta in THETAS:
        P, Q = line(0), line(theta)
        f, c, D = (make(P, Q, steps) for make in (penalised_critic, clipped_critic, discriminator))
        found.append(
            [
                difference(f, P, Q),
                difference(c, P, Q),
                estimated_jsd(D, P, Q),
                pull(lambda x, f=f: wgan_loss(f(x)), Q),
                pull(lambda x, D=D: gan_loss(D(x), minimax=True), Q),
            ]
        )
    return np.array(found).T


@claims.one_thread
def main(argv=None):
    args = claims.parse(__file__, __doc__, argv, steps=600)
    claims.claim("W1(N(0, 1), N(2, 1)) by integration against |m|", exact(2, 1)[0], 2, 1e-4)
    claims.claim(
        "W1(N(0, 1), N(0, 9)) by integration against |s - 1| sqrt(2 / pi)",
        exact(0, 3)[0],
        2 * np.sqrt(2 / np.pi),
        1e-4,
    )
    said = []
    for m, s in GAUSSIANS:
        P, Q, (w1, extra) = normal(0, 1), normal(m, s), exact(m, s)
        said.append((w1, w1 + extra, difference(penalised_critic(P, Q, args.steps), P, Q)))
        claims.claim(
            f"critic on N(0, 1) and N({m:g}, {s:g}^2), W1 {w1:.3f}; with the penalty's extra",
            said[-1][2],
            w1 + extra,
            0.1 * w1,
        )

    thetas = np.array(THETAS)
    penalised, clipped, jsd, critic_pull, gan_pull = on_lines(args.steps)
    claims.claim(
        "lines: penalised critic against theta + theta^2 / 20",
        penalised,
        thetas + thetas**2 / 20,
        0.01,
    )
    claims.claim("lines: clipped critic over c against theta", clipped / CLIP, thetas, 0.02)
    claims.claim("lines: discriminator's JSD against log 2", jsd, np.log(2), 0.01)
    claims.claim(
        "critic's pull on theta against 1 + theta / 20", critic_pull, 1 + thetas / 20, 0.01
    )
    claims.claim("discriminator's pull on theta, minimax loss, against 0", gan_pull, 0, 1e-3)

    figure, (gaussians, lines) = claims.subplots(2)
    w1, with_extra, found = np.array(said).T
    gaussians.plot(w1, w1, "k--", label="W1")
    gaussians.plot(w1, with_extra, "k+", markersize=12, label="W1 + the penalty's extra")
    gaussians.plot(w1, found, "o", label="trained critic")
    gaussians.set(xlabel="W1 of N(0, 1) and N(m, s²)")
    lines.plot((0, *THETAS), (0, *THETAS), "k--", label="W1 = theta")
    lines.plot(THETAS, penalised, "o", label="penalised critic")
    lines.plot(THETAS, clipped / CLIP, "x", label="clipped critic / c")
    lines.plot((0, 0, *THETAS), (0, *[np.log(2)] * (1 + len(THETAS))), "k:", label="JSD")
    lines.plot(THETAS, jsd, "s", label="trained discriminator")
    lines.set(xlabel="theta, the distance of two parallel lines")
    for axes in (gaussians, lines):
        axes.legend(fontsize=8)
    claims.save(figure, args.out)


if __name__ == "__main__":
    command_line.program(main)
