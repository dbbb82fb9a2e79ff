"""Going on from a checkpoint: is it whole, is it of this training, and was all of it taken up?

A checkpoint may be damaged or come from somebody else. Each fault is one sentence, and the run
directory stays as it was.
"""

import re
import sys
import zlib
from pathlib import Path

from ..files.foreign import check_names, check_stored_int, in_one_line, shown
from . import checkpoint
from .run_folder import CHECKPOINT


def load_or_exit(folder):
    """Load the state in a run's checkpoint. Exits with one sentence if the file is damaged."""
    try:
        return checkpoint.load(Path(folder, CHECKPOINT))
    except (ValueError, OSError, MemoryError) as error:
        refuse_checkpoint(folder, error)


def refuse_checkpoint(folder, error):
    """Exit with one sentence, and leave the run directory as it is."""
    sys.exit(f"cannot go on from the checkpoint in {folder}: {in_one_line(error)}")


def networks_digest(about):
    """The SHA-256 of the user's own networks that a checkpoint was trained with, or None.

    about: what the checkpoint says of itself, its "run". It may hold a hash and nothing more: no
    path in it is ever opened, and no code that it names is run. Raises ValueError.
    """
    networks = about.get("networks")
    if networks is None:
        return None
    digest = networks.get("sha256") if isinstance(networks, dict) else None
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError(
            f"its networks is {shown(networks)}, expected None or the SHA-256 of their file"
        )
    return digest


def check_same_training(resumed, about, names):
    """Raise ValueError if a checkpoint is of another training, or holds what no run writes.

    resumed: its state. about: what this run says of itself. names: the names in this run's state.
    """
    expected = sorted(["run", *names])
    found = sorted(map(str, resumed)) if isinstance(resumed, dict) else resumed
    if found != expected:
        raise ValueError(f"it holds {shown(found)}, expected {expected}")
    said = resumed["run"]
    check_names("its run", said, {*about, "step", "rng"})
    if networks_digest(said) != networks_digest(about):
        raise ValueError(f"its networks is {shown(said['networks'])}, expected {about['networks']}")
    for name in ("model", "architecture", "sampling"):
        if said[name] != about[name] or _kinds(said[name]) != _kinds(about[name]):
            text = said[name] if isinstance(said[name], str) else shown(said[name])
            raise ValueError(f"its {name} is {text[:100]}, expected {about[name]}")
    check_stored_int("its step", said["step"])
    tree, arrays = checkpoint.flatten(resumed)
    name = checkpoint.first_not_finite(tree, arrays)
    if name:
        raise ValueError(f"its {name} is not finite")


def _kinds(state):
    """The types of a state's leaves, {path: type}: True == 1, but their types differ."""
    return {path: type(leaf) for path, leaf in checkpoint.leaves(state)}


def check_taken_up(name, state, restored):
    """Raise ValueError unless the loaded state, saved again, would be what the checkpoint holds.

    So no value is silently converted, dropped or replaced, whatever object has loaded it.
    name, state: of the checkpoint. restored: the object's state_dict() afterwards.
    """
    leaves = dict(checkpoint.leaves(restored))
    for path, value in checkpoint.leaves(state):
        where = "/".join(map(str, (name, *path)))[:100]
        if path not in leaves:
            raise ValueError(f"its {where} has no place in this training")
        if not checkpoint.same_leaf(value, leaves[path]):
            raise ValueError(
                f"its {where} is {shown(value)}, which was taken up as {shown(leaves[path])}"
            )


def fingerprint(thing):
    """A value that changes if the state of an object changes, or its mode by eval()."""
    tree, arrays = checkpoint.flatten(thing.state_dict())
    sums = [zlib.crc32(array.tobytes()) for array in arrays.values()]
    return str(tree), sums, getattr(thing, "training", None)
