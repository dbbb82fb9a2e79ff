"""A checkpoint from somebody else runs no code, costs no more than its bytes, and is refused before anything is touched."""

import importlib
import json
import os
import random
import time
import tracemalloc
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan import checkpoint, run

pytest.importorskip("matplotlib", reason="training draws its losses")

SMALL = ("--steps", 2, "--batch-size", 4, "--quiet")
SCRIPTS = {
    "gan": ("train_gan", "--hidden", 3, "--units", 2),
    "dcgan": ("train_dcgan", "--width", 2),
    "wgan": ("train_wgan", "--penalty", "clip", "--generator", "mlp", "--critic", "mlp", "--hidden", 3,
             "--image-size", 4, "--n-critic", 1),
    "cyclegan": ("train_cyclegan", "--image-size", 16, "--load-size", 16, "--width", 2, "--blocks", 1,
                 "--patch-width", 2, "--patch-layers", 1),
}
every_script = pytest.mark.parametrize("model", SCRIPTS)


def call(script, *options):
    """Run an example in this process -> its exit status, a sentence where it ended with one."""
    try:
        importlib.import_module(script).main(list(map(str, options)))
    except SystemExit as stop:
        return stop.code or 0
    return 0


class Trained:
    """A run of each model, and the session that trained it: its _restore is what --resume calls."""

    def __init__(self, folder, monkeypatch):
        self.sessions, self.folders = {}, {}
        begin = run.Run.__init__
        for model, (script, *options) in SCRIPTS.items():
            def note(session, *args, model=model, **more):
                begin(session, *args, **more)
                self.sessions[model] = session

            monkeypatch.setattr(run.Run, "__init__", note)
            self.folders[model] = folder / model
            assert call(script, *options, *SMALL, "--out", folder / model) == 0
        monkeypatch.setattr(run.Run, "__init__", begin)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return Trained(tmp_path_factory.mktemp("trained"), patch)


def look(folder):
    """{path: (kind, bytes, time of the last change)} of a folder and all in it."""
    seen = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        seen[path] = status.st_mode, content, status.st_mtime_ns
    return seen


@pytest.fixture
def resume(trained, capsys):
    """resume("gan", state or bytes) puts a checkpoint into the run and goes on from it -> what was said, or None.

    Nothing in the run directory may change; what is said is one line. None: it was taken up, and at its end already.
    """
    def go_on(model, crafted):
        session, folder = trained.sessions[model], trained.folders[model]
        path = folder / "checkpoint.npz"
        good = path.read_bytes(), path.stat().st_mtime_ns
        if isinstance(crafted, bytes):
            path.write_bytes(crafted)
        else:
            write(path, crafted)
        os.utime(path, ns=(good[1], 0))  # older than the pictures, so that there are none to draw
        session.saved = -1
        before = look(folder)
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as stop:
                next(iter(session))
            assert look(folder) == before
        finally:
            path.write_bytes(good[0])
            os.utime(path, ns=(good[1], good[1]))
        if stop.value.code == 0:
            assert "nothing changed" in capsys.readouterr().out
            return None
        said = stop.value.code
        assert said.startswith(f"cannot go on from the checkpoint in {folder}: "), said
        assert "\n" not in said and len(said) < 600, said
        return said

    return go_on


def write(path, state):
    """Write a state that `save` might refuse: the leaves may be any JSON."""
    tree, arrays = as_json(state, ())
    archive(path, [("tree.json", json.dumps({"format": "minigan checkpoint", "version": 1, "state": tree})),
                   *((name + ".npy", npy(array)) for name, array in arrays.items())])


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
        return {key: replaced(item, path[1:], value) if key == path[0] else item for key, item in state.items()}
    return type(state)(replaced(item, path[1:], value) if i == path[0] else item for i, item in enumerate(state))


# ---- leaves of the tree


ODD = [None, True, False, -1, 0.5, -0.5, 10**12, 2**63, 10**200, 1e308, float("nan"), float("inf"), float("-inf"), "",
       "text", "x" * 5000, "line\nbreak", "\x1b[2J\ud800", [], {}, (), [1], {"a": 1}, [[[[]]]] * 3, {"$": 1},
       np.zeros(3), np.array(1.0), np.array(np.nan), np.zeros((2, 2), ">i2")]
