"""Images in people's folders, and a word about everything that is left out of them.

Nothing is passed over in silence. A search notes each file that it passes over, with
the reason, and whoever reads the images prints one line of it: how many images were read, how many
files were left out, and why.
"""

import os
from collections import Counter
from functools import partial
from pathlib import Path, PurePosixPath
from stat import S_ISDIR, S_ISREG

import numpy as np

from ..files import messages
from ..sizes import height_and_width
from .images import read_header, read_image, resize
from .lazy import FolderImages

SPLITS = ("train", "validation", "test")  # 0, 1, 2 in the `split` array of an .npz
SPLIT_FOLDERS = {**{name: name for name in SPLITS}, "valid": "validation", "val": "validation"}
PAIR_FOLDERS = {name + domain for name in SPLIT_FOLDERS for domain in "ab"}  # trainA, in lower case
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
MOST_VISITS = 100  # of one folder along different links: 30 folders of two links have 2^30 paths
MOST_NAMED = 5  # folders in a message
KEPT = 1 << 27  # bytes: a folder whose decoded images need no more is read at once, 128 MiB

# What is left out, and why.
HIDDEN = "hidden files"
OTHER_KIND = "files of other kinds"
BROKEN_LINK = "broken links"
LOOP = "links to a folder that they lie in"
SPECIAL = "pipes, sockets or devices"
CLOSED = "files or folders that cannot be looked into"
EMPTY_FOLDER = "folders without images"
UNREADABLE = "unreadable images"
BESIDE_SPLITS = "images beside the folders of splits"


class MissingSplit(ValueError):
    """The source has no images of the split that was asked for."""


class Found:
    """What a search found in a folder: images, subfolders, what is left out, remarks."""

    def __init__(self):
        self.names = []  # of images: paths relative to the folder
        self.folders = []  # that were searched: relative paths
        self.left_out = []  # pairs (reason, relative path)
        self.remarks = []  # phrases: what else is to be said of the images

    def leave_out(self, reason, name):
        """Note that a file is passed over."""
        self.left_out.append((reason, name))

    def remark_on_images(self, notes):
        """Remark how many of the images have each of these notes, such as images.MANY."""
        for note, number in Counter(notes).items():
            self.remarks.append(f"{number} {note}")

    def subfolders(self):
        """The names of the folder's own subfolders, sorted; also of those that hold no images."""
        return sorted(name.parts[0] for name in self.folders if len(name.parts) == 1)

    def holding(self):
        """The names of those that hold images, sorted."""
        return sorted({name.parts[0] for name in self.names if len(name.parts) > 1})

    def beside(self):
        """The images that lie beside the subfolders."""
        return [name for name in self.names if len(name.parts) == 1]

    def below(self, folder):
        """The part that lies in a subfolder -> Found, with paths relative to that."""
        part = Found()
        part.names = [name.relative_to(folder) for name in self.names if name.parts[0] == folder]
        for reason, name in self.left_out:
            if name.parts[0] == folder:
                part.leave_out(reason, name.relative_to(folder))
        return part

    def say(self, where, count):
        """Print one line of what is left out, and the remarks, on stderr, if there are any."""
        said = []
        reasons = Counter(reason for reason, _ in self.left_out)
        for reason, number in reasons.items():
            example = next(str(name) for each, name in self.left_out if each == reason)
            said.append(f"{reason}: {number} ({example!r}{', ...' if number > 1 else ''})")
        if said:
            said[0] = f"left out are {said[0]}"
        said += self.remarks
        if said:
            images = "1 image is read" if count == 1 else f"{count} images are read"
            messages.warn("; ".join([f"{str(where)!r}: {images}", *said]))


def search(folder):
    """Find the images in a folder and its subfolders, by their names -> Found, sorted.

    Links to files and folders are followed, as os.walk(followlinks=True) does; a link back to a
    folder that it lies in is left out. Raises ValueError if the folder cannot be read, or if links
    lead to one of its subfolders more than MOST_VISITS times.
    """
    folder, found, visits = Path(folder), Found(), Counter()
    waiting = [(Path(), ())]  # folders to search, and the identities of those that they lie in
    while waiting:
        name, above = waiting.pop()
        try:
            status = os.stat(folder / name)
            entries = list(os.scandir(folder / name))
        except OSError as error:
            if name == Path():
                raise ValueError(f"cannot read the folder {folder}: {error.strerror}") from error
            found.leave_out(CLOSED, name)
            continue
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            found.leave_out(LOOP, name)
            continue
        visits[identity] += 1
        if visits[identity] > MOST_VISITS:
            raise ValueError(f"links lead to {folder / name} along more than {MOST_VISITS} paths")
        if name != Path():
            found.folders.append(name)
        for subfolder in _sort_entries(name, entries, found):
            waiting.append((subfolder, (*above, identity)))
    found.names.sort()
    _note_empty_folders(found)
    found.left_out.sort()
    return found


