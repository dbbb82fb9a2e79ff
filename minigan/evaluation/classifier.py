"""A small classifier, trained with minigan on real images, that looks at generated ones.

An image is good if a network that has seen only real images recognises it with
confidence, and a generator is good if all classes occur. A mean confidence depends on the
classifier as much as on the images, so the classifier is always the same one: its architecture,
seed and training are fixed, it runs on the CPU, and it is kept in the cache folder under a name
that says what it was trained on. Its confidence on real images is the upper end of the scale. The
features in its last layer but one are a better space to measure distances in than pixels are.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import data, devices, nn, no_grad, rng, tensor
from .. import functional as F
from ..data.images import to_float
from ..files import cache_folder, messages
from ..optim import Adam, ConstantThenLinearLR
from ..training import checkpoint

VERSION = 2  # of architecture and training. Raise it when either changes: old files are then unused
BATCH_SIZE = 64
EPOCHS = 2  # of training,
LEAST_STEPS = 300  # but at least this many steps
FEATURES = 128  # the most features: the input of the last layer
MOST_CLASSES = 1000  # as many as ImageNet's challenge has
BLOCK = 500  # images that are looked at together


class Classifier(nn.Module):
    """Images (N, channels, height, width) in [-1, 1] -> logits (N, classes).

    Three convolutions, then one or two linear layers.
    """

    def __init__(self, channels, height, width, classes):
        self.size = (height, width)
        self.classes = classes
        layers = []
        for maps, stride in ((8, 1), (16, 2), (32, 2)):
            # (N, channels, H, W) -> (N, maps, H / stride, W / stride), rounded up
            layers += [
                nn.Conv2d(channels, maps, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(maps),
                nn.ReLU(),
            ]
            channels = maps
            height = -(-height // stride)
            width = -(-width // stride)
        layers.append(nn.Flatten())  # (N, count)
        count = channels * height * width
        if count > FEATURES:
            layers += [nn.Linear(count, FEATURES), nn.ReLU()]  # (N, FEATURES)
            count = FEATURES
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(count, classes))

    def forward(self, x):
        features = self.body(x)  # (N, features)
        return self.head(features)  # (N, classes)

    def features(self, images):
        """Images float32 (N, C, H, W) in [-1, 1] -> the input of the last layer (N, features).

        The images are resized if they have another size than the network's.
        """
        features = []
        with devices.device("cpu"), no_grad():
            for start in range(0, len(images), BLOCK):
                block = area_resize(images[start : start + BLOCK], *self.size)
                features.append(self.body(tensor(block)).numpy())
        return np.concatenate(features)

    def probabilities(self, images):
        """Images as in features() -> softmax of the logits, float64 (N, classes)."""
        with devices.device("cpu"), no_grad():
            logits = self.head(tensor(self.features(images)))
            return np.exp(F.log_softmax(logits).numpy().astype(np.float64))


def number_classes(*datasets):
    """Labelled Datasets of one kind with labels from 0 to the number of classes - 1.

    The classes are the labels that occur in one of the sets. If a number below the greatest label,
    or a name of `classes`, does not occur, then the labels are numbered anew, and a line on
    standard error says so. Raises ValueError for more than MOST_CLASSES.
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
    messages.warn(
        f"{first.name}: the {len(values)} labels that occur, from {values[0]} to {values[-1]}, "
        f"are counted as {len(values)} classes"
    )
    return tuple(
        replace(dataset, labels=np.searchsorted(values, dataset.labels), classes=classes)
        for dataset in datasets
    )


def count_classes(dataset):
    """How many classes a labelled Dataset has.

    Raises ValueError unless its labels are numbers from 0 to that number - 1.
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
    """The classifier of a labelled Dataset, in eval(): from the cache folder, or newly trained.

    Training takes seconds for the digits, a minute for MNIST. A file that is missing or damaged is
    written anew. minigan's random generator is left as it was. Raises ValueError for a Dataset
    without labels, or with labels other than 0 to the number of classes - 1: see number_classes.
    """
    if dataset.labels is None:
        raise ValueError(
            f"{dataset.name} has no labels, without which no classifier can be trained"
        )
    classes = count_classes(dataset)
    path = _path_of(dataset)
    before = rng.state_dict()
    try:
        with devices.device("cpu"):
            rng.manual_seed(0)
            network = Classifier(*dataset.images.shape[1:], classes=classes)
            _load_or_train(network, dataset, path)
    finally:
        rng.load_state_dict(before)
    return network.eval()


def _path_of(dataset):
    """The file of a Dataset's classifier. Its name has a hash of the images and labels."""
    digest = hashlib.sha256(np.ascontiguousarray(dataset.images))
    digest.update(np.ascontiguousarray(dataset.labels))
    size = "x".join(map(str, dataset.images.shape[1:]))
    name = Path(dataset.name).stem
    return cache_folder() / f"classifier-{name}-{size}-v{VERSION}-{digest.hexdigest()[:16]}.npz"


