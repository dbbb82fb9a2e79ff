"""Trained networks: from a checkpoint, with their weights, or from a user's own Python file.

For sample.py, translate.py and evaluate.py, which do not train. What a training needs to go on
from its checkpoint is in resuming.py.

A checkpoint may come from somebody else, so nothing that it names is run. Of a user's own networks
it holds only the hash. Their file is named again on the command line, and must have this hash.
"""

import hashlib
import os
import types
from pathlib import Path

import numpy as np

from .. import models
from ..files.bounded import read_bytes
from ..files.foreign import in_one_line, shown
from ..models import check_arguments
from . import checkpoint
from .resuming import networks_digest
from .run_folder import CHECKPOINT

LARGEST_NETWORKS = 1 << 20  # bytes of a file of networks


def load_networks(path, sha256=None):
    """Run the file of --networks, which must define Generator and Discriminator.

    path: from the command line, never from a file. sha256: the hash that a checkpoint has; None
    accepts any file. -> the module and the SHA-256 of the file. Raises ValueError or OSError.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}, which --networks names")
    source = read_bytes(path, LARGEST_NETWORKS)
    found = hashlib.sha256(source).hexdigest()
    if sha256 not in (None, found):
        raise ValueError(
            f"--networks {path} has SHA-256 {found}, expected {sha256}: it was changed since the "
            "training"
        )
    module = types.ModuleType(Path(path).stem)
    module.__file__ = str(path)
    try:
        code = compile(source, str(path), "exec")  # exactly the bytes that were hashed
        exec(code, module.__dict__)
    except (Exception, SystemExit) as error:  # a user's file may raise anything
        raise ValueError(
            f"--networks {path} cannot be run: {type(error).__name__}: {in_one_line(error)}"
        ) from error
    for name in ("Generator", "Discriminator"):
        if not callable(getattr(module, name, None)):
            raise ValueError(f"--networks {path} does not define {name}")
    return module, found


def find_checkpoint(run_or_checkpoint):
    """The checkpoint in a run directory, or the file itself -> Path.

    Raises FileNotFoundError if there is none.
    """
    path = Path(run_or_checkpoint)
    if not os.path.lexists(path):
        raise FileNotFoundError(f"there is no folder or file {path}")
    if path.is_dir():
        path = path / CHECKPOINT
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    return path


def load_finite(path):
    """Load the state in a checkpoint file. ValueError if it is damaged or holds NaN or infinity."""
    state = checkpoint.load(path)
    tree, arrays = checkpoint.flatten(state)
    name = checkpoint.first_not_finite(tree, arrays)
    if name:
        raise ValueError(f"checkpoint {path}: its {name} is not finite")
    return state


def about_of(state):
    """The entry "run" of a checkpoint, in which it says of itself: a dict, or None without one.

    It has the model, the networks' architecture, how to sample, the step and the random generator:
    see Run.about. Elsewhere it is called `about`.
    """
    about = state.get("run") if isinstance(state, dict) else None
    return about if isinstance(about, dict) else None


def own_networks(about, networks):
    """The module of a user's own networks that a checkpoint was trained with, or None.

    networks: the file that --networks names on the command line, or None. The checkpoint has only
    its hash. Raises ValueError if one is there without the other, or they do not fit.
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
            "it was trained with your own networks, of which it holds only the hash: give "
            "their file, --networks FILE.py"
        )
    return load_networks(networks, digest)[0]


def build_network(network, architecture, arrays):
    """Build a network, and load a checkpoint's arrays, {name: array}, into it.

    Raises ValueError or TypeError if they do not fit.
    """
    values = arrays.values() if isinstance(arrays, dict) else [None]
    if not all(isinstance(array, np.ndarray) for array in values):
        raise ValueError(f"its weights are {shown(arrays)}, expected names and arrays")
    stored_elements = sum(array.size for array in arrays.values())
    check_arguments(architecture)
    built = models.build(network, models.share_of(network, architecture), stored_elements)
    for name, tensor in built.named_tensors():
        if name in arrays and arrays[name].dtype.newbyteorder("=") != tensor.dtype:
            raise ValueError(f"its {shown(name)} is {arrays[name].dtype}, expected {tensor.dtype}")
    return built.load_state_dict(arrays)
