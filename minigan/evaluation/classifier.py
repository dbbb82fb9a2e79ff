"""A small classifier, trained with minigan on the real images, that looks at generated ones.

The one idea: an image is good if a network that has seen only real ones knows at once what it
shows, and a generator is good if all classes come up. A mean confidence depends on the classifier
as much as on the images, so it is always the same one: fixed architecture, seed and training, on
the processor, kept in the cache folder under a name that says what it was trained on. Its
confidence on real images is the scale's upper end. What it knows of an image before it names a
class, its features, is a better space to measure distances in than pixels are.
"""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import data, devices, nn, no_grad, rng, tensor
from .. import functional as F
from ..data.images import to_float
from ..files import cache_folder
from ..optim import Adam, ConstantThenLinearLR
from ..training import checkpoint

VERSION = 2  # of architecture and training: raise it when either changes, and old files are no longer found
BATCH_SIZE, LEAST_STEPS, PASSES = (
    64,
    300,
    2,
)  # so many passes over the images, but at least so many steps
FEATURES = 128  # at most: what the last layer sees of an image
MOST_CLASSES = 1000  # as many as ImageNet's challenge has


class Classifier(nn.Module):
    """Images (N, channels, height, width) in [-1, 1] -> logits (N, classes): three convolutions,
    one or two layers.
    """

    def __init__(self, channels, height, width, classes):
        self.size, self.classes, layers = (height, width), classes, []
        for maps, stride in ((8, 1), (16, 2), (32, 2)):
            convolution = nn.Conv2d(channels, maps, 3, stride=stride, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(maps), nn.ReLU()]
            channels, height, width = maps, -(-height // stride), -(-width // stride)
        count = channels * height * width
        layers += (
            [nn.Flatten()]
            if count <= FEATURES
            else [nn.Flatten(), nn.Linear(count, FEATURES), nn.ReLU()]
        )
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(min(count, FEATURES), classes))

    def forward(self, x):
        return self.head(self.body(x))

    def features(self, images):
        """Images float32 (N, C, H, W) in [-1, 1], resized if need be -> the input of the last
        layer, (N, features).
        """
        with devices.device("cpu"), no_grad():
            return np.concatenate(
                [
                    self.body(tensor(area_resize(images[i : i + 500], *self.size))).numpy()
                    for i in range(0, len(images), 500)
                ]
            )

    def probabilities(self, images):
        """The same images -> softmax of the logits, float64 (N, classes)."""
        with devices.device("cpu"), no_grad():
            logits = self.head(tensor(self.features(images)))
            return np.exp(F.log_softmax(logits).numpy().astype(np.float64))


def number_classes(*datasets):
    """Labelled Datasets of one kind -> the same ones, with labels below the number of classes.

    Classes are counted: they are the labels that occur in one of the sets. If these leave out
    numbers below the greatest, or names of `classes`, they are numbered anew, which is said on
    standard error. Raises ValueError for more than MOST_CLASSES.
    """
    first = datasets[0]
    values = np.unique(np.concatenate([dataset.labels for dataset in datasets]))
    if len(values) > MOST_CLASSES:
        raise ValueError(
            f"{first.name} has {len(values)} different labels, "
            f"expected at most {MOST_CLASSES} classes"
        )
    names = first.classes
    known = len(values) if names is None else len(names)
    if np.array_equal(values, np.arange(known)):
        return datasets
    if names is None:
        names = {value: str(value) for value in values.tolist()}
    classes = tuple(names[value] for value in values.tolist())
    print(
        f"{first.name}: the {len(values)} labels that occur, from {values[0]} to {values[-1]}, "
        f"are counted as {len(values)} classes",
        file=sys.stderr,
    )
    return tuple(
        replace(dataset, labels=np.searchsorted(values, dataset.labels), classes=classes)
        for dataset in datasets
    )


def count_classes(dataset):
    """How many classes a labelled Dataset has. ValueError unless its labels are numbers below
    that.
    """
    count = len(dataset.classes or np.unique(dataset.labels))
    least, greatest = dataset.labels.min(), dataset.labels.max()
    if least < 0 or greatest >= count or count > MOST_CLASSES:
        raise ValueError(
            f"{dataset.name} has {count} classes and labels from {least} to {greatest}, "
            f"expected labels from 0 to {count - 1}, and at most {MOST_CLASSES} classes"
        )
    return count


