"""Training: the command line of a script, the run directory, checkpoints and sampling.

A training script calls ``parse`` for its arguments, ``images`` and ``networks`` for its data and
networks, and ``session`` or ``begin`` for its Run. Run also works without any script.

Where to look: run.py has the loop, run_folder.py the names of its files, run_config.py, run_log.py
and run_pictures.py one of these files each, checkpoint.py the format of a checkpoint. options.py
and command_line.py read a script's arguments, with earlier_run.py, which decides whether --out may
be used, and overrides.py, which changes arguments of a run that goes on; history.py keeps note of
that in config.json. resuming.py compares a checkpoint with the training that goes on from it.
loading.py, sampling.py and translation.py take trained networks from a checkpoint.
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
