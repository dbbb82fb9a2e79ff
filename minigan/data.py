"""Images to train on, by name, from a folder or from an .npz file, and the batches that are drawn from them.

The one idea: images stay bytes, uint8 (N, C, H, W), until a batch of them is needed; only that batch becomes float32
in [-1, 1], the range of a generator's tanh. An epoch's order is a function of a random generator's state at its start,
so that state and a position are all a checkpoint needs to go on with the same batches.
"""

import os
import re
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from . import datasets
from .files import reading
from .foreign import check_names, check_pcg64, is_whole, shown
from .images import check_at_least, read_image, resize, to_float

SPLITS = ("train", "validation", "test")  # 0, 1, 2 in the `split` array of an .npz
SPLIT_FOLDERS = {**{name: name for name in SPLITS}, "valid": "validation", "val": "validation"}
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


class MissingSplit(ValueError):
    """The source has no images of the split that was asked for."""


@dataclass(frozen=True, repr=False, eq=False)
class Dataset:
    """images: uint8 (N, C, H, W), C 1 or 3; labels: int64 (N,) or None; classes: their names or None."""

    name: str
    images: np.ndarray
    labels: np.ndarray = None
    classes: tuple = None

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        channels, height, width = self.images.shape[1:]
        labelled = "no labels" if self.labels is None else f"{len(np.unique(self.labels))} classes"
        return f"Dataset({self.name}: {len(self)} images, {channels} x {height} x {width}, {labelled})"


