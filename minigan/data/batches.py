"""Batches of images, in an order that a checkpoint can take up again.

The one idea: an epoch's order is a function of a random generator's state at its start, so that
state and a position are all a checkpoint needs to go on with the same batches. Only a batch's
images become float32 in [-1, 1], the range of a generator's tanh.
"""

import zlib

import numpy as np

from ..engine import Tensor
from ..files.foreign import check_names, check_pcg64, is_whole, shown
from .images import to_float


class Batches:
    """An endless iterator of batches: a Tensor, float32 (batch_size, C, H, W) in [-1, 1].

    With labels, an item is (Tensor, labels), the labels an integer array (batch_size,).

    images: uint8 (N, C, H, W), N >= batch_size. labels: (N,) or None. seed: an integer or
    several. Each epoch shuffles anew and gives every image at most once: the last N mod
    batch_size of its order are left out, so that every batch is full. crop: a square of so many
    pixels is cut out of each image at random; flip: half of the images are mirrored. After
    load_state_dict() of another's state_dict() the same batches follow, to the bit.
    """

    def __init__(self, images, batch_size, *, labels=None, seed=0, crop=None, flip=False):
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(
                f"images are {images.dtype} {images.shape}, expected uint8 (N, C, H, W)"
            )
        if not isinstance(batch_size, (int, np.integer)) or not 1 <= batch_size <= len(images):
            raise ValueError(
                f"batch_size is {batch_size}, expected 1 to {len(images)}, the number of images"
            )
        if labels is not None and len(labels) != len(images):
            raise ValueError(f"there are {len(labels)} labels for {len(images)} images")
        if crop is not None and not (
            isinstance(crop, (int, np.integer)) and 1 <= crop <= min(images.shape[2:])
        ):
            raise ValueError(
                f"crop is {crop!r}, expected a whole number from 1 to the images' {min(images.shape[2:])}"
            )
        self.images, self.labels, self.batch_size, self.epoch = images, labels, batch_size, 0
        self.crop, self.flip, self.checksum = crop, flip, zlib.crc32(np.ascontiguousarray(images))
        self._begin_epoch(np.random.Generator(np.random.PCG64(seed)))

    def _begin_epoch(self, generator):
        self.position, self._generator = 0, generator
        self._state = (
            generator.bit_generator.state
        )  # taken before the draw, to draw the order again
        self._order = generator.permutation(len(self.images))
        margins = [n - (self.crop or n) + 1 for n in self.images.shape[2:]] + [
            2 if self.flip else 1
        ]
        self._cuts = (
            generator.integers(margins, size=(len(self.images), 3)) if max(margins) > 1 else None
        )

    def __iter__(self):
        return self

    def __next__(self):
        if self.position + self.batch_size > len(self.images):
            self.epoch += 1
            self._begin_epoch(self._generator)
        chosen = self._order[self.position : self.position + self.batch_size]
        self.position += self.batch_size
        images = self.images[chosen]
        if self._cuts is not None:
            height, width = [self.crop or n for n in images.shape[2:]]
            images = np.stack(
                [
                    image[:, top : top + height, left : left + width][
                        :, :, :: -1 if mirrored else 1
                    ]
                    for image, (top, left, mirrored) in zip(images, self._cuts[chosen])
                ]
            )
        batch = Tensor(to_float(np.ascontiguousarray(images)))
        return batch if self.labels is None else (batch, self.labels[chosen])

    def state_dict(self):
        """Plain numbers and strings: whose order, the epoch, the position in it, the generator's
        state at its start.
        """
        return {
            "images": len(self.images),
            "checksum": self.checksum,
            "batch_size": self.batch_size,
            "epoch": self.epoch,
            "position": self.position,
            "generator": self._state,
        }

    def load_state_dict(self, state):
        """Go on where `state` was taken. ValueError if it is another data set's, batch size's, or
        damaged.
        """
        own = self.state_dict()
        check_names("the data order", state, own)
        for name in ("images", "checksum", "batch_size"):
            if not is_whole(state[name]) or state[name] != own[name]:
                raise ValueError(
                    f"the data order is that of {name} {shown(state[name])}, expected {own[name]}"
                )
        epoch, position = state["epoch"], state["position"]
        places = range(0, len(self.images) + 1, self.batch_size)
        if not is_whole(epoch) or type(position) is not int or position not in places:
            raise ValueError(
                f"the data order has epoch {shown(epoch)} and position {shown(position)}, expected an "
                f"integer and a multiple of {self.batch_size} up to {len(self.images)}"
            )
        check_pcg64("the data order", state["generator"])
        generator = np.random.Generator(np.random.PCG64(0))
        generator.bit_generator.state = state["generator"]
        self._begin_epoch(generator)
        self.epoch, self.position = epoch, position
