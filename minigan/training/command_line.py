"""The command line of a training script, checked in full before anything is loaded or written.

It is parsed once. What stands on it counts first; with --resume, then what the run's config.json
says; then the defaults, which may depend on both. With --resume the command line may change only
what cannot change the training's bits. So ``--resume --out DIR`` is a complete command, and a
command that would continue another training than the one in DIR is refused. One thing is always
said anew: --networks, the file with networks of one's own. A run directory may come from somebody
else, and nothing that it names is run.
"""

import argparse
import importlib.util
import os
from pathlib import Path

import numpy as np

from .. import devices, rng
from ..data.named import user_path
from ..files import messages
from ..files.foreign import shown
from .checkpoint import leaves
from .loading import (  # noqa: F401
    about_of,
    build_network,
    find_checkpoint,
    load_checkpoint,
    load_networks,
    own_networks,
)
from .program import (  # noqa: F401
    DeviceError,
    Parser,
    at_least,
    at_least_one,
    complain,
    data_name,
    file_name,
    fraction,
    not_negative,
    number,
    one_sentence,
    positive,
    program,
)
from .resuming import networks_digest, read_checkpoint
from .run_config import check_arguments, is_run, option, read_config
from .run_folder import CHECKPOINT, CONFIG, WRITTEN, has_checkpoint

# What may change with --resume.
FREE = (
    "steps",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "quiet",
    "data_dir",
)
NOT_KEPT = ("model", "out", "resume")  # said by the script, the folder and the command
# Some are not needed before the end of training: too late to miss them.
PACKAGES = ("PIL", "matplotlib", "tqdm")

COUNTS = [
    ("--steps", 1000, 1, "how many in all, also with --resume"),
    ("--batch-size", 64, 1, "images a step"),
    ("--seed", 0, 0, "the same seed gives the same bits on the same device"),
    ("--log-every", 50, 1, "steps between rows of log.csv"),
    ("--sample-every", 100, 1, "steps between pictures"),
    ("--checkpoint-every", 500, 1, "steps between checkpoints; Ctrl-C writes one too"),
]


def parser(model, description=None, **defaults):
    """The arguments that all training scripts share, to which a script adds its own -> a Parser.

    model: a short name, as "dcgan"; its runs go to runs/<model>. defaults: of shared arguments, as
    steps=4000. An argument's value must be one that JSON keeps: a number, string, boolean, None, or
    a list of them.
    """
    p = Parser(description=description)
    for name, default, least, help in COUNTS:
        p.add_argument(
            name,
            type=at_least(least),
            default=default,
            metavar="N",
            help=f"{help} (default: %(default)s)",
        )
    p.add_argument(
        "--data",
        type=data_name,
        default="digits",
        help="a name, a folder of images or an .npz file (default: %(default)s)",
    )
    _add_places(p, model)
    p.add_argument("--quiet", action="store_true", help="print only errors and the last line")
    add_networks(p)
    p.set_defaults(model=model, **defaults)
    return p


def _add_places(p, model):
    """Where data, device and run are."""
    p.add_argument(
        "--data-dir",
        metavar="DIR",
        help="where named data sets lie; without it they are downloaded, once",
    )
    p.add_argument(
        "--device",
        help=f"one of {', '.join(devices.DEVICES)} (default: MINIGAN_DEVICE, or the fastest)",
    )
    p.add_argument(
        "--out",
        default=f"runs/{model}",
        metavar="DIR",
        help="the run directory (default: %(default)s)",
    )
    p.add_argument(
        "--resume",
        action="store_true",
        help="go on from the checkpoint in --out with the arguments in its config.json, of which "
        f"only these may be given anew: {', '.join(map(option, FREE))}",
    )


def add_networks(parser):
    """Add --networks, which names a file of networks of one's own.

    With a checkpoint of theirs it is given again.
    """
    parser.add_argument(
        "--networks",
        metavar="FILE.py",
        type=file_name,
        help="your own networks: it defines Generator and Discriminator",
    )


def parse(parser, argv=None, optional=(), settings=None):
    """Read and check the command line, choose the device and name it, seed the random numbers.

    optional: names of arguments that may be None although their default is not. settings: a
    function that maps {name: value} of what is given, kept or a plain default to more defaults,
    which then count before the plain ones.

    -> the arguments. Added to them: `networks_module`, what --networks defines, or None, and
    `networks_sha256`; `kept`, what config.json keeps of them; `room`, how many numbers the arrays
    of the checkpoint to go on from hold, or None: networks that need much more are not built. Exits
    with one sentence and status 2 if anything is wrong.
    """
    given, plain = _given_and_defaults(parser, argv)
    with one_sentence():
        _check_packages()
        args = argparse.Namespace(**{**plain, **given})
        kept = _kept_arguments(args)
        check_arguments(parser, kept, Path(args.out, CONFIG), NOT_KEPT, optional)
        _check_own_networks(args, kept)
        kept.pop("networks", None)
        _check_contradictions(args, given, kept)
        known = {**plain, **kept, **given}
        defaults = settings(known) if settings else {}
        args = argparse.Namespace(**{**plain, **defaults, **kept, **given})
        _check_out_is_beside_the_data(args)
        _choose_device(args, kept)
        rng.manual_seed(args.seed)
        room, digest = _look_at_checkpoint(args, kept)
        networks = load_networks(args.networks, digest) if args.networks else (None, None)
    args.kept = {name: value for name, value in vars(args).items() if name not in NOT_KEPT}
    args.networks_module, args.networks_sha256 = networks
    args.room = room
    if not args.quiet:
        messages.say(devices.describe())
    return args


