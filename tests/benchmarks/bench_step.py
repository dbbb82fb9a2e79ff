"""Whole training steps, minigan and PyTorch in turn in one process on the same cores: time and
peak memory.

One step is what the examples do: the discriminator learns from a real and a generated batch, then
the generator learns through the frozen discriminator; Adam for both. Each model has a process of
its own, as a training has: what one leaves behind in the allocator decides how many page faults
the next one's small arrays cost. `python tests/benchmarks/bench_step.py --write FILE` keeps the
table. Where minigan's device is cuda, both run on the GPU.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np
from common import report, settle, versions

LATENT = 100
PIXELS = 784
HIDDEN = (256, 512)
SLOPE = 0.2
torch_device = "cpu"  # or "cuda", set by main()


def minigan_step(model, batch_size):
    """A function that trains minigan's networks for one step."""
    import minigan as mg
    from minigan.models import dcgan

    if model == "dcgan":
        generator = dcgan.Generator(latent_dim=LATENT)
        discriminator = dcgan.Discriminator()
    else:
        generator = mg.nn.Sequential(*mlp(mg.nn, (LATENT, *HIDDEN, PIXELS)), mg.nn.Tanh())
        discriminator = mg.nn.Sequential(*mlp(mg.nn, (PIXELS, *HIDDEN[::-1], 1)))
    g_optimizer = mg.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_optimizer = mg.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    real = mg.tensor(images(model, batch_size))

    def step():
        fake = generator(mg.randn(batch_size, LATENT))
        d_optimizer.zero_grad()
        d_loss = dcgan.discriminator_loss(discriminator(real), discriminator(fake.detach()))
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        discriminator.requires_grad_(False)
        g_loss = dcgan.generator_loss(discriminator(fake))
        g_loss.backward()
        g_optimizer.step()
        discriminator.requires_grad_(True)
        return d_loss.item() + g_loss.item()

    return step


def pytorch_step(model, batch_size):
    """The same step with PyTorch's layers."""
    import torch
    from torch import nn
    from torch.nn.functional import binary_cross_entropy_with_logits as bce

    torch.set_default_device(torch_device)
    if model == "dcgan":
        generator, discriminator = pytorch_dcgan(nn)
    else:
        generator = nn.Sequential(*mlp(nn, (LATENT, *HIDDEN, PIXELS)), nn.Tanh())
        discriminator = nn.Sequential(*mlp(nn, (PIXELS, *HIDDEN[::-1], 1)))
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    real = torch.tensor(images(model, batch_size))
    latent_shape = (batch_size, LATENT, 1, 1) if model == "dcgan" else (batch_size, LATENT)

    def step():
        fake = generator(torch.randn(latent_shape))
        d_optimizer.zero_grad()
        real_logits = discriminator(real)
        fake_logits = discriminator(fake.detach())
        d_loss = bce(real_logits, torch.ones_like(real_logits)) + bce(
            fake_logits, torch.zeros_like(fake_logits)
        )
        d_loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        discriminator.requires_grad_(False)
        logits = discriminator(fake)
        g_loss = bce(logits, torch.ones_like(logits))
        g_loss.backward()
        g_optimizer.step()
        discriminator.requires_grad_(True)
        return d_loss.item() + g_loss.item()

    return step


def mlp(nn, sizes):
    """Linear layers with LeakyReLU between them; nn is torch.nn or minigan.nn."""
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), nn.LeakyReLU(SLOPE)]
    return layers[:-1]


def pytorch_dcgan(nn, width=64):
    """Generator and discriminator of PyTorch's DCGAN example, 64x64."""
    g = [
        nn.ConvTranspose2d(LATENT, 8 * width, 4, 1, 0, bias=False),
        nn.BatchNorm2d(8 * width),
        nn.ReLU(True),
    ]
    d = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(SLOPE, True)]
    for i in (8, 4, 2):
        a = i * width
        b = i * width // 2
        g += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
    for i in (1, 2, 4):
        a = i * width
        b = i * width * 2
        d += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(SLOPE, True)]
    g += [nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh()]
    d += [nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False)]
    return nn.Sequential(*g), nn.Sequential(*d)


