"""How good is a translation whose truth is known? Errors of pixels and overlap of masks.

Beside each figure stands the figure of a method that needs no training.
"""

import argparse

import numpy as np

from ..data.images import to_float
from ..files import reading
from ..files.foreign import shown
from ..sizes import height_and_width
from ..training.loading import find_checkpoint
from ..training.run_config import option, read_config
from ..training.run_folder import CONFIG
from ..training.translation import translate


def print_report(args, images, G, F):
    """Print how good a script's translation is, where the test images are pairs."""
    if not args.quiet and images.paired:
        print(report(images, G.eval(), F.eval()))


def report(images, G, F):
    """The table of a run's errors, as text.

    images: domains with paired test images. G, F: the generators A -> B and B -> A.
    """
    a_to_b = errors(G, images.test_a, images.test_b, images.b)
    b_to_a = errors(F, images.test_b, images.test_a, images.a)
    lines = [f"{'root mean square error, % of the range':40}   A to B   B to A"]
    for name in a_to_b:
        lines.append(f"{name:40}{a_to_b[name]:9.2f}{b_to_a[name]:9.2f}")
    if set(np.unique(images.test_b)) <= {0, 255}:  # B are masks
        lines += ["", "Dice coefficient", *_dice_lines(images, G)]
    return "\n".join(lines)


def _dice_lines(images, G):
    """The overlap of masks with the true ones, in lines of the table."""
    truth = images.test_b[:, 0] > 0
    grey = images.test_a.mean(1).round().astype(np.uint8)
    found = {
        "translation": translate(G, to_float(images.test_a)).mean(1) > 0,
        "Otsu's threshold": [x > otsu(x) for x in grey],
        "all foreground": np.ones_like(truth),
    }
    lines = []
    for name, masks in found.items():
        mean = np.mean([dice(mask, true_mask) for mask, true_mask in zip(masks, truth)])
        lines.append(f"{name:40}{mean:9.3f}")
    return lines


def errors(generator, x, y, target):
    """{method: root mean square error in % of 255} of guesses of the images y from x.

    x, y: pairs of images uint8 (N, C, H, W); target: training images of the kind of y.
    """
    translated = (translate(generator, to_float(x.astype(np.uint8))) + 1) * 127.5
    x = x.astype(float)
    y = y.astype(float)
    mean = target.mean(0)
    if mean.shape != y.shape[1:]:  # the training images are larger: take the mean colour
        mean = mean.mean((1, 2), keepdims=True)
    guesses = {
        "translation": translated,
        "the image as it is": x,
        "the mean image of the target": mean,
        "the best recolouring": recoloured(x, y),
    }
    found = {}
    for name, guess in guesses.items():
        found[name] = 100 * np.sqrt(np.square(guess - y).mean()) / 255
    return found


def recoloured(x, y):
    """x with each colour replaced by the mean of the pixels of y in the same places.

    x, y: (N, C, H, W) -> (N, C of y, H, W).
    """
    pixels = x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1])
    _, colour = np.unique(pixels, axis=0, return_inverse=True)
    colour = colour.reshape(-1)  # the number of each pixel's colour
    count = np.bincount(colour)
    channels = []
    for c in range(y.shape[1]):
        means = np.bincount(colour, y[:, c].ravel()) / count
        channels.append(means[colour].reshape(y[:, c].shape))
    return np.stack(channels, 1)


def dice(predicted, truth):
    """2 |P and T| / (|P| + |T|) of two boolean images; 1 if both are empty."""
    total = predicted.sum() + truth.sum()
    if total == 0:
        return 1.0
    return 2 * (predicted & truth).sum() / total


def otsu(image):
    """The threshold between two classes of grey values, uint8, with the most variance between.

    The variance between the classes is (mean * w - m)^2 / (w * (1 - w)), where w is the share of
    the pixels up to the threshold and m their part of the mean (Otsu 1979).
    """
    share = np.bincount(image.ravel(), minlength=256) / image.size
    w = np.cumsum(share)
    m = np.cumsum(share * np.arange(256))
    mean = m[-1]
    both = w * (1 - w)
    between = np.divide((mean * w - m) ** 2, both, out=np.zeros(256), where=both > 1e-12)
    return between.argmax()


def arguments_of(run):
    """The arguments that a run was trained with, from its config.json.

    Those that say which images are checked. Raises ValueError.
    """
    path = find_checkpoint(run).parent / CONFIG
    kept = read_config(path)["arguments"]
    with reading(f"{path} does not say what the checkpoint was trained on"):
        for name in ("data", "data_a", "data_b", "data_dir", "halves"):
            if not isinstance(kept[name], (str, type(None))):
                raise ValueError(f"{option(name)} is {shown(kept[name])}, expected a name")
        for name in ("image_size", "load_size"):
            if name == "image_size" or kept[name] is not None:
                height_and_width(kept[name], option(name))
        if not isinstance(kept["skip_unreadable"], bool):
            raise ValueError(
                f"--skip-unreadable is {shown(kept['skip_unreadable'])}, expected true or false"
            )
        return argparse.Namespace(**kept)
