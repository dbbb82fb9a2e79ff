"""Translation between two kinds of images, A and B: what trains it, and trained generators."""

import numpy as np

from .. import data, models
from ..creation import tensor, zeros
from ..data import pairs
from ..files import reading
from ..files.foreign import check_stored_int, shown
from ..grad_modes import no_grad
from ..models import check_arguments
from ..models.cyclegan import ImagePool, PatchDiscriminator, ResnetGenerator, UnetGenerator
from ..sizes import height_and_width
from . import loading
from .scripts import at_least, image_size, one_sentence, refuse
from .setup import begin, build, check_fit

GENERATORS = {"resnet": ResnetGenerator, "unet": UnetGenerator}
DIRECTIONS = ("AtoB", "BtoA")
# The options of a script that say which data and networks: rows of training.parse's table.
OPTIONS = [
    ("--data-a", None, "one kind of images: all that --data takes, FILE.npz:KEY too"),
    ("--data-b", None, "the other kind"),
    (
        "--halves",
        None,
        "A and B are pairs in one .npz: train on A of one half and B of the other; its array of "
        "this name, such as source, says which images belong together",
    ),
    ("--load-size", image_size, "resize to this, then crop at random; or image size * 286 / 256"),
    ("--generator", GENERATORS, "residual, or a U-Net"),
    ("--blocks", at_least(0), "residual blocks of a generator; for 128 pixels the paper has 6"),
    ("--depth", at_least(2), "downsampling levels of a U-Net"),
    ("--patch-width", at_least(1), "feature maps of a discriminator's first layer"),
    ("--patch-layers", at_least(1), "3, 2 or 1: a discriminator's patches have 70, 34, 16 pixels"),
]

# ---- training ------------------------------------------------------------------------------------


def domains(args):
    """The two kinds of images that the arguments of train_cyclegan.py name -> Domains.

    Raises ValueError for arguments that contradict each other, and what pairs.load raises.
    """
    load_size = args.load_size or pairs.enlarged(args.image_size)
    _check_sizes(args, load_size)
    _check_names(args)
    if args.data == "digits":
        return pairs.digits(load_size, args.image_size)
    names = (args.data_a, args.data_b)
    if args.data:
        names = (f"{args.data}:A", f"{args.data}:B")
    return pairs.load(
        names,
        args.image_size,
        load_size,
        args.halves,
        data_dir=args.data_dir,
        skip_unreadable=args.skip_unreadable,
    )


def _check_sizes(args, load_size):
    """Raise ValueError unless --image-size can be cut out of --load-size."""
    load = height_and_width(load_size)
    cut = height_and_width(args.image_size)
    if load[0] < cut[0] or load[1] < cut[1]:
        raise ValueError(
            f"--load-size {load_size} is less than --image-size {args.image_size}, "
            "which is cut out of it"
        )


def _check_names(args):
    """Raise ValueError unless either --data or both --data-a and --data-b name the images."""
    if args.data and (args.data_a or args.data_b):
        raise ValueError(
            f"--data {args.data} names both kinds of images: leave out --data-a and --data-b"
        )
    if args.halves and args.data:
        raise ValueError(
            f"--halves {args.halves} divides pairs of --data-a and --data-b, not --data {args.data}"
        )
    if args.data:
        return
    if args.data_a is None or args.data_b is None:
        missing, given = ("b", "a") if args.data_b is None else ("a", "b")
        raise ValueError(
            f"--data-{missing} is missing, expected two kinds of images, --data-{given} and another"
        )


def images(args):
    """The images of both kinds -> (Domains, batches of A, batches of B).

    Exits with one sentence if they cannot be read, or if --steps does not fit the schedule.
    """
    last = args.constant_steps + args.decay_steps
    if args.steps > last:
        refuse(
            f"--steps {args.steps} is more than --constant-steps {args.constant_steps} + "
            f"--decay-steps {args.decay_steps}, after which the learning rate is zero"
        )
    how = {"crop": args.image_size, "flip": args.flip}
    with one_sentence(args):
        found = domains(args)
        batches_a = data.Batches(found.a, args.batch_size, seed=(args.seed, 0), **how)
        batches_b = data.Batches(found.b, args.batch_size, seed=(args.seed, 1), **how)
    return found, batches_a, batches_b


def networks(args, found):
    """Build the four networks -> (the generators' architecture, G, F, D_A, D_B).

    found: the Domains. G translates A to B, F translates B to A, D_A and D_B judge A and B. Exits
    with one sentence if they cannot be built, do not fit each other or images of this size.
    """
    channels = found.a.shape[1]
    architecture = {
        "generator": args.generator,
        "in_channels": channels,
        "out_channels": channels,
        "width": args.width,
        "blocks": args.blocks,
        "depth": args.depth,
    }
    patches = {
        "in_channels": channels,
        "width": args.patch_width,
        "n_layers": args.patch_layers,
    }
    own = args.networks_module
    Generator = own.Generator if own else GENERATORS[args.generator]
    Discriminator = own.Discriminator if own else PatchDiscriminator
    with one_sentence(args):
        G, F = [build(args, Generator, architecture) for _ in "AB"]
        D_A, D_B = [build(args, Discriminator, patches) for _ in "AB"]
        one_image = zeros(1, channels, *height_and_width(args.image_size))
        check_fit(args, G, D_B, one_image, one_image.shape)
    return architecture, G, F, D_A, D_B


