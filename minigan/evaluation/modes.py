"""Mode coverage on the ring and the grid (the protocol of PacGAN, Lin et al. 2018): methods,
trials, tables.
"""

import collections
import csv
import signal
import time
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

import minigan as mg

from .. import devices, nn
from ..data.toys import MIXTURES
from ..files import reading, whole_file
from ..files.bounded import read_text
from ..models import gan, wgan
from ..nn import init
from ..optim import Adam, ConstantThenLinearLR
from .metrics import mode_coverage

POINTS, SAMPLES, LATENT_DIM = 100_000, 2_500, 2
MOST_RESULTS = 1 << 24  # bytes of the results file: some 200,000 rows
COLUMNS = ("protocol", "data", "method", "seed", "steps", "modes", "share", "seconds")
# method -> (how many samples D judges as one, steps of D to each of G)
METHODS = {"gan": (1, 1), "pacgan2": (2, 1), "pacgan4": (4, 1), "wgan-gp": (1, 5)}
# Lin et al. 2018, table 1: modes and high-quality share, mean and standard error of ten trials
PUBLISHED = {
    ("ring", "gan"): "6.3 +- 0.5   98.2 %",
    ("ring", "pacgan2"): "7.9 +- 0.1   95.6 %",
    ("grid", "gan"): "17.3 +- 0.8   94.8 %",
    ("grid", "pacgan2"): "23.8 +- 0.7   91.3 %",
    ("grid", "pacgan4"): "24.8 +- 0.2   93.6 %",
}


class Scale(nn.Module):
    """x times a constant."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return x * self.factor


@dataclass(frozen=True)
class Protocol:
    """Sizes of the networks and settings of the training; steps: {method: generator steps}."""

    name: str
    generator: tuple  # layers, units
    discriminator: tuple  # layers, units, pieces of a maxout unit, or 1 for LeakyReLU
    steps: dict
    lr: float
    beta1: float
    batch_size: int
    published: bool  # N(0, 0.02^2) weights and a constant learning rate

    def networks(self, pack, size):
        """G: latents (N, 2) -> points (N, 2) up to +-size, and D: packed points (N, 2 pack) ->
        logits (N, 1).
        """
        layers, units = self.generator
        G = [
            layer
            for i in range(layers)
            for layer in (
                nn.Linear(units if i else LATENT_DIM, units, bias=False),
                nn.BatchNorm1d(units),
                nn.ReLU(),
            )
        ]
        layers, width, pieces = self.discriminator
        D = []
        for i in range(layers):
            inputs = width if i else 2 * pack
            D += (
                [nn.Maxout(inputs, width, pieces)]
                if pieces > 1
                else [nn.Linear(inputs, width), nn.LeakyReLU(0.2)]
            )
        G, D = nn.Sequential(*G, nn.Linear(units, 2)), nn.Sequential(*D, nn.Linear(width, 1))
        if self.published:
            return init.dcgan_(G), init.dcgan_(D)
        for p in D.parameters():
            if p.ndim == 2:
                init.normal_(p, std=(2 / p.shape[1]) ** 0.5)
            else:
                init.uniform_(p, -1, 1)
        return G, nn.Sequential(Scale(2 / size), D)


CPU = Protocol(
    "cpu",
    (3, 128),
    (3, 128, 1),
    {"gan": 10_000, "pacgan2": 10_000, "pacgan4": 8_000, "wgan-gp": 3_000},
    lr=1e-3,
    beta1=0.5,
    batch_size=256,
    published=False,
)
FULL = Protocol(
    "full",
    (4, 400),
    (3, 200, 5),
    dict.fromkeys(METHODS, 400 * POINTS // 100),
    lr=1e-4,
    beta1=0.8,
    batch_size=100,
    published=True,
)


def training(protocol, mixture, method, seed, steps=None):
    """Train from a seed: yields (step, G) after every step of G; for a picture of each, or for
    the last one alone.
    """
    pack, n_critic = METHODS[method]
    steps, n = steps or protocol.steps[method], protocol.batch_size * pack
    mg.manual_seed(seed)
    generator = np.random.default_rng((seed, 1))
    points = mixture.sample(POINTS, generator)
    G, D = protocol.networks(pack, float(np.abs(mixture.centres).max()))
    betas = (0.5, 0.9) if method == "wgan-gp" else (protocol.beta1, 0.999)
    G_optimizer, D_optimizer = (
        Adam(network.parameters(), protocol.lr, betas=betas) for network in (G, D)
    )
    schedules = [
        ConstantThenLinearLR(optimizer, steps // 2, steps - steps // 2)
        for optimizer in (G_optimizer, D_optimizer)
        if not protocol.published
    ]

    for step in range(1, steps + 1):
        for _ in range(n_critic):
            x = gan.packed(mg.tensor(points[generator.integers(POINTS, size=n)]), pack)
            fake = gan.packed(G(mg.randn(n, LATENT_DIM)), pack)
            if method == "wgan-gp":
                d_loss = wgan.critic_loss(D(x), D(fake.detach())) + wgan.gradient_penalty(
                    D, x, fake, weight=0.1
                )
            else:
                d_loss = gan.discriminator_loss(D(x), D(fake.detach()))
            D_optimizer.zero_grad()
            d_loss.backward()
            D_optimizer.step()
        D.requires_grad_(False)
        g_loss = (wgan if method == "wgan-gp" else gan).generator_loss(D(fake))  # on the same noise
        G_optimizer.zero_grad()
        g_loss.backward()
        G_optimizer.step()
        D.requires_grad_(True)
        for schedule in schedules:
            schedule.step()
        yield step, G


def draw_points(G, n, seed):
    """n points (n, 2) of the generator, with its running statistics, always from the same
    latents.
    """
    z = np.random.default_rng((seed, 2)).standard_normal((n, LATENT_DIM)).astype(np.float32)
    with mg.no_grad():
        points = G.eval()(mg.tensor(z)).numpy()
    G.train()
    return points


def trial(work):
    """One row of the results, as the columns of COLUMNS; work: (protocol, data, method, seed,
    steps).
    """
    protocol, data, method, seed, steps = work
    start, mixture = time.perf_counter(), MIXTURES[data]
    ((_, G),) = collections.deque(
        training(protocol, mixture, method, seed, steps), maxlen=1
    )  # the last of them
    modes, share = mode_coverage(draw_points(G, SAMPLES, seed), mixture.centres, mixture.sigma)
    return [
        protocol.name,
        data,
        method,
        seed,
        steps,
        modes,
        share,
        round(time.perf_counter() - start, 1),
    ]


def begin(device):
    """In each worker process: one thread, for trials side by side use the cores better; Ctrl-C is
    the parent's.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)
    devices.set_device(device)


