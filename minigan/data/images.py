"""Images: bytes to floats and back, reading, resizing, and the grids, PNGs and GIFs that show a
training.

Inside minigan an image is (C, H, W) with C 1 (grey) or 3 (RGB), in one of two
codes: uint8 from 0 to 255, or float in [-1, 1], x = byte / 127.5 - 1. Pictures are written whole
or not at all.
"""

import contextlib
import math
import warnings
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..checks import whole_number
from ..files import reading, whole_file
from ..files.bounded import open_regular, size_of
from ..sizes import height_and_width
from . import gif

MOST_PIXELS = 89_478_485  # of one image: above this Pillow warns of a decompression bomb
BAND = 1 << 20  # pixels that are converted at a time
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # none that runs a program, as EPS
TIFF_WIDTH = 256  # the number of the tag
ORIENTATION = 0x0112  # the EXIF tag: 1 to 8, how the camera was held
GREY_MODES = ("1", "L", "LA", "La")
DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N")  # grey values of 16 bits
MANY = "with several pictures, of which the first is read"
DEEP = "with 16 bits a channel, 0 to 65535, which are scaled to 0 to 255"


def to_float(images):
    """uint8 0..255 -> float32 in [-1, 1]: x / 127.5 - 1. Raises TypeError for another dtype."""
    if images.dtype != np.uint8:
        raise TypeError(f"images are {images.dtype}, expected uint8")
    floats = np.divide(images, np.float32(127.5), dtype=np.float32)
    floats -= 1
    return floats


def to_uint8(x):
    """float in [-1, 1] -> uint8: (x + 1) * 127.5, clipped, rounded. ValueError for NaN or
    infinity.
    """
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise TypeError(f"images are {x.dtype}, expected floats in [-1, 1]")
    if bad := np.count_nonzero(~np.isfinite(x)):
        raise ValueError(f"{bad} of {x.size} pixels are not finite")
    return np.rint((x.clip(-1, 1) + 1) * 127.5).astype(np.uint8)


def resize(images, image_size, *, nearest=False):
    """Crop images to the shape of image_size, and resample what is left -> uint8 (N, C, h, w).

    images: uint8 (N, C, H, W), of which the largest centred part is kept. image_size: a side or
    (h, w), as sizes.height_and_width takes it; None keeps the images.

    Where the images shrink, Pillow's Lanczos filter is used, which it widens by the factor, so that
    nothing aliases. Where they grow, its Hamming filter: no overshoot, and averaged back to its
    size an enlarged image is nearly itself. nearest: take the nearest pixel instead, for masks and
    labels, between which there is no mean.
    """
    if image_size is None:
        return images
    height, width = height_and_width(image_size)
    if images.shape[2:] == (height, width):
        return images
    Image, ImageOps = pillow()
    if nearest:
        kernel = Image.Resampling.NEAREST
    elif height < images.shape[2] and width < images.shape[3]:
        kernel = Image.Resampling.LANCZOS
    else:
        kernel = Image.Resampling.HAMMING
    resized = np.empty((*images.shape[:2], height, width), np.uint8)
    # One channel of one image at a time, so that there may be any number of channels.
    for i in np.ndindex(images.shape[:2]):
        resized[i] = ImageOps.fit(Image.fromarray(images[i]), (width, height), kernel)
    return resized


