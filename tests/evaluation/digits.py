"""The digits, and parts of them, for the tests of the evaluation."""

from minigan import data
from minigan.data import images
from minigan.evaluation.report import quality

TRAIN = data.load("digits")
TEST = data.load("digits", split="test")
REAL = images.to_float(TRAIN.images)


def part(dataset, chosen, labelled=True):
    """Some of the images, with or without their labels."""
    labels = dataset.labels[chosen] if labelled else None
    classes = dataset.classes if labelled else None
    return data.Dataset(dataset.name, dataset.images[chosen], labels, classes)


def without_labels():
    """The training and the test images."""
    everything = slice(None)
    return part(TRAIN, everything, labelled=False), part(TEST, everything, labelled=False)


def judged(samples, **options):
    """The report on samples beside the digits."""
    return quality(samples, TRAIN, TEST, **options)
