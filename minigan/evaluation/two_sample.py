"""The two-sample test by a network that is trained to tell two sets of images apart (Lopez-Paz
and Oquab 2017).
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
    """The accuracy of a network that learned to tell x from y, on images that it has not seen ->
    (accuracy, p-value).

    x, y: uint8, or floats in [-1, 1], (n, C, H, W), both of n, at least 4. The p-value is the
    chance of so much or more if x and y were of one distribution. The network and its training
    are always the same; minigan's random numbers are left as they were. Raises ValueError.
    """
    x, y = (
        images if images.dtype == np.uint8 else to_uint8(images)
        for images in map(np.asarray, (x, y))
    )
    if x.shape != y.shape or x.ndim != 4 or len(x) < 4:
        raise ValueError(
            f"the sets have shapes {x.shape} and {y.shape}, expected one shape (n, C, H, W), n at least 4"
        )
    order, half = np.random.default_rng(0).permutation(len(x)), len(x) // 2
    parts = [np.concatenate([x[chosen], y[chosen]]) for chosen in (order[:half], order[half:])]
    labels = [np.repeat([0, 1], len(part) // 2) for part in parts]
    before = rng.state_dict()
    try:
        with devices.device("cpu"):
            rng.manual_seed(0)
            network = Classifier(*x.shape[1:], classes=2)
            train(network, data.Dataset("two sets", parts[0], labels[0]))
            answers = network.eval().probabilities(to_float(parts[1])).argmax(1)
    finally:
        rng.load_state_dict(before)
    accuracy = float(np.mean(answers == labels[1]))
    return accuracy, math.erfc((accuracy - 0.5) * math.sqrt(2 * len(answers))) / 2


def read(name, data_dir=None):
    """The images of an .npy file or of a data set, by name or path -> (n, C, H, W).

    Those of an .npy file stay on the disk until some are chosen. Raises ValueError, and what
    data.load raises.
    """
    if not name.lower().endswith(".npy"):
        return data.load(name, data_dir=data_dir).images
    path = user_path(name)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    with reading(f"cannot read {path}"):
        x = open_npy(path)
        if x.ndim != 4 or x.size == 0:
            raise ValueError(f"its array has shape {x.shape}, expected images (n, C, H, W)")
    return x


def choose(images, n, generator, name):
    """n of the images at random -> float32 (n, C, H, W) in [-1, 1]. ValueError if they are none."""
    chosen = generator.permutation(len(images))[:n]
    return as_images(images[chosen], f"the images of {name}")
