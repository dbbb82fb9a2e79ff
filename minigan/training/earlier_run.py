"""The run that --out may hold already: may a command begin one there, or go on with it?

Without --resume, a folder with a checkpoint is refused, and so is one whose files are not a run's.
With --resume, the arguments come from config.json. Both files may come from somebody else, so the
config is compared with the checkpoint before anything is built from it.
"""

import os
from pathlib import Path

import numpy as np

from ..files.foreign import shown
from .checkpoint import leaves
from .loading import about_of
from .overrides import as_written, check_architecture, may_be_overridden
from .resuming import load_or_exit, networks_digest
from .run_config import is_run, option, read_config
from .run_folder import CHECKPOINT, CONFIG, WRITTEN, has_checkpoint


def kept_arguments(args):
    """The arguments in config.json of the run to go on with -> dict.

    It is empty without --resume. A run that was killed before its first checkpoint has left a
    config.json, and begins at step 0 again with these arguments. Raises ValueError or OSError if
    the command may not use the folder --out, or if --resume finds no run there.
    """
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
    if not args.resume:
        return {}
    if not path.exists():
        raise FileNotFoundError(
            f"there is no run in {folder} to go on with: check --out, or leave out --resume to "
            "begin one"
        )
    config = read_config(path)
    if config.get("model") != args.model:
        raise ValueError(
            f"{folder} holds a run of {_name_of(config.get('model'))}, expected {args.model}"
        )
    if not begun:
        _check_ours(folder)
    return config["arguments"]


def _name_of(model):
    """A model's name from config.json, as it is if it is short and plain."""
    if isinstance(model, str) and model.isidentifier() and len(model) < 50:
        return model
    return shown(model)


def _check_ours(folder):
    """Refuse a folder in which a run would overwrite files that are not a run's."""
    written = [name for name in WRITTEN if _is_somebodys(folder / name)]
    if written and not is_run(folder):
        raise FileExistsError(
            f"{folder} holds {', '.join(written)}, but no {CONFIG} of a run: choose another --out"
        )


def _is_somebodys(path):
    """Whether there is something that must not be lost: an empty folder is not.

    A run that ends before it can write its config.json leaves an empty folder for its samples.
    """
    if path.is_dir() and not path.is_symlink():
        return any(path.iterdir())
    return os.path.lexists(path)


def check_own_networks(args, kept):
    """Refuse --networks where the run has none, and the other way round.

    The file of a user's own networks is given again with --resume, because it may lie elsewhere
    now. Its hash says whether it is the same.
    """
    named = kept.get("networks")
    if named and not args.networks:
        raise ValueError(
            f"{args.out} was trained with your own networks, from {shown(named)}: nothing that "
            "a run directory names is run, so give their file again, --networks FILE.py"
        )
    if args.networks and "networks" in kept and not named:
        raise ValueError(
            f"--networks {args.networks} contradicts {Path(args.out, CONFIG)}, which has {named}: "
            "leave it out to go on, or start anew with another --out"
        )


def check_contradictions(args, given, kept, free):
    """Refuse an argument that would change the training's bits; those that are `free` may change.

    given: what stands on the command line; kept: what stands in config.json.
    """
    for name, value in kept.items():
        if name in given and name not in free and given[name] != value:
            ways = "leave it out to go on"
            if may_be_overridden(name):
                ways += f", change it from here on with {as_written(name, given[name])}"
            raise ValueError(
                f"{option(name)} {given[name]} contradicts {Path(args.out, CONFIG)}, which has "
                f"{value}: {ways}, or start anew with another --out"
            )


def look_at_checkpoint(args, kept, overridden):
    """How many elements the checkpoint's arrays have, and the hash of its own networks -> a pair.

    Both are None without a checkpoint to go on from. The sizes in config.json are compared with the
    checkpoint's here, before anything is loaded or built from them. overridden: {name: value}, of
    which none may be a part of the networks.
    """
    if not args.resume or not has_checkpoint(args.out):
        return None, None
    state = load_or_exit(args.out)
    about = about_of(state) or {}
    check_architecture(overridden, about.get("architecture"))
    _check_sizes(args, kept, about.get("architecture"))
    arrays = [leaf for _, leaf in leaves(state) if isinstance(leaf, np.ndarray)]
    stored_elements = sum(array.size for array in arrays)
    return stored_elements, networks_digest(about) if args.networks else None


def _check_sizes(args, kept, architecture):
    """Raise ValueError where config.json and the checkpoint differ in a size of the networks."""
    if not isinstance(architecture, dict):
        return
    for name, size in architecture.items():
        is_size = type(size) is int or name == "image_size"
        if is_size and name in kept and kept[name] != size:
            raise ValueError(
                f"{Path(args.out, CONFIG)}: {option(name)} is {shown(kept[name])}, but the "
                f"checkpoint was trained with {shown(size)}"
            )
