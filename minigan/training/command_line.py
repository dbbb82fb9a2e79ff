"""The command line of a training script, checked in full before anything is loaded, built or
written.

The one idea: with --resume the arguments in the run's config.json are the defaults, of which the
command line may change only what cannot change the training's bits. So ``--resume --out DIR`` is
a complete command, and a command that would continue another training than the one in DIR is
refused. One thing is always said anew: --networks, the file with networks of your own. A run
directory may come from somebody else, and nothing that it names is run.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import math
import os
import platform
import shlex
import sys
import types
from pathlib import Path

import numpy as np

from .. import devices, models, rng
from ..data.named import user_path
from ..devices import DeviceError
from ..files import messages
from ..files.bounded import read_bytes
from ..files.foreign import in_one_line, shown
from .checkpoint import first_not_finite, flatten, leaves
from .checkpoint import load as load_state
from .run import CHECKPOINT, CONFIG, WRITTEN, networks_digest, read_checkpoint
from .run_config import check_arguments, is_run, option, read_config

FREE = (
    "steps",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "quiet",
    "data_dir",
)  # may change with --resume
NOT_KEPT = ("model", "out", "resume")  # said by the script, the folder and the command
LARGEST_NETWORKS = 1 << 20  # bytes of a file of networks
PACKAGES = (
    "PIL",
    "matplotlib",
    "tqdm",
)  # some are not needed before the end of training: too late to miss them


class Parser(argparse.ArgumentParser):
    """A parser whose description keeps its lines, and whose error is one sentence instead of the
    whole usage.
    """

    def __init__(self, **options):
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options
        )

    def error(self, message):
        said = messages.shortened(f"{self.prog}: {message}")
        self.exit(2, messages.printable(f"{said} (--help lists the arguments)") + "\n")


@contextlib.contextmanager
def one_sentence():
    """``with one_sentence():`` around the reading of input: what is wrong with it is said in a
    line; exit status 2.
    """
    try:
        yield
    except (
        ValueError,
        TypeError,
        KeyError,
        OSError,
        ImportError,
        RuntimeError,
        OverflowError,
    ) as error:
        complain(messages.reason(error))
        sys.exit(2)


def complain(text):
    """Say on stderr, in one line, what is wrong, behind the script's name."""
    messages.warn(f"{Path(sys.argv[0]).name}: {text}")


def program(main, output="results"):
    """Run a script, and end it as shells expect, with a line on stderr and no traceback, whatever
    the system answers.

    main: takes no arguments. Exit status: 130 after Ctrl-C; 2 where the environment asks for a
    device that is not here; 1 for want of memory, or where the system refuses a file. Nothing
    that is printed can end the script: what nobody reads is dropped, and letters that the
    terminal lacks are shown as escape sequences. output: "results", then the status is 1 if not
    all of them could be written to stdout, or "progress", as of a training, whose files are its
    results.
    """
    with messages.steady_streams() as lost:
        status = _run(main)
        if error := lost():
            complain(
                f"not all that it printed could be written to stdout: {messages.reason(error)}"
            )
            if output == "results":
                status = status or 1
    if status:
        sys.exit(status)


def _run(main):
    """Call main() -> the exit status."""
    try:
        main()
    except SystemExit as stop:
        if isinstance(stop.code, str):
            messages.warn(stop.code)
            return 1
        return stop.code
    except KeyboardInterrupt:
        return 130
    except DeviceError as error:
        complain(messages.reason(error))
        return 2
    except MemoryError as error:
        complain(f"not enough memory: {error}")
        return 1
    except OSError as error:
        complain(messages.reason(error))
        return 1
    return 0


def number(convert, expected, holds):
    """An argument's type: what `convert` makes of a text, if it `holds`; `expected` says so in
    words.
    """

    def checked(text):
        """What the text of an argument says, checked."""
        with contextlib.suppress(ValueError):
            if holds(value := convert(text)):
                return value
        raise argparse.ArgumentTypeError(f"{text} is not {expected}")

    return checked


def at_least(low):
    """An argument's type: a whole number, `low` or more."""
    return number(int, f"a whole number of at least {low}", lambda n: n >= low)


def file_name(text):
    """An argument's type: the name of a file."""
    if not text:
        raise argparse.ArgumentTypeError("'' names no file")
    return text


def data_name(text):
    """An argument's type: what data.load takes; scripts have other defaults for "digits", however
    it is written.
    """
    if not text:
        raise argparse.ArgumentTypeError("'' is neither a name nor a path")
    return text.lower() if text.lower() == "digits" else text


positive = number(float, "a number above 0", lambda x: 0 < x < math.inf)
not_negative = number(float, "a number of at least 0", lambda x: 0 <= x < math.inf)
at_least_one = number(float, "a number of at least 1", lambda x: 1 <= x < math.inf)
fraction = number(float, "a number from 0 to below 1", lambda x: 0 <= x < 1)


