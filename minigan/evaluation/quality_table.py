"""What a report on generated images found, and the table that shows it.

Each figure stands beside the same figure of real images, because that is what a perfect generator
would score.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

LEAST_SHARE = 0.3  # of an even share: 3 % of the samples for each of ten classes
LEAST_CONFIDENCE = 0.65  # of the classifier, in its mean largest probability
MOST_TWO_SAMPLE = 0.80  # accuracy of the 1-nearest-neighbour two-sample test
LEAST_DISTANCE = 0.5  # of the median distance from a test image to the nearest training image
DRAWS = 10  # how many random draws of images the two-sample test is averaged over


class Pair(NamedTuple):
    """A figure of the samples, and the same figure of real images in their place."""

    samples: Any
    real: Any


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    what: str
    form: str  # how its figures are printed, such as ".2f"
    figures: Pair
    expected: str = ""  # in words
    holds: bool | None = None  # whether what is expected is so; None where nothing is expected

    def __str__(self):
        mark = {None: "", True: ": yes", False: ": NO"}[self.holds]
        samples = format(self.figures.samples, self.form)
        real = format(self.figures.real, self.form)
        return f"{self.what:36}{samples:>9}{real:>9}   {self.expected}{mark}".rstrip()


@dataclass(frozen=True, eq=False)
class Quality:
    """What `quality` found: fractions, and distances between images in [-1, 1].

    print() shows it as a table. The fields from `classes` on are None without labels; `network` and
    `parzen` are None unless asked for.
    """

    title: str
    images_a_side: int  # in the two-sample test
    halves: Pair  # of that: accuracy on (test images, samples), on (test, training images)
    distance: Pair  # median distance to the nearest training image, of samples, of test images
    nearer: Pair  # the share that is nearer than LEAST_DISTANCE allows the median to be
    points_a_side: int  # in the next three
    space: str  # in which: "features" or "pixels"
    measures: dict  # name -> Pair: Frechet distance, precision, recall, density, coverage
    resized_halves: tuple = None  # on (test images, training images resized to and fro)
    network: Pair = None  # accuracy of a network trained to tell the test images from them
    parzen: Pair = None  # of (mean log-likelihood of the test images in nats, its error, sigma)
    classes: tuple = None  # their names
    shares: Pair = None  # of each class among the samples, among the test images: two arrays
    confidence: Pair = None  # the classifier's mean largest probability
    score: Pair = None  # the Inception-style score, from 1 to the number of classes
    accuracy: float = None  # of the classifier, on the test images

    @property
    def two_sample(self):
        """The two-sample test of the test images against samples, and against training images."""
        return Pair(*(sum(halves) / 2 for halves in self.halves))

    @property
    def passed(self):
        """Whether everything that is expected holds."""
        return all(row.holds is not False for row in self.rows())

    def rows(self):
        """The lines of the table, as a list of Rows."""
        rows = []
        if self.classes:
            rows += self._class_rows()
        rows += self._measure_rows()
        rows += self._two_sample_rows()
        rows += self._distance_rows()
        return rows

    def _class_rows(self):
        """What the classifier says of the samples."""
        shares = self.shares.samples.tolist()
        rarest = shares.index(min(shares))
        share = Pair(shares[rarest], self.shares.real[rarest])
        least = LEAST_SHARE / len(self.classes)
        return [
            Row(
                "classifier's confidence",
                ".2f",
                self.confidence,
                f"at least {LEAST_CONFIDENCE}",
                self.confidence.samples >= LEAST_CONFIDENCE,
            ),
            Row(
                f"rarest class: {self.classes[rarest]}",
                ".1%",
                share,
                f"at least {least:.1%}",
                share.samples >= least,
            ),
            Row("Inception-style score", ".2f", self.score, f"up to {len(self.classes)}"),
        ]

    def _measure_rows(self):
        """The measures in features or pixels, and those that a thorough report adds."""
        rows = []
        for name, figures in self.measures.items():
            form = ".2f" if "distance" in name else ".3f"
            rows.append(Row(f"{name}, in {self.space}", form, figures))
        if self.network:
            what = "trained network's two-sample test"
            rows.append(Row(what, ".1%", self.network, "50% is perfect"))
        if self.parzen:
            means = Pair(self.parzen.samples[0], self.parzen.real[0])
            rows.append(Row("Parzen log-likelihood, nats", ".1f", means))
        return rows

    def _two_sample_rows(self):
        on_test = Pair(*(half for half, _ in self.halves))
        on_these = Pair(*(half for _, half in self.halves))
        return [
            Row(
                "1-nearest-neighbour two-sample test",
                ".1%",
                self.two_sample,
                f"under {MOST_TWO_SAMPLE:.0%}; 50% is perfect",
                self.two_sample.samples < MOST_TWO_SAMPLE,
            ),
            Row("  on the test images alone", ".1%", on_test),
            Row("  on these images alone", ".1%", on_these),
        ]

    def _distance_rows(self):
        """Are they copies of training images?"""
        floor = LEAST_DISTANCE * self.distance.real
        return [
            Row(
                "distance to nearest training image",
                ".2f",
                self.distance,
                f"above {floor:.2f}, half the real images'",
                self.distance.samples > floor,
            ),
            Row(f"images nearer than {floor:.2f} to one", ".1%", self.nearer),
        ]

    def __str__(self):
        lines = [
            self.title,
            "real: what real images score in the samples' place, as a perfect generator would",
            f"{'':36}{'samples':>9}{'real':>9}   expected of the samples: is it so?",
        ]
        lines += [str(row) for row in self.rows()]
        lines += self._notes()
        return "\n".join(lines)

    def _notes(self):
        """The lines below the table: how its figures were measured."""
        notes = []
        if self.classes:
            shares = [
                f"{name} {share:.1%}" for name, share in zip(self.classes, self.shares.samples)
            ]
            notes.append("of each class: " + "  ".join(shares))
            notes.append(f"the classifier is right on {self.accuracy:.1%} of the test images")
        notes.append(
            f"nearest-neighbour test: {self.images_a_side} images a side, mean of {DRAWS} draws"
        )
        notes.append(
            f"in {self.space}: {self.points_a_side} images a side; k = 3 for precision and recall, "
            "5 for density and coverage"
        )
        if self.parzen:
            _, error, sigma = self.parzen.samples
            _, real_error, real_sigma = self.parzen.real
            notes.append(
                f"Parzen, pixels in [0, 1]: standard errors {error:.1f} and {real_error:.1f}, "
                f"sigma {sigma:.3f} and {real_sigma:.3f}"
            )
        if self.resized_halves:
            score = sum(self.resized_halves) / 2
            notes.append(
                f"training images resized to the samples' size and back score {score:.1%} in it"
            )
        notes.append("distances: medians over the images, pixels in [-1, 1]")
        return notes
