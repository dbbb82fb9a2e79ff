"""Files that are no checkpoints of ours, made from one that is."""

import zipfile
from io import BytesIO

import numpy as np
import pytest
from crafted import archive, npy


class Archive:
    """The entries of a good checkpoint: its tree, an array, and others."""

    def __init__(self, good):
        with zipfile.ZipFile(BytesIO(good)) as file:
            self.entries = [(entry.filename, file.read(entry)) for entry in file.infolist()]
        (_, self.tree), (self.name, self.data), *_ = self.entries

    def with_tree(self, tree):
        return packed([("tree.json", tree), *self.entries[1:]])

    def with_array(self, data):
        """The array replaced by other bytes."""
        return packed([self.entries[0], *self.entries[2:], (self.name, data)])

    def with_more(self, name, data=b""):
        return packed([*self.entries, (name, data)])


def packed(entries, compression=zipfile.ZIP_STORED, comment=b""):
    stream = BytesIO()
    archive(stream, entries, compression, comment)
    return stream.getvalue()


def damaged_files(good):
    """{what: bytes} of checkpoints that were cut or added to."""
    return {
        "cut in half": good[: len(good) // 2],
        "cut by a byte": good[:-1],
        "empty": b"",
        "zeros": bytes(5000),
        "with something after it": good + b"more",
        "with zeros after it": good + bytes(100),
        "with something before it": b"#!/bin/sh\n" + good,
        "twice": good + good,
        "encrypted": encrypted(good),
    }


def encrypted(good):
    changed = bytearray(good)
    changed[changed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


def other_archives(good):
    """{what: bytes} of zip files with other entries than a checkpoint has."""
    found = Archive(good)
    entries = found.entries
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = packed([*entries, entries[1]])
    return {
        "with a comment": packed(entries, comment=b"comment"),
        "deflated": packed(entries, zipfile.ZIP_DEFLATED),
        "with bzip2": packed(entries, zipfile.ZIP_BZIP2),
        "without its tree": packed(entries[1:]),
        "without an array": packed(entries[:1] + entries[2:]),
        "with an entry twice": twice,
        "with a folder": found.with_more("folder/"),
        "with a path upwards": found.with_more("../../evil.npy", found.data),
        "with an absolute path": found.with_more("/etc/evil.npy", found.data),
        "with a line break in a name": found.with_more("a\nb\nc.npy", found.data),
        "with a long name": found.with_more("x" * 60000, found.data),
    }


def other_arrays(good):
    """{what: bytes} of checkpoints one of whose arrays is replaced."""
    found = Archive(good)
    record = [("x", "f4")]
    long_record = [(f"x{i}", "f4") for i in range(900)]
    files = {
        "with an array of objects": found.with_array(npy(np.array([{}]))),
        "with an array of text": found.with_array(npy(np.array(["a"]))),
        "with a record": found.with_array(npy(np.zeros(1, record))),
        "with a long record": found.with_array(npy(np.zeros(1, long_record))),
        "with a cut array": found.with_array(found.data[:-1]),
        "with a longer array": found.with_array(found.data + b"1234"),
        "with an array that is none": found.with_array(b"hello"),
    }
    claims = {
        "a terabyte": (10**12,),
        "more than there are bytes": (2**40, 2**40),
        "less": (0,),
        "a negative side": (-1,),
        "a huge side beside none": (0, 2**70),
    }
    for what, shape in claims.items():
        header = repr({"descr": "<f4", "fortran_order": False, "shape": shape})
        header = header.encode().ljust(117) + b"\n"
        size = len(header).to_bytes(2, "little")
        forged = b"\x93NUMPY\x01\x00" + size + header + found.data[128:]
        files[f"with an array that claims {what}"] = found.with_array(forged)
    return files


def other_trees(good):
    """{what: bytes} of checkpoints whose tree is replaced."""
    found = Archive(good)
    tree = found.tree
    step = b'"step": 2'
    return {
        "with a tree that is none": found.with_tree(tree[:-5]),
        "with two names in its tree": found.with_tree(tree[:-1] + b',"state": 1}'),
        "with a tree in UTF-16": found.with_tree(tree.decode().encode("utf-16")),
        "with a deep tree": found.with_tree(b"[" * 100_000 + b"]" * 100_000),
        "with deep tuples": found.with_tree(b'{"$tuple":[' * 20_000 + b"]}" * 20_000),
        "with a number too long": found.with_tree(tree.replace(step, b'"step": ' + b"2" * 9999)),
        "with a number too large": found.with_tree(tree.replace(step, b'"step": 2e999')),
    }
