"""Files that would take all memory or all time are refused before they do, in one sentence."""

import os
import re
import struct
import tarfile
import zlib
from typing import Callable, NamedTuple

import numpy as np
import pytest
from bombs import (
    LARGE,
    MIB,
    gzip_bomb,
    idx_head,
    npy_head,
    png_bomb,
    read_in_a_process,
    small_npy,
    sparse_tar,
    tar_bomb,
    tar_info,
    zeros_deflated,
    zeros_npy,
    zip_bomb,
)

from minigan import data

pytest.importorskip("PIL.Image", reason="images are read by Pillow")
MOST_MEMORY = 400 * MIB  # of a process that has read them all; Python and NumPy alone take some 60

BATCH = "cifar-10-batches-bin/test_batch.bin"
FOUR = np.zeros((4, 8, 8), np.uint8)


class Bomb(NamedTuple):
    make: Callable  # writes it into a folder
    name: str  # what is loaded: NAME, NAME@DATA_DIR or NAME@DATA_DIR@SPLIT
    refusal: str  # a pattern of what is said


def npz(name, refusal, method=8, **members):
    """An .npz of arrays; see zip_bomb() for what a member is."""
    named = {f"{key}.npy": member for key, member in members.items()}
    return Bomb(lambda folder: zip_bomb(folder / name, named, method), name, refusal)


def mnist(folder_name, refusal, *shape):
    """An IDX file with a header that claims `shape`, and a gigabyte of zeros after it."""
    path = f"{folder_name}/train-images-idx3-ubyte.gz"
    head = idx_head(*shape)
    return Bomb(lambda folder: gzip_bomb(folder / path, head), f"mnist@{folder_name}", refusal)


def cifar(folder_name, refusal, info):
    """A .tar.gz of one member with a gigabyte of zeros."""
    path = f"{folder_name}/cifar-10-binary.tar.gz"
    name = f"cifar10@{folder_name}@test"
    return Bomb(lambda folder: tar_bomb(folder / path, info), name, refusal)


def maps(folder_name, refusal, member, method=8):
    """A .zip with one picture of the set `maps`."""
    path = f"{folder_name}/maps.zip"
    members = {"maps/trainA/1.png": member}
    name = f"maps:A@{folder_name}"
    return Bomb(lambda folder: zip_bomb(folder / path, members, method), name, refusal)


def plain_file(path, name, refusal, content):
    def make(folder):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content())

    return Bomb(make, name, refusal)


def many_names(folder):
    np.savez_compressed(folder / "d.npz", images=FOUR, classes=np.zeros(1 << 17, "S1"))


def stored(content):
    """A member that is not compressed."""
    return content, len(content), zlib.crc32(content)


def long_header():
    """An .npy whose header has 200 MiB."""
    head = b"\x93NUMPY\x02\0" + struct.pack("<I", 200 * MIB)
    return zeros_deflated(200, head), 200 * MIB


def large_arrays():
    return {
        "images": npz(
            "a.npz",
            "images.npy unfolds to 1,073,741,9.. bytes, expected at most 268,435,456",
            images=zeros_npy((1 << 20, 32, 32)),
        ),
        "classes": npz(
            "b.npz",
            "classes.npy unfolds to",
            images=small_npy(FOUR),
            classes=zeros_npy((1 << 28,), "<U1"),
        ),
        "long name": npz(
            "c.npz",
            "classes.npy unfolds to",
            images=small_npy(FOUR),
            classes=zeros_npy((1,), f"<U{1 << 28}"),
        ),
        "many names": Bomb(
            many_names,
            "d.npz",
            "classes has 131,072 names in 131,072 bytes, expected at most 65,536",
        ),
        "labels": npz(
            "e.npz",
            "labels.npy unfolds to",
            images=small_npy(FOUR),
            labels=zeros_npy((1 << 27,), "<i8"),
        ),
    }


def lies_about_arrays():
    return {
        "a header": npz(
            "f.npz",
            "its header has 209,715,200 bytes, expected at most 10,000",
            images=long_header(),
        ),
        "a lie": npz(
            "g.npz",
            "10,485,760,000 bytes, but 0 bytes follow",
            method=0,
            images=stored(npy_head((1 << 20, 100, 100))),
        ),
        "a lie about a member": npz(
            "h.npz",
            "images.npy unfolds to 3,355,443,328 bytes",
            method=0,
            images=(npy_head((1 << 20, 32, 100)), 3_355_443_328),
        ),
        "another method": npz(
            "u.npz",
            "images.npy is compressed by method 12, expected deflate or none",
            method=12,
            images=small_npy(FOUR),
        ),
    }


def bombs_in_named_sets():
    no_batch = "is not a file of at most 30,730,000 bytes"
    too_much = "it unfolds to more than 215,110,000 bytes"
    long_link = tar_info("././@LongLink", kind=tarfile.GNUTYPE_LONGNAME)
    return {
        "an IDX file": mnist(
            "i", "it claims 1,073,741,824 bytes, expected at most 268,435,456", 1 << 20, 32, 32
        ),
        "an IDX file that goes on": mnist(
            "j", "it goes on after the 80 bytes that its header says", 5, 4, 4
        ),
        "an IDX file that lies": plain_file(
            "k/train-images-idx3-ubyte",
            "mnist@k",
            "it claims 41,505,174,165,846,491,136 bytes",
            lambda: idx_head(1 << 31, 1 << 31, 9),
        ),
        "a batch of CIFAR-10": cifar("l", no_batch, tar_info(BATCH)),
        "a sparse batch": Bomb(
            lambda folder: sparse_tar(folder / "m/cifar-10-binary.tar.gz"),
            "cifar10@m@test",
            no_batch,
        ),
        "a name in a .tar": cifar("n", too_much, long_link),
        "another file in a .tar": cifar("o", too_much, tar_info("films")),
        "a batch in a file": plain_file(
            "p/test_batch.bin",
            "cifar10@p@test",
            "has more than the 30,730,000 bytes that are expected at most",
            lambda: bytes(30_730_001),
        ),
    }


def bombs_in_pictures():
    large = "it has 13000 x 13000, more than 89,478,485 pixels"
    return {
        "a picture in a folder": plain_file(
            "q/1.png", "q", large, lambda: png_bomb(13_000, 13_000)
        ),
        "a larger picture": plain_file(
            "r/1.png", "r", "it has more than 89,478,485 pixels", lambda: png_bomb(33_000, 33_000)
        ),
        "a picture in a .zip": maps("s", large, stored(png_bomb(13_000, 13_000)), method=0),
        "a member of a .zip": maps(
            "t", "1.png unfolds to 1,073,741,824 bytes", (zeros_deflated(LARGE // MIB), LARGE)
        ),
    }


BOMBS = large_arrays() | lies_about_arrays() | bombs_in_named_sets() | bombs_in_pictures()


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """{name: (what was said, the most memory so far)} of all bombs."""
    folder = tmp_path_factory.mktemp("bombs")
    for bomb in BOMBS.values():
        bomb.make(folder)
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    assert max(sizes) < 32 * MIB
    return read_in_a_process(folder, [bomb.name for bomb in BOMBS.values()])


@pytest.mark.parametrize("what", BOMBS)
def test_a_small_file_that_unfolds_to_much_is_refused_before_it_does(answers, what):
    said, peak = answers[BOMBS[what].name]
    assert re.search(BOMBS[what].refusal, said), said
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
