"""Images to train on, by name, from a folder or from an .npz file, and the batches that are drawn from them.

The one idea: images stay bytes, uint8 (N, C, H, W), until a batch of them is needed; only that batch becomes float32
in [-1, 1], the range of a generator's tanh. An epoch's order is a function of a random generator's state at its start,
so that state and a position are all a checkpoint needs to go on with the same batches.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import datasets
from .files import reading
from .images import check_at_least, read_image, resize, to_float

SPLITS = ("train", "validation", "test")  # 0, 1, 2 in the `split` array of an .npz
SPLIT_FOLDERS = {**{name: name for name in SPLITS}, "valid": "validation", "val": "validation"}
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


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


def load(name_or_path, image_size=None, split="train", data_dir=None):
    """Load images -> Dataset: uint8 (N, C, H, W), and labels where the source has them.

    name_or_path: digits (bundled with minigan), mnist, fashion-mnist, cifar10; a folder of images: see read_folder; an
        .npz, or FILE.npz:KEY for another of its arrays than `images`: see read_npz.
    image_size: the largest centred square of each image is resized to so many pixels; None keeps the size.
    split: train, validation or test.
    data_dir: where relative paths start, and named sets lie, which are else downloaded once into the cache folder.
    Raises FileNotFoundError, ValueError; OSError if a download fails; ImportError without Pillow.
    """
    if image_size is not None:
        check_at_least(1, image_size=image_size)
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
    name = os.fspath(name_or_path)
    known, path = name.lower().replace("_", "-"), Path(data_dir or "") / Path(name).expanduser()
    if known == "digits":
        images, labels, _ = read_npz(Path(__file__).parent / "assets" / "digits.npz", split)
        images, classes = ((images * np.uint16(255) + 8) // 16).astype(np.uint8), datasets.DIGITS  # 0..16 -> 0..255
    elif known in datasets.SETS:
        images, labels, classes = datasets.read(known, split, data_dir)
    elif path.is_dir():
        images, labels, classes = read_folder(path, split, image_size)
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
        raise ValueError(f"{path} has no images of split {split!r}")
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


def read_folder(folder, split="train", image_size=None):
    """A folder of images, searched with its subfolders, sorted -> images, labels or None, classes or None.

    If it has subfolders train, validation (or valid, val) or test, `split` chooses among them; else all images are
    train. If every image then lies in a subfolder, and there are two or more, these are the classes. Images are grey if
    all of them are, else RGB. Hidden files and files that do not have the name of an image are passed over.
    """
    folders = {SPLIT_FOLDERS[path.name]: path for path in Path(folder).iterdir()
               if path.name in SPLIT_FOLDERS and path.is_dir()} or {"train": Path(folder)}
    if split not in folders:
        raise ValueError(f"{folder} has no split {split!r}, expected {' or '.join(folders)}")
    root = folders[split]
    names = sorted(path.relative_to(root) for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    names = [name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.parts)]
    if not names:
        raise ValueError(f"{root} holds no images ({' '.join(sorted(IMAGE_SUFFIXES))})")
    images = []
    for name in names:
        images.append(resize(read_image(root / name)[None], image_size)[0])
        if images[-1].shape[1:] != images[0].shape[1:]:
            sizes = ["{1} x {2}".format(*image.shape) for image in (images[0], images[-1])]
            raise ValueError(f"images differ in size: {root / names[0]} is {sizes[0]} and {root / name} is {sizes[1]} "
                             "(height x width); choose an image_size to resize them to")
    channels = max(map(len, images))
    images = np.stack([np.broadcast_to(image, (channels, *image.shape[1:])) for image in images])
    classes = sorted({name.parts[0] for name in names})
    if len(classes) < 2 or any(len(name.parts) == 1 for name in names):
        return images, None, None
    return images, np.array([classes.index(name.parts[0]) for name in names], np.int64), tuple(classes)


class Batches:
    """An endless iterator of float32 batches (batch_size, C, H, W) in [-1, 1], or (batch, labels).

    images: uint8 (N, C, H, W), N >= batch_size. labels: (N,) or None. seed: an integer or several. Each epoch shuffles
    anew and gives every image at most once: the last N mod batch_size of its order are left out, so that every batch is
    full. After load_state_dict() of another's state_dict() the same batches follow, to the bit.
    """

    def __init__(self, images, batch_size, *, labels=None, seed=0):
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(f"images are {images.dtype} {images.shape}, expected uint8 (N, C, H, W)")
        if not isinstance(batch_size, (int, np.integer)) or not 1 <= batch_size <= len(images):
            raise ValueError(f"batch_size is {batch_size}, expected 1 to {len(images)}, the number of images")
        if labels is not None and len(labels) != len(images):
            raise ValueError(f"there are {len(labels)} labels for {len(images)} images")
        self.images, self.labels, self.batch_size, self.epoch = images, labels, batch_size, 0
        self._begin_epoch(np.random.Generator(np.random.PCG64(seed)))

    def _begin_epoch(self, generator):
        self.position, self._generator = 0, generator
        self._state = generator.bit_generator.state  # taken before the draw, to draw the order again
        self._order = generator.permutation(len(self.images))

    def __iter__(self):
        return self

    def __next__(self):
        if self.position + self.batch_size > len(self.images):
            self.epoch += 1
            self._begin_epoch(self._generator)
        chosen = self._order[self.position:self.position + self.batch_size]
        self.position += self.batch_size
        batch = np.ascontiguousarray(to_float(self.images[chosen]))
        return batch if self.labels is None else (batch, self.labels[chosen])

    def state_dict(self):
        """Plain numbers and strings: the epoch, the position in it, the generator's state at its start."""
        return {"images": len(self.images), "batch_size": self.batch_size, "epoch": self.epoch,
                "position": self.position, "generator": self._state}

    def load_state_dict(self, state):
        """Go on where `state` was taken. ValueError if it is another data set's, batch size's, or damaged."""
        for name, expected in (("images", len(self.images)), ("batch_size", self.batch_size)):
            if state.get(name) != expected:
                raise ValueError(f"the data order is that of {name} {state.get(name)}, expected {expected}")
        epoch, position = state.get("epoch"), state.get("position")
        if not isinstance(epoch, int) or epoch < 0 or position not in range(0, len(self.images) + 1, self.batch_size):
            raise ValueError(f"the data order has epoch {epoch!r} and position {position!r}, expected an integer and a "
                             f"multiple of {self.batch_size} up to {len(self.images)}")
        generator = np.random.Generator(np.random.PCG64(0))
        with reading("the data order has no PCG64 state"):
            generator.bit_generator.state = state["generator"]
        self._begin_epoch(generator)
        self.epoch, self.position = epoch, position