def _load_or_train(network, dataset, path):
    try:
        network.load_state_dict(checkpoint.load(path)["classifier"])
        return
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        why = f"trained once, for {path}"
        if path.exists():
            why = f"{error}: it is trained again"
    messages.warn(f"the classifier of {dataset.name}: {why}")
    train(network, dataset)
    try:
        checkpoint.save(path, {"classifier": network.state_dict()})
    except OSError as error:  # without a cache the next evaluation trains it again
        messages.warn(f"the classifier cannot be kept: {error}")


def train(network, dataset):
    """Train on the labelled images, each moved by a random distance; always in the same way."""
    rng.manual_seed(0)  # again, so that the training does not depend on what was drawn before
    steps = max(LEAST_STEPS, EPOCHS * len(dataset) // BATCH_SIZE)
    optimizer = Adam(network.parameters(), 2e-3)
    schedule = ConstantThenLinearLR(optimizer, steps // 2, steps - steps // 2)
    batches = data.Batches(dataset.images, min(BATCH_SIZE, len(dataset)), labels=dataset.labels)
    for _, (images, labels) in zip(range(steps), batches):
        moved = translate(images.numpy(), rng.generator)
        loss = F.cross_entropy(network(tensor(moved)), labels)
        optimizer.minimize(loss)
        schedule.step()


def translate(images, generator):
    """Move each image by a random distance of up to 3/32 of its size; outside it is black.

    Linear interpolation along an axis is a product with the matrix max(0, 1 - |i - j - distance|).
    """
    n, _, height, width = images.shape
    vertical = _moving(n, height, generator)
    horizontal = _moving(n, width, generator)
    black = -1
    return vertical @ (images - black) @ horizontal.swapaxes(2, 3) + black


def _moving(n, size, generator):
    """A matrix for each of n images that moves it along an axis, (n, 1, size, size)."""
    distance = generator.uniform(-1, 1, (n, 1, 1, 1)) * size * 3 / 32
    i = np.arange(size)
    return np.maximum(0, 1 - abs(i[:, None] - i - distance)).astype(np.float32)


def as_images(x, name):
    """Images, uint8 or floats in [-1, 1] -> float32 (n, C, H, W) in [-1, 1].

    name: what messages call them, in the plural. Raises ValueError for other types, axes and
    values, and for fewer than 2 images.
    """
    x = np.asarray(x)
    if x.ndim != 4 or len(x) < 2 or x.size == 0:
        raise ValueError(f"{name} have shape {x.shape}, expected (n, C, H, W) with n at least 2")
    if x.dtype == np.uint8:
        return to_float(x)
    if x.dtype.kind != "f":
        raise ValueError(f"{name} are {x.dtype}, expected uint8, or floats in [-1, 1]")
    if not np.abs(x).max() <= 1.001:  # also true of NaN
        raise ValueError(
            f"{name} are {x.dtype} from {x.min()} to {x.max()}, "
            "expected uint8, or floats in [-1, 1]"
        )
    return x.astype(np.float32)


def area_resize(images, height, width):
    """(..., H, W) -> (..., height, width): a new pixel is the mean over the area that it covers."""
    rows = _covering(images.shape[-2], height, images.dtype)
    columns = _covering(images.shape[-1], width, images.dtype)
    return rows @ images @ columns.T


def _covering(old, new, dtype):
    """How much of each of `new` pixels each of `old` pixels covers: (new, old), rows sum to 1."""
    size = old / new  # of a new pixel, in old ones
    ends = np.arange(1, new + 1)[:, None] * size
    i = np.arange(old)
    overlap = np.minimum(ends, i + 1) - np.maximum(ends - size, i)
    return (overlap.clip(0) * (new / old)).astype(dtype)
