"""If the generator's density itself could be moved, it would reach the data's, whatever the two
are.

    python examples/theory/function_space.py

Goodfellow et al. 2014, Proposition 2: C(p_g) = max over D of V(p_g, D) is a maximum of functions
that are linear in p_g, so it is convex, and its gradient is that of V at the best D, held fixed:
dC / dp_g(x) = log(1 - D*(x)). Small steps down, each with the best D, must end at the only
minimum, p_g = p_data, where C = -log 4.

How far to step can be said exactly. A density has to stay one, so a step multiplies: p_g <- p_g
exp(-rate dC/dp_g) / Z (mirror descent, whose small steps go down the gradient in the geometry of
KL). With 1 - D* = p_g / (p_data + p_g), rate 1 gives p_g <- (p_data + p_g) / 2: every step halves
the distance, and after t of them

    p_g = p_data + (start - p_data) / 2^t.

Densities are columns over bins here, and minigan takes the gradient. No network, no samples, so
no error: float64.
"""

import claims
import numpy as np
from claims import normal_density

import minigan as mg
from minigan.training import command_line

X = np.linspace(-5, 5, 200)


def column(density):
    return density / density.sum()


def value(p_data, p_g, *, hold=True):
    """C(p_g) = V(p_g, D*) for a Tensor p_g; hold: D* as a constant, as the training has it."""
    D = p_data / (p_data + (p_g.detach() if hold else p_g))
    return (p_data * D.log() + p_g * (1 - D).log()).sum()


def gradient(p_data, p_g, *, hold=True):
    """dC / dp_g, an array."""
    p_g = mg.tensor(p_g, requires_grad=True)
    return mg.grad(value(p_data, p_g, hold=hold), p_g)[0].numpy()


def descend(p_data, p_g, steps, rate):
    """[p_g before the first step, after it, after the second, ...], (steps + 1, bins)."""
    path = [p_g]
    for _ in range(steps):
        path.append(column(path[-1] * np.exp(-rate * gradient(p_data, path[-1]))))
    return np.stack(path)


@claims.one_thread
def main(argv=None):
    args = claims.parse(__file__, __doc__, argv, steps=40)
    p_data = column(0.6 * normal_density(X, -1.5, 0.4) + 0.4 * normal_density(X, 2, 0.7))
    start = column(normal_density(X, 0.5, 1))
    claims.claim(
        "gradient against log(1 - D*), D* held fixed",
        gradient(p_data, start),
        np.log(start / (p_data + start)),
        1e-12,
    )
    claims.claim(
        "the same if D* is moved along, for it is a maximum",
        gradient(p_data, start, hold=False),
        np.log(start / (p_data + start)),
        1e-9,
    )

    def C(p_g):
        return value(p_data, mg.tensor(p_g)).item()

    claims.claim_between(
        "convex: C(p_data) <= C(half way) <= the mean of C at both ends",
        C(p_data),
        C((p_data + start) / 2),
        (C(p_data) + C(start)) / 2,
    )
    claims.claim("C(p_data) against -log 4", C(p_data), -np.log(4), 1e-12)

    path = descend(p_data, start, args.steps, rate=1)
    powers = 0.5 ** np.arange(args.steps + 1)[:, None]
    claims.claim(
        f"{args.steps} steps of rate 1, each against p_data + (start - p_data) / 2^t",
        path,
        p_data + (start - p_data) * powers,
        1e-14,
    )
    small = descend(p_data, start, 20 * args.steps, rate=0.05)
    costs, slow = ([C(p_g) for p_g in p] for p in (path, small))
    claims.claim_between(
        "small steps go down every time, but for rounding: the changes' largest",
        min(np.diff(slow)),
        max(np.diff(slow)),
        1e-14,
    )
    claims.claim(f"C after {len(slow) - 1} steps of rate 0.05", slow[-1], -np.log(4), 1e-9)

    figure, (densities, course) = claims.subplots(2)
    for t in (0, 1, 2, 4):
        if t < len(path):
            densities.plot(X, path[t], label=f"p_g after {t} steps")
    densities.plot(X, p_data, "k--", label="p_data")
    course.semilogy(np.subtract(costs, -np.log(4)).clip(1e-16), label="rate 1")
    course.semilogy(np.subtract(slow, -np.log(4)).clip(1e-16), label="rate 0.05")
    course.set(xlabel="step", ylabel="C(p_g) + log 4")
    for axes in (densities, course):
        axes.legend()
    claims.save(figure, args.out)


if __name__ == "__main__":
    command_line.program(main)
