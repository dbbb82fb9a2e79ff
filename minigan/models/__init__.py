"""The papers' networks and losses, one short file each."""

import inspect
import math

from .. import nn
from ..creation import at_most
from ..files.foreign import check_whole, shown
from . import cyclegan, dcgan, gan, wgan

MODELS = {
    "cyclegan": cyclegan,
    "dcgan": dcgan,
    "gan": gan,
    "wgan": wgan,
}  # their names in a checkpoint
SPARE = 1_000_000  # numbers that a network may make beside its own, in build
LARGEST = 1 << 20  # of an integer among the arguments: pixels, feature maps, layers


def build(network, arguments, room=None):
    """Call a network class with those of the arguments that it takes, so a network of yours need
    not take them all.

    room: how many numbers the arrays have that are to be its weights, where the arguments come
    from somebody else: then these must be plain and small, and a network that needs much more
    than its arrays hold is not built. Raises ValueError.
    """
    taken = inspect.signature(network).parameters
    if room is None:
        return network(**{name: value for name, value in arguments.items() if name in taken})
    check_arguments(arguments)
    try:
        with at_most(4 * room + SPARE):
            return build(network, arguments)
    except ValueError as error:
        raise ValueError(
            f"its networks cannot be built from {shown(arguments)}: {error}"
        ) from error


def check_arguments(arguments):
    """Raise ValueError unless these are a network's arguments: {name: a number, a text, a boolean
    or None}.
    """
    if not isinstance(arguments, dict) or not all(isinstance(name, str) for name in arguments):
        raise ValueError(f"its architecture is {shown(arguments)}, expected names and values")
    for name, value in arguments.items():
        what = f"its architecture's {shown(name)}"
        if type(value) is int:
            check_whole(what, value, -LARGEST, LARGEST)
        elif type(value) is float and not math.isfinite(value):
            raise ValueError(f"{what} is {value}, expected a finite number")
        elif value is not None and type(value) not in (bool, str, float):
            raise ValueError(
                f"{what} is {shown(value)}, expected a number, a text, a boolean or None"
            )


def find_network(model, name):
    """The network class of this name in a paper's file, as find_network("dcgan", "Generator").
    Raises ValueError.

    Both names may come from somebody else's checkpoint: only a class of networks that is listed
    here is found.
    """
    module = MODELS.get(model) if isinstance(model, str) else None
    found = vars(module).get(name) if module is not None and isinstance(name, str) else None
    if not inspect.isclass(found) or not issubclass(found, nn.Module) or name.startswith("_"):
        raise ValueError(
            f"it is of {shown(model)} with a {shown(name)}, which this version does not have"
        )
    return found
