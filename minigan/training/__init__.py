"""Training: the command line of a script, the run directory, checkpoints, and sampling.

A script reads its arguments with ``parse``, makes its data and networks with ``images`` and
``networks``, and its Run with ``session`` or ``begin``. Run also works without any script.
"""

from .options import FLAG, SWITCH, parse
from .program import (
    at_least,
    at_least_one,
    fraction,
    not_negative,
    one_sentence,
    positive,
    program,
    refuse,
)
from .run import Run
from .sampling import PRIORS, Latents
from .setup import begin, build, chosen, images, latents, networks, session
