"""Checkpoints: a nested state in one .npz file, without pickle; a crash leaves the old file or
the new one.

A state is a tree of dicts, lists and tuples; its leaves are arrays, numbers, strings, booleans
and None. Each array becomes an entry of an ordinary .npz, named by its path in the tree
("generator/main.0.weight"), so np.load can read it. All else is one JSON text, the entry
"tree.json", where {"$array": path} stands for an array. Nothing is compressed and no clock time
is kept: one state has one file, byte for byte, and two runs are compared by comparing files.

Two rules. What would not come back as it was is refused when it is saved. And reading trusts
nothing: pickle is never loaded, what is cut, changed, missing, added or of absurd size is
refused, and the cost is in proportion to the file.
"""

import json
import math
import os
import zipfile
from urllib.parse import quote

import numpy as np

from ..files import reading, regular_file, whole_file
from ..files.foreign import DIGITS, check_names, in_one_line, parse_json, shown

FORMAT, VERSION, TREE = "minigan checkpoint", 1, "tree.json"
NUMERIC = "biufc"  # dtype kinds: bool, int, unsigned, float, complex
PLAIN = {type(None), bool, int, float, str}  # what JSON holds as it is
CONTAINERS = (dict, list, tuple)
MARKS = {"$array", "$tuple", "$pairs"}
DEEPEST = 100  # levels of dicts, lists and tuples
LONGEST_NAME = 60_000  # bytes of an array's path: a zip's limit is 65,535