def parser(model, description=None, **defaults):
    """The arguments that all training scripts share, to which a script adds its paper's -> an
    ArgumentParser.

    model: a short name, as "dcgan"; its runs go to runs/<model>. defaults: of shared arguments,
    as steps=4000. An argument's value must be one that JSON keeps: a number, string, boolean,
    None, or a list of them.
    """
    p = Parser(description=description)
    for name, default, least, help in (
        ("--steps", 1000, 1, "how many in all, also with --resume"),
        ("--batch-size", 64, 1, "images a step"),
        ("--seed", 0, 0, "the same seed gives the same bits on the same device"),
        ("--log-every", 50, 1, "steps between rows of log.csv"),
        ("--sample-every", 100, 1, "steps between pictures"),
        ("--checkpoint-every", 500, 1, "steps between checkpoints; Ctrl-C writes one too"),
    ):
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
        help="go on from the checkpoint in --out with the arguments in its "
        f"config.json, of which only these may be given anew: {', '.join(map(option, FREE))}",
    )
    p.add_argument("--quiet", action="store_true", help="print only errors and the last line")
    add_networks(p)
    p.set_defaults(model=model, **defaults)
    return p


def add_networks(parser):
    """Add --networks, which names a file of networks of one's own. With a checkpoint of theirs it
    is given again.
    """
    parser.add_argument(
        "--networks",
        metavar="FILE.py",
        type=file_name,
        help="your own networks: it defines Generator and Discriminator",
    )


def parse(parser, argv=None, optional=()):
    """Read and check the command line, choose the device and name it, seed the random numbers ->
    the arguments.

    optional: names of arguments that may be None although their default is not. Added to the
    arguments: `networks_module`, what --networks defines, or None, and `networks_sha256`;
    `config`, the content of config.json; `room`, how many numbers the arrays of the checkpoint to
    go on from hold, or None: networks that need much more are not built. Exits with one sentence
    and status 2 if anything is wrong.
    """
    args = parser.parse_args(argv)
    with one_sentence():
        if missing := [
            package for package in PACKAGES if importlib.util.find_spec(package) is None
        ]:
            raise ImportError(
                f"scripts need {', '.join(missing)}, which is missing: pip install 'minigan[examples]'"
            )
        kept = _kept_arguments(args)
        check_arguments(parser, kept, Path(args.out, CONFIG), NOT_KEPT, optional)
        _check_own_networks(args, kept)
        defaults = {name: value for name, value in kept.items() if name != "networks"}
        args = parser.parse_args(
            argv, argparse.Namespace(**defaults)
        )  # what is kept stands in for the defaults
        _check_contradictions(args, defaults)
        _check_out_is_beside_the_data(args)
        if args.device is not None:
            devices.set_device(args.device, f"{CONFIG if 'device' in kept else '--device'} says so")
        args.device = devices.name
        rng.manual_seed(args.seed)
        room, digest = _look_at_checkpoint(args, kept)
        networks = load_networks(args.networks, digest) if args.networks else (None, None)
    args.config = _describe(args)
    args.networks_module, args.networks_sha256 = networks
    args.room = room
    if not args.quiet:
        messages.say(devices.describe())
    return args


def _check_out_is_beside_the_data(args):
    """Refuse a run directory in the folder of the data: its pictures would be data when the run
    goes on.
    """
    out = Path(args.out).resolve()
    for name in ("data", "data_a", "data_b"):
        text = getattr(args, name, None)
        folder = user_path(args.data_dir or "") / user_path(text) if text else None
        if folder is not None and folder.is_dir() and folder.resolve() in (out, *out.parents):
            raise ValueError(
                f"--out {args.out} lies in the folder of the data, {folder}: the run's pictures would be "
                "data when it goes on"
            )


def _kept_arguments(args):
    """The arguments of the run to go on with; {} if there is none, or --resume was not given."""
    folder, path = Path(args.out), Path(args.out, CONFIG)
    begun = os.path.lexists(folder / CHECKPOINT)
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
    return (
        model
        if isinstance(model, str) and model.isidentifier() and len(model) < 50
        else shown(model)
    )


def _check_ours(folder):
    """Refuse a folder in which a run would overwrite what is no run's."""
    written = [name for name in WRITTEN if (folder / name).exists() or (folder / name).is_symlink()]
    if written and not is_run(folder):
        raise FileExistsError(
            f"{folder} holds {', '.join(written)}, but no {CONFIG} of a run: choose another --out"
        )


def _check_own_networks(args, kept):
    """The networks' file is given again, wherever it lies now; whether it is the same, its hash
    says.
    """
    named = kept.get("networks")
    if named and not args.networks:
        raise ValueError(
            f"{args.out} was trained with networks of one's own, from {shown(named)}: nothing "
            "that a run directory names is run, so give their file again, --networks FILE.py"
        )
    if args.networks and "networks" in kept and not named:
        raise ValueError(
            f"--networks {args.networks} contradicts {Path(args.out, CONFIG)}, which has {named}: "
            "leave it out to go on, or start anew with another --out"
        )


