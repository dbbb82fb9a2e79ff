"""x[index] against PyTorch: random index tuples of all kinds, their values, shapes, gradients and
refusals.

A part of an index is drawn once and written down twice, for minigan and for PyTorch: the same
number, slice, list, array or tensor. What PyTorch has no form for (NumPy's truth values, int16) is
given to it in another.
"""

import numpy as np
import pytest

import minigan as mg
from minigan.ops.indexing import getitem, put

COUNT = 100  # index tuples for a seed; 30 seeds in the plain suite, 200 in the slow one


class Draw:
    """Random index tuples for a random shape: ``parts`` holds pairs (for minigan, for PyTorch)."""

    def __init__(self, rng, torch):
        self.rng, self.torch = rng, torch
        sizes = rng.choice([0, 1, 2, 3, 4], rng.integers(0, 6), p=[0.04, 0.16, 0.3, 0.3, 0.2])
        self.shape = tuple(int(n) for n in sizes)
        # the shape that all positions broadcast to
        self.together = tuple(int(n) for n in rng.choice([1, 2, 3], rng.integers(1, 4)))
        self.parts, self.axis, self.dots = [], 0, False

    def chance(self, p):
        return self.rng.random() < p

    def one_of(self, *options):
        return options[self.rng.integers(len(options))]

    def whole(self):
        """A whole index: a tuple of parts, or now and then a part alone."""
        while self.axis < len(self.shape) and not self.chance(0.1):
            self.part()
        if self.chance(0.2):
            self.one_of(self.new_axis, self.truth_value, self.ellipsis)()
        if len(self.parts) == 1 and self.chance(0.5):
            ours, theirs = self.parts[0]
            if not isinstance(ours, (list, tuple)):
                return ours, theirs
            if all(isinstance(i, int) for i in ours):
                return list(ours), list(theirs)
        return tuple(ours for ours, _ in self.parts), tuple(theirs for _, theirs in self.parts)

    def part(self):
        kinds = [self.number, self.slice, self.positions, self.mask]
        kinds += [self.new_axis, self.truth_value, self.ellipsis]
        self.rng.choice(kinds, p=[0.2, 0.2, 0.3, 0.1, 0.08, 0.05, 0.07])()

    def new_axis(self):
        self.parts.append((None, None))

    def ellipsis(self):
        if not self.dots:
            self.dots = True
            self.parts.append((..., ...))
            # how many axes it stands for: a wrong guess makes too many or too few parts
            self.axis += self.rng.integers(0, len(self.shape) - self.axis + 1)

    def number(self):
        n = self.shape[self.axis]
        i = int(self.rng.integers(-n, n)) if n and not self.chance(0.01) else self.one_of(n, -n - 1)
        self.axis += 1
        array = np.array(i, self.one_of(np.int64, np.int32, np.int16))
        forms = (i, i), (array[()], i), (array, i), (mg.tensor(array), self.torch.tensor(i))
        self.parts.append(self.one_of(*forms))

    def truth_value(self):
        flag = bool(self.chance(0.8))
        forms = flag, np.bool_(flag), np.array(flag), mg.tensor(np.array(flag))
        self.parts.append((self.one_of(*forms), self.one_of(flag, self.torch.tensor(flag))))

    def slice(self):
        n = self.shape[self.axis]
        self.axis += 1
        start, stop = (self.one_of(None, int(self.rng.integers(-n - 2, n + 3))) for _ in range(2))
        step = self.one_of(None, None, 1, 2, 3)
        part = slice(start, stop, step) if self.chance(0.7) else slice(None)
        ours = part
        if part.start is not None and self.chance(0.2):
            ours = slice(mg.tensor(np.array(start)), stop, step)
        self.parts.append((ours, part))

    def positions(self):
        n = self.shape[self.axis]
        self.axis += 1
        ndim = self.rng.integers(1, len(self.together) + 1)
        sizes = [1 if self.chance(0.2) else k for k in self.together[len(self.together) - ndim :]]
        if self.chance(0.04):
            sizes[-1] = self.one_of(0, 5)  # seldom a fit
        high = n + self.chance(0.02)  # seldom out of bounds
        if n == 0 and high == 0:
            sizes[0] = 0
        array = self.rng.integers(-n, max(high, 1 - n), sizes)
        dtype = self.one_of(np.int64, np.int64, np.int32, np.int16, np.uint16)
        self.parts.append(self.array_forms(array, dtype))

    def mask(self):
        ndim = min(self.rng.integers(1, 4), len(self.shape) - self.axis)
        sizes = self.shape[self.axis : self.axis + ndim]
        if self.chance(0.03):
            sizes = (*sizes[:-1], sizes[-1] + 1)
        self.axis += ndim
        array = self.rng.random(sizes) < 0.5
        if self.chance(0.5):  # as many True as fit the other arrays
            array[...] = False
            array.ravel()[self.rng.permutation(array.size)[: self.together[-1]]] = True
        self.parts.append(self.array_forms(array, bool))

    def array_forms(self, array, dtype):
        unsigned = np.dtype(dtype).kind == "u"
        typed = array if unsigned and (array < 0).any() else array.astype(dtype)
        tensor = self.torch.tensor(array)
        forms = [(typed, tensor), (mg.tensor(typed), tensor), (typed[::-1][::-1], tensor)]
        if array.size and array.ndim == 1:
            forms += [(kind(array.tolist()), kind(array.tolist())) for kind in (list, tuple)]
        elif array.size:
            # PyTorch takes a mask that is a list of lists for one axis: beside ... it is wrong
            # there
            forms += [(array.tolist(), tensor if dtype is bool else array.tolist())]
        return self.one_of(*forms)


