"""The two-sample test by a network that is trained to tell two sets of images apart.

Lopez-Paz and Oquab 2017.
"""

import math

import numpy as np

from .. import data, devices, rng
from ..data.images import to_float, to_uint8
from ..data.named import user_path
from ..files import reading
from ..files.bounded import open_npy
from .classifier import Classifier, as_images, train


def trained_two_sample_test(x, y):
    """The accuracy of a network that learned to tell x from y, on images that it has not seen.

    x, y: uint8, or floats in [-1, 1], (n, C, H, W), n at least 4 and the same for both. Returns
    (accuracy, p-value): the p-value is the probability of at least this accuracy if x and y were of
    one distribution. The network and its training are always the same. minigan's random generator
    is left as it was. Raises ValueError.
    """
    x = _as_bytes(x)
    y = _as_bytes(y)
    if x.shape != y.shape or x.ndim != 4 or len(x) < 4:
        raise ValueError(
            f"the sets have shapes {x.shape} and {y.shape}, expected one shape (n, C, H, W), n at "
            "least 4"
        )
    order = np.random.default_rng(0).permutation(len(x))
    half = len(x) // 2
    seen, seen_labels = _labelled(x, y, order[:half])
    unseen, unseen_labels = _labelled(x, y, order[half:])
    before = rng.state_dict()
    try:
        with devices.device("cpu"):
            rng.manual_seed(0)
            network = Classifier(*x.shape[1:], classes=2)
            train(network, data.Dataset("two sets", seen, seen_labels))
            answers = network.eval().probabilities(to_float(unseen)).argmax(1)
    finally:
        rng.load_state_dict(before)
    accuracy = float(np.mean(answers == unseen_labels))
    return accuracy, _p_value(accuracy, len(answers))


def _as_bytes(images):
    """Images as uint8, so that no rounding tells one set from the other."""
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    return to_uint8(images)


def _labelled(x, y, chosen):
    """The chosen images of x with label 0, then those of y with label 1."""
    images = np.concatenate([x[chosen], y[chosen]])
    labels = np.repeat([0, 1], len(chosen))
    return images, labels


def _p_value(accuracy, n):
    """P(at least this accuracy) if each of n answers is right by chance, with probability 1/2.

    The accuracy is then about N(1/2, 1 / (4 n)); this is the tail of that Gaussian.
    """
    return math.erfc((accuracy - 0.5) * math.sqrt(2 * n)) / 2


def read(name, data_dir=None, skip_unreadable=False):
    """The images (n, C, H, W) of an .npy file or of a data set, by name or path.

    The images of an .npy file stay on the disk until some are chosen. Raises ValueError, and what
    data.load raises.
    """
    if not name.lower().endswith(".npy"):
        return data.load(name, data_dir=data_dir, skip_unreadable=skip_unreadable).images
    path = user_path(name)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    with reading(f"cannot read {path}"):
        x = open_npy(path)
        if x.ndim != 4 or x.size == 0:
            raise ValueError(f"its array has shape {x.shape}, expected images (n, C, H, W)")
    return x


def choose(images, n, generator, name):
    """n of the images at random, float32 (n, C, H, W) in [-1, 1]. ValueError for other arrays."""
    chosen = generator.permutation(len(images))[:n]
    return as_images(images[chosen], f"the images of {name}")
