"""Sampling from a trained generator: from a checkpoint to images.

The checkpoint says how its generator is built and how it samples: with which weights (the average's
or the last ones), with which batch statistics, and from which prior p(z) the latents come. Its
model says what the generator takes for each image: a latent, or a latent and a label.
"""

import numpy as np

from .. import models, rng
from ..creation import tensor
from ..files import reading
from ..files.foreign import check_stored_int, shown
from ..grad_modes import no_grad
from ..models import check_arguments
from . import loading


def _uniform(generator, shape):
    return generator.uniform(-1, 1, shape)


def _normal(generator, shape):
    return generator.standard_normal(shape)


PRIORS = {"uniform": _uniform, "normal": _normal}
WEIGHTS = ("average", "generator")  # which weights draw: the average's, or the last ones
STATISTICS = ("running", "batch")  # which statistics batch norm uses
SHOWN = 64  # latents of every picture


class Latents:
    """Latents z from a prior p(z): ``latents(n)`` draws n of them, a Tensor (n, dim).

    prior: a key of PRIORS. fixed: the float32 array (64, dim) that every picture shows. It comes
    from a random generator of its own, so it does not shift the training's random numbers.
    """

    def __init__(self, prior, dim, seed):
        self.prior = prior
        self.dim = dim
        self.fixed = self._draw(SHOWN, np.random.default_rng(seed))

    def _draw(self, n, generator):
        z = PRIORS[self.prior](generator, (n, self.dim))
        return z.astype(np.float32)

    def __call__(self, n):
        return tensor(self._draw(n, rng.generator))


def load_generator(path, networks=None):
    """A run directory or checkpoint -> (generator ready to sample, loading.about_of it).

    networks: the file of the user's own networks, if it was trained with such. Raises
    FileNotFoundError and ValueError.
    """
    path = loading.find_checkpoint(path)
    state = loading.load_finite(path)
    with reading(f"checkpoint {path}"):
        return _build(state, networks)


def _build(state, networks):
    about = loading.about_of(state)
    sampling = about.get("sampling") if about else None
    if not isinstance(sampling, dict) or "generator" not in state or "latent" not in sampling:
        raise ValueError("it holds no generator of images from latents")
    architecture = about["architecture"]
    check_arguments(architecture)
    _check_sampling(about, sampling, architecture)
    module = loading.own_networks(about, networks)
    if module is not None:
        network = module.Generator
    else:  # some models have several
        network = models.find_network(about["model"], architecture.get("generator", "Generator"))
    kept = state["generator"]
    if sampling["network"] == "average":
        kept = state["average"]["module"]
    generator = loading.build_network(network, architecture, kept)
    return generator.train(sampling["batch_statistics"] == "batch"), about


def _check_sampling(about, sampling, architecture):
    """Raise ValueError unless the checkpoint's way of sampling is one that exists."""
    if sampling["latent"] not in PRIORS or "latent_dim" not in architecture:
        raise ValueError(
            f"its latents are {shown(sampling['latent'])}, its networks {shown(architecture)}"
        )
    check_stored_int("its latent_dim", architecture["latent_dim"], 1, models.LARGEST)
    check_stored_int("its step", about["step"])
    if sampling["network"] not in WEIGHTS or sampling["batch_statistics"] not in STATISTICS:
        raise ValueError(
            f"it is sampled as {shown(sampling)}, expected the weights of {' or '.join(WEIGHTS)} "
            f"and the batch statistics {' or '.join(STATISTICS)}"
        )


def draw_inputs(n, about, seed, truncation=1.0, label=None):
    """What the checkpoint's generator takes for n images -> a tuple of arrays.

    The arrays are latents (n, latent_dim) float32 and, for a conditional model, labels (n,). label:
    the number or name of a class; by default image i is of class i mod classes. Raises ValueError
    for a label that is not a class, or if the model is unconditional.
    """
    z = draw_latents(n, about, seed, truncation)
    takes = models.takes(about["model"])
    if "label" in takes:
        return z, _labels(n, about, label)
    if label is not None:
        raise ValueError(
            f"--label {label} asks for a class, but the generator of {about['model']} takes "
            f"{' and '.join(takes)} only"
        )
    return (z,)


def _labels(n, about, label):
    """n labels: all of one class, or the classes in turn."""
    classes = about["architecture"]["classes"]
    check_stored_int("its classes", classes, 1, models.LARGEST)
    if label is None:
        return np.arange(n) % classes
    names = about["sampling"].get("classes") or [str(number) for number in range(classes)]
    if label in names:
        return np.full(n, names.index(label))
    if str(label).isdecimal() and int(label) < classes:
        return np.full(n, int(label))
    raise ValueError(
        f"--label {label} is not a class, expected 0 to {classes - 1} or one of "
        f"{shown(', '.join(map(str, names)), 300)}"
    )


def draw_latents(n, about, seed, truncation=1.0):
    """Draw latents (n, latent_dim) float32 from the checkpoint's prior.

    truncation: below 1 it keeps them near the middle (Brock et al. 2019). A uniform prior shrinks
    to +-truncation; normal numbers beyond +-2 truncation are drawn again.
    """
    generator = np.random.default_rng(seed)
    prior = about["sampling"]["latent"]
    z = PRIORS[prior](generator, (n, about["architecture"]["latent_dim"]))
    if prior == "uniform":
        z *= truncation
    elif truncation < 1:
        _redraw_beyond(z, 2 * truncation, generator)
    return z.astype(np.float32)


def _redraw_beyond(z, limit, generator):
    """Draw normal numbers beyond +-limit again, in place, until none is left.

    Rejection sampling: x is uniform from -limit to limit, and accepted with probability
    exp(-x^2 / 2). So the accepted numbers have a truncated normal distribution.
    """
    far = np.abs(z) > limit
    while far.any():
        x = generator.uniform(-2, 2, int(far.sum())) * (limit / 2)
        is_taken = generator.random(len(x)) < np.exp(-x * x / 2)
        z[far] = np.where(is_taken, x, np.inf)  # inf: refused, drawn again in the next round
        far = np.abs(z) > limit


def generate(generator, z, *more, batch_size=100):
    """Latents (n, latent_dim) -> images float32 (n, C, H, W) in [-1, 1], a batch at a time.

    more: arrays of whatever else the generator takes for each image, such as labels.
    """
    batches = []
    with no_grad():
        for i in range(0, len(z), batch_size):
            rest = [array[i : i + batch_size] for array in more]
            batches.append(generator(tensor(z[i : i + batch_size]), *rest).numpy())
    return np.ascontiguousarray(np.concatenate(batches))


def walk(z, steps):
    """From each even latent to the odd one after it in ``steps`` steps, along a great circle.

    High-dimensional latents all lie near one sphere, and a straight line would cut through its
    empty inside (White 2016).
    """
    a = z[0::2, None]  # (rows, 1, latent_dim)
    b = z[1::2, None]
    length_a = np.linalg.norm(a, axis=-1, keepdims=True)
    length_b = np.linalg.norm(b, axis=-1, keepdims=True)
    cosine = (a * b).sum(-1, keepdims=True) / (length_a * length_b)
    angle = np.arccos(np.clip(cosine, -1, 1))
    t = np.linspace(0, 1, steps)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        path = np.sin((1 - t) * angle) * a + np.sin(t * angle) * b
        path = path / np.sin(angle)  # (rows, steps, latent_dim)
    straight = (1 - t) * a + t * b  # if a and b lie on a line through 0, there is no circle
    path = np.where(np.sin(angle) > 1e-6, path, straight)
    return path.reshape(-1, z.shape[1]).astype(np.float32)
