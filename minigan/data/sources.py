"""Images to train on, by name, from a folder or from an .npz file.

Images stay bytes, uint8 (N, C, H, W), until a batch of them is needed: see
batches.py.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..sizes import height_and_width
from . import named
from .dataset import Dataset
from .folders import SPLITS, read_folder
from .images import resize
from .npz import read_dataset, read_npz
from .zipped import read_zip

ASSETS = Path(__file__).parents[1] / "assets"
BUNDLED = ("digits", "clothes", "nuclei")  # .npz files in assets/; digits.npz holds 0 to 16


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
    image_size: crop the largest centred part of this shape of each image and resize it to this many
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
    return _read(name, split, image_size, data_dir, skip_unreadable)


def _read(name, split, image_size, data_dir, skip_unreadable):
    """The images that a name or path means, resized -> Dataset."""
    dataset = _read_arrays(name, split, data_dir)
    if dataset is not None:
        return _resized(dataset, image_size)
    path = named.user_path(data_dir or "") / named.user_path(name)
    folder, domain = _folder_and_domain(path)
    if domain and path.is_dir() and Path(folder).is_dir():
        raise ValueError(
            f"there are a folder {path} and a folder {folder}, of which {name} may mean "
            f"part {domain}: rename one"
        )
    if path.is_dir():
        return Dataset(name, *read_folder(path, split, image_size, "", skip_unreadable))
    if domain and Path(folder).is_dir():
        return Dataset(name, *read_folder(folder, split, image_size, domain, skip_unreadable))
    pair = _known(name)[:-2]
    if domain and pair in named.PAIRS:
        archive = named.find(pair, data_dir, f"{pair.replace('-', '_')}.zip")
        return Dataset(name, read_zip(archive, f"{split}{domain}", image_size))
    npz = find_npz(name, data_dir)
    if npz is not None:
        if not os.path.exists(npz[0]):
            raise FileNotFoundError(f"there is no file {npz[0]}")
        return _resized(_read_npz(name, *npz, split), image_size)
    if path.exists():
        raise ValueError(f"{path} is neither a folder of images nor an .npz file")
    raise FileNotFoundError(_not_found(name, path))


def _not_found(name, path):
    """Why neither a data set nor a path was found. Only a name without folders may be a set's."""
    if len(Path(name).parts) > 1:
        return f"there is no folder or file {path}"
    return (
        f"there is no data set, folder or file {path}, expected a folder of images, an .npz file, "
        f"or one of the data sets {', '.join(BUNDLED)}, {', '.join(named.SETS)}"
    )


def _known(name):
    """A name as the data sets are called: in lower case, with hyphens."""
    return name.lower().replace("_", "-")


def _read_arrays(name, split, data_dir):
    """A set of arrays that has a name -> Dataset, at its own size; None for any other name."""
    known = _known(name)
    if known == "digits":
        return _read_digits(name, split)
    if known.partition(":")[0] in BUNDLED[1:] and not name.endswith(":"):
        return _read_npz(name, *find_npz(name, data_dir), split)
    if known in named.PAIRS:
        raise ValueError(f"{name} has two kinds of images, expected {name}:A or {name}:B")
    if known in named.SETS:
        return Dataset(name, *named.read(known, split, data_dir))
    return None


def _read_npz(name, path, key, split):
    """An .npz file -> Dataset, with the masks that lie beside its array `images`."""
    return read_dataset(name, path, split, key, with_masks=key == "images")


def _resized(dataset, image_size):
    """A Dataset at another size. Raises ValueError if it has no images, or none with pixels."""
    images = dataset.images
    if images.size == 0:
        raise ValueError(f"{dataset.name} holds no images: its array has shape {images.shape}")
    masks = dataset.masks
    if masks is not None:
        masks = resize(masks, image_size, nearest=True)
    return replace(dataset, images=resize(images, image_size), masks=masks)


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


def _read_digits(name, split):
    """The bundled digits -> Dataset. Each place has 0 to 16 inked pixels, here 0 to 255."""
    images, labels, _ = read_npz(ASSETS / "digits.npz", split)
    counts = images.astype(np.uint16)  # before NumPy 2, uint8 times np.uint16(255) stays uint8
    images = ((counts * 255 + 8) // 16).astype(np.uint8)
    return Dataset(name, images, labels, named.DIGITS)
