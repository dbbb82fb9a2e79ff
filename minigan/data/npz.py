"""Images in an .npz file, with what belongs to them: labels, classes, splits and masks.

The file is opened once, and every header is checked before an array is read.
"""

import numpy as np

from ..files import reading
from ..files.bounded import Npz, open_regular
from .dataset import Dataset
from .folders import SPLITS, MissingSplit
from .images import scaled_to_bytes

MOST_NAMES = 1 << 16  # of classes in an .npz file
MOST_NAME_BYTES = 1 << 26  # of all of them together: 64 MiB


def read_npz(path, split="train", key="images"):
    """An .npz file -> images uint8 (N, C, H, W), labels int64 (N,) or None, classes or None.

    Its array `key` is (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3: uint8, or uint16, of
    which 0 to 65535 are scaled to 0 to 255. It may have `labels`, integers (N,) of at least 0,
    `classes`, the name of each label, and `split` (N,), 0 train, 1 validation, 2 test. Without
    `split` all images are train. Nothing is unpickled. Headers are checked before an array is read:
    bounded.room says how much a file may unfold to.
    Raises OSError, ValueError (MissingSplit).
    """
    dataset = read_dataset(path, path, split, key, with_masks=False)
    return dataset.images, dataset.labels, dataset.classes


def read_dataset(name, path, split, key, *, with_masks):
    """The same as a Dataset of this name; with_masks: with the array `masks`, if there is one."""
    masks = None
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
        images = arrays.read(key)
        if images.dtype != np.uint8:
            images = scaled_to_bytes(images)
        images = _to_nchw(images, layout)
        if with_masks and "masks" in arrays:
            masks = _read_masks(arrays, count)
    chosen = splits == SPLITS.index(split)
    if not chosen.any():
        raise MissingSplit(f"{path} has no images of split {split!r}")
    if labels is not None:
        labels = labels[chosen].astype(np.int64)
    if masks is not None:
        masks = masks[chosen]
    return Dataset(name, images[chosen], labels, classes, masks)


def _read_masks(arrays, count):
    """The array `masks`, one for each image -> uint8 (N, C, H, W)."""
    header = arrays.header("masks")
    layout = _layout(header.shape, header.dtype, "masks", deep=False)
    if header.shape[0] != count:
        raise ValueError(f"masks has shape {header.shape}, expected one for each of {count} images")
    return _to_nchw(arrays.read("masks"), layout)


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
    """Raise ValueError unless each label is the number of a class."""
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


def _layout(shape, dtype, what, deep=True):
    """How the axes of images are laid out -> "NHW", "NCHW" or "NHWC".

    deep: are 16 bits a value allowed? Raises ValueError.
    """
    if dtype != np.uint8 and not (deep and dtype == np.uint16):
        or_deep = " or uint16 from 0 to 65535" if deep else ""
        raise ValueError(f"{what} is {dtype}, expected uint8 from 0 to 255{or_deep}")
    if len(shape) == 3:
        return "NHW"
    is_nchw = len(shape) == 4 and shape[1] in (1, 3)
    is_nhwc = len(shape) == 4 and shape[-1] in (1, 3)
    if is_nchw == is_nhwc:
        ambiguous = "the ambiguous " if is_nchw else ""
        raise ValueError(
            f"{what} has {ambiguous}shape {shape}, expected (N, height, width), or with "
            "1 or 3 channels as second or last axis"
        )
    return "NCHW" if is_nchw else "NHWC"


def _to_nchw(images, layout):
    """uint8 images of a layout -> (N, C, H, W)."""
    if layout == "NHW":
        return images[:, None]
    if layout == "NHWC":
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return images
