"""Checkpoints: a nested state in one .npz file, without pickle.

A state is a tree of dicts, lists and tuples. Its leaves are arrays, numbers, strings, booleans
and None. Each array becomes an entry of an ordinary .npz file, named by its path in the tree
("generator/main.0.weight"), so that np.load can read it. Everything else is one JSON text, the
entry "tree.json", where {"$array": path} stands for an array. Nothing is compressed and no clock
time is stored: equal states give equal files, byte for byte, so two runs are compared by
comparing their files.

Two rules. Whatever would not come back unchanged is refused when it is saved. And reading trusts
nothing: pickle is never loaded; an entry that is cut, changed, missing, added or of absurd size is
refused; and the cost is proportional to the size of the file.

A crash at any moment leaves the old file or the new one, whole.
"""

import json
import math
import os
import zipfile
from urllib.parse import quote

import numpy as np

from ..files import reading, regular_file, whole_file
from ..files.foreign import DIGITS, check_names, in_one_line, parse_json, shown

FORMAT = "minigan checkpoint"
PATHS = (str, bytes, os.PathLike)
VERSION = 1
TREE = "tree.json"
NUMERIC = "biufc"  # dtype kinds: bool, int, unsigned, float, complex
PLAIN = {type(None), bool, int, float, str}  # types that JSON stores unchanged
CONTAINERS = (dict, list, tuple)
MARKS = {"$array", "$tuple", "$pairs"}  # keys with a meaning of their own in the JSON text
DEEPEST = 100  # the most levels of dicts, lists and tuples
MOST_BITS = 3.3 * DIGITS  # of an integer: one digit has log2(10) = 3.32 bits
LONGEST_NAME = 60_000  # the most bytes in an array's path: a zip file's limit is 65,535


def save(path, state):
    """Write a state to the file `path`: the same as write(path, *flatten(state)).

    state: nested dicts, lists and tuples of arrays (NumPy's, CuPy's, minigan's or torch's),
    numbers, strings, booleans and None; dict keys are strings or integers. Arrays come back as
    NumPy arrays, NumPy's scalars as Python numbers. Raises TypeError for anything else (also for
    a subclass such as a namedtuple), and ValueError for a state that is nested more than 100
    levels deep or has an integer or a path that is too long. ``save(state, path)``, the order of
    torch.save, means the same.
    """
    if not isinstance(path, PATHS) and isinstance(state, PATHS):  # the order of torch.save
        path, state = state, path
    if not isinstance(path, PATHS):
        kind = type(path).__name__
        raise TypeError(f"save got a {kind} as the path, expected a path and a state")
    tree, arrays = flatten(state)
    write(path, tree, arrays)


