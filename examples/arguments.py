"""The command line of a training script, checked in full before anything is loaded, built or written.

The one idea: with --resume the arguments in the run's config.json are the defaults, of which the command line may
change only what cannot change the training's bits. So ``--resume --out DIR`` is a complete command, and a command that
would continue another training than the one in DIR is refused.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import math
import platform
import shlex
import sys
import types
from pathlib import Path

from minigan import devices, messages, rng
from minigan.devices import DeviceError
from minigan.files import reading
from minigan.run import CHECKPOINT, CONFIG, LOG

FREE = ("steps", "log_every", "sample_every", "checkpoint_every", "quiet", "data_dir")  # may change with --resume
NOT_KEPT = ("model", "out", "resume")  # said by the script, the folder and the command
PACKAGES = ("PIL", "matplotlib", "tqdm")  # some are not needed before the end of training: too late to miss them


class Parser(argparse.ArgumentParser):
    """A parser whose description keeps its lines, and whose error is one sentence instead of the whole usage."""

    def __init__(self, **options):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def error(self, message):
        self.exit(2, messages.printable(f"{self.prog}: {message} (--help lists the arguments)") + "\n")


@contextlib.contextmanager
def one_sentence():
    """``with one_sentence():`` around the reading of input: what is wrong with it is said in a line; exit status 2."""
    try:
        yield
    except (ValueError, TypeError, KeyError, OSError, ImportError, RuntimeError) as error:
        complain(messages.reason(error))
        sys.exit(2)


def complain(text):
    """Say on stderr, in one line, what is wrong, behind the script's name."""
    messages.warn(f"{Path(sys.argv[0]).name}: {text}")


def program(main, output="results"):
    """Run a script, and end it as shells expect, with a line on stderr and no traceback, whatever the system answers.

    main: takes no arguments. Exit status: 130 after Ctrl-C; 2 where the environment asks for a device that is not
    here; 1 for want of memory, or where the system refuses a file. Nothing that is printed can end the script: what
    nobody reads is dropped, and letters that the terminal lacks are shown as escape sequences. output: "results", then
    the status is 1 if not all of them could be written to stdout, or "progress", as of a training, whose files are its
    results.
    """
    with messages.steady_streams() as lost:
        status = _run(main)
        if error := lost():
            complain(f"not all that it printed could be written to stdout: {messages.reason(error)}")
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
    """An argument's type: what `convert` makes of a text, if it `holds`; `expected` says so in words."""
    def checked(text):
        with contextlib.suppress(ValueError):
            if holds(value := convert(text)):
                return value
        raise argparse.ArgumentTypeError(f"{text} is not {expected}")

    return checked


def at_least(low):
    """An argument's type: a whole number, `low` or more."""
    return number(int, f"a whole number of at least {low}", lambda n: n >= low)


def data_name(text):
    """An argument's type: what data.load takes; scripts have other defaults for "digits", however it is written."""
    if not text:
        raise argparse.ArgumentTypeError("'' is neither a name nor a path")
    return text.lower() if text.lower() == "digits" else text


positive = number(float, "a number above 0", lambda x: 0 < x < math.inf)
not_negative = number(float, "a number of at least 0", lambda x: 0 <= x < math.inf)
at_least_one = number(float, "a number of at least 1", lambda x: 1 <= x < math.inf)
fraction = number(float, "a number from 0 to below 1", lambda x: 0 <= x < 1)


def parser(model, description=None, **defaults):
    """The arguments that all training scripts share, to which a script adds its paper's -> an ArgumentParser.

    model: a short name, as "dcgan"; its runs go to runs/<model>. defaults: of shared arguments, as steps=4000. An
    argument's value must be one that JSON keeps: a number, string, boolean, None, or a list of them.
    """
    p = Parser(description=description)
    for name, default, least, help in (
            ("--steps", 1000, 1, "how many in all, also with --resume"),
            ("--batch-size", 64, 1, "images a step"),
            ("--seed", 0, 0, "the same seed gives the same bits on the same device"),
            ("--log-every", 50, 1, "steps between rows of log.csv"),
            ("--sample-every", 100, 1, "steps between pictures"),
            ("--checkpoint-every", 500, 1, "steps between checkpoints; Ctrl-C writes one too")):
        p.add_argument(name, type=at_least(least), default=default, metavar="N", help=f"{help} (default: %(default)s)")
    p.add_argument("--data", type=data_name, default="digits",
                   help="a name, a folder of images or an .npz file (default: %(default)s)")
    p.add_argument("--data-dir", metavar="DIR", help="where named data sets lie; without it they are downloaded, once")
    p.add_argument("--device", help=f"one of {', '.join(devices.DEVICES)} (default: MINIGAN_DEVICE, or the fastest)")
    p.add_argument("--out", default=f"runs/{model}", metavar="DIR", help="the run directory (default: %(default)s)")
    p.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out with the arguments in its "
                   f"config.json, of which only these may be given anew: {', '.join(map(_option, FREE))}")
    p.add_argument("--quiet", action="store_true", help="print only errors and the last line")
    p.add_argument("--networks", metavar="FILE.py", help="your own networks: it defines Generator and Discriminator")
    p.set_defaults(model=model, **defaults)
    return p


