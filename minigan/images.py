"""Images: bytes to floats and back, reading, resizing, and the grids, PNGs and GIFs that show a training.

The one idea: inside minigan an image is (C, H, W) with C 1 (grey) or 3 (RGB), in one of two codes: uint8 from
0 to 255, or float in [-1, 1], x = byte / 127.5 - 1. Pictures are written whole or not at all.
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
    if not np.isfinite(x).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(x))} of {x.size} pixels are not finite")
    return np.rint((x.clip(-1, 1) + 1) * 127.5).astype(np.uint8)


def check_image_size(image_size):
    if image_size is None:
        return
    if isinstance(image_size, bool) or not isinstance(image_size, (int, np.integer)):
        raise TypeError(f"image_size is {image_size!r}, expected a whole number of pixels or None")
    if image_size < 1:
        raise ValueError(f"image_size is {image_size}, expected at least 1 pixel")


def resize(images, image_size):
    """uint8 (N, C, H, W) -> (N, C, image_size, image_size): the largest centred square, resampled by Pillow.

    Lanczos where it shrinks (Pillow widens the filter by the factor, so nothing aliases). Hamming where it grows: no
    overshoot, and averaged back to its size an enlarged image is nearly itself.
    """
    check_image_size(image_size)
    height, width = images.shape[2:]
    if height == width == image_size:
        return images
    Image, side = pillow(), min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    kernel = Image.Resampling.LANCZOS if image_size < side else Image.Resampling.HAMMING
    resized = np.empty((*images.shape[:2], image_size, image_size), np.uint8)
    for index in np.ndindex(images.shape[:2]):  # one channel of one image at a time: any number of channels
        resized[index] = Image.fromarray(images[index]).resize((image_size, image_size), kernel, box)
    return resized


def read_image(path):
    """An image file -> uint8 (1, H, W) if it is grey, else (3, H, W)."""
    Image = pillow()
    from PIL import ImageOps
    try:
        with Image.open(path) as file:
            if file.mode in ("I", "F") or file.mode.startswith("I;"):
                raise ValueError(f"its pixels have mode {file.mode}, expected 8 bits a channel")
            image = ImageOps.exif_transpose(file)
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
    padding: pixels around each image. scale: every pixel becomes scale x scale; by default small images are
    enlarged to some 64 pixels (8 px eightfold, 28 px twofold, from 33 px on not at all).
    Raises ValueError for an empty batch, other shapes, or values that are not finite.
    """
    x = np.asarray(images)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or x.size == 0:
        raise ValueError(f"images have shape {x.shape}, expected (N, 1 or 3, height, width), none empty")
    x = x if x.dtype == np.uint8 else to_uint8(x)
    n, channels = x.shape[:2]
    columns = math.ceil(math.sqrt(n)) if columns is None else columns
    scale = max(1, 64 // max(x.shape[2:])) if scale is None else scale
    for name, value, least in (("columns", columns, 1), ("padding", padding, 0), ("scale", scale, 1)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} is {value!r}, expected a whole number, at least {least}")
    x = x.repeat(scale, axis=2).repeat(scale, axis=3)
    columns, rows = min(columns, n), math.ceil(n / min(columns, n))
    height, width = x.shape[2] + padding, x.shape[3] + padding  # of a cell
    grid = np.zeros((padding + rows * height, padding + columns * width, channels), np.uint8)
    for i, image in enumerate(x):
        top, left = padding + i // columns * height, padding + i % columns * width
        grid[top:top + x.shape[2], left:left + x.shape[3]] = image.transpose(1, 2, 0)
    return grid[:, :, 0] if channels == 1 else grid


def save_png(path, images):
    """Write a batch (see make_grid) or a grid, uint8 (H, W) or (H, W, 3), as a PNG -> Path."""
    return _save(path, "PNG", _to_picture(images), optimize=True)


def save_gif(path, frames, fps=10):
    """Write an endlessly repeating GIF -> Path. Frames are read one at a time: any number fits in memory.

    frames: batches or grids, as for save_png, or paths of pictures, all of one size. fps: frames a second, at
    most 50, above which viewers slow down.
    """
    if not 0 < fps <= 50:
        raise ValueError(f"fps is {fps}, expected more than 0 and at most 50 frames a second")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError(f"there are no frames for {path}")
    first = _to_palette(_to_picture(first))

    def rest():
        for frame in frames:
            picture = _to_palette(_to_picture(frame))
            if picture.size != first.size:
                raise ValueError(f"frames differ in size: {first.size} and {picture.size} (width, height)")
            yield picture

    return _save(path, "GIF", first, save_all=True, append_images=rest(), duration=round(1000 / fps), loop=0)


def _to_palette(picture):
    # A GIF has 256 colours; an octree finds them 20 times faster than Pillow's default, and looks the same.
    return picture if picture.mode == "L" else picture.quantize(256, method=pillow().Quantize.FASTOCTREE)


def _to_picture(x):
    """A picture's path, a batch or a grid -> PIL image, grey or RGB."""
    if isinstance(x, (str, Path)):
        pixels = read_image(x)
        x = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    x = np.asarray(x)
    x = make_grid(x) if x.ndim == 4 else x
    if x.dtype != np.uint8 or x.size == 0 or x.ndim != 2 and (x.ndim != 3 or x.shape[2] != 3):
        raise ValueError(f"a picture is {x.dtype} of shape {x.shape}, expected a batch (N, C, H, W), "
                         "or a grid, uint8 (H, W) or (H, W, 3)")
    return pillow().fromarray(x)


def _save(path, format, picture, **options):
    path = Path(path)
    if path.suffix.lower() != f".{format.lower()}":
        raise ValueError(f"the picture's file is {path}, expected a name that ends in .{format.lower()}")
    with whole_file(path) as file:
        picture.save(file, format, **options)
    return path
