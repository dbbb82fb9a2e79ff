"""What the training scripts do before and around their loop, as plain functions.

The scripts call these; nothing here calls a script.
"""

import inspect

from .. import data, models
from .program import one_sentence
from .run import Run
from .sampling import Latents, generate


def chosen(args, names):
    """{name: value} of some arguments; names: a text with spaces between them."""
    return {name: getattr(args, name) for name in names.split()}


def latents(args):
    """The Latents of --latent, --latent-dim and --seed."""
    return Latents(args.latent, args.latent_dim, args.seed)


def images(args):
    """The images of --data -> their batches, and {"image_size": ..., "channels": ...}.

    A network takes the latter. Exits with one sentence if the data cannot be read.
    """
    with one_sentence():
        dataset = data.load(args.data, image_size=args.image_size, data_dir=args.data_dir)
        batches = data.Batches(dataset.images, args.batch_size, seed=args.seed)
    return batches, {"image_size": args.image_size, "channels": dataset.images.shape[1]}


def networks(args, architecture, Generator, Discriminator):
    """The two networks: of these classes, or of --networks.

    architecture: the arguments of both; each network gets those that it takes. Exits with one
    sentence if they cannot be built.
    """
    own = args.networks_module
    with one_sentence():
        if own is None:
            models.check_known(inspect.getmodule(Discriminator), architecture)
        else:
            Generator, Discriminator = own.Generator, own.Discriminator
        return [build(args, network, architecture) for network in (Generator, Discriminator)]


def build(args, network, architecture):
    """One network with those of the arguments that it takes."""
    return models.build(network, models.share_of(network, architecture), args.room)


def begin(args, *, state, sample, architecture, sampling=None):
    """The Run of a script's arguments; see Run for the rest."""
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
        architecture=architecture,
        sampling=sampling,
        networks=(args.networks, args.networks_sha256) if args.networks else None,
    )


def session(args, architecture, latents, average, *, generator, **state):
    """The Run of a generator of images, whose samples the averaged generator draws.

    generator, state: all that training changes, by name; the average is added.
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
