"""How good is a translation whose truth is known? Errors of pixels, overlap of masks, and what
needs no training.
"""

import argparse

import numpy as np

from ..data.images import to_float
from ..files import reading
from ..files.foreign import check_whole, shown
from ..training.loading import find_checkpoint
from ..training.run_config import option, read_config
from ..training.run_folder import CONFIG
from ..training.translation import translate


def print_report(args, images, G, F):
    """Print how good a script's translation is, where the test images are pairs."""
    if not args.quiet and images.paired:
        print(report(images, G.eval(), F.eval()))


def report(images, G, F):
    """Domains with paired test images, the generators A -> B and B -> A -> lines to print."""
    lines = [f"{'root mean square error, % of the range':40}   A to B   B to A"]
    kinds = (images.test_a, images.test_b, images.b), (images.test_b, images.test_a, images.a)
    columns = [errors(generator, *kind) for generator, kind in zip((G, F), kinds)]
    lines += [f"{name:40}{columns[0][name]:9.2f}{columns[1][name]:9.2f}" for name in columns[0]]
    if {*np.unique(images.test_b)} <= {0, 255}:
        truth = images.test_b[:, 0] > 0
        found = {
            "translation": translate(G, to_float(images.test_a)).mean(1) > 0,
            "Otsu's threshold": [
                x > otsu(x) for x in images.test_a.mean(1).round().astype(np.uint8)
            ],
            "all foreground": np.ones_like(truth),
        }
        lines += ["", "Dice coefficient"]
        lines += [
            f"{name:40}{np.mean([dice(p, t) for p, t in zip(masks, truth)]):9.3f}"
            for name, masks in found.items()
        ]
    return "\n".join(lines)


def errors(generator, x, y, target):
    """Of x, uint8 (N, C, H, W), as an image of the target; the truth is y -> {name: error in % of
    255}.
    """
    x, y, mean = x.astype(float), y.astype(float), target.mean(0)
    mean = (
        mean if mean.shape == y.shape[1:] else mean.mean((1, 2), keepdims=True)
    )  # loaded larger than looked at
    guesses = {
        "translation": (translate(generator, to_float(x.astype(np.uint8))) + 1) * 127.5,
        "the image as it is": x,
        "the mean image of the target": mean,
        "the best recolouring": recoloured(x, y),
    }
    return {
        name: 100 * np.sqrt(np.square(guess - y).mean()) / 255 for name, guess in guesses.items()
    }


def recoloured(x, y):
    """Each colour of x (N, C, H, W) replaced by the mean of the pixels of y that stand where it
    stands.
    """
    _, colour = np.unique(
        x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1]), axis=0, return_inverse=True
    )
    colour = colour.reshape(-1)
    count = np.bincount(colour)
    means = [
        (np.bincount(colour, y[:, c].ravel()) / count)[colour].reshape(y[:, c].shape)
        for c in range(y.shape[1])
    ]
    return np.stack(means, 1)


def dice(predicted, truth):
    """2 |P and T| / (|P| + |T|) of two boolean images; 1 if both are empty."""
    total = predicted.sum() + truth.sum()
    return 2 * (predicted & truth).sum() / total if total else 1.0


def otsu(image):
    """The threshold that divides grey values, uint8, into two classes with the most variance
    between them.
    """
    share = np.bincount(image.ravel(), minlength=256) / image.size
    below, moment = np.cumsum(share), np.cumsum(share * np.arange(256))
    both = below * (1 - below)
    between = np.divide(
        (moment[-1] * below - moment) ** 2, both, out=np.zeros(256), where=both > 1e-12
    )
    return between.argmax()


def arguments_of(run):
    """The arguments that a run was trained with, from its config.json: those that say which
    images.
    """
    path = find_checkpoint(run).parent / CONFIG
    kept = read_config(path)["arguments"]
    with reading(f"{path} does not say what the checkpoint was trained on"):
        for name in ("data", "data_a", "data_b", "data_dir", "halves"):
            if not isinstance(kept[name], (str, type(None))):
                raise ValueError(f"{option(name)} is {shown(kept[name])}, expected a name")
        for name in ("image_size", "load_size"):
            if name == "image_size" or kept[name] is not None:
                check_whole(option(name), kept[name], 1)
        if not isinstance(kept["skip_unreadable"], bool):
            raise ValueError(
                f"--skip-unreadable is {shown(kept['skip_unreadable'])}, expected true or false"
            )
        return argparse.Namespace(**kept)
