"""A report on generated images: are they recognisable, of every class, like real ones, and no
copies?

No figure means anything alone. Each is also taken of real images in the samples'
place and printed beside it, because that is what a perfect generator would score. Everything is
compared at the real images' size. Distances and neighbours are those of a classifier's features if
there are labels to train it with, otherwise those of pixels.
"""

from dataclasses import dataclass

import numpy as np

from .. import data
from ..files import messages, reading
from ..files.foreign import shown
from ..training.loading import find_checkpoint
from ..training.run_config import read_config
from ..training.run_folder import CONFIG
from ..training.sampling import draw_inputs, generate
from .classifier import area_resize, as_images, number_classes, trained_classifier
from .metrics import (
    density_coverage,
    frechet_distance,
    inception_score,
    nearest_distances,
    parzen_log_likelihood,
    precision_recall,
    two_sample_halves,
)
from .quality_table import DRAWS, LEAST_DISTANCE, Pair, Quality
from .two_sample import trained_two_sample_test

MOST_IMAGES = 1000  # a side in the two-sample tests: more images would tell smaller faults apart
MOST_POINTS = 10_000  # a side in the Frechet distance, precision, recall, density and coverage
LEAST_IMAGES = 10  # without a test split: every fifth is a test image, and two are needed
PRINTED = 1000  # samples that a training script measures at its end
VALIDATION = 6  # Parzen's sigma is chosen on the last sixth of the training images,
MOST_VALIDATION = 1000  # or on this many of them


def measure(pictures, name, data_dir=None, seed=0, thorough=False, *, skip_unreadable=False):
    """Compare images (n, C, H, W) in [-1, 1] with the data of their generator -> Quality.

    name, data_dir, skip_unreadable: the data set that the generator was trained on, as data.load
    takes them. All images are compared at the data's own size, or at the samples' size if that is
    smaller or the data is a folder of images.
    """
    where = {"data_dir": data_dir, "skip_unreadable": skip_unreadable}
    drawn = pictures.shape[2:]
    size = drawn
    if not data.is_folder(name, data_dir):  # the images of a folder may have any sizes
        size = _fitting(drawn, data.load(name, **where).images.shape[2:])
    train, test = load_splits(name, size, **where)
    resized = None
    if size != drawn:
        resized = data.load(name, drawn, **where).images
    return quality(pictures, train, test, seed=seed, resized=resized, thorough=thorough)


def _fitting(size, own_size):
    """A (height, width), made smaller until it fits into that of the data."""
    factor = min(1, own_size[0] / size[0], own_size[1] / size[1])
    return round(size[0] * factor), round(size[1] * factor)


def load_splits(name, size, data_dir=None, *, skip_unreadable=False):
    """The training and test images of a data set at this size, as two Datasets.

    Without a test split every fifth training image is a test image. Raises ValueError if there are
    too few for that.
    """
    where = {"data_dir": data_dir, "skip_unreadable": skip_unreadable}
    train = data.load(name, size, **where)
    try:
        return train, data.load(name, size, "test", **where)
    except ValueError as error:
        if len(train) < LEAST_IMAGES:
            raise ValueError(
                f"{name} has {len(train)} training images and no test images, expected at least "
                f"{LEAST_IMAGES}, of which every fifth serves as a test image"
            ) from error
        messages.warn(
            f"{error}: every fifth training image is a test image instead, though the generator "
            "has seen it"
        )
    fifth = np.arange(len(train)) % 5 == 4
    return _part(train, ~fifth), _part(train, fifth)


def _part(dataset, chosen):
    labels = None
    if dataset.labels is not None:
        labels = dataset.labels[chosen]
    return data.Dataset(dataset.name, dataset.images[chosen], labels, dataset.classes)


def data_of(run):
    """The --data, --data-dir and --skip-unreadable of a run, from its config.json."""
    path = find_checkpoint(run).parent / CONFIG
    if not path.exists():
        raise FileNotFoundError(
            f"there is no {path} to say what data the checkpoint was trained on: give --data"
        )
    kept = read_config(path)["arguments"]
    with reading(f"{path} does not say what the checkpoint was trained on, give --data"):
        name = kept["data"]
        data_dir = kept["data_dir"]
        if not isinstance(name, str) or not isinstance(data_dir, (str, type(None))):
            raise ValueError(
                f"data is {shown(name)} and data_dir {shown(data_dir)}, expected names"
            )
        skip_unreadable = kept.get("skip_unreadable", False)  # older runs could not skip
        if not isinstance(skip_unreadable, bool):
            raise ValueError(f"skip_unreadable is {shown(skip_unreadable)}, expected true or false")
    return name, data_dir, skip_unreadable


