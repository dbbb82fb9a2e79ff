"""Images to train on, by name, from a folder or from an .npz file.

The one idea: images stay bytes, uint8 (N, C, H, W), until a batch of them is needed: see
batches.py.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import reading
from ..files.bounded import Npz, open_regular
from . import named
from .folders import SPLITS, MissingSplit, read_folder, read_zip
from .images import check_at_least, resize

ASSETS = Path(__file__).parents[1] / "assets"
BUNDLED = ("digits", "clothes", "nuclei")  # each an .npz file in assets/, the digits not in bytes
MOST_NAMES = 1 << 16  # of classes in an .npz file
MOST_NAME_BYTES = 1 << 26  # of all of them together: 64 MiB


@dataclass(frozen=True, repr=False, eq=False)
class Dataset:
    """Images with what is known about them.

    images: uint8 (N, C, H, W), C 1 or 3. labels: int64 (N,) or None. classes: the labels' names
    or None. masks: uint8 (N, C, H, W), which pixels of each image belong to what was looked for,
    or None.
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

    name_or_path: digits, clothes, nuclei, which come with minigan; mnist, fashion-mnist, cifar10; a folder of images:
        see read_folder; an .npz file: see read_npz; FILE.npz:KEY or nuclei:KEY for another of its arrays than `images`,
        as nuclei:masks; one of two kinds of images: horse2zebra:A or :B and the other sets of the CycleGAN paper, or
        FOLDER:A with trainA, testA in the folder.
    image_size: the largest centred square of each image is resized to so many pixels; None keeps the size.
    split: train, validation or test.
    data_dir: where relative paths start, and named sets lie, which are else downloaded once into the cache folder.
    skip_unreadable: name the files of a folder that cannot be read on standard error, instead of raising ValueError.
    Raises FileNotFoundError, ValueError (MissingSplit); OSError if a download fails; ImportError without Pillow.
    """
    if image_size is not None:
        check_at_least(1, image_size=image_size)
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
    name = os.fspath(name_or_path)
    images, labels, classes = _read(name, split, image_size, data_dir, skip_unreadable)
    if images.size == 0:
        raise ValueError(f"{name} holds no images: its array has shape {images.shape}")
    masks = _read_masks(name, split, data_dir)
    if masks is not None:
        masks = resize(masks, image_size, nearest=True)
    return Dataset(name, resize(images, image_size), labels, classes, masks)


def _read(name, split, image_size, data_dir, skip_unreadable):
    """The source that a name or path means -> images, labels or None, classes or None."""
    known = name.lower().replace("_", "-")
    if known == "digits":
        return _read_digits(split)
    if known.partition(":")[0] in BUNDLED[1:] and not name.endswith(":"):
        path, key = find_npz(name, data_dir)
        return read_npz(path, split, key)
    if known in named.PAIRS:
        raise ValueError(f"{name} has two kinds of images, expected {name}:A or {name}:B")
    if known in named.SETS:
        return named.read(known, split, data_dir)
    path = named.user_path(data_dir or "") / named.user_path(name)
    folder, domain = _folder_and_domain(path)
    if domain and path.is_dir() and Path(folder).is_dir():
        raise ValueError(
            f"there are a folder {path} and a folder {folder}, of which {name} may mean "
            f"part {domain}: rename one"
        )
    if path.is_dir():
        return read_folder(path, split, image_size, "", skip_unreadable)
    if domain and Path(folder).is_dir():
        return read_folder(folder, split, image_size, domain, skip_unreadable)
    if domain and known[:-2] in named.PAIRS:
        archive = named.find(known[:-2], data_dir, f"{known[:-2].replace('-', '_')}.zip")
        return read_zip(archive, f"{split}{domain}", image_size), None, None
    npz = find_npz(name, data_dir)
    if npz is not None:
        return read_npz(npz[0], split, npz[1])
    if path.exists():
        raise ValueError(f"{path} is neither a folder of images nor an .npz file")
    raise FileNotFoundError(
        f"{path} is no data set and no path, expected {', '.join(BUNDLED)}, "
        f"{', '.join(named.SETS)}, a folder of images, or an .npz file"
    )


def is_folder(name, data_dir=None):
    """Whether `load` would read a folder for this name or path, whose images may have any sizes."""
    known = name.lower().replace("_", "-")
    path = named.user_path(data_dir or "") / named.user_path(name)
    folder, _ = _folder_and_domain(path)
    if known.partition(":")[0] in BUNDLED or known in named.SETS:
        return False
    return path.is_dir() or Path(folder).is_dir()


def _folder_and_domain(path):
    """FOLDER:A -> (FOLDER, "A"), any other path -> (path, None)."""
    return re.fullmatch(r"(.+?)(?::([AB]))?", str(path), re.S).groups()


def find_npz(name, data_dir):
    """The .npz file that a name or path means -> (its path, the name of the array of images), or
    None.
    """
    bundled, _, key = name.partition(":")
    if bundled.lower() in BUNDLED[1:] and not name.endswith(":"):
        return str(ASSETS / f"{bundled.lower()}.npz"), key or "images"
    path = named.user_path(data_dir or "") / named.user_path(name)
    found = re.fullmatch(r"(.+\.npz)(?::(.+))?", str(path), re.S | re.I)
    if found is None or path.is_dir():
        return None
    return found[1], found[2] or "images"


def _read_masks(name, split, data_dir):
    """The array `masks` beside the array `images` of an .npz file -> (N, C, H, W), or None."""
    npz = find_npz(name, data_dir)
    if npz is None or npz[1] != "images":
        return None
    path = npz[0]
    with open_regular(path) as file, reading(f"cannot read {path}"):
        if "masks" not in Npz(file):
            return None
    masks, _, _ = read_npz(path, split, "masks")
    return masks


def _read_digits(split):
    """The bundled digits, of 0 to 16 inked pixels a place, as bytes from 0 to 255."""
    images, labels, _ = read_npz(ASSETS / "digits.npz", split)
    counts = images.astype(np.uint16)  # before NumPy 2, uint8 times np.uint16(255) stays uint8
    return ((counts * 255 + 8) // 16).astype(np.uint8), labels, named.DIGITS


def read_npz(path, split="train", key="images"):
    """An .npz file -> images uint8 (N, C, H, W), labels int64 (N,) or None, classes or None.

    Its array `key` is uint8 (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3. It may have
    `labels`, integers (N,) of at least 0, `classes`, the name of each label, and `split` (N,), 0
    train, 1 validation, 2 test, without which all images are train. Nothing is unpickled. Headers
    are checked before an array is read: bounded.room says how much a file may unfold to. Raises
    OSError, ValueError (MissingSplit).
    """
    with open_regular(path) as file, reading(f"cannot read {path}"):
        arrays = Npz(file)
        header = arrays.header(key)
        layout = _layout(header.shape, header.dtype, key)
        count = header.shape[0]
        labels = _read_integers(arrays, "labels", count)
        splits = _read_integers(arrays, "split", count)
        classes = _read_names(arrays)
        _check_labels(labels, classes)
        if splits is None:
            splits = np.zeros(count, int)
        _check_splits(splits)
        images = _to_nchw(arrays.read(key), layout)
    chosen = splits == SPLITS.index(split)
    if not chosen.any():
        raise MissingSplit(f"{path} has no images of split {split!r}")
    if labels is not None:
        labels = labels[chosen].astype(np.int64)
    return images[chosen], labels, classes


def _read_integers(arrays, name, count):
    """One of an .npz file's arrays, if it is there: an integer for each image -> (N,) or None."""
    if name not in arrays:
        return None
    header = arrays.header(name)
    if header.shape != (count,) or header.dtype.kind not in "iu":
        raise ValueError(
            f"{name} is {header.dtype} of shape {header.shape}, "
            f"expected integers of shape ({count},)"
        )
    return arrays.read(name)


def _read_names(arrays):
    """The array `classes` of an .npz file, if it is there -> tuple of texts, or None."""
    if "classes" not in arrays:
        return None
    header = arrays.header("classes")
    if len(header.shape) != 1 or header.dtype.kind not in "USiu":
        raise ValueError(
            f"classes is {header.dtype} of shape {header.shape}, expected one axis of names"
        )
    if header.shape[0] > MOST_NAMES or header.nbytes > MOST_NAME_BYTES:
        raise ValueError(
            f"classes has {header.shape[0]:,} names in {header.nbytes:,} bytes, "
            f"expected at most {MOST_NAMES:,} in {MOST_NAME_BYTES:,}"
        )
    names = arrays.read("classes")
    if names.dtype.kind == "S":
        names = np.char.decode(names, "utf-8")
    return tuple(map(str, names.tolist()))


def _check_labels(labels, classes):
    """Raise ValueError for labels that are no numbers of classes."""
    if labels is None or len(labels) == 0:
        return
    least, greatest = int(labels.min()), int(labels.max())
    if classes is not None and not 0 <= least <= greatest < len(classes):
        raise ValueError(
            f"labels are from {least} to {greatest}, expected 0 to {len(classes) - 1}, "
            f"because classes has {len(classes)} names"
        )
    if least < 0 or greatest > np.iinfo(np.int64).max:
        raise ValueError(f"labels are from {least} to {greatest}, expected numbers from 0")


def _check_splits(splits):
    """Raise ValueError for images that would be of no split."""
    unknown = splits[~np.isin(splits, range(len(SPLITS)))]
    if len(unknown):
        raise ValueError(
            f"split holds {unknown[0]}, expected 0 for train, 1 for validation or 2 for test"
        )


def _layout(shape, dtype, what):
    """How the axes of images are laid out -> "NHW", "NCHW" or "NHWC". Raises ValueError."""
    if dtype != np.uint8:
        raise ValueError(f"{what} is {dtype}, expected uint8 from 0 to 255")
    if len(shape) == 3:
        return "NHW"
    first, last = [len(shape) == 4 and shape[axis] in (1, 3) for axis in (1, -1)]
    if first == last:
        ambiguous = "the ambiguous " if first else ""
        raise ValueError(
            f"{what} has {ambiguous}shape {shape}, expected (N, height, width), or with "
            "1 or 3 channels as second or last axis"
        )
    return "NCHW" if first else "NHWC"


def _to_nchw(images, layout):
    """uint8 images of a layout -> (N, C, H, W)."""
    if layout == "NHW":
        return images[:, None]
    if layout == "NHWC":
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return images
