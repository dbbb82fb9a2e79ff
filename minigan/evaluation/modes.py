"""Mode coverage on the ring and the grid: methods, trials, and the table of results.

The protocol is that of PacGAN (Lin et al. 2018).
"""

import csv
import signal
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from .. import devices, nn
from ..creation import tensor
from ..data.toys import MIXTURES
from ..files import reading, whole_file
from ..files.bounded import read_text
from ..grad_modes import no_grad
from ..models import gan, wgan
from ..nn import init
from ..optim import Adam, ConstantThenLinearLR
from ..rng import manual_seed, randn
from .metrics import mode_coverage

POINTS = 100_000  # of the mixture, to train with
SAMPLES = 2_500  # of the generator, to measure
LATENT_DIM = 2
MOST_RESULTS = 1 << 24  # bytes of the results file: some 200,000 rows
COLUMNS = ("protocol", "data", "method", "seed", "steps", "modes", "share", "seconds")


class Method(NamedTuple):
    pack: int  # how many samples D judges as one
    n_critic: int  # steps of D to each step of G


METHODS = {
    "gan": Method(1, 1),
    "pacgan2": Method(2, 1),
    "pacgan4": Method(4, 1),
    "wgan-gp": Method(1, 5),
}
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
        """G: latents (N, 2) -> points (N, 2), and D: packed points (N, 2 * pack) -> logits (N, 1).

        size: the largest coordinate of a centre.
        """
        G_layers = self._generator_layers()
        D_layers = self._discriminator_layers(pack)
        # The last layers are made after these: the order fixes the initial weights.
        G = nn.Sequential(*G_layers, nn.Linear(self.generator[1], 2))
        D = nn.Sequential(*D_layers, nn.Linear(self.discriminator[1], 1))
        if self.published:
            return init.dcgan_(G), init.dcgan_(D)
        for p in D.parameters():
            if p.ndim == 2:
                init.normal_(p, std=(2 / p.shape[1]) ** 0.5)
            else:
                init.uniform_(p, -1, 1)
        return G, nn.Sequential(Scale(2 / size), D)

    def _generator_layers(self):
        count, units = self.generator
        layers = []
        inputs = LATENT_DIM
        for _ in range(count):
            layers += [nn.Linear(inputs, units, bias=False), nn.BatchNorm1d(units), nn.ReLU()]
            inputs = units
        return layers

    def _discriminator_layers(self, pack):
        count, units, pieces = self.discriminator
        layers = []
        inputs = 2 * pack
        for _ in range(count):
            if pieces > 1:
                layers.append(nn.Maxout(inputs, units, pieces))
            else:
                layers += [nn.Linear(inputs, units), nn.LeakyReLU(0.2)]
            inputs = units
        return layers


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
    """Train from a seed: generates (step, G) after every step of G."""
    pack, n_critic = METHODS[method]
    steps = steps or protocol.steps[method]
    n = protocol.batch_size * pack
    manual_seed(seed)
    generator = np.random.default_rng((seed, 1))
    points = mixture.sample(POINTS, generator)
    G, D = protocol.networks(pack, float(np.abs(mixture.centres).max()))
    betas = (0.5, 0.9) if method == "wgan-gp" else (protocol.beta1, 0.999)
    G_optimizer = Adam(G.parameters(), protocol.lr, betas=betas)
    D_optimizer = Adam(D.parameters(), protocol.lr, betas=betas)
    schedules = []
    if not protocol.published:
        constant = steps // 2
        for optimizer in (G_optimizer, D_optimizer):
            schedules.append(ConstantThenLinearLR(optimizer, constant, steps - constant))

    for step in range(1, steps + 1):
        for _ in range(n_critic):
            chosen = points[generator.integers(POINTS, size=n)]
            x = gan.packed(tensor(chosen), pack)
            fake = gan.packed(G(randn(n, LATENT_DIM)), pack)
            D_optimizer.minimize(_discriminator_loss(method, D, x, fake))
        D.requires_grad_(False)
        G_optimizer.minimize(_generator_loss(method, D(fake)))  # on the same noise
        D.requires_grad_(True)
        for schedule in schedules:
            schedule.step()
        yield step, G


