"""Files that would take all memory or all time are refused before they do, in one sentence.

Each of them is made here: a few megabytes of zeros, compressed a thousandfold, or a header that
lies. They are read in one process of their own, which says after each how much memory it has used.
"""

import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import data
from minigan.files import bounded

pytest.importorskip("PIL.Image", reason="images are read by Pillow")
ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
LARGE = 1 << 30  # bytes that each of the files would take
MOST_MEMORY = 400 * MIB  # of a process that has read them all; Python and NumPy alone take some 60


def zeros_deflated(count, head=b""):
    """head and `count` MiB of zeros as a raw deflate stream: one compressed piece, repeated."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = compressor.compress(head) + compressor.flush(zlib.Z_FULL_FLUSH)
    piece = compressor.compress(bytes(MIB)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return start + piece * count + compressor.flush()


def gzip_bomb(path, head=b"", count=LARGE // MIB):
    """A .gz of `head` and zeros; its checksum, at the very end, is wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + zeros_deflated(count, head) + bytes(8))


def zip_bomb(path, members, method=8):
    """A .zip of {name: (compressed bytes, size that it claims, a checksum if it is reached)}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b""
    directory = b""
    for name, (packed, size, *checksum) in members.items():
        fields = struct.pack(
            "<HHHHHIIIHH", 20, 0, method, 0, 33, *(checksum or [0]), len(packed), size, len(name), 0
        )
        directory += (
            b"PK\x01\x02"
            + struct.pack("<H", 20)
            + fields
            + struct.pack("<HHHII", 0, 0, 0, 0, len(content))
        )
        directory += name.encode()
        content += b"PK\x03\x04" + fields + name.encode() + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(content), 0)
    path.write_bytes(content + directory + b"PK\x05\x06" + end)


def npy_head(shape, descr="|u1"):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return head.getvalue()


def zeros_npy(shape, descr="|u1"):
    """A deflated .npy of LARGE bytes of zeros -> (compressed bytes, size)."""
    head = npy_head(shape, descr)
    return zeros_deflated(LARGE // MIB, head), len(head) + LARGE


def small_npy(array):
    """A deflated .npy -> (compressed bytes, size, checksum)."""
    file = io.BytesIO()
    np.save(file, array)
    content = file.getvalue()
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(content) + compressor.flush(), len(content), zlib.crc32(content)


def png_bomb(width, height):
    """A black PNG of any size -> bytes."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    pixels = b"\x78\xda" + zeros_deflated(-(-height * (width + 1) // MIB)) + bytes(4)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def tar_bomb(path, info, count=LARGE // MIB):
    """A .tar.gz of one member and zeros instead of what it holds."""
    gzip_bomb(path, info.tobuf(tarfile.GNU_FORMAT), count)


def tar_info(name, size=LARGE, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.size = size
    info.type = kind
    return info


def sparse_tar(path):
    """A .tar.gz of a file that is LARGE bytes long and stores none of them."""
    info = tar_info("cifar-10-batches-bin/test_batch.bin", 512)
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": info.name,
        "GNU.sparse.realsize": str(LARGE),
    }
    path.parent.mkdir()
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"1\n0\n0\n".ljust(512, b"\0")))


def idx_head(*shape):
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


BATCH = "cifar-10-batches-bin/test_batch.bin"
FOUR = np.zeros((4, 8, 8), np.uint8)

