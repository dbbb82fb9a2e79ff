"""The run of a training: its directory, and a loop that can stop anywhere and go on.

    session = Run("runs/mine", model="mine", steps=4000, state={"generator": G, ...}, sample=sample)
    for step in session:
        ...                                                  # the paper's algorithm, one step of it
        session.log(d_loss=d_loss, g_loss=g_loss)

`state` names everything that training changes. Between two steps, this state, the number
of the step and the random generator are all that the next steps depend on. So a checkpoint of these
three, taken after any step, continues to the same bits. Logging, drawing and stopping happen only
between steps, and leave no trace in the bits.

The run directory holds config.json (all that is needed to repeat the run), log.csv,
samples/step-*.png, samples.png (the newest), checkpoint.npz and, when training ends, training.gif
and losses.png.
"""

import contextlib
import json
import shlex
import sys
import time
from pathlib import Path

import numpy as np

from .. import rng
from ..data import images
from ..files import messages, whole_file
from ..grad_modes import no_grad
from . import checkpoint, history, run_folder, run_log, run_pictures
from .interrupts import Interrupts
from .overrides import check_same_networks, real_changes, take_up
from .resuming import check_same_training, fingerprint, load_or_exit, refuse_checkpoint
from .run_config import described, option, read_config
from .run_folder import CHECKPOINT, CONFIG, LOG


