"""Dataset: images with what is known about them, whatever they were read from."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, repr=False, eq=False)
class Dataset:
    """Images with what is known about them.

    name: the name or path that it was loaded by.
    images: uint8 (N, C, H, W), C 1 or 3: an array or, of a folder, FolderImages, which decode what
        is indexed; np.asarray(images) reads them all.
    labels: int64 (N,) or None. classes: the labels' names, or None.
    masks: uint8 (N, C, H, W), which pixels of each image belong to the object, or None.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray = None
    classes: tuple = None
    masks: np.ndarray = None

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        channels, height, width = self.images.shape[1:]
        labelled = "no labels" if self.labels is None else f"{len(np.unique(self.labels))} classes"
        return (
            f"Dataset({self.name}: {len(self)} images, {channels} x {height} x {width}, {labelled})"
        )
