"""Values that come from somebody else, in a checkpoint or a config.json: how to check them, and
how to show them.

Such a file may be damaged or hostile; bounded.py opens it. So a value is believed only when its
type and range have been checked, JSON is measured before it is parsed, and an error shows the
value in one short line, however large it is.
"""

import json
import math
import re
import reprlib

import numpy as np

from .messages import printable

DEEPEST = 650  # levels of JSON: Python's own limit for all that stands on its stack is 1,000
# A string of JSON. One without an end goes to the end of the text.
STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
# For each byte, how it changes the depth: 255 is -1 as an int8.
_DEPTHS = {ord("["): 1, ord("{"): 1, ord("]"): 255, ord("}"): 255}
STEPS = bytes(_DEPTHS.get(byte, 0) for byte in range(256))
DIGITS = 1000  # of an integer: the largest that minigan writes, a generator's state, has 39
LARGEST_COUNT = 2**53  # a float64 cannot tell a larger count from its neighbours


# ---- JSON


def parse_json(content, decode=None):
    """What a JSON text in UTF-8 says; bytes -> dicts, lists, strings, numbers, booleans and None.

    decode: makes something of each dict, the innermost first. Raises ValueError for what is no
    JSON, for a name given twice, for a number that is too large, and for what is nested too
    deeply.
    """
    text = content.decode("utf-8")
    check_depth(content)

    def as_dict(pairs):
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError(f"it has a name twice among {shown([name for name, _ in pairs])}")
        return decode(found) if decode else found

    try:
        return json.loads(
            text, object_pairs_hook=as_dict, parse_int=_as_integer, parse_float=_as_float
        )
    except RecursionError:  # where the caller stood deep already
        raise ValueError("it is nested too deeply") from None


def check_depth(content):
    """Raise ValueError where brackets and braces of a JSON text, bytes, are nested too deeply to
    be read.
    """
    bare = STRINGS.sub(b"", content)
    steps = np.frombuffer(bare.translate(STEPS), np.int8)
    depth = int(steps.cumsum(dtype=np.int32).max(initial=0))
    if depth > DEEPEST:
        raise ValueError(f"it is nested {depth} levels deep, expected at most {DEEPEST}")


def _as_integer(digits):
    if len(digits) > DIGITS:
        raise ValueError(f"it has an integer of {len(digits)} digits, expected at most {DIGITS}")
    return int(digits)


def _as_float(text):
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"it has the number {text[:20]}, which is too large")
    return value


# ---- values


class _Short(reprlib.Repr):
    """repr of a value's first parts: its cost does not grow with the value."""

    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 60, 60

    def repr_ndarray(self, array, level):
        return f"an array of {array.dtype} {array.shape}"

    def repr_int(self, value, level):
        bits = value.bit_length()
        return repr(value) if bits <= 200 else f"an integer of {bits} bits"


def shown(value, longest=100):
    """The value as one short line for an error message."""
    text = _Short().repr(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def in_one_line(error):
    """What an exception says, in one line of some 300 printable characters; its kind if it says
    nothing.
    """
    words = " ".join(str(error).split()) or type(error).__name__
    if len(words) > 300:
        words = words[:297] + "..."
    return printable(words)


def check_names(what, state, names):
    """Raise ValueError unless `state` is a dict with just these names."""
    if not isinstance(state, dict):
        raise ValueError(f"{what} is {shown(state)}, expected a dict of {', '.join(sorted(names))}")
    if state.keys() != set(names):
        found = sorted(map(str, state))
        raise ValueError(f"{what} has {shown(found)}, expected {', '.join(sorted(names))}")


def is_stored_int(value, low=0, high=LARGEST_COUNT):
    """Is what a file holds an int from low to high?

    No bool, no float and no number of NumPy: JSON gives none. For arguments see checks.py.
    """
    return type(value) is int and low <= value <= high


def check_stored_int(what, value, low=0, high=LARGEST_COUNT):
    """What a file holds, if it is an int from low to high. Raises ValueError otherwise."""
    if not is_stored_int(value, low, high):
        bounds = f"of at least {low}" if high == LARGEST_COUNT else f"from {low} to {high}"
        raise ValueError(f"{what} is {shown(value)}, expected a whole number {bounds}")
    return value


def check_finite(what, value, low=0.0):
    """The value, if it is a finite number of at least low. Raises ValueError otherwise."""
    if type(value) not in (int, float) or not low <= value < math.inf:
        raise ValueError(f"{what} is {shown(value)}, expected a finite number of at least {low:g}")
    return value


def check_pcg64(what, state):
    """Raise ValueError unless `state` is that of NumPy's PCG64, as its bit_generator.state gives
    it.
    """
    if not isinstance(state, dict) or state.get("bit_generator") != "PCG64":
        raise ValueError(f"{what} is {shown(state)}, expected the state of a PCG64")
    check_names(f"{what}, of PCG64,", state, {"bit_generator", "state", "has_uint32", "uinteger"})
    check_names(f"{what}, of PCG64,", state["state"], {"state", "inc"})
    check_stored_int(f"{what}, of PCG64: state", state["state"]["state"], 0, 2**128 - 1)
    check_stored_int(f"{what}, of PCG64: inc", state["state"]["inc"], 0, 2**128 - 1)
    check_stored_int(f"{what}, of PCG64: has_uint32", state["has_uint32"], 0, 1)
    check_stored_int(f"{what}, of PCG64: uinteger", state["uinteger"], 0, 2**32 - 1)
    if state["state"]["inc"] % 2 == 0:
        raise ValueError(
            f"{what}, of PCG64: inc is {state['state']['inc']}, expected an odd number"
        )
