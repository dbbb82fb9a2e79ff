"""What training scripts share: the run directory, and a loop that can stop anywhere and go on.

    args = command_line.parse(command_line.parser("dcgan", __doc__, steps=4000))
    ...                                                      # data, networks, optimisers
    session = run.Run(args, state={"generator": G, ...}, architecture=architecture, sample=sample)
    for step in session:
        ...                                                  # the paper's algorithm, one step of it
        session.log(d_loss=d_loss, g_loss=g_loss)

The one idea: whatever training changes is named in `state`; between two steps that, the number of
the step and the random generator are all there is. So a checkpoint of these, wherever it is
taken, continues to the same bits; and logging, drawing and stopping, which happen between steps
only, leave no trace in them.

The run directory holds config.json, all that is needed to repeat the run, log.csv,
samples/step-*.png, samples.png, the newest, checkpoint.npz and, when training ends, training.gif
and losses.png.
"""

import contextlib
import errno
import json
import os
import re
import shlex
import sys
import time
import zlib
from pathlib import Path

import numpy as np

from .. import engine, rng
from ..data import images
from ..files import clear_parts, messages, regular_file, whole_file
from ..files.foreign import check_names, check_whole, in_one_line, shown
from . import checkpoint, run_log
from .interrupts import Interrupts

CONFIG, CHECKPOINT, LOG = "config.json", "checkpoint.npz", "log.csv"
WRITTEN = (
    CONFIG,
    LOG,
    "samples.png",
    "samples",
    "training.gif",
    "losses.png",
)  # what a run writes beside
PART = re.compile(  # the name of a file that a killed run was writing: see files.whole_file
    r"\.(config\.json|checkpoint\.npz|log\.csv|samples\.png|step-[0-9]+\.png|training\.gif|losses\.png)"
    r"\.[-0-9a-z]+\.part"
)


def fingerprint(thing):
    """What tells whether a network, an optimiser or the like was changed, or left in another
    mode, as by eval().
    """
    tree, arrays = checkpoint.flatten(thing.state_dict())
    return (
        str(tree),
        [zlib.crc32(array.tobytes()) for array in arrays.values()],
        getattr(thing, "training", None),
    )


def _check_restored(name, state, restored):
    """Raise ValueError unless what was taken up, saved again, would be what the checkpoint holds.

    So no value is converted, dropped or replaced in silence, whatever kind of thing takes it up.
    """
    leaves = dict(checkpoint.leaves(restored))
    for path, value in checkpoint.leaves(state):
        where = "/".join(map(str, (name, *path)))
        if path not in leaves:
            raise ValueError(f"its {where[:100]} has no place in this training")
        if not checkpoint.same_leaf(value, leaves[path]):
            raise ValueError(
                f"its {where[:100]} is {shown(value)}, which was taken up as {shown(leaves[path])}"
            )


def _kinds(state):
    """{path: type} of a state's leaves, in which True is not 1."""
    return {path: type(leaf) for path, leaf in checkpoint.leaves(state)}


def networks_digest(about):
    """The SHA-256 of the networks of one's own that a checkpoint was trained with, or None for
    minigan's.

    about: what the checkpoint says of itself, its "run". A hash is all that it may say of a file:
    no path in it is ever opened, and no code that it names is run. Raises ValueError.
    """
    networks = about.get("networks")
    if networks is None:
        return None
    digest = networks.get("sha256") if isinstance(networks, dict) else None
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError(
            f"its networks is {shown(networks)}, expected None or the SHA-256 of their file"
        )
    return digest


def read_checkpoint(folder):
    """The state in a run's checkpoint. Exits with one sentence where the file is damaged."""
    try:
        return checkpoint.load(Path(folder, CHECKPOINT))
    except (ValueError, OSError, MemoryError) as error:
        refuse_checkpoint(folder, error)


def refuse_checkpoint(folder, error):
    """Exit with one sentence: nothing of the run was touched."""
    sys.exit(f"cannot go on from the checkpoint in {folder}: {in_one_line(error)}")


