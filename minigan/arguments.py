"""The command line of a training script, checked in full before anything is loaded, built or written.

The one idea: with --resume the arguments come from the run's config.json, and the command line may add only what
cannot change the training's bits. So ``--resume --out DIR`` is a complete command, and a command that would continue
another training than the one in DIR is refused.
"""

import argparse
import hashlib
import importlib.util
import json
import math
import platform
import shlex
import sys
import types
from pathlib import Path

from . import checkpoint, devices, rng

CONFIG, CHECKPOINT = "config.json", "checkpoint.npz"
FREE = ("steps", "log_every", "sample_every", "checkpoint_every", "quiet", "data_dir")  # may change with --resume
NOT_KEPT = ("model", "out", "resume")  # said by the script, the folder and the command


class Parser(argparse.ArgumentParser):
    def error(self, message):
        """One sentence instead of the whole usage; exit status 2."""
        self.exit(2, f"{self.prog}: {message} (--help lists the arguments)\n")


def at_least(low):
    """An argument's type: a whole number, `low` or more."""
    def whole_number(text):
        if not text.removeprefix("-").isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least {low}")
        return int(text)

    return whole_number


def number(expected, holds):
    """An argument's type: a number of which `holds` is true; `expected` says so in words."""
    def convert(text):
        try:
            x = float(text)
        except ValueError:
            x = math.nan
        if not holds(x):
            raise argparse.ArgumentTypeError(f"{text} is not {expected}")
        return x

    return convert


positive = number("a number above 0", lambda x: 0 < x < math.inf)
not_negative = number("a number of at least 0", lambda x: 0 <= x < math.inf)
fraction = number("a number from 0 to below 1", lambda x: 0 <= x < 1)


def parser(model, description=None, **defaults):
    """The arguments that all training scripts share, to which a script adds its paper's -> an ArgumentParser.

    model: a short name, as "dcgan"; its runs go to runs/<model>. defaults: of shared arguments, as steps=4000. An
    argument's value must be one that JSON keeps: a number, string, boolean, None, or a list of them.
    """
    p = Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)

    def add(name, help, **options):
        p.add_argument(name, help=help, **options)

    def add_count(name, default, help, least=1):
        add(name, f"{help} (default: %(default)s)", type=at_least(least), default=default, metavar="N")

    add("--data", "a data set's name, a folder of images or an .npz file (default: %(default)s)", default="digits")
    add("--data-dir", "where named data sets lie; without it they are downloaded, once", metavar="DIR")
    add_count("--steps", 1000, "how many in all, also with --resume")
    add_count("--batch-size", 64, "images a step")
    add_count("--seed", 0, "the same seed gives the same bits on the same device", least=0)
    add("--device", f"one of {', '.join(devices.DEVICES)} (default: MINIGAN_DEVICE, or the fastest there is)")
    add("--out", "the run directory (default: %(default)s)", default=f"runs/{model}", metavar="DIR")
    add("--resume", "go on from the checkpoint in --out, with the arguments in its config.json, of which only these "
        f"may be given anew: {', '.join(map(_option, FREE))}", action="store_true")
    add_count("--log-every", 50, "steps between rows of log.csv")
    add_count("--sample-every", 100, "steps between pictures")
    add_count("--checkpoint-every", 500, "steps between checkpoints; Ctrl-C writes one too")
    add("--quiet", "print only errors and the last line", action="store_true")
    add("--networks", "your own networks: a file that defines Generator and Discriminator", metavar="FILE.py")
    p.set_defaults(model=model, **defaults)
    return p


def parse(parser, argv=None):
    """Read and check the command line, choose the device, seed the random numbers -> the arguments, a namespace.

    Added to them: `resumed`, the checkpoint to go on from, or None; `networks_module`, what --networks defines, or
    None, and `networks_sha256`; `config`, for config.json. Prints the line that names the device. Exits with one
    sentence and status 2 if anything is wrong, and with status 0 if the run is already at --steps.
    """
    defaults, unset = vars(parser.parse_args([])), object()
    # A name that the namespace already has gets no default: what stays unset was not on the command line.
    given = vars(parser.parse_args(argv, argparse.Namespace(**dict.fromkeys(defaults, unset))))
    given = {name: value for name, value in given.items() if value is not unset}
    args = argparse.Namespace(**{**defaults, **given})
    try:
        _require_packages()
        kept = _kept_arguments(args, given)
        vars(args).update(kept)
        if args.device is not None:
            devices.set_device(args.device, f"{CONFIG if 'device' in kept else '--device'} says so")
        rng.manual_seed(args.seed)
        args.networks_module, args.networks_sha256 = load_networks(args.networks) if args.networks else (None, None)
        args.resumed = _load_checkpoint(args) if args.resume else None
    except (ValueError, TypeError, KeyError, OSError, ImportError) as error:
        parser.error(str(error))
    args.device = devices.name
    args.config = _describe(args, defaults)
    if not args.quiet:
        print(devices.describe(), flush=True)
        if args.resumed:
            print(f"going on from step {args.resumed['run']['step']} of {args.steps}", flush=True)
    if args.resume and not args.resumed:
        print(f"there is no checkpoint in {args.out}: starting from step 0", flush=True)
    return args