def outcome(x, index):
    """(x[index], None), or (None, what was raised)."""
    try:
        return x[index], None
    except (IndexError, ValueError, TypeError) as error:
        return None, error


def compare(torch, seed, count):
    """Draw index tuples and compare; returns how many of them both libraries take."""
    rng = np.random.default_rng(seed)
    taken = 0
    for _ in range(count):
        draw = Draw(rng, torch)
        ours, theirs = draw.whole()
        a = np.arange(1.0, 1 + np.prod(draw.shape)).reshape(draw.shape)
        x = mg.tensor(a, requires_grad=True)
        t = torch.tensor(a, requires_grad=True)
        (y, refusal), (u, their_refusal) = outcome(x, ours), outcome(t, theirs)
        what = f"seed {seed}: x of shape {draw.shape}, index {ours!r}"
        if u is not None and u.numel() == 0 and "out of bounds" in str(refusal):
            continue  # where nothing is picked in the end, PyTorch does not look at the positions
        assert (refusal is None) == (their_refusal is None), (
            f"{what}: {refusal!r}, PyTorch {their_refusal!r}"
        )
        if refusal is not None:
            assert isinstance(refusal, IndexError) and "\n" not in str(refusal), what
            continue
        taken += 1
        assert y.shape == tuple(u.shape), f"{what}: {y.shape}, PyTorch {tuple(u.shape)}"
        assert np.array_equal(y.numpy(), u.detach().numpy()), what
        g = rng.integers(1, 9, y.shape).astype(float)
        y.backward(g)
        u.backward(torch.tensor(g))
        assert np.array_equal(x.grad.numpy(), t.grad.numpy()), what
    return taken


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle")


@pytest.mark.parametrize("seed", range(30))
def test_random_indices_pick_what_pytorch_picks(seed, torch):
    assert compare(torch, seed, COUNT) > 0.6 * COUNT


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_twenty_thousand_random_indices_pick_what_pytorch_picks(seed, torch):
    assert compare(torch, seed, COUNT) > 0.6 * COUNT


# ---- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_what_is_assigned_arrives_where_pytorch_puts_it(seed, torch):
    rng = np.random.default_rng([seed, 1])
    written = 0
    for _ in range(COUNT):
        draw = Draw(rng, torch)
        ours, theirs = draw.whole()
        x = mg.tensor(np.zeros(draw.shape))
        t = torch.zeros(draw.shape, dtype=torch.float64)
        picked, refusal = outcome(torch.arange(t.numel()).reshape(draw.shape), theirs)
        if refusal is not None or picked.numel() == 0:
            continue
        values = rng.standard_normal(picked.shape)
        if (
            picked.unique().numel() < picked.numel()
        ):  # an entry that is written twice keeps some one of the values
            values = rng.standard_normal()
        x[ours] = values
        t[theirs] = torch.tensor(values, dtype=torch.float64)
        assert np.array_equal(x.numpy(), t.numpy()), f"x of shape {draw.shape}, index {ours!r}"
        written += 1
    assert written > 0.5 * COUNT