def _discriminator_loss(method, D, x, fake):
    real_logits = D(x)
    fake_logits = D(fake.detach())
    if method != "wgan-gp":
        return gan.discriminator_loss(real_logits, fake_logits)
    loss = wgan.critic_loss(real_logits, fake_logits)
    return loss + wgan.gradient_penalty(D, x, fake, weight=0.1)


def _generator_loss(method, fake_logits):
    if method == "wgan-gp":
        return wgan.generator_loss(fake_logits)
    return gan.generator_loss(fake_logits)


def draw_points(G, n, seed):
    """n points (n, 2) of the generator, with its running statistics, from the seed's latents."""
    z = np.random.default_rng((seed, 2)).standard_normal((n, LATENT_DIM)).astype(np.float32)
    with no_grad():
        points = G.eval()(tensor(z)).numpy()
    G.train()
    return points


def trial(work):
    """Train and measure once: one row of the results, in the order of COLUMNS.

    work: (protocol, data, method, seed, steps).
    """
    protocol, data, method, seed, steps = work
    start = time.perf_counter()
    mixture = MIXTURES[data]
    for _, trained in training(protocol, mixture, method, seed, steps):
        G = trained
    points = draw_points(G, SAMPLES, seed)
    modes, share = mode_coverage(points, mixture.centres, mixture.sigma)
    seconds = round(time.perf_counter() - start, 1)
    return [protocol.name, data, method, seed, steps, modes, share, seconds]


def begin(device):
    """Set up a worker process: one thread, and Ctrl-C is left to the parent.

    One thread each, because trials side by side use the cores better than threads do.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)
    devices.set_device(device)


def read_results(path):
    """{(protocol, data, method, seed, steps): (modes, share, seconds)} of a results file.

    It is {} if there is no such file. Raises ValueError for a damaged one.
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
    """The key and the value in read_results of a row of the file."""
    if len(row) != len(COLUMNS):
        raise ValueError(f"the row {row} has {len(row)} columns, expected {len(COLUMNS)}")
    protocol, data, method, seed, steps, modes, share, seconds = row
    key = (protocol, data, method, int(seed), int(steps))
    return key, (int(modes), float(share), float(seconds))


def write_results(path, results):
    """Write all rows to a new file, which then takes the place of the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(COLUMNS)]
    for key, value in results.items():
        lines.append(",".join(map(str, (*key, *value))))
    with whole_file(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def table(results):
    """Mean and standard error of each method on each mixture, beside the published figures."""
    groups = {}
    for (protocol, data, method, _, steps), value in results.items():
        groups.setdefault((protocol, data, steps, method), []).append(value)
    lines = [
        f"{'protocol':9}{'data':6}{'method':9}{'steps':>8}{'seeds':>6}{'modes':>14}"
        f"{'high quality':>18}{'min/seed':>10}   published, full protocol"
    ]
    for (protocol, data, steps, method), values in sorted(groups.items()):
        figures = _figures(values)
        published = PUBLISHED.get((data, method), "-")
        lines.append(f"{protocol:9}{data:6}{method:9}{steps:8}{figures}   {published}")
    lines.append("cpu: smaller networks and fewer steps, not comparable in detail")
    lines.append("a perfect generator has all 8 or 25 modes and 98.9 %")
    return "\n".join(lines)


def _figures(values):
    """The columns of a group of trials, each with (modes, share, seconds)."""
    modes, shares, seconds = np.array(values).T
    percent = 100 * shares.mean()
    percent_error = 100 * _standard_error(shares)
    minutes = seconds.mean() / 60
    return (
        f"{len(modes):6}{modes.mean():7.1f} +- {_standard_error(modes):3.1f}"
        f"{percent:9.1f} +- {percent_error:3.1f} %{minutes:10.1f}"
    )


def _standard_error(x):
    if len(x) < 2:
        return np.nan
    return x.std(ddof=1) / len(x) ** 0.5
