"""The order in which images are drawn, which a checkpoint can take up again.

An epoch's order is a function of a random generator's state at the epoch's start. So
that state and a position are all that a checkpoint needs to go on with the same batches.
"""

from typing import NamedTuple

import numpy as np

from ..files.foreign import check_names, check_pcg64, is_stored_int, shown


class Draw(NamedTuple):
    """What goes into one batch."""

    chosen: np.ndarray  # (batch_size,): the numbers of the images
    places: np.ndarray  # (batch_size, 3 or 4): where each window lies; None: the whole images

    def place(self, i):
        """Where the window of the i-th image of the batch lies, or None."""
        return None if self.places is None else self.places[i]


class DataOrder:
    """An endless iterator of Draws. Each epoch is a new permutation of all images.

    count: the number of images. choices: how many values each number of a window's place may have,
    see windows.Window. seed: an integer or several.
    """

    def __init__(self, count, batch_size, choices, seed):
        self.count = count
        self.batch_size = batch_size
        self.choices = choices
        self.epoch = 0
        self._begin_epoch(np.random.Generator(np.random.PCG64(seed)))

    def _begin_epoch(self, generator):
        self.position = 0
        self._generator = generator
        # Taken before the draw, so that the same order can be drawn again.
        self._state = generator.bit_generator.state
        self._order = generator.permutation(self.count)
        self._places = None
        if max(self.choices) > 1:
            size = (self.count, len(self.choices))
            self._places = generator.integers(self.choices, size=size)

    def __iter__(self):
        return self

    def __next__(self):
        if self.position + self.batch_size > self.count:
            self.epoch += 1
            self._begin_epoch(self._generator)
        chosen = self._order[self.position : self.position + self.batch_size]
        self.position += self.batch_size
        places = None if self._places is None else self._places[chosen]
        return Draw(chosen, places)

    def state_dict(self):
        """The number of images, the batch size, the epoch, the position in it, and the random
        generator's state at its start."""
        return {
            "images": self.count,
            "batch_size": self.batch_size,
            "epoch": self.epoch,
            "position": self.position,
            "generator": self._state,
        }

    def begin_after(self, epoch, state):
        """Begin the epoch after another one, of which `state` is the generator's at its start.

        The generator jumps ahead as if it had drawn 2^127 numbers or so. Otherwise this epoch could
        have the other one's order. Raises ValueError for what cannot be of an order.
        """
        if not is_stored_int(epoch):
            raise ValueError(f"the data order has epoch {shown(epoch)}, expected an integer")
        check_pcg64("the data order", state)
        bits = np.random.PCG64(0)
        bits.state = state
        self._begin_epoch(np.random.Generator(bits.jumped()))
        self.epoch = epoch + 1

    def load_state_dict(self, state):
        """Go on where `state` was taken. Raises ValueError for a state that cannot be of this
        order; then nothing is changed."""
        own = self.state_dict()
        check_names("the data order", state, own)
        check_same("the data order", state, own, ("images", "batch_size"))
        epoch = state["epoch"]
        position = state["position"]
        places = range(0, self.count + 1, self.batch_size)
        if not is_stored_int(epoch) or type(position) is not int or position not in places:
            raise ValueError(
                f"the data order has epoch {shown(epoch)} and position {shown(position)}, "
                f"expected an integer and a multiple of {self.batch_size} up to {self.count}"
            )
        check_pcg64("the data order", state["generator"])
        generator = np.random.Generator(np.random.PCG64(0))
        generator.bit_generator.state = state["generator"]
        self._begin_epoch(generator)
        self.epoch = epoch
        self.position = position


def check_same(what, state, own, names):
    """Raise ValueError unless these integers of a state are this object's own."""
    for name in names:
        if not is_stored_int(state[name]) or state[name] != own[name]:
            raise ValueError(f"{what} is that of {name} {shown(state[name])}, expected {own[name]}")
