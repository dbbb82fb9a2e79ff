"""--override NAME=VALUE: a run goes on with another value of an option, on purpose.

Most options shape the training from a step on: a learning rate, a weight of a loss, the data. Such
an option may change between two steps. Others are built into what the checkpoint holds, such as
the width of a network, and stay as they are.

The idea of taking up: a checkpoint holds the optimisers' settings too. So with an override the
optimisers and schedules keep the settings that the script has just given to them, and take only
their memory from the checkpoint: moments, counts of steps.
"""

import argparse

from ..data import Batches
from ..files.foreign import shown
from ..optim import Optimizer
from ..optim.schedules import Schedule
from .resuming import check_taken_up
from .run_config import option
from .run_folder import has_checkpoint

# Which images are drawn, and how many at once: another value begins a new epoch.
DATA = {
    "data",
    "data_a",
    "data_b",
    "data_dir",
    "halves",
    "skip_unreadable",
    "load_size",
    "batch_size",
}
# The networks' shapes. Those that a checkpoint calls its architecture need not stand here.
NETWORKS = {
    "image_size",
    "latent_dim",
    "width",
    "hidden",
    "units",
    "pieces",
    "pack",
    "generator",
    "critic",
    "norm",
    "blocks",
    "depth",
    "patch_width",
    "patch_layers",
}
OF_NETWORKS = "the checkpoint's arrays belong to networks that were built with the old value"
# Why others stay as they are.
FIXED = {
    "seed": "the random numbers go on from the checkpoint, so a seed counts only at the start",
    "latent": "the generator was trained with the old prior, which its checkpoint names",
    "penalty": "it chooses the optimisers, and the checkpoint holds the memory of the old ones",
    "head_start": "it counts only before the first step",
    "networks": "the checkpoint's arrays belong to the file that it was trained with",
    "device": "a device is a place and not a setting, so give --device by itself",
}


class Overrides(argparse.Action):
    """Collect NAME=VALUE of each --override as {name: value}, read as --NAME would read it."""

    def __call__(self, parser, namespace, text, option_string=None):
        written, equals, value = text.partition("=")
        action = parser._option_string_actions.get("--" + written)
        if not equals:
            raise argparse.ArgumentError(self, f"{text} is not NAME=VALUE, such as lr=1e-4")
        if action is None or option(action.dest) != "--" + written:
            raise argparse.ArgumentError(self, f"{text} names no option, there is no --{written}")
        found = getattr(namespace, self.dest)
        if not isinstance(found, dict):  # the first one
            found = {}
        if action.dest in found:
            raise argparse.ArgumentError(self, f"{written} is given twice")
        found[action.dest] = self._value(parser, action, value)
        setattr(namespace, self.dest, found)

    def _value(self, parser, action, text):
        """The value of a text. An empty one stands for None, where that is the plain default."""
        if action.nargs == 0:
            if text not in ("true", "false"):
                name = option(action.dest)[2:]
                raise argparse.ArgumentError(self, f"{name}={text} is neither true nor false")
            return text == "true"
        if not text and action.default is None:
            return None
        parsed = parser.parse_args([f"{option(action.dest)}={text}"])
        return getattr(parsed, action.dest)


def add_override(parser):
    """Add --override, which may be given several times."""
    parser.add_argument(
        "--override",
        action=Overrides,
        metavar="NAME=VALUE",
        help="with --resume: go on with another value of an option, such as lr=1e-4, data=photos/ "
        "or flip=true; may be given several times; config.json notes it and the step",
    )


# ---- what may be overridden


def may_be_overridden(name):
    """Whether an argument may have another value from some step on."""
    return name not in NETWORKS and name not in FIXED


