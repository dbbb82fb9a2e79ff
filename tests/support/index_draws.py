"""Random index tuples of all kinds, each written down twice: for minigan and for PyTorch.

A part of an index is drawn once: a number, slice, list, array or tensor. What PyTorch has no form
for (NumPy's truth values, int16) is given to it in another form.
"""

from typing import Any, NamedTuple

import numpy as np

import minigan as mg


class Part(NamedTuple):
    """A part of an index, or a whole one."""

    ours: Any
    theirs: Any


class Draw:
    """A random shape, and random index tuples for a tensor of that shape."""

    def __init__(self, rng, torch):
        self.rng = rng
        self.torch = torch
        ndim = rng.integers(0, 6)
        self.shape = self.sizes([0, 1, 2, 3, 4], ndim, p=[0.04, 0.16, 0.3, 0.3, 0.2])
        ndim = rng.integers(1, 4)
        self.together = self.sizes([1, 2, 3], ndim)  # what all positions broadcast to
        self.parts = []
        self.axis = 0  # the next one that has no part yet
        self.dots = False  # whether an ellipsis is among the parts

    # ---- choices ----

    def sizes(self, options, ndim, p=None):
        drawn = self.rng.choice(options, ndim, p=p)
        return tuple(int(n) for n in drawn)

    def chance(self, p):
        return self.rng.random() < p

    def one_of(self, *options):
        return options[self.rng.integers(len(options))]

    def integer(self, low, high):
        return int(self.rng.integers(low, high))

    def add(self, ours, theirs):
        self.parts.append(Part(ours, theirs))

    def next_axis(self):
        """The length of the next axis, which now has a part."""
        n = self.shape[self.axis]
        self.axis += 1
        return n

    # ---- whole indices ----

    def whole(self):
        """A whole index: a tuple of parts, or now and then a part alone."""
        while self.axis < len(self.shape) and not self.chance(0.1):
            self.part()
        if self.chance(0.2):
            extra = self.one_of(self.new_axis, self.truth_value, self.ellipsis)
            extra()
        if len(self.parts) == 1 and self.chance(0.5):
            part = self.parts[0]
            if not isinstance(part.ours, (list, tuple)):
                return part
            if all(isinstance(i, int) for i in part.ours):
                return Part(list(part.ours), list(part.theirs))
        ours = tuple(part.ours for part in self.parts)
        theirs = tuple(part.theirs for part in self.parts)
        return Part(ours, theirs)

    def part(self):
        likely = [self.number, self.slice, self.positions, self.mask]
        seldom = [self.new_axis, self.truth_value, self.ellipsis]
        draw = self.rng.choice(likely + seldom, p=[0.2, 0.2, 0.3, 0.1, 0.08, 0.05, 0.07])
        draw()

    # ---- parts ----

    def new_axis(self):
        self.add(None, None)

    def ellipsis(self):
        if not self.dots:
            self.dots = True
            self.add(..., ...)
            # how many axes it stands for: a wrong guess makes too many or too few parts
            left = len(self.shape) - self.axis
            self.axis += self.rng.integers(0, left + 1)

    def number(self):
        n = self.shape[self.axis]
        if n and not self.chance(0.01):
            i = self.integer(-n, n)
        else:
            i = self.one_of(n, -n - 1)
        self.axis += 1
        dtype = self.one_of(np.int64, np.int32, np.int16)
        array = np.array(i, dtype)
        forms = [
            Part(i, i),
            Part(array[()], i),
            Part(array, i),
            Part(mg.tensor(array), self.torch.tensor(i)),
        ]
        self.parts.append(self.one_of(*forms))

    def truth_value(self):
        flag = bool(self.chance(0.8))
        array = np.array(flag)
        ours = self.one_of(flag, np.bool_(flag), array, mg.tensor(array))
        theirs = self.one_of(flag, self.torch.tensor(flag))
        self.add(ours, theirs)

    def slice(self):
        n = self.next_axis()
        start = self.one_of(None, self.integer(-n - 2, n + 3))
        stop = self.one_of(None, self.integer(-n - 2, n + 3))
        step = self.one_of(None, None, 1, 2, 3)
        if not self.chance(0.7):
            start = stop = step = None
        theirs = slice(start, stop, step)
        ours = theirs
        if start is not None and self.chance(0.2):
            ours = slice(mg.tensor(np.array(start)), stop, step)
        self.add(ours, theirs)

    def positions(self):
        n = self.next_axis()
        ndim = self.rng.integers(1, len(self.together) + 1)
        sizes = []
        for k in self.together[len(self.together) - ndim :]:
            sizes.append(1 if self.chance(0.2) else k)
        if self.chance(0.04):
            sizes[-1] = self.one_of(0, 5)  # seldom a fit
        high = n + self.chance(0.02)  # seldom out of bounds
        if n == 0 and high == 0:
            sizes[0] = 0
        array = self.rng.integers(-n, max(high, 1 - n), sizes)
        dtype = self.one_of(np.int64, np.int64, np.int32, np.int16, np.uint16)
        self.add_array(array, dtype)

    def mask(self):
        left = len(self.shape) - self.axis
        ndim = min(self.rng.integers(1, 4), left)
        sizes = self.shape[self.axis : self.axis + ndim]
        if self.chance(0.03):
            sizes = (*sizes[:-1], sizes[-1] + 1)
        self.axis += ndim
        array = self.rng.random(sizes) < 0.5
        if self.chance(0.5):  # as many True as fit the other arrays
            some = self.rng.permutation(array.size)[: self.together[-1]]
            array[...] = False
            array.ravel()[some] = True
        self.add_array(array, bool)

    def add_array(self, array, dtype):
        """Add an array of this dtype in one of its forms; unsigned only if no entry is negative."""
        unsigned = np.dtype(dtype).kind == "u"
        typed = array
        if not (unsigned and (array < 0).any()):
            typed = array.astype(dtype)
        tensor = self.torch.tensor(array)
        forms = [
            Part(typed, tensor),
            Part(mg.tensor(typed), tensor),
            Part(typed[::-1][::-1], tensor),
        ]
        numbers = array.tolist()
        if array.size and array.ndim == 1:
            forms.append(Part(list(numbers), list(numbers)))
            forms.append(Part(tuple(numbers), tuple(numbers)))
        elif array.size:
            # PyTorch takes a mask that is a list of lists for one axis, so it gets the tensor:
            # beside ... it would be wrong there
            forms.append(Part(numbers, tensor if dtype is bool else numbers))
        self.parts.append(self.one_of(*forms))


class Outcome(NamedTuple):
    """What came of x[index]."""

    picked: Any  # a tensor, or None
    refusal: Any  # the error that was raised, or None


def outcome(x, index):
    """Pick, or catch the refusal."""
    try:
        return Outcome(x[index], None)
    except (IndexError, ValueError, TypeError) as error:
        return Outcome(None, error)
