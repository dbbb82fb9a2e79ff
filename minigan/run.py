"""What every training script shares: its command line, its run directory, and a loop that can stop anywhere and go on.

    args = run.parse(run.parser("dcgan", __doc__, steps=4000))
    ...                                                      # data, networks, optimisers
    session = run.Run(args, state={"generator": G, ...}, architecture=architecture, sample=sample)
    for step in session:
        ...                                                  # the paper's algorithm, one step of it
        session.log(d_loss=d_loss, g_loss=g_loss)

The one idea: whatever training changes is named in `state`, and between two steps that state, the step and the random
generator are all there is. So a checkpoint of them, wherever it is taken, continues to the same bits; and logging,
drawing and stopping, which happen only between steps, leave no trace in them.

The run directory holds config.json (what is needed to repeat the run), log.csv, samples/step-*.png, samples.png (the
newest), checkpoint.npz and, when training ends, training.gif and losses.png.
"""

import contextlib
import csv
import importlib.util
import json
import os
import shlex
import signal
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np

from . import checkpoint, engine, images, rng
from .arguments import (CHECKPOINT, CONFIG, at_least, find_checkpoint, fraction, load_networks, parse, parser,  # noqa: F401
                        positive)
from .files import whole_file

LOG = "log.csv"


class Run:
    """The steps that are still to do: ``for step in session`` counts from the checkpoint's step + 1 to ``--steps``.

    args: what `parse` returned. state: {name: object with state_dict() and load_state_dict()} of all that training
    changes: networks, their averages, optimisers, schedules, batches; minigan's random generator is added here.
    architecture: the arguments that make the networks anew. sample: a function without arguments that gives images
    (N, C, H, W) in [-1, 1], always from the same latents, and changes nothing. sampling: what sample.py must know to draw
    such images, as {"batch_statistics": "running"}. architecture and sampling are stored: JSON values.

    A loop that ends writes the last checkpoint and pictures. Ctrl-C or SIGTERM ends it after the current step with a
    checkpoint and SystemExit 130 or 143 (the signal's number + 128); a loss or weight that is not finite with SystemExit
    1, keeping the checkpoint before. Raises ValueError if the checkpoint to resume from belongs to another `state` or
    `architecture`.
    """

    def __init__(self, args, *, state, architecture, sample, sampling=None):
        if "run" in state:
            raise ValueError("the state's name 'run' is taken, expected another")
        self.args, self.state, self.sample = args, state, sample
        self.about = {"model": args.model, "architecture": architecture, "sampling": sampling, "networks": args.networks
                      and {"file": args.networks, "sha256": args.networks_sha256}}
        self.out = Path(args.out)
        self.losses = {}  # name -> number or 0-d tensor of the latest step: reading it would wait for the GPU
        self.saved = None  # the step of the newest checkpoint
        self.signal = self.bar = None
        self.seconds, self.timed = 0.0, 0  # training time, and the steps it was spent on, since the last row of log.csv

    def __iter__(self):
        step = self._open()
        with self._noting_signals(), self._progress_bar(step):
            self._draw_samples(step, check=True)
            for step in range(step + 1, self.args.steps + 1):
                began = time.perf_counter()
                yield step
                self.seconds += time.perf_counter() - began
                self.timed += 1
                self._keep(step, last=step == self.args.steps)
                if self.signal:
                    break
        if step == self.args.steps:
            self._draw_training()
            print(f"{self.args.steps} steps are done: see {self.out / 'samples.png'}")
        else:
            print(f"stopped after step {step} of {self.args.steps}, which {self.out / CHECKPOINT} holds; to go on:\n"
                  f"{shlex.join([sys.executable, sys.argv[0], '--resume', '--out', self.args.out])}")
            sys.exit(128 + self.signal)

    def log(self, **losses):
        """Note this step's losses, numbers or 0-d tensors; they are read every --log-every steps and before checkpoints."""
        for name, loss in losses.items():
            self.losses[name] = loss.detach() if hasattr(loss, "detach") else loss  # let go of its graph

    # ---- between two steps

    def _keep(self, step, last):
        args = self.args
        log, draw, save = (last or step % every == 0 for every in (args.log_every, args.sample_every, args.checkpoint_every))
        if log or draw or save or self.signal:
            losses = self._read_losses(step)
        if log:
            self._write_row(step, losses)
        if self.bar is not None:
            self.bar.update()
        if draw:
            self._draw_samples(step)
        if save or self.signal:
            self._save(step)

    def _read_losses(self, step):
        began = time.perf_counter()
        losses = {name: loss.item() if hasattr(loss, "item") else loss for name, loss in self.losses.items()}
        self.seconds += time.perf_counter() - began  # the GPU's, if it was still at work
        if not losses:
            raise RuntimeError(f"step {step} ended without session.log(...)")
        for name, loss in losses.items():
            if not np.isfinite(loss):
                self._fail(step, f"{name} is {loss}")
        return losses

    def _write_row(self, step, losses):
        rate = self.timed * self.args.batch_size / self.seconds
        self.seconds, self.timed = 0.0, 0
        path, columns = self.out / LOG, ["step", *losses, "images_per_second"]
        if self.columns not in (None, columns):
            raise ValueError(f"{path} has the columns {', '.join(self.columns)}; step {step} logs {', '.join(columns)}")
        with open(path, "a", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            if self.columns is None:
                rows.writerow(columns)
            rows.writerow([step, *(f"{loss:.9g}" for loss in losses.values()), f"{rate:.1f}"])
        self.columns = columns
        shown = "  ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
        if self.bar is not None:
            self.bar.set_postfix_str(f"{shown}  {rate:.0f} images/s")
        elif not self.args.quiet:
            print(f"step {step}/{self.args.steps}  {shown}  {rate:.0f} images/s", flush=True)

    def _draw_samples(self, step, check=False):
        """Write samples/step-*.png and samples.png, and leave training as if nothing had been drawn."""
        random, before = rng.state_dict(), check and self._fingerprint()
        with engine.no_grad():
            pictures = np.asarray(self.sample())
        rng.load_state_dict(random)  # a network that draws noise of its own must not shift the training's
        if check and (after := self._fingerprint()) != before:
            raise RuntimeError(f"sample() changed {', '.join(name for name in after if after[name] != before.get(name))}: "
                               "it must leave the training as it is (batch norm in train() mode moves its averages)")
        if not np.isfinite(pictures).all():
            self._fail(step, "a sampled image is not finite")
        grid = images.make_grid(pictures)
        images.save_png(self.out / "samples" / f"step-{step:06d}.png", grid)
        images.save_png(self.out / "samples.png", grid)

    def _fingerprint(self):
        """{name: number} that changes with any array of the state, and with a network's train() or eval() mode."""
        _, arrays = checkpoint.flatten(self._state_dicts())
        modes = {f"{name}.training": thing.training for name, thing in self.state.items() if hasattr(thing, "training")}
        return {**{name: zlib.crc32(array.data) for name, array in arrays.items()}, **modes}

    def _state_dicts(self):
        return {name: thing.state_dict() for name, thing in self.state.items()}

    def _save(self, step):
        about = {**self.about, "step": step, "rng": rng.state_dict()}
        tree, arrays = checkpoint.flatten({"run": about, **self._state_dicts()})
        for name, array in arrays.items():  # a finite loss may still have had a gradient that was not
            if not np.isfinite(array).all():
                self._fail(step, f"{name} is not finite")
        checkpoint.write(self.out / CHECKPOINT, tree, arrays)
        self.saved = step

    def _fail(self, step, what):
        kept = f"the last good checkpoint is {self.out / CHECKPOINT}, of step {self.saved}"
        sys.exit(f"step {step}: {what}; training stops, and {kept if self.saved else 'there is no checkpoint yet'}")

    # ---- before the first step and after the last

    def _open(self):
        """Take up the checkpoint, if there is one, and clear away what was written after it -> the step to go on from."""
        resumed, names = self.args.resumed, {"run", *self.state}
        if resumed is not None:
            if set(resumed) != names:
                raise ValueError(f"{self.out / CHECKPOINT} holds {sorted(resumed)}, expected {sorted(names)}")
            if resumed["run"]["architecture"] != self.about["architecture"]:
                raise ValueError(f"{self.out / CHECKPOINT} has the architecture {resumed['run']['architecture']}, "
                                 f"expected {self.about['architecture']}")
            for name, thing in self.state.items():
                thing.load_state_dict(resumed.pop(name))
            rng.load_state_dict(resumed["run"]["rng"])
            self.saved = resumed["run"]["step"]
        kept = -1 if self.saved is None else self.saved
        for leftover in [*self.out.glob(".*.part"), *self.out.glob("samples/.*.part")]:  # of a killed process
            leftover.unlink()
        for picture in self.out.glob("samples/step-*.png"):
            if int(picture.stem.removeprefix("step-")) > kept:
                picture.unlink()
        with whole_file(self.out / CONFIG) as file:
            file.write(json.dumps(self.args.config, indent=2).encode() + b"\n")
        self._cut_log(kept)
        return self.saved or 0

    def _cut_log(self, step):
        """Keep the header and the rows up to this step; a row that a kill or a power cut tore has no end of line."""
        path = self.out / LOG
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() and step >= 0 else []
        rows = [line for line in lines[1:] if line.split(",")[0].isdecimal() and int(line.split(",")[0]) <= step]
        with whole_file(path) as file:
            file.write("".join(line for line in lines[:1] + rows if line.endswith("\n")).encode())
        self.columns = lines[0].strip().split(",") if rows else None

    def _draw_training(self):
        """training.gif from the samples, losses.png from the log."""
        from matplotlib.figure import Figure  # a second to import, so not before it is needed

        images.save_gif(self.out / "training.gif", sorted((self.out / "samples").glob("step-*.png")))
        with open(self.out / LOG, encoding="utf-8", newline="") as file:
            (_, *names, _), *rows = csv.reader(file)
        steps, *losses, _ = np.array(rows, float).T
        figure = Figure(figsize=(8, 4), layout="constrained")
        axes = figure.subplots()
        for name, loss in zip(names, losses):
            axes.plot(steps, loss, label=name, linewidth=1)
        axes.set(xlabel="step", ylabel="loss", title=self.args.model)
        axes.legend()
        with whole_file(self.out / "losses.png") as file:
            figure.savefig(file, format="png", dpi=120)

    @contextlib.contextmanager
    def _noting_signals(self):
        """SIGINT and SIGTERM ask for an end after the current step; a second one ends the process at once."""

        def note(number, frame):
            self.signal = number
            signal.signal(number, signal.SIG_DFL)
            os.write(2, b"\nstopping after this step; once more stops at once\n")  # print() could be interrupted itself

        if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
            yield
            return
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def _progress_bar(self, step):
        if not self.args.quiet and sys.stdout.isatty() and importlib.util.find_spec("tqdm"):
            from tqdm import tqdm

            self.bar = tqdm(total=self.args.steps, initial=step, unit="step", dynamic_ncols=True, file=sys.stdout)
        try:
            yield
        finally:
            if self.bar is not None:
                self.bar.close()
