"""The images in one folder of a .zip file, read without unpacking anything to disk."""

import zipfile
from pathlib import PurePosixPath

from ..files import reading
from ..files.bounded import open_regular, read_member, room, size_of
from .folders import HIDDEN, OTHER_KIND, Found, MissingSplit, has_image_name, stack
from .images import decode, resize


def read_zip(path, folder, image_size):
    """The images of one folder in a .zip, wherever in it that lies -> uint8 (N, C, H, W).

    Nothing is unpacked to disk, and no more is unfolded than `bounded.room` allows for the file's
    size. Raises ValueError; MissingSplit if there is no such folder with images.
    """
    with reading(f"cannot read {path}"), open_regular(path) as file:
        archive = zipfile.ZipFile(file)
        most = room(size_of(file))
        found = _search_zip(archive, folder)
        images, notes, total = {}, [], 0
        for name, info in sorted(found.names):
            with reading(f"cannot read the image {name}"):
                picture = decode(read_member(archive, info, size_of(file)))
            images[name] = resize(picture.pixels[None], image_size)[0]
            notes += picture.notes
            total += images[name].nbytes
            if total > most:
                raise ValueError(
                    f"its images have more than {most:,} bytes, which is all that is "
                    "read of a file of its size"
                )
    if not images:
        raise MissingSplit(f"{path} holds no images in a folder {folder}")
    found.remark_on_images(notes)
    found.say(f"{path}: {folder}", len(images))
    return stack(images, path)


def _search_zip(archive, folder):
    """The images in one folder of an open .zip -> Found, whose names are pairs (path, entry)."""
    found, seen = Found(), set()
    for info in archive.infolist():
        name = PurePosixPath(info.filename.replace("\\", "/"))
        if info.is_dir() or folder not in name.parts[:-1]:
            continue
        if any(part.startswith((".", "__MACOSX")) for part in name.parts):
            found.leave_out(HIDDEN, name)
        elif not has_image_name(name):
            found.leave_out(OTHER_KIND, name)
        elif name in seen:
            raise ValueError(f"it holds {name} twice")
        else:
            seen.add(name)
            found.names.append((name, info))
    return found
