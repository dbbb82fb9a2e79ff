"""What the training scripts do before their loop, as plain functions.

The scripts call these; nothing here calls a script. ``args`` is always what ``parse`` returned.
"""

import copy
import inspect

from .. import data, models, nn, rng
from ..creation import zeros
from ..grad_modes import no_grad
from ..sizes import height_and_width
from .run import Run
from .sampling import Latents, generate
from .scripts import one_sentence


def chosen(args, names):
    """Some of the arguments -> dict {name: value}. names: a text with spaces between them."""
    return {name: getattr(args, name) for name in names.split()}


def latents(args):
    """The Latents of --latent, --latent-dim and --seed."""
    return Latents(args.latent, args.latent_dim, args.seed)


def images(args):
    """The images of --data -> (their batches, the networks' arguments that depend on them).

    These arguments are {"image_size": ..., "channels": ...}, a part of the architecture. Exits with
    one sentence if the data cannot be read.
    """
    with one_sentence(args):
        dataset = data.load(
            args.data,
            args.image_size,
            data_dir=args.data_dir,
            skip_unreadable=args.skip_unreadable,
        )
        batches = data.Batches(dataset.images, args.batch_size, seed=args.seed, flip=args.flip)
    image_arguments = {"image_size": args.image_size, "channels": dataset.images.shape[1]}
    return batches, image_arguments


# ---- networks


def networks(args, architecture, Generator, Discriminator):
    """Build the two networks: of these classes, or those of --networks -> [G, D].

    architecture: the arguments of both, {name: value}; each network gets those that it takes. Exits
    with one sentence if they cannot be built or do not fit each other.
    """
    own = args.networks_module
    with one_sentence(args):
        if own is None:
            models.check_known(inspect.getmodule(Discriminator), architecture)
            return [build(args, network, architecture) for network in (Generator, Discriminator)]
        G = build(args, own.Generator, architecture)
        D = build(args, own.Discriminator, architecture)
        z = zeros(args.batch_size, args.latent_dim)
        size = height_and_width(architecture["image_size"])
        check_fit(args, G, D, z, (args.batch_size, architecture["channels"], *size))
    return [G, D]


def build(args, network, architecture):
    """Build one network with those of the arguments that it takes."""
    return models.build(network, models.share_of(network, architecture), args.stored_elements)


def augmented(args, discriminator):
    """A discriminator that sees images through --augment: the same weights, changed images."""
    return nn.Sequential(nn.DiffAugment(args.augment), discriminator)


def check_fit(args, G, D, given, image_shape):
    """Raise ValueError unless G maps the batch `given` to images of this shape, which D takes.

    Copies of the networks are called, and the random generator is put back. So running statistics
    and the training's bits stay as they are.
    """
    random = rng.state_dict()
    try:
        with no_grad():
            made = copy.deepcopy(G)(given)
            if tuple(made.shape) != image_shape:
                raise ValueError(
                    f"Generator makes images of shape {tuple(made.shape)}, expected {image_shape}"
                )
            copy.deepcopy(D)(made)
    except (ValueError, TypeError) as error:
        if args.networks:
            raise ValueError(f"--networks {args.networks}: {error}") from error
        raise
    finally:
        rng.load_state_dict(random)


# ---- the run


def begin(args, *, state, sample, architecture, sampling=None):
    """A Run with a script's arguments. The other parameters are Run's."""
    return Run(
        args.out,
        model=args.model,
        steps=args.steps,
        state=state,
        sample=sample,
        log_every=args.log_every,
        sample_every=args.sample_every,
        checkpoint_every=args.checkpoint_every,
        batch_size=args.batch_size,
        resume=args.resume,
        quiet=args.quiet,
        arguments=args.kept,
        overrides=args.overrides,
        architecture=architecture,
        sampling=sampling,
        networks=(args.networks, args.networks_sha256) if args.networks else None,
    )


def session(args, architecture, latents, average, *, generator, **state):
    """A Run of a generator of images, whose samples the averaged generator draws.

    generator, state: all that training changes, by name; the average is added here.
    """
    averaged = average.module.eval()
    sampling = {"network": "average", "batch_statistics": "running", "latent": latents.prior}
    return begin(
        args,
        state={"generator": generator, "average": average, **state},
        sample=lambda: generate(averaged, latents.fixed),
        architecture=architecture,
        sampling=sampling,
    )