MAY_BE = {"step", "count", "epoch", "position", "lr", "betas", "eps", "momentum", "weight_decay", "alpha", "base", "inc",
          "state", "has_uint32", "uinteger", "checksum"}  # numbers of which another one can be right


def same(a, b):
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and checkpoint.same_leaf(a, b)
    return type(a) is type(b) and a == b


@every_script
def test_a_leaf_of_another_value_is_refused_or_right_and_nothing_is_touched(trained, resume, model):
    check_leaves(trained, resume, model, leaves=30, each=4)


@pytest.mark.slow
@every_script
def test_a_leaf_of_any_other_value_is_refused_or_right_and_nothing_is_touched(trained, resume, model):
    check_leaves(trained, resume, model, leaves=None, each=len(ODD))


def check_leaves(trained, resume, model, leaves, each):
    """Go on from checkpoints that have another value at one leaf: so many leaves, or all, so many values at each."""
    state = mg.load(trained.folders[model] / "checkpoint.npz")
    places = [(path, leaf) for path, leaf in checkpoint.leaves(state) if not isinstance(leaf, np.ndarray)]
    chosen = random.Random(0)
    taken_up = 0
    for path, leaf in chosen.sample(places, min(leaves or len(places), len(places))):
        for value in chosen.sample(ODD, each):
            said = resume(model, replaced(state, path, value))
            if said is None and not same(value, leaf):
                taken_up += 1
                right = {key for key in path if isinstance(key, str)} & MAY_BE
                assert right and type(value) in (int, float) or path[-1] == "nesterov", f"{path} may not be {value!r}"
    assert taken_up < len(places) * each / 4


@every_script
def test_a_branch_that_is_missing_replaced_or_added_is_refused(trained, resume, model):
    state = mg.load(trained.folders[model] / "checkpoint.npz")
    for name in state:
        assert resume(model, {key: value for key, value in state.items() if key != name})
        for value in (None, [], {}, 1, "text", np.zeros(2)):
            assert resume(model, {**state, name: value}), (name, value)
        inside = state[name]
        for key in [key for key in inside if not key.endswith("num_batches_tracked")]:  # which may be missing
            assert resume(model, {**state, name: {k: v for k, v in inside.items() if k != key}}), (name, key)
        assert resume(model, {**state, name: {**inside, "more": 1}}), name
    assert resume(model, {**state, "more": {}})
    assert all(resume(model, odd) for odd in (None, [], {}, 1, "text", np.zeros(2), [state]))


# ---- arrays


def spoiled(array):
    """{what: array} of arrays that stand in no training for this one."""
    flat = array.astype(float)
    spoil = {"another shape": np.zeros((*array.shape, 1), array.dtype), "no axes": np.array(array.flat[0]),
             "empty": np.zeros(0, array.dtype), "one more": np.zeros(array.size + 1, array.dtype)}
    if array.dtype.kind == "f":
        for name, value in (("NaN", np.nan), ("infinity", np.inf), ("minus infinity", -np.inf)):
            spoil[name] = flat.astype(array.dtype)
            spoil[name].flat[-1] = value
    for dtype in ("f8", ">f4", "f2", "i4", "?", "c8", ">i8", "u1"):
        if np.dtype(dtype) != array.dtype:
            spoil[dtype] = np.zeros(array.shape, dtype)
    return {what: other for what, other in spoil.items() if (other.dtype, other.shape) != (array.dtype, array.shape)
            or not np.isfinite(other).all()}


@every_script
def test_a_spoiled_array_is_refused_and_nothing_is_touched(trained, resume, model):
    state = mg.load(trained.folders[model] / "checkpoint.npz")
    arrays = [(path, leaf) for path, leaf in checkpoint.leaves(state) if isinstance(leaf, np.ndarray)]
    chosen = random.Random(1)
    tried = 0
    for path, array in chosen.sample(arrays, 20):
        cases = spoiled(array)
        for what in chosen.sample(sorted(cases), 3):
            assert resume(model, replaced(state, path, cases[what])), (path, what)
            tried += 1
    assert tried > 30


@every_script
def test_an_array_in_fortran_order_is_taken_up(trained, resume, model):
    state = mg.load(trained.folders[model] / "checkpoint.npz")
    for path, array in list(checkpoint.leaves(state)):
        if isinstance(array, np.ndarray) and array.ndim > 1:
            state = replaced(state, path, np.asfortranarray(array))
    assert resume(model, state) is None