def _option(name):
    return "--" + name.replace("_", "-")


def _require_packages():
    for module, package in (("PIL", "Pillow"), ("matplotlib", "matplotlib"), ("tqdm", "tqdm")):
        if importlib.util.find_spec(module) is None:
            raise ImportError(f"training scripts need {package}, which is missing: pip install 'minigan[examples]'")


def _kept_arguments(args, given):
    """The arguments of the run to go on with that were not given anew; ValueError if one given contradicts them."""
    folder, path = Path(args.out), Path(args.out) / CONFIG
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"--out {folder} is a file, expected a folder or a name for a new one")
    if not args.resume:
        if (folder / CHECKPOINT).exists():
            raise FileExistsError(f"{folder} holds a {CHECKPOINT}: go on with --resume, or choose another --out")
        return {}
    if not path.exists():
        if (folder / CHECKPOINT).exists():
            raise FileNotFoundError(f"{path} is missing, without which --resume does not know the arguments")
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        model, kept = config["model"], dict(config["arguments"])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({error!r})") from error
    if model != args.model:
        raise ValueError(f"{folder} holds a run of {model}, expected {args.model}")
    if unknown := sorted(set(kept) - set(vars(args))):
        raise ValueError(f"{path} has arguments that this script does not know: {', '.join(unknown)}")
    for name, value in given.items():
        if name in kept and name not in FREE and value != kept[name]:
            raise ValueError(f"{_option(name)} {value} contradicts {path}, which has {kept[name]}: leave it out to go "
                             "on, or start anew with another --out")
    return {name: value for name, value in kept.items() if name not in given}


def _load_checkpoint(args):
    """The checkpoint in --out, or None; exits with status 0 if nothing is left to do."""
    path = Path(args.out) / CHECKPOINT
    if not path.exists():
        return None
    state = checkpoint.load(path)
    try:
        about = state["run"]
        model, step, networks = about["model"], int(about["step"]), about["networks"] or {"sha256": None}
        trained_with = networks["sha256"]
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"checkpoint {path} is of no training script ({error!r})") from error
    if model != args.model:
        raise ValueError(f"checkpoint {path} is of {model}, expected {args.model}")
    if trained_with != args.networks_sha256:
        raise ValueError(f"--networks {args.networks} has SHA-256 {args.networks_sha256}, but checkpoint {path} was "
                         f"trained with {trained_with}")
    if step >= args.steps:
        print(f"{args.out} is already at step {step} of {args.steps}: nothing to do, nothing changed")
        sys.exit(0)
    return state


def _describe(args, defaults):
    """The content of config.json: what is needed to repeat the run."""
    versions = {name: sys.modules[name].__version__ for name in ("minigan", "numpy", "cupy") if name in sys.modules}
    return {"model": args.model, "command": shlex.join([sys.executable, *sys.argv]),
            "arguments": {name: getattr(args, name) for name in defaults if name not in NOT_KEPT},
            "device": devices.describe(), "versions": {"python": platform.python_version(), **versions}}


def load_networks(path, sha256=None):
    """Run the file of --networks, which must define Generator and Discriminator -> (module, SHA-256 of the file).

    sha256: what the file's must be, as a checkpoint has it; None accepts any. Raises ValueError or OSError.
    """
    source = Path(path).read_bytes()
    found = hashlib.sha256(source).hexdigest()
    if sha256 not in (None, found):
        raise ValueError(f"--networks {path} has SHA-256 {found}, expected {sha256}: it was changed since the training")
    module = types.ModuleType(Path(path).stem)
    module.__file__ = str(path)
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)  # the bytes that were hashed, and no cached others
    except Exception as error:  # whatever a user's file may raise
        raise ValueError(f"--networks {path} cannot be run: {type(error).__name__}: {error}") from error
    for name in ("Generator", "Discriminator"):
        if not callable(getattr(module, name, None)):
            raise ValueError(f"--networks {path} does not define {name}")
    return module, found


def find_checkpoint(run_or_checkpoint):
    """The checkpoint in a run directory, or the file itself -> Path. Raises FileNotFoundError if there is none."""
    path = Path(run_or_checkpoint)
    path = path / CHECKPOINT if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    return path
