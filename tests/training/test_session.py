"""The session itself: which losses are read when, what samples may do, and how training ends."""

import os
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
from toy_run import ROOT, Weights, environment, exit_of, rows, session

import minigan as mg
from minigan.training import run_pictures

# ---- what is not finite


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), np.float32("-inf"), mg.tensor(float("nan"))]
)
def test_a_loss_that_is_not_finite_ends_training_and_keeps_the_checkpoint(tmp_path, value):
    def these_steps():
        these = session(tmp_path, "--log-every", 2, "--checkpoint-every", 2)
        for step in these:
            these.log(d_loss=1.0, g_loss=1.0 if step < 3 else value)
            yield step

    number = float(value.item()) if hasattr(value, "item") else value
    assert exit_of(these_steps()) == (
        f"step 4: g_loss is {number}; training stops; the last good checkpoint is "
        f"{tmp_path / 'checkpoint.npz'}, of step 2"
    )
    assert mg.load(tmp_path / "checkpoint.npz")["run"]["step"] == 2
    assert [row[0] for row in rows(tmp_path)] == ["step", "2"]


def test_a_weight_that_is_not_finite_is_never_saved(tmp_path):
    weights = Weights()

    def these_steps():
        these = session(tmp_path, "--checkpoint-every", 2, state={"weights": weights})
        for step in these:
            these.log(loss=0.0)
            weights.w[0, 0, 0, 0] = np.nan if step == 3 else 1
            weights.w[0, 0, 0, 1] = np.nan if step >= 3 else 1
            yield step

    said = exit_of(these_steps())
    assert said.startswith("step 4: weights/w is not finite; training stops; the last good ")
    assert np.isfinite(mg.load(tmp_path / "checkpoint.npz")["weights"]["w"]).all()


def test_a_sample_that_is_not_finite_ends_training(tmp_path):
    these = session(tmp_path, sample=lambda: np.full((1, 1, 8, 8), np.nan))
    assert exit_of(these) == (
        "step 0: a sampled image is not finite; training stops; there is no checkpoint"
    )


# ---- losses


class OnTheGpu:
    """A loss that counts how often it is read, and whose graph is let go by detach()."""

    reads = []

    def __init__(self, step, detached=False):
        self.step = step
        self.detached = detached

    def detach(self):
        return OnTheGpu(self.step, detached=True)

    def item(self):
        assert self.detached
        self.reads.append(self.step)
        return 0.5


def test_losses_are_read_only_when_due(tmp_path):
    OnTheGpu.reads.clear()
    every = "--log-every", 4, "--sample-every", 100, "--checkpoint-every", 3
    these = session(tmp_path, *every, steps=10)
    for step in these:
        these.log(loss=OnTheGpu(step))
    assert OnTheGpu.reads == [3, 4, 6, 8, 9, 10]


def test_a_session_without_losses_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match=r"step 4 ended without session.log\(...\)"):
        list(session(tmp_path))


def test_losses_that_change_their_names_are_refused(tmp_path):
    these = session(tmp_path, "--log-every", 1)
    sentence = "the columns step,a,images_per_second, but step 3 logged step,a,b,"
    with pytest.raises(ValueError, match=sentence):
        for step in these:
            losses = {"a": 1} if step < 3 else {"b": 1}
            these.log(**losses)


# ---- samples


def test_samples_leave_the_random_numbers_as_they_were(tmp_path):
    def sample():
        return np.tanh(mg.randn(1, 1, 8, 8).numpy())

    these = session(tmp_path, "--sample-every", 1, sample=sample)
    drawn = []
    for _ in these:
        drawn.append(mg.randn(3).numpy())
        these.log(loss=0)
    mg.manual_seed(0)
    np.testing.assert_array_equal(drawn, [mg.randn(3).numpy() for _ in range(4)])


def test_samples_record_no_graph(tmp_path):
    w = mg.tensor(np.zeros((1, 1, 8, 8)), requires_grad=True)
    seen = []

    def sample():
        seen.append((w * 2).requires_grad)
        return w * 2

    these = session(tmp_path, sample=sample)
    for _ in these:
        these.log(loss=0)
    assert seen
    assert not any(seen)