@dataclass
class _Images:
    """What is compared: images float32 (n, C, H, W) in [-1, 1] of one size."""

    fake: np.ndarray  # the samples
    real: np.ndarray  # the training images
    unseen: np.ndarray  # the test images
    generator: np.random.Generator  # chooses the random parts
    sizes: tuple  # of the samples and of the data as they were given, in words

    def some(self, images, most):
        """At most this many of the images, at random."""
        return images[self.generator.permutation(len(images))[:most]]

    def at_most(self, most):
        """The number of images that every set has, at most this many."""
        return min(len(self.fake), len(self.unseen), len(self.real), most)


def quality(samples, train, test, *, resized=None, seed=0, thorough=False):
    """Are samples recognisable, of every class, like test images, and no copies? -> Quality.

    samples: uint8, or floats in [-1, 1], (n, C, H, W), n at least 2. Larger samples are reduced to
    the data's size. train, test: Datasets of one size: real images that the generator has seen,
    and that it has not. Their labels, if any, train the classifier. resized: the training images
    as the generator saw them, uint8 at the samples' size, to measure what resizing costs even a
    perfect generator. seed: chooses the random parts. thorough: also train a network to tell the
    sets apart, and find the Parzen log-likelihood. Raises ValueError.
    """
    images = _prepare(samples, train, test, seed)
    found = _distances(images)
    found["halves"] = Pair(_halves(images, images.fake), _halves(images, images.real))
    if resized is not None:
        back = area_resize(as_images(resized, "the resized images"), *images.real.shape[2:])
        found["resized_halves"] = _halves(images, back)
    space = "pixels"
    features = _pixels
    if train.labels is not None and test.labels is not None:
        network, test = _classifier(train, test)
        found.update(_judge(network, images, test))
        space = "features"
        features = network.features
    found["measures"] = _measures(images, features)
    if thorough:
        found["network"] = _trained_test(images)
        found["parzen"] = _parzen(images)
    size, own_size = images.sizes
    return Quality(
        f"quality of {len(images.fake):,} samples, {size}, against {len(images.unseen):,} test "
        f"images of {test.name}, {own_size}",
        images_a_side=images.at_most(MOST_IMAGES),
        points_a_side=images.at_most(MOST_POINTS),
        space=space,
        **found,
    )


def _prepare(samples, train, test, seed):
    """Check the three sets of images and bring them to the data's size -> _Images."""
    real = as_images(train.images, "the training images")
    unseen = as_images(test.images, "the test images")
    fake = as_images(samples, "samples")
    if real.shape[1:] != unseen.shape[1:] or fake.shape[1] != real.shape[1]:
        raise ValueError(
            f"samples, train and test have shapes {fake.shape}, {real.shape} and {unseen.shape}, "
            "expected one number of channels, and train and test of one size"
        )
    height, width = real.shape[2:]
    size = f"{fake.shape[2]} x {fake.shape[3]}"
    own_size = f"{height} x {width}"
    if fake.shape[2] < height or fake.shape[3] < width:
        raise ValueError(
            f"samples are {size} and the data {own_size}, expected data no larger than the samples"
        )
    fake = area_resize(fake, height, width)
    return _Images(fake, real, unseen, np.random.default_rng(seed), (size, own_size))


def _distances(images):
    """How near samples and test images are to the training images: two fields of Quality."""
    some_fake = images.some(images.fake, MOST_IMAGES)
    some_unseen = images.some(images.unseen, MOST_IMAGES)
    fake = nearest_distances(some_fake, images.real)
    unseen = nearest_distances(some_unseen, images.real)
    median = float(np.median(unseen))
    floor = LEAST_DISTANCE * median
    return {
        "distance": Pair(float(np.median(fake)), median),
        "nearer": Pair(float(np.mean(fake < floor)), float(np.mean(unseen < floor))),
    }


