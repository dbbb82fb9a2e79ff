"""Training: the command line of a script, the run directory, checkpoints and sampling.

A training script calls ``parse`` for its arguments, ``images`` and ``networks`` for its data and
networks, and ``session`` or ``begin`` for its Run. Run also works without any script.
"""

from .options import FLAG, SWITCH, parse
from .run import Run
from .sampling import PRIORS, Latents
from .scripts import (
    at_least,
    at_least_one,
    fraction,
    not_negative,
    one_sentence,
    positive,
    program,
    refuse,
)
from .setup import augmented, begin, build, chosen, images, latents, networks, session
