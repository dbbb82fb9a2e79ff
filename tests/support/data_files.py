"""Small data sets in the formats of the published ones, and pictures in folders, for tests."""

import struct
import tarfile
from io import BytesIO

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image", reason="images are read and resized by Pillow")


def bytes_of(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def idx(array, kind=8):
    return (
        bytes([0, 0, kind, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def write_idx_set(folder, images, labels, prefix="train", pack=bytes, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{prefix}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(images)))
    (folder / f"{prefix}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(labels)))


def cifar_members(count=2):
    """The six files of a small CIFAR-10 -> {name: records (count, 3073)}, filled with the file's
    number.
    """
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    return {name: np.full((count, 3073), number, np.uint8) for number, name in enumerate(names)}


def write_cifar_archive(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, records in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = records.nbytes
            archive.addfile(info, BytesIO(records.tobytes()))


def write_images(folder, names, *, size=(6, 6), mode="L", value=90):
    """Plain images of `size` (width, height); their value is a number or, in colour, a tuple."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size, value).save(folder / name)


def write_pngs(folder, *names, value=90):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 6), value).save(path, "PNG")


def png(value=90):
    content = BytesIO()
    Image.new("L", (6, 6), value).save(content, "PNG")
    return content.getvalue()


def said(capsys):
    """The one line on standard error."""
    (line,) = capsys.readouterr().err.splitlines()
    return line
