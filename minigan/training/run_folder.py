"""The directory of a run: the names of its files, its lock, and leftovers of a killed process."""

import errno
import os
import re
import sys
from pathlib import Path

from ..files import clear_parts

CONFIG = "config.json"
CHECKPOINT = "checkpoint.npz"
LOG = "log.csv"
# What a run writes beside its checkpoint.
WRITTEN = (CONFIG, LOG, "samples.png", "samples", "training.gif", "losses.png")
# The name of a file that a killed run was writing: see files.whole_file.
PART = re.compile(
    r"\.(config\.json|checkpoint\.npz|log\.csv|samples\.png|step-[0-9]+\.png|training\.gif"
    r"|losses\.png)\.[-0-9a-z]+\.part"
)


def lock(folder, at_end):
    """Make the folder and lock it until the ExitStack at_end is closed.

    Two processes that trained in one folder would mix their files. The lock also ends with the
    process, however it ends. Only POSIX systems have such locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if os.name != "posix":
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    at_end.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another process is training in {folder}: stop it, or choose another --out")


def has_checkpoint(folder):
    """Whether there is a checkpoint, or a broken link in its place, which is not replaced."""
    return os.path.lexists(Path(folder, CHECKPOINT))


def pictures(folder):
    """[(step, path)] of samples/step-*.png, in order of the steps."""
    paths = [path for path in folder.glob("samples/step-*.png") if path.stem[5:].isdecimal()]
    return sorted((int(path.stem[5:]), path) for path in paths)


def check_places(folder, saved):
    """Raise OSError if a folder has the name of a picture that will be drawn.

    saved: the step of the checkpoint. Pictures of later steps will be drawn again.
    """
    (folder / "samples").mkdir(exist_ok=True)
    later = [path for step, path in pictures(folder) if step > saved]
    for path in (folder / "samples.png", *later):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))


def delete_pictures(folder, saved):
    """Delete the pictures of steps after the checkpoint's."""
    for step, path in pictures(folder):
        if step > saved:
            path.unlink()


def delete_parts(folder):
    """Delete the files that a killed process left unfinished; only a run has such names."""
    for leftover in [*folder.glob(".*.part"), *folder.glob("samples/.*.part")]:
        name = PART.fullmatch(leftover.name)
        if name:
            clear_parts(leftover.with_name(name[1]))
