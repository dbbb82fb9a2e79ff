"""Images: bytes to floats and back, reading, resizing, and the grids, PNGs and GIFs that show a training.

The one idea: inside minigan an image is (C, H, W) with C 1 (grey) or 3 (RGB), in one of two codes: uint8 from 0 to
255, or float in [-1, 1], x = byte / 127.5 - 1. Pictures are written whole or not at all.
"""

import math
import struct
from pathlib import Path

import numpy as np

from .files import whole_file


def to_float(images):
    """uint8 0..255 -> float32 in [-1, 1]: x / 127.5 - 1. Raises TypeError for another dtype."""
    if images.dtype != np.uint8:
        raise TypeError(f"images are {images.dtype}, expected uint8")
    x = np.divide(images, np.float32(127.5), dtype=np.float32)
    x -= 1
    return x


def to_uint8(x):
    """float in [-1, 1] -> uint8: (x + 1) * 127.5, clipped, rounded. ValueError for NaN or infinity."""
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise TypeError(f"images are {x.dtype}, expected floats in [-1, 1]")
    if bad := np.count_nonzero(~np.isfinite(x)):
        raise ValueError(f"{bad} of {x.size} pixels are not finite")
    return np.rint((x.clip(-1, 1) + 1) * 127.5).astype(np.uint8)


def check_at_least(least, **numbers):
    """Raise TypeError or ValueError, with its name, for what is no whole number of at least `least`."""
    for name, value in numbers.items():
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < least:
            error = ValueError if whole else TypeError
            raise error(f"{name} is {value!r}, expected a whole number, at least {least}")


def resize(images, image_size):
    """uint8 (N, C, H, W) -> (N, C, image_size, image_size): the largest centred square, resampled by Pillow.

    Lanczos where it shrinks (Pillow widens the filter by the factor, so nothing aliases). Hamming where it grows: no
    overshoot, and averaged back to its size an enlarged image is nearly itself. image_size None keeps the images.
    """
    height, width = images.shape[2:]
    if image_size is None or height == width == image_size:
        return images
    check_at_least(1, image_size=image_size)
    Image, side = pillow(), min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    kernel = Image.Resampling.LANCZOS if image_size < side else Image.Resampling.HAMMING
    resized = np.empty((*images.shape[:2], image_size, image_size), np.uint8)
    for i in np.ndindex(images.shape[:2]):  # one channel of one image at a time: any number of channels
        resized[i] = Image.fromarray(images[i]).resize((image_size,) * 2, kernel, (left, top, left + side, top + side))
    return resized


def read_image(path):
    """An image file -> uint8 (1, H, W) if it is grey, else (3, H, W); transparency is laid on white."""
    Image = pillow()
    from PIL import ImageOps
    try:
        with Image.open(path) as file:
            if file.mode in ("I", "F") or file.mode.startswith("I;"):
                raise ValueError(f"its pixels have mode {file.mode}, expected 8 bits a channel")
            image = ImageOps.exif_transpose(file)  # as the camera was held
            grey = image.mode in ("1", "L", "LA", "La")
            if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            pixels = np.asarray(image.convert("L" if grey else "RGB"))
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot read the image {path}: {error}") from error
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def pillow():
    """The module PIL.Image, or ImportError with what to install."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("reading, resizing and writing images needs Pillow, in the extra 'examples': "
                          "pip install 'minigan[examples]'") from error
    return Image


def make_grid(images, columns=None, padding=2, scale=None):
    """Lay out a batch as one picture -> uint8 (H, W) for grey, (H, W, 3) for RGB; black between the images.

    images: float in [-1, 1] or uint8, (N, C, height, width), C 1 or 3. columns: by default as for a square.
    padding: pixels around each image. scale: every pixel becomes scale x scale; by default small images are enlarged
    to some 64 pixels. Raises ValueError for an empty batch, other shapes, or values that are not finite.
    """
    x = np.asarray(images)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or x.size == 0:
        raise ValueError(f"images have shape {x.shape}, expected (N, 1 or 3, height, width), none empty")
    columns = math.ceil(math.sqrt(len(x))) if columns is None else columns
    scale = max(1, 64 // max(x.shape[2:])) if scale is None else scale
    check_at_least(1, columns=columns, scale=scale)
    check_at_least(0, padding=padding)
    x = x if x.dtype == np.uint8 else to_uint8(x)
    x = x.repeat(scale, axis=2).repeat(scale, axis=3)
    columns = min(columns, len(x))
    rows = math.ceil(len(x) / columns)
    x = np.pad(x, [(0, rows * columns - len(x)), (0, 0), (padding, 0), (padding, 0)])
    x = x.reshape(rows, columns, *x.shape[1:]).transpose(0, 3, 1, 4, 2)  # (rows, height, columns, width, C)
    grid = x.reshape(rows * x.shape[1], columns * x.shape[3], -1)
    grid = np.pad(grid, [(0, padding), (0, padding), (0, 0)])
    return grid[:, :, 0] if grid.shape[2] == 1 else grid


def save_png(path, images):
    """Write a batch (see make_grid) or a grid, uint8 (H, W) or (H, W, 3), as a PNG -> Path."""
    return _save(path, "PNG", _to_picture(images), optimize=True)


def save_gif(path, frames):
    """Write a GIF that repeats endlessly, ten frames a second -> Path.

    frames: batches or grids, as for save_png, or paths of pictures, all of one size. They are read one at a time: any
    number fits in memory.
    """
    pictures = map(_to_frame, frames)
    first = next(pictures, None)
    if first is None:
        raise ValueError(f"there are no frames for {path}")

    def rest():
        for picture in pictures:
            if picture.size != first.size:
                raise ValueError(f"frames differ in size: {first.size} and {picture.size} (width, height)")
            yield picture

    return _save(path, "GIF", first, save_all=True, append_images=rest(), duration=100, loop=0)


def _to_frame(x):
    picture = _to_picture(make_grid(read_image(x)[None], padding=0, scale=1) if isinstance(x, (str, Path)) else x)
    # A GIF has 256 colours; an octree finds them 20 times faster than Pillow's default, and looks the same.
    return picture if picture.mode == "L" else picture.quantize(256, method=pillow().Quantize.FASTOCTREE)


def _to_picture(x):
    x = np.asarray(x)
    x = make_grid(x) if x.ndim == 4 else x
    if x.dtype != np.uint8 or x.size == 0 or x.ndim != 2 and (x.ndim != 3 or x.shape[2] != 3):
        raise ValueError(f"a picture is {x.dtype} of shape {x.shape}, expected a batch (N, C, H, W), or a grid, uint8 "
                         "(H, W) or (H, W, 3)")
    return pillow().fromarray(x)


def _save(path, format, picture, **options):
    path = Path(path)
    if path.suffix.lower() != f".{format.lower()}":
        raise ValueError(f"the picture's file is {path}, expected a name that ends in .{format.lower()}")
    with whole_file(path) as file:
        picture.save(file, format, **options)
    return path