_NOT_GIVEN = object()


def _given_and_defaults(parser, argv):
    """What stands on the command line, and the parser's defaults: two dicts {name: value}."""
    defaults = dict(parser._defaults)
    for action in parser._actions:
        if action.dest != "help":
            defaults[action.dest] = parser.get_default(action.dest)
    blank = argparse.Namespace(**dict.fromkeys(defaults, _NOT_GIVEN))
    found = vars(parser.parse_args(argv, blank))
    given = {name: value for name, value in found.items() if value is not _NOT_GIVEN}
    return given, defaults


def _check_packages():
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise ImportError(
            f"scripts need {', '.join(missing)}, which is missing: pip install 'minigan[examples]'"
        )


def _choose_device(args, kept):
    """Work on --device, if it is given or kept, and note the name of the device."""
    if args.device is not None:
        devices.set_device(args.device, f"{CONFIG if 'device' in kept else '--device'} says so")
    args.device = devices.name


def _check_out_is_beside_the_data(args):
    """Refuse a run directory in the folder of the data: its pictures would be data later."""
    out = Path(args.out).resolve()
    for name in ("data", "data_a", "data_b"):
        text = getattr(args, name, None)
        if not text:
            continue
        folder = user_path(args.data_dir or "") / user_path(text)
        if folder.is_dir() and folder.resolve() in (out, *out.parents):
            raise ValueError(
                f"--out {args.out} lies in the folder of the data, {folder}: the run's pictures "
                "would be data when it goes on"
            )


def _kept_arguments(args):
    """The arguments of the run to go on with; {} if there is none, or --resume was not given."""
    folder = Path(args.out)
    path = folder / CONFIG
    begun = has_checkpoint(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            f"--out {folder} is a file, expected a folder or a name for a new one"
        )
    if begun and not args.resume:
        raise FileExistsError(
            f"{folder} holds a {CHECKPOINT}: go on with --resume, or choose another --out"
        )
    if begun and not path.exists():
        raise FileNotFoundError(
            f"{path} is missing, without which --resume does not know the arguments"
        )
    if not args.resume or not path.exists():
        _check_ours(folder)
        return {}
    config = read_config(path)
    if config.get("model") != args.model:
        raise ValueError(
            f"{folder} holds a run of {_name_of(config.get('model'))}, expected {args.model}"
        )
    if not begun:
        _check_ours(folder)
    return config["arguments"]


def _name_of(model):
    """A foreign model's name, as it is if it is short and plain."""
    if isinstance(model, str) and model.isidentifier() and len(model) < 50:
        return model
    return shown(model)


def _check_ours(folder):
    """Refuse a folder in which a run would overwrite files that are not a run's."""
    written = []
    for name in WRITTEN:
        if os.path.lexists(folder / name):
            written.append(name)
    if written and not is_run(folder):
        raise FileExistsError(
            f"{folder} holds {', '.join(written)}, but no {CONFIG} of a run: choose another --out"
        )


def _check_own_networks(args, kept):
    """The networks' file is given again, wherever it lies now; its hash says if it is the same."""
    named = kept.get("networks")
    if named and not args.networks:
        raise ValueError(
            f"{args.out} was trained with networks of one's own, from {shown(named)}: nothing that "
            "a run directory names is run, so give their file again, --networks FILE.py"
        )
    if args.networks and "networks" in kept and not named:
        raise ValueError(
            f"--networks {args.networks} contradicts {Path(args.out, CONFIG)}, which has {named}: "
            "leave it out to go on, or start anew with another --out"
        )


def _check_contradictions(args, given, kept):
    """What changes the training's bits is as it was."""
    for name, value in kept.items():
        if name in given and name not in FREE and given[name] != value:
            raise ValueError(
                f"{option(name)} {given[name]} contradicts {Path(args.out, CONFIG)}, which has "
                f"{value}: leave it out to go on, or start anew with another --out"
            )


def _look_at_checkpoint(args, kept):
    """-> how many numbers the checkpoint's arrays hold, and the hash of its networks.

    None, None without a checkpoint. The sizes in config.json are compared with the checkpoint's
    here, before anything is loaded or built from them.
    """
    if not args.resume or not has_checkpoint(args.out):
        return None, None
    state = read_checkpoint(args.out)
    about = about_of(state) or {}
    _check_sizes(args, kept, about.get("architecture"))
    arrays = [leaf for _, leaf in leaves(state) if isinstance(leaf, np.ndarray)]
    room = sum(array.size for array in arrays)
    return room, networks_digest(about) if args.networks else None


def _check_sizes(args, kept, architecture):
    """Raise ValueError where config.json and the checkpoint differ in a size of the networks."""
    if not isinstance(architecture, dict):
        return
    for name, size in architecture.items():
        if type(size) is int and name in kept and kept[name] != size:
            raise ValueError(
                f"{Path(args.out, CONFIG)}: {option(name)} is {shown(kept[name])}, but the "
                f"checkpoint was trained with {shown(size)}"
            )