class Run:
    """The steps still to do: ``for step in session`` counts from the checkpoint's step + 1, or 1,
    to ``--steps``.

    args: what command_line.parse returned. state: {name: object with state_dict() and
    load_state_dict()} of all that training changes: networks, averages, optimisers, schedules,
    batches; minigan's random generator is added here under the name "run". sample: a function
    that gives images (N, C, H, W) in [-1, 1], always from the same latents, and changes nothing.
    For sample.py the checkpoint keeps architecture, the arguments that make the networks anew,
    and sampling, how sample draws, as {"batch_statistics": "running"}.

    Ctrl-C, SIGTERM or SIGHUP ends the loop after the current step with a checkpoint and
    SystemExit 128 + the signal's number; a loss, weight or sample that is not finite ends it with
    SystemExit 1 and leaves the checkpoint before. So does a file that the system refuses, with a
    checkpoint of that step where it takes one.
    """

    def __init__(self, args, *, state, architecture, sample, sampling=None):
        self.args, self.state, self.sample, self.out = args, state, sample, Path(args.out)
        networks = {"sha256": args.networks_sha256} if args.networks else None
        self.about = {
            "model": args.model,
            "architecture": architecture,
            "sampling": sampling,
            "networks": networks,
        }
        self.losses = {}  # name -> number or 0-d tensor of the latest step: reading it would wait for the GPU
        self.header = None  # of log.csv, once it has a row
        self.saved = -1  # the step of the newest checkpoint

    def __iter__(self):
        args = self.args
        with contextlib.ExitStack() as at_end:
            self.interrupts = at_end.enter_context(Interrupts())
            try:
                self._lock(at_end)
                step = self._open()
            except (OSError, ValueError) as error:
                self._refuse(error)
            if step == 0:
                self._draw_first_samples()
            self.bar = at_end.enter_context(self._progress_bar(step))
            self.logged = step, time.perf_counter()
            while step < args.steps and not self.interrupts.signal:
                step += 1
                yield step
                self._keep(step)
            if step != self.saved:  # stopped by a signal
                self._read_losses(step)
                self._save_or_fail(step)
            if step == args.steps:
                self._draw_training()
        stopped_by = self.interrupts.signal
        if step == args.steps:
            messages.say(f"all {step} steps are done; see {self.out / 'samples.png'}")
            if (
                stopped_by
            ):  # in the last step: a script's evaluation would keep whoever wants an end waiting
                sys.exit(128 + stopped_by)
            return
        networks = ["--networks", args.networks] if args.networks else []
        resume = shlex.join([sys.executable, sys.argv[0], "--resume", "--out", args.out, *networks])
        messages.say(
            f"stopped after step {step} of {args.steps}, kept in {self.out / CHECKPOINT}; to go on:\n{resume}"
        )
        sys.exit(128 + stopped_by)

    def log(self, **losses):
        """Note this step's losses, numbers or 0-d tensors: read every --log-every steps and
        before each checkpoint.
        """
        for name, loss in losses.items():
            self.losses[name] = (
                loss.detach() if hasattr(loss, "detach") else loss
            )  # let go of its graph

    def _progress_bar(self, step):
        """A bar on a terminal, and nothing elsewhere."""
        from tqdm import tqdm

        class Bar(tqdm):
            monitor_interval = (
                0  # no thread of its own, which would only redraw a bar that stands still
            )

        shown = not self.args.quiet and messages.is_terminal(sys.stdout)
        return Bar(
            total=self.args.steps,
            initial=step,
            unit="step",
            dynamic_ncols=True,
            file=sys.stdout,
            disable=not shown,
        )

    # ---- between two steps

    def _keep(self, step):
        """All that is due after this step."""
        args = self.args
        log, draw, save = (
            step == args.steps or step % every == 0
            for every in (args.log_every, args.sample_every, args.checkpoint_every)
        )
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

    def _end_with_checkpoint(self, step, error):
        """The system refused a row or a picture: keep this step, if it takes at least that, and
        end.
        """
        if self.saved != step:
            with contextlib.suppress(OSError):  # the reason is the same, and is said
                self._save(step)
        self._fail(step, f"cannot write: {messages.reason(error)}")

    def _save_or_fail(self, step):
        try:
            self._save(step)
        except OSError as error:
            self._fail(step, f"cannot write: {messages.reason(error)}")

    def _read_losses(self, step):
        losses = {
            name: loss.item() if hasattr(loss, "item") else loss
            for name, loss in self.losses.items()
        }
        for name, loss in losses.items():
            if not np.isfinite(loss):
                self._fail(step, f"{name} is {loss}")
        return losses

    def _write_row(self, step, losses):
        if not losses:
            raise RuntimeError(f"step {step} ended without session.log(...)")
        before, then = self.logged
        self.logged = step, time.perf_counter()
        rate = (step - before) * self.args.batch_size / (self.logged[1] - then)
        header = ",".join(["step", *losses, "images_per_second"])
        if self.header not in (None, header):
            raise ValueError(
                f"{self.out / LOG} has the columns {self.header}, but step {step} logged {header}"
            )
        numbers = [str(step), *(f"{loss:.9g}" for loss in losses.values()), f"{rate:.1f}"]
        row = ",".join(numbers) + "\n"
        run_log.append(self.out / LOG, row if self.header else f"{header}\n{row}")
        self.header = header
        shown = (
            "  ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
            + f"  {rate:.0f} images/s"
        )
        self.bar.set_postfix_str(shown)
        if self.bar.disable and not self.args.quiet:
            messages.say(f"step {step}/{self.args.steps}  {shown}")

    def _draw_samples(self, step):
        """Draw, and put the random generator back: noise that sample() draws must not shift the
        training's.
        """
        before = {name: fingerprint(thing) for name, thing in self.state.items() if step == 0}
        random = rng.state_dict()
        with engine.no_grad():
            pictures = np.asarray(self.sample())
        rng.load_state_dict(random)
        if changed := [
            name for name, mark in before.items() if mark != fingerprint(self.state[name])
        ]:
            raise RuntimeError(
                f"sample() changed {', '.join(changed)}, but must leave the training as it is: batch "
                "norm in train() mode moves its averages, and eval() wants a train() after it"
            )
        if not np.isfinite(pictures).all():
            self._fail(step, "a sampled image is not finite")
        grid = images.make_grid(pictures)
        for name in (f"samples/step-{step:06d}.png", "samples.png"):
            images.save_png(self.out / name, grid)

    def _save(self, step):
        state = {
            "run": {**self.about, "step": step, "rng": rng.state_dict()},
            **{name: thing.state_dict() for name, thing in self.state.items()},
        }
        tree, arrays = checkpoint.flatten(state)
        if name := checkpoint.first_not_finite(
            tree, arrays
        ):  # a loss can be finite, its gradient not
            self._fail(step, f"{name} is not finite")
        checkpoint.write(self.out / CHECKPOINT, tree, arrays)
        self.saved = step

    def _fail(self, step, what):
        kept = "there is no checkpoint"
        if self.saved >= 0:
            kept = f"the last good checkpoint is {self.out / CHECKPOINT}, of step {self.saved}"
        sys.exit(messages.printable(f"step {step}: {what}; training stops; {kept}"))

    # ---- before the first step and after the last

    def _refuse(self, error):
        sys.exit(
            messages.printable(f"cannot keep a run in --out {self.out}: {messages.reason(error)}")
        )

    def _draw_first_samples(self):
        try:
            self._draw_samples(0)
        except OSError as error:
            self._refuse(error)

    def _check_places(self):
        """Raise OSError where a folder or the like has a name that a picture or the folder of
        pictures will need.
        """
        (self.out / "samples").mkdir(exist_ok=True)
        for path in (
            self.out / "samples.png",
            *(path for step, path in self._pictures() if step > self.saved),
        ):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))

    def _lock(self, at_end):
        """Hold the run directory, where the system can: two processes that trained in one would
        mix their files.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        if os.name == "posix":
            import fcntl

            folder = os.open(self.out, os.O_RDONLY)
            at_end.callback(
                os.close, folder
            )  # and with it the lock, as does the end of the process, however it comes
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sys.exit(
                    f"another process is training in {self.out}: stop it, or choose another --out"
                )

    def _open(self):
        """Take up the checkpoint, if any, and clear away what was written after it -> the step to
        go on from.
        """
        args = self.args
        if os.path.lexists(
            self.out / CHECKPOINT
        ):  # a broken link too: what it should lead to is not replaced
            self._restore()
            if self.saved >= args.steps:
                self._finish()
            if not args.quiet:
                messages.say(f"going on from step {self.saved} of {args.steps}")
        elif args.resume:
            messages.say(f"there is no checkpoint in {args.out}: starting from step 0")
        self._check_places()
        header, rows, others = run_log.read(self.out / LOG)
        self._clear_parts()
        for step, picture in self._pictures():
            if step > self.saved:
                picture.unlink()
        log = self.out / LOG
        if others:
            messages.warn(f"{log}: {others} lines that are no rows are left out")
        rows = [line for step, line in rows if step <= self.saved]
        self.header = header if rows else None
        text = "".join([f"{header}\n", *rows]) if rows else ""
        for path, content in (
            (self.out / CONFIG, json.dumps(args.config, indent=2) + "\n"),
            (log, text),
        ):
            with whole_file(path) as file:
                file.write(content.encode())
        return max(self.saved, 0)

    def _finish(self):
        """There are no steps left to do: draw what a kill after the last one left undrawn, and
        end.
        """
        made, what = (self.out / CHECKPOINT).stat().st_mtime_ns, "nothing to do, nothing changed"
        pictures = self.out / "training.gif", self.out / "losses.png"
        if not all(path.exists() and path.stat().st_mtime_ns >= made for path in pictures):
            self._clear_parts()
            drawn = self._draw_training()
            what = "training.gif and losses.png were still to be drawn"
            if not drawn:
                what = "training.gif and losses.png could not all be drawn"
        messages.say(
            f"{self.args.out} is already at step {self.saved} of {self.args.steps}: {what}"
        )
        sys.exit(128 + self.interrupts.signal if self.interrupts.signal else 0)

    def _clear_parts(self):
        """Delete what a killed process was writing, by names that only a run's files have."""
        for leftover in [*self.out.glob(".*.part"), *self.out.glob("samples/.*.part")]:
            name = PART.fullmatch(leftover.name)
            if name:
                clear_parts(leftover.with_name(name[1]))

    def _restore(self):
        """Take up the checkpoint; exits with one sentence where it is damaged or of another
        training.
        """
        resumed = read_checkpoint(self.out)
        try:
            self._compare_with(resumed)
            for name, thing in self.state.items():
                thing.load_state_dict(resumed[name])
                _check_restored(name, resumed[name], thing.state_dict())
            rng.load_state_dict(resumed["run"]["rng"])
        except Exception as error:  # whatever the values of a foreign or hostile file may raise
            refuse_checkpoint(self.out, error)
        self.saved = resumed["run"]["step"]

    def _compare_with(self, resumed):
        """Raise ValueError where a checkpoint is of another training, or holds what no training
        writes.
        """
        expected = sorted(["run", *self.state])
        found = sorted(map(str, resumed)) if isinstance(resumed, dict) else resumed
        if found != expected:
            raise ValueError(f"it holds {shown(found)}, expected {expected}")
        about = resumed["run"]
        check_names("its run", about, {*self.about, "step", "rng"})
        if networks_digest(about) != networks_digest(self.about):
            raise ValueError(
                f"its networks is {shown(about['networks'])}, expected {self.about['networks']}"
            )
        for name in ("model", "architecture", "sampling"):
            if about[name] != self.about[name] or _kinds(about[name]) != _kinds(self.about[name]):
                text = about[name] if isinstance(about[name], str) else shown(about[name])
                raise ValueError(f"its {name} is {text[:100]}, expected {self.about[name]}")
        check_whole("its step", about["step"])
        if name := checkpoint.first_not_finite(*checkpoint.flatten(resumed)):
            raise ValueError(f"its {name} is not finite")

    def _pictures(self):
        """[(step, path)] of samples/step-*.png, in order of the steps."""
        paths = [path for path in self.out.glob("samples/step-*.png") if path.stem[5:].isdecimal()]
        return sorted((int(path.stem[5:]), path) for path in paths)

    def _draw_training(self):
        """training.gif from the samples, losses.png from the log -> whether both could be drawn.

        The training is complete and kept before this begins, so nothing here may make it fail.
        """
        gif = self._draw(
            "training.gif", lambda path: images.save_gif(path, self._readable_pictures())
        )
        plot = self._draw(
            "losses.png", lambda path: run_log.draw(self.out / LOG, path, self.args.model)
        )
        return gif and plot

    def _draw(self, name, draw):
        """Call draw(path) -> True, or False after a line on why it did not work."""
        try:
            draw(self.out / name)
            return True
        except Exception as error:  # whatever Matplotlib, its cache or a damaged picture may raise
            messages.warn(f"{name} could not be drawn: {messages.reason(error)}")
            return False

    def _readable_pictures(self):
        """The pictures of samples/ as grids, one at a time, without those that cannot be read,
        which are named.
        """
        for _, path in self._pictures():
            try:
                grid = images.make_grid(
                    images.read_image(regular_file(path))[None], padding=0, scale=1
                )
            except (ValueError, OSError) as error:
                messages.warn(f"training.gif goes on without a picture: {messages.reason(error)}")
                continue
            yield grid
