"""A report on generated images: are they recognisable, of every class, like real ones, and no
copies?

The one idea: no figure means anything alone. Each is taken of real images too, in the samples'
place, and printed beside: that is what a perfect generator would score. All of it happens at the
real images' size, distances and neighbours in the features of a classifier where there are labels
to train it with, else in pixels.
"""

import sys
from dataclasses import dataclass

import numpy as np

from .. import data
from ..files import reading
from ..files.foreign import shown
from ..training.loading import find_checkpoint
from ..training.run_config import read_config
from ..training.run_folder import CONFIG
from ..training.sampling import draw_latents, generate
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
from .two_sample import trained_two_sample_test


def measure(pictures, name, data_dir=None, seed=0, thorough=False):
    """Images (n, C, size, size) in [-1, 1] against the data set that their generator was trained
    on -> Quality.

    All are compared at the data's own size, or at the samples' if that is smaller or the data a
    folder of images.
    """
    size = drawn = pictures.shape[-1]
    if not data.is_folder(name, data_dir):  # the images of a folder may have any sizes
        size = min(size, *data.load(name, data_dir=data_dir).images.shape[2:])
    train, test = load_splits(name, size, data_dir)
    resized = None if size == drawn else data.load(name, drawn, data_dir=data_dir).images
    return quality(pictures, train, test, seed=seed, resized=resized, thorough=thorough)


def load_splits(name, size, data_dir=None):
    """Training and test images at this size -> two Datasets; without a test split every fifth
    image is one.
    """
    train = data.load(name, size, data_dir=data_dir)
    try:
        return train, data.load(name, size, "test", data_dir)
    except ValueError as error:
        print(
            f"{error}: every fifth training image stands in, seen by the generator", file=sys.stderr
        )

    def part(chosen):
        labels = None if train.labels is None else train.labels[chosen]
        return data.Dataset(train.name, train.images[chosen], labels, train.classes)

    fifth = [i % 5 == 4 for i in range(len(train))]
    return part([not test for test in fifth]), part(fifth)


def data_of(run):
    """The --data and --data-dir that a run was trained with, from its config.json."""
    path = find_checkpoint(run).parent / CONFIG
    if not path.exists():
        raise FileNotFoundError(
            f"there is no {path} to say what data the checkpoint was trained on: give --data"
        )
    kept = read_config(path)["arguments"]
    with reading(f"{path} does not say what the checkpoint was trained on, give --data"):
        name, data_dir = kept["data"], kept["data_dir"]
        if not isinstance(name, str) or not isinstance(data_dir, (str, type(None))):
            raise ValueError(
                f"data is {shown(name)} and data_dir {shown(data_dir)}, expected names"
            )
    return name, data_dir


LEAST_SHARE = 0.3  # of an even share: 3 % of the samples for each of ten classes
LEAST_CONFIDENCE = 0.65
MOST_TWO_SAMPLE = 0.80
LEAST_DISTANCE = 0.5  # of the median distance from a test image to the nearest training image
DRAWS, MOST_IMAGES = (
    10,
    1000,
)  # random parts are compared, of at most so many images: more would tell more apart
MOST_POINTS = (
    10000  # images a side in the Frechet distance, precision, recall, density and coverage
)
VALIDATION, MOST_VALIDATION = (
    6,
    1000,
)  # Parzen's sigma is chosen on so many of the last sixth of the training images


