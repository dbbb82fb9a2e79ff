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
from .images import resize

COPPER, LIGHT = (
    np.array([96, 48, 30]),
    np.array([132, 116, 76]),
)  # the ground, and what light adds and shadow takes


@dataclass(frozen=True, eq=False, repr=False)
class Domains:
    """a, b: to train on, uint8 (N, C, H, W); test_a, test_b: to look at and, if they are paired,
    to measure by.
    """

    a: np.ndarray
    b: np.ndarray
    test_a: np.ndarray
    test_b: np.ndarray
    paired: bool = False


def load(args):
    """The two kinds of images that the arguments of train_cyclegan.py name -> Domains, all grey
    or all RGB.

    Training images have --load-size pixels a side, test images --image-size. Raises ValueError,
    OSError, ImportError.
    """
    load_size = args.load_size or args.image_size * 286 // 256
    if load_size < args.image_size:
        raise ValueError(
            f"--load-size {load_size} is less than --image-size {args.image_size}, which is cut out of it"
        )
    if args.data and (args.data_a or args.data_b):
        raise ValueError(
            f"--data {args.data} names both kinds of images: leave out --data-a and --data-b"
        )
    if args.halves and args.data:
        raise ValueError(
            f"--halves {args.halves} divides pairs of --data-a and --data-b, not --data {args.data}"
        )
    if args.data == "digits":
        return digits(load_size, args.image_size)
    names = (f"{args.data}:A", f"{args.data}:B") if args.data else (args.data_a, args.data_b)
    if None in names:
        missing, given = ("b", "a") if args.data_b is None else ("a", "b")
        raise ValueError(
            f"--data-{missing} is missing, expected two kinds of images, --data-{given} and another"
        )
    options = dict(data_dir=args.data_dir, skip_unreadable=args.skip_unreadable)
    train = [data.load(name, load_size, **options).images for name in names]
    if args.halves:
        first = first_half(names, args.halves, args.data_dir)
        test = [data.load(name, args.image_size, "test", **options).images for name in names]
        if len(test[0]) != len(test[1]) or not len(first) == len(train[0]) == len(train[1]):
            raise ValueError(
                f"{names[0]} has {len(train[0])} images, {names[1]} {len(train[1])}, and {args.halves} "
                f"{len(first)} entries, expected as many: pairs"
            )
        train = train[0][first], train[1][~first]
    else:
        test = [to_look_at(name, x, args.image_size, options) for name, x in zip(names, train)]
    channels = max(x.shape[1] for x in (*train, *test))
    return Domains(
        *(np.broadcast_to(x, (len(x), channels, *x.shape[2:])) for x in (*train, *test)),
        bool(args.halves),
    )


def to_look_at(name, train, image_size, options):
    """The test split or, where there is none, six of the training images."""
    try:
        return data.load(name, image_size, "test", **options).images
    except data.MissingSplit as error:
        print(f"{error}: the samples show training images", file=sys.stderr)
        return resize(train[:6], image_size)


def first_half(names, key, data_dir=None):
    """Of the training pairs in one .npz, those that serve as A -> booleans (N,).

    The array `key` says which belong together, as tiles of one source; every other one of its
    values is in this half.
    """
    first, second = [data.find_npz(name, data_dir) for name in names]
    if first is None or second is None or first[0] != second[0]:
        raise ValueError(
            f"--halves needs two arrays of one .npz file, --data-a is {names[0]} and --data-b {names[1]}"
        )
    path = first[0]
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
            f"{path}: {key} has shape {groups.shape} and {len(values)} values, expected one axis and at "
            "least two values to divide the images by"
        )
    return np.isin(groups, values[::2])


def digits(load_size, image_size):
    """Drawn digits <-> embossed digits: half of the bundled training digits each, and all test
    digits in both forms.
    """
    train, test = (
        data.load("digits", size, split).images
        for size, split in ((load_size, "train"), (image_size, "test"))
    )
    half = len(train) // 2  # their order is a fixed permutation
    drawn, test_drawn = (np.repeat(x, 3, axis=1) for x in (train[:half], test))
    return Domains(drawn, embossed(train[half:]), test_drawn, embossed(test), paired=True)


def embossed(images):
    """White strokes on black, uint8 (N, 1, H, W) -> the strokes raised from copper, lit from
    above left, (N, 3, H, W).

    The light on a pixel is the slope there, its lower right neighbour minus its upper left one.
    And what is raised is worn a little brighter, or nobody could tell it, lit from above left,
    from what is sunk and lit from below right.
    """
    height = np.pad(
        images / 255, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge"
    )  # (N, 1, H + 2, W + 2)
    light = height[:, :, 2:, 2:] - height[:, :, :-2, :-2] + height[:, :, 1:-1, 1:-1] / 4
    return np.rint(np.clip(COPPER[:, None, None] + LIGHT[:, None, None] * light, 0, 255)).astype(
        np.uint8
    )