# ---- the file around them


def crafted_files(good):
    """{what: bytes} of files that are no checkpoint of ours, made from one that is."""
    with zipfile.ZipFile(BytesIO(good)) as file:
        entries = [(entry.filename, file.read(entry)) for entry in file.infolist()]

    def packed(entries, compression=zipfile.ZIP_STORED, comment=b""):
        stream = BytesIO()
        with zipfile.ZipFile(stream, "w", compression) as file:
            for name, data in entries:
                file.writestr(name, data)
            file.comment = comment
        return stream.getvalue()

    name, data = entries[1]
    others = entries[:1] + entries[2:]
    tree = entries[0][1]
    files = {
        "cut in half": good[:len(good) // 2], "cut by a byte": good[:-1], "empty": b"", "zeros": bytes(5000),
        "with something after it": good + b"more", "with zeros after it": good + bytes(100),
        "with something before it": b"#!/bin/sh\n" + good, "with a comment": packed(entries, comment=b"comment"),
        "twice": good + good, "deflated": packed(entries, zipfile.ZIP_DEFLATED),
        "with bzip2": packed(entries, zipfile.ZIP_BZIP2), "without its tree": packed(entries[1:]),
        "without an array": packed(others), "with a folder": packed([*entries, ("folder/", b"")]),
        "with a path upwards": packed([*entries, ("../../evil.npy", data)]),
        "with an absolute path": packed([*entries, ("/etc/evil.npy", data)]),
        "with a line break in a name": packed([*entries, ("a\nb\nc.npy", data)]),
        "with a long name": packed([*entries, ("x" * 60000, data)]),
        "with an array of objects": packed([*others, (name, npy(np.array([{}])))]),
        "with an array of text": packed([*others, (name, npy(np.array(["a"])))]),
        "with a record": packed([*others, (name, npy(np.zeros(1, [("x", "f4")])))]),
        "with a long record": packed([*others, (name, npy(np.zeros(1, [(f"x{i}", "f4") for i in range(900)])))]),
        "with a cut array": packed([*others, (name, data[:-1])]),
        "with a longer array": packed([*others, (name, data + b"1234")]),
        "with an array that is none": packed([*others, (name, b"hello")]),
        "with a tree that is none": packed([(entries[0][0], tree[:-5]), *entries[1:]]),
        "with two names in its tree": packed([("tree.json", tree[:-1] + b',"state": 1}'), *entries[1:]]),
        "with a tree in UTF-16": packed([("tree.json", tree.decode().encode("utf-16")), *entries[1:]]),
        "with a deep tree": packed([("tree.json", b"[" * 100_000 + b"]" * 100_000), *entries[1:]]),
        "with deep tuples": packed([("tree.json", b'{"$tuple":[' * 20_000 + b"]}" * 20_000), *entries[1:]]),
        "with a number too long": packed([("tree.json", tree.replace(b'"step": 2', b'"step": ' + b"2" * 9999)),
                                          *entries[1:]]),
        "with a number too large": packed([("tree.json", tree.replace(b'"step": 2', b'"step": 2e999')), *entries[1:]]),
    }
    for what, shape in (("a terabyte", (10**12,)), ("more than there are bytes", (2**40, 2**40)), ("less", (0,)),
                        ("a negative side", (-1,)), ("a huge side beside none", (0, 2**70))):
        header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
        forged = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data[128:]
        files[f"with an array that claims {what}"] = packed([*others, (name, forged)])
    encrypted = bytearray(good)
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    files["encrypted"] = bytes(encrypted)
    with pytest.warns(UserWarning, match="Duplicate name"):
        files["with an entry twice"] = packed([*entries, entries[1]])
    return files


def test_a_crafted_file_is_refused_and_nothing_is_touched(trained, resume):
    good = (trained.folders["gan"] / "checkpoint.npz").read_bytes()
    for what, crafted in crafted_files(good).items():
        started = time.monotonic()
        tracemalloc.start()
        assert resume("gan", crafted), what
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 30 * len(crafted) + 10_000_000 and time.monotonic() - started < 5, what


def test_a_checkpoint_with_changed_bytes_is_refused_or_the_same(trained, resume):
    folder = trained.folders["gan"]
    good, state = (folder / "checkpoint.npz").read_bytes(), mg.load(folder / "checkpoint.npz")
    chosen = random.Random(2)
    refused = 0
    for _ in range(150):
        changed = bytearray(good)
        for _ in range(chosen.choice((1, 1, 1, 8))):
            changed[chosen.randrange(len(good))] = chosen.randrange(256)
        if resume("gan", bytes(changed)):
            refused += 1
        else:
            (folder.parent / "changed.npz").write_bytes(changed)
            again = mg.load(folder.parent / "changed.npz")
            assert all(same(a, b) for (_, a), (_, b) in zip(checkpoint.leaves(state), checkpoint.leaves(again)))
    assert refused > 100


@pytest.mark.parametrize("what", ["fifo", "device", "folder", "broken link to itself"])
def test_a_checkpoint_that_is_no_regular_file_is_refused_at_once(trained, tmp_path, capsys, monkeypatch, what):
    import shutil

    out = Path(shutil.copytree(trained.folders["gan"], tmp_path / "run"))
    path = out / "checkpoint.npz"
    path.unlink()
    if what == "fifo":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    before = {file: file.lstat().st_mtime_ns for file in out.rglob("*")}
    for script, *options in (("sample", out), ("evaluate", out), ("translate", out, "--input", out, "--out", "x"),
                             ("sample", path), ("train_gan", "--resume", "--out", out)):
        said = refused(capsys, script, *options)
        assert "regular file" in said or "there is no checkpoint" in said or "symbolic links" in said, said
    assert {file: file.lstat().st_mtime_ns for file in out.rglob("*")} == before


# ---- nothing that a checkpoint names is run or opened


TRAP = "open({!r}, 'w').close()\nfrom minigan.models.dcgan import Generator, Discriminator\n"


def readers(model, folder, tmp_path):
    """The command lines of all scripts that read a checkpoint of this model."""
    train = SCRIPTS[model][0]
    if model == "cyclegan":
        return [("translate", folder, "--input", tmp_path, "--out", tmp_path.parent / "out"),
                ("score_translation", folder), (train, "--resume", "--steps", 3, "--quiet", "--out", folder)]
    return [("sample", folder, "-n", 1, "--out", tmp_path / "grid.png"), ("evaluate", folder, "-n", 10),
            ("latent_arithmetic", folder, "-n", 100, "--out", tmp_path / "grid.png"),
            (train, "--resume", "--steps", 3, "--quiet", "--out", folder)]


def copied(folder, tmp_path, **about):
    """A copy of a run whose checkpoint says other things of itself."""
    import shutil

    out = Path(shutil.copytree(folder, tmp_path / "copy"))
    state = mg.load(out / "checkpoint.npz")
    state["run"].update(about)
    write(out / "checkpoint.npz", state)
    return out


def refused(capsys, script, *options):
    """The one line with which a script refuses a checkpoint, or None where it does what it should."""
    capsys.readouterr()
    status = call(script, *options)
    said = status + "\n" if isinstance(status, str) else capsys.readouterr().err
    assert said.count("\n") == 1 and "Traceback" not in said and status != 0, (script, status, said)
    return said


@every_script
@pytest.mark.parametrize("digest", [None, "right", "wrong"])
def test_no_file_that_a_checkpoint_names_is_run(trained, tmp_path, capsys, model, digest):
    import hashlib

    trap, source = tmp_path / "trap", tmp_path / "networks.py"
    source.write_text(TRAP.format(str(trap)))
    sha256 = {None: None, "wrong": "0" * 64, "right": hashlib.sha256(source.read_bytes()).hexdigest()}[digest]
    out = copied(trained.folders[model], tmp_path, networks={"file": str(source), "sha256": sha256})
    before = look(out)
    for script, *options in readers(model, out, tmp_path):
        said = refused(capsys, script, *options)
        assert "networks" in said, said
        assert digest != "right" or script.startswith("train_") or "--networks FILE.py" in said
    assert look(out) == before and not trap.exists()


@pytest.mark.parametrize("networks", [
    {"file": "/dev/zero", "sha256": "0" * 64}, {"file": "/dev/zero", "sha256": None}, {"file": 3, "sha256": "0"}, {},
    {"sha256": "../../x"}, {"sha256": ["0" * 64]}, "0" * 64, [], 5, True, {"sha256": "0" * 64 + "\n"}])
def test_networks_that_are_no_hash_are_refused(trained, tmp_path, capsys, networks):
    out = copied(trained.folders["dcgan"], tmp_path, networks=networks)
    for script, *options in readers("dcgan", out, tmp_path):
        assert "networks" in refused(capsys, script, *options)


@pytest.mark.parametrize("model", ["gan", "cyclegan"])
def test_no_networks_are_needed_for_a_checkpoint_of_minigan_s_own(trained, tmp_path, capsys, model):
    trap, source = tmp_path / "trap", tmp_path / "networks.py"
    source.write_text(TRAP.format(str(trap)))
    for script, *options in readers(model, trained.folders[model], tmp_path):
        assert f"--networks {source}" in refused(capsys, script, *options, "--networks", source)
    assert not trap.exists()


@pytest.mark.parametrize("model, name", [
    ("os", "system"), ("inspect", "getsource"), ("models", "build"), ("dcgan", "nn"), ("dcgan", "grad"),
    ("dcgan", "__builtins__"), ("dcgan", "doublings"), ("gan", "math"), ("wgan", "clip_weights_"), ("cyclegan", "_Level"),
    ("__class__", "Generator"), ("dcgan.nn", "Linear"), ("dcgan", "nn.Linear"), ("", ""), (None, None), (["dcgan"], "G"),
    ("dcgan", ["Generator"]), ("dcgan", None), ("dcgan", 5), ("x" * 10**6, "y" * 10**6), ("dcgan\n", "Generator\n")])
def test_only_networks_of_minigan_are_found_by_the_names_in_a_checkpoint(trained, tmp_path, capsys, model, name):
    architecture = {"latent_dim": 100, "image_size": 16, "channels": 1, "width": 2, "generator": name,
                    "command": f"touch {tmp_path}/trap", "object": f"touch {tmp_path}/trap"}
    out = copied(trained.folders["dcgan"], tmp_path, model=model, architecture=architecture)
    assert len(refused(capsys, "sample", out, "--out", tmp_path / "grid.png")) < 500
    assert not (tmp_path / "trap").exists() and not (tmp_path / "grid.png").exists()


def test_of_networks_of_ones_own_only_the_generator_is_called(tmp_path, capsys, monkeypatch):
    """A checkpoint may not choose among the other functions that a file of networks happens to import."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("from os import mkdir\nfrom minigan.models.dcgan import Generator, Discriminator\n")
    assert call("train_dcgan", "--width", 2, *SMALL, "--networks", "mine.py", "--out", "run") == 0
    state = mg.load("run/checkpoint.npz")
    state["run"]["architecture"].update(generator="mkdir", path="trap")
    write(Path("run/checkpoint.npz"), state)
    assert call("sample", "run", "-n", 1, "--networks", "mine.py") == 0
    assert not Path("trap").exists()


# ---- the cost is in proportion to the file


HUGE = {"gan": [{"hidden": 10_000}, {"image_size": 10_000}, {"latent_dim": 10**6}, {"channels": 10**6}],
        "dcgan": [{"width": 10_000}, {"latent_dim": 10**6}, {"channels": 10**6}, {"image_size": 128, "width": 2000}],
        "wgan": [{"hidden": 10_000}, {"image_size": 10_000}, {"latent_dim": 10**12}, {"generator": "Critic"},
                 {"generator": "Generator", "image_size": 128, "width": 1000}],
        "cyclegan": [{"width": 10_000}, {"blocks": 10**9}, {"blocks": 10**6}, {"generator": "unet", "depth": 10**9},
                     {"generator": "unet", "depth": 10**6}, {"generator": "unet", "depth": 16, "width": 10**6},
                     {"in_channels": 10**6}, {"out_channels": 10**7}]}
WRONG = [{"width": None, "hidden": None}, {"width": "2", "hidden": "3"}, {"width": 2.5, "hidden": 2.5},
         {"width": True, "hidden": [3]}, {"width": -2, "hidden": -3}, {"width": 0, "hidden": 0},
         {"width": 10**30, "hidden": 10**30}, {"width": {}, "hidden": {}}, {"width": float("nan"), "hidden": float("nan")},
         {"in_channels": None, "latent_dim": None}, {"in_channels": -1, "latent_dim": -1}, {"x": [[1] * 1000] * 100}]


@every_script
def test_networks_of_other_sizes_are_refused_before_they_are_built(trained, tmp_path, capsys, model):
    right = mg.load(trained.folders[model] / "checkpoint.npz")["run"]["architecture"]
    for i, change in enumerate(HUGE[model]):
        (tmp_path / str(i)).mkdir()
        out = copied(trained.folders[model], tmp_path / str(i), architecture={**right, **change})
        before = look(out)
        for script, *options in [readers(model, out, out.parent)[i] for i in (0, -1)]:
            started = time.monotonic()
            tracemalloc.start()
            refused(capsys, script, *options)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 60_000_000 and time.monotonic() - started < 10, (script, change, peak)
        assert look(out) == before


@every_script
def test_an_architecture_that_is_none_is_refused(trained, tmp_path, capsys, model):
    right = mg.load(trained.folders[model] / "checkpoint.npz")["run"]["architecture"]
    for i, change in enumerate(WRONG + [None, [], "text", 3, {}]):
        architecture = {**right, **change} if isinstance(change, dict) and change else change
        (tmp_path / str(i)).mkdir()
        out = copied(trained.folders[model], tmp_path / str(i), architecture=architecture)
        for script, *options in readers(model, out, out.parent)[:1]:
            assert len(refused(capsys, script, *options)) < 600


def test_config_and_checkpoint_that_agree_on_huge_networks_are_refused_before_they_are_built(trained, tmp_path, capsys):
    for model, change in (("dcgan", {"width": 10_000}), ("gan", {"hidden": 20_000}), ("cyclegan", {"width": 5000}),
                          ("cyclegan", {"blocks": 10**6})):
        folder = tmp_path / "".join([model, *change])
        folder.mkdir()
        right = mg.load(trained.folders[model] / "checkpoint.npz")["run"]["architecture"]
        out = copied(trained.folders[model], folder, architecture={**right, **change})
        config = json.loads((out / "config.json").read_text())
        config["arguments"].update(change)
        (out / "config.json").write_text(json.dumps(config))
        before = look(out)
        tracemalloc.start()
        said = refused(capsys, SCRIPTS[model][0], "--resume", "--steps", 3, "--out", out)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert "cannot be built from" in said and peak < 100_000_000, (said, peak)
        assert look(out) == before


@every_script
def test_weights_that_are_not_finite_or_not_the_networks_are_refused_by_all_that_draw(trained, tmp_path, capsys, model):
    state = mg.load(trained.folders[model] / "checkpoint.npz")
    branch = ("AtoB",) if model == "cyclegan" else ("average", "module")
    weights = state["AtoB"] if model == "cyclegan" else state["average"]["module"]
    name = next(iter(weights))
    cases = [array for what, array in spoiled(weights[name]).items() if what != ">f4"]  # the same numbers, in another order
    wrong = [replaced(state, (*branch, name), array) for array in cases]
    wrong += [replaced(state, branch, odd) for odd in (None, [], {}, 3, {name: 1}, {name: None}, {3: weights[name]})]
    for i, crafted in enumerate(wrong):
        write(tmp_path / f"{i}.npz", crafted)
        for script, *options in readers(model, tmp_path / f"{i}.npz", tmp_path)[:1]:
            refused(capsys, script, *options)


def test_json_of_any_depth_and_width_costs_what_its_text_does(tmp_path):
    """300 levels around a long list took 8.8 s, since every level printed all of it."""
    for depth, numbers in ((300, 300_000), (100, 300_000), (100_000, 1), (1, 1_000_000)):
        text = "[" + ",".join(["1"] * numbers) + "]"
        text = '{"$tuple":[' * depth + text + "]}" * depth
        archive(tmp_path / "a.npz", [("tree.json", '{"format": "minigan checkpoint", "version": 1, "state": %s}' % text)])
        started = time.monotonic()
        if depth > 300:
            with pytest.raises(ValueError, match="nested 200002 levels deep, expected at most") as caught:
                checkpoint.load(tmp_path / "a.npz")
            assert len(str(caught.value)) < 400
        else:
            checkpoint.load(tmp_path / "a.npz")
        assert time.monotonic() - started < 3