@dataclass(frozen=True, eq=False)
class Quality:
    """What `quality` found: fractions, and distances between images in [-1, 1]. print() shows it
    as a table.

    In each pair the samples come first, and then real images in their place. Those from `classes`
    on are None without labels, `network` and `parzen` unless asked for.
    """

    title: str
    images_a_side: int  # in the two-sample test
    halves: tuple  # of that: accuracy on (test images, samples), on (test, training images)
    distance: tuple  # median distance to the nearest training image, of samples, of test images
    nearer: tuple  # the share that is nearer than the median may be
    points_a_side: int  # in the next three
    space: str  # in which: "features" or "pixels"
    measures: dict  # name -> pair: Frechet distance, precision, recall, density, coverage
    resized_halves: tuple = (
        None  # on (test images, training images that went to the samples' size and back)
    )
    network: tuple = None  # accuracy of a network trained to tell the test images from them
    parzen: tuple = (
        None  # pair of (mean log-likelihood of the test images in nats, standard error, sigma)
    )
    classes: tuple = None  # their names
    shares: tuple = None  # of each class among the samples, among the test images: two arrays
    confidence: tuple = None  # the classifier's mean largest probability
    score: tuple = (
        None  # the Inception-style score of its probabilities, from 1 to the number of classes
    )
    accuracy: float = None  # of the classifier, on the test images

    @property
    def two_sample(self):
        """The two-sample test of the test images against samples, and against training images."""
        return tuple(sum(pair) / 2 for pair in self.halves)

    def rows(self):
        """[(what, format, the samples' figure, the real images', what is expected, whether that
        holds or None)].
        """
        rows, floor = [], LEAST_DISTANCE * self.distance[1]
        if self.classes:
            share, rarest = min(zip(self.shares[0].tolist(), range(len(self.classes))))
            least = LEAST_SHARE / len(self.classes)
            rows = [
                (
                    "classifier's confidence",
                    ".2f",
                    *self.confidence,
                    f"at least {LEAST_CONFIDENCE}",
                    self.confidence[0] >= LEAST_CONFIDENCE,
                ),
                (
                    f"rarest class: {self.classes[rarest]}",
                    ".1%",
                    share,
                    self.shares[1][rarest],
                    f"at least {least:.1%}",
                    share >= least,
                ),
                ("Inception-style score", ".2f", *self.score, f"up to {len(self.classes)}", None),
            ]
        rows += [
            (f"{name}, in {self.space}", ".2f" if "distance" in name else ".3f", *pair, "", None)
            for name, pair in self.measures.items()
        ]
        if self.network:
            rows.append(
                ("trained network's two-sample test", ".1%", *self.network, "50% is perfect", None)
            )
        if self.parzen:
            rows.append(
                (
                    "Parzen log-likelihood, nats",
                    ".1f",
                    *(mean for mean, *_ in self.parzen),
                    "",
                    None,
                )
            )
        return rows + [
            (
                "1-nearest-neighbour two-sample test",
                ".1%",
                *self.two_sample,
                f"under {MOST_TWO_SAMPLE:.0%}; 50% is perfect",
                self.two_sample[0] < MOST_TWO_SAMPLE,
            ),
            ("  on the test images alone", ".1%", *(half for half, _ in self.halves), "", None),
            ("  on these images alone", ".1%", *(half for _, half in self.halves), "", None),
            (
                "distance to nearest training image",
                ".2f",
                *self.distance,
                f"above {floor:.2f}, half the real images'",
                self.distance[0] > floor,
            ),
            (f"images nearer than {floor:.2f} to one", ".1%", *self.nearer, "", None),
        ]

    @property
    def passed(self):
        """Whether all that is expected holds."""
        return all(holds is not False for *_, holds in self.rows())

    def __str__(self):
        lines = [self.title, f"{'':36}{'samples':>9}{'real':>9}   expected"]
        for what, form, found, real, expected, holds in self.rows():
            mark = {None: "", True: ": yes", False: ": NO"}[holds]
            lines.append(f"{what:36}{found:>9{form}}{real:>9{form}}   {expected}{mark}".rstrip())
        if self.classes:
            lines.append(
                "of each class: " + "  ".join(map("{} {:.1%}".format, self.classes, self.shares[0]))
            )
            lines.append(f"the classifier is right on {self.accuracy:.1%} of the test images")
        lines.append(
            f"nearest-neighbour test: {self.images_a_side} images a side, mean of {DRAWS} draws"
        )
        lines.append(
            f"in {self.space}: {self.points_a_side} images a side; k = 3 for precision and recall, else 5"
        )
        if self.parzen:
            lines.append(
                "Parzen, pixels in [0, 1]: standard errors {1:.1f} and {4:.1f}, sigma {2:.3f} and {5:.3f}".format(
                    *self.parzen[0], *self.parzen[1]
                )
            )
        if self.resized_halves:
            score = sum(self.resized_halves) / 2
            lines.append(
                f"training images resized to the samples' size and back score {score:.1%} in it"
            )
        return "\n".join([*lines, "distances: medians over the images, pixels in [-1, 1]"])


