"""Files that are whole or not there, downloads among them.

The one idea: bytes go to a temporary file in the target's own folder, and take the target's name only when
all of them have arrived and have been checked, by a rename, which file systems do in one step. Whoever reads
the target sees the old file or the new one and never half of either, whether the writer was killed, the disk
filled up, a mirror hung up midway, or another process wrote the same file at the same time.
"""

import contextlib
import gzip
import hashlib
import os
import sys
import time
import uuid
import zlib
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

CHUNK = 1 << 16
SLOWEST = 1000  # bytes a second: a mirror below this is as good as silent


def cache_folder():
    """The folder of downloads -> Path: MINIGAN_CACHE, read at each call, or ~/.cache/minigan."""
    return Path(os.environ.get("MINIGAN_CACHE") or "~/.cache/minigan").expanduser()


@contextlib.contextmanager
def whole_file(path):
    """A binary file to write that becomes `path` when the block ends well, and vanishes when it raises."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}.part"
    try:
        with open(temporary, "xb") as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def download(filename, urls, sha256, folder, *, contents=False, timeout=20.0):
    """Fetch `filename` into `folder` from the first of `urls` that gives the right bytes -> its Path.

    sha256: hex digest of the file or, with contents=True, of what the gzip file holds.
    timeout: seconds that a mirror may stay silent; less than 1 kB/s over that time counts as silence.
    A file already there is used if its digest is right and fetched anew if not.
    Raises OSError, which names every mirror with its reason, when none gives the right bytes.
    """
    target = Path(folder) / filename
    if target.exists():
        wrong = _mismatch(target, sha256, contents)
        if not wrong:
            return target
        print(f"{target} {wrong}: downloading it again", file=sys.stderr)
    for leftover in target.parent.glob(f".{filename}.*.part"):  # of a killed process, if it is a day old
        with contextlib.suppress(FileNotFoundError):  # another process may clear up too
            if time.time() - leftover.stat().st_mtime > 86_400:
                leftover.unlink()
    reasons = []
    for url in urls:
        try:
            with whole_file(target) as file:
                _receive(url, file, filename, timeout)
                file.flush()
                wrong = _mismatch(file.name, sha256, contents)
                if wrong:
                    raise OSError(wrong)
            return target
        except (OSError, HTTPException) as error:
            reasons.append(f"{url}: {str(error) or type(error).__name__}")
    raise OSError(f"cannot download {filename} ({'; '.join(reasons)}): fetch it by hand into a folder and "
                  "name that folder with --data-dir (data_dir= in Python)")


def _receive(url, file, filename, timeout):
    """Write what `url` serves into `file`; OSError if it ends early, falls silent or trickles."""
    with urlopen(Request(url, headers={"User-Agent": "minigan"}), timeout=timeout) as response:
        declared = response.headers.get("Content-Length", "")
        total = int(declared) if declared.isdecimal() else None
        received = counted = 0
        since = shown = time.monotonic()
        while total is None or received < total:
            chunk = response.read1(CHUNK)  # what is there: read() would wait for a full chunk, however slow
            if not chunk:
                break
            file.write(chunk)
            received += len(chunk)
            now = time.monotonic()
            if now - since > timeout:
                if received - counted < SLOWEST * (now - since):
                    raise TimeoutError(f"{received - counted} bytes in {now - since:.0f} s")
                counted, since = received, now
            if sys.stderr.isatty() and (now - shown > 0.2 or received == total):
                of_total = f" of {total / 1e6:.1f}" if total else ""
                print(f"\r{filename}: {received / 1e6:.1f}{of_total} MB", end="", file=sys.stderr)
                shown = now
        if sys.stderr.isatty():
            print(file=sys.stderr)
        if total is not None and received < total:
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