def pools(args, found):
    """The pools of earlier fakes, of A and of B."""
    shape = (found.a.shape[1], *height_and_width(args.image_size))
    return [ImagePool(args.pool_size, shape=shape) for _ in "AB"]


def session(args, architecture, found, **state):
    """A Run of a translation, whose pictures show six test images of each kind.

    state: all that training changes, among it the generators, "AtoB" and "BtoA".
    """
    shown_a = _six(found.test_a)
    shown_b = _six(found.test_b)
    return begin(
        args,
        state=state,
        sample=lambda: rows(state["AtoB"], state["BtoA"], shown_a, shown_b),
        architecture=architecture,
        sampling={"batch_statistics": "running"},
    )


def _six(x):
    """Six of the images, evenly spaced, as floats."""
    chosen = np.linspace(0, len(x) - 1, 6).astype(int)
    return data.to_float(x[chosen])


# ---- a checkpoint's generators -------------------------------------------------------------------


def load_generators(run_or_checkpoint, networks=None):
    """A run directory or checkpoint -> (generator A to B, generator B to A, about_of it).

    networks: the file of the user's own networks, if it was trained with such. Raises
    FileNotFoundError, and ValueError for a checkpoint that is damaged or another model's.
    """
    path = loading.find_checkpoint(run_or_checkpoint)
    state = loading.load_finite(path)
    about = loading.about_of(state)
    if about is None or not {*DIRECTIONS} <= state.keys():
        model = shown(about.get("model")).strip("'") if about else "another kind"
        raise ValueError(
            f"checkpoint {path} is of {model}, expected one of cyclegan, with generators that "
            "translate"
        )
    with reading(f"checkpoint {path}"):
        return *_build(state, about, networks), about


def _build(state, about, networks):
    """The two generators of a checkpoint."""
    architecture = about["architecture"]
    check_arguments(architecture)
    check_stored_int("its step", about["step"])
    if about.get("sampling") != {"batch_statistics": "running"}:
        raise ValueError(
            f"it is sampled as {shown(about.get('sampling'))}, expected running batch statistics"
        )
    check_stored_int("its in_channels", architecture.get("in_channels"), 1, models.LARGEST)
    module = loading.own_networks(about, networks)
    kind = architecture.get("generator")
    if module is None and kind not in GENERATORS:
        raise ValueError(f"its generator is {shown(kind)}, expected one of {', '.join(GENERATORS)}")
    network = GENERATORS[kind] if module is None else module.Generator
    return [
        loading.build_network(network, architecture, state[direction]).eval()
        for direction in DIRECTIONS
    ]


def translate(generator, x, batch_size=20):
    """Translate images float32 (N, C, H, W) in [-1, 1] of any size -> an array of the same shape.

    The images are padded by reflection to sides that the generator takes; the result is cut back.
    """
    height, width = x.shape[2:]
    unit = getattr(generator, "unit", 1)  # sides must be multiples of it; a user's network has none
    below = _padding(height, unit)
    right = _padding(width, unit)
    x = np.pad(x, [(0, 0), (0, 0), (0, below), (0, right)], mode="reflect")
    batches = []
    with no_grad():
        for i in range(0, len(x), batch_size):
            batches.append(generator(tensor(x[i : i + batch_size])).numpy())
    translated = np.concatenate(batches)
    return np.ascontiguousarray(translated[:, :, :height, :width])


def _padding(side, unit):
    """How many pixels to add, so that the side is a multiple of `unit`, and at least 8.

    unit: a power of two.
    """
    if unit == 1:
        return 0
    return max(-side % unit, 8 - side)


def with_channels(image, channels):
    """uint8 (1 or 3, H, W) -> (channels, H, W): grey is repeated, RGB becomes its luminance.

    The luminance is that of ITU-R BT.601.
    """
    if len(image) == 3 and channels == 1:
        return np.rint(np.tensordot([[0.299, 0.587, 0.114]], image, axes=1)).astype(np.uint8)
    return np.broadcast_to(image, (channels, *image.shape[1:]))


def rows(G, F, a, b):
    """Six rows of a picture: real A, fake B, cycled A; real B, fake A, cycled B.

    G, F: generators A to B and B to A, which are left in training mode. a, b: images float32
    (N, C, H, W) in [-1, 1].
    """
    G.eval()
    F.eval()
    fake_b = translate(G, a)
    fake_a = translate(F, b)
    pictures = [a, fake_b, translate(F, fake_b), b, fake_a, translate(G, fake_a)]
    G.train()
    F.train()
    return np.concatenate(pictures)
