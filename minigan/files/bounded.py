"""Reading files that somebody else made: regular files only, and never more than a stated limit.

A small file may unfold to any number of bytes, a header may claim any shape, and a
named pipe may never end. So the kind of a file is looked at before it is opened, and the size of
what it holds before memory is taken for it. The memory of a reader then stays in proportion to the
file: ROOM bytes, or FOLD times the file.
"""

import contextlib
import gzip
import io
import math
import os
import zipfile
from typing import NamedTuple

import numpy as np

from .whole import reading, regular_file

ROOM = 1 << 28  # bytes that any file may unfold to: 256 MiB
FOLD = 100  # times its own size that a larger file may unfold to; photographs have 1 to 30
NPY_MAGIC = b"\x93NUMPY"
MOST_WORDS = 80  # characters of zipfile's own messages, and of names in them
NPY_HEADER = 10_000  # bytes: NumPy's own limit
HEADER_READERS = {  # version -> (bytes of the header's length, what reads both)
    1: (2, np.lib.format.read_array_header_1_0),
    2: (4, np.lib.format.read_array_header_2_0),
}
GZIP_MAGIC = b"\x1f\x8b"


def room(size):
    """How many bytes a file of `size` bytes may unfold to."""
    return max(ROOM, FOLD * size)


def open_regular(path):
    """Open a file for reading in binary, if it is a regular file or a link to one: see
    regular_file.
    """
    return open(regular_file(path), "rb")


def read_bytes(path, most):
    """All bytes of a regular file of at most this size -> bytes. Raises OSError, ValueError."""
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path} has more than the {most:,} bytes that are expected at most")
    return content


def read_text(path, most=1 << 20):
    """The same as text in UTF-8 -> str. Raises OSError, ValueError."""
    return read_bytes(path, most).decode("utf-8")


def size_of(file):
    """The size of an open file in bytes."""
    return os.fstat(file.fileno()).st_size


@contextlib.contextmanager
def unfolded(file):
    """A stream of what an open file holds: if it is a gzip file, of what that unfolds to."""
    start = file.read(len(GZIP_MAGIC))
    file.seek(0)
    if start != GZIP_MAGIC:
        yield file
        return
    with gzip.GzipFile(fileobj=file) as stream:
        yield stream


def read_exactly(stream, count, most):
    """The next `count` bytes of a stream, which must be its last -> bytes.

    Reading to the end lets gzip compare its checksum. Raises ValueError for more than `most` bytes
    before any is read, and for a stream that ends early or goes on.
    """
    if count > most:
        raise ValueError(f"it claims {count:,} bytes, expected at most {most:,} of its size")
    content = stream.read(count)
    if len(content) < count:
        raise ValueError(f"it ends after {len(content):,} of {count:,} bytes")
    if stream.read(1):
        raise ValueError(f"it goes on after the {count:,} bytes that its header says")
    return content


class Limited:
    """A stream that raises ValueError when more than `most` bytes of it have been read."""

    def __init__(self, stream, most):
        self.stream = stream
        self.most = most
        self.taken = 0

    def read(self, count):
        """The next bytes, at most `count`."""
        content = self.stream.read(min(count, self.most + 1 - self.taken))
        self.taken += len(content)
        if self.taken > self.most:
            raise ValueError(f"it unfolds to more than {self.most:,} bytes")
        return content


