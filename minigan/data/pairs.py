"""Two kinds of images to translate between: where they come from and, where it is known, what the
truth is.

Training sees images of both kinds and no pair: where a file holds pairs, one half of them serves
as A, the other as B. Its test images stay pairs, and measure the translation.
"""

import sys
from dataclasses import dataclass

import numpy as np

from .. import data
from ..files import reading
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


def load(args):
    """The two kinds of images that the arguments of train_cyclegan.py name -> Domains.

    All are grey, or all RGB. Training images have --load-size pixels a side, test images
    --image-size. Raises ValueError, OSError, ImportError.
    """
    load_size = args.load_size or _enlarged(args.image_size)
    _check_arguments(args, load_size)
    if args.data == "digits":
        return digits(load_size, args.image_size)
    names = _names(args)
    options = dict(data_dir=args.data_dir, skip_unreadable=args.skip_unreadable)
    a, b = [data.load(name, load_size, **options).images for name in names]
    if args.halves:
        test_a, test_b = [
            data.load(name, args.image_size, "test", **options).images for name in names
        ]
        first = first_half(names, args.halves, args.data_dir)
        if len(test_a) != len(test_b) or not len(first) == len(a) == len(b):
            raise ValueError(
                f"{names[0]} has {len(a)} images, {names[1]} {len(b)}, and {args.halves} "
                f"{len(first)} entries, expected as many: pairs"
            )
        a = a[first]
        b = b[~first]
    else:
        test_a = to_look_at(names[0], a, args.image_size, options)
        test_b = to_look_at(names[1], b, args.image_size, options)
    kinds = (a, b, test_a, test_b)
    if any(images.shape[1] == 3 for images in kinds):
        kinds = map(_as_rgb, kinds)
    return Domains(*kinds, paired=bool(args.halves))


def _enlarged(image_size):
    """The size to load images at, of which image_size is cut out: the paper's 286 for 256."""
    height, width = height_and_width(image_size)
    return plain_size((height * 286 // 256, width * 286 // 256))


def _check_arguments(args, load_size):
    """Raise ValueError for arguments that contradict each other."""
    load = height_and_width(load_size)
    cut = height_and_width(args.image_size)
    if load[0] < cut[0] or load[1] < cut[1]:
        raise ValueError(
            f"--load-size {load_size} is less than --image-size {args.image_size}, "
            "which is cut out of it"
        )
    if args.data and (args.data_a or args.data_b):
        raise ValueError(
            f"--data {args.data} names both kinds of images: leave out --data-a and --data-b"
        )
    if args.halves and args.data:
        raise ValueError(
            f"--halves {args.halves} divides pairs of --data-a and --data-b, not --data {args.data}"
        )


def _names(args):
    """What the arguments call the two kinds of images -> two names for data.load."""
    if args.data:
        return f"{args.data}:A", f"{args.data}:B"
    if args.data_a is None or args.data_b is None:
        missing, given = ("b", "a") if args.data_b is None else ("a", "b")
        raise ValueError(
            f"--data-{missing} is missing, expected two kinds of images, --data-{given} and another"
        )
    return args.data_a, args.data_b


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
        print(f"{error}: the samples show training images", file=sys.stderr)
        return resize(train[:6], image_size)


def first_half(names, key, data_dir=None):
    """Of the training pairs in one .npz, those that serve as A -> booleans (N,).

    The array `key` says which pairs belong together, such as tiles of one photograph; every second
    one of its values is in this half.
    """
    path = _common_file(names, data_dir)
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


def _common_file(names, data_dir):
    """The .npz file that both names mean -> its path."""
    first, second = [data.find_npz(name, data_dir) for name in names]
    if first is None or second is None or first[0] != second[0]:
        raise ValueError(
            f"--halves needs two arrays of one .npz file, --data-a is {names[0]} "
            f"and --data-b {names[1]}"
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
