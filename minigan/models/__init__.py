"""The papers' networks and losses, one short file each."""

import inspect

from . import cyclegan, dcgan, gan, wgan


def build(network, arguments):
    """Call a network class with those of the arguments that it takes, so a network of yours need not take them all."""
    taken = inspect.signature(network).parameters
    return network(**{name: value for name, value in arguments.items() if name in taken})