def test_an_assignment_is_counted_and_refused_where_it_would_lose_a_gradient():
    x = mg.ones(2, 3)
    w = mg.ones(3, requires_grad=True)
    y = (x * w).sum()
    x[0] = 5
    with pytest.raises(RuntimeError, match="changed in place after its use"):
        y.backward()
    with pytest.raises(RuntimeError, match="would lose the gradient"):
        x[0] = [w[0], 1, 1]
    with pytest.raises(RuntimeError, match=r"inside no_grad\(\)"):
        w[0] = 1
    assert x.numpy().tolist() == [[5, 5, 5], [1, 1, 1]]
    assert w.numpy().tolist() == [1, 1, 1]
    with mg.no_grad():
        w[0], w[1:] = 7, w[1:] * 2
    assert w.requires_grad
    assert w.numpy().tolist() == [7, 2, 2]


def test_an_augmented_assignment_to_entries_changes_them_once():
    x = mg.tensor(np.arange(6.0).reshape(2, 3))
    x[0] += 10
    x[x > 10] *= 2
    x[:, [0]] -= 1
    assert x.numpy().tolist() == [[9, 22, 24], [2, 4, 5]]


def test_a_swap_that_would_copy_one_of_the_two_is_refused():
    x = mg.tensor(np.arange(6.0).reshape(3, 2))
    with pytest.raises(RuntimeError, match="a view of other entries"):
        x[0], x[1] = x[1], x[0]
    assert x.numpy().tolist() == [[0, 1], [2, 3], [4, 5]]
    x[0], x[1] = mg.tensor(x[1]), mg.tensor(x[0])
    assert x.numpy().tolist() == [[2, 3], [0, 1], [4, 5]]


# ---- the rule, row by row ------------------------------------------------------------------------

A = np.array([0, 1, 1, 0, 1, 0, 1])
B = np.array([2, 0, 1, 1, 2, 0, 0])
ZERO = np.array(0)
ALL = slice(None)
PLANE = np.ones((2, 3), bool)

# of a tensor of shape (2, 3, 4, 5)
ROWS = {
    "side by side": ((ALL, A, B), (2, 7, 5)),
    "apart": ((ALL, A, ALL, B), (7, 2, 4)),
    "a number takes its axis away": ((0, ALL, B), (3, 7, 5)),
    "so does an array without axes": ((ZERO, ALL, B), (3, 7, 5)),
    "and a tensor without axes": ((mg.tensor(ZERO), ALL, mg.tensor(B)), (3, 7, 5)),
    "a number between two arrays": ((ALL, A, 0, B), (2, 7)),
    "None between two arrays": ((A, None, B), (7, 1, 4, 5)),
    "None in front": ((None, A, 0, B), (1, 7, 5)),
    "dots for no axis": ((A, ..., B, ALL, ALL), (7, 4, 5)),
    "dots for one axis": ((A, ..., B, ALL), (7, 3, 5)),
    "dots for no axis, then a number": ((ALL, A, ..., B, 1), (2, 7)),
    "a mask, then a number": (
        (ALL, None, [True, False, True], ALL, mg.tensor(np.array(-2))),
        (2, 1, 2, 4),
    ),
    "True in front of a number": ((True, 0), (1, 3, 4, 5)),
    "False behind a number": ((0, False), (0, 3, 4, 5)),
    "True apart from an array": ((True, ALL, A), (7, 2, 4, 5)),
    "a mask of two axes, dots and a number": ((PLANE, ..., 0), (6, 4)),
    "a mask of two axes, apart from an array": ((PLANE, ALL, [3]), (6, 4)),
    "a tuple in the tuple is an array": ((0, (1, 2, 0)), (3, 4, 5)),
    "a range is an array": (range(2), (2, 3, 4, 5)),
}


@pytest.mark.parametrize("index, shape", ROWS.values(), ids=list(ROWS))
def test_the_order_of_axes_is_the_written_one(index, shape):
    x = mg.tensor(np.zeros((2, 3, 4, 5)), requires_grad=True)
    y = x[index]
    assert y.shape == shape
    assert mg.grad(y.sum(), x)[0].numpy().sum() == y.numel()


