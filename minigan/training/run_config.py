"""config.json: the arguments of a run, which --resume reads as if they stood on a command line.

The file may come from somebody else. So every value in it must be one that the script's own
arguments accept; it cannot move the run to another folder, and nothing that it names is run. A
folder is a run's if it holds such a file.
"""

import argparse
import platform
import shlex
import sys

from .. import devices
from ..files import reading
from ..files.bounded import read_bytes
from ..files.foreign import in_one_line, parse_json, shown
from .history import check_history
from .run_folder import CONFIG

LARGEST_FILE = 1 << 20  # bytes; a script writes some 2,000
LONGEST_TEXT = 4096  # characters of one value, as many as a path may have


def option(name):
    """The argument `name` as it is written on a command line."""
    return "--" + name.replace("_", "-")


def described(model, arguments):
    """The content of config.json, from which a run can be repeated -> dict."""
    versions = {"python": platform.python_version()}
    for name in ("minigan", "numpy", "cupy"):
        if name in sys.modules:
            versions[name] = sys.modules[name].__version__
    return {
        "model": model,
        "command": shlex.join([sys.executable, *sys.argv]),
        "arguments": arguments,
        "device": devices.describe(),
        "versions": versions,
    }


def read_config(path):
    """Read a run's config.json -> dict. Raises ValueError or FileNotFoundError."""
    with reading(f"{path} is damaged"):
        config = parse_json(read_bytes(path, LARGEST_FILE))
        if not isinstance(config, dict):
            raise ValueError(f"it is {shown(config)}, expected a dict")
        if not isinstance(config.get("arguments"), dict):
            raise ValueError(f"its arguments are {shown(config.get('arguments'))}, expected a dict")
        check_history(config)
        return config


def is_run(folder):
    """Whether the folder holds a config.json with a model, arguments and minigan's version."""
    try:
        config = read_config(folder / CONFIG)
    except (OSError, ValueError):
        return False
    versions = config.get("versions")
    return (
        isinstance(config.get("model"), str)
        and isinstance(versions, dict)
        and "minigan" in versions
    )


def check_arguments(parser, kept, path, not_kept):
    """Raise ValueError unless `kept` are arguments that the parser would have accepted.

    kept: {name: value} of the config.json at `path`. not_kept: arguments that do not stand there.
    """
    actions = {
        action.dest: action for action in parser._actions if action.dest not in ("help", *not_kept)
    }
    unknown = sorted(set(kept) - set(actions))
    if unknown:
        names = shown(", ".join(unknown)).strip("'\"")
        raise ValueError(f"{path} has arguments that this script does not know: {names}")
    for name, value in kept.items():
        action = actions[name]
        if value is None and action.default is None:
            continue
        try:
            _check_values(action, value)
        except (argparse.ArgumentTypeError, ValueError, TypeError) as error:
            raise ValueError(f"{path}: {option(name)}: {in_one_line(error)}") from None


def _check_values(action, value):
    """Check one value, or each of the list where the argument takes several."""
    several = isinstance(action.nargs, int) and action.nargs > 0 or action.nargs in ("*", "+")
    if not several:
        _check_value(action, value)
        return
    if not isinstance(value, list):
        raise ValueError(f"{shown(value)} is not a list")
    for item in value:
        _check_value(action, item)


def _check_value(action, value):
    """Raise ValueError unless the value is what its text would become on a command line."""
    if action.nargs == 0:  # a flag
        if not isinstance(value, bool):
            raise ValueError(f"{shown(value)} is neither true nor false")
        return
    if type(value) not in (int, float, str):
        raise ValueError(f"{shown(value)} is neither a number nor a text")
    text = value if isinstance(value, str) else repr(value)
    if len(text) > LONGEST_TEXT:
        raise ValueError(
            f"{shown(value)} has {len(text)} characters, expected at most {LONGEST_TEXT}"
        )
    converted = action.type(text) if action.type else text
    if isinstance(converted, str) != isinstance(value, str) or converted != value:
        raise ValueError(
            f"{shown(value)} is not {shown(converted)}, which it would be on a command line"
        )
    if action.choices is not None and converted not in action.choices:
        raise ValueError(f"{shown(value)} is none of {', '.join(map(str, action.choices))}")
