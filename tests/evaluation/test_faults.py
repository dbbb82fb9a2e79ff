"""What a generator's faults do to each of the measures: they get worse as images get worse."""

import numpy as np
import pytest
from points import normal

from minigan import data
from minigan.data import images
from minigan.evaluation.metrics import (
    density_coverage,
    frechet_distance,
    parzen_log_likelihood,
    precision_recall,
    two_sample_halves,
    two_sample_test,
)

DIGITS = data.load("digits")
IMAGES = images.to_float(DIGITS.images)
REAL = IMAGES[:1400:2]  # the writers come one after the other
FAKE = IMAGES[1:1400:2]
LABELS = DIGITS.labels[1:1400:2]

# Recall does not mind noise, which widens the fakes' balls. Precision and density do not mind a
# blur or a dropped class. A slight blur even raises coverage and Parzen's likelihood, because it
# draws the fakes to where real images are dense.
EVERY = {"two-sample on real", "Frechet", "coverage", "Parzen"}
NOTICED = {
    "noise": EVERY | {"precision", "density"},
    "blur": {"two-sample on real", "Frechet", "two-sample", "recall"},
    "dropped classes": EVERY | {"two-sample", "recall"},
}


def noisy():
    noise = normal(7, *FAKE.shape)
    return [FAKE + s * noise for s in (0, 0.1, 0.2, 0.35)]


def blurred():
    down = np.roll(FAKE, 1, 2)
    right = np.roll(FAKE, 1, 3)
    both = np.roll(down, 1, 3)
    blur = (FAKE + down + right + both) / 4
    return [(1 - t) * FAKE + t * blur for t in (0, 0.3, 0.5, 0.75)]


def without_classes():
    found = []
    for least in (0, 3, 6, 9):
        kept = np.flatnonzero(LABELS >= least)
        found.append(FAKE[np.resize(kept, len(FAKE))])
    return found


DAMAGED = {
    "noise": noisy,
    "blur": blurred,
    "dropped classes": without_classes,
}


def measures(y):
    """{name: figure}, each of which rises as images get worse."""
    on_real, _ = two_sample_halves(REAL, y)
    precision, recall = precision_recall(REAL, y)
    density, coverage = density_coverage(REAL, y)
    likelihood, _, _ = parzen_log_likelihood(y, REAL[::2], validation=REAL[1::2])
    return {
        "two-sample": two_sample_test(REAL, y),
        "two-sample on real": on_real,
        "Frechet": frechet_distance(REAL, y),
        "precision": -precision,
        "recall": -recall,
        "density": -density,
        "coverage": -coverage,
        "Parzen": -likelihood,
    }


@pytest.mark.parametrize("fault", DAMAGED)
def test_measures_get_worse_as_images_get_worse(fault):
    found = [measures(y) for y in DAMAGED[fault]()]
    for name in NOTICED[fault]:
        figures = [of_one[name] for of_one in found]
        assert (np.diff(figures) > 0).all(), (name, figures)
