"""For tests of what somebody else may have made: small runs, crafted checkpoints, and who reads
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
        "--penalty",
        "clip",
        "--generator",
        "mlp",
        "--critic",
        "mlp",
        "--hidden",
        3,
        "--image-size",
        4,
        "--n-critic",
        1,
    ),
    "cyclegan": (
        "train_cyclegan",
        "--image-size",
        16,
        "--load-size",
        16,
        "--width",
        2,
        "--blocks",
        1,
        "--patch-width",
        2,
        "--patch-layers",
        1,
    ),
}
every_script = pytest.mark.parametrize("model", SCRIPTS)


def call(script, *options):
    """Run an example in this process -> its exit status, a sentence where it ended with one."""
    try:
        importlib.import_module(script).main(list(map(str, options)))
    except SystemExit as stop:
        return stop.code or 0
    return 0


def look(folder):
    """{path: (kind, bytes, time of the last change)} of a folder and all in it."""
    seen = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        seen[path] = status.st_mode, content, status.st_mtime_ns
    return seen


def write(path, state):
    """Write a state that `save` might refuse: the leaves may be any JSON."""
    tree, arrays = as_json(state, ())
    archive(
        path,
        [
            (
                "tree.json",
                json.dumps({"format": "minigan checkpoint", "version": 1, "state": tree}),
            ),
            *((name + ".npy", npy(array)) for name, array in arrays.items()),
        ],
    )


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


def archive(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in entries:
            file.writestr(name, data)


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
    """{what: array} of arrays that stand in no training for this one."""
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
    """The one line with which a script refuses a checkpoint, or None where it does what it
    should.
    """
    capsys.readouterr()
    status = call(script, *options)
    said = status + "\n" if isinstance(status, str) else capsys.readouterr().err
    assert said.count("\n") == 1 and "Traceback" not in said and status != 0, (script, status, said)
    return said
