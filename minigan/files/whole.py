"""Files that are whole or not there, downloads among them.

Bytes go to a temporary file in the target's own folder, and take the target's name
only when all of them have arrived and been checked, by a rename, which file systems do in one step.
Whoever reads the target sees the old file or the new one, whether the writer was killed, the disk
filled up, or another process wrote the same file.
"""

import contextlib
import errno
import glob
import gzip
import hashlib
import os
import re
import stat
import uuid
import zlib
from pathlib import Path

from . import messages, web

if os.name == "posix":
    import fcntl

CHUNK = 1 << 16  # bytes
NAME_KEPT = 40  # characters of a name in that of the temporary file, which may have 255 bytes
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
# How a file system says that it cannot do this.
NOT_SUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


def cache_folder():
    """The folder of downloads -> Path: MINIGAN_CACHE, read at each call, or ~/.cache/minigan."""
    return Path(os.environ.get("MINIGAN_CACHE") or "~/.cache/minigan").expanduser()


def regular_file(path):
    """The path of a file whose reading ends -> Path; links are followed.

    Raises FileNotFoundError where there is none, ValueError for a folder, a fifo, a device or a
    socket: reading these fails, waits for ever, or never ends.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "of an unknown kind")
        raise ValueError(f"{path} is {kind}, expected a regular file")
    return Path(path)


@contextlib.contextmanager
def reading(what):
    """One ValueError, "{what}: why", for the dozen kinds that hostile bytes make zipfile, json,
    Pillow, NumPy raise."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{what}: {str(error) or type(error).__name__}") from error


# ---- writing -------------------------------------------------------------------------------------


@contextlib.contextmanager
def whole_file(path, *, fsync=False):
    """A binary file to write that becomes `path` when the block ends well, and vanishes when it
    raises.

    fsync: wait for the disk, so that a power cut cannot keep the new name and lose the bytes. What
    the system refuses is an OSError that names `path`, and the old file, if any, is as it was; only
    where the folder cannot be synchronised, after the rename, it is the new one already.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _naming(path), contextlib.ExitStack() as at_end:
        folder = _open_folder(path.parent, at_end) if fsync else None
        file = _new_part(path)
        at_end.callback(Path(file.name).unlink, missing_ok=True)
        with file:
            yield file
            file.flush()
            if fsync:
                os.fsync(file.fileno())
        os.replace(file.name, path)
        if folder is not None:
            _sync_folder(folder)


@contextlib.contextmanager
def _naming(path):
    """Let an OSError in the writing of `path` name it, and not the temporary file or nothing."""
    try:
        yield
    except OSError as error:
        ours = error.filename is None or str(error.filename).endswith(".part")
        if error.errno is not None and ours:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _new_part(path):
    """A new temporary file beside `path`, locked while it is open: `clear_parts` leaves a locked
    one alone."""
    while True:
        file = open(path.parent / f".{path.name[:NAME_KEPT]}.{uuid.uuid4().hex}.part", "xb")
        _try_lock(file)
        if os.path.exists(file.name):
            return file
        file.close()  # another process cleared it away before it was locked


def _try_lock(file):
    """Lock an open file without waiting -> whether it is locked now; some file systems, and
    Windows, have no locks."""
    if os.name != "posix":
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _open_folder(folder, at_end):
    """A descriptor of the folder, to be synchronised; closed by the ExitStack. None where folders
    are not opened."""
    if os.name != "posix":
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    at_end.callback(os.close, descriptor)
    return descriptor


def _sync_folder(descriptor):
    """Wait until a rename in the folder is on the disk."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise


def clear_parts(path):
    """Delete the temporary files of `path` that killed processes left, and none that a living one
    writes."""
    path = Path(path)
    name = path.name[:NAME_KEPT]
    for part in path.parent.glob(f".{glob.escape(name)}.*.part"):
        if (
            re.fullmatch(r"[0-9a-f]{32}", part.name[len(name) + 2 : -len(".part")])
            and part.is_file()
        ):
            with contextlib.suppress(OSError):  # one that is not ours to read or to delete stays
                _unlink_unless_written(part)


def _unlink_unless_written(part):
    if os.name != "posix":  # Windows itself refuses to delete an open file
        part.unlink()
        return
    with open(part, "rb") as file:
        if _try_lock(file):
            part.unlink()


# ---- downloading ---------------------------------------------------------------------------------


def download(filename, urls, sha256, folder, *, contents=False, timeout=20.0):
    """Fetch `filename` into `folder` from the first of `urls` that gives the right bytes -> its
    Path.

    sha256: hex digest of the file or, with contents=True, of what the gzip file holds; a file that
    is there and has it is used. timeout: seconds that a mirror may be silent, or lag behind 1 kB/s;
    web.py has the other bounds. Raises OSError, which names every mirror with its reason, when none
    gives the right bytes, or when the file cannot be written.
    """
    target, reasons = Path(folder) / filename, []
    clear_parts(target)
    if target.exists():
        wrong = _mismatch(regular_file(target), sha256, contents)
        if not wrong:
            return target
        messages.warn(f"{target} {wrong}: downloading it again")
    for url in urls:
        try:
            with whole_file(target) as file:
                web.fetch(url, file, timeout)
                file.flush()
                wrong = _mismatch(file.name, sha256, contents)
                if wrong:
                    raise web.ServerError(wrong)
            return target
        except web.ServerError as error:
            reasons.append(f"{url}: {error}")
    raise OSError(
        f"cannot download {filename} ({'; '.join(reasons)}): fetch it by hand into a "
        "folder and name that folder with --data-dir (data_dir= in Python)"
    )


def _mismatch(path, sha256, contents):
    """What is wrong with the bytes of `path`, or None."""
    digest = hashlib.sha256()
    size = 0
    try:
        with (gzip.open if contents else open)(path, "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                if size > web.LARGEST:
                    return f"holds more than {web.LARGEST} bytes"
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        return f"is not a whole gzip file ({error})"
    found = digest.hexdigest()
    return None if found == sha256 else f"has SHA-256 {found[:12]}..., expected {sha256[:12]}..."
