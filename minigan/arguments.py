"""The command line of a training script, checked in full before anything is loaded, built or written.

The one idea: with --resume the arguments come from the run's config.json, and the command line may only add what cannot
change the training's bits. So ``--resume --out DIR`` is a complete command, and one that would continue another
training than the one in DIR is refused.
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
FREE = {"steps", "log_every", "sample_every", "checkpoint_every", "quiet", "data_dir"}  # may differ after --resume
NOT_KEPT = {"model", "out", "resume"}


class Parser(argparse.ArgumentParser):
    def error(self, message):
        """One sentence instead of the whole usage; exit status 2."""
        self.exit(2, f"{self.prog}: {message} (--help lists the arguments)\n")


def at_least(low):
    """An argument's type: a whole number, `low` or more."""

    def whole_number(text):
        if not text.lstrip("-").isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least {low}")
        return int(text)

    return whole_number


def positive(text):
    """An argument's type: a finite number above 0."""
    return _number(text, lambda x: 0 < x < math.inf, "a number above 0")


def fraction(text):
    """An argument's type: a number from 0 to just below 1."""
    return _number(text, lambda x: 0 <= x < 1, "a number from 0 to below 1")


def _number(text, holds, expected):
    try:
        x = float(text)
    except ValueError:
        x = math.nan
    if not holds(x):
        raise argparse.ArgumentTypeError(f"{text} is not {expected}")
    return x


def parser(model, description=None, **defaults):
    """The arguments that all training scripts share, to which a script adds its paper's.

    model: a short name, as "dcgan"; runs go to runs/<model>. defaults: of any shared argument, as steps=4000.
    """
    p = Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add = p.add_argument
    add("--data", default="digits", help="a data set's name, a folder of images or an .npz file (default: %(default)s)")
    add("--data-dir", help="where named data sets lie; without it they are downloaded once")
    add("--steps", type=at_least(1), default=1000, help="how many in all, also with --resume (default: %(default)s)")
    add("--batch-size", type=at_least(1), default=64, help="images a step (default: %(default)s)")
    add("--seed", type=at_least(0), default=0, help="same seed, same bits, on one device (default: %(default)s)")
    add("--device", help="cpu, ... (default: MINIGAN_DEVICE, else the fastest there is)")
    add("--out", default=f"runs/{model}", help="the run directory (default: %(default)s)")
    add("--resume", action="store_true", help="go on from the checkpoint in --out, with the arguments in its config.json; "
        "only these may then differ: " + ", ".join("--" + name.replace("_", "-") for name in sorted(FREE)))
    add("--log-every", type=at_least(1), default=50, metavar="N", help="steps between rows of log.csv (default: %(default)s)")
    add("--sample-every", type=at_least(1), default=100, metavar="N", help="steps between pictures (default: %(default)s)")
    add("--checkpoint-every", type=at_least(1), default=500, metavar="N",
        help="steps between checkpoints; Ctrl-C writes one too (default: %(default)s)")
    add("--quiet", action="store_true", help="print only errors and the last line")
    add("--networks", metavar="FILE.py", help="a file of yours that defines Generator and Discriminator")
    p.set_defaults(model=model, **defaults)
    return p


def parse(parser, argv=None):
    """Read and check the command line, choose the device, seed the random numbers -> the arguments, as a namespace.

    Added to them: `resumed`, the checkpoint to go on from, or None; `networks_module`, what --networks defines, or None;
    `networks_sha256`; and `config`, the content of config.json. Prints the line that names the device. Exits with
    one sentence and status 2 if anything is wrong, with status 0 if the run is already at --steps.
    """
    defaults, unset = vars(parser.parse_args([])), object()
    # Names that the namespace already has get no default, so what is still unset was not on the command line.
    given = vars(parser.parse_args(argv, argparse.Namespace(**dict.fromkeys(defaults, unset))))
    given = {name: value for name, value in given.items() if value is not unset}
    args = argparse.Namespace(**{**defaults, **given})
    try:
        _require_packages()
        if args.resume:
            vars(args).update(_kept_arguments(args, given))
        elif find_checkpoint(args.out, missing_ok=True).exists():
            raise ValueError(f"{find_checkpoint(args.out)} is already there: go on with --resume, or choose another --out")
        args.networks_module, args.networks_sha256 = load_networks(args.networks) if args.networks else (None, None)
        args.resumed = _load_checkpoint(args) if args.resume else None
        if args.device is not None:
            devices.set_device(args.device, "config.json says so" if "device" not in given else "--device says so")
        rng.manual_seed(args.seed)
    except (ValueError, TypeError, OSError, ImportError) as error:
        parser.error(str(error))
    args.device = devices.name
    args.config = _describe(args, defaults)
    if not args.quiet:
        print(devices.describe(), flush=True)
        if args.resume:
            print(f"going on from step {args.resumed['run']['step']}" if args.resumed else
                  f"there is no checkpoint in {args.out}: starting from step 0", flush=True)
    return args