def _halves(images, others):
    """The two-sample test of test images against others, the mean of several random draws.

    Returns its accuracy on the test images, and on the others.
    """
    n = images.at_most(MOST_IMAGES)
    draws = []
    for _ in range(DRAWS):
        unseen = images.some(images.unseen, n)
        draws.append(two_sample_halves(unseen, images.some(others, n)))
    return tuple(np.mean(draws, axis=0).tolist())


def _pixels(images):
    return images


def _classifier(train, test):
    """The classifier that is trained on the training images, and the test images with numbered
    classes.
    """
    if train.classes != test.classes:
        raise ValueError(
            f"the classes of train are {train.classes}, of test {test.classes}, expected the same"
        )
    train, test = number_classes(train, test)
    return trained_classifier(train), test


def _judge(network, images, test):
    """What the classifier finds: the fields of Quality that need labels."""
    fake = network.probabilities(images.fake)  # (n, classes)
    unseen = network.probabilities(images.unseen)
    n = min(len(fake), len(unseen))  # scores of equally many images can be compared
    return {
        "classes": test.classes or tuple(map(str, range(network.classes))),
        "shares": Pair(_shares(fake), _shares(unseen)),
        "confidence": Pair(float(fake.max(1).mean()), float(unseen.max(1).mean())),
        "score": Pair(inception_score(fake[:n]), inception_score(unseen[:n])),
        "accuracy": float((unseen.argmax(1) == test.labels).mean()),
    }


def _shares(probabilities):
    """The share of each class among the images, by the most likely class of each."""
    count, classes = probabilities.shape
    return np.bincount(probabilities.argmax(1), minlength=classes) / count


def _measures(images, features):
    """The measures between two sets of points, {name: Pair}."""
    n = images.at_most(MOST_POINTS)
    unseen = features(images.some(images.unseen, n))
    of_fake = _measure(unseen, features(images.some(images.fake, n)))
    of_real = _measure(unseen, features(images.some(images.real, n)))
    return {name: Pair(of_fake[name], of_real[name]) for name in of_fake}


def _measure(real, fake):
    """{name: figure} of the measures that need no more than two sets of points."""
    measures = {"Frechet distance": frechet_distance(real, fake)}
    if len(real) > 5:  # the most neighbours that one of them needs
        measures["precision"], measures["recall"] = precision_recall(real, fake, k=3)
        measures["density"], measures["coverage"] = density_coverage(real, fake, k=5)
    return measures


def _trained_test(images):
    """The accuracy of networks that are trained to tell test images from the others, a Pair."""
    n = images.at_most(MOST_IMAGES)
    accuracies = []
    for others in (images.fake, images.real):
        unseen = images.some(images.unseen, n)
        accuracy, _ = trained_two_sample_test(unseen, images.some(others, n))
        accuracies.append(accuracy)
    return Pair(*accuracies)


def _parzen(images):
    """Parzen log-likelihoods of the test images, a Pair of parzen_log_likelihood's results.

    They are taken under the samples, and under as many training images, with pixels in [0, 1].
    """
    last = len(images.real) - max(1, len(images.real) // VALIDATION)
    real = _in_unit(images.some(images.real[:last], len(images.fake)))
    validation = _in_unit(images.some(images.real[last:], MOST_VALIDATION))
    fake = _in_unit(images.fake)
    unseen = _in_unit(images.unseen)
    return Pair(
        parzen_log_likelihood(fake, unseen, validation=validation),
        parzen_log_likelihood(real, unseen, validation=validation),
    )


def _in_unit(images):
    """Pixels in [-1, 1] -> pixels in [0, 1]."""
    return (images + 1) / 2


def print_quality(args, session, average):
    """Print how good a script's samples are: on the digits, where it takes seconds.

    For other data examples/evaluate.py is named. args: of the script. session: its Run. average: of
    its generator.
    """
    if args.quiet:
        return
    if args.data != "digits":
        messages.say(f"to measure its samples beside real images: evaluate.py {session.out}")
        return
    messages.say(f"measuring {PRINTED:,} samples beside real images, which takes some seconds")
    inputs = draw_inputs(PRINTED, session.about, seed=0)
    messages.say(measure(generate(average.module, *inputs), args.data))
    messages.say(f"see {session.out / 'samples.png'}")
