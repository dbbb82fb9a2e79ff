"""What training scripts share: the run directory, and a loop that can stop anywhere and go on.

    args = arguments.parse(arguments.parser("dcgan", __doc__, steps=4000))
    ...                                                      # data, networks, optimisers
    session = run.Run(args, state={"generator": G, ...}, architecture=architecture, sample=sample)
    for step in session:
        ...                                                  # the paper's algorithm, one step of it
        session.log(d_loss=d_loss, g_loss=g_loss)

The one idea: whatever training changes is named in `state`; between two steps that, the number of the step and the
random generator are all there is. So a checkpoint of these, wherever it is taken, continues to the same bits; and
logging, drawing and stopping, which happen between steps only, leave no trace in them.

The run directory holds config.json (what is needed to repeat the run), log.csv, samples/step-*.png, samples.png (the
newest), checkpoint.npz and, when training ends, training.gif and losses.png.
"""

import contextlib
import csv
import json
import os
import shlex
import signal
import sys
import time
import zlib
from pathlib import Path

import numpy as np

from . import checkpoint, engine, images, rng
from .arguments import CHECKPOINT, CONFIG
from .files import whole_file

LOG = "log.csv"


class Run:
    """The steps still to do: ``for step in session`` counts from the checkpoint's step + 1, or 1, to ``--steps``.

    args: what arguments.parse returned. state: {name: object with state_dict() and load_state_dict()} of all that
    training changes: networks, their averages, optimisers, schedules, batches (minigan's random generator is added
    here). sample: a function that gives images (N, C, H, W) in [-1, 1], always from the same latents, and changes
    nothing. Two dicts go into the checkpoint for sample.py: architecture, the arguments that make the networks anew,
    and sampling, how sample draws, as {"batch_statistics": "running"}.

    A loop that ends has written the last checkpoint and pictures. Ctrl-C or SIGTERM ends it after the current step
    with a checkpoint and SystemExit 130 or 143, 128 + the signal's number; a loss, weight or sample that is not finite
    ends it with SystemExit 1 and leaves the checkpoint before.
    """

    def __init__(self, args, *, state, architecture, sample, sampling=None):
        if "run" in state:
            raise ValueError("the state's name 'run' is taken, expected another")
        self.args, self.state, self.sample, self.out = args, state, sample, Path(args.out)
        networks = {"file": args.networks, "sha256": args.networks_sha256} if args.networks else None
        self.about = {"model": args.model, "architecture": architecture, "sampling": sampling, "networks": networks}
        self.losses = {}  # name -> number or 0-d tensor of the latest step: reading it would wait for the GPU
        self.columns = None  # of log.csv, once it has a row
        self.saved = None  # the step of the newest checkpoint
        self.signal = None
        self.seconds, self.timed = 0.0, 0  # training time, and its number of steps, since the last row of log.csv

    def __iter__(self):
        from tqdm import tqdm

        args = self.args
        with contextlib.ExitStack() as at_end:
            self._lock(at_end)
            for number in (signal.SIGINT, signal.SIGTERM):
                at_end.callback(signal.signal, number, signal.signal(number, self._note_signal))
            step = self._open()
            if step == 0:
                self._check_sample()
                self._draw_samples(step)
            with tqdm(total=args.steps, initial=step, unit="step", dynamic_ncols=True, file=sys.stdout,
                      disable=args.quiet or not sys.stdout.isatty()) as self.bar:
                while step < args.steps and not self.signal:
                    step += 1
                    began = time.perf_counter()
                    yield step
                    self.seconds += time.perf_counter() - began
                    self.timed += 1
                    self._keep(step)
            if step == args.steps:
                self._draw_training()
                print(f"all {step} steps are done; see {self.out / 'samples.png'}")
                return
            if step != self.saved:
                self._read_losses(step)
                self._save(step)
        resume = shlex.join([sys.executable, sys.argv[0], "--resume", "--out", args.out])
        print(f"stopped after step {step} of {args.steps}, kept in {self.out / CHECKPOINT}; to go on:\n{resume}")
        sys.exit(128 + self.signal)

    def log(self, **losses):
        """Note this step's losses, numbers or 0-d tensors: read every --log-every steps and before each checkpoint."""
        for name, loss in losses.items():
            self.losses[name] = loss.detach() if hasattr(loss, "detach") else loss  # let go of its graph

    # ---- between two steps

    def _keep(self, step):
        """All that is due after this step."""
        args = self.args
        log, draw, save = (step == args.steps or step % every == 0
                           for every in (args.log_every, args.sample_every, args.checkpoint_every))
        if log or draw or save:
            losses = self._read_losses(step)
        if log:
            self._write_row(step, losses)
        self.bar.update()
        if draw:
            self._draw_samples(step)
        if save:
            self._save(step)

    def _read_losses(self, step):
        began = time.perf_counter()
        losses = {name: loss.item() if hasattr(loss, "item") else loss for name, loss in self.losses.items()}
        self.seconds += time.perf_counter() - began  # the GPU's, if it was still at work
        for name, loss in losses.items():
            if not np.isfinite(loss):
                self._fail(step, f"{name} is {loss}")
        return losses

    def _write_row(self, step, losses):
        if not losses:
            raise RuntimeError(f"step {step} ended without session.log(...)")
        rate = self.timed * self.args.batch_size / self.seconds
        self.seconds, self.timed = 0.0, 0
        columns = ["step", *losses, "images_per_second"]
        if self.columns not in (None, columns):
            raise ValueError(f"{self.out / LOG} has the columns {', '.join(self.columns)}, step {step} logged "
                             f"{', '.join(columns)}")
        with open(self.out / LOG, "a", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            if self.columns is None:
                rows.writerow(columns)
            rows.writerow([step, *(f"{loss:.9g}" for loss in losses.values()), f"{rate:.1f}"])
        self.columns = columns
        shown = "  ".join(f"{name} {loss:.4f}" for name, loss in losses.items()) + f"  {rate:.0f} images/s"
        self.bar.set_postfix_str(shown)
        if self.bar.disable and not self.args.quiet:
            print(f"step {step}/{self.args.steps}  {shown}", flush=True)

    def _sampled(self):
        """What sample() gives; noise that it draws must not shift the training's, so the generator is put back."""
        random = rng.state_dict()
        with engine.no_grad():
            pictures = np.asarray(self.sample())
        rng.load_state_dict(random)
        return pictures

    def _draw_samples(self, step):
        pictures = self._sampled()
        if not np.isfinite(pictures).all():
            self._fail(step, "a sampled image is not finite")
        grid = images.make_grid(pictures)
        images.save_png(self.out / "samples" / f"step-{step:06d}.png", grid)
        images.save_png(self.out / "samples.png", grid)

    def _check_sample(self):
        """Refuse a sample() that changes the state or leaves a network in another mode, train() or eval()."""
        def fingerprints():
            tree, arrays = checkpoint.flatten(self._state_dicts())
            marks = {name: (tree[name], getattr(thing, "training", None)) for name, thing in self.state.items()}
            return {**marks, **{name: zlib.crc32(array.tobytes()) for name, array in arrays.items()}}

        before = fingerprints()
        self._sampled()
        if changed := [name for name, mark in fingerprints().items() if mark != before.get(name)]:
            raise RuntimeError(f"sample() changed {', '.join(changed)}, but must leave the training as it is: batch "
                               "norm in train() mode moves its averages, and eval() wants a train() after it")

    def _state_dicts(self):
        return {name: thing.state_dict() for name, thing in self.state.items()}

    def _save(self, step):
        about = {**self.about, "step": step, "rng": rng.state_dict()}
        tree, arrays = checkpoint.flatten({"run": about, **self._state_dicts()})
        for name, array in arrays.items():  # a loss may be finite and its gradient not
            if not np.isfinite(array).all():
                self._fail(step, f"{name} is not finite")
        checkpoint.write(self.out / CHECKPOINT, tree, arrays)
        self.saved = step

    def _fail(self, step, what):
        kept = f"the last good checkpoint is {self.out / CHECKPOINT}, of step {self.saved}"
        sys.exit(f"step {step}: {what}; training stops; {kept if self.saved is not None else 'there is no checkpoint'}")

    # ---- before the first step and after the last

    def _lock(self, at_end):
        """Hold the run directory, where the system can: two processes that trained in one would mix their files."""
        self.out.mkdir(parents=True, exist_ok=True)
        if os.name == "posix":
            import fcntl

            folder = os.open(self.out, os.O_RDONLY)
            at_end.callback(os.close, folder)  # and with it the lock, as does the end of the process, however it comes
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sys.exit(f"another process is training in {self.out}: stop it, or choose another --out")

    def _note_signal(self, number, frame):
        """The first SIGINT or SIGTERM asks for an end after the current step; the second ends the process at once."""
        self.signal = number
        signal.signal(number, signal.SIG_DFL)
        os.write(2, b"\nstopping after this step; once more stops at once\n")  # print() is not reentrant

    def _open(self):
        """Take up the checkpoint, if any, and clear away what was written after it -> the step to go on from."""
        if self.args.resumed is not None:
            self._restore(self.args.resumed)
        kept = -1 if self.saved is None else self.saved
        for leftover in [*self.out.glob(".*.part"), *self.out.glob("samples/.*.part")]:  # of a killed process
            leftover.unlink()
        for step, picture in self._pictures():
            if step > kept:
                picture.unlink()
        with whole_file(self.out / CONFIG) as file:
            file.write(json.dumps(self.args.config, indent=2).encode() + b"\n")
        self._cut_log(kept)
        return self.saved or 0

    def _pictures(self):
        """[(step, path)] of samples/step-*.png, in order of the steps."""
        paths = [path for path in self.out.glob("samples/step-*.png") if path.stem[5:].isdecimal()]
        return sorted((int(path.stem[5:]), path) for path in paths)

    def _restore(self, resumed):
        about, names = resumed["run"], {"run", *self.state}
        try:
            if set(resumed) != names:
                raise ValueError(f"it holds {sorted(resumed)}, expected {sorted(names)}")
            if about["architecture"] != self.about["architecture"]:
                raise ValueError(f"its architecture is {about['architecture']}, expected {self.about['architecture']}")
            for name, thing in self.state.items():
                thing.load_state_dict(resumed[name])
            rng.load_state_dict(about["rng"])
        except (ValueError, TypeError, KeyError) as error:
            raise SystemExit(f"checkpoint {self.out / CHECKPOINT} does not fit this training: {error}") from error
        self.saved = about["step"]

    def _cut_log(self, step):
        """Keep the header and the rows up to this step; a row that a kill tore has no end of line."""
        path = self.out / LOG
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() and step >= 0 else []
        rows = [line for line in lines[1:] if line.endswith("\n") and (number := line.split(",")[0]).isdecimal()
                and int(number) <= step]
        with whole_file(path) as file:
            file.write("".join(lines[:1] + rows if rows else []).encode())
        self.columns = lines[0].strip().split(",") if rows else None

    def _draw_training(self):
        """training.gif from the samples, losses.png from the log."""
        from matplotlib.figure import Figure  # a second to import, so not before it is needed

        images.save_gif(self.out / "training.gif", [path for _, path in self._pictures()])
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
