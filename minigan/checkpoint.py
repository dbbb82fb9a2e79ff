"""Checkpoints: a nested state in one .npz file, without pickle; a crash leaves the old file or the new one.

A state is a tree of dicts, lists and tuples; its leaves are arrays, numbers, strings, booleans and None. Each
array becomes an entry of an ordinary .npz, named by its path in the tree ("generator/main.0.weight"), so
np.load can read it. All else is one JSON text, the entry "tree.json", where {"$array": path} stands for an
array. Nothing is compressed and no clock time is kept: one state has one file, byte for byte, and two runs
are compared by comparing files. Reading trusts nothing: pickle is never loaded, and what is cut, changed,
missing, added or of absurd size is refused.
"""

import json
import math
import os
import zipfile
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import numpy as np

from .files import whole_file

FORMAT, VERSION = "minigan checkpoint", 1
TREE = "tree.json"
NUMERIC = "biufc"  # dtype kinds: bool, int, unsigned, float, complex


def save(path, state):
    """Write a state to the file `path`, in one step at the end: an error or crash leaves the old file whole.

    state: nested dicts, lists and tuples of arrays (NumPy's, CuPy's, minigan's or torch's), numbers, strings,
    booleans and None; dict keys are strings or integers. Raises TypeError for anything else.
    """
    write(path, *flatten(state))


def load(path):
    """Read the state that `save` wrote: NumPy arrays of the same dtype, shape and bits, all else as it was.

    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    with open(path, "rb") as file:
        try:
            return _read(file)
        except Exception as error:  # hostile bytes make zipfile, json and NumPy raise a dozen kinds of error
            raise ValueError(f"checkpoint {path}: {str(error) or type(error).__name__}") from error


def flatten(state):
    """Split a state into what JSON can hold and its arrays -> (tree, {"generator/main.0.weight": array})."""
    arrays = {}

    def encode(value, *path):
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"$float": repr(value)}  # JSON has no NaN, no infinity
        if isinstance(value, list):
            return [encode(item, *path, i) for i, item in enumerate(value)]
        if isinstance(value, tuple):
            return {"$tuple": encode(list(value), *path)}
        if isinstance(value, dict):
            if odd := [key for key in value if not isinstance(key, (str, int))]:
                raise TypeError(f"checkpoint state: the key {odd[0]!r} is neither a string nor an integer")
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: encode(item, *path, key) for key, item in value.items()}
            return {"$pairs": [[key, encode(item, *path, key)] for key, item in value.items()]}
        name = "/".join(quote(str(part), safe="") for part in path) or "array"
        if name in arrays:
            raise ValueError(f"checkpoint state: two arrays have the path {name}")
        arrays[name] = _as_numpy(value, name)
        return {"$array": name}

    return encode(state), arrays


def write(path, tree, arrays):
    """Write what `flatten` returned to the file `path`, replacing it in one step."""
    header = json.dumps({"format": FORMAT, "version": VERSION, "state": tree}, allow_nan=False)
    with whole_file(path) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(TREE), header)  # a bare ZipInfo is dated 1980: no clock time
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(name + ".npy"), "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())  # before the rename: a power cut must not keep the name and lose the bytes
    if os.name == "posix":
        folder = os.open(Path(path).parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself
        finally:
            os.close(folder)


def _as_numpy(value, name):
    """The leaf `value` as a C-ordered NumPy array: one order, so that equal states give equal bytes."""
    if hasattr(value, "get"):  # a CuPy array, which np.asarray refuses
        value = value.get()
    elif hasattr(value, "numpy"):  # a minigan or torch tensor
        value = value.numpy()
    if not isinstance(value, np.ndarray) or value.dtype.kind not in NUMERIC:
        got = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise TypeError(f"checkpoint state at {name}: expected a number, an array of numbers, a string, a "
                        f"boolean, None, a dict, list or tuple, got {got}")
    return np.asarray(value, order="C")


def _read(file):
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if TREE not in entries:
            raise ValueError(f"it has no entry {TREE}, so it is not a checkpoint of minigan")
        if len(entries) < len(archive.infolist()):
            raise ValueError("it has two entries of one name")
        for name, entry in entries.items():
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise ValueError(f"its entry {name} is compressed or encrypted, which minigan never does")
        # Entries that are stored as they are, and together fit into the file, cannot unfold into a bomb.
        claimed = sum(entry.file_size for entry in entries.values())
        if claimed > size:
            raise ValueError(f"its entries claim {claimed} bytes, but the file has {size}")
        tree = _parse_tree(archive.read(entries.pop(TREE)))  # read() checks the CRC
        arrays = {name: _parse_array(name, archive.read(entry)) for name, entry in entries.items()}
    state = _decode(tree, arrays)
    if arrays:
        raise ValueError(f"it holds {', '.join(arrays)[:100]}, of which its {TREE} knows nothing")
    return state


def _parse_tree(text):
    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    try:
        header = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its {TREE} cannot be read: {error}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT or "state" not in header:
        raise ValueError(f"its {TREE} does not say {FORMAT!r}")
    if header.get("version") != VERSION:
        raise ValueError(f"it has format version {header.get('version')!r}, expected {VERSION}")
    return header["state"]


def _parse_array(name, data):
    stream = BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"its entry {name} is not in version 1.0 of the .npy format")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.kind not in NUMERIC:
        raise ValueError(f"its entry {name} holds {dtype}, expected numbers")
    held = len(data) - stream.tell()
    if math.prod(shape) * dtype.itemsize != held:
        raise ValueError(f"its entry {name} declares shape {shape} of {dtype} but holds {held} bytes")
    return np.ndarray(shape, dtype, data, stream.tell(), order="F" if fortran_order else "C").copy()


def _decode(value, arrays):
    """Undo `encode`. An array that is found is taken out of `arrays`, a dict from entry name to array."""
    if isinstance(value, list):
        return [_decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if not any(key.startswith("$") for key in value):
        return {key: _decode(item, arrays) for key, item in value.items()}
    (tag, content), *others = value.items()
    if not others:
        if tag == "$array" and f"{content}.npy" in arrays:
            return arrays.pop(f"{content}.npy")
        if tag == "$float" and content in ("nan", "inf", "-inf"):
            return float(content)
        if tag == "$tuple" and isinstance(content, list):
            return tuple(_decode(content, arrays))
        if tag == "$pairs" and isinstance(content, list) and all(map(_is_pair, content)):
            return {key: _decode(item, arrays) for key, item in content}
    raise ValueError(f"its {TREE} refers to {json.dumps(value)[:100]}, which the file does not hold")


def _is_pair(item):
    return isinstance(item, list) and len(item) == 2 and isinstance(item[0], (str, int))