def read_results(path):
    """{(protocol, data, method, seed, steps): (modes, share, seconds)} of a results file; {} if
    there is none.
    """
    if not path.exists():
        return {}
    with reading(f"cannot read {path}"):
        rows = list(csv.reader(read_text(path, MOST_RESULTS).splitlines()))
        header = rows[0] if rows else []
        if tuple(header) != COLUMNS:
            raise ValueError(
                f"it has the columns {', '.join(header)}, expected {', '.join(COLUMNS)}"
            )
        return dict(map(_parse_row, rows[1:]))


def _parse_row(row):
    """A line of the results file -> key and value of read_results."""
    if len(row) != len(COLUMNS):
        raise ValueError(f"the row {row} has {len(row)} columns, expected {len(COLUMNS)}")
    protocol, data, method, seed, steps, modes, share, seconds = row
    key = (protocol, data, method, int(seed), int(steps))
    return key, (int(modes), float(share), float(seconds))


def write_results(path, results):
    """All rows, to a new file that then takes the old one's place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        ",".join(map(str, row))
        for row in (COLUMNS, *((*key, *value) for key, value in results.items()))
    ]
    with whole_file(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def table(results):
    """Mean and standard error of each method on each mixture, beside what was published."""
    groups = {}
    for (protocol, data, method, _, steps), value in results.items():
        groups.setdefault((protocol, data, steps, method), []).append(value)
    lines = [
        f"{'protocol':9}{'data':6}{'method':9}{'steps':>8}{'seeds':>6}{'modes':>14}{'high quality':>18}"
        f"{'min/seed':>10}   published, full protocol"
    ]
    for (protocol, data, steps, method), values in sorted(groups.items()):
        modes, share, seconds = np.array(values).T
        error = [x.std(ddof=1) / len(x) ** 0.5 if len(x) > 1 else np.nan for x in (modes, share)]
        lines.append(
            f"{protocol:9}{data:6}{method:9}{steps:8}{len(modes):6}{modes.mean():7.1f} +- {error[0]:3.1f}"
            f"{100 * share.mean():9.1f} +- {100 * error[1]:3.1f} %{seconds.mean() / 60:10.1f}   "
            f"{PUBLISHED.get((data, method), '-')}"
        )
    return "\n".join(
        [
            *lines,
            "cpu: smaller networks and fewer steps, not comparable in detail",
            "a perfect generator has all 8 or 25 modes and 98.9 %",
        ]
    )
