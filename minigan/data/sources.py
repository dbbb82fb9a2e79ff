"""Images to train on, by name, from a folder or from an .npz file.

The one idea: images stay bytes, uint8 (N, C, H, W), until a batch of them is needed: see
batches.py.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..sizes import height_and_width
from . import named
from .folders import SPLITS, read_folder
from .images import resize
from .npz import Source, read_npz, read_source
from .zipped import read_zip

ASSETS = Path(__file__).parents[1] / "assets"
BUNDLED = ("digits", "clothes", "nuclei")  # each an .npz file in assets/, the digits not in bytes


@dataclass(frozen=True, repr=False, eq=False)
class Dataset:
    """Images with what is known about them.

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


def load(name_or_path, image_size=None, split="train", data_dir=None, *, skip_unreadable=False):
    """Load images -> Dataset: uint8 (N, C, H, W), and labels where the source has them.

    name_or_path: one of
        digits, clothes, nuclei, which come with minigan;
        mnist, fashion-mnist, cifar10;
        a folder of images: see read_folder;
        an .npz file: see read_npz; FILE.npz:KEY or nuclei:KEY for another of its arrays than
        `images`, as nuclei:masks;
        one of two kinds of images: horse2zebra:A or :B and the other sets of the CycleGAN paper,
        or FOLDER:A with trainA, testA in the folder.
    image_size: crop the largest centred part of this shape of each image and resize it to so many
        pixels: a number for a square, (height, width), or "96x160"; None keeps the size.
    split: train, validation or test.
    data_dir: where relative paths start and named data sets are looked for; otherwise these are
        downloaded once into the cache folder.
    skip_unreadable: name the files of a folder that cannot be read on standard error, instead of
        raising ValueError.
    Raises FileNotFoundError, ValueError (MissingSplit); OSError if a download fails; ImportError
    without Pillow.
    """
    if image_size is not None:
        height_and_width(image_size)  # to refuse what is none
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
    name = os.fspath(name_or_path)
    source = _read(name, split, image_size, data_dir, skip_unreadable)
    return Dataset(name, *source)


def _read(name, split, image_size, data_dir, skip_unreadable):
    """The images that a name or path means, resized -> Source."""
    source = _read_arrays(name, split, data_dir)
    if source is not None:
        return _resized(name, source, image_size)
    path = named.user_path(data_dir or "") / named.user_path(name)
    folder, domain = _folder_and_domain(path)
    if domain and path.is_dir() and Path(folder).is_dir():
        raise ValueError(
            f"there are a folder {path} and a folder {folder}, of which {name} may mean "
            f"part {domain}: rename one"
        )
    if path.is_dir():
        return Source(*read_folder(path, split, image_size, "", skip_unreadable))
    if domain and Path(folder).is_dir():
        return Source(*read_folder(folder, split, image_size, domain, skip_unreadable))
    pair = _known(name)[:-2]
    if domain and pair in named.PAIRS:
        archive = named.find(pair, data_dir, f"{pair.replace('-', '_')}.zip")
        return Source(read_zip(archive, f"{split}{domain}", image_size))
    npz = find_npz(name, data_dir)
    if npz is not None:
        return _resized(name, _read_npz(*npz, split), image_size)
    if path.exists():
        raise ValueError(f"{path} is neither a folder of images nor an .npz file")
    raise FileNotFoundError(
        f"{path} is no data set and no path, expected {', '.join(BUNDLED)}, "
        f"{', '.join(named.SETS)}, a folder of images, or an .npz file"
    )


def _known(name):
    """A name as the data sets are called: in lower case, with hyphens."""
    return name.lower().replace("_", "-")


def _read_arrays(name, split, data_dir):
    """A set of arrays that has a name -> Source, at its own size; None for any other name."""
    known = _known(name)
    if known == "digits":
        return _read_digits(split)
    if known.partition(":")[0] in BUNDLED[1:] and not name.endswith(":"):
        return _read_npz(*find_npz(name, data_dir), split)
    if known in named.PAIRS:
        raise ValueError(f"{name} has two kinds of images, expected {name}:A or {name}:B")
    if known in named.SETS:
        return Source(*named.read(known, split, data_dir))
    return None


def _read_npz(path, key, split):
    """An .npz file -> Source, with the masks that lie beside its array `images`."""
    return read_source(path, split, key, with_masks=key == "images")


def _resized(name, source, image_size):
    """A Source at another size. Raises ValueError if it has no images, or none with pixels."""
    images = source.images
    if images.size == 0:
        raise ValueError(f"{name} holds no images: its array has shape {images.shape}")
    masks = source.masks
    if masks is not None:
        masks = resize(masks, image_size, nearest=True)
    return source._replace(images=resize(images, image_size), masks=masks)


def is_folder(name, data_dir=None):
    """Whether `load` would read a folder for this name or path, whose images may have any sizes."""
    known = _known(name)
    path = named.user_path(data_dir or "") / named.user_path(name)
    folder, _ = _folder_and_domain(path)
    if known.partition(":")[0] in BUNDLED or known in named.SETS:
        return False
    return path.is_dir() or Path(folder).is_dir()


def _folder_and_domain(path):
    """FOLDER:A -> (FOLDER, "A"), any other path -> (path, None)."""
    return re.fullmatch(r"(.+?)(?::([AB]))?", str(path), re.S).groups()


def find_npz(name, data_dir):
    """The .npz file that a name or path means -> (path, name of the array of images), or None."""
    bundled, _, key = name.partition(":")
    if bundled.lower() in BUNDLED[1:] and not name.endswith(":"):
        return str(ASSETS / f"{bundled.lower()}.npz"), key or "images"
    path = named.user_path(data_dir or "") / named.user_path(name)
    found = re.fullmatch(r"(.+\.npz)(?::(.+))?", str(path), re.S | re.I)
    if found is None or path.is_dir():
        return None
    return found[1], found[2] or "images"


def _read_digits(split):
    """The bundled digits -> Source. Each place has 0 to 16 inked pixels, here 0 to 255."""
    images, labels, _ = read_npz(ASSETS / "digits.npz", split)
    counts = images.astype(np.uint16)  # before NumPy 2, uint8 times np.uint16(255) stays uint8
    images = ((counts * 255 + 8) // 16).astype(np.uint8)
    return Source(images, labels, named.DIGITS)
