"""x[index] against PyTorch: random index tuples of all kinds, their values, shapes, gradients and refusals.

A part of an index is drawn once and written down twice, for minigan and for PyTorch: the same number, slice, list,
array or tensor. What PyTorch has no form for (a NumPy truth value, int16 positions) is given to it in another.
"""

import numpy as np
import pytest

import minigan as mg
from minigan.indexing import getitem, put

SEEDS = range(30)  # with 100 index tuples each; the slow test has 20,000


class Draw:
    """Random index tuples for a random shape: ``parts`` holds pairs (for minigan, for PyTorch)."""

    def __init__(self, rng, torch):
        self.rng, self.torch = rng, torch
        self.shape = tuple(int(n) for n in rng.choice([0, 1, 2, 3, 4], rng.integers(0, 6), p=[0.04, 0.16, 0.3, 0.3, 0.2]))
        self.together = tuple(int(n) for n in rng.choice([1, 2, 3], rng.integers(1, 4)))  # what positions broadcast to
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
            if not isinstance(ours, (list, tuple)) or all(isinstance(i, int) for i in ours):
                return (list(ours), list(theirs)) if isinstance(ours, tuple) else (ours, theirs)
        return tuple(ours for ours, _ in self.parts), tuple(theirs for _, theirs in self.parts)

    def part(self):
        kinds = [self.number, self.slice, self.positions, self.mask, self.new_axis, self.truth_value, self.ellipsis]
        self.rng.choice(kinds, p=[0.2, 0.2, 0.3, 0.1, 0.08, 0.05, 0.07])()

    def new_axis(self):
        self.parts.append((None, None))

    def ellipsis(self):
        if not self.dots:
            self.dots = True
            self.parts.append((..., ...))
            self.axis += self.rng.integers(0, len(self.shape) - self.axis + 1)  # which may prove wrong: then all refuse

    def number(self):
        n = self.shape[self.axis]
        i = int(self.rng.integers(-n, n)) if n and not self.chance(0.01) else self.one_of(n, -n - 1)
        self.axis += 1
        array = np.array(i, self.one_of(np.int64, np.int32, np.int16))
        self.parts.append(self.one_of((i, i), (array[()], i), (array, i), (mg.tensor(array), self.torch.tensor(i))))

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
        ours = slice(mg.tensor(np.array(start)), stop, step) if part.start is not None and self.chance(0.2) else part
        self.parts.append((ours, part))

    def positions(self):
        n = self.shape[self.axis]
        self.axis += 1
        ndim = self.rng.integers(1, len(self.together) + 1)
        sizes = [1 if self.chance(0.2) else k for k in self.together[len(self.together) - ndim:]]
        if self.chance(0.04):
            sizes[-1] = self.one_of(0, 5)  # seldom a fit
        high = n + self.chance(0.02)
        if n == 0 and high == 0:
            sizes[0] = 0
        array = self.rng.integers(-n, max(high, 1 - n), sizes)
        self.parts.append(self.array_forms(array, self.one_of(np.int64, np.int64, np.int32, np.int16, np.uint16)))

    def mask(self):
        ndim = min(self.rng.integers(1, 4), len(self.shape) - self.axis)
        sizes = self.shape[self.axis:self.axis + ndim]
        if self.chance(0.03):
            sizes = (*sizes[:-1], sizes[-1] + 1)
        self.axis += ndim
        array = self.rng.random(sizes) < 0.5
        if self.chance(0.5):  # as many True as fit the others
            array[...] = False
            array.ravel()[self.rng.permutation(array.size)[:self.together[-1]]] = True
        self.parts.append(self.array_forms(array, bool))

    def array_forms(self, array, dtype):
        typed = array if np.dtype(dtype).kind == "u" and (array < 0).any() else array.astype(dtype)
        tensor = self.torch.tensor(array)
        forms = [(typed, tensor), (mg.tensor(typed), tensor), (typed[::-1][::-1], tensor)]
        if array.size:
            # PyTorch counts one axis for a mask that is a list of lists, so that ... beside it is wrong or refused there
            forms += [(array.tolist(), array.tolist() if array.ndim == 1 or dtype is not bool else tensor)]
            forms += [(tuple(array.tolist()), tuple(array.tolist()))] if array.ndim == 1 else []
        return self.one_of(*forms)


def outcome(x, index):
    """(x[index], None), or (None, what was raised)."""
    try:
        return x[index], None
    except (IndexError, ValueError, TypeError) as error:
        return None, error


def compare(torch, seed, count):
    """Draw index tuples and compare; returns how many of them both libraries take."""
    rng, taken = np.random.default_rng(seed), 0
    for _ in range(count):
        draw = Draw(rng, torch)
        ours, theirs = draw.whole()
        a = np.arange(1.0, 1 + np.prod(draw.shape)).reshape(draw.shape)
        x, t = mg.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
        (y, refusal), (u, their_refusal) = outcome(x, ours), outcome(t, theirs)
        what = f"seed {seed}: x of shape {draw.shape}, index {ours!r}"
        if u is not None and u.numel() == 0 and "out of bounds" in str(refusal):
            continue  # where nothing is picked in the end, PyTorch does not look at the positions
        assert (refusal is None) == (their_refusal is None), f"{what}: {refusal!r}, PyTorch {their_refusal!r}"
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


@pytest.mark.parametrize("seed", SEEDS)
def test_random_indices_pick_what_pytorch_picks(seed, torch):
    assert compare(torch, seed, 100) > 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1020))
def test_twenty_thousand_random_indices_pick_what_pytorch_picks(seed, torch):
    assert compare(torch, seed, 1000) > 600
