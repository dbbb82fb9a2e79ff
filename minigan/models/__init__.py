"""The papers' networks and losses, one short file each."""

import inspect
import math

from .. import nn
from ..creation import at_most
from ..files.foreign import check_stored_int, shown
from . import cyclegan, dcgan, gan, wgan

# By their names in a checkpoint.
MODELS = {
    "cyclegan": cyclegan,
    "dcgan": dcgan,
    "gan": gan,
    "wgan": wgan,
}
SPARE = 1_000_000  # how many numbers a network may create in build() beside its weights
LARGEST = 1 << 20  # the largest integer among the arguments: pixels, feature maps, layers


def build(network, arguments, stored_elements=None):
    """Call a network class with its arguments, {name: value}.

    stored_elements: None, or, for arguments that come from somebody else, how many elements the
    arrays have together that will be the network's weights. Then the arguments must be plain and
    small, and a network that needs much more than its arrays is not built. Raises ValueError, also
    for an argument that the network does not know.
    """
    known = _arguments_of(network)
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise ValueError(
            f"{_name_of(network)} does not know {', '.join(unknown)}, expected some of "
            f"{', '.join(known)}"
        )
    if stored_elements is None:
        return network(**arguments)
    check_arguments(arguments)
    try:
        with at_most(4 * stored_elements + SPARE):
            return network(**arguments)
    except ValueError as error:
        raise ValueError(
            f"its networks cannot be built from {shown(arguments)}: {error}"
        ) from error


def share_of(network, architecture):
    """The arguments of one network, out of those of several -> dict {name: value}."""
    known = _arguments_of(network)
    return {name: value for name, value in architecture.items() if name in known}


def check_known(module, architecture):
    """Raise ValueError if no network in a paper's file takes an argument.

    "generator" is always known: it names the class if a paper has several.
    """
    known = {"generator"}
    for thing in vars(module).values():
        if inspect.isclass(thing) and issubclass(thing, nn.Module):
            known.update(_arguments_of(thing))
    unknown = sorted(set(architecture) - known)
    if unknown:
        raise ValueError(
            f"no network of {module.__name__} knows {', '.join(unknown)}, expected some of "
            f"{', '.join(sorted(known))}"
        )


def _arguments_of(network):
    """The names of a network's arguments, in order."""
    return list(inspect.signature(network).parameters)


def _name_of(network):
    return getattr(network, "__name__", type(network).__name__)


def takes(model):
    """What a model's generator takes for each image: ("latent",) or ("latent", "label")."""
    module = MODELS.get(model) if isinstance(model, str) else None
    return getattr(module, "GENERATOR_TAKES", ("latent",))


def check_arguments(arguments):
    """Raise ValueError unless these are plain arguments of a network.

    Plain is a dict {name: a number, a text, a boolean or None}.
    """
    if not isinstance(arguments, dict) or not all(isinstance(name, str) for name in arguments):
        raise ValueError(f"its architecture is {shown(arguments)}, expected names and values")
    for name, value in arguments.items():
        what = f"its architecture's {shown(name)}"
        if type(value) is int:
            check_stored_int(what, value, -LARGEST, LARGEST)
        elif type(value) is float and not math.isfinite(value):
            raise ValueError(f"{what} is {value}, expected a finite number")
        elif value is not None and type(value) not in (bool, str, float):
            raise ValueError(
                f"{what} is {shown(value)}, expected a number, a text, a boolean or None"
            )


def find_network(model, name):
    """The network class of this name in a paper's file: find_network("dcgan", "Generator").

    Both names may come from somebody else's checkpoint, so only a public network class in a file of
    MODELS is found. Raises ValueError otherwise.
    """
    module = MODELS.get(model) if isinstance(model, str) else None
    found = vars(module).get(name) if module is not None and isinstance(name, str) else None
    if not inspect.isclass(found) or not issubclass(found, nn.Module) or name.startswith("_"):
        raise ValueError(
            f"it is of {shown(model)} with a {shown(name)}, which this version does not have"
        )
    return found