def _check_contradictions(args, kept):
    """What changes the training's bits is as it was."""
    for name, value in kept.items():
        given = getattr(args, name)
        if name not in FREE and given != value:
            raise ValueError(
                f"{option(name)} {given} contradicts {Path(args.out, CONFIG)}, which has {value}: "
                "leave it out to go on, or start anew with another --out"
            )


def _look_at_checkpoint(args, kept):
    """-> how many numbers the checkpoint's arrays hold, and the hash of its networks; or None,
    None without one.

    The sizes in config.json are compared with the checkpoint's here, before anything is loaded or
    built from them.
    """
    if not args.resume or not os.path.lexists(Path(args.out, CHECKPOINT)):
        return None, None
    state = read_checkpoint(args.out)
    about = about_of(state) or {}
    architecture = about.get("architecture")
    for name, size in architecture.items() if isinstance(architecture, dict) else ():
        if type(size) is int and name in kept and kept[name] != size:
            raise ValueError(
                f"{Path(args.out, CONFIG)}: {option(name)} is {shown(kept[name])}, but the "
                f"checkpoint was trained with {shown(size)}"
            )
    room = sum(leaf.size for _, leaf in leaves(state) if isinstance(leaf, np.ndarray))
    return room, networks_digest(about) if args.networks else None


def _describe(args):
    """The content of config.json: what is needed to repeat the run."""
    versions = {
        name: sys.modules[name].__version__
        for name in ("minigan", "numpy", "cupy")
        if name in sys.modules
    }
    return {
        "model": args.model,
        "command": shlex.join([sys.executable, *sys.argv]),
        "arguments": {name: value for name, value in vars(args).items() if name not in NOT_KEPT},
        "device": devices.describe(),
        "versions": {"python": platform.python_version(), **versions},
    }


def load_networks(path, sha256=None):
    """Run the file of --networks, which must define Generator and Discriminator -> (module,
    SHA-256 of the file).

    path: from the command line, never from a file. sha256: what the file's must be, as a checkpoint
    has it; None accepts any. Raises ValueError or OSError.
    """
    source = read_bytes(path, LARGEST_NETWORKS)
    found = hashlib.sha256(source).hexdigest()
    if sha256 not in (None, found):
        raise ValueError(
            f"--networks {path} has SHA-256 {found}, expected {sha256}: it was changed since the training"
        )
    module = types.ModuleType(Path(path).stem)
    module.__file__ = str(path)
    try:
        exec(
            compile(source, str(path), "exec"), module.__dict__
        )  # the bytes that were hashed, and no cached others
    except (Exception, SystemExit) as error:  # whatever a user's file may raise
        raise ValueError(
            f"--networks {path} cannot be run: {type(error).__name__}: {in_one_line(error)}"
        ) from error
    for name in ("Generator", "Discriminator"):
        if not callable(getattr(module, name, None)):
            raise ValueError(f"--networks {path} does not define {name}")
    return module, found


# ---- a checkpoint to sample from


def find_checkpoint(run_or_checkpoint):
    """The checkpoint in a run directory, or the file itself -> Path. Raises FileNotFoundError if
    there is none.
    """
    path = Path(run_or_checkpoint)
    path = path / CHECKPOINT if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    return path


def load_checkpoint(path):
    """The state in a checkpoint's file. Raises ValueError where it is damaged, or holds what is
    not finite.
    """
    state = load_state(path)
    if name := first_not_finite(*flatten(state)):
        raise ValueError(f"checkpoint {path}: its {name} is not finite")
    return state


def about_of(state):
    """What a checkpoint says of itself, its "run" -> dict, or None where it says nothing."""
    about = state.get("run") if isinstance(state, dict) else None
    return about if isinstance(about, dict) else None


def own_networks(about, networks):
    """The module of networks of one's own that a checkpoint was trained with, or None for
    minigan's.

    networks: the file that --networks names on the command line, or None. The checkpoint has its
    hash, and no more.
    """
    digest = networks_digest(about)
    if digest is None and networks is not None:
        raise ValueError(
            f"it was trained with minigan's networks, so --networks {networks} is not needed"
        )
    if digest is None:
        return None
    if networks is None:
        raise ValueError(
            "it was trained with networks of one's own, of which it holds only the hash: give their file, "
            "--networks FILE.py"
        )
    return load_networks(networks, digest)[0]


def build_network(network, architecture, arrays):
    """Build a network for a checkpoint's arrays, {name: array}, and load them into it. Raises
    ValueError, TypeError.
    """
    if not isinstance(arrays, dict) or not all(
        isinstance(array, np.ndarray) for array in arrays.values()
    ):
        raise ValueError(f"its weights are {shown(arrays)}, expected names and arrays")
    room = sum(array.size for array in arrays.values())
    built = models.build(network, architecture, room)
    for name, tensor in built.named_tensors():
        if name in arrays and arrays[name].dtype.newbyteorder("=") != tensor.dtype:
            raise ValueError(f"its {shown(name)} is {arrays[name].dtype}, expected {tensor.dtype}")
    return built.load_state_dict(arrays)
