"""Images: bytes to floats and back, reading, resizing, and the grids, PNGs and GIFs that show a training.

The one idea: inside minigan an image is (C, H, W) with C 1 (grey) or 3 (RGB), in one of two codes: uint8 from 0 to
255, or float in [-1, 1], x = byte / 127.5 - 1. Pictures are written whole or not at all.
"""

import contextlib
import math
from pathlib import Path

import numpy as np

from . import gif
from .files import reading, whole_file


def to_float(images):
    """uint8 0..255 -> float32 in [-1, 1]: x / 127.5 - 1. Raises TypeError for another dtype."""
    if images.dtype != np.uint8:
        raise TypeError(f"images are {images.dtype}, expected uint8")
    return np.divide(images, np.float32(127.5), dtype=np.float32) - 1


def to_uint8(x):
    """float in [-1, 1] -> uint8: (x + 1) * 127.5, clipped, rounded. ValueError for NaN or infinity."""
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise TypeError(f"images are {x.dtype}, expected floats in [-1, 1]")
    if bad := np.count_nonzero(~np.isfinite(x)):
        raise ValueError(f"{bad} of {x.size} pixels are not finite")
    return np.rint((x.clip(-1, 1) + 1) * 127.5).astype(np.uint8)


def check_at_least(least, **numbers):
    """Raise ValueError, with its name, for what is no whole number of at least `least`."""
    for name, value in numbers.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} is {value!r}, expected a whole number, at least {least}")


def resize(images, image_size):
    """uint8 (N, C, H, W) -> (N, C, image_size, image_size): the largest centred square, resampled by Pillow.

    Lanczos where it shrinks (Pillow widens the filter by the factor, so nothing aliases). Hamming where it grows: no
    overshoot, and averaged back to its size an enlarged image is nearly itself. image_size None keeps the images.
    """
    height, width = images.shape[2:]
    if image_size is None or height == width == image_size:
        return images
    check_at_least(1, image_size=image_size)
    Image, ImageOps = pillow()
    kernel = Image.Resampling.LANCZOS if image_size < min(height, width) else Image.Resampling.HAMMING
    resized = np.empty((*images.shape[:2], image_size, image_size), np.uint8)
    for i in np.ndindex(images.shape[:2]):  # one channel of one image at a time: any number of channels
        resized[i] = ImageOps.fit(Image.fromarray(images[i]), (image_size, image_size), kernel)
    return resized


def read_image(path):
    """An image file -> uint8 (1, H, W) if it is grey, else (3, H, W); transparency is laid on white."""
    Image, ImageOps = pillow()
    with reading(f"cannot read the image {path}"), Image.open(path) as file:
        if file.mode in ("I", "F") or file.mode.startswith("I;"):
            raise ValueError(f"its pixels have mode {file.mode}, expected 8 bits a channel")
        image = ImageOps.exif_transpose(file).convert("RGBA")  # as the camera was held
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        if file.mode in ("1", "L", "LA", "La"):
            return np.asarray(image.convert("L"))[None]
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def pillow():
    """The modules PIL.Image and PIL.ImageOps, or ImportError with what to install."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError("to read, resize and write images needs Pillow: pip install 'minigan[examples]'") from error
    return Image, ImageOps


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
    picture = _to_picture(images)
    with _picture_file(path, ".png") as file:
        picture.save(file, "PNG", optimize=True)
    return Path(path)


def save_gif(path, frames):
    """Write a GIF that repeats endlessly, ten frames a second -> Path.

    frames: batches or grids, as for save_png, or paths of pictures; ValueError unless they are of one size. They are
    read and written one by one, so any number of them needs the memory of one.
    """
    with _picture_file(path, ".gif") as file:
        gif.write(file, _frames(path, frames), milliseconds=100)
    return Path(path)


def _frames(path, frames):
    """The frames as PIL images with at most 256 colours, all of the first one's size."""
    # An octree finds the 256 colours 20 times faster than Pillow's default, and looks the same.
    palette = pillow()[0].Quantize.FASTOCTREE
    size = None
    for frame in frames:
        picture = _to_picture(frame)
        size = size or picture.size
        if picture.size != size:
            sizes = sorted([size, picture.size])
            raise ValueError(f"the frames of {path} have the sizes {sizes}, expected one size")
        yield picture if picture.mode == "L" else picture.quantize(method=palette)
    if size is None:
        raise ValueError(f"the frames of {path} have the sizes [], expected one size")


def _to_picture(x):
    """A batch, a grid or a picture's path -> PIL image, grey or RGB."""
    if isinstance(x, (str, Path)):
        x = make_grid(read_image(x)[None], padding=0, scale=1)
    x = make_grid(x) if np.ndim(x) == 4 else np.asarray(x)
    if x.dtype != np.uint8 or x.size == 0 or x.ndim != 2 and (x.ndim != 3 or x.shape[2] != 3):
        raise ValueError(f"a picture is {x.dtype} of shape {x.shape}, expected a batch (N, C, H, W), or a grid, uint8 "
                         "(H, W) or (H, W, 3)")
    return pillow()[0].fromarray(x)


@contextlib.contextmanager
def _picture_file(path, suffix):
    """The file of a picture, to be written whole; ValueError unless its name ends in `suffix`."""
    if Path(path).suffix.lower() != suffix:
        raise ValueError(f"the picture's file is {path}, expected a name that ends in {suffix}")
    with whole_file(path) as file:
        yield file
