"""What somebody else may have made: small runs and crafted checkpoints, and the scripts that read
them.
"""

import importlib
import json
import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

import minigan as mg

SMALL = ("--steps", 2, "--batch-size", 4, "--quiet")
SCRIPTS = {
    "gan": ("train_gan", "--hidden", 3, "--units", 2),
    "dcgan": ("train_dcgan", "--width", 2),
    "wgan": (
        "train_wgan",
        *"--penalty clip --generator mlp --critic mlp".split(),
        *"--hidden 3 --image-size 4 --n-critic 1".split(),
    ),
    "cyclegan": (
        "train_cyclegan",
        *"--image-size 16 --load-size 16 --width 2 --blocks 1".split(),
        *"--patch-width 2 --patch-layers 1".split(),
    ),
}
every_script = pytest.mark.parametrize("model", SCRIPTS)


def call(script, *options):
    """Run an example in this process -> its exit status, or the sentence that it ended with."""
    try:
        importlib.import_module(script).main(list(map(str, options)))
    except SystemExit as stop:
        return stop.code or 0
    return 0


def train_all(folder):
    """Train each model for two steps, in folder/MODEL."""
    for model, (script, *options) in SCRIPTS.items():
        assert call(script, *options, *SMALL, "--out", folder / model) == 0
    return folder


def look(folder):
    """{path: (kind, bytes, time of the last change)} of a folder and everything in it."""
    seen = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        seen[path] = status.st_mode, content, status.st_mtime_ns
    return seen


def write(path, state):
    """Write a state that `save` might refuse: the leaves may be any JSON."""
    tree, arrays = as_json(state, ())
    header = {"format": "minigan checkpoint", "version": 1, "state": tree}
    entries = [("tree.json", json.dumps(header))]
    for name, array in arrays.items():
        entries.append((name + ".npy", npy(array)))
    archive(path, entries)


def as_json(value, path):
    if isinstance(value, np.ndarray):
        name = "/".join(map(str, path)) or "array"
        return {"$array": name}, {name: value}
    arrays = {}

    def inside(key, item):
        tree, more = as_json(item, (*path, key))
        arrays.update(more)
        return tree

    if isinstance(value, dict):
        return {"$pairs": [[key, inside(key, item)] for key, item in value.items()]}, arrays
    if isinstance(value, (list, tuple)):
        items = [inside(i, item) for i, item in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items, arrays
    return value, arrays


def npy(array):
    stream = BytesIO()
    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=True)
    return stream.getvalue()


def archive(path, entries, compression=zipfile.ZIP_STORED, comment=b""):
    """Write a zip file of entries (name, data) to a path, or to a stream."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in entries:
            file.writestr(name, data)
        file.comment = comment


def replaced(state, path, value):
    """A copy of the state with another value at this path, a tuple of keys."""
    if not path:
        return value
    if isinstance(state, dict):
        return {
            key: replaced(item, path[1:], value) if key == path[0] else item
            for key, item in state.items()
        }
    return type(state)(
        replaced(item, path[1:], value) if i == path[0] else item for i, item in enumerate(state)
    )


def spoiled(array):
    """{what: array} of arrays that no training has in the place of this one."""
    flat = array.astype(float)
    spoil = {
        "another shape": np.zeros((*array.shape, 1), array.dtype),
        "no axes": np.array(array.flat[0]),
        "empty": np.zeros(0, array.dtype),
        "one more": np.zeros(array.size + 1, array.dtype),
    }
    if array.dtype.kind == "f":
        for name, value in (("NaN", np.nan), ("infinity", np.inf), ("minus infinity", -np.inf)):
            spoil[name] = flat.astype(array.dtype)
            spoil[name].flat[-1] = value
    for dtype in ("f8", ">f4", "f2", "i4", "?", "c8", ">i8", "u1"):
        if np.dtype(dtype) != array.dtype:
            spoil[dtype] = np.zeros(array.shape, dtype)
    return {
        what: other
        for what, other in spoil.items()
        if (other.dtype, other.shape) != (array.dtype, array.shape) or not np.isfinite(other).all()
    }


def readers(model, folder, tmp_path):
    """The command lines of all scripts that read a checkpoint of this model."""
    train = SCRIPTS[model][0]
    if model == "cyclegan":
        return [
            ("translate", folder, "--input", tmp_path, "--out", tmp_path.parent / "out"),
            ("score_translation", folder),
            (train, "--resume", "--steps", 3, "--quiet", "--out", folder),
        ]
    return [
        ("sample", folder, "-n", 1, "--out", tmp_path / "grid.png"),
        ("evaluate", folder, "-n", 10),
        ("latent_arithmetic", folder, "-n", 100, "--out", tmp_path / "grid.png"),
        (train, "--resume", "--steps", 3, "--quiet", "--out", folder),
    ]


def copied(folder, tmp_path, **about):
    """A copy of a run whose checkpoint says other things of itself."""
    out = Path(shutil.copytree(folder, tmp_path / "copy"))
    state = mg.load(out / "checkpoint.npz")
    state["run"].update(about)
    write(out / "checkpoint.npz", state)
    return out


def refused(capsys, script, *options):
    """The one line with which a script refuses a checkpoint."""
    capsys.readouterr()
    status = call(script, *options)
    said = status + "\n" if isinstance(status, str) else capsys.readouterr().err
    assert said.count("\n") == 1 and "Traceback" not in said and status != 0, (script, status, said)
    return said