def quality(samples, train, test, *, resized=None, seed=0, thorough=False):
    """Are samples recognisable, of every class, like test images, and no copies of training
    images? -> Quality.

    samples: uint8, or floats in [-1, 1], (n, C, H, W), n at least 2; of another size than the
    data, they are reduced to it. train, test: Datasets of one size: real images that the
    generator has seen, and that it has not; their labels, if any, train the classifier. resized:
    the training images as the generator saw them, uint8 at the samples' size, to measure what the
    way from size to size costs even a perfect generator. seed: chooses the random parts.
    thorough: also train a network to tell them apart, and find the Parzen log-likelihood. Raises
    ValueError.
    """
    generator = np.random.default_rng(seed)
    real = as_images(train.images, "train")
    unseen = as_images(test.images, "test")
    fake = as_images(samples, "samples")
    if real.shape[1:] != unseen.shape[1:] or fake.shape[1] != real.shape[1]:
        raise ValueError(
            f"samples, train and test have shapes {fake.shape}, {real.shape} and {unseen.shape}, "
            "expected one number of channels, and train and test of one size"
        )
    size, own_size = ("{2} x {3}".format(*images.shape) for images in (fake, real))
    if fake.shape[2] < real.shape[2] or fake.shape[3] < real.shape[3]:
        raise ValueError(
            f"samples are {size} and the data {own_size}, expected data no larger than the samples"
        )
    fake = area_resize(fake, *real.shape[2:])
    n = min(len(fake), len(unseen), len(real), MOST_IMAGES)

    def some(images, most):
        return images[generator.permutation(len(images))[:most]]

    def halves(images):
        draws = [two_sample_halves(some(unseen, n), some(images, n)) for _ in range(DRAWS)]
        return tuple(np.mean(draws, axis=0).tolist())

    distances = [nearest_distances(some(images, MOST_IMAGES), real) for images in (fake, unseen)]
    medians = tuple(float(np.median(d)) for d in distances)
    found = dict(
        halves=(halves(fake), halves(real)),
        distance=medians,
        nearer=tuple(float(np.mean(d < LEAST_DISTANCE * medians[1])) for d in distances),
    )
    if resized is not None:
        back = area_resize(as_images(resized, "resized"), *real.shape[2:])
        found["resized_halves"] = halves(back)
    points, space, m = (
        lambda images: images,
        "pixels",
        min(len(fake), len(unseen), len(real), MOST_POINTS),
    )
    if train.labels is not None and test.labels is not None:
        if train.classes != test.classes:
            raise ValueError(
                f"the classes of train are {train.classes}, of test {test.classes}, expected the same"
            )
        train, test = number_classes(train, test)
        network = trained_classifier(train)
        found.update(_judge(network, fake, unseen, test))
        points, space = network.features, "features"
    of_test = points(some(unseen, m))
    measures = [_measure(of_test, points(some(images, m))) for images in (fake, real)]
    if thorough:
        found["network"] = tuple(
            trained_two_sample_test(some(unseen, n), some(x, n))[0] for x in (fake, real)
        )
        found["parzen"] = _parzen(fake, real, unseen, some)
    return Quality(
        f"quality of {len(fake):,} samples, {size}, against {len(unseen):,} test images of {test.name}, {own_size}",
        images_a_side=n,
        points_a_side=m,
        space=space,
        measures={name: tuple(pair[name] for pair in measures) for name in measures[0]},
        **found,
    )


def _measure(real, fake):
    """{name: figure} of the measures that need no more than two sets of points."""
    measures = {"Frechet distance": frechet_distance(real, fake)}
    if len(real) > 5:  # neighbours
        measures["precision"], measures["recall"] = precision_recall(real, fake, k=3)
        measures["density"], measures["coverage"] = density_coverage(real, fake, k=5)
    return measures


def _parzen(fake, real, unseen, some):
    """Parzen log-likelihoods of the test images under as many samples and training images, pixels
    made [0, 1] here.
    """
    last = len(real) - max(1, len(real) // VALIDATION)
    unit = [
        (images + 1) / 2
        for images in (fake, some(real[:last], len(fake)), some(real[last:], MOST_VALIDATION))
    ]
    return tuple(
        parzen_log_likelihood(points, (unseen + 1) / 2, validation=unit[2]) for points in unit[:2]
    )


def _judge(network, fake, unseen, test):
    """What the classifier finds: the fields of Quality that need labels."""
    found = [network.probabilities(images) for images in (fake, unseen)]
    equally_many = min(map(len, found))
    return dict(
        classes=test.classes or tuple(map(str, range(network.classes))),
        shares=tuple(np.bincount(p.argmax(1), minlength=network.classes) / len(p) for p in found),
        confidence=tuple(float(p.max(1).mean()) for p in found),
        score=tuple(inception_score(p[:equally_many]) for p in found),
        accuracy=float((found[1].argmax(1) == test.labels).mean()),
    )


def print_quality(args, session, average):
    """Print how good a script's samples are: on the digits, where it takes seconds.

    For other data there is examples/evaluate.py. args: of the script. session: its Run. average: of
    its generator.
    """
    if args.quiet or args.data != "digits":
        return
    z = draw_latents(1000, session.about, seed=0)
    print(measure(generate(average.module, z), args.data))
    print(f"see {session.out / 'samples.png'}")