# what -> (how it is made in a folder, what is loaded: NAME or NAME@DATA_DIR@SPLIT, what is said)
BOMBS = {
    "images": (
        lambda d: zip_bomb(d / "a.npz", {"images.npy": zeros_npy((1 << 20, 32, 32))}),
        "a.npz",
        "images.npy unfolds to 1,073,741,9.. bytes, expected at most 268,435,456",
    ),
    "classes": (
        lambda d: zip_bomb(
            d / "b.npz",
            {"images.npy": small_npy(FOUR), "classes.npy": zeros_npy((1 << 28,), "<U1")},
        ),
        "b.npz",
        "classes.npy unfolds to",
    ),
    "long name": (
        lambda d: zip_bomb(
            d / "c.npz",
            {"images.npy": small_npy(FOUR), "classes.npy": zeros_npy((1,), f"<U{1 << 28}")},
        ),
        "c.npz",
        "classes.npy unfolds to",
    ),
    "many names": (
        lambda d: np.savez_compressed(d / "d.npz", images=FOUR, classes=np.zeros(1 << 17, "S1")),
        "d.npz",
        "classes has 131,072 names in 131,072 bytes, expected at most 65,536",
    ),
    "labels": (
        lambda d: zip_bomb(
            d / "e.npz", {"images.npy": small_npy(FOUR), "labels.npy": zeros_npy((1 << 27,), "<i8")}
        ),
        "e.npz",
        "labels.npy unfolds to",
    ),
    "a header": (
        lambda d: zip_bomb(
            d / "f.npz",
            {
                "images.npy": (
                    zeros_deflated(200, b"\x93NUMPY\x02\0" + struct.pack("<I", 200 * MIB)),
                    200 * MIB,
                )
            },
        ),
        "f.npz",
        "its header has 209,715,200 bytes, expected at most 10,000",
    ),
    "a lie": (
        lambda d: zip_bomb(
            d / "g.npz",
            {"images.npy": (head := npy_head((1 << 20, 100, 100)), len(head), zlib.crc32(head))},
            method=0,
        ),
        "g.npz",
        "10,485,760,000 bytes, but 0 bytes follow",
    ),
    "a lie about a member": (
        lambda d: zip_bomb(
            d / "h.npz", {"images.npy": (npy_head((1 << 20, 32, 100)), 3_355_443_328)}, method=0
        ),
        "h.npz",
        "images.npy unfolds to 3,355,443,328 bytes",
    ),
    "an IDX file": (
        lambda d: gzip_bomb(d / "i/train-images-idx3-ubyte.gz", idx_head(1 << 20, 32, 32)),
        "mnist@i",
        "it claims 1,073,741,824 bytes, expected at most 268,435,456",
    ),
    "an IDX file that goes on": (
        lambda d: gzip_bomb(d / "j/train-images-idx3-ubyte.gz", idx_head(5, 4, 4)),
        "mnist@j",
        "it goes on after the 80 bytes that its header says",
    ),
    "an IDX file that lies": (
        lambda d: (
            (d / "k").mkdir()
            or (d / "k/train-images-idx3-ubyte").write_bytes(idx_head(1 << 31, 1 << 31, 9))
        ),
        "mnist@k",
        "it claims 41,505,174,165,846,491,136 bytes",
    ),
    "a batch of CIFAR-10": (
        lambda d: tar_bomb(d / "l/cifar-10-binary.tar.gz", tar_info(BATCH)),
        "cifar10@l@test",
        "is no file of at most 30,730,000 bytes",
    ),
    "a sparse batch": (
        lambda d: sparse_tar(d / "m/cifar-10-binary.tar.gz"),
        "cifar10@m@test",
        "is no file of at most 30,730,000 bytes",
    ),
    "a name in a .tar": (
        lambda d: tar_bomb(
            d / "n/cifar-10-binary.tar.gz", tar_info("././@LongLink", kind=tarfile.GNUTYPE_LONGNAME)
        ),
        "cifar10@n@test",
        "it unfolds to more than 215,110,000 bytes",
    ),
    "another file in a .tar": (
        lambda d: tar_bomb(d / "o/cifar-10-binary.tar.gz", tar_info("films")),
        "cifar10@o@test",
        "it unfolds to more than 215,110,000 bytes",
    ),
    "a batch in a file": (
        lambda d: (d / "p").mkdir() or (d / "p/test_batch.bin").write_bytes(bytes(30_730_001)),
        "cifar10@p@test",
        "has more than the 30,730,000 bytes that are expected at most",
    ),
    "a picture in a folder": (
        lambda d: (d / "q").mkdir() or (d / "q/1.png").write_bytes(png_bomb(13_000, 13_000)),
        "q",
        "it has 13000 x 13000, more than 89,478,485 pixels",
    ),
    "a larger picture": (
        lambda d: (d / "r").mkdir() or (d / "r/1.png").write_bytes(png_bomb(33_000, 33_000)),
        "r",
        "it has more than 89,478,485 pixels",
    ),
    "a picture in a .zip": (
        lambda d: zip_bomb(
            d / "s/maps.zip",
            {
                "maps/trainA/1.png": (
                    picture := png_bomb(13_000, 13_000),
                    len(picture),
                    zlib.crc32(picture),
                )
            },
            method=0,
        ),
        "maps:A@s",
        "it has 13000 x 13000, more than 89,478,485 pixels",
    ),
    "a member of a .zip": (
        lambda d: zip_bomb(
            d / "t/maps.zip", {"maps/trainA/1.png": (zeros_deflated(LARGE // MIB), LARGE)}
        ),
        "maps:A@t",
        "1.png unfolds to 1,073,741,824 bytes",
    ),
    "another method": (
        lambda d: zip_bomb(d / "u.npz", {"images.npy": small_npy(FOUR)}, method=12),
        "u.npz",
        "images.npy is compressed by method 12, expected deflate or none",
    ),
}

CHILD = """
import json, re, sys
from pathlib import Path
from minigan import data

folder = Path(sys.argv[1])
for what in json.loads(sys.argv[2]):
    name, data_dir, split = (what + "@@").split("@")[:3]
    name = name if data_dir else folder / name
    try:
        data.load(name, data_dir=data_dir and folder / data_dir, split=split or "train")
        said = "loaded"
    except ValueError as error:
        said = str(error)
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
    print(json.dumps([what, said, peak]), flush=True)
"""


def read_in_a_process(folder, names, timeout=60):
    """{name: (what was said, the most memory so far)} of loading each in one process."""
    command = [sys.executable, "-c", CHILD, str(folder), json.dumps(names)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)
    assert done.returncode == 0, done.stderr
    return {name: (said, peak) for name, said, peak in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def bombs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    for make, *_ in BOMBS.values():
        make(folder)
    assert max(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 32 * MIB
    return read_in_a_process(folder, [name for _, name, _ in BOMBS.values()])


@pytest.mark.parametrize("what", BOMBS)
def test_a_small_file_that_unfolds_to_much_is_refused_before_it_does(bombs, what):
    _, name, expected = BOMBS[what]
    said, peak = bombs[name]
    assert re.search(expected, said), said
    assert "\n" not in said
    assert peak < MOST_MEMORY


def test_pipes_and_devices_are_not_opened(tmp_path):
    for name in (
        "pipe.npz",
        "folder/1.png",
        "mnist/train-images-idx3-ubyte",
        "cifar/data_batch_2.bin",
        "maps/maps.zip",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        os.mkfifo(tmp_path / name)
    (tmp_path / "cifar" / "data_batch_1.bin").write_bytes(bytes(3073))
    os.symlink("/dev/zero", tmp_path / "zero.npz")
    os.symlink(tmp_path / "pipe.npz", tmp_path / "linked.npz")
    expected = {
        "pipe.npz": "pipe.npz is a named pipe, expected a regular file",
        "zero.npz": "zero.npz is a device",
        "linked.npz": "is a named pipe",
        "folder": "holds no images",
        "cifar10@cifar": "is a named pipe",
    }
    found = read_in_a_process(tmp_path, list(expected), timeout=20)
    for name, message in expected.items():
        assert message in found[name][0]
    for name in ("mnist", "maps:A"):
        with pytest.raises(FileNotFoundError, match="found none of"):
            data.load(name, data_dir=tmp_path / name[:5].rstrip(":"))


# ---- the pieces


@given(st.integers(0, 300), st.integers(0, 300), st.booleans())
@settings(deadline=None, max_examples=60)
def test_reading_exactly_takes_all_of_a_stream_or_none(count, size, packed):
    content = bytes(i % 251 for i in range(size))
    file = io.BytesIO(gzip.compress(content) if packed else content)
    with bounded.unfolded(file) as stream:
        if size == count:
            assert bounded.read_exactly(stream, count, most=300) == content
        else:
            with pytest.raises(
                ValueError, match="it ends after" if size < count else "it goes on after"
            ):
                bounded.read_exactly(stream, count, most=300)


def test_a_limited_stream_gives_what_is_allowed_and_no_more():
    stream = bounded.Limited(io.BytesIO(bytes(100)), 60)
    assert len(stream.read(50)) == 50
    assert len(stream.read(10)) == 10
    with pytest.raises(ValueError, match="it unfolds to more than 60 bytes"):
        stream.read(1)


@given(st.binary(max_size=40), st.integers(0, 140), st.integers(0, 255))
@settings(deadline=None, max_examples=200)
def test_a_damaged_npy_gives_its_array_or_a_sentence(tmp_path_factory, tail, place, value):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    path = tmp_path_factory.getbasetemp() / "hurt.npy"
    content = io.BytesIO()
    np.save(content, array)
    content = bytearray(content.getvalue())
    content[place] = value
    path.write_bytes(bytes(content) + tail)
    try:
        found = bounded.open_npy(path)
        assert found.nbytes == 96
    except ValueError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("empty.npy", b"", "it begins b'', expected b'.x93NUMPY'"),
        ("zip.npy", b"PK\x03\x04....", "it begins b'PK"),
        ("short.npy", npy_head((4, 1, 8, 8)), "256 bytes, but 0 bytes follow"),
        ("version.npy", b"\x93NUMPY\x07\0" + bytes(90), "its version is 7, expected 1 or 2"),
        ("object.npy", npy_head((3,), "|O"), "Object arrays cannot be loaded"),
        ("negative.npy", npy_head((-3, -3)), r"says uint8 of shape \(-3, -3\), which is no array"),
        ("nothing.npy", npy_head((10**12,), "<U0"), "which is no array"),
    ],
)
def test_what_is_no_npy_file_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        bounded.open_npy(tmp_path / name)


@pytest.mark.parametrize("dtype", ["u1", "<f4", ">f4", "<f8", "f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_file_of_any_byte_and_memory_order_is_the_array(tmp_path, dtype, order):
    array = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    assert np.array_equal(bounded.open_npy(tmp_path / "a.npy"), array)
    np.save(tmp_path / "a.npy", array[:0])
    assert bounded.open_npy(tmp_path / "a.npy").shape == (0, 3, 4)


def test_members_that_python_unfolds_at_once_are_refused(tmp_path):
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
            content = io.BytesIO()
            np.save(content, FOUR)
            archive.writestr("images.npy", content.getvalue())
        with pytest.raises(
            ValueError,
            match=f"images.npy is compressed by method {method}, expected deflate or none",
        ):
            data.load(tmp_path / "a.npz")
