"""Animated GIFs, written picture by picture, so that a training of any length needs the memory of
one picture.

A GIF file is a header, then one block after another, and each picture is a block of
its own with its own colours. Pillow keeps all pictures of an animation until it has the last; here
it makes a GIF of each picture alone, whose blocks are copied into the animation. (W3C, "Graphics
Interchange Format, Version 89a")
"""

import io
import struct

EXTENSION, IMAGE, TRAILER = 0x21, 0x2C, 0x3B  # the first byte of a block
HAS_COLOURS = 0x80  # in a byte of flags: a table of 2^(n + 1) colours follows, n in the last bits
SIZE_OF_COLOURS = 0x07
FOREVER = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"  # an extension: repeat without end


def write(file, pictures, milliseconds):
    """Write the pictures, PIL images of mode L or P and of one size, as an animation that repeats
    for ever.

    file: to write bytes to. pictures: at least one; each is read when it is needed and not kept.
    milliseconds: how long each is shown, a multiple of 10.
    """
    pictures = iter(pictures)
    first = next(pictures)
    # No table of colours for all pictures, no background.
    file.write(b"GIF89a" + struct.pack("<HHBBB", *first.size, 0, 0, 0))
    file.write(FOREVER)
    _write_picture(file, first, milliseconds)
    for picture in pictures:
        _write_picture(file, picture, milliseconds)
    file.write(bytes([TRAILER]))


def _write_picture(file, picture, milliseconds):
    flags, colours, data = _single(picture)
    control = struct.pack("<BBBBHBB", EXTENSION, 0xF9, 4, 0, milliseconds // 10, 0, 0)
    descriptor = struct.pack("<BHHHHB", IMAGE, 0, 0, *picture.size, flags)
    file.write(control + descriptor + colours + data)


def _single(picture):
    """What Pillow makes of one picture -> (flags of the image, its table of colours, its compressed
    pixels)."""
    buffer = io.BytesIO()
    picture.save(buffer, "GIF")
    content = buffer.getvalue()
    # The flags stand behind the signature and the size.
    colour_flags = content[10] & (HAS_COLOURS | SIZE_OF_COLOURS)
    colours = _colours(content, 13, colour_flags)
    position = 13 + len(colours)
    while content[position] == EXTENSION:
        position = _end_of_parts(content, position + 2)
    image_flags = content[position + 9]  # behind the place and the size of the image
    own_colours = _colours(content, position + 10, image_flags)
    data = content[position + 10 + len(own_colours) : -1]  # up to the trailer
    if own_colours:
        return image_flags, own_colours, data
    return image_flags | colour_flags, colours, data


def _colours(content, position, flags):
    """The table of colours at a position, 3 bytes each; empty if the flags say that there is
    none."""
    if not flags & HAS_COLOURS:
        return b""
    count = 2 << (flags & SIZE_OF_COLOURS)
    return content[position : position + 3 * count]


def _end_of_parts(content, position):
    """The position behind parts that each begin with their number of bytes; a part of 0 bytes is
    the last."""
    while content[position]:
        position += 1 + content[position]
    return position + 1