def images(model, batch_size):
    shape = (batch_size, 3, 64, 64) if model == "dcgan" else (batch_size, PIXELS)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


STEPS = {"minigan": minigan_step, "PyTorch": pytorch_step}


def time_steps(model, batch_size, rounds):
    """Milliseconds per step, both libraries in turn, at the second of two steps: {library: list
    of rounds}.
    """
    steps = {name: make(model, batch_size) for name, make in STEPS.items()}
    times = {name: [] for name in steps}
    for i in range(rounds + 3):
        for name, step in steps.items():
            settle()
            step()
            start = time.perf_counter()
            step()
            if i >= 3:
                times[name].append(1000 * (time.perf_counter() - start))
    return times


def in_a_process(function, *arguments):
    """What a function of this file returns in a process of its own."""
    code = (
        f"import json, bench_step; bench_step.torch_device = {torch_device!r}; "
        f"print(json.dumps(bench_step.{function.__name__}(*{arguments!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=sys.path[0], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def peak_memory(library, model, batch_size):
    """Megabytes that ten steps need above what the process held once its modules were imported.

    An import's own peak may be higher than a small network's, so Linux's high-water mark is set
    back first.
    """
    if library == "minigan":
        import minigan  # noqa: F401
    else:
        import torch  # noqa: F401
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = high_water_mark()
    step = STEPS[library](model, batch_size)
    for _ in range(10):
        step()
    return high_water_mark() - before


def high_water_mark():
    """Megabytes."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024


class Model(NamedTuple):
    key: str  # of minigan_step() and pytorch_step()
    name: str  # in the table
    batch_size: int
    rounds: int  # times --rounds


MODELS = [
    Model("dcgan", "DCGAN, 64x64, ngf = ndf = 64", 32, 1),
    Model("mlp", "MLP GAN, 28x28", 64, 4),
]


def row_of(model, batch_size, rounds, on_gpu):
    """Times of a model's step, and on a CPU also its memory."""
    times = in_a_process(time_steps, model.key, batch_size, model.rounds * rounds)
    digits = 2 if on_gpu else 1
    ratio = np.median(np.divide(times["PyTorch"], times["minigan"]))
    row = [f"{model.name}, batch {batch_size}"]
    row += [f"{np.median(t):.{digits}f}" for t in times.values()]
    row.append(f"{ratio:.2f}")
    if on_gpu:  # a process's resident memory says nothing of a GPU's
        return row
    memory = {name: in_a_process(peak_memory, name, model.key, batch_size) for name in STEPS}
    row += [f"{megabytes:.0f}" for megabytes in memory.values()]
    row.append(f"{memory['minigan'] / memory['PyTorch']:.2f}")
    return row


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch-size", type=int, help="instead of 32 (DCGAN-64) and 64 (MLP GAN)")
    parser.add_argument(
        "--write", metavar="FILE", help="put the table between the markers of a markdown file"
    )
    return parser.parse_args()


def main():
    from minigan import devices

    global torch_device
    args = parse()
    on_gpu = devices.name == "cuda"
    torch_device = "cuda" if on_gpu else "cpu"
    rows = []
    for model in MODELS:
        batch_size = args.batch_size or model.batch_size
        rows.append(row_of(model, batch_size, args.rounds, on_gpu))
    header = ["training step", "minigan ms", "PyTorch ms", "PyTorch / minigan"]
    caption = versions()
    if on_gpu:
        caption = f"{caption}, {devices.describe()}"
    else:
        header += ["minigan peak MB", "PyTorch peak MB", "minigan / PyTorch"]
    report("bench_step", header, rows, caption, args.write)


if __name__ == "__main__":
    main()