def save(path, state):
    """Write a state to the file `path`, in one step at the end: an error or crash leaves the old
    file whole.

    state: nested dicts, lists and tuples of arrays (NumPy's, CuPy's, minigan's or torch's),
    numbers, strings, booleans and None; dict keys are strings or integers. Arrays come back as
    NumPy arrays and NumPy's scalars as Python's numbers. Raises TypeError for anything else, a
    subclass such as a namedtuple too, and ValueError for a state that is nested more than 100
    levels deep or has an integer or a path that is too long.
    """
    tree, arrays = flatten(state)
    header = json.dumps({"format": FORMAT, "version": VERSION, "state": tree})
    with (
        whole_file(path, fsync=True) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        archive.writestr(
            zipfile.ZipInfo(TREE), header
        )  # a bare ZipInfo is dated 1980: no clock time
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(name + ".npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)


def load(path):
    """Read the state that `save` wrote: NumPy arrays of the same dtype, shape and bits, all else
    as it was.

    Raises FileNotFoundError, or ValueError that names the file and what is wrong with it.
    """
    regular_file(path)
    with open(path, "rb") as file, reading(f"checkpoint {path}"), zipfile.ZipFile(file) as archive:
        names = _check_entries(archive, file)
        arrays = {name: _read_array(archive, name) for name in names}
        state = _parse_tree(archive.read(TREE), arrays)
        if arrays:
            unknown = ", ".join(map(_plainly, arrays))
            raise ValueError(f"it holds {unknown[:100]}, of which its {TREE} knows nothing")
        return state


# ---- a state taken apart


def flatten(state):
    """Split a state into what JSON can hold and its arrays -> (tree, {"generator/main.0.weight":
    array}).
    """
    arrays = {}
    return _encode(state, (), arrays), arrays


def _encode(value, path, arrays):
    """The value as JSON can hold it; its arrays go into `arrays` under their paths."""
    kind = type(value)
    if kind is int:
        return _check_digits(value, path)
    if kind in PLAIN:
        return value
    if kind in CONTAINERS and len(path) >= DEEPEST:
        raise ValueError(
            f"checkpoint state at {_short(path)}: nested more than {DEEPEST} levels deep"
        )
    if kind is list:
        return [_encode(item, (*path, i), arrays) for i, item in enumerate(value)]
    if kind is tuple:
        return {"$tuple": _encode(list(value), path, arrays)}
    if kind is dict:
        return _encode_dict(value, path, arrays)
    if isinstance(value, np.generic):
        return _number(value, path)
    if isinstance(value, (dict, list, tuple, str, int, float)):
        base = next(base for base in kind.__mro__ if base in PLAIN | {dict, list, tuple})
        raise TypeError(
            f"checkpoint state at {_short(path)}: got a {kind.__name__}, which would come back "
            f"as a plain {base.__name__}: expected a {base.__name__}"
        )
    name = _name(path) or "array"
    if name in arrays:
        raise ValueError(f"checkpoint state: two arrays have the path {_short(path)}")
    if len(name) > LONGEST_NAME:
        raise ValueError(
            f"checkpoint state at {_short(path)}: the path of this array has {len(name)} "
            f"characters, expected at most {LONGEST_NAME}"
        )
    arrays[name] = _as_numpy(value, path)
    return {"$array": name}


def _encode_dict(value, path, arrays):
    for key in value:
        if type(key) not in (str, int):
            raise TypeError(
                f"checkpoint state: the key {shown(key)} is neither a string nor an integer"
            )
        if type(key) is int:
            _check_digits(key, path)
    pairs = [[key, _encode(item, (*path, key), arrays)] for key, item in value.items()]
    plain = all(type(key) is str and not key.startswith("$") for key in value)
    return dict(pairs) if plain else {"$pairs": pairs}


def _check_digits(value, path):
    if value.bit_length() > 3.3 * DIGITS:
        raise ValueError(
            f"checkpoint state at {_short(path)}: got {shown(value)}, expected at most "
            f"{DIGITS} digits"
        )
    return value


def _number(scalar, path):
    """NumPy's scalar as the Python number of the same value."""
    if scalar.dtype.kind not in "biuf" or scalar.dtype.itemsize > 8:
        raise _refused(path, f"a NumPy scalar of {scalar.dtype}")
    return scalar.item()


def _name(path):
    """("generator", "main.0.weight") -> "generator/main.0.weight"; what a path of files may not
    hold is escaped.
    """
    parts = [quote(str(part), safe="", errors="surrogatepass") for part in path]
    return "/".join(part.replace(".", "%2E") if part in (".", "..") else part for part in parts)


def _short(path):
    """The path for an error message."""
    name = _name(path) or "its root"
    return name if len(name) <= 100 else f"{name[:50]}...{name[-47:]}"


def _refused(path, got):
    expected = "a number, an array of numbers, a string, a boolean, None, a dict, list or tuple"
    return TypeError(f"checkpoint state at {_short(path)}: expected {expected}, got {got}")


def _as_numpy(value, path):
    """The leaf `value` as a C-ordered NumPy array: one order, so that equal states give equal
    bytes.
    """
    if not hasattr(value, "__array__"):
        raise _refused(path, f"a {type(value).__name__}")
    array = value
    if not isinstance(value, np.ndarray):
        array = _from_library(value, path)
    if type(array) is not np.ndarray:
        raise _refused(path, f"a {type(array).__name__}")
    if array.dtype.kind not in NUMERIC:
        raise _refused(path, f"an array of {array.dtype}")
    return np.asarray(array, order="C")


def _from_library(value, path):
    """The array of CuPy, minigan or torch as NumPy's: a copy from the GPU where it lies there."""
    try:
        if hasattr(value, "get"):  # CuPy's
            return value.get()
        if hasattr(value, "detach"):  # minigan's and torch's
            value = value.detach()
        if hasattr(value, "cpu"):  # torch's
            value = value.cpu()
        if hasattr(value, "numpy"):
            return value.numpy()
    except (TypeError, RuntimeError) as error:
        why = f"a {type(value).__name__} that is no NumPy array: {in_one_line(error)}"
        raise _refused(path, why) from error
    raise _refused(path, f"a {type(value).__name__}")


# ---- a state looked at


def leaves(state, path=()):
    """(path, leaf) of all numbers, strings, booleans, Nones and arrays in a state; a path is a
    tuple of keys.

    A dict, list or tuple with nothing in it is a leaf, too. NumPy's scalars are Python's numbers
    already, as they are when they are saved. Raises ValueError for a state that is too deep to
    have been saved.
    """
    if len(path) > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    if isinstance(state, np.generic):
        state = state.item()
    if not isinstance(state, CONTAINERS) or not state:
        yield path, state
        return
    for key, value in state.items() if isinstance(state, dict) else enumerate(state):
        yield from leaves(value, (*path, key))


def same_leaf(a, b):
    """Have two leaves one type, or one dtype and shape, and one value?"""
    if any(type(leaf) in PLAIN or isinstance(leaf, CONTAINERS) for leaf in (a, b)):
        return type(a) is type(b) and a == b
    a, b = _as_numpy(a, ()), _as_numpy(b, ())
    return (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()


def first_not_finite(state):
    """The name of a state's first array or number that holds NaN or infinity, or None."""
    for path, value in leaves(state):
        if type(value) is float:
            finite = math.isfinite(value)
        elif type(value) in PLAIN or isinstance(value, CONTAINERS):
            finite = True
        else:
            finite = np.isfinite(_as_numpy(value, path)).all()
        if not finite:
            return _short(path)
    return None


# ---- a file read


def _check_entries(archive, file):
    """Refuse an archive that `save` cannot have written -> the names of its arrays' entries."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if TREE not in names:
        raise ValueError(f"it has no entry {TREE}, so it is not a checkpoint of minigan")
    if len(set(names)) < len(names):
        raise ValueError("it has two entries of one name")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            name = _plainly(entry.filename)
            raise ValueError(
                f"its entry {name} is compressed or encrypted, which minigan never does"
            )
    # Entries that are stored as they are, and together fit into the file, cannot unfold into a
    # bomb.
    claimed = sum(entry.file_size for entry in entries)
    size = os.fstat(file.fileno()).st_size
    if claimed > size:
        raise ValueError(f"its entries claim {claimed} bytes, but the file has {size}")
    _check_ends(entries, file)
    return [name for name in names if name != TREE]


def _check_ends(entries, file):
    """A zip of ours begins with an entry and ends with the 22 bytes that close its table of
    contents.
    """
    file.seek(-22, os.SEEK_END)
    end = file.read(4)
    if end != b"PK\x05\x06" or min(entry.header_offset for entry in entries) > 0:
        raise ValueError("it has something before or after its archive")


def _read_array(archive, name):
    """The array in an entry: its header must account for the entry's bytes before anything is
    made of them.
    """
    with reading(f"its entry {_plainly(name)}"), archive.open(name) as entry:
        shape, fortran_order, dtype, numbers = _read_header(entry)
        needed = numbers * dtype.itemsize
        content = bytearray(entry.read())  # no more than the file has
        if len(content) < needed:
            raise ValueError(f"EOF: reading array data, expected {needed} bytes got {len(content)}")
        if len(content) > needed:
            raise ValueError(f"it holds more than the {needed} bytes of its array")
        array = np.frombuffer(content, dtype)
        return array.reshape(shape, order="F" if fortran_order else "C")


def _read_header(entry):
    """-> shape, whether in Fortran's order, dtype, how many numbers."""
    version = np.lib.format.read_magic(entry)
    if version != (1, 0):
        raise ValueError(f"it is of .npy version {version}, expected (1, 0)")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(entry)
    if dtype.kind not in NUMERIC:
        if dtype.hasobject:
            raise ValueError("Object arrays cannot be loaded, expected numbers")
        raise ValueError(f"it holds {str(dtype)[:60]}, expected numbers")
    if any(side < 0 for side in shape):
        raise ValueError(f"negative dimensions are not allowed, its shape is {shown(shape)}")
    numbers = 1
    for side in shape:
        numbers *= side
    return shape, fortran_order, dtype, numbers


def _plainly(name):
    """The name of an entry, unless it is long or has characters that are better escaped."""
    return name if name.isprintable() and len(name) <= 100 else shown(name)


def _parse_tree(text, arrays):
    """The state that `flatten` took apart; each of its arrays is taken out of `arrays`: {name of
    its entry: array}.
    """

    def decode(
        node,
    ):  # called for each object, the innermost first, so that the cost is that of the text
        if any(key.startswith("$") for key in node):
            return _decode_mark(node, arrays)
        return node

    with reading(f"its {TREE} cannot be read"):
        header = parse_json(text, decode)
        if not isinstance(header, dict):
            raise ValueError(f"it is {shown(header)}, expected a dict")
        missing = [name for name in ("format", "version") if name not in header]
        if missing:
            raise ValueError(f"{', '.join(map(repr, missing))} missing")
        found = header["format"], header["version"]
        if type(found[1]) is not int or found != (FORMAT, VERSION):
            raise ValueError(f"it is of {shown(found)}, expected {(FORMAT, VERSION)}")
        check_names("it", header, {"format", "version", "state"})
        return header["state"]


def _decode_mark(node, arrays):
    """What an object such as {"$array": name} stands for. What is inside it has been decoded
    already.
    """
    if len(node) > 1 or not node.keys() <= MARKS:
        raise _unknown(node)
    [(mark, content)] = node.items()
    if mark == "$array" and type(content) is str and content + ".npy" in arrays:
        return arrays.pop(content + ".npy")
    if mark == "$tuple" and type(content) is list:
        return tuple(content)
    if mark == "$pairs" and type(content) is list:
        return _as_dict(node, content)
    raise _unknown(node)


def _as_dict(node, pairs):
    decoded = {}
    for pair in pairs:
        if type(pair) is not list or len(pair) != 2:
            raise _unknown(node)
        key, value = pair
        if type(key) not in (str, int) or key in decoded:
            raise _unknown(node)
        decoded[key] = value
    return decoded


def _unknown(node):
    return ValueError(f"it refers to {shown(node)}, which the file does not hold")
