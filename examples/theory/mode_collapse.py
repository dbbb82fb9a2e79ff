"""Why a generator drops modes, and why a discriminator of packs of samples brings them back.

    python examples/theory/mode_collapse.py

draws a GIF: the ring above, the grid below; GAN on the left, PacGAN on the right.

The game asks for min over G of max over D. A G that is trained while D rests does max over D of
min over G, and the answer to that is not a distribution but a point: -E[log D(G(z))] is least if
every G(z) is where D is largest (Goodfellow 2016, NIPS tutorial, section 5.1.1). With data N(0,
I) and p_g = N(0, s^2 I) in the plane, D* = p / (p + p_g) is largest at 0 and D*(0) = s^2 / (s^2 +
1): the generator's spread goes to 0 and its loss to log(1 + 1 / s^2).

In the full game D moves on, but it hardly punishes one lost mode of many. With k of n equal modes
found, P uniform on n things and Q on k of them, r = k / n, the best D has the value 2 JSD(P, Q) -
log 4 with

    2 JSD = r log 2r / (1 + r) + (1 - r) log 2 + log 2 / (1 + r).

Shown m samples at once, it compares P^m and Q^m, and r becomes r^m: for 7 modes of 8, JSD grows
from 0.045 to 0.31 with m = 8 (PacGAN, Lin et al. 2018). The trainings in the GIF are those of
mode_coverage.py; what a perfect generator would score there is known too: a share 1 - exp(-9 / 2)
of a plane's normal distribution lies within 3 sigma.
"""

import claims
import numpy as np

import minigan as mg
from minigan import nn
from minigan.data import images
from minigan.data.toys import GRID, RING, density_picture
from minigan.evaluation.metrics import mode_coverage
from minigan.evaluation.modes import CPU, draw_points, training
from minigan.models.dcgan import discriminator_loss, generator_loss
from minigan.models.gan import packed
from minigan.optim import Adam, ConstantThenLinearLR
from minigan.training import scripts

SPREAD = 2.0  # s, of the first generator
METHODS = ("gan", "pacgan2")
KEPT, MODES = 7, 8
FRAMES = 40


def against_a_resting_discriminator(steps):
    """G alone, from N(0, s^2 I), against the best D of that start.

    -> the generator's spread and its loss after each step, (steps, 2).
    """
    G = nn.Linear(2, 2)
    G.load_state_dict({"weight": SPREAD * np.eye(2), "bias": np.zeros(2)})
    optimizer = Adam(G.parameters(), 0.02)
    found = []
    for _ in range(steps):
        x = G(mg.randn(256, 2))
        square = (x * x).sum(1)
        logit = np.log(SPREAD**2) - square * ((1 - SPREAD**-2) / 2)  # log p / p_g at x
        loss = generator_loss(logit)
        optimizer.minimize(loss)
        spread = np.linalg.norm(G.weight.numpy(), 2)
        found.append((spread, loss.item()))
    return np.array(found)


def twice_jsd(r):
    """2 JSD of the uniform distribution on n things and that on r n of them."""
    return r * np.log(2 * r / (1 + r)) + (1 - r) * np.log(2) + np.log(2 / (1 + r))


def value_of_packs(m, steps, batch_size=512):
    """V of a discriminator trained on packs of m modes: all of MODES against the first KEPT.

    A mode is a one-hot vector of length MODES; a pack is m of them, one after the other.
    """
    D = nn.Sequential(nn.Linear(m * MODES, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    optimizer = Adam(D.parameters(), 0.01)
    schedule = ConstantThenLinearLR(optimizer, steps // 2, steps - steps // 2)

    def loss_of(n):
        """The loss on n packs of all modes and n packs of those that are kept."""
        return discriminator_loss(D(draw_packs(MODES, n, m)), D(draw_packs(KEPT, n, m)))

    for _ in range(steps):
        optimizer.minimize(loss_of(batch_size))
        schedule.step()
    with mg.no_grad():
        return -loss_of(20000).item()


def draw_packs(modes, n, m):
    """n packs of m of the first modes, each drawn evenly: (n, m * MODES) one-hot vectors."""
    chosen = mg.rng.generator.integers(modes, size=n * m)
    one_hot = np.eye(MODES, dtype=np.float32)[chosen]  # (n * m, MODES)
    return packed(mg.tensor(one_hot), m)


def film(steps, seed):
    """Train each method on ring and grid, and print what each found.

    -> frames, uint8 (time, 4, 1, size, size).
    """
    films = []
    for mixture in (RING, GRID):
        for method in METHODS:
            films.append(one_film(mixture, method, steps, seed))
    return np.stack(films, axis=1)[:, :, None]


def one_film(mixture, method, steps, seed):
    """Pictures of what a method's generator draws during training, uint8 (time, size, size)."""
    every = max(1, steps // FRAMES)
    frames = []
    for step, G in training(CPU, mixture, method, seed, steps):
        if step % every == 0 or step == steps:
            points = draw_points(G, 2500, seed)
            frames.append(density_picture(points, mixture.extent))
    modes, share = mode_coverage(points, mixture.centres, mixture.sigma)
    found = f"{modes} of {len(mixture.centres)} modes, {share:.1%} within 3 sigma"
    print(f"{method} on the {mixture.name} after {steps} steps: {found}", flush=True)
    return np.stack(frames)


def check_own_samples(mixture):
    """A mixture's own samples find all modes, and 1 - exp(-9 / 2) of them lie within 3 sigma."""
    points = mixture.sample(20000, mg.rng.generator)
    modes, share = mode_coverage(points, mixture.centres, mixture.sigma)
    count = len(mixture.centres)
    claims.claim(
        f"modes of the {mixture.name} in its own samples",
        modes,
        count,
        0,
    )
    claims.claim("share within 3 sigma against 1 - exp(-9 / 2)", share, 1 - np.exp(-4.5), 0.004)


@claims.one_thread
def main(argv=None):
    args = claims.parse(__file__, __doc__, argv, suffix=".gif", steps=1500)
    for mixture in (RING, GRID):
        check_own_samples(mixture)

    spread, loss = against_a_resting_discriminator(600)[-1]
    claims.claim(
        "D rests: the generator's spread",
        spread,
        0,
        0.01,
    )
    formula = np.log(1 + SPREAD**-2)
    claims.claim(
        "D rests: the generator's loss against log(1 + 1 / s^2)",
        loss,
        formula,
        0.001,
    )

    for m in (1, 4, 8):
        found = value_of_packs(m, 400)
        formula = twice_jsd((KEPT / MODES) ** m) - np.log(4)
        what = f"{KEPT} of {MODES} modes, packs of {m}: V against 2 JSD - log 4"
        claims.claim(
            what,
            found,
            formula,
            0.03,
        )

    images.save_gif(args.out, film(args.steps, args.seed))
    print(f"see {args.out}")


if __name__ == "__main__":
    scripts.program(main)