def write(path, tree, arrays):
    """Write what `flatten` returned to the file `path`.

    The file gets its name in one step at the end, so an error or a crash leaves the old file whole.
    """
    header = json.dumps({"format": FORMAT, "version": VERSION, "state": tree})
    with (
        whole_file(path, fsync=True) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        # A ZipInfo that is made from a name alone has the date 1980-01-01: no clock time.
        archive.writestr(zipfile.ZipInfo(TREE), header)
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(name + ".npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)


def load(path, map_location=None, weights_only=True):
    """Read the state that `save` wrote.

    Arrays come back as NumPy arrays of the same dtype, shape and bits, everything else unchanged.
    map_location and weights_only, of torch.load, change nothing: no array lies on a device, and
    nothing in the file is run. Raises FileNotFoundError, or a ValueError that names the file and
    what is wrong with it.
    """
    regular_file(path)
    with open(path, "rb") as file, reading(f"checkpoint {path}"), zipfile.ZipFile(file) as archive:
        names = _check_entries(archive, file)
        arrays = {name: _read_array(archive, name) for name in names}
        state, used = _parse_tree(archive.read(TREE), arrays)
        unknown = [_plainly(name) for name in names if name not in used]
        if unknown:
            text = ", ".join(unknown)[:100]
            raise ValueError(f"it holds {text}, of which its {TREE} knows nothing")
        return state


# ---- split a state into a JSON tree and its arrays


def flatten(state):
    """Split a state into what JSON can hold and its arrays.

    Returns (tree, arrays): the state with {"$array": name} in the place of each array, and
    {name: C-ordered NumPy array} with names such as "generator/main.0.weight". Raises as `save`.
    """
    arrays = {}
    tree = _encode(state, (), arrays)
    return tree, arrays


def _encode(value, path, arrays):
    """The value as JSON can hold it. Its arrays are added to `arrays` under their paths."""
    kind = type(value)
    if kind is int:
        return _check_digits(value, path)
    if kind in PLAIN:
        return value
    if kind in CONTAINERS:
        return _encode_container(value, path, arrays)
    if isinstance(value, np.generic):
        return _number(value, path)
    _refuse_subclass(value, path)
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


def _encode_container(value, path, arrays):
    if len(path) >= DEEPEST:
        raise ValueError(
            f"checkpoint state at {_short(path)}: nested more than {DEEPEST} levels deep"
        )
    if isinstance(value, dict):
        return _encode_dict(value, path, arrays)
    items = [_encode(item, (*path, i), arrays) for i, item in enumerate(value)]
    if isinstance(value, tuple):
        return {"$tuple": items}
    return items


def _encode_dict(value, path, arrays):
    """A dict as it is if JSON can hold its keys, otherwise as {"$pairs": [[key, value], ...]}."""
    for key in value:
        if type(key) not in (str, int):
            raise TypeError(
                f"checkpoint state: the key {shown(key)} is neither a string nor an integer"
            )
        if type(key) is int:
            _check_digits(key, path)
    pairs = [[key, _encode(item, (*path, key), arrays)] for key, item in value.items()]
    is_plain = all(type(key) is str and not key.startswith("$") for key in value)
    if is_plain:
        return dict(pairs)
    return {"$pairs": pairs}


def _refuse_subclass(value, path):
    """Raise TypeError for a namedtuple, an enum and the like: loading would lose their class."""
    if not isinstance(value, (dict, list, tuple, str, int, float)):
        return
    found = type(value).__name__
    bases = [base for base in type(value).__mro__ if base in PLAIN or base in CONTAINERS]
    plain = bases[0].__name__
    raise TypeError(
        f"checkpoint state at {_short(path)}: got a {found}, which would come back "
        f"as a plain {plain}: expected a {plain}"
    )


def _check_digits(value, path):
    if value.bit_length() > MOST_BITS:
        raise ValueError(
            f"checkpoint state at {_short(path)}: got {shown(value)}, expected at most "
            f"{DIGITS} digits"
        )
    return value


def _number(scalar, path):
    """A NumPy scalar as the Python number of the same value."""
    if scalar.dtype.kind not in "biuf" or scalar.dtype.itemsize > 8:
        raise _refused(path, f"a NumPy scalar of {scalar.dtype}")
    return scalar.item()


def _name(path):
    """("generator", "main.0.weight") -> "generator/main.0.weight".

    Characters that a file's path cannot hold are escaped.
    """
    parts = [quote(str(part), safe="", errors="surrogatepass") for part in path]
    safe_parts = [part.replace(".", "%2E") if part in (".", "..") else part for part in parts]
    return "/".join(safe_parts)


def _short(path):
    """The path for an error message."""
    return _shortened(_name(path) or "its root")


def _shortened(name):
    if len(name) <= 100:
        return name
    return f"{name[:50]}...{name[-47:]}"


def _refused(path, got):
    expected = "a number, an array of numbers, a string, a boolean, None, a dict, list or tuple"
    return TypeError(f"checkpoint state at {_short(path)}: expected {expected}, got {got}")


def _as_numpy(value, path):
    """The leaf `value` as a NumPy array, always C-ordered, so equal states give equal bytes."""
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
    """An array of CuPy, minigan or torch as a NumPy array, copied from the GPU if it is there."""
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
        why = f"a {type(value).__name__} that cannot become a NumPy array: {in_one_line(error)}"
        raise _refused(path, why) from error
    raise _refused(path, f"a {type(value).__name__}")


# ---- look at a state


def leaves(state, path=()):
    """Generate (path, leaf) for each number, string, boolean, None and array in a state.

    A path is a tuple of keys. An empty dict, list or tuple is a leaf, too. NumPy's scalars become
    Python numbers, as they do when they are saved. Raises ValueError for a state that is nested
    too deeply to have been saved.
    """
    if len(path) > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    if isinstance(state, np.generic):
        state = state.item()
    if not isinstance(state, CONTAINERS) or not state:
        yield path, state
        return
    items = state.items() if isinstance(state, dict) else enumerate(state)
    for key, value in items:
        yield from leaves(value, (*path, key))


def same_leaf(a, b):
    """Whether two leaves have the same type (or the same dtype and shape) and the same value."""
    if _is_plain(a) or _is_plain(b):
        return type(a) is type(b) and a == b
    a = _as_numpy(a, ())
    b = _as_numpy(b, ())
    return (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()


def _is_plain(leaf):
    return type(leaf) in PLAIN or isinstance(leaf, CONTAINERS)


def first_not_finite(tree, arrays):
    """The name of the first number or array with NaN or infinity in a flat state, or None.

    tree, arrays: what `flatten` returned.
    """
    for path, number in _floats(tree):
        if not math.isfinite(number):
            return _short(path)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            return _shortened(name)
    return None


def _floats(tree, path=()):
    """Generate (path, number) for each float in a tree."""
    if type(tree) is float:
        yield path, tree
        return
    if isinstance(tree, dict) and "$tuple" in tree:
        tree = tree["$tuple"]
    if isinstance(tree, dict):
        items = tree.get("$pairs", tree.items())
    elif isinstance(tree, list):
        items = enumerate(tree)
    else:
        items = ()
    for key, item in items:
        yield from _floats(item, (*path, key))


# ---- read a file


def _check_entries(archive, file):
    """Refuse an archive that `save` cannot have written; return the names of its arrays."""
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
    # No zip bomb: the entries are not compressed, and together they fit into the file.
    claimed = sum(entry.file_size for entry in entries)
    size = os.fstat(file.fileno()).st_size
    if claimed > size:
        raise ValueError(f"its entries claim {claimed} bytes, but the file has {size}")
    _check_ends(entries, file)
    return [name for name in names if name != TREE]


def _check_ends(entries, file):
    """Refuse bytes before the first entry, or after the 22 bytes that end a zip file."""
    file.seek(-22, os.SEEK_END)
    end = file.read(4)
    if end != b"PK\x05\x06" or min(entry.header_offset for entry in entries) > 0:
        raise ValueError("it has something before or after its archive")


def _read_array(archive, name):
    """The array in an entry. Its bytes are counted before an array is made of them."""
    with reading(f"its entry {_plainly(name)}"), archive.open(name) as entry:
        shape, fortran_order, dtype = _read_header(entry)
        needed = math.prod(shape) * dtype.itemsize
        content = bytearray(entry.read())  # at most the size of the file
        if len(content) != needed:
            raise ValueError(f"the array needs {needed} bytes, but the entry holds {len(content)}")
        order = "F" if fortran_order else "C"
        return np.frombuffer(content, dtype).reshape(shape, order=order)


def _read_header(entry):
    """Read the header of an .npy file: its shape, whether it is in Fortran order, its dtype."""
    version = np.lib.format.read_magic(entry)
    if version != (1, 0):
        raise ValueError(f"it is of .npy version {version}, expected (1, 0)")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(entry)
    if dtype.kind not in NUMERIC:
        if dtype.hasobject:
            raise ValueError("it holds Python objects, which are never loaded, expected numbers")
        raise ValueError(f"it holds {str(dtype)[:60]}, expected numbers")
    if any(side < 0 for side in shape):
        raise ValueError(f"its shape is {shown(shape)}, expected no side below 0")
    return shape, fortran_order, dtype


def _plainly(name):
    """The name of an entry; a long or unprintable one is cut and escaped."""
    if name.isprintable() and len(name) <= 100:
        return name
    return shown(name)


def _parse_tree(text, arrays):
    """The state that `flatten` split, and the names of the entries that it uses.

    arrays: {name of an entry: its array}.
    """
    used = set()

    def decode(node):  # the parser calls it for each object, the innermost first
        is_marked = any(key.startswith("$") for key in node)
        return _decode_mark(node, arrays, used) if is_marked else node

    with reading(f"its {TREE} cannot be read"):
        header = parse_json(text, decode)
        _check_header(header)
        return header["state"], used


def _check_header(header):
    if not isinstance(header, dict):
        raise ValueError(f"it is {shown(header)}, expected a dict")
    missing = [name for name in ("format", "version") if name not in header]
    if missing:
        raise ValueError(f"{', '.join(map(repr, missing))} missing")
    found = header["format"], header["version"]
    if type(header["version"]) is not int or found != (FORMAT, VERSION):
        raise ValueError(f"it is of {shown(found)}, expected {(FORMAT, VERSION)}")
    check_names("it", header, {"format", "version", "state"})


def _decode_mark(node, arrays, used):
    """What an object such as {"$array": name} stands for. Its content is decoded already.

    The name of an array's entry is added to `used`: a second reference to it is refused.
    """
    if len(node) > 1 or not node.keys() <= MARKS:
        raise _unknown(node)
    [(mark, content)] = node.items()
    if mark == "$array" and type(content) is str:
        name = content + ".npy"
        if name in arrays and name not in used:
            used.add(name)
            return arrays[name]
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