class Header(NamedTuple):
    """What the first bytes of an .npy file say of its array."""

    shape: tuple
    dtype: np.dtype
    offset: int  # bytes before the values

    @property
    def nbytes(self):
        """Bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def npy_header(file):
    """Read the header of an .npy file -> Header. Raises ValueError; nothing is unpickled.

    Its layout: the magic string, two bytes of version, the header's length in two bytes (version 1)
    or four, little-endian, and the text of a dict.
    """
    magic = file.read(8)
    if len(magic) < 8 or magic[:6] != NPY_MAGIC:
        raise ValueError(f"it begins {magic[:6]!r}, expected {NPY_MAGIC!r}, as an .npy file does")
    version = magic[6]
    if version not in HEADER_READERS:
        raise ValueError(f"its version is {version}, expected 1 or 2")
    width, read_header = HEADER_READERS[version]
    length_bytes = file.read(width)
    length = int.from_bytes(length_bytes, "little")
    if length > NPY_HEADER:
        raise ValueError(f"its header has {length:,} bytes, expected at most {NPY_HEADER:,}")
    text = io.BytesIO(length_bytes + file.read(length))
    with reading("its header cannot be read"):
        shape, _, dtype = read_header(text)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded, because they can run code")
    if min(shape, default=0) < 0 or dtype.itemsize == 0:
        raise ValueError(f"its header says {dtype} of shape {shape}, which is not an array")
    return Header(shape, dtype, len(magic) + width + length)


def check_npy_size(header, size):
    """Raise ValueError unless an .npy file of `size` bytes holds what its header says."""
    found = size - header.offset
    if header.nbytes != found:
        raise ValueError(
            f"its header says {header.dtype} of shape {header.shape}, "
            f"{header.nbytes:,} bytes, but {found:,} bytes follow"
        )


def open_npy(path):
    """The array of an .npy file, left on the disk -> read-only array: what is taken of it is read.

    Raises OSError, and ValueError for what is not a regular .npy file, or one of objects.
    """
    with open_regular(path) as file:
        header = npy_header(file)
        check_npy_size(header, size_of(file))
    if header.nbytes == 0:
        return np.zeros(header.shape, header.dtype)  # nothing to map
    return np.load(path, mmap_mode="r", allow_pickle=False)


class Npz:
    """The arrays of an .npz file, whose headers can be looked at before their values are read.

    file: open, a .zip of .npy files. What a member claims is held to the size of the file: see
    `room`. Raises ValueError, and what zipfile raises.
    """

    def __init__(self, file):
        self.size = size_of(file)
        self.archive = zipfile.ZipFile(file)
        infos = self.archive.infolist()
        self.members = {info.filename.removesuffix(".npy"): info for info in infos}

    def __iter__(self):
        return iter(self.members)

    def header(self, name):
        """What the array's header says -> Header. ValueError if its member cannot hold that."""
        if name not in self.members:
            raise ValueError(f"it holds no array {name!r}, only {', '.join(self) or 'nothing'}")
        info = self.members[name]
        check_member(info, self.size)
        with reading_array(name), open_member(self.archive, info) as member:
            header = npy_header(member)
            check_npy_size(header, info.file_size)
        return header

    def read(self, name):
        """The array itself."""
        self.header(name)
        with reading_array(name), open_member(self.archive, self.members[name]) as member:
            return np.lib.format.read_array(member, allow_pickle=False)


@contextlib.contextmanager
def reading_array(name):
    """Say in a ValueError which array is meant."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def check_member(info, size):
    """Raise ValueError for a member of a .zip file of `size` bytes that unfolds to too much.

    Stored and deflated members only: Python unfolds those piece by piece, others at once.
    """
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(
            f"{info.filename} is compressed by method {info.compress_type}, "
            "expected deflate or none"
        )
    most = room(min(info.compress_size, size))
    if info.file_size > most:
        raise ValueError(
            f"{info.filename} unfolds to {info.file_size:,} bytes, expected at most {most:,}"
        )


def open_member(archive, info):
    """A member of an open .zip file, to read. Raises ValueError in a short sentence if it is
    damaged.

    zipfile would print both of its headers when they differ, names of up to 65,535 bytes.
    """
    try:
        return archive.open(info)
    except zipfile.BadZipFile as error:
        why = str(error)[:MOST_WORDS]
        raise ValueError(f"{info.filename[:MOST_WORDS]} is damaged: {why}") from error


def read_member(archive, info, size):
    """A member of an open .zip file of `size` bytes -> BytesIO; no file stays open."""
    check_member(info, size)
    with open_member(archive, info) as member:
        return io.BytesIO(member.read())
