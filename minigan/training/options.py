"""The options of a training script as a table, and their defaults for two kinds of data.

    PAPER = dict(steps=20000, width=64, r1=0.0, ...)           # the paper's settings
    DIGITS = PAPER | dict(steps=3000, width=16, r1=0.5, ...)   # for the bundled digits, in minutes
    OPTIONS = [("--r1", not_negative, "weight of the R1 penalty"), ...]
    args = parse("dcgan", __doc__, OPTIONS, PAPER, DIGITS, argv)

The table lists what is special to a script. Options of several scripts stand in COMMON: a script
has those of them that occur in its settings.

One option may choose between several papers. Then PAPER and DIGITS are dicts of such dicts, one for
each value of that option, and `by` is its name: ``parse("wgan", ..., by="penalty")``.
"""

import argparse

from . import command_line
from .sampling import PRIORS
from .scripts import at_least, augmentation, fraction, image_size, positive

FLAG = "flag"  # in the table: an option without a value
SWITCH = "switch"  # --flip or --no-flip

COMMON = [
    ("--image-size", image_size, "what images are resized to: 64 for a square, or height x width"),
    ("--augment", augmentation, "change what D sees at random: color,translation,cutout or some"),
    ("--latent-dim", at_least(1), "the length of z"),
    ("--latent", PRIORS, "the prior p(z)"),
    ("--width", at_least(1), "feature maps of the first layer that sees images"),
    ("--hidden", at_least(1), "units in each layer of a perceptron"),
    ("--lr", positive, "the first learning rate"),
    ("--beta1", fraction, "Adam's decay of the first moment"),
    ("--average", fraction, "decay of the average of the generator's weights"),
]


def parse(model, description, options, paper, digits, argv=None, by=None):
    """Read the command line of a training script -> the arguments, as command_line.parse.

    options: rows (option, kind, help). kind: a function that converts a text, as at_least(1); a
    collection of choices; FLAG, SWITCH, or None for a text. paper, digits: {name: default}, where
    the digits' defaults count unless other data are named.
    """
    first = next(iter(paper)) if by else None  # the value of `by` that is its default
    names = paper[first] if by else paper
    shared = [row for row in COMMON if row[0][2:].replace("-", "_") in names]
    parser = command_line.parser(model, description)
    for option, kind, help in [*shared, *options]:
        parser.add_argument(option, **_how(kind), help=help)
    parser.set_defaults(**names)
    if by:
        parser.set_defaults(**{by: first})
    _show_defaults(parser, paper, digits, by)

    def settings(known):
        """The defaults for the data, and for the value of `by`."""
        chosen = digits if _is_of_digits(known) else paper
        return chosen[known[by]] if by else chosen

    return command_line.parse(parser, argv, settings=settings)


def _how(kind):
    """The arguments of add_argument for a kind of option."""
    if kind == FLAG:
        return {"action": "store_true"}
    if kind == SWITCH:
        return {"action": argparse.BooleanOptionalAction}
    if callable(kind):
        return {"type": kind}
    return {} if kind is None else {"choices": list(kind)}


def _is_of_digits(known):
    """Whether the data are the bundled digits. Translation may name two sets instead, A and B."""
    if known.get("data_a") or known.get("data_b"):
        return False
    return known["data"] in (None, "digits")


def _show_defaults(parser, paper, digits, by):
    """Write the default of each option into its help: the paper's, then the digits'."""
    for action in parser._actions:
        text = action.help.replace(" (default: %(default)s)", "")
        if action.dest == "data":
            found = "digits"
        else:
            here = _defaults_of(action.dest, paper, by, action.default)
            there = _defaults_of(action.dest, digits, by, action.default)
            found = _in_words(here, there)
        if found:
            text = f"{text} (default: {found})"
        action.help = text.replace("%", "%%")


def _in_words(paper, digits):
    """The two defaults of an option as --help shows them, or None if there is nothing to show."""
    if paper in (None, argparse.SUPPRESS):
        return None if paper == digits else f"on the digits {digits}"
    if paper != digits:
        return f"{paper}, on the digits {digits}"
    return None if paper is False else str(paper)


def _defaults_of(name, settings, by, plain):
    """The default in some settings; if several papers differ, a text with all of them.

    plain: the default of an option that the settings do not name.
    """
    if name == by:
        return plain
    if not by:
        return settings.get(name, plain)
    values = {key: chosen.get(name, plain) for key, chosen in settings.items()}
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    return ", ".join(f"{key}: {value}" for key, value in values.items())
