"""States that somebody else may have written, and how a thing refuses them."""

import copy

import numpy as np
import pytest

from minigan.training import checkpoint


def replaced(state, path, value):
    """A copy of the state with another value at this path."""
    state = copy.deepcopy(state)
    inside = state
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return state


def content(thing):
    """The state of a thing, in a form in which each bit shows."""
    tree, arrays = checkpoint.flatten(thing.state_dict())
    bits = {}
    for name, array in arrays.items():
        bits[name] = (array.dtype, array.shape, array.tobytes())
    return str(tree), bits


def refused(thing, state):
    """The one line with which a thing refuses a state; it must be as it was before."""
    before = content(thing)
    with pytest.raises(ValueError) as caught:
        thing.load_state_dict(state)
    assert content(thing) == before
    said = str(caught.value)
    assert "\n" not in said and len(said) < 600
    return said


NUMBERS = [
    None,
    "0.1",
    "",
    -0.1,
    -1,
    float("nan"),
    float("inf"),
    True,
    [],
    [0.1],
    {},
    1j,
    b"1",
    np.zeros(2),
]


def equal(a, b):
    """Same types, same keys in the same order, same dtypes and shapes, same bits."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return repr(a) == repr(b)  # tells -0.0 from 0.0, and nan is nan
