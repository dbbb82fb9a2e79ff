"""A million numbers in every order of memory, and how exact their sum must be.

The numbers are all 0.1, whose rounding errors all have one sign, or random between 1 and 2.
"""

import math

import numpy as np

MILLION = (4, 3, 295, 295)


def numbers(kind, shape=MILLION, dtype=np.float32):
    """kind: "0.1" or "random"."""
    if kind == "0.1":
        return np.full(shape, 0.1, dtype)
    rng = np.random.default_rng(0)
    return rng.uniform(1, 2, shape).astype(dtype)


def stored_as(*axes):
    """A function that stores an array with its axes in this order, outermost first."""
    inverse = np.argsort(axes)

    def store(a):
        stored = np.ascontiguousarray(a.transpose(axes))
        return stored.transpose(inverse)

    return store


def flipped(a):
    backwards = (slice(None, None, -1), slice(None), slice(None, None, -1), slice(None, None, -1))
    stored = np.ascontiguousarray(a[backwards])
    return stored[backwards]


def every_other(a):
    every_second = tuple(slice(None, None, 2) for _ in a.shape)
    wide = np.full([2 * n for n in a.shape], np.nan, a.dtype)
    view = wide[every_second]
    view[...] = a
    return view


def expanded(a):
    first_column = a[:, :, :, :1]
    return np.broadcast_to(first_column, a.shape)


# name: the same values (N, C, H, W) in another order of memory
ORDERS = {
    "C": np.ascontiguousarray,
    "H, W, N, C": stored_as(2, 3, 0, 1),
    "N, H, W, C": stored_as(0, 2, 3, 1),
    "C, N, H, W": stored_as(1, 0, 2, 3),
    "Fortran": np.asfortranarray,
    "flipped": flipped,
    "every other": every_other,
    "expanded": expanded,
}


def assert_exact(actual, expected, dtype=np.float32, terms=10**6, in_pairs=True):
    """Agreement to eps / 2 log2(terms), the error of a sum in pairs.

    A sum of the terms one after the other has an error of up to eps / 2 terms.
    """
    actual = np.asarray(actual)
    expected = np.asarray(expected, np.float64)
    assert actual.dtype == dtype
    assert actual.shape == expected.shape
    roundings = math.log2(max(128, terms)) if in_pairs else terms
    tolerance = 0.5 * np.finfo(dtype).eps * roundings
    largest = np.max(np.abs(expected), initial=0)
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * largest)