def scaled_to_bytes(values):
    """Values from 0 to 65535 -> uint8 from 0 to 255, rounded: value / 257."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


class Picture(NamedTuple):
    """An image that was read, and what of its file is not in it."""

    pixels: np.ndarray  # uint8 (1, H, W) or (3, H, W)
    notes: tuple  # of phrases, such as MANY and DEEP


def read_image(path):
    """An image file -> uint8 (1, H, W) if it is grey, else (3, H, W).

    It stands as its camera was held (EXIF orientation). Transparent pixels are laid on white. A
    palette becomes RGB, as CMYK does. Of a file with several pictures, as an animated GIF, the
    first is read. 16 bits a channel are scaled to 8, whatever of them the image uses: 65535 becomes
    255. Raises ValueError for what is not an image, is damaged, has more than MOST_PIXELS pixels,
    or values that are signed, fractions or of more bits; for a pipe or a device, and if the file
    cannot be opened.
    """
    with reading(f"cannot read the image {path}"), open_regular(path) as file:
        return decode(file).pixels


class Header(NamedTuple):
    """What an image file's first bytes say of the image."""

    channels: int  # 1 or 3
    height: int  # pixels, of the picture turned upright
    width: int
    file_size: int  # bytes
    notes: tuple  # of phrases, such as MANY and DEEP


def read_header(path):
    """Look at an image file without decoding it -> Header. Raises what read_image raises.

    A file whose pixels are damaged may still have a good header.
    """
    with reading(f"cannot read the image {path}"), open_regular(path) as file:
        with _open_picture(file) as image:
            width, height = image.size
            if _lies_on_its_side(image):
                width, height = height, width
            return Header(_channels(image), height, width, size_of(file), _notes(image))


def _lies_on_its_side(image):
    """Whether the camera was held upright, so that height and width of the file are exchanged."""
    if image.format == "TIFF" and image.width != image.tag_v2[TIFF_WIDTH]:
        return False  # Pillow, from version 11 on, has exchanged them already
    Image, _ = pillow()
    # PNG's own getexif() would decode the pixels, to look for an orientation that follows them.
    orientation = Image.Image.getexif(image).get(ORIENTATION)
    return orientation in (5, 6, 7, 8)


def decode(file):
    """An open image file -> Picture. It is opened by the caller, never by Pillow.

    From a path, Pillow maps an uncompressed TIFF into memory, and scrambles it if it is to be
    turned. Raises what Pillow raises, and ValueError.
    """
    _, ImageOps = pillow()
    with _open_picture(file) as image:
        notes = _notes(image)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return Picture(_pixels(image), notes)


def _open_picture(file):
    """An open file -> PIL image, of which only the header has been read."""
    Image, _ = pillow()
    too_many = f"more than {MOST_PIXELS:,} pixels, which is all that is read of one image"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ValueError(f"it has {too_many}") from error
    except Image.UnidentifiedImageError as error:
        raise ValueError(
            f"it is not an image of the kinds {', '.join(FORMATS)}, or its header is damaged"
        ) from error
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise ValueError(f"it has {width} x {height}, {too_many}")
    is_number = image.mode in ("I", "F") or image.mode.startswith("I;")
    if is_number and not _has_deep_grey(image):
        raise ValueError(f"its pixels have mode {image.mode}, expected 8 or 16 bits a channel")
    return image


def _notes(image):
    """What of an opened picture its pixels will not have -> tuple of phrases."""
    notes = []
    if getattr(image, "is_animated", False):
        notes.append(MANY)
    if _has_deep_grey(image) or _has_deep_colour(image):
        notes.append(DEEP)
    return tuple(notes)


def _has_deep_grey(image):
    """Whether its pixels are numbers from 0 to 65535."""
    # Pillow before version 12 opens a PNG of 16 bits, and every version a PPM, in a mode of 32.
    is_wide = image.mode == "I" and image.format in ("PNG", "PPM")
    return image.mode in DEEP_MODES or is_wide


def _has_deep_colour(image):
    """Whether its colours have 16 bits a channel. Pillow's RGB keeps the upper 8 of them."""
    for codec, _, _, how in image.tile:
        values = how if isinstance(how, tuple) else (how,)
        if codec.startswith("ppm"):
            return values[-1] > 255
        if any(isinstance(value, str) and ";16" in value for value in values):
            return True
    return False


