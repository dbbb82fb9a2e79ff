"""Files of a few megabytes that would take a gigabyte when they are read.

They hold zeros, compressed a thousandfold, or a header that lies. A process of its own reads them,
and says after each how much memory it has used.
"""

import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
LARGE = 1 << 30  # bytes that each of the files would take


def zeros_deflated(count, head=b""):
    """head and `count` MiB of zeros as a raw deflate stream: one compressed piece, repeated."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = compressor.compress(head) + compressor.flush(zlib.Z_FULL_FLUSH)
    piece = compressor.compress(bytes(MIB)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return start + piece * count + compressor.flush()


def gzip_bomb(path, head=b"", count=LARGE // MIB):
    """A .gz of `head` and zeros; its checksum, at the very end, is wrong."""
    start = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    checksum = bytes(8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(start + zeros_deflated(count, head) + checksum)


def zip_bomb(path, members, method=8):
    """A .zip of {name: (compressed bytes, size that it claims, a checksum if it is reached)}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b""
    directory = b""
    for name, (packed, size, *rest) in members.items():
        checksum = rest[0] if rest else 0
        sizes = struct.pack("<IIIHH", checksum, len(packed), size, len(name), 0)
        fields = struct.pack("<HHHHH", 20, 0, method, 0, 33) + sizes
        offset = struct.pack("<HHHII", 0, 0, 0, 0, len(content))
        directory += b"PK\x01\x02" + struct.pack("<H", 20)
        directory += fields + offset + name.encode()
        content += b"PK\x03\x04"
        content += fields + name.encode() + packed
    count = len(members)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(content), 0)
    path.write_bytes(content + directory + b"PK\x05\x06" + end)


def npy_head(shape, descr="|u1"):
    fields = {
        "descr": descr,
        "fortran_order": False,
        "shape": shape,
    }
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, fields)
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
        length = struct.pack(">I", len(content))
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return length + kind + content + checksum

    size = height * (width + 1)  # bytes: each row begins with one that names its filter
    pixels = b"\x78\xda" + zeros_deflated(size // MIB + 1) + bytes(4)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


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
    answers = {}
    for line in done.stdout.splitlines():
        name, said, peak = json.loads(line)
        answers[name] = said, peak
    return answers
