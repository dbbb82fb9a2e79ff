"""Two kinds of images to translate between: where they come from and, where it is known, what the
truth is.

Training sees images of both kinds and no pair: where a file holds pairs, one half of them serves
as A, the other as B. Its test images stay pairs, and measure the translation.
"""

from dataclasses import dataclass

import numpy as np

from .. import data
from ..files import messages, reading
from ..files.bounded import Npz, open_regular
from ..sizes import height_and_width, plain_size
from .images import resize
from .lazy import FolderImages

COPPER = np.array([96, 48, 30])  # the colour of the ground, RGB
LIGHT = np.array([132, 116, 76])  # what light adds to it, and shadow takes away


@dataclass(frozen=True, eq=False, repr=False)
class Domains:
    """Images of two kinds, uint8 (N, C, H, W): arrays or, of folders, FolderImages."""

    a: np.ndarray  # to train on
    b: np.ndarray
    test_a: np.ndarray  # to look at and, if they are pairs, to measure by
    test_b: np.ndarray
    paired: bool = False  # is test_b[i] the truth for test_a[i]?


def load(names, image_size, load_size=None, halves=None, *, data_dir=None, skip_unreadable=False):
    """Two kinds of images, each of which has a name -> Domains.

    names: two names or paths, as data.load takes them: ("horse2zebra:A", "horse2zebra:B").
    image_size: of test images. load_size: of training images, from which image_size is cut out
    later; None: see enlarged. halves: the two are arrays of one .npz file, and pairs. Then A is
    trained on with one half of them and B with the other, which this array of the file divides:
    see first_half. data_dir, skip_unreadable: as data.load takes them.

    All images are grey, or all RGB. Raises ValueError, OSError, ImportError.
    """
    load_size = load_size or enlarged(image_size)
    options = dict(data_dir=data_dir, skip_unreadable=skip_unreadable)
    a, b = [data.load(name, load_size, **options).images for name in names]
    if halves:
        test_a, test_b = [data.load(name, image_size, "test", **options).images for name in names]
        first = first_half(names, halves, data_dir)
        if len(test_a) != len(test_b) or not len(first) == len(a) == len(b):
            raise ValueError(
                f"{names[0]} has {len(a)} images, {names[1]} {len(b)}, and {halves} {len(first)} "
                "entries, expected as many: pairs"
            )
        a = a[first]
        b = b[~first]
    else:
        test_a = to_look_at(names[0], a, image_size, options)
        test_b = to_look_at(names[1], b, image_size, options)
    kinds = (a, b, test_a, test_b)
    if any(images.shape[1] == 3 for images in kinds):
        kinds = map(_as_rgb, kinds)
    return Domains(*kinds, paired=bool(halves))


def enlarged(image_size):
    """The size to load images at, of which image_size is cut out: the paper's 286 for 256."""
    height, width = height_and_width(image_size)
    return plain_size((height * 286 // 256, width * 286 // 256))


def _as_rgb(images):
    """Images with three channels, which are equal where the images were grey."""
    if isinstance(images, FolderImages):
        return images.as_rgb()
    return np.broadcast_to(images, (len(images), 3, *images.shape[2:]))


def to_look_at(name, train, image_size, options):
    """The test split or, where there is none, six of the training images."""
    try:
        return data.load(name, image_size, "test", **options).images
    except data.MissingSplit as error:
        messages.warn(f"{error}: the samples show training images")
        return resize(train[:6], image_size)


def first_half(names, key, data_dir=None):
    """Of the training pairs in one .npz, those that serve as A -> booleans (N,).

    The array `key` says which pairs belong together, such as tiles of one photograph; every second
    one of its values is in this half.
    """
    path = _common_file(names, key, data_dir)
    with open_regular(path) as file, reading(f"cannot read {path}"):
        arrays = Npz(file)
        groups = arrays.read(key)
        if groups.ndim == 1 and "split" in arrays:
            split = arrays.read("split")
            if split.shape != groups.shape:
                raise ValueError(
                    f"{key} has shape {groups.shape} and split {split.shape}, expected one shape"
                )
            groups = groups[split == data.SPLITS.index("train")]
    values = np.unique(groups)
    if groups.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"{path}: {key} has shape {groups.shape} and {len(values)} values, expected one axis "
            "and at least two values to divide the images by"
        )
    return np.isin(groups, values[::2])


def _common_file(names, key, data_dir):
    """The .npz file that both names mean, whose array `key` divides the pairs -> its path."""
    first, second = [data.find_npz(name, data_dir) for name in names]
    if first is None or second is None or first[0] != second[0]:
        raise ValueError(
            f"halves is {key}, expected two arrays of one .npz file to divide, "
            f"not {names[0]} and {names[1]}"
        )
    return first[0]


def digits(load_size, image_size):
    """Drawn digits <-> embossed digits -> Domains.

    Half of the bundled training digits are drawn, the other half embossed; all test digits are
    there in both forms.
    """
    train = data.load("digits", load_size).images
    test = data.load("digits", image_size, "test").images
    half = len(train) // 2  # their order is a fixed permutation
    return Domains(
        a=np.repeat(train[:half], 3, axis=1),
        b=embossed(train[half:]),
        test_a=np.repeat(test, 3, axis=1),
        test_b=embossed(test),
        paired=True,
    )


def embossed(images):
    """White strokes on black, uint8 (N, 1, H, W) -> the strokes raised from copper, (N, 3, H, W).

    Light comes from above left. The light on a pixel is the slope there: its lower right neighbour
    minus its upper left one. What is raised is also a little brighter, because otherwise nobody
    could tell it, lit from above left, from what is sunk and lit from below right.
    """
    borders = ((0, 0), (0, 0), (1, 1), (1, 1))
    height = np.pad(images / 255, borders, mode="edge")  # (N, 1, H + 2, W + 2)
    slope = height[:, :, 2:, 2:] - height[:, :, :-2, :-2]
    light = slope + height[:, :, 1:-1, 1:-1] / 4
    colours = COPPER[:, None, None] + LIGHT[:, None, None] * light
    return np.rint(colours.clip(0, 255)).astype(np.uint8)
