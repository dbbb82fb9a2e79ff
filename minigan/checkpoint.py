"""Checkpoints: a nested state in one .npz file, without pickle; a crash leaves the old file or the new one.

A state is a tree of dicts, lists and tuples; its leaves are arrays, numbers, strings, booleans and None. Each array
becomes an entry of an ordinary .npz, named by its path in the tree ("generator/main.0.weight"), so np.load can read
it. All else is one JSON text, the entry "tree.json", where {"$array": path} stands for an array. Nothing is compressed
and no clock time is kept: one state has one file, byte for byte, and two runs are compared by comparing files. Reading
trusts nothing: pickle is never loaded, and what is cut, changed, missing, added or of absurd size is refused.
"""

import json
import os
import zipfile
from urllib.parse import quote

import numpy as np

from .files import reading, whole_file

FORMAT, VERSION, TREE = "minigan checkpoint", 1, "tree.json"
NUMERIC = "biufc"  # dtype kinds: bool, int, unsigned, float, complex


def save(path, state):
    """Write a state to the file `path`, in one step at the end: an error or crash leaves the old file whole.

    state: nested dicts, lists and tuples of arrays (NumPy's, CuPy's, minigan's or torch's), numbers, strings, booleans
    and None; dict keys are strings or integers. Raises TypeError for anything else.
    """
    tree, arrays = flatten(state)
    header = json.dumps({"format": FORMAT, "version": VERSION, "state": tree})
    with whole_file(path, fsync=True) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(TREE), header)  # a bare ZipInfo is dated 1980: no clock time
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(name + ".npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)


def load(path):
    """Read the state that `save` wrote: NumPy arrays of the same dtype, shape and bits, all else as it was.

    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    with open(path, "rb") as file, reading(f"checkpoint {path}"), zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if TREE not in entries:
            raise ValueError(f"it has no entry {TREE}, so it is not a checkpoint of minigan")
        if len(entries) < len(archive.infolist()):
            raise ValueError("it has two entries of one name")
        for name, entry in entries.items():
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise ValueError(f"its entry {name} is compressed or encrypted, which minigan never does")
        # Entries that are stored as they are, and together fit into the file, cannot unfold into a bomb.
        claimed, size = sum(entry.file_size for entry in entries.values()), os.fstat(file.fileno()).st_size
        if claimed > size:
            raise ValueError(f"its entries claim {claimed} bytes, but the file has {size}")
        arrays = {name: _read_array(archive, name) for name in entries if name != TREE}
        state = _parse_tree(archive.read(TREE), arrays)
        if arrays:
            raise ValueError(f"it holds {', '.join(arrays)[:100]}, of which its {TREE} knows nothing")
        return state


def flatten(state):
    """Split a state into what JSON can hold and its arrays -> (tree, {"generator/main.0.weight": array})."""
    arrays = {}

    def encode(value, *path):
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, list):
            return [encode(item, *path, i) for i, item in enumerate(value)]
        if isinstance(value, tuple):
            return {"$tuple": encode(list(value), *path)}
        if isinstance(value, dict):
            if odd := [key for key in value if not isinstance(key, (str, int))]:
                raise TypeError(f"checkpoint state: the key {odd[0]!r} is neither a string nor an integer")
            pairs = [[key, encode(item, *path, key)] for key, item in value.items()]
            plain = all(isinstance(key, str) and not key.startswith("$") for key in value)
            return dict(pairs) if plain else {"$pairs": pairs}
        name = "/".join(quote(str(part), safe="") for part in path) or "array"
        if name in arrays:
            raise ValueError(f"checkpoint state: two arrays have the path {name}")
        arrays[name] = _as_numpy(value, name)
        return {"$array": name}

    return encode(state), arrays


def _as_numpy(value, name):
    """The leaf `value` as a C-ordered NumPy array: one order, so that equal states give equal bytes."""
    convert = getattr(value, "get", None) or getattr(value, "numpy", None)  # CuPy's; minigan's and torch's
    array = convert() if convert else value
    if not isinstance(array, np.ndarray) or array.dtype.kind not in NUMERIC:
        got = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else f"a {type(value).__name__}"
        raise TypeError(f"checkpoint state at {name}: expected a number, an array of numbers, a string, a boolean, "
                        f"None, a dict, list or tuple, got {got}")
    return np.asarray(array, order="C")


def _read_array(archive, name):
    with reading(f"its entry {name}"), archive.open(name) as entry:
        array = np.lib.format.read_array(entry, allow_pickle=False)
        if array.dtype.kind not in NUMERIC:
            raise ValueError(f"it holds {array.dtype}, expected numbers")
        if entry.read(1):
            raise ValueError(f"it holds more than the {array.nbytes} bytes of its array")
    return array


def _parse_tree(text, arrays):
    """The state that `flatten` took apart; each of its arrays is taken out of `arrays`: {name of its entry: array}."""
    marks = {"$array": lambda name: arrays.pop(name + ".npy"), "$tuple": tuple, "$pairs": dict}

    def decode(node):  # json calls it for each object, the innermost first
        if not any(key.startswith("$") for key in node):
            return node
        with reading(f"it refers to {str(node)[:100]}, which the file does not hold"):
            (mark, content), = node.items()
            return marks[mark](content)

    with reading(f"its {TREE} cannot be read"):
        header = json.loads(text, object_hook=decode)
        if (found := (header["format"], header["version"])) != (FORMAT, VERSION):
            raise ValueError(f"it is of {found}, expected {(FORMAT, VERSION)}")
        return header["state"]
