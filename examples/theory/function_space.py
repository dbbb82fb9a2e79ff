"""If training could move the generator's density itself, it would always reach the data's density.

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
from minigan.training import scripts

X = np.linspace(-5, 5, 200)


def column(density):
    """A density on the bins, scaled so that it sums to 1."""
    return density / density.sum()


def value(p_data, p_g, *, hold=True):
    """C(p_g) = V(p_g, D*) for a Tensor p_g; hold: D* is a constant, as in training."""
    q = p_g.detach() if hold else p_g
    D = p_data / (p_data + q)
    return (p_data * D.log() + p_g * (1 - D).log()).sum()


def gradient(p_data, p_g, *, hold=True):
    """dC / dp_g, an array."""
    p_g = mg.tensor(p_g, requires_grad=True)
    return mg.grad(value(p_data, p_g, hold=hold), p_g)[0].numpy()


def descend(p_data, p_g, steps, rate):
    """[p_g before the first step, after it, after the second, ...], (steps + 1, bins)."""
    path = [p_g]
    for _ in range(steps):
        slope = gradient(p_data, path[-1])
        path.append(column(path[-1] * np.exp(-rate * slope)))
    return np.stack(path)


def cost(p_data, p_g):
    """C(p_g) as a number, for an array p_g."""
    return value(p_data, mg.tensor(p_g)).item()


def check_gradient(p_data, start):
    """The gradient is log(1 - D*), also if D* moves along, because D* is a maximum."""
    formula = np.log(start / (p_data + start))
    held = gradient(p_data, start)
    claims.claim("gradient against log(1 - D*), D* held fixed", held, formula, 1e-12)
    moved = gradient(p_data, start, hold=False)
    claims.claim("the same if D* moves along, because it is a maximum", moved, formula, 1e-9)


def check_cost(p_data, start):
    """C is convex between two densities, and its minimum is -log 4."""
    ends = cost(p_data, p_data), cost(p_data, start)
    claims.claim_between(
        "convex: C(p_data) <= C(half way) <= the mean of C at both ends",
        ends[0],
        cost(p_data, (p_data + start) / 2),
        sum(ends) / 2,
    )
    claims.claim("C(p_data) against -log 4", ends[0], -np.log(4), 1e-12)


def check_path(p_data, start, path):
    """Each step of rate 1 halves the distance to the data."""
    steps = len(path) - 1
    powers = 0.5 ** np.arange(steps + 1)[:, None]
    claims.claim(
        f"{steps} steps of rate 1, each against p_data + (start - p_data) / 2^t",
        path,
        p_data + (start - p_data) * powers,
        1e-14,
    )


def check_small_steps(costs):
    """Small steps reach the minimum, and none of them goes up."""
    changes = np.diff(costs)
    claims.claim_between(
        "small steps always go down, up to rounding: the largest change",
        min(changes),
        max(changes),
        1e-14,
    )
    steps = len(costs) - 1
    claims.claim(f"C after {steps} steps of rate 0.05", costs[-1], -np.log(4), 1e-9)


def plot(p_data, path, costs, slow):
    """Left some densities of the path, right C + log 4 at both rates."""
    figure, (densities, course) = claims.subplots(2)
    for t in (0, 1, 2, 4):
        if t < len(path):
            densities.plot(X, path[t], label=f"p_g after {t} steps")
    densities.plot(X, p_data, "k--", label="p_data")
    for label, values in (("rate 1", costs), ("rate 0.05", slow)):
        above = np.subtract(values, -np.log(4))
        course.semilogy(above.clip(1e-16), label=label)
    course.set(xlabel="step", ylabel="C(p_g) + log 4")
    for axes in (densities, course):
        axes.legend()
    return figure


@claims.one_thread
def main(argv=None):
    args = claims.parse(__file__, __doc__, argv, steps=40)
    p_data = column(0.6 * normal_density(X, -1.5, 0.4) + 0.4 * normal_density(X, 2, 0.7))
    start = column(normal_density(X, 0.5, 1))
    check_gradient(p_data, start)
    check_cost(p_data, start)

    path = descend(p_data, start, args.steps, rate=1)
    check_path(p_data, start, path)
    small = descend(p_data, start, 20 * args.steps, rate=0.05)
    costs = [cost(p_data, p_g) for p_g in path]
    slow = [cost(p_data, p_g) for p_g in small]
    check_small_steps(slow)
    claims.save(plot(p_data, path, costs, slow), args.out)


if __name__ == "__main__":
    scripts.program(main)