def parse(parser, argv=None):
    """Read and check the command line, choose the device and name it, seed the random numbers -> the arguments.

    Added to them: `networks_module`, what --networks defines, or None, and `networks_sha256`; `config`, the content of
    config.json. Exits with one sentence and status 2 if anything is wrong.
    """
    args = parser.parse_args(argv)
    with one_sentence():
        if missing := [package for package in PACKAGES if importlib.util.find_spec(package) is None]:
            raise ImportError(f"scripts need {', '.join(missing)}, which is missing: pip install 'minigan[examples]'")
        kept = _kept_arguments(args)
        for action in parser._actions:
            _check_kept(action, kept.get(action.dest), Path(args.out, CONFIG))
        args = parser.parse_args(argv, argparse.Namespace(**kept))  # what is kept stands in for the defaults
        for name, value in kept.items():
            if name not in FREE and (given := getattr(args, name)) != value:
                raise ValueError(f"{_option(name)} {given} contradicts {Path(args.out, CONFIG)}, which has {value}: "
                                 "leave it out to go on, or start anew with another --out")
        if args.device is not None:
            devices.set_device(args.device, f"{CONFIG if 'device' in kept else '--device'} says so")
        args.device = devices.name
        rng.manual_seed(args.seed)
        networks = load_networks(args.networks) if args.networks else (None, None)
    args.config = _describe(args)
    args.networks_module, args.networks_sha256 = networks
    if not args.quiet:
        messages.say(devices.describe())
    return args


def _option(name):
    return "--" + name.replace("_", "-")


def _kept_arguments(args):
    """The arguments of the run to go on with; {} if there is none, or --resume was not given."""
    folder, path = Path(args.out), Path(args.out, CONFIG)
    begun = (folder / CHECKPOINT).exists()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"--out {folder} is a file, expected a folder or a name for a new one")
    if begun and not args.resume:
        raise FileExistsError(f"{folder} holds a {CHECKPOINT}: go on with --resume, or choose another --out")
    if begun and not path.exists():
        raise FileNotFoundError(f"{path} is missing, without which --resume does not know the arguments")
    if not args.resume:
        _check_ours(folder)
    if not args.resume or not path.exists():
        return {}
    with reading(f"{path} is damaged"):
        config = json.loads(path.read_text(encoding="utf-8"))
        model, kept = config["model"], dict(config["arguments"])
    if model != args.model:
        raise ValueError(f"{folder} holds a run of {model}, expected {args.model}")
    if unknown := sorted(set(kept) - set(vars(args))):
        raise ValueError(f"{path} has arguments that this script does not know: {', '.join(unknown)}")
    return kept


def _check_ours(folder):
    """Refuse a folder in which a run would overwrite what is no run's."""
    written = [name for name in (CONFIG, LOG, "samples.png", "samples", "training.gif", "losses.png")
               if (folder / name).exists()]
    with contextlib.suppress(OSError, ValueError, TypeError):
        if {"model", "arguments"} <= set(json.loads((folder / CONFIG).read_text(encoding="utf-8"))):
            return
    if written:
        raise FileExistsError(f"{folder} holds {', '.join(written)}, but no {CONFIG} of a run: choose another --out")


def _check_kept(action, value, path):
    """What stands in config.json is held to what the command line is."""
    for each in value if isinstance(value, list) else [value]:
        if action.type and each is not None:
            try:
                action.type(str(each))
            except argparse.ArgumentTypeError as error:
                raise ValueError(f"{path}: {_option(action.dest)}: {error}") from None


def _describe(args):
    """The content of config.json: what is needed to repeat the run."""
    versions = {name: sys.modules[name].__version__ for name in ("minigan", "numpy", "cupy") if name in sys.modules}
    return {"model": args.model, "command": shlex.join([sys.executable, *sys.argv]),
            "arguments": {name: value for name, value in vars(args).items() if name not in NOT_KEPT},
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