def _require_packages():
    for module, package in (("PIL", "Pillow"), ("matplotlib", "matplotlib")):
        if importlib.util.find_spec(module) is None:
            raise ImportError(f"training draws pictures, for which {package} is missing: pip install 'minigan[examples]'")


def _kept_arguments(args, given):
    """The arguments in config.json, less those given anew; ValueError if one given contradicts it."""
    path = Path(args.out) / CONFIG
    if not path.exists():
        if find_checkpoint(args.out, missing_ok=True).exists():
            raise FileNotFoundError(f"{path} is missing, without which --resume does not know the arguments")
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        model, kept = config["model"], dict(config["arguments"])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error
    if model != args.model:
        raise ValueError(f"{args.out} holds a run of {model}, expected {args.model}")
    if unknown := sorted(set(kept) - set(vars(args))):
        raise ValueError(f"{path} has arguments that this script does not know: {', '.join(unknown)}")
    for name in sorted(set(given) & set(kept) - FREE):
        if given[name] != kept[name]:
            raise ValueError(f"--{name.replace('_', '-')} {given[name]} contradicts {path}, which has {kept[name]}: leave it "
                             "out to go on, or start anew with another --out")
    return {name: value for name, value in kept.items() if name not in given}


def _load_checkpoint(args):
    path = find_checkpoint(args.out, missing_ok=True)
    if not path.exists():
        return None
    state = checkpoint.load(path)
    about = state.get("run") if isinstance(state, dict) else None
    if not isinstance(about, dict) or not {"model", "step", "rng", "architecture", "networks"} <= set(about):
        raise ValueError(f"checkpoint {path} was not written by a training script")
    if about["model"] != args.model:
        raise ValueError(f"checkpoint {path} is of {about['model']}, expected {args.model}")
    if (about["networks"] or {}).get("sha256") != args.networks_sha256:
        raise ValueError(f"--networks {args.networks} is not the file that checkpoint {path} was trained with: its SHA-256 is "
                         f"{args.networks_sha256}, expected {(about['networks'] or {}).get('sha256')}")
    if about["step"] >= args.steps:
        print(f"{args.out} is already at step {about['step']} of {args.steps}: nothing to do, nothing changed")
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

    sha256: what the file's must be, as a checkpoint says; None accepts any. Raises ValueError or OSError.
    """
    source = Path(path).read_bytes()
    found = hashlib.sha256(source).hexdigest()
    if sha256 not in (None, found):
        raise ValueError(f"--networks {path} has SHA-256 {found}, expected {sha256}: it was changed since the training")
    module = types.ModuleType(Path(path).stem)
    module.__file__ = str(path)
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)  # these bytes: an import could run a cached file
    except Exception as error:  # whatever a user's file may raise, told with the file's name
        raise ValueError(f"--networks {path} cannot be run: {type(error).__name__}: {error}") from error
    for name in ("Generator", "Discriminator"):
        if not callable(getattr(module, name, None)):
            raise ValueError(f"--networks {path} does not define {name}")
    return module, found


def find_checkpoint(run_or_checkpoint, missing_ok=False):
    """The checkpoint file of a run directory, or the file itself -> Path. Raises FileNotFoundError if there is none."""
    path = Path(run_or_checkpoint)
    path = path if path.is_file() else path / CHECKPOINT
    if not missing_ok and not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}, nor is {run_or_checkpoint} one")
    return path