@pytest.mark.parametrize(
    "index", [0, (1, 2), slice(1, 3), (..., None, 0), (0, 1, 2), slice(None, None, -1)], ids=str
)
def test_numbers_and_slices_give_a_view_of_the_memory(index):
    x = mg.tensor(np.arange(60.0).reshape(3, 4, 5))
    y = x[index]
    y.copy_(-1.0)
    assert (x.numpy() == -1).sum() == y.numel()
    assert (x.numpy()[index] == -1).all()


def test_a_selection_may_be_used_again_by_its_gradient():
    x = mg.tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    assert mg.gradcheck(lambda x: getitem(x, ([0, 2, 2], slice(1, 3))) ** 2, x)
    assert put(mg.ones(2), [1, 1], (3,)).numpy().tolist() == [0, 2, 0]


# ---- refusals ------------------------------------------------------------------------------------

REFUSALS = {
    "a number out of bounds": (3, "index 3 is out of bounds for axis 0 with size 3"),
    "a number out of bounds behind": (
        (..., -5),
        "index -5 is out of bounds for axis 1 with size 4",
    ),
    "a position out of bounds": ((0, [0, 4]), "position 4, out of bounds for an axis with size 4"),
    "a negative position out of bounds": (
        [0, -4],
        "position -4, out of bounds for an axis with size 3",
    ),
    "a position beyond 64 bits": (
        np.array([2**64 - 1], np.uint64),
        "position 18446744073709551615",
    ),
    "too many": ((0, 0, 0), "names 3 axes, but the tensor of shape (3, 4) has 2"),
    "a mask of too many axes": (np.ones((3, 4, 1), bool), "names 3 axes"),
    "two dots": ((..., 0, ...), "more than one ..."),
    "a short mask": ([True, False], "a mask of shape (2,) does not fit"),
    "a long mask": ((0, np.ones(5, bool)), "a mask of shape (5,) does not fit the axes from 1"),
    "positions that do not broadcast": (([0, 1], [0, 1, 2]), "(2,), (3,), which do not broadcast"),
    "False and two positions": ((False, [0, 1]), "(0,), (2,), which do not broadcast"),
    "a fraction": (1.0, "holds 1.0, expected only integers"),
    "a word": ("x", "holds 'x', expected only integers"),
    "fractions": (np.array([0.0, 1.0]), "an array of float64, expected integers or truth values"),
    "a tensor of fractions": (mg.ones(2), "an array of float32, expected integers"),
    "a list of fractions": ((0, [0.0, 1.0]), "an array of float64, expected integers"),
    "a list of fractions alone": ([0.0, 1.0], "a list with a float in it, expected numbers"),
    "a list of words": ((0, ["a"]), "expected integers or truth values"),
    "a ragged list": (
        (0, [[0], [1, 2]]),
        "the list [[0], [1, 2]], expected numbers or rows of one length",
    ),
    "a list of lists alone": (
        [[0, 1], [1, 2]],
        "a list with a list in it, expected numbers: write a tuple",
    ),
    "a list with None": ([None, 0], "a list with a NoneType in it"),
    "a list of tensors": ([mg.tensor(np.array(0))], "a list with a Tensor in it"),
    "bytes": (
        np.array([1, 0, 1], np.uint8),
        "uint8, which is a mask in PyTorch and holds positions in NumPy",
    ),
    "a byte": (mg.tensor(np.array(1, np.uint8)), "an array of uint8"),
    "a dictionary": ({}, "holds {}, expected only integers"),
}


@pytest.mark.parametrize("index, words", REFUSALS.values(), ids=list(REFUSALS))
def test_what_is_no_index_is_refused_in_one_sentence(index, words):
    for access in (lambda x: x[index], lambda x: x.__setitem__(index, 0)):
        x = mg.zeros(3, 4)
        with pytest.raises(IndexError) as refusal:
            access(x)
        assert words in str(refusal.value)
        assert "\n" not in str(refusal.value)
        assert not x.numpy().any()


def test_a_slice_with_a_fraction_or_no_step_is_refused():
    with pytest.raises(TypeError, match="bound 1.5, expected whole numbers"):
        mg.zeros(3)[1.5:]
    with pytest.raises(ValueError, match="step cannot be zero"):
        mg.zeros(3)[::0]


def test_a_slice_keeps_the_bounds_that_it_had():
    x = mg.zeros(4, requires_grad=True)
    end = mg.tensor(np.array(2))
    y = x[:end]
    end.copy_(4)
    assert mg.grad(y.sum(), x)[0].numpy().tolist() == [1, 1, 0, 0]
