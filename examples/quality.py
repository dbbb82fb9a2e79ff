"""A report on generated images: are they recognisable, of every class, like real ones, and no copies?

The one idea: no figure means anything alone. Each is taken of real images too, in the samples' place, and printed
beside: that is what a perfect generator would score. All of it happens at the real images' size.
"""

from dataclasses import dataclass

import numpy as np

from classifier import area_resize, trained_classifier
from minigan.images import to_float
from minigan.metrics import nearest_distances, two_sample_halves

LEAST_SHARE = 0.3  # of an even share: 3 % of the samples for each of ten classes
LEAST_CONFIDENCE = 0.65
MOST_TWO_SAMPLE = 0.80
LEAST_DISTANCE = 0.5  # of the median distance from a test image to the nearest training image
DRAWS, MOST_IMAGES = 10, 1000  # random parts are compared, of at most so many images: more would tell more apart


@dataclass(frozen=True, eq=False)
class Quality:
    """What `quality` found: fractions, and distances between images in [-1, 1]. print() shows it as a table.

    In each pair the samples come first, and then real images in their place. The last four are None without labels.
    """

    title: str
    images_a_side: int  # in the two-sample test
    halves: tuple  # of that: accuracy on (test images, samples), on (test, training images)
    resized_halves: tuple  # on (test images, training images that went to the samples' size and back), or None
    distance: tuple  # median distance to the nearest training image, of samples, of test images
    nearer: tuple  # the share that is nearer than the median may be
    classes: tuple = None  # their names
    shares: tuple = None  # of each class among the samples, among the test images: two arrays
    confidence: tuple = None  # the classifier's mean largest probability
    accuracy: float = None  # of the classifier, on the test images

    @property
    def two_sample(self):
        """The two-sample test of the test images against samples, and against training images."""
        return tuple(sum(pair) / 2 for pair in self.halves)

    def rows(self):
        """[(what, format, the samples' figure, the real images', what is expected, whether that holds or None)]."""
        rows, floor = [], LEAST_DISTANCE * self.distance[1]
        if self.classes:
            share, rarest = min(zip(self.shares[0].tolist(), range(len(self.classes))))
            least = LEAST_SHARE / len(self.classes)
            rows = [("classifier's confidence", ".2f", *self.confidence,
                     f"at least {LEAST_CONFIDENCE}", self.confidence[0] >= LEAST_CONFIDENCE),
                    (f"rarest class: {self.classes[rarest]}", ".1%", share, self.shares[1][rarest],
                     f"at least {least:.1%}", share >= least)]
        return rows + [
            ("1-nearest-neighbour two-sample test", ".1%", *self.two_sample,
             f"under {MOST_TWO_SAMPLE:.0%}; 50% is perfect", self.two_sample[0] < MOST_TWO_SAMPLE),
            ("  on the test images alone", ".1%", *(half for half, _ in self.halves), "", None),
            ("  on these images alone", ".1%", *(half for _, half in self.halves), "", None),
            ("distance to nearest training image", ".2f", *self.distance,
             f"above {floor:.2f}, half the real images'", self.distance[0] > floor),
            (f"images nearer than {floor:.2f} to one", ".1%", *self.nearer, "", None)]

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
            lines.append("of each class: " + "  ".join(map("{} {:.1%}".format, self.classes, self.shares[0])))
            lines.append(f"the classifier is right on {self.accuracy:.1%} of the test images")
        lines.append(f"two-sample test: {self.images_a_side} images a side, mean of {DRAWS} draws")
        if self.resized_halves:
            score = sum(self.resized_halves) / 2
            lines.append(f"training images resized to the samples' size and back score {score:.1%} in it")
        return "\n".join([*lines, "distances: medians over the images, pixels in [-1, 1]"])


def quality(samples, train, test, *, resized=None, seed=0):
    """Are samples recognisable, of every class, like test images, and no copies of training images? -> Quality.

    samples: uint8, or floats in [-1, 1], (n, C, H, W), n at least 2; of another size than the data, they are reduced
    to it. train, test: Datasets of one size: real images that the generator has seen, and that it has not; their
    labels, if any, train the classifier. resized: the training images as the generator saw them, uint8 at the samples'
    size, to measure what the way from size to size costs even a perfect generator. seed: chooses the random parts.
    Raises ValueError.
    """
    generator = np.random.default_rng(seed)
    real, unseen, fake = map(_as_images, (train.images, test.images, samples), ("train", "test", "samples"))
    if real.shape[1:] != unseen.shape[1:] or fake.shape[1] != real.shape[1]:
        raise ValueError(f"samples, train and test have shapes {fake.shape}, {real.shape} and {unseen.shape}, "
                         "expected one number of channels, and train and test of one size")
    size, own_size = ("{2} x {3}".format(*images.shape) for images in (fake, real))
    if fake.shape[2] < real.shape[2] or fake.shape[3] < real.shape[3]:
        raise ValueError(f"samples are {size} and the data {own_size}, expected data no larger than the samples")
    fake = area_resize(fake, *real.shape[2:])
    n = min(len(fake), len(unseen), len(real), MOST_IMAGES)

    def some(images, most):
        return images[generator.permutation(len(images))[:most]]

    def halves(images):
        draws = [two_sample_halves(some(unseen, n), some(images, n)) for _ in range(DRAWS)]
        return tuple(np.mean(draws, axis=0).tolist())

    distances = [nearest_distances(some(images, MOST_IMAGES), real) for images in (fake, unseen)]
    medians = tuple(float(np.median(d)) for d in distances)
    return Quality(
        f"quality of {len(fake):,} samples, {size}, against {len(unseen):,} test images of {test.name}, {own_size}",
        n, (halves(fake), halves(real)),
        None if resized is None else halves(area_resize(_as_images(resized, "resized"), *real.shape[2:])),
        medians, tuple(float(np.mean(d < LEAST_DISTANCE * medians[1])) for d in distances),
        **_judge(fake, unseen, train, test))


def _judge(fake, unseen, train, test):
    """What the classifier finds: the fields of Quality that need labels."""
    if train.labels is None or test.labels is None:
        return {}
    if train.classes != test.classes:
        raise ValueError(f"the classes of train are {train.classes}, of test {test.classes}, expected the same")
    network = trained_classifier(train)
    found = [network.probabilities(images) for images in (fake, unseen)]
    count = found[0].shape[1]
    return dict(classes=train.classes or tuple(map(str, range(count))),
                shares=tuple(np.bincount(p.argmax(1), minlength=count) / len(p) for p in found),
                confidence=tuple(float(p.max(1).mean()) for p in found),
                accuracy=float((found[1].argmax(1) == test.labels).mean()))


def _as_images(x, name):
    """Images as float32 (n, C, H, W) in [-1, 1]."""
    x = np.asarray(x)
    if x.ndim != 4 or len(x) < 2 or x.size == 0:
        raise ValueError(f"{name} have shape {x.shape}, expected (n, C, H, W) with n at least 2")
    if x.dtype == np.uint8:
        return to_float(x)
    if x.dtype.kind != "f" or not np.abs(x).max() <= 1.001:  # NaN is not, either
        raise ValueError(f"{name} are {x.dtype} from {x.min()} to {x.max()}, expected uint8, or floats in [-1, 1]")
    return x.astype(np.float32)
