"""The weights of a network as plain arrays, to be compared."""

import numpy as np


def arrays(module):
    """{dotted name: a copy of the array} of all parameters and buffers."""
    copies = {}
    for name, t in module.state_dict().items():
        copies[name] = t.numpy().copy()
    return copies


def same(a, b):
    """Whether two results of arrays() have the same names and the same numbers."""
    if a.keys() != b.keys():
        return False
    return all(np.array_equal(a[name], b[name]) for name in a)
