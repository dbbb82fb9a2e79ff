"""A training in small, run in this process or in its own, and what its run directory holds.

The toy finds the mean of the digits by noisy gradient descent with momentum. Its state has all
kinds: weights, an optimiser's memory, the order of the data, and minigan's random generator.
"""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minigan import training
from minigan.training import command_line

ROOT = Path(__file__).resolve().parents[2]
TAG = "0123456789abcdef" * 2  # of an unfinished file: see files.whole_file
NOTED = "\nstopping after this step; once more stops at once\n"  # what a signal is answered

SCRIPT = '''
"""Learns the mean digit."""
import os, time
import numpy as np
import minigan as mg
from minigan import training
from minigan.training import command_line


class Mean:
    training = True

    def __init__(self):
        self.w = mg.randn(1, 64).numpy()
        self.velocity = np.zeros((1, int(os.environ.get("TOY_SIZE", 64))), np.float32)

    def state_dict(self):
        return {"w": self.w.copy(), "velocity": self.velocity.copy()}

    def load_state_dict(self, state):
        self.w[:] = state["w"]
        self.velocity[:] = state["velocity"]


def main(argv=None):
    settings = dict(steps=20, batch_size=4, log_every=5, sample_every=8, checkpoint_every=7)
    parser = command_line.parser("toy", __doc__, **settings)
    parser.add_argument("--lr", type=training.positive, default=0.03, help="learning rate")
    args = command_line.parse(parser, argv)
    images = mg.data.load(args.data).images
    mean = Mean()
    batches = mg.data.Batches(images, args.batch_size, seed=args.seed)
    session = training.begin(
        args,
        state={"mean": mean, "batches": batches},
        architecture={"pixels": 64},
        sample=lambda: np.tanh(mean.w).reshape(1, 1, 8, 8),
        sampling={"batch_statistics": "none"},
    )
    for step in session:
        x = next(batches).numpy().reshape(args.batch_size, 64)
        x = x + 0.01 * mg.randn(args.batch_size, 64).numpy()
        error = mean.w - x
        mean.velocity[:, :64] = 0.9 * mean.velocity[:, :64] + error.mean(axis=0)
        mean.w -= args.lr * mean.velocity[:, :64]
        session.log(loss=(error ** 2).mean(), size=np.float32(np.abs(mean.w).mean()))
        time.sleep(float(os.environ.get("TOY_SLEEP", 0)))


if __name__ == "__main__":
    main()
'''


# ---- the toy as a process


def environment(**more):
    """The environment of a script that imports this checkout."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/examples", **more}


def start(script, *arguments, **variables):
    """Begin a script in a process of its own. variables: of its environment."""
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(**variables),
    )


def finish(process):
    """Wait for a script that `start` began, and demand that it ended well -> what it printed."""
    output, errors = process.communicate()
    assert errors == ""
    assert process.returncode == 0
    return output


# ---- what a run directory holds


def bits(out):
    """The bytes of the checkpoint."""
    return (Path(out) / "checkpoint.npz").read_bytes()


def files(out):
    """{path: (bytes, time of the last change)} of all files below a folder."""
    found = {}
    for path in Path(out).rglob("*"):
        if path.is_file():
            found[path] = path.read_bytes(), path.stat().st_mtime_ns
    return found


def rows(out):
    """log.csv without the last column, which holds times."""
    with open(Path(out) / "log.csv", newline="") as file:
        return [row[:-1] for row in csv.reader(file)]


def edit_config(out, **changes):
    """Change arguments in config.json by hand."""
    config = json.loads((out / "config.json").read_text())
    config["arguments"].update(changes)
    (out / "config.json").write_text(json.dumps(config))


# ---- what is refused


def refused(train, sentence, *arguments):
    """The command is refused with status 2, and one sentence is all that it says."""
    status, output, errors = train(*arguments)
    assert sentence in errors
    assert errors.count("\n") == 1
    assert output == ""
    assert status == 2


def not_resumed(train, out, sentence):
    """A run does not go on, with one sentence, and its directory stays as it was."""
    before = files(out)
    status, _, errors = train("--out", out, "--resume", "--steps", 30)
    assert status == 1
    assert errors.startswith(f"cannot go on from the checkpoint in {out}: ")
    assert errors.count("\n") == 1
    assert re.search(sentence, errors)
    assert files(out) == before


# ---- a Run of next to nothing


class Weights:
    """A state with one array, and a mode as a network has."""

    def __init__(self):
        self.training = True
        self.w = np.ones((1, 1, 8, 8), np.float32)

    def state_dict(self):
        return {"w": self.w}

    def load_state_dict(self, state):
        self.w = state["w"]


def session(out, *given, steps=4, state=None, sample=None):
    """The Run of a command line, whose networks are Weights; its arguments are its `args`."""
    argv = ["--out", str(out), "--quiet", *map(str, given)]
    args = command_line.parse(command_line.parser("toy", steps=steps), argv)
    if state is None:
        state = {"weights": Weights()}
    if sample is None:
        sample = lambda: np.zeros((1, 1, 8, 8))
    these = training.begin(args, state=state, architecture={}, sample=sample)
    these.args = args
    return these


def trained(out, *given, **how):
    """A session whose steps are all done."""
    these = session(out, *given, **how)
    for _ in these:
        these.log(loss=0)
    return these


def exit_of(steps):
    """What SystemExit says that ends the iteration."""
    with pytest.raises(SystemExit) as stop:
        for _ in steps:
            pass
    return str(stop.value)
