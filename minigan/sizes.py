"""The size of an image: one number for a square, or height x width.

Data, networks and command lines agree on three spellings: 64, (96, 160) and "96x160". A command
line, config.json and a checkpoint keep the first or the last, because both are plain values.
"""

import re

from .checks import is_whole_number

OBLONG = re.compile(r"([1-9]\d{0,5})x([1-9]\d{0,5})", re.ASCII)


def height_and_width(size, name="image_size"):
    """A size -> (height, width), in pixels.

    size: a whole number, the side of a square; a pair; or a text, as "96x160", height x width.
    name: what the size is called in the message. Raises ValueError.
    """
    if isinstance(size, str):
        found = OBLONG.fullmatch(size)
        if found:
            return int(found[1]), int(found[2])
    elif isinstance(size, (tuple, list)):
        if len(size) == 2 and all(is_whole_number(side, 1) for side in size):
            return int(size[0]), int(size[1])
    elif is_whole_number(size, 1):
        return int(size), int(size)
    raise ValueError(
        f"{name} is {size!r}, expected a whole number of at least 1, or height x width as '96x160'"
    )


def plain_size(size):
    """A size as config.json and checkpoints keep it: a number for a square, otherwise a text."""
    height, width = height_and_width(size)
    return height if height == width else f"{height}x{width}"
