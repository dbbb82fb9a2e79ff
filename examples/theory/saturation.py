"""The minimax loss stops teaching a generator that is far off; the non-saturating loss does not.

    python examples/theory/saturation.py

Data N(0, 1), generator G(z) = z + theta, so p_g = N(theta, 1). The best discriminator (Goodfellow
et al. 2014, Proposition 1) is D(x) = sigmoid(a(x)), a(x) = log p_data(x) / p_g(x) = theta^2 / 2 -
theta x. With it held fixed, and a' = -theta, the losses of the generator have in theta the
gradients

    minimax          E[log(1 - D(G(z)))]:   E[-D a'] = theta E[D(G(z))]
    non-saturating   -E[log D(G(z))]:       E[-(1 - D) a'] = theta (1 - E[D(G(z))]).

They add up to theta, but E[D(G(z))] = integral of p_data p_g / (p_data + p_g) is at most half the
integral of sqrt(p_data p_g), exp(-theta^2 / 8) / 2: the farther off the generator, the less the
first has to say, which the paper names at the end of section 3. By Proposition 1 the first is the
slope of 2 JSD in theta; the second is what it lacks to the slope of KL(p_g || p_data) = theta^2 /
2 (Arjovsky and Bottou 2017, Theorem 2.5). Means over z are sums on a grid.
"""

import claims
import numpy as np
from claims import normal_density

import minigan as mg
from minigan.models.dcgan import generator_loss
from minigan.training import command_line

Z = np.linspace(-12, 12, 2401)
SHARES = normal_density(Z) * (Z[1] - Z[0])  # of z: E[f(z)] is the sum of f(Z) SHARES
THETAS = np.linspace(0.5, 10, 20)
RATE = 0.1  # of the descents
LOSSES = {"minimax": True, "non-saturating": False}


def gradient(theta, logit, minimax):
    """d loss / d theta of the generator z + theta against the discriminator sigmoid(logit(x)),
    held fixed.
    """
    x = mg.tensor(Z + theta, requires_grad=True)
    (at_each,) = mg.grad(generator_loss(logit(x), minimax=minimax), x)  # dG(z) / d theta is 1
    return np.sum(
        at_each.numpy() * len(Z) * SHARES
    )  # the loss is a mean over the grid, as over a batch


def best_logit(theta):
    return lambda x: theta**2 / 2 - theta * x


def descend(theta, steps, minimax):
    """[theta before each of the steps down its loss, and after the last], each against the best
    discriminator.
    """
    path = [theta]
    for _ in range(steps):
        path.append(path[-1] - RATE * gradient(path[-1], best_logit(path[-1]), minimax))
    return np.array(path)


def slope_of_2_jsd(theta, step=1e-4):
    """By central differences of the integral, for which no gradient of minigan's is needed."""
    x = np.linspace(-12, 24, 20001)

    def twice_jsd(t):
        p, q = normal_density(x), normal_density(x, t)
        return np.sum(p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))) * (x[1] - x[0])

    return (twice_jsd(theta + step) - twice_jsd(theta - step)) / (2 * step)


@claims.one_thread
def main(argv=None):
    args = claims.parse(__file__, __doc__, argv, steps=300)
    found = {
        name: np.array([gradient(t, best_logit(t), minimax) for t in THETAS])
        for name, minimax in LOSSES.items()
    }
    claims.claim(
        "both gradients together against theta",
        found["minimax"] + found["non-saturating"],
        THETAS,
        1e-12,
    )
    claims.claim(
        "minimax against the slope of 2 JSD",
        found["minimax"],
        [slope_of_2_jsd(t) for t in THETAS],
        1e-6,
    )
    bound = THETAS / 2 * np.exp(-(THETAS**2) / 8)
    claims.claim_between(
        "minimax over theta exp(-theta^2 / 8) / 2, the largest", 0, max(found["minimax"] / bound), 1
    )
    claims.claim_between(
        "non-saturating over theta, the smallest", 0.5, min(found["non-saturating"] / THETAS), 1
    )

    # E[D] is at most 1/2, so the non-saturating loss pulls with at least theta / 2, and theta
    # falls geometrically.
    paths = {name: descend(THETAS[-1], args.steps, minimax) for name, minimax in LOSSES.items()}
    moved = THETAS[-1] - paths["minimax"][-1]
    claims.claim_between(
        f"minimax, {args.steps} steps from theta = {THETAS[-1]:g}: moved by",
        0,
        moved,
        RATE * args.steps * THETAS[-1] / 2 * np.exp(-(paths["minimax"][-1] ** 2) / 8),
    )
    claims.claim_between(
        "non-saturating, the same: theta is now",
        0,
        paths["non-saturating"][-1],
        THETAS[-1] * (1 - RATE / 2) ** args.steps,
    )

    figure, (slopes, course) = claims.subplots(2)
    slopes.semilogy(THETAS, bound, "k--", label="theta exp(-theta² / 8) / 2")
    for name in LOSSES:
        slopes.semilogy(THETAS, found[name], label=name)
        course.plot(paths[name], label=name)
    slopes.set(xlabel="theta", title="gradient in theta at the best D")
    course.set(xlabel="step", title="theta on its way to 0")
    for axes in (slopes, course):
        axes.legend()
    claims.save(figure, args.out)


if __name__ == "__main__":
    command_line.program(main)