class Run:
    """A run: ``for step in run`` counts its steps, from 1, or after the checkpoint's.

    training.session() and training.begin() make one from a script's arguments. The scripts call it
    their session.

    out: the run directory. model: a short name. steps: how many in all, also with resume. state:
    {name: object with state_dict() and load_state_dict()} of all that training changes: networks,
    averages, optimisers, schedules, batches; minigan's random generator is added here under the
    name "run". sample: a function that returns images (N, C, H, W) in [-1, 1], always from the same
    latents, and changes nothing.

    log_every, sample_every, checkpoint_every: steps. batch_size: images a step, for the log.
    resume: go on from the checkpoint in out, if there is one. Without resume, a directory that
    holds a checkpoint is refused. quiet: print only errors and the last line.

    arguments: {name: value}, which config.json keeps. overrides: {name: {"from": value, "to":
    value}} of the arguments that change with this resume: config.json notes them with the step, and
    optimisers and schedules keep the settings that they have. architecture: the networks'
    arguments, and sampling: how sample() draws, as {"batch_statistics": "running"}; the checkpoint
    keeps both, and sample.py builds the networks from them. networks: the file of a user's own
    networks and its SHA-256, a pair.

    Ctrl-C, SIGTERM or SIGHUP ends the loop after the current step, with a checkpoint and SystemExit
    128 + the signal's number. A loss, weight or sample that is not finite ends it with SystemExit 1
    and keeps the checkpoint before. A file that the system refuses to write ends it too, with a
    checkpoint of that step if that can be written.
    """

    def __init__(
        self,
        out,
        *,
        model,
        steps,
        state,
        sample,
        log_every=50,
        sample_every=100,
        checkpoint_every=500,
        batch_size=1,
        resume=False,
        quiet=False,
        arguments=None,
        overrides=None,
        architecture=None,
        sampling=None,
        networks=None,
    ):
        self.out = Path(out)
        self.steps = steps
        self.state = state
        self.sample = sample
        self.log_every = log_every
        self.sample_every = sample_every
        self.checkpoint_every = checkpoint_every
        self.batch_size = batch_size
        self.resume = resume
        self.quiet = quiet
        self.config = described(model, arguments or {})
        self.overrides = overrides or {}
        self.networks_file, digest = networks or (None, None)
        # The checkpoint's entry "run" is this, the step and the state of the random generator.
        networks_hash = {"sha256": digest} if digest else None
        self.about = dict(model=model, architecture=architecture, sampling=sampling)
        self.about["networks"] = networks_hash
        self.losses = {}  # name -> number or 0-d tensor of the latest step; reading waits for a GPU
        self.header = None  # of log.csv, once it has a row
        self.saved = -1  # the step of the newest checkpoint

    def __iter__(self):
        with contextlib.ExitStack() as at_end:
            self.interrupts = at_end.enter_context(Interrupts())
            # What is not finite is found when it is read: NumPy's own warnings add nothing.
            at_end.enter_context(np.errstate(over="ignore", invalid="ignore", divide="ignore"))
            try:
                run_folder.lock(self.out, at_end)
                step = self._prepare_folder()
            except (OSError, ValueError) as error:
                self._refuse(error)
            if step == 0:
                self._draw_first_samples()
            self.bar = at_end.enter_context(self._progress_bar(step))
            self.logged = step, time.perf_counter()
            while step < self.steps and not self.interrupts.signal:
                step += 1
                yield step
                self._after_step(step)
            if step != self.saved:  # stopped by a signal
                self._read_losses(step)
                self._save_or_fail(step)
            if step == self.steps:
                run_pictures.draw(self.out, self.about["model"])
        self._say_farewell(step)

    def log(self, **losses):
        """Note this step's losses: numbers, or 0-d tensors.

        Tensors are read every log_every steps and before each checkpoint, because reading waits for
        a GPU.
        """
        for name, loss in losses.items():
            if hasattr(loss, "detach"):
                loss = loss.detach()  # let go of its graph
            self.losses[name] = loss

    def _progress_bar(self, step):
        """A bar on a terminal, and nothing elsewhere."""
        from tqdm import tqdm

        class Bar(tqdm):
            monitor_interval = 0  # no thread, which would only redraw a bar that stands still

        shown = not self.quiet and messages.is_terminal(sys.stdout)
        return Bar(
            total=self.steps,
            initial=step,
            unit="step",
            dynamic_ncols=True,
            file=sys.stdout,
            disable=not shown,
        )

    # ---- between two steps

    def _after_step(self, step):
        """Write a row of the log, a picture and a checkpoint, whichever are due."""
        log = self._is_due(step, self.log_every)
        draw = self._is_due(step, self.sample_every)
        save = self._is_due(step, self.checkpoint_every)
        if log or draw or save:
            losses = self._read_losses(step)
        try:
            if log:
                self._write_row(step, losses)
            self.bar.update()
            if draw:
                self._draw_samples(step)
        except OSError as error:
            self._end_with_checkpoint(step, error)
        if save:
            self._save_or_fail(step)

    def _is_due(self, step, every):
        return step == self.steps or step % every == 0

    def _end_with_checkpoint(self, step, error):
        """A row or a picture could not be written: try to save a checkpoint, and end."""
        if self.saved != step:
            with contextlib.suppress(OSError):  # for the same reason, which is said below
                self._save(step)
        self._fail(step, f"cannot write: {messages.reason(error)}")

    def _save_or_fail(self, step):
        try:
            self._save(step)
        except OSError as error:
            self._fail(step, f"cannot write: {messages.reason(error)}")

    def _read_losses(self, step):
        """{name: number} of the latest step's losses."""
        losses = {}
        for name, loss in self.losses.items():
            losses[name] = loss.item() if hasattr(loss, "item") else loss
            if not np.isfinite(losses[name]):
                self._fail(step, f"{name} is {losses[name]}")
        return losses

    def _write_row(self, step, losses):
        """Add a row to log.csv, and show it."""
        if not losses:
            raise RuntimeError(f"step {step} ended without session.log(...)")
        before, then = self.logged
        now = time.perf_counter()
        self.logged = step, now
        rate = (step - before) * self.batch_size / (now - then)
        header = ",".join(["step", *losses, "images_per_second"])
        if self.header not in (None, header):
            raise ValueError(
                f"{self.out / LOG} has the columns {self.header}, but step {step} logged {header}"
            )
        numbers = [str(step), *(f"{loss:.9g}" for loss in losses.values()), f"{rate:.1f}"]
        row = ",".join(numbers) + "\n"
        run_log.append(self.out / LOG, row if self.header else f"{header}\n{row}")
        self.header = header
        shown = "  ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
        shown += f"  {rate:.0f} images/s"
        self.bar.set_postfix_str(shown)
        if self.bar.disable and not self.quiet:
            messages.say(f"step {step}/{self.steps}  {shown}")

    def _draw_samples(self, step):
        """Draw samples, and put the random generator back.

        Otherwise the random numbers that sample() draws would shift the training's.
        """
        before = {}
        if step == 0:
            before = {name: fingerprint(thing) for name, thing in self.state.items()}
        random = rng.state_dict()
        with no_grad():
            pictures = np.asarray(self.sample())
        rng.load_state_dict(random)
        changed = [name for name, mark in before.items() if mark != fingerprint(self.state[name])]
        if changed:
            raise RuntimeError(
                f"sample() changed {', '.join(changed)}, but must leave the training as it is: "
                "batch norm in train() mode moves its averages, and eval() wants a train() after it"
            )
        if not np.isfinite(pictures).all():
            self._fail(step, "a sampled image is not finite")
        grid = images.make_grid(pictures)
        for name in (f"samples/step-{step:06d}.png", "samples.png"):
            images.save_png(self.out / name, grid)

    def _save(self, step):
        """Write the checkpoint of this step."""
        state = {"run": {**self.about, "step": step, "rng": rng.state_dict()}}
        for name, thing in self.state.items():
            state[name] = thing.state_dict()
        tree, arrays = checkpoint.flatten(state)
        name = checkpoint.first_not_finite(tree, arrays)
        if name:  # a loss can be finite while its gradient is not
            self._fail(step, f"{name} is not finite")
        checkpoint.write(self.out / CHECKPOINT, tree, arrays)
        self.saved = step

    def _fail(self, step, what):
        kept = "there is no checkpoint"
        if self.saved >= 0:
            kept = f"the last good checkpoint is {self.out / CHECKPOINT}, of step {self.saved}"
        sys.exit(messages.printable(f"step {step}: {what}; training stops; {kept}"))

    # ---- before the first step

    def _refuse(self, error):
        why = messages.reason(error)
        sys.exit(messages.printable(f"cannot keep a run in --out {self.out}: {why}"))

    def _draw_first_samples(self):
        try:
            self._draw_samples(0)
        except OSError as error:
            self._refuse(error)

    def _prepare_folder(self):
        """Bring state and folder to the checkpoint's step, or to step 0 -> that step.

        The checkpoint is loaded, if there is one. What was written after it is deleted: pictures,
        rows of log.csv, unfinished files. config.json is written anew. Exits with one sentence if
        the checkpoint is damaged, and with status 0 if no steps are left to do.
        """
        if run_folder.has_checkpoint(self.out):
            if not self.resume:
                raise FileExistsError(
                    f"{self.out} holds a {CHECKPOINT}: go on with resume=True, or choose another "
                    "directory"
                )
            self._restore()
            if self.saved >= self.steps:
                self._finish()
            if not self.quiet:
                self._say_how_it_goes_on()
        elif self.resume:
            messages.say(f"there is no checkpoint in {self.out}: starting from step 0")
        run_folder.check_places(self.out, self.saved)
        run_folder.delete_parts(self.out)
        log = self._log_up_to_here()
        run_folder.delete_pictures(self.out, self.saved)
        config = json.dumps(self.config, indent=2) + "\n"
        for name, text in ((CONFIG, config), (LOG, log)):
            with whole_file(self.out / name) as file:
                file.write(text.encode())
        return max(self.saved, 0)

    def _say_how_it_goes_on(self):
        messages.say(f"going on from step {self.saved} of {self.steps}")
        for name, change in self.overrides.items():
            messages.say(f"from here on: {option(name)} {change['to']}, before: {change['from']}")
        moves = [move for move in self.config.get("devices", []) if move["step"] == self.saved]
        if moves:
            before = moves[-1]["from"]
            messages.say(f"until here on device {before}, whose bits may differ from here on")

    def _log_up_to_here(self):
        """The text of log.csv without the rows of steps after the checkpoint's."""
        path = self.out / LOG
        header, rows, others = run_log.read(path)
        if others:
            messages.warn(f"{path}: {others} lines that are not rows are left out")
        lines = [line for step, line in rows if step <= self.saved]
        if not lines:
            return ""
        self.header = header
        return "".join([f"{header}\n", *lines])

    def _restore(self):
        """Load the checkpoint, and continue the history in config.json.

        Exits with one sentence if the checkpoint is damaged or foreign.
        """
        path = self.out / CONFIG
        earlier = read_config(path) if path.exists() else {}
        resumed = load_or_exit(self.out)
        try:
            check_same_networks(self.overrides, resumed, self.about)
            check_same_training(resumed, self.about, self.state)
            self.saved = resumed["run"]["step"]
            overridden = {*self.overrides, *history.pending(earlier, self.saved)}
            has_other_images = take_up(self.state, resumed, overridden)
            rng.load_state_dict(resumed["run"]["rng"])
        except Exception as error:  # values of a foreign or hostile file may raise anything
            refuse_checkpoint(self.out, error)
        self.overrides = real_changes(self.overrides, has_other_images)
        self.config = history.continued(self.config, earlier, self.saved, self.overrides)

    # ---- after the last step

    def _say_farewell(self, step):
        """All steps are done, or a signal has stopped the training: then this exits."""
        stopped_by = self.interrupts.signal
        if step == self.steps:
            messages.say(f"all {step} steps are done; see {self.out / 'samples.png'}")
            if stopped_by:  # during the last step: skip the evaluation that would follow
                sys.exit(128 + stopped_by)
            return
        command = [sys.executable, sys.argv[0], "--resume", "--out", str(self.out)]
        if self.networks_file:
            command += ["--networks", self.networks_file]
        messages.say(
            f"stopped after step {step} of {self.steps}, kept in {self.out / CHECKPOINT}; to go "
            f"on:\n{shlex.join(command)}"
        )
        sys.exit(128 + stopped_by)

    def _finish(self):
        """No steps are left to do: draw what a killed process left undrawn, and end."""
        what = "nothing to do, nothing changed"
        if not run_pictures.are_drawn(self.out):
            run_folder.delete_parts(self.out)
            what = "training.gif and losses.png were still to be drawn"
            if not run_pictures.draw(self.out, self.about["model"]):
                what = "training.gif and losses.png could not all be drawn"
        messages.say(f"{self.out} is already at step {self.saved} of {self.steps}: {what}")
        sys.exit(128 + self.interrupts.signal if self.interrupts.signal else 0)
