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
from minigan.training import scripts

Z = np.linspace(-12, 12, 2401)
SHARES = normal_density(Z) * (Z[1] - Z[0])  # of z: E[f(z)] is the sum of f(Z) SHARES
THETAS = np.linspace(0.5, 10, 20)
RATE = 0.1  # of the descents
LOSSES = {"minimax": True, "non-saturating": False}


def gradient(theta, logit, minimax):
    """d loss / d theta of the generator z + theta; D(x) = sigmoid(logit(x)) is held fixed."""
    x = mg.tensor(Z + theta, requires_grad=True)
    loss = generator_loss(logit(x), minimax=minimax)  # a mean over the grid, as over a batch
    (at_each,) = mg.grad(loss, x)  # by the chain rule, because dG(z) / d theta is 1
    return np.sum(at_each.numpy() * len(Z) * SHARES)


def best_logit(theta):
    """The best discriminator's logit a(x), as a function of x."""
    return lambda x: theta**2 / 2 - theta * x


def descend(theta, steps, minimax):
    """[theta before each step down its loss, and after the last], always against the best D."""
    path = [theta]
    for _ in range(steps):
        theta = path[-1]
        slope = gradient(theta, best_logit(theta), minimax)
        path.append(theta - RATE * slope)
    return np.array(path)


def slope_of_2_jsd(theta, step=1e-4):
    """By central differences of the integral, without any gradient of minigan's."""
    x = np.linspace(-12, 24, 20001)

    def twice_jsd(t):
        p, q = normal_density(x), normal_density(x, t)
        return np.sum(p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))) * (x[1] - x[0])

    return (twice_jsd(theta + step) - twice_jsd(theta - step)) / (2 * step)


def check_gradients(found, bound):
    """found: {loss: its gradient at each of THETAS}; bound: of the minimax loss's."""
    minimax, other = found["minimax"], found["non-saturating"]
    claims.claim("both gradients together against theta", minimax + other, THETAS, 1e-12)
    slopes = [slope_of_2_jsd(t) for t in THETAS]
    claims.claim("minimax against the slope of 2 JSD", minimax, slopes, 1e-6)
    largest = max(minimax / bound)
    claims.claim_between("minimax over theta exp(-theta^2 / 8) / 2, the largest", 0, largest, 1)
    smallest = min(other / THETAS)
    claims.claim_between("non-saturating over theta, the smallest", 0.5, smallest, 1)


def check_descents(paths, steps):
    """The minimax loss hardly moves a generator that is far off; the other brings it home."""
    start = THETAS[-1]
    minimax = paths["minimax"][-1]
    fastest = start / 2 * np.exp(-(minimax**2) / 8)  # no step of this path pulls harder
    claims.claim_between(
        f"minimax, {steps} steps from theta = {start:g}: moved by",
        0,
        start - minimax,
        RATE * steps * fastest,
    )
    # E[D] is at most 1/2, so the non-saturating loss pulls with at least theta / 2, and theta
    # falls geometrically.
    claims.claim_between(
        "non-saturating, the same: theta is now",
        0,
        paths["non-saturating"][-1],
        start * (1 - RATE / 2) ** steps,
    )


def plot(found, bound, paths):
    """Left the gradients of both losses, right theta during both descents."""
    figure, (slopes, course) = claims.subplots(2)
    slopes.semilogy(THETAS, bound, "k--", label="theta exp(-theta² / 8) / 2")
    for name in LOSSES:
        slopes.semilogy(THETAS, found[name], label=name)
        course.plot(paths[name], label=name)
    slopes.set(xlabel="theta", title="gradient in theta at the best D")
    course.set(xlabel="step", title="theta on its way to 0")
    for axes in (slopes, course):
        axes.legend()
    return figure


@claims.one_thread
def main(argv=None):
    args = claims.parse(__file__, __doc__, argv, steps=300)
    found = {}
    paths = {}
    for name, minimax in LOSSES.items():
        slopes = [gradient(t, best_logit(t), minimax) for t in THETAS]
        found[name] = np.array(slopes)
        paths[name] = descend(THETAS[-1], args.steps, minimax)
    bound = THETAS / 2 * np.exp(-(THETAS**2) / 8)
    check_gradients(found, bound)
    check_descents(paths, args.steps)
    claims.save(plot(found, bound, paths), args.out)


if __name__ == "__main__":
    scripts.program(main)