def check_overrides(overridden, given, args, not_kept, free):
    """Raise ValueError for an override that cannot be, with the reason.

    overridden: {name: value}. given: what else stands on the command line. not_kept, free: names of
    arguments that are not settings, and of those that need no override.
    """
    for name, value in overridden.items():
        what = as_written(name, value)
        written = option(name)
        if name in FIXED:
            raise ValueError(f"{what} is refused: {FIXED[name]}")
        if name in NETWORKS:
            raise ValueError(f"{what} is refused: {OF_NETWORKS}")
        if name in not_kept or name == "help":
            raise ValueError(f"{what} is refused: {written} is not a setting of a training")
        if name in free and name not in DATA:
            raise ValueError(
                f"{what} is refused: {written} may change without it, so give it alone"
            )
        if not args.resume:
            raise ValueError(f"{what} changes a run that goes on, so it needs --resume")
        if not has_checkpoint(args.out):
            raise ValueError(
                f"{what} changes a run that goes on, but there is no checkpoint in {args.out}"
            )
        if name in given:
            raise ValueError(f"{what} and {written} are both given, expected one of them")


def check_architecture(overridden, architecture):
    """Raise ValueError if an override changes what a checkpoint calls its architecture."""
    for name, value in overridden.items():
        if isinstance(architecture, dict) and name in architecture:
            raise ValueError(f"{as_written(name, value)} is refused: {OF_NETWORKS}")


def as_written(name, value):
    """An override as it stands on a command line."""
    return f"--override {option(name)[2:]}={_in_words(value)}"


def _in_words(value):
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def changes(args, overridden):
    """What the overrides change -> {name: {"from": value, "to": value}}, as config.json notes it.

    args: the arguments without the overrides. Of the data also the same value is noted, because a
    folder of the same name may hold other images now.
    """
    found = {}
    for name, value in overridden.items():
        before = getattr(args, name)
        if value != before or name in DATA:
            found[name] = {"from": before, "to": value}
    return found


def check_same_networks(overridden, resumed, about):
    """Raise an error if overridden data would make other networks than the checkpoint's.

    resumed: the state in the checkpoint. about: what this run says of itself.
    """
    if not DATA & set(overridden):
        return
    found = resumed["run"]["architecture"]
    for name, value in about["architecture"].items():
        if found[name] != value:
            raise ValueError(
                f"its networks were built with {name} {shown(found[name])}, but with the data of "
                f"--override they would be built with {shown(value)}"
            )


# ---- taking them up


def take_up(state, resumed, overridden):
    """Load a checkpoint's states into the objects of a training.

    state: {name: object}, as the script has made them of its arguments. resumed: {name: what its
    state_dict() was}. overridden: names of the arguments that are not those of the checkpoint.
    -> whether other images are drawn from now on. Raises ValueError for a state that does not fit.
    """
    settings = [(thing, _settings(thing)) for thing in state.values()]
    may_begin_anew = bool(DATA & overridden)
    has_other_images = False
    for name, thing in state.items():
        if may_begin_anew and isinstance(thing, Batches) and not thing.is_of(resumed[name]):
            thing.begin_anew(resumed[name])
            has_other_images = True
            continue
        thing.load_state_dict(resumed[name])
        check_taken_up(name, resumed[name], thing.state_dict())
    if overridden - DATA:
        _put_back(settings)
    return has_other_images


def _settings(thing):
    """The settings of each group of an optimiser, the first learning rates of a schedule."""
    if isinstance(thing, Optimizer):
        names = thing.settings
        return [{name: group[name] for name in names} for group in thing.param_groups]
    return thing.base if isinstance(thing, Schedule) else None


def _put_back(settings):
    """Put back what `_settings` gave. Schedules come last: they decide on the learning rates."""
    for thing, kept in settings:
        if isinstance(thing, Optimizer):
            for group, own in zip(thing.param_groups, kept):
                group.update(own)
    for thing, kept in settings:
        if isinstance(thing, Schedule):
            thing.load_state_dict({"count": thing.count, "base": kept})


def real_changes(changed, has_other_images):
    """Those of the `changes` that change something: one of data to the same name may not."""
    return {
        name: change
        for name, change in changed.items()
        if change["from"] != change["to"] or (name in DATA and has_other_images)
    }
