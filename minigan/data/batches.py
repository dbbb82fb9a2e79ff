"""Batches of images, clips or pairs, in an order that a checkpoint can take up again.

Images stay bytes, uint8, until they are drawn. Only a batch becomes float32 in
[-1, 1], the range of a generator's tanh. order.py says which images come next, windows.py which
part of each; the images of a large folder are decoded ahead of time, see ahead.py.
"""

import zlib

import numpy as np

from ..checks import whole_number
from ..engine import Tensor
from ..files.foreign import check_names
from .ahead import Ahead, default_workers
from .images import to_float
from .lazy import FolderImages
from .order import DataOrder, check_same
from .windows import Window

SAME = ("images", "checksum", "batch_size")  # what a state and these batches have in common


class BatchFiller:
    """Copies the images of a Draw out of their sources into a batch, each cut by the window."""

    def __init__(self, sources, window):
        self.sources = sources
        self.window = window

    def collect(self, draw):
        """The images of a batch -> list of uint8 arrays, one for each source, contiguous."""
        if draw.places is None:
            return [np.ascontiguousarray(source[draw.chosen]) for source in self.sources]
        parts = self.allocate(draw)
        for i in range(len(draw.chosen)):
            self.fill(parts, draw, i)
        return parts

    def allocate(self, draw):
        """Arrays for a batch, which `fill` is going to fill."""
        count = len(draw.chosen)
        shapes = [self.window.shape(source.shape[1:]) for source in self.sources]
        return [np.empty((count, *shape), np.uint8) for shape in shapes]

    def fill(self, parts, draw, i):
        """Put the i-th image of a batch into its place."""
        number = draw.chosen[i]
        for part, source in zip(parts, self.sources):
            part[i] = self.window.cut(source[number], draw.place(i))


class Batches:
    """An endless iterator of batches: a Tensor, float32 (batch_size, C, H, W) in [-1, 1].

    images: uint8 (N, C, H, W), or clips (N, T, C, H, W), N >= batch_size: an array, or the images
        of a folder. A tuple of such sources of one length N, as (photographs, masks), is drawn
        from with the same index, crop and mirroring, and gives a tuple of Tensors.
    labels: (N,) or None. With labels, an item is (Tensor, labels) or (Tensor, Tensor, labels),
        the labels an integer array (batch_size,).
    seed: an integer or several. Each epoch shuffles anew and gives every image at most once: the
        last N mod batch_size of its order are left out, so that every batch is full.
    crop: a square of this many pixels, or (height, width), is cut out of each image at random.
    flip: each image is mirrored, left to right, with probability 1/2.
    frames: this many neighbouring frames are cut out of each clip at random. All frames of a clip
        share crop and mirroring.
    workers: threads that decode the images of a large folder ahead of time; by default one for
        each core. The batches do not depend on their number.

    After load_state_dict() of another's state_dict() the same batches follow, to the bit. Raises
    ValueError for other shapes and dtypes; OSError, in one sentence with the file's name, if an
    image of a large folder cannot be decoded.
    """

    def __init__(
        self,
        images,
        batch_size,
        *,
        labels=None,
        seed=0,
        crop=None,
        flip=False,
        frames=None,
        workers=None,
    ):
        self.sources = tuple(images) if isinstance(images, (tuple, list)) else (images,)
        self.labels = labels
        self.window = Window(crop, flip, frames)
        self._workers = default_workers() if workers is None else workers
        _check_sources(self.sources, labels)
        count = len(self.sources[0])
        whole_number("batch_size", batch_size, 1, count, "the number of images")
        whole_number("workers", self._workers, 1)
        shapes = [source.shape for source in self.sources]
        self.window.check(shapes)
        self._order = DataOrder(count, batch_size, self.window.choices(shapes), seed)
        self._filler = BatchFiller(self.sources, self.window)
        self._ahead = None  # made for the first batch
        self._is_lazy = any(map(_is_lazy, self.sources))
        self.checksum = _checksum(self.sources)

    @property
    def epoch(self):
        """How many epochs are over."""
        return self._order.epoch

    def __iter__(self):
        return self

    def __next__(self):
        if self._is_lazy:
            parts = self._take_ahead()
            chosen = next(self._order).chosen
        else:
            draw = next(self._order)
            parts = self._filler.collect(draw)
            chosen = draw.chosen
        batch = [Tensor(to_float(part)) for part in parts]
        if self.labels is not None:
            batch.append(self.labels[chosen])
        return batch[0] if len(batch) == 1 else tuple(batch)

    def _take_ahead(self):
        """The next batch's images, which threads have decoded meanwhile -> list of uint8 arrays."""
        if self._ahead is None:
            self._ahead = Ahead(self._order, self._filler, self._workers)
        try:
            return self._ahead.take()
        except BaseException:  # also Ctrl-C: whoever goes on gets this batch, not the one after it
            self._stop_ahead()
            raise

    def _stop_ahead(self):
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def state_dict(self):
        """Plain numbers and strings: which images, and how far the training is in their order.

        What is decoded ahead of time counts only when it has been taken.
        """
        order = self._order.state_dict()
        return {"images": order["images"], "checksum": self.checksum, **order}

    def is_of(self, state):
        """Whether a state_dict() is of these images and this batch size."""
        own = self.state_dict()
        return all(state[name] == own[name] for name in SAME)

    def begin_anew(self, state):
        """Begin the epoch after that of `state`, which is of other images or another batch size.

        Raises ValueError if it is damaged.
        """
        check_names("the data order", state, self.state_dict())
        self._order.begin_after(state["epoch"], state["generator"])
        self._stop_ahead()

    def load_state_dict(self, state):
        """Go on where `state` was taken.

        Raises ValueError if it is damaged, or of another data set or batch size.
        """
        own = self.state_dict()
        check_names("the data order", state, own)
        check_same("the data order", state, own, SAME)
        self._order.load_state_dict({name: state[name] for name in state if name != "checksum"})
        self._stop_ahead()


def _is_lazy(source):
    return isinstance(source, FolderImages) and not source.is_kept


def _check_sources(sources, labels):
    """Raise ValueError unless all are images or clips, and as many as each other."""
    if not sources:
        raise ValueError("images is an empty tuple, expected at least one array of images")
    for source in sources:
        if source.dtype != np.uint8 or source.ndim not in (4, 5):
            raise ValueError(
                f"images are {source.dtype} {source.shape}, expected uint8 (N, C, H, W), "
                "or clips (N, T, C, H, W)"
            )
    count = len(sources[0])
    for source in sources[1:]:
        if len(source) != count:
            raise ValueError(f"there are {len(source)} images for {count}, expected pairs")
    if labels is not None and len(labels) != count:
        raise ValueError(f"there are {len(labels)} labels for {count} images")


def _checksum(sources):
    """A number that tells these images from others: of their bytes or, in folders, their files."""
    checksum = 0
    for source in sources:
        if isinstance(source, FolderImages):
            checksum = zlib.crc32(source.listing(), checksum)
        else:
            checksum = zlib.crc32(np.ascontiguousarray(source), checksum)
    return checksum