def change_a_number(weights):
    weights.w[0] = 2


def change_the_mode(weights):
    weights.training = False


@pytest.mark.parametrize("change", [change_a_number, change_the_mode])
def test_a_sample_that_changes_the_training_is_refused(tmp_path, change):
    weights = Weights()

    def sample():
        change(weights)
        return np.zeros((1, 1, 8, 8))

    with pytest.raises(RuntimeError, match=r"sample\(\) changed weights"):
        next(iter(session(tmp_path, state={"weights": weights}, sample=sample)))


def test_a_sample_that_takes_from_the_data_is_refused(tmp_path):
    batches = mg.data.Batches(np.zeros((4, 1, 8, 8), np.uint8), 2)
    these = session(tmp_path, state={"batches": batches}, sample=lambda: next(batches))
    with pytest.raises(RuntimeError, match=r"sample\(\) changed batches"):
        next(iter(these))


# ---- the folder


def test_two_processes_do_not_train_in_one_directory(tmp_path):
    first = iter(session(tmp_path))
    next(first)
    assert exit_of(session(tmp_path)) == (
        f"another process is training in {tmp_path}: stop it, or choose another --out"
    )
    first.close()
    next(iter(session(tmp_path)))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    out = tmp_path / "file" / "run"
    assert exit_of(session(out)) == f"cannot keep a run in --out {out}: Not a directory ({out})"


# ---- the end


def test_a_signal_in_the_last_step_ends_the_script_when_all_is_drawn(tmp_path):
    these = session(tmp_path)
    with pytest.raises(SystemExit) as stop:
        for step in these:
            these.log(loss=0)
            if step == 4:
                signal.raise_signal(signal.SIGINT)
    assert stop.value.code == 130
    assert (tmp_path / "losses.png").exists()
    assert mg.load(tmp_path / "checkpoint.npz")["run"]["step"] == 4


@pytest.mark.parametrize(
    "where, undrawn, drawn",
    [
        ((mg.images, "save_gif"), "training.gif", "losses.png"),
        ((run_pictures.run_log, "draw"), "losses.png", "training.gif"),
    ],
)
def test_the_last_pictures_may_fail_and_the_training_is_complete(
    tmp_path, monkeypatch, capsys, where, undrawn, drawn
):
    """Drawing is the one thing at the end that may fail, say for want of space."""
    monkeypatch.setattr(*where, lambda *args: 1 / 0)
    these = session(tmp_path)
    for _ in these:
        these.log(loss=0)
    said, complained = capsys.readouterr()
    assert complained == f"{undrawn} could not be drawn: division by zero\n"
    assert said.startswith("all 4 steps are done")
    assert mg.load(tmp_path / "checkpoint.npz")["run"]["step"] == 4
    assert (tmp_path / drawn).exists()
    assert not (tmp_path / undrawn).exists()


# ---- a terminal


def read_to_the_end(terminal):
    """All that a process writes to a terminal of 120 columns."""
    text = b""
    try:
        while chunk := os.read(terminal, 4096):
            text += chunk
    except OSError:  # how Linux says that the other end of a terminal was closed
        pass
    os.close(terminal)
    return text.decode()


def test_a_terminal_gets_a_progress_bar_with_losses_and_speed(script, tmp_path):
    pty = pytest.importorskip("pty")
    import fcntl
    import termios

    ours, theirs = pty.openpty()
    size = struct.pack("HHHH", 24, 120, 0, 0)  # otherwise it would be 0 columns wide
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    process = subprocess.Popen(
        [sys.executable, str(script), "--out", str(tmp_path), "--log-every", "1"],
        cwd=ROOT,
        stdout=theirs,
        stderr=theirs,
        env=environment(TOY_SLEEP="0.02"),
    )
    os.close(theirs)
    shown = read_to_the_end(ours)
    assert process.wait() == 0
    assert "20/20" in shown
    assert "loss 0." in shown
    assert "images/s" in shown
    assert "step 5/20" not in shown
    assert shown.splitlines()[0].startswith("device cpu")
    assert shown.splitlines()[-1].startswith("all 20 steps are done")
