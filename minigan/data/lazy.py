"""The images of a folder as an array that is decoded when it is looked at.

A training draws a few images at a time, so a folder of any size needs the memory of
a few images. From each file's header it is known beforehand what the image will be; the pixels are
read when they are indexed.
"""

import copy
import os

import numpy as np

from ..sizes import height_and_width
from .images import read_image, resize


class FolderImages:
    """Images in files, uint8 (N, C, H, W), which look like an array.

    It has len, shape, dtype, ndim, nbytes; it is indexed like a NumPy array, and each access
    decodes what is asked for. np.asarray(images) reads them all. Raises OSError, in one sentence
    with the file's name, for a file that cannot be decoded or has changed.

    folder: a Path. headers: {path relative to it: images.Header}, at least one, all of one size if
    image_size is None. kept: all the pixels, uint8 (N, C, H, W), if they are in memory already.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, folder, headers, image_size=None, kept=None):
        self.folder = folder
        self.names = list(headers)
        self.image_size = image_size
        self._kept = kept
        self._sizes = [header.file_size for header in headers.values()]
        self.shape = (len(headers), *shape_of(headers.values(), image_size))

    def __len__(self):
        return len(self.names)

    def __repr__(self):
        return f"FolderImages({self.folder}: uint8 {self.shape})"

    @property
    def is_kept(self):
        """Whether all pixels are in memory, so that nothing is decoded again."""
        return self._kept is not None

    @property
    def nbytes(self):
        """The memory that all images would need, in bytes."""
        return int(np.prod(self.shape, dtype=object))

    def __getitem__(self, index):
        if self._kept is not None:
            return self._kept[index]
        if isinstance(index, (int, np.integer)):
            return self._decode(range(len(self))[index])
        if isinstance(index, tuple):
            first, *others = index
            if isinstance(first, (int, np.integer)):
                return self[first][tuple(others)]
            return self[first][(slice(None), *others)]
        chosen = np.arange(len(self))[index]
        if chosen.ndim != 1:
            raise IndexError(
                f"images are indexed by an array of shape {chosen.shape}, expected one axis"
            )
        images = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        for place, i in enumerate(chosen):
            images[place] = self._decode(i)
        return images

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("the images of a folder are decoded, which always makes a copy")
        return self[:].astype(dtype or np.uint8)

    def _decode(self, i):
        """One image -> uint8 (C, H, W)."""
        path = self.folder / self.names[i]
        try:
            pixels = read_image(path)
        except ValueError as error:
            raise OSError(str(error)) from error
        pixels = resize(pixels[None], self.image_size)[0]
        channels, *size = self.shape[1:]
        if list(pixels.shape[1:]) != size or len(pixels) not in (1, channels):
            raise OSError(
                f"the image {path} has shape {pixels.shape}, expected {self.shape[1:]}, "
                "which its header said when the folder was read"
            )
        return np.broadcast_to(pixels, self.shape[1:])

    def as_rgb(self):
        """The same images with three channels -> FolderImages."""
        colour = copy.copy(self)
        colour.shape = (len(self), 3, *self.shape[2:])
        if self._kept is not None:
            colour._kept = np.broadcast_to(self._kept, colour.shape)
        return colour

    def listing(self):
        """The names and sizes of the files, and the shape of the images -> bytes.

        It tells this folder from others without reading a pixel.
        """
        lines = [f"{self.shape[1:]}"]
        for name, size in zip(self.names, self._sizes):
            lines.append(f"{name.as_posix()} {size}")
        return os.fsencode("\n".join(lines))


def shape_of(headers, image_size):
    """The headers of images -> the shape (C, H, W) that all have: grey if all are."""
    headers = list(headers)
    channels = max(header.channels for header in headers)
    if image_size is not None:
        return channels, *height_and_width(image_size)
    return channels, headers[0].height, headers[0].width
