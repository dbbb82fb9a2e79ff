"""Files that are whole or not there, downloads among them.

The one idea: bytes go to a temporary file in the target's own folder, and take the target's name only when all of them
have arrived and been checked, by a rename, which file systems do in one step. Whoever reads the target sees the old
file or the new one, whether the writer was killed, the disk filled up, or another process wrote the same file.
"""

import contextlib
import gzip
import hashlib
import os
import sys
import threading
import time
import uuid
import zlib
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

CHUNK, SLOWEST = 1 << 16, 1000  # bytes; bytes a second: a mirror below this is as good as silent
LARGEST = 1 << 30  # bytes of a file, several times those of any that has a name here


def cache_folder():
    """The folder of downloads -> Path: MINIGAN_CACHE, read at each call, or ~/.cache/minigan."""
    return Path(os.environ.get("MINIGAN_CACHE") or "~/.cache/minigan").expanduser()


@contextlib.contextmanager
def whole_file(path, *, fsync=False):
    """A binary file to write that becomes `path` when the block ends well, and vanishes when it raises.

    fsync: wait for the disk, so that a power cut cannot keep the new name and lose the bytes.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}.part"
    try:
        with open(temporary, "xb") as file:
            yield file
            if fsync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if fsync and os.name == "posix":
        with contextlib.ExitStack() as at_end:
            at_end.callback(os.close, folder := os.open(path.parent, os.O_RDONLY))
            os.fsync(folder)  # the rename itself


@contextlib.contextmanager
def reading(what):
    """One ValueError, "{what}: why", for the dozen kinds that hostile bytes make zipfile, json, Pillow, NumPy raise."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{what}: {str(error) or type(error).__name__}") from error


def download(filename, urls, sha256, folder, *, contents=False, timeout=20.0):
    """Fetch `filename` into `folder` from the first of `urls` that gives the right bytes -> its Path.

    sha256: hex digest of the file or, with contents=True, of what the gzip file holds; a file that is there and has it
    is used. timeout: seconds that a mirror may be silent, or lag behind 1 kB/s.
    Raises OSError, which names every mirror with its reason, when none gives the right bytes.
    """
    target, reasons = Path(folder) / filename, []
    if target.exists():
        if not (wrong := _mismatch(target, sha256, contents)):
            return target
        print(f"{target} {wrong}: downloading it again", file=sys.stderr)
    for url in urls:
        try:
            with whole_file(target) as file:
                _receive(url, file, timeout)
                file.flush()
                if wrong := _mismatch(file.name, sha256, contents):
                    raise OSError(wrong)
            return target
        except (OSError, HTTPException, ValueError) as error:
            reasons.append(f"{url}: {str(error) or type(error).__name__}")
    raise OSError(f"cannot download {filename} ({'; '.join(reasons)}): fetch it by hand into a folder and name that "
                  "folder with --data-dir (data_dir= in Python)")


def _receive(url, file, timeout):
    """Write what `url` serves into `file`; OSError if it ends early, falls silent, trickles or does not end.

    A thread of its own reads, for whoever waits for a server's next line waits as long as that server likes.
    """
    failed, given_up, began = [], threading.Event(), time.monotonic()

    def read():
        try:
            _copy(url, file, timeout)
        except Exception as error:
            if not given_up.is_set():
                failed.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while reader.is_alive():
        reader.join(0.1)
        received, seconds = file.tell(), time.monotonic() - began
        if seconds > timeout + received / SLOWEST and reader.is_alive():
            given_up.set()
            raise TimeoutError(f"{received} bytes in {seconds:.0f} s")
    if failed:
        raise failed.pop()  # kept, it would keep its traceback, and that the open socket


def _copy(url, file, timeout):
    """The same, for as long as the server says something within each `timeout`."""
    with urlopen(Request(url, headers={"User-Agent": "minigan"}), timeout=timeout) as response:
        total, received = int(response.headers.get("Content-Length", -1)), 0
        while received != total and (chunk := response.read1(CHUNK)):  # what is there: read() waits for a full chunk
            file.write(chunk)
            received += len(chunk)
            if received > LARGEST:
                raise OSError(f"went on after {received} bytes, expected at most {LARGEST}")
            if sys.stderr.isatty():
                end = "\n" if received == total else "\r"
                print(f"{url}: {received / 1e6:.1f} of {total / 1e6:.1f} MB", end=end, file=sys.stderr)
        if received < total:
            raise OSError(f"ended after {received} of {total} bytes")


def _mismatch(path, sha256, contents):
    """What is wrong with the bytes of `path`, or None."""
    digest = hashlib.sha256()
    try:
        with (gzip.open if contents else open)(path, "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        return f"is no whole gzip file ({error})"
    found = digest.hexdigest()
    return None if found == sha256 else f"has SHA-256 {found[:12]}..., expected {sha256[:12]}..."
