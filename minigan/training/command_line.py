"""The command line of a training script, checked in full before anything is loaded or written.

It is parsed once. Then the sources of the arguments are merged, and each overrides those before it:
plain defaults; the script's settings, which may depend on the others (on --data, say); with
--resume, the run's config.json; the command line, and --override last.

With --resume only arguments that do not belong to the training may be given anew. So ``--resume
--out DIR`` is a complete command, and a command that would continue another training than the one
in DIR is refused. To change the training on purpose there is --override, see overrides.py. One
argument is always given again: --networks, the file of the user's own networks. A run directory may
come from somebody else, and nothing that it names is ever run."""

import argparse
import importlib.util
from pathlib import Path

from .. import devices, rng
from ..data.named import user_path
from ..files import messages
from .earlier_run import (
    check_contradictions,
    check_own_networks,
    kept_arguments,
    look_at_checkpoint,
)
from .loading import load_networks
from .overrides import add_override, changes, check_overrides
from .run_config import check_arguments, option
from .run_folder import CONFIG
from .scripts import (
    Parser,
    add_networks,
    add_skip_unreadable,
    at_least,
    data_name,
    one_sentence,
)

# What may change with --resume.
FREE = (
    "steps",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "quiet",
    "data_dir",
    "device",
)
# config.json leaves out what every command says anew.
NOT_KEPT = ("model", "out", "resume", "override")
# Some are needed only at the end of training, which is too late to find that they are missing.
PACKAGES = ("PIL", "matplotlib", "tqdm")

# Whole numbers: (option, default, least value, help).
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
    steps=4000. The value of an argument must be one that JSON keeps: a number, string, boolean,
    None, or a list of them.
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
    p.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="mirror images at random",
    )
    add_skip_unreadable(p)
    p.add_argument("--quiet", action="store_true", help="print only errors and the last line")
    add_networks(p)
    p.set_defaults(model=model, **defaults)
    return p


def _add_places(p, model):
    """Add the arguments that say where the data, the device and the run are."""
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
        help="go on with the run in --out from its checkpoint, with the arguments in its "
        f"config.json, of which only these may be given anew: {', '.join(map(option, FREE))}; "
        "see also --override",
    )
    add_override(p)


def parse(parser, argv=None, settings=None):
    """Read and check the command line, choose the device and name it, seed the random numbers.

    settings: a function that is called with the arguments known so far, {name: value}, and returns
    more defaults, which count before the parser's plain ones.

    -> the arguments as a namespace. Added to them are `kept`, a dict of those that config.json
    keeps; `overrides`, what --override changes, {name: {"from": value, "to": value}};
    `networks_module`, the module of --networks, and `networks_sha256`, both None without it;
    `stored_elements`, how many elements the arrays of the checkpoint to go on from have, or None: a
    network that needs much more is not built. Exits with one sentence and status 2 if anything is
    wrong.
    """
    given, plain = _given_and_defaults(parser, argv)
    overridden = given.pop("override", {})
    with one_sentence():
        _check_packages()
        args = _merged(plain, given)
        kept = kept_arguments(args)
        check_arguments(parser, kept, Path(args.out, CONFIG), NOT_KEPT)
        check_own_networks(args, kept)
        kept.pop("networks", None)
        check_contradictions(args, given, kept, FREE)
        check_overrides(overridden, given, args, NOT_KEPT, FREE)
        defaults = settings({**plain, **kept, **given}) if settings else {}
        args = _merged(plain, defaults, kept, given)
        changed = changes(args, overridden)
        args = _merged(vars(args), overridden)
        _refuse_out_inside_the_data(args)
        _choose_device(args, kept)
        rng.manual_seed(args.seed)
        stored_elements, digest = look_at_checkpoint(args, kept, overridden)
        module, sha256 = load_networks(args.networks, digest) if args.networks else (None, None)
    args.kept = {name: value for name, value in vars(args).items() if name not in NOT_KEPT}
    args.overrides = changed
    args.networks_module = module
    args.networks_sha256 = sha256
    args.stored_elements = stored_elements
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


def _merged(*sources):
    """One namespace of several dicts {name: value}: a later one overrides an earlier one."""
    merged = {}
    for source in sources:
        merged.update(source)
    return argparse.Namespace(**merged)


def _check_packages():
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise ImportError(
            f"scripts need {', '.join(missing)}, which is missing: pip install 'minigan[examples]'"
        )


def _choose_device(args, kept):
    """Work on --device if it is given or kept, and keep the device's name as an argument.

    The devices of a run may change: its states are plain arrays. Only the bits differ afterwards.
    """
    if args.device is not None:
        is_kept = args.device == kept.get("device")
        try:
            devices.set_device(args.device, f"{CONFIG if is_kept else '--device'} says so")
        except RuntimeError as error:
            if not is_kept:
                raise
            raise RuntimeError(f"{error} (to go on elsewhere, give --device)") from error
    args.device = devices.name


def _refuse_out_inside_the_data(args):
    """Refuse a run directory in the folder of the data: its pictures would become data."""
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