def _sort_entries(name, entries, found):
    """Sort the entries of one folder into images and what is left out -> the subfolders."""
    subfolders = []
    for entry in entries:
        path = name / entry.name
        reason, is_folder = _look_at(entry)
        if reason is not None:
            found.leave_out(reason, path)
        elif is_folder:
            subfolders.append(path)
        else:
            found.names.append(path)
    return subfolders


def _look_at(entry):
    """An entry of a folder -> (why it is left out, or None; whether it is a folder)."""
    if entry.name.startswith((".", "__MACOSX")):
        return HIDDEN, False
    try:
        mode = entry.stat().st_mode  # of what a link leads to
    except OSError:
        return (BROKEN_LINK if entry.is_symlink() else CLOSED), False
    if S_ISDIR(mode):
        return None, True
    if not S_ISREG(mode):
        return SPECIAL, False
    if not has_image_name(PurePosixPath(entry.name)):
        return OTHER_KIND, False
    return None, False


def has_image_name(path):
    """Whether a file's name ends as an image's does, in upper or lower case."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def _note_empty_folders(found):
    """Leave out the folders that hold no images, also not further down: the uppermost ones."""
    holding = {parent for name in found.names for parent in name.parents}
    holding.add(Path())
    for name in found.folders:
        if name not in holding and name.parent in holding:
            found.leave_out(EMPTY_FOLDER, name)


def image_files(folder, skip_unreadable=False):
    """The images in a folder and its subfolders -> their relative Paths, sorted.

    What is left out is said in a line on standard error. Raises ValueError if there are no images,
    and for a subfolder that cannot be read, unless skip_unreadable.
    """
    found = search(folder)
    _check_found(found, folder, skip_unreadable)
    found.say(folder, len(found.names))
    return found.names


def _check_found(found, folder, skip_unreadable):
    """Raise ValueError for a search that found no images, or could not look everywhere."""
    closed = [name for reason, name in found.left_out if reason == CLOSED]
    if closed and not skip_unreadable:
        raise ValueError(f"cannot look into {folder / closed[0]}")
    if not found.names:
        raise ValueError(f"{folder} holds no images ({' '.join(sorted(IMAGE_SUFFIXES))})")


def read_folder(folder, split="train", image_size=None, domain="", skip_unreadable=False):
    """A folder of images, with its subfolders -> FolderImages, labels or None, classes or None.

    Splits: if all its subfolders that hold images are called train, validation (or valid, val) or
    test, in upper or lower case, `split` chooses among them. If none is, all images are train. If
    one of several is, and its images lie directly in it, it is a class like the others: a train
    among cars. Anything else is ambiguous and refused. With a domain, "A", only trainA, testA and
    so on count.

    Labels: if every image then lies in a subfolder, and there are two or more, these are the
    classes.

    Memory: images that need at most KEPT bytes once they are decoded are all read now. Of a larger
    folder only the headers are read now, and each image when it is indexed: see FolderImages. A
    file whose pixels are damaged is then found when it is decoded.

    Images are in the order of their paths, and grey if all of them are, otherwise RGB. Hidden
    files, files without the name of an image, broken links, links to a folder that they lie in,
    pipes and devices are left out, and one line on standard error says how many. skip_unreadable:
    files that cannot be read, too. Raises ValueError, of which MissingSplit is one.
    """
    root, found = _choose_split(Path(folder), search(folder), split, domain)
    _check_found(found, root, skip_unreadable)
    expected = found.holding()
    headers = _read_each(read_header, root, found, skip_unreadable)
    kept = None
    if _bytes_decoded(headers, image_size) <= KEPT:
        kept = _read_each(partial(_read_pixels, image_size), root, found, skip_unreadable)
        headers = {name: headers[name] for name in kept}
    for name in sorted(set(expected) - set(found.holding())):
        found.remarks.append(f"no image in the folder {name!r} can be read, it is not a class")
    found.remark_on_images(note for header in headers.values() for note in header.notes)
    labels, classes = _classes(found)
    found.say(root, len(headers))
    if image_size is None:
        _check_one_size({name: (each.height, each.width) for name, each in headers.items()}, root)
    if kept is not None:
        kept = stack(kept, root)
    return FolderImages(root, headers, image_size, kept), labels, classes


def _read_each(read, root, found, skip_unreadable):
    """Call read(path) for each image that was found -> {name: what it returned}.

    Images that cannot be read raise ValueError or, with skip_unreadable, are named on standard
    error and left out of what was found.
    """
    results = {}
    for name in found.names:
        try:
            results[name] = read(root / name)
        except ValueError as error:
            if not skip_unreadable:
                raise ValueError(
                    f"{error} (--skip-unreadable, in Python skip_unreadable=True, goes on without)"
                ) from error
            messages.warn(f"skipped: {error}")
            found.leave_out(UNREADABLE, name)
    if not results:
        raise ValueError(f"{root} holds no image that can be read")
    found.names = list(results)
    return results


def _read_pixels(image_size, path):
    """An image file -> uint8 (1 or 3, H, W), resized."""
    return resize(read_image(path)[None], image_size)[0]


def _bytes_decoded(headers, image_size):
    """The memory that the images of a folder need once they are decoded and resized, in bytes."""
    if image_size is None:
        pixels = sum(header.height * header.width for header in headers.values())
    else:
        height, width = height_and_width(image_size)
        pixels = height * width * len(headers)
    return pixels * max(header.channels for header in headers.values())


def _choose_split(folder, found, split, domain):
    """The part of a folder that is a split, as read_folder says -> (its folder, Found)."""
    splits = {name + domain.lower(): of for name, of in SPLIT_FOLDERS.items()}
    named = [name for name in found.subfolders() if name.lower() in splits]
    if domain and not named:
        raise ValueError(f"{folder} has no folder train{domain}")
    if not domain and not _has_splits(folder, found, splits):
        if split != "train":
            raise MissingSplit(f"{folder} has no split {split!r}, expected train")
        return folder, found
    chosen = [name for name in named if splits[name.lower()] == split]
    if not chosen:
        there = " or ".join(dict.fromkeys(splits[name.lower()] for name in named))
        raise MissingSplit(f"{folder} has no split {split!r}, expected {there}")
    if len(chosen) > 1:
        raise ValueError(
            f"{folder} has {len(chosen)} folders of the split {split!r}, "
            f"expected one: {_listed(chosen)}"
        )
    part = found.below(chosen[0])
    for name in found.names:
        if name.parts[0].lower() not in {*SPLIT_FOLDERS, *PAIR_FOLDERS} or len(name.parts) == 1:
            part.leave_out(BESIDE_SPLITS, Path("..", name))
    return folder / chosen[0], part


def _has_splits(folder, found, splits):
    """Whether a folder is divided into splits; ValueError if that cannot be told."""
    holding = found.holding()
    if holding and all(name.lower() in PAIR_FOLDERS for name in holding):
        raise ValueError(
            f"{folder} holds one or both of two kinds of images, {_listed(holding)}: "
            f"expected {folder}:A or {folder}:B"
        )
    of_splits = [name for name in holding if name.lower() in splits]
    others = [name for name in holding if name.lower() not in splits]
    if not of_splits or not others:
        return bool(of_splits)
    images = found.below(of_splits[0]).names
    is_flat = all(len(name.parts) == 1 for name in images)
    if len(of_splits) > 1 or not is_flat or found.beside():
        raise ValueError(
            f"{folder} holds images in {_listed(of_splits)}, which is the name of a split, and in "
            f"{_listed(others)}, which is none: expected only splits or only classes, or the name "
            "of one of these folders"
        )
    found.remarks.append(
        f"the folder {of_splits[0]!r} is taken for a class, because of {_listed(others)} beside it"
    )
    return False


def _classes(found):
    """Labels int64 (N,) and the classes' names, by the images' folders; or (None, None).

    Where one may have expected labels, a remark says why there are none.
    """
    classes, beside = found.holding(), found.beside()
    if len(classes) > 1 and beside:
        found.remarks.append(
            "there are no labels, because of images beside the folders "
            f"{_listed(classes)}: {len(beside)} ({str(beside[0])!r})"
        )
        return None, None
    if len(classes) < 2:
        inner = {name.parts[1] for name in found.names if len(name.parts) > 2}
        if len(inner) > 1:
            found.remarks.append(
                f"there are no labels, because all folders lie in one, {classes[0]!r}"
            )
        return None, None
    number = {name: i for i, name in enumerate(classes)}
    labels = [number[name.parts[0]] for name in found.names]
    return np.array(labels, np.int64), tuple(classes)


def _listed(names):
    """A few names, for a message."""
    shown = [repr(str(name)) for name in names[:MOST_NAMED]]
    more = len(names) - len(shown)
    if more:
        shown.append(f"{more} more")
    return ", ".join(shown)


def stack(images, where):
    """{name: uint8 (1 or 3, H, W)} of one size -> (N, C, H, W), grey if all are."""
    _check_one_size({name: image.shape[1:] for name, image in images.items()}, where)
    height, width = next(iter(images.values())).shape[1:]
    channels = max(map(len, images.values()))
    stacked = np.empty((len(images), channels, height, width), np.uint8)
    for i, image in enumerate(images.values()):
        stacked[i] = image
    return stacked


def _check_one_size(sizes, where):
    """Raise ValueError unless all images have one size; sizes: {name: (height, width)}."""
    first, *names = sizes
    for name in names:
        if sizes[name] != sizes[first]:
            texts = ["{0} x {1}".format(*sizes[n]) for n in (first, name)]
            raise ValueError(
                f"images differ in size: {where / first} is {texts[0]} and {where / name} is "
                f"{texts[1]} (height x width); choose an image_size to resize them to"
            )
