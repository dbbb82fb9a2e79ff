"""A report on generated images: are they recognisable, of every class, like real ones, and no copies?

The one idea: no figure means anything alone. Each is taken of real images too, in the samples' place, and printed beside:
that is what a perfect generator would score. All of it happens at the size of the real images, on the processor.
"""

from dataclasses import dataclass

import numpy as np

from .classifier import probabilities, trained_classifier
from .images import to_float
from .metrics import nearest_distances, two_sample_test

LEAST_SHARE = 0.3  # of an even share: 3 % of the samples for each of ten classes
LEAST_CONFIDENCE = 0.65
MOST_TWO_SAMPLE = 0.80
LEAST_DISTANCE = 0.5  # of the median distance from a test image to the nearest training image
DRAWS, MOST_IMAGES = 10, 1000  # random parts are compared, of at most so many images: more would tell more apart


@dataclass(frozen=True, eq=False)
class Quality:
    """What `quality` found: fractions, and distances between images in [-1, 1]. print() shows it as a table.

    In each pair the samples come first, and then real images in their place. Without labels there are no shares, no
    confidence and no accuracy: None.
    """

    title: str
    classes: tuple  # their names
    shares: tuple  # of each class among the samples, among the test images: two arrays
    confidence: tuple  # the classifier's mean largest probability
    accuracy: float  # of the classifier, on the test images
    two_sample: tuple  # of the test images against samples, against training images
    two_sample_images: int  # how many a side
    two_sample_resized: float  # against training images that went to the samples' size and back, or None
    distance: tuple  # median distance to the nearest training image, of samples, of test images
    nearer: tuple  # the share that is nearer than the median may be

    def rows(self):
        """[(what, the samples' figure, the real images', what is expected or "", whether it holds or None)]."""
        rows = []
        if self.classes:
            least, rarest = LEAST_SHARE / len(self.classes), int(self.shares[0].argmin())
            rows += [("classifier's confidence", *map("{:.2f}".format, self.confidence),
                      f"at least {LEAST_CONFIDENCE:.2f}", self.confidence[0] >= LEAST_CONFIDENCE),
                     (f"rarest class: {self.classes[rarest]}", *(_percent(shares[rarest]) for shares in self.shares),
                      f"at least {_percent(least)}", bool(self.shares[0][rarest] >= least))]
        floor = LEAST_DISTANCE * self.distance[1]
        return rows + [
            ("1-nearest-neighbour two-sample test", *map(_percent, self.two_sample),
             f"under {_percent(MOST_TWO_SAMPLE)}; 50 % is perfect", self.two_sample[0] < MOST_TWO_SAMPLE),
            ("distance to nearest training image", *map("{:.2f}".format, self.distance),
             f"above {floor:.2f}, half the real images'", self.distance[0] > floor),
            (f"images nearer than {floor:.2f} to one", *map(_percent, self.nearer), "", None)]

    @property
    def passed(self):
        """Whether all that is expected holds."""
        return all(holds for *_, holds in self.rows() if holds is not None)

    def __str__(self):
        lines = [self.title, f"{'':36}{'samples':>9}{'real':>9}   expected"]
        for what, found, real, expected, holds in self.rows():
            mark = "" if holds is None else ": yes" if holds else ": NO"
            lines.append(f"{what:36}{found:>9}{real:>9}   {expected}{mark}".rstrip())
        if self.classes:
            shares = "  ".join(f"{name} {_percent(share)}" for name, share in zip(self.classes, self.shares[0]))
            lines += [f"classes among the samples: {shares}", f"classifier: right on {_percent(self.accuracy)} of the "
                      "test images; a confidence compares only with others of the same classifier"]
        lines += [f"two-sample test: {self.two_sample_images} images a side, mean of {DRAWS} draws"]
        if self.two_sample_resized is not None:
            lines[-1] += (f"; training images resized to the samples' size and back score "
                          f"{_percent(self.two_sample_resized)}, so much is due to resizing")
        return "\n".join([*lines, "distances: medians over the images, pixels in [-1, 1]"])


def _percent(share):
    return f"{100 * share:.1f} %"


def quality(samples, train, test, *, resized=None, seed=0):
    """Are samples recognisable, of every class, like the test images, and no copies of training images? -> Quality.

    samples: uint8, or floats in [-1, 1], (n, C, H, W), n at least 2. If they have another size than the data they are
    reduced to it, each pixel the mean over the area that it covers. train, test: Datasets of one size, of real images
    that the generator has and has not seen. resized: the training images as the generator saw them, uint8 at the
    samples' size, to measure what that way from size to size costs a perfect generator. seed: chooses the random parts.
    The classifier is trained on `train`, if it has labels, and kept in the cache folder. Raises ValueError.
    """
    generator = np.random.default_rng(seed)
    real, unseen, fake = (_as_images(x, name) for x, name in (
        (train.images, "train"), (test.images, "test"), (samples, "samples")))
    if not real.shape[1:] == unseen.shape[1:] or fake.shape[1] != real.shape[1]:
        raise ValueError(f"samples, train and test have shapes {fake.shape}, {real.shape} and {unseen.shape}, expected "
                         "as many channels everywhere, and train and test of one size")
    title = (f"quality of {len(fake):,} samples, {fake.shape[2]} x {fake.shape[3]}, against {len(unseen):,} test images of "
             f"{test.name}, {real.shape[2]} x {real.shape[3]}")
    fake = area_resize(fake, *real.shape[2:])

    def some(images, most=MOST_IMAGES):
        return images[generator.permutation(len(images))[:most]]

    n = min(len(fake), len(unseen), len(real), MOST_IMAGES)

    def two_sample(images):
        return float(np.mean([two_sample_test(some(images, n), some(unseen, n)) for _ in range(DRAWS)]))

    distances = [nearest_distances(some(x), real) for x in (fake, unseen)]
    medians = tuple(float(np.median(d)) for d in distances)
    return Quality(
        title=title, **_judge(fake, train, unseen, test.labels), two_sample=(two_sample(fake), two_sample(real)),
        two_sample_images=n,
        two_sample_resized=None if resized is None else two_sample(area_resize(_as_images(resized, "resized"),
                                                                               *real.shape[2:])),
        distance=medians, nearer=tuple(float((d < LEAST_DISTANCE * medians[1]).mean()) for d in distances))


def _judge(fake, train, unseen, labels):
    """What the classifier finds, the fields of Quality that need labels."""
    if train.labels is None or labels is None:
        return dict(classes=None, shares=None, confidence=None, accuracy=None)
    network = trained_classifier(train)
    found = [probabilities(network, images) for images in (fake, unseen)]
    count = found[0].shape[1]
    return dict(classes=train.classes or tuple(map(str, range(count))),
                shares=tuple(np.bincount(p.argmax(1), minlength=count) / len(p) for p in found),
                confidence=tuple(float(p.max(1).mean()) for p in found),
                accuracy=float((found[1].argmax(1) == labels).mean()))


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


def area_resize(images, height, width):
    """(..., H, W) -> (..., height, width): each new pixel is the mean over the area of the old ones that it covers."""
    def covering(old, new):
        ends, i = np.arange(1, new + 1)[:, None] * (old / new), np.arange(old)
        overlap = np.minimum(ends, i + 1) - np.maximum(ends - old / new, i)
        return (overlap.clip(0) * (new / old)).astype(images.dtype)  # (new, old), each row sums to 1

    if images.shape[-2:] == (height, width):
        return images
    return covering(images.shape[-2], height) @ images @ covering(images.shape[-1], width).T
