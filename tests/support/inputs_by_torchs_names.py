"""Inputs of the operations in operations_by_torchs_names.py; see inputs.py."""

import numpy as np

EVERY = slice(None)
MIDDLE = slice(1, 3)
EVERY_SECOND = slice(None, None, 2)


def matrix(case):
    """One matrix whose rows are far from zero."""
    n, m = case.numbers(2, 1, 4)
    sign = case.of(1, -1)
    return [case.positive(n, m) * sign], {}


def masked(case):
    """Two tensors whose shapes broadcast, and a mask."""
    n, m = case.numbers(2, 1, 4)
    mask = case.normal(n, m) > 0
    x = case.normal(n, m)
    y = case.normal(m)
    return [x, y], dict(mask=mask)


def distinct_pair(case):
    """Two tensors whose shapes broadcast and which have no number in common."""
    n, m = case.numbers(2, 1, 4)
    x = case.normal(n, m)
    y = case.away((m,), *x.ravel(), gap=0.01)
    return [x + 0.005, y], {}


def normed(case):
    """A tensor away from 0, where |x| has a kink, and the p and the axes of a norm."""
    shape = case.shape(2, 3)
    options = case.of(
        dict(),
        dict(dim=1),
        dict(dim=(0, 1)),
        dict(dim=-1, keepdim=True),
    )
    p = case.of(2, 1, 3, 1.5, 0.5)
    x = case.away(shape, 0, gap=0.2)
    return [x], dict(options, p=p)


def extreme(case):
    """A tensor without ties, and one axis."""
    shape = case.shape(1, 3)
    ndim = len(shape)
    dim = case.choose(-ndim, ndim - 1)
    x = case.distinct(*shape)
    return [x], dict(dim=dim, keepdim=case.flip())


def gathered(case):
    """A tensor, an axis, and positions along it, some of them repeated."""
    shape = case.shape(1, 3)
    ndim = len(shape)
    dim = case.choose(0, ndim - 1)
    wanted = list(shape)
    wanted[dim] = case.choose(1, 5)
    index = case.rng.integers(0, shape[dim], wanted)
    x = case.normal(*shape)
    return [x], dict(dim=dim, index=index)


def looked_up(case):
    """A table of vectors, and integers that say which of them are wanted."""
    n, d = case.numbers(2, 1, 4)
    wanted = case.shape(1, 2)
    index = case.rng.integers(0, n, wanted)
    return [case.normal(n, d)], dict(index=index)


def rolled(case):
    """A tensor, and how far it is moved along one axis, along two, or as one row."""
    x = case.normal(*case.shape(2, 3))
    by_how_much = case.choose(-5, 5)
    options = case.of(
        dict(shifts=by_how_much),
        dict(shifts=by_how_much, dims=-1),
        dict(shifts=(1, by_how_much), dims=(1, 0)),
    )
    return [x], options


def squeezed(case):
    """A tensor with an axis of length 1, and that axis or none."""
    before, after = case.numbers(2, 2, 4)
    options = case.of(dict(), dict(dim=1), dict(dim=-2))
    x = case.normal(before, 1, after)
    return [x], options


def repeated(case):
    """A tensor, and how often to repeat it along each axis and along new ones in front."""
    shape = case.shape(0, 2)
    new_axes = case.choose(0, 2)
    repeats = case.numbers(len(shape) + new_axes, 1, 3)
    x = case.normal(*shape)
    return [x], dict(repeats=repeats or (1,))


def split(case):
    """A tensor, and the length of its pieces or all lengths."""
    n = case.choose(3, 6)
    sizes = case.of(1, 2, 4, [1, n - 1], [n - 2, 0, 2])
    dim = case.of(1, -1)
    return [case.normal(2, n)], dict(sizes=sizes, dim=dim)


def chunked(case):
    """A tensor, and the number of its pieces."""
    n = case.choose(2, 7)
    chunks = case.choose(1, 4)
    dim = case.of(0, -2)
    return [case.normal(n, 2)], dict(chunks=chunks, dim=dim)


# For a tensor of shape (3, 4): an index, and the shape of what is written there.
ASSIGNMENTS = [
    (0, (4,)),
    (1, (1, 4)),
    (..., (1, 4)),
    ((EVERY, 1), (3,)),
    ((EVERY, MIDDLE), (2,)),
    ((EVERY, MIDDLE), (3, 1)),
    ((MIDDLE, EVERY_SECOND), (2, 2)),
    (np.array([2, 0]), (2, 4)),
    ((EVERY, np.array([3, 1])), ()),
]


def assigned(case):
    """A tensor of shape (3, 4), and what is written at an index of it."""
    index, shape = case.of(*ASSIGNMENTS)
    values = case.normal(*shape)
    return [case.normal(3, 4), values], dict(index=index)


EQUATIONS = [
    "ij,jk->ik",
    "bij,bjk->bik",
    "bij,bkj->bki",
    "ij->ji",
    "ij->",
    "ij->j",
    "i,j->ij",
    "i,i",
    "ij,jk",
    "bi,bij,bj->b",
    "bij,j->ib",
    "ij,ij->ij",
]


def einsum(case):
    """An equation, and tensors in which each letter has one length."""
    equation = case.of(*EQUATIONS)
    lengths = {letter: case.choose(1, 3) for letter in "bijk"}
    inputs, _, _ = equation.partition("->")
    tensors = []
    for letters in inputs.split(","):
        shape = [lengths[letter] for letter in letters]
        tensors.append(case.normal(*shape))
    return tensors, dict(equation=equation)


def batched_matrices(case):
    """(b, n, k) and (b, k, m)."""
    b, n, k, m = case.numbers(4, 1, 3)
    x = case.normal(b, n, k)
    y = case.normal(b, k, m)
    return [x, y], {}


def two_matrices(case):
    """(n, k) and (k, m)."""
    n, k, m = case.numbers(3, 1, 4)
    x = case.normal(n, k)
    y = case.normal(k, m)
    return [x, y], {}


def matrix_and_vector(case):
    """(n, k) and (k,)."""
    n, k = case.numbers(2, 1, 4)
    x = case.normal(n, k)
    y = case.normal(k)
    return [x, y], {}


def two_vectors(case):
    """(k,) and (k,)."""
    k = case.choose(1, 5)
    x = case.normal(k)
    y = case.normal(k)
    return [x, y], {}
