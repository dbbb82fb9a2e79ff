"""Images to train on, by name, from a folder or from an .npz file, and the batches that are drawn from them.

The one idea: images stay bytes, uint8 (N, C, H, W), until a batch of them is needed; only that batch becomes
float32 in [-1, 1], the range of a generator's tanh. An epoch's order is a function of a random generator's
state at its start, so that state and a position are all a checkpoint needs to go on with the same batches.
"""

import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .datasets import DIGITS, IDX_SETS, one_of, read_cifar10, read_idx_set
from .images import check_image_size, read_image, resize, to_float

SPLITS = ("train", "validation", "test")  # 0, 1, 2 in the `split` array of an .npz
SPLIT_FOLDERS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation",
                 "test": "test"}
# What NumPy and zipfile raise for an .npz that is cut short, changed, encrypted, or of absurd size.
DAMAGED = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, MemoryError)
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

    name_or_path: digits (bundled with minigan), mnist, fashion-mnist, cifar10;
        a folder of images, searched with its subfolders: see read_folder;
        an .npz with `images`, or FILE.npz:KEY for another of its arrays: see read_npz.
    image_size: pixels: the largest centred square of each image is resized to it; None keeps the size.
    split: train, validation or test.
    data_dir: a folder with mnist, fashion-mnist or cifar10, which are else downloaded once into the cache
        folder; a relative path starts from it.
    Raises FileNotFoundError, ValueError, TypeError; OSError if a download fails; ImportError without Pillow.
    """
    check_image_size(image_size)
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
    name = os.fspath(name_or_path)
    known = name.lower().replace("_", "-")
    if known == "digits":
        images, labels, _ = read_npz(Path(__file__).parent / "assets" / "digits.npz", split)
        images = ((images * np.uint16(255) + 8) // 16).astype(np.uint8)  # 0..16 -> 0..255, rounded
        classes = DIGITS
    elif known in IDX_SETS:
        images, labels, classes = read_idx_set(known, split, data_dir)
    elif known == "cifar10":
        images, labels, classes = read_cifar10(split, data_dir)
    else:
        path = Path(data_dir or "") / Path(name).expanduser()
        images, labels, classes = _read_path(path, split, image_size)
    if images.size == 0:
        raise ValueError(f"{name} holds no images: its array has shape {images.shape}")
    return Dataset(name, images if image_size is None else resize(images, image_size), labels, classes)


def _read_path(path, split, image_size):
    before, has_key, key = str(path).rpartition(".npz:")
    if has_key:
        return read_npz(before + ".npz", split, key)
    if path.is_dir():
        return read_folder(path, split, image_size)
    if path.suffix == ".npz" and path.exists():
        return read_npz(path, split)
    if path.exists():
        raise ValueError(f"{path} is neither a folder of images nor an .npz file")
    raise FileNotFoundError(f"{path} is no data set and no path, expected digits, {', '.join(IDX_SETS)}, "
                            "cifar10, a folder of images, or an .npz file")


def read_npz(path, split="train", key="images"):
    """An .npz file -> images uint8 (N, C, H, W), labels int64 (N,) or None, classes or None.

    Its array `key` is uint8 (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3. `labels`, integers (N,),
    and `classes`, their names, are used if there. `split` (N,), 0 train, 1 validation, 2 test, is honoured;
    without it all images are train. Nothing is unpickled.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {path}")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no .npz file, or is cut short")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            if key not in archive.files:
                raise ValueError(f"it holds no array {key!r}, only {', '.join(archive.files) or 'nothing'}")
            wanted = (key, "labels", "classes", "split")
            arrays = {name: np.asarray(archive[name]) for name in wanted if name in archive.files}
    except DAMAGED as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    images = _to_nchw(arrays[key], f"{path}: {key}")
    for name in ("labels", "split"):
        array = arrays.get(name)
        if array is not None and (array.shape != images.shape[:1] or array.dtype.kind not in "iu"):
            raise ValueError(f"{path}: {name} is {array.dtype} of shape {array.shape}, expected integers of "
                             f"shape ({len(images)},)")
    labels = arrays["labels"].astype(np.int64) if "labels" in arrays else None
    classes = tuple(map(str, arrays["classes"])) if "classes" in arrays else None
    if "split" not in arrays:
        one_of(split, ("train",), f"{path}, which holds no array 'split',")
        return images, labels, classes
    number = SPLITS.index(split)
    chosen = arrays["split"] == number
    if not chosen.any():
        raise ValueError(f"{path} has no images of split {split!r}, that is no {number} in its 'split'")
    return images[chosen], labels if labels is None else labels[chosen], classes