def trained_classifier(dataset):
    """The classifier of a labelled Dataset, in eval() -> Classifier; from the cache folder, or
    trained.

    That takes seconds for the digits, a minute for MNIST. A file that is missing or damaged is
    written anew. Nothing of this moves minigan's random generator. Raises ValueError for a
    Dataset without labels, or with others than 0 to the number of classes - 1: see
    number_classes.
    """
    if dataset.labels is None:
        raise ValueError(
            f"{dataset.name} has no labels, without which no classifier can be trained"
        )
    classes = count_classes(dataset)
    shape, before = dataset.images.shape[1:], rng.state_dict()
    digest = hashlib.sha256(np.ascontiguousarray(dataset.images))
    digest.update(np.ascontiguousarray(dataset.labels))
    size, name = "x".join(map(str, shape)), Path(dataset.name).stem
    path = cache_folder() / f"classifier-{name}-{size}-v{VERSION}-{digest.hexdigest()[:16]}.npz"
    try:
        with devices.device("cpu"):
            rng.manual_seed(0)
            network = Classifier(*shape, classes=classes)
            try:
                network.load_state_dict(checkpoint.load(path)["classifier"])
            except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
                why = (
                    f"{error}: it is trained again"
                    if path.exists()
                    else f"trained once, for {path}"
                )
                print(f"the classifier of {dataset.name}: {why}", file=sys.stderr)
                train(network, dataset)
                checkpoint.save(path, {"classifier": network.state_dict()})
    except (
        OSError
    ) as error:  # a cache that cannot be written costs seconds each time, not the evaluation
        print(f"the classifier cannot be kept: {error}", file=sys.stderr)
    finally:
        rng.load_state_dict(before)
    return network.eval()


def train(network, dataset):
    """Train on the labelled images, randomly moved; always the same way."""
    rng.manual_seed(0)  # again: what is trained does not depend on what was drawn before
    steps = max(LEAST_STEPS, PASSES * len(dataset) // BATCH_SIZE)
    optimizer = Adam(network.parameters(), 2e-3)
    schedule = ConstantThenLinearLR(optimizer, steps // 2, steps - steps // 2)
    batches = data.Batches(dataset.images, min(BATCH_SIZE, len(dataset)), labels=dataset.labels)
    for _, (images, labels) in zip(range(steps), batches):
        loss = F.cross_entropy(network(tensor(translate(images.numpy(), rng.generator))), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def translate(images, generator):
    """Move each image by a random distance, up to 3/32 of its size either way; what comes in from
    outside is black.

    Linear interpolation along an axis is a product with the matrix max(0, 1 - |i - j - distance|).
    """

    def moving(size):
        distance = generator.uniform(-1, 1, (len(images), 1, 1, 1)) * size * 3 / 32
        i = np.arange(size)
        return np.maximum(0, 1 - abs(i[:, None] - i - distance)).astype(
            np.float32
        )  # (N, 1, size, size)

    return moving(images.shape[2]) @ (images + 1) @ moving(images.shape[3]).swapaxes(2, 3) - 1


def as_images(x, name):
    """Images, uint8 or floats in [-1, 1] -> float32 (n, C, H, W) in [-1, 1].

    name: what messages call them. Raises ValueError for other types, axes and values, and for fewer
    than 2 images.
    """
    x = np.asarray(x)
    if x.ndim != 4 or len(x) < 2 or x.size == 0:
        raise ValueError(f"{name} have shape {x.shape}, expected (n, C, H, W) with n at least 2")
    if x.dtype == np.uint8:
        return to_float(x)
    if x.dtype.kind != "f":
        raise ValueError(f"{name} are {x.dtype}, expected uint8, or floats in [-1, 1]")
    if not np.abs(x).max() <= 1.001:  # NaN is not, either
        raise ValueError(
            f"{name} are {x.dtype} from {x.min()} to {x.max()}, "
            "expected uint8, or floats in [-1, 1]"
        )
    return x.astype(np.float32)


def area_resize(images, height, width):
    """(..., H, W) -> (..., height, width): each new pixel is the mean over the area of the old
    ones that it covers.
    """

    def covering(old, new):
        ends, i = np.arange(1, new + 1)[:, None] * (old / new), np.arange(old)
        overlap = np.minimum(ends, i + 1) - np.maximum(ends - old / new, i)
        return (overlap.clip(0) * (new / old)).astype(
            images.dtype
        )  # (new, old), each row sums to 1

    return covering(images.shape[-2], height) @ images @ covering(images.shape[-1], width).T