def _pixels(image):
    """A picture -> uint8 (1, H, W) or (3, H, W), converted in bands of rows to save memory."""
    width, height = image.size
    if _has_deep_grey(image):
        convert = partial(_deep_grey_pixels, clear=image.info.get("transparency"))
    elif image.mode in GREY_MODES:
        convert = partial(_byte_pixels, mode="L")
    else:
        convert = partial(_byte_pixels, mode="RGB")
    pixels = np.empty((height, width, _channels(image)), np.uint8)
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = convert(image.crop((0, top, width, bottom)))
        pixels[top:bottom] = band.reshape(bottom - top, width, -1)
    return pixels.transpose(2, 0, 1)


def _channels(image):
    """How many channels a picture will have: 1 if it is grey, otherwise 3."""
    return 1 if image.mode in GREY_MODES or _has_deep_grey(image) else 3


def _byte_pixels(image, mode):
    """A picture of 8 bits a channel -> uint8 (H, W) for the mode L, (H, W, 3) for RGB."""
    if image.has_transparency_data:
        image = _on_white(image)
    return np.asarray(image.convert(mode))


def _deep_grey_pixels(image, clear):
    """A picture of 16 bits a pixel -> uint8 (H, W). clear: the value that stands for nothing."""
    values = np.asarray(image)
    pixels = scaled_to_bytes(values)
    if isinstance(clear, int):
        pixels[values == clear] = 255  # on white paper
    return pixels


def _on_white(image):
    """A picture with transparency, of any mode -> RGBA: what is seen of it on white paper."""
    Image, _ = pillow()
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def pillow():
    """The modules PIL.Image and PIL.ImageOps, or ImportError with what to install."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError(
            "to read, resize and write images needs Pillow: pip install 'minigan[examples]'"
        ) from error
    return Image, ImageOps


def make_grid(images, columns=None, padding=2, scale=None):
    """Lay out a batch as one picture -> uint8 (H, W) for grey, (H, W, 3) for RGB; black between
    the images.

    images: float in [-1, 1] or uint8, (N, C, height, width), C 1 or 3. columns: by default as for
    a square. padding: pixels around each image. scale: every pixel becomes scale x scale; by
    default small images are enlarged to some 64 pixels. Raises ValueError for an empty batch,
    other shapes, or values that are not finite.
    """
    x = np.asarray(images)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or x.size == 0:
        raise ValueError(
            f"images have shape {x.shape}, expected (N, 1 or 3, height, width), none empty"
        )
    columns = math.ceil(math.sqrt(len(x))) if columns is None else columns
    scale = max(1, 64 // max(x.shape[2:])) if scale is None else scale
    whole_number("columns", columns, 1)
    whole_number("scale", scale, 1)
    whole_number("padding", padding, 0)
    x = x if x.dtype == np.uint8 else to_uint8(x)
    x = x.repeat(scale, axis=2).repeat(scale, axis=3)
    columns = min(columns, len(x))
    rows = math.ceil(len(x) / columns)
    x = np.pad(x, [(0, rows * columns - len(x)), (0, 0), (padding, 0), (padding, 0)])
    x = x.reshape(rows, columns, *x.shape[1:])  # (rows, columns, C, height, width)
    x = x.transpose(0, 3, 1, 4, 2)  # (rows, height, columns, width, C)
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

    frames: batches or grids, as for save_png, or paths of pictures; ValueError unless they are of
    one size. They are read and written one by one, so any number of them needs the memory of one.
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
        raise ValueError(
            f"a picture is {x.dtype} of shape {x.shape}, expected a batch (N, C, H, W), "
            "or a grid, uint8 (H, W) or (H, W, 3)"
        )
    return pillow()[0].fromarray(x)


@contextlib.contextmanager
def _picture_file(path, suffix):
    """The file of a picture, to be written whole; ValueError unless its name ends in `suffix`."""
    if Path(path).suffix.lower() != suffix:
        raise ValueError(f"the picture's file is {path}, expected a name that ends in {suffix}")
    with whole_file(path) as file:
        yield file