def _to_nchw(images, what):
    """uint8 (N, H, W), (N, H, W, C) or (N, C, H, W) -> (N, C, H, W)."""
    if images.dtype != np.uint8:
        raise ValueError(f"{what} is {images.dtype}, expected uint8 from 0 to 255")
    if images.ndim == 3:
        return images[:, None]
    first, last = [images.ndim == 4 and images.shape[axis] in (1, 3) for axis in (1, -1)]
    if first == last:
        raise ValueError(f"{what} has {'the ambiguous ' if first else ''}shape {images.shape}, expected (N, "
                         "height, width), or with 1 or 3 channels as second or last axis")
    return images if first else np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def read_folder(folder, split="train", image_size=None):
    """A folder of images, searched with its subfolders, sorted -> images, labels or None, classes or None.

    If it has subfolders train, validation (or valid, val) or test, `split` chooses among them; else all
    images are train. If every image then lies in a subfolder, and there are two or more, these are the
    classes. Images are grey if all of them are, else RGB; transparency is laid on white, and a photograph's
    orientation is applied. Hidden files and files that do not have the name of an image are passed over.
    """
    splits = {SPLIT_FOLDERS[entry.name]: entry for entry in Path(folder).iterdir()
              if entry.name in SPLIT_FOLDERS and entry.is_dir()}
    one_of(split, tuple(splits) or ("train",), folder)
    root = splits.get(split, Path(folder))
    files = [path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES]
    names = sorted(path.relative_to(root) for path in files)
    names = [name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.parts)]
    if not names:
        raise ValueError(f"{root} holds no images ({' '.join(sorted(IMAGE_SUFFIXES))})")
    images = []
    for name in names:
        image = read_image(root / name)
        images.append(image if image_size is None else resize(image[None], image_size)[0])
        if images[-1].shape[1:] != images[0].shape[1:]:
            sizes = ["{1} x {2}".format(*image.shape) for image in (images[0], image)]
            raise ValueError(f"images differ in size: {root / names[0]} is {sizes[0]} and {root / name} is "
                             f"{sizes[1]} (height x width); choose an image_size to resize them to")
    channels = max(map(len, images))
    images = np.stack([np.broadcast_to(image, (channels, *image.shape[1:])) for image in images])
    classes = sorted({name.parts[0] for name in names})
    if len(classes) < 2 or any(len(name.parts) == 1 for name in names):
        return images, None, None
    return images, np.array([classes.index(name.parts[0]) for name in names], np.int64), tuple(classes)


class Batches:
    """An endless iterator of float32 batches (batch_size, C, H, W) in [-1, 1], or (batch, labels).

    Each epoch shuffles anew and gives every image at most once: the last N mod batch_size of its order are
    left out, so that every batch is full. state_dict() is plain integers and strings; after load_state_dict()
    of it, a Batches of the same images gives the same batches, to the bit.

    images: uint8 (N, C, H, W), N >= batch_size. labels: (N,) or None. seed: an integer or several.
    """

    def __init__(self, images, batch_size, *, labels=None, seed=0):
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(f"images are {images.dtype} {images.shape}, expected uint8 (N, C, H, W)")
        if not isinstance(batch_size, (int, np.integer)) or not 1 <= batch_size <= len(images):
            raise ValueError(f"batch_size is {batch_size}, expected 1 to {len(images)}, the number of images")
        if labels is not None and len(labels) != len(images):
            raise ValueError(f"there are {len(labels)} labels for {len(images)} images")
        self.images, self.labels, self.batch_size = images, labels, batch_size
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self.epoch = 0
        self._begin_epoch()

    def _begin_epoch(self):
        self.position = 0
        self._state = self._generator.bit_generator.state  # taken before the draw, to draw the order again
        self._order = self._generator.permutation(len(self.images))

    def __iter__(self):
        return self

    def __next__(self):
        if self.position + self.batch_size > len(self.images):
            self.epoch += 1
            self._begin_epoch()
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
        positions = range(0, len(self.images) + 1, self.batch_size)
        if not isinstance(epoch, int) or epoch < 0 or position not in positions:
            raise ValueError(f"the data order has epoch {epoch!r} and position {position!r}, expected an "
                             f"integer and a multiple of {self.batch_size} up to {len(self.images)}")
        generator = np.random.Generator(np.random.PCG64(0))
        try:
            generator.bit_generator.state = state["generator"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"the data order has no PCG64 state: {error}") from error
        self._generator = generator
        self._begin_epoch()
        self.epoch, self.position = epoch, position