def load(name_or_path, image_size=None, split="train", data_dir=None, *, skip_unreadable=False):
    """Load images -> Dataset: uint8 (N, C, H, W), and labels where the source has them.

    name_or_path: digits (bundled with minigan), mnist, fashion-mnist, cifar10; a folder of images: see read_folder; an
        .npz, or FILE.npz:KEY for another of its arrays than `images`: see read_npz; one of two kinds of images:
        horse2zebra:A or :B and the other sets of the CycleGAN paper, or FOLDER:A with trainA, testA in the folder.
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
    known, path = name.lower().replace("_", "-"), Path(data_dir or "") / Path(name).expanduser()
    folder, domain = re.fullmatch(r"(.+?)(?::([AB]))?", str(path), re.S).groups()
    if known == "digits":
        images, labels, _ = read_npz(Path(__file__).parent / "assets" / "digits.npz", split)
        images, classes = ((images * np.uint16(255) + 8) // 16).astype(np.uint8), datasets.DIGITS  # 0..16 -> 0..255
    elif known in datasets.PAIRS:
        raise ValueError(f"{name} has two kinds of images, expected {name}:A or {name}:B")
    elif known in datasets.SETS:
        images, labels, classes = datasets.read(known, split, data_dir)
    elif Path(folder).is_dir():
        images, labels, classes = read_folder(folder, split, image_size, domain or "", skip_unreadable)
    elif domain and known[:-2] in datasets.PAIRS:
        archive = datasets.find(known[:-2], data_dir, f"{known[:-2].replace('-', '_')}.zip")
        images, labels, classes = _read_zip(archive, f"{split}{domain}", image_size), None, None
    elif npz := re.fullmatch(r"(.+\.npz)(?::(.+))?", str(path)):
        images, labels, classes = read_npz(npz[1], split, npz[2] or "images")
    elif path.exists():
        raise ValueError(f"{path} is neither a folder of images nor an .npz file")
    else:
        raise FileNotFoundError(f"{path} is no data set and no path, expected digits, {', '.join(datasets.SETS)}, a "
                                "folder of images, or an .npz file")
    if images.size == 0:
        raise ValueError(f"{name} holds no images: its array has shape {images.shape}")
    return Dataset(name, resize(images, image_size), labels, classes)


def read_npz(path, split="train", key="images"):
    """An .npz file -> images uint8 (N, C, H, W), labels int64 (N,) or None, classes or None. Nothing is unpickled.

    Its array `key` is uint8 (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3; it may have `labels`, integers (N,),
    `classes`, their names, and `split` (N,), 0 train, 1 validation, 2 test, without which all images are train.
    """
    with open(path, "rb") as file, reading(f"cannot read {path}"), np.lib.npyio.NpzFile(file) as archive:
        if key not in archive:
            raise ValueError(f"it holds no array {key!r}, only {', '.join(archive) or 'nothing'}")
        arrays = {name: np.asarray(archive[name]) for name in (key, "labels", "classes", "split") if name in archive}
    images = _to_nchw(arrays[key], f"{path}: {key}")
    for name in ("labels", "split"):
        if name in arrays and ((found := arrays[name]).shape != images.shape[:1] or found.dtype.kind not in "iu"):
            raise ValueError(f"{path}: {name} is {found.dtype} of shape {found.shape}, expected integers of shape "
                             f"({len(images)},)")
    chosen = arrays.get("split", np.zeros(len(images), int)) == SPLITS.index(split)
    if not chosen.any():
        raise MissingSplit(f"{path} has no images of split {split!r}")
    return (images[chosen], arrays["labels"][chosen].astype(np.int64) if "labels" in arrays else None,
            tuple(map(str, arrays["classes"])) if "classes" in arrays else None)


def _to_nchw(images, what):
    """uint8 (N, H, W), (N, H, W, C) or (N, C, H, W) -> (N, C, H, W)."""
    if images.dtype != np.uint8:
        raise ValueError(f"{what} is {images.dtype}, expected uint8 from 0 to 255")
    if images.ndim == 3:
        return images[:, None]
    first, last = [images.ndim == 4 and images.shape[axis] in (1, 3) for axis in (1, -1)]
    if first == last:
        raise ValueError(f"{what} has {'the ambiguous ' if first else ''}shape {images.shape}, expected (N, height, "
                         "width), or with 1 or 3 channels as second or last axis")
    return images if first else np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def read_folder(folder, split="train", image_size=None, domain="", skip_unreadable=False):
    """A folder of images, searched with its subfolders, sorted -> images, labels or None, classes or None.

    If it has subfolders train, validation (or valid, val) or test, `split` chooses among them; else all images are
    train. With a domain, "A", these must be trainA, testA, ... If every image then lies in a subfolder, and there are
    two or more, these are the classes. Images are grey if all of them are, else RGB. Hidden files and files that do not
    have the name of an image are passed over.
    """
    splits = {name + domain: split for name, split in SPLIT_FOLDERS.items()}
    folders = {splits[path.name]: path for path in Path(folder).iterdir() if path.name in splits and path.is_dir()}
    if not folders and domain:
        raise ValueError(f"{folder} has no folder train{domain}")
    folders = folders or {"train": Path(folder)}
    if split not in folders:
        raise MissingSplit(f"{folder} has no split {split!r}, expected {' or '.join(folders)}")
    root, read = folders[split], {}
    for name in image_files(root):
        try:
            read[name] = resize(read_image(root / name)[None], image_size)[0]
        except ValueError as error:
            if not skip_unreadable:
                raise
            print(f"skipped: {error}", file=sys.stderr)
    if not read:
        raise ValueError(f"{root} holds no image that can be read")
    images, names = _stack(read, root), list(read)
    classes = sorted({name.parts[0] for name in names})
    if len(classes) < 2 or any(len(name.parts) == 1 for name in names):
        return images, None, None
    return images, np.array([classes.index(name.parts[0]) for name in names], np.int64), tuple(classes)


def image_files(folder):
    """The images in a folder and its subfolders -> their relative Paths, sorted. ValueError if there are none."""
    names = sorted(filter(_is_image, (path.relative_to(folder) for path in Path(folder).rglob("*"))))
    if not names:
        raise ValueError(f"{folder} holds no images ({' '.join(sorted(IMAGE_SUFFIXES))})")
    return names


def _is_image(path):
    return path.suffix.lower() in IMAGE_SUFFIXES and not any(p.startswith((".", "__MACOSX")) for p in path.parts)


def _stack(images, where):
    """{name: uint8 (1 or 3, H, W)} of one size -> (N, C, H, W), grey if all are."""
    first, *names = images
    channels = max(map(len, images.values()))
    for name in names:
        if images[name].shape[1:] != images[first].shape[1:]:
            sizes = ["{1} x {2}".format(*images[n].shape) for n in (first, name)]
            raise ValueError(f"images differ in size: {where / first} is {sizes[0]} and {where / name} is {sizes[1]} "
                             "(height x width); choose an image_size to resize them to")
    return np.stack([np.broadcast_to(image, (channels, *image.shape[1:])) for image in images.values()])


def _read_zip(path, folder, image_size):
    """The images of one folder in a .zip, wherever in it that lies. Nothing is unpacked to disk."""
    with reading(f"cannot read {path}"), zipfile.ZipFile(path) as archive:
        names = sorted(filter(_is_image, map(PurePosixPath, archive.namelist())))
        images = {name: resize(read_image(archive.open(str(name)))[None], image_size)[0]
                  for name in names if name.parent.name == folder}
    if not images:
        raise MissingSplit(f"{path} holds no images in a folder {folder}")
    return _stack(images, path)


class Batches:
    """An endless iterator of float32 batches (batch_size, C, H, W) in [-1, 1], or (batch, labels).

    images: uint8 (N, C, H, W), N >= batch_size. labels: (N,) or None. seed: an integer or several. Each epoch shuffles
    anew and gives every image at most once: the last N mod batch_size of its order are left out, so that every batch is
    full. crop: a square of so many pixels is cut out of each image at random; flip: half of the images are mirrored.
    After load_state_dict() of another's state_dict() the same batches follow, to the bit.
    """

    def __init__(self, images, batch_size, *, labels=None, seed=0, crop=None, flip=False):
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(f"images are {images.dtype} {images.shape}, expected uint8 (N, C, H, W)")
        if not isinstance(batch_size, (int, np.integer)) or not 1 <= batch_size <= len(images):
            raise ValueError(f"batch_size is {batch_size}, expected 1 to {len(images)}, the number of images")
        if labels is not None and len(labels) != len(images):
            raise ValueError(f"there are {len(labels)} labels for {len(images)} images")
        if crop is not None and not (isinstance(crop, (int, np.integer)) and 1 <= crop <= min(images.shape[2:])):
            raise ValueError(f"crop is {crop!r}, expected a whole number from 1 to the images' {min(images.shape[2:])}")
        self.images, self.labels, self.batch_size, self.epoch = images, labels, batch_size, 0
        self.crop, self.flip, self.checksum = crop, flip, zlib.crc32(np.ascontiguousarray(images))
        self._begin_epoch(np.random.Generator(np.random.PCG64(seed)))

    def _begin_epoch(self, generator):
        self.position, self._generator = 0, generator
        self._state = generator.bit_generator.state  # taken before the draw, to draw the order again
        self._order = generator.permutation(len(self.images))
        margins = [n - (self.crop or n) + 1 for n in self.images.shape[2:]] + [2 if self.flip else 1]
        self._cuts = generator.integers(margins, size=(len(self.images), 3)) if max(margins) > 1 else None

    def __iter__(self):
        return self

    def __next__(self):
        if self.position + self.batch_size > len(self.images):
            self.epoch += 1
            self._begin_epoch(self._generator)
        chosen = self._order[self.position:self.position + self.batch_size]
        self.position += self.batch_size
        images = self.images[chosen]
        if self._cuts is not None:
            height, width = [self.crop or n for n in images.shape[2:]]
            images = np.stack([image[:, top:top + height, left:left + width][:, :, ::-1 if mirrored else 1]
                               for image, (top, left, mirrored) in zip(images, self._cuts[chosen])])
        batch = np.ascontiguousarray(to_float(images))
        return batch if self.labels is None else (batch, self.labels[chosen])

    def state_dict(self):
        """Plain numbers and strings: whose order, the epoch, the position in it, the generator's state at its start."""
        return {"images": len(self.images), "checksum": self.checksum, "batch_size": self.batch_size,
                "epoch": self.epoch, "position": self.position, "generator": self._state}

    def load_state_dict(self, state):
        """Go on where `state` was taken. ValueError if it is another data set's, batch size's, or damaged."""
        own = self.state_dict()
        check_names("the data order", state, own)
        for name in ("images", "checksum", "batch_size"):
            if not is_whole(state[name]) or state[name] != own[name]:
                raise ValueError(f"the data order is that of {name} {shown(state[name])}, expected {own[name]}")
        epoch, position = state["epoch"], state["position"]
        places = range(0, len(self.images) + 1, self.batch_size)
        if not is_whole(epoch) or type(position) is not int or position not in places:
            raise ValueError(f"the data order has epoch {shown(epoch)} and position {shown(position)}, expected an "
                             f"integer and a multiple of {self.batch_size} up to {len(self.images)}")
        check_pcg64("the data order", state["generator"])
        generator = np.random.Generator(np.random.PCG64(0))
        generator.bit_generator.state = state["generator"]
        self._begin_epoch(generator)
        self.epoch, self.position = epoch, position
