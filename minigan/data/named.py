"""The public data sets that have a name here: where they lie, how their bytes are known, how they
are read.

A set is known by the SHA-256 of its contents, so any mirror is as good as the home
page, and none is trusted. MNIST and its drop-in Fashion-MNIST are IDX files, CIFAR-10 is taken in
its binary version (its Python version is a pickle, which can run any code). CycleGAN's pairs are
.zip files of photographs. Nothing is unpacked to disk.
"""

import gzip
import json
import math
import struct
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..files import cache_folder, download, reading
from ..files.bounded import Limited, open_regular, read_bytes, read_exactly, room, size_of, unfolded

CIFAR_FOLDER, CIFAR_ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
CIFAR_RECORD = 3073  # bytes: a label and 3 x 32 x 32 pixels
CIFAR_BATCH = 10_000 * CIFAR_RECORD  # bytes of a file
CIFAR_UNFOLDED = 7 * CIFAR_BATCH  # bytes that the archive may unfold to: it has six such files


class PublicSet(NamedTuple):
    """Where a data set lies, and how its files are known: a row of assets/datasets.json."""

    classes: tuple  # the labels' names, or None
    folders: tuple  # to look in, below --data-dir
    mirrors: tuple  # addresses that a file's name is appended to
    sha256: dict  # a file's name -> its digest; of IDX files, of what the .gz holds


# Mirrors may compress anew, so the digests of IDX files are of their contents. CIFAR-10's home page
# is its last mirror, because it has at times served 50 kB/s. The pairs are those of the CycleGAN
# paper that its authors still serve, with the digests that TensorFlow Datasets keeps.
_PATH = Path(__file__).parents[1] / "assets" / "datasets.json"
_TABLE = json.loads(_PATH.read_text(encoding="utf-8"))
PAIRS = _TABLE["pairs"]["sha256"]
SETS = {}
for _name, _row in _TABLE["sets"].items():
    SETS[_name] = PublicSet(
        tuple(_row["classes"]), _row["folders"], _row["mirrors"], _row["sha256"]
    )
for _name, _digest in PAIRS.items():
    _file = f"{_name.replace('-', '_')}.zip"
    SETS[_name] = PublicSet(None, (".", _name), _TABLE["pairs"]["mirrors"], {_file: _digest})
DIGITS = SETS["mnist"].classes


def read(name, split, data_dir=None):
    """A set of SETS -> images uint8 (N, C, H, W), labels int64 (N,), classes: see data.load."""
    if split not in ("train", "test"):
        raise ValueError(f"{name} has no split {split!r}, expected train or test")
    read_set = _read_cifar10 if name == "cifar10" else _read_mnist
    images, labels = read_set(name, split, data_dir)
    return images, labels.astype(np.int64), SETS[name].classes


def find(name, data_dir, *filenames):
    """Find one of the files of a set -> Path.

    It is the first of `filenames` that lies in data_dir. If data_dir is None, the first name is
    downloaded once. Raises FileNotFoundError, and OSError if the download fails.
    """
    known = SETS[name]
    if data_dir is None:
        first = filenames[0]
        urls = [mirror + first for mirror in known.mirrors]
        is_idx = first.endswith("ubyte.gz")
        folder = cache_folder() / name
        return download(first, urls, known.sha256[first], folder, contents=is_idx)
    data_dir = user_path(data_dir)
    for folder in known.folders:
        for filename in filenames:
            path = data_dir / folder / filename
            if path.is_file():
                return path
    raise FileNotFoundError(
        f"found none of {', '.join(filenames)} in the folders {', '.join(known.folders)} "
        f"of {data_dir}"
    )


def user_path(text):
    """A path as somebody typed it -> Path, ~ expanded. FileNotFoundError for an unknown ~user."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(f"{text} is not a path: {error}") from error


def _read_mnist(name, split, data_dir):
    prefix = "train" if split == "train" else "t10k"
    images = _read_idx(_find_idx(name, data_dir, f"{prefix}-images-idx3-ubyte"), axes=3)
    labels = _read_idx(_find_idx(name, data_dir, f"{prefix}-labels-idx1-ubyte"), axes=1)
    if len(images) != len(labels):
        raise ValueError(f"{name} has {len(images)} images but {len(labels)} labels")
    return images[:, None], labels


def _find_idx(name, data_dir, file):
    """An IDX file under one of the names that it has in different places -> Path."""
    return find(name, data_dir, f"{file}.gz", file, file.replace("-idx", ".idx"))


def _read_idx(path, axes):
    """An IDX file of bytes, gzipped or not -> uint8 array. No more is read than its header says.

    Its layout: 0, 0, 8 (bytes), the number of axes, each axis's length as a big-endian uint32,
    then the bytes.
    """
    with reading(f"{path} is no IDX file of {axes} axes, or damaged"), open_regular(path) as file:
        with unfolded(file) as stream:
            magic = stream.read(4)
            if magic != bytes([0, 0, 8, axes]):
                raise ValueError(f"it begins '{magic.hex(' ')}', expected '00 00 08 0{axes}'")
            shape = struct.unpack(f">{axes}I", stream.read(4 * axes))
            content = read_exactly(stream, math.prod(shape), most=room(size_of(file)))
        return np.frombuffer(content, np.uint8).reshape(shape)


def _read_cifar10(name, split, data_dir):
    """Records of 3,073 bytes: a label from 0 to 9, then the red, green and blue pixels, 32 x 32
    each.
    """
    members = [f"data_batch_{i}.bin" for i in range(1, 6)]
    if split == "test":
        members = ["test_batch.bin"]
    path = find(name, data_dir, CIFAR_ARCHIVE, members[0])
    with reading(f"{path} is damaged"):
        if path.name == CIFAR_ARCHIVE:
            contents = _read_cifar_archive(path, members)
        else:
            contents = [read_bytes(path.with_name(member), CIFAR_BATCH) for member in members]
        records = np.frombuffer(b"".join(contents), np.uint8).reshape(-1, CIFAR_RECORD)
        if records[:, 0].max() > 9:
            raise ValueError(f"it has the label {records[:, 0].max()}, expected 0 to 9")
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def _read_cifar_archive(path, members):
    """The contents of some members of the .tar.gz -> list of bytes, in the order of their names.

    It is read once, from beginning to end, and no further than the published archive is long.
    """
    contents = {}
    with open_regular(path) as file, gzip.GzipFile(fileobj=file) as stream:
        with tarfile.open(fileobj=Limited(stream, CIFAR_UNFOLDED), mode="r|") as archive:
            for info in archive:
                member = info.name.removeprefix(f"{CIFAR_FOLDER}/")
                if member in members:
                    contents[member] = _read_cifar_member(archive, info)
    missing = [member for member in members if member not in contents]
    if missing:
        raise ValueError(f"it holds no {CIFAR_FOLDER}/{missing[0]}")
    return [contents[member] for member in members]


def _read_cifar_member(archive, info):
    """One batch of an open archive -> bytes. A sparse member would unfold without any bytes."""
    if not info.isreg() or info.issparse() or info.size > CIFAR_BATCH:
        raise ValueError(f"{info.name} is not a file of at most {CIFAR_BATCH:,} bytes")
    return archive.extractfile(info).read()
