"""Sampling from a trained generator: from a checkpoint to images.

The checkpoint says how its generator was made and how it samples: which weights (the average's or
the last), which batch statistics, and from which prior p(z) the latents come.
"""

import numpy as np

import minigan as mg

from .. import models
from ..files import reading
from ..files.foreign import check_whole, shown
from ..models import check_arguments
from . import command_line

PRIORS = {
    "uniform": lambda generator, shape: generator.uniform(-1, 1, shape),
    "normal": lambda generator, shape: generator.standard_normal(shape),
}
WEIGHTS = (
    "average",
    "generator",
)  # whose weights draw: the average's over the training, or the last ones
STATISTICS = ("running", "batch")  # which ones batch norm uses


def load_generator(path, networks=None):
    """A run directory or checkpoint -> (generator ready to sample, what the checkpoint says of
    itself: "run").

    networks: the file of networks of one's own, where it was trained with such. Raises
    FileNotFoundError, ValueError.
    """
    path = command_line.find_checkpoint(path)
    state = command_line.load_checkpoint(path)
    with reading(f"checkpoint {path}"):
        return _build(state, networks)


def _build(state, networks):
    about = command_line.about_of(state)
    sampling = about.get("sampling") if about else None
    if not isinstance(sampling, dict) or "generator" not in state or "latent" not in sampling:
        raise ValueError("it holds no generator of images from latents")
    architecture = about["architecture"]
    check_arguments(architecture)
    if sampling["latent"] not in PRIORS or "latent_dim" not in architecture:
        raise ValueError(
            f"its latents are {shown(sampling['latent'])}, its networks {shown(architecture)}"
        )
    check_whole("its latent_dim", architecture["latent_dim"], 1, models.LARGEST)
    check_whole("its step", about["step"])
    if sampling["network"] not in WEIGHTS or sampling["batch_statistics"] not in STATISTICS:
        raise ValueError(
            f"it is sampled as {shown(sampling)}, expected the weights of {' or '.join(WEIGHTS)} and the "
            f"batch statistics {' or '.join(STATISTICS)}"
        )
    module = command_line.own_networks(about, networks)
    if module is None:  # some models have several
        network = models.find_network(about["model"], architecture.get("generator", "Generator"))
    else:
        network = module.Generator
    kept = state["average"]["module"] if sampling["network"] == "average" else state["generator"]
    generator = command_line.build_network(network, architecture, kept)
    return generator.train(sampling["batch_statistics"] == "batch"), about


def draw_latents(n, about, seed, truncation=1.0):
    """n latents (n, latent_dim) float32 of the checkpoint's prior.

    truncation below 1 keeps them near the middle (Brock et al. 2019): a uniform prior shrinks to
    +-truncation, and normal numbers beyond +-2 truncation are drawn again.
    """
    generator = np.random.default_rng(seed)
    prior, shape = about["sampling"]["latent"], (n, about["architecture"]["latent_dim"])
    z = PRIORS[prior](generator, shape)
    if prior == "uniform":
        z *= truncation
    while prior == "normal" and truncation < 1 and (far := np.abs(z) > 2 * truncation).any():
        again = (
            generator.uniform(-2, 2, int(far.sum())) * truncation
        )  # kept with the share that the density says
        z[far] = np.where(generator.random(len(again)) < np.exp(-again * again / 2), again, np.inf)
    return z.astype(np.float32)


def generate(generator, z, batch_size=100):
    """Latents (n, latent_dim) -> images float32 (n, C, H, W) in [-1, 1], a batch at a time."""
    with mg.no_grad():
        batches = [
            generator(mg.tensor(z[i : i + batch_size])).numpy()
            for i in range(0, len(z), batch_size)
        ]
    return np.ascontiguousarray(np.concatenate(batches))


def walk(z, steps):
    """From each even latent to the odd one after it in ``steps`` steps, along a great circle.

    High-dimensional latents all lie near one sphere; a straight line would cut through its empty
    inside (White 2016).
    """
    a, b = z[0::2, None], z[1::2, None]
    lengths = [np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b)]
    angle = np.arccos(np.clip((a * b).sum(-1, keepdims=True) / (lengths[0] * lengths[1]), -1, 1))
    t = np.linspace(0, 1, steps)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        path = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(
            angle
        )  # (rows, steps, latent_dim)
    path = np.where(
        np.sin(angle) > 1e-6, path, (1 - t) * a + t * b
    )  # on one line with 0 there is no circle
    return path.reshape(-1, z.shape[1]).astype(np.float32)
