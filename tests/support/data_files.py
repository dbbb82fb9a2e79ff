"""Small data sets in the formats of the published ones, and pictures in folders, for tests."""

import json
import struct
import tarfile
import zlib
from io import BytesIO

import numpy as np
import pytest

from minigan.data import images

Image = pytest.importorskip("PIL.Image", reason="images are read and resized by Pillow")


def bytes_of(*shape, seed=0):
    """Random bytes, always the same ones."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, shape, np.uint8)


def bits(batch):
    """The bits of a Tensor, to be compared."""
    return batch.numpy().tobytes()


def resume(batches, other):
    """Let `other` go on where `batches` is; the state goes through JSON, as in a checkpoint."""
    text = json.dumps(batches.state_dict())
    other.load_state_dict(json.loads(text))


def idx(array, kind=8):
    """The bytes of an IDX file that holds the array."""
    axes = array.ndim
    magic = bytes([0, 0, kind, axes])
    lengths = struct.pack(f">{axes}I", *array.shape)
    return magic + lengths + array.tobytes()


def write_idx_set(folder, images, labels, prefix="train", pack=bytes, suffix=""):
    """The two files of one split; pack: what is done with their bytes, such as gzip.compress."""
    folder.mkdir(parents=True, exist_ok=True)
    images_file = folder / f"{prefix}-images-idx3-ubyte{suffix}"
    labels_file = folder / f"{prefix}-labels-idx1-ubyte{suffix}"
    images_file.write_bytes(pack(idx(images)))
    labels_file.write_bytes(pack(idx(labels)))


def cifar_members(count=2):
    """The six files of a small CIFAR-10 -> {name: records (count, 3073)}.

    Each is filled with the file's number.
    """
    names = [f"data_batch_{i}.bin" for i in range(1, 6)]
    names.append("test_batch.bin")
    members = {}
    for number, name in enumerate(names):
        members[name] = np.full((count, 3073), number, np.uint8)
    return members


def write_cifar_archive(path, members):
    """The .tar.gz of a CIFAR-10 with these members: see cifar_members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, records in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = records.nbytes
            content = BytesIO(records.tobytes())
            archive.addfile(info, content)


def write_images(folder, names, *, size=(6, 6), mode="L", value=90):
    """Plain images of `size` (width, height); their value is a number or, in colour, a tuple."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size, value).save(path)


def write_pngs(folder, *names, value=90):
    """Plain grey pictures of 6 x 6, PNGs whatever their names are."""
    content = png(value)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def png(value=90):
    """The bytes of a plain grey picture of 6 x 6."""
    content = BytesIO()
    Image.new("L", (6, 6), value).save(content, "PNG")
    return content.getvalue()


def with_png_chunk(content, kind, data, before):
    """The bytes of a PNG file with one more chunk, before the first of another kind."""
    place = content.index(before) - 4  # behind the length of that one
    length = struct.pack(">I", len(data))
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return content[:place] + length + kind + data + checksum + content[place:]


def said(capsys):
    """The one line on standard error."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


def exif_of(orientation):
    """EXIF data that say how the camera was held."""
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    return exif


def read_hwc(path):
    """An image file -> (H, W, C)."""
    return images.read_image(path).transpose(1, 2, 0)


def decoded(path):
    """An image file -> images.Picture, with the notes on what its pixels leave out."""
    with open(path, "rb") as file:
        return images.decode(file)
