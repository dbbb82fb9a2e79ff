"""A signal asks a training to end: the step is done, and the checkpoint is whole.

So it is whenever the signal comes, and whatever stderr is.
"""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import toy_run
from dead_streams import DEAD
from toy_run import NOTED, ROOT, SCRIPT, bits, environment, session

import minigan as mg
from minigan.training import checkpoint, interrupts, run_log
from minigan.training.interrupts import Interrupts


@pytest.fixture(autouse=True, scope="module")
def hangups_count():
    """Also where these tests were themselves started by nohup, which has hangups ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


# ---- noting


@pytest.mark.parametrize("number", interrupts.ENDS)
def test_a_signal_is_noted_and_said(number, capfd):
    with Interrupts() as noted:
        assert noted.signal is None
        signal.raise_signal(number)
        assert noted.signal == number
    assert capfd.readouterr() == ("", NOTED)


def handlers_of_ends():
    return [signal.getsignal(number) for number in interrupts.ENDS]


def test_without_a_signal_nothing_is_said_and_the_handlers_are_put_back(capfd):
    handlers = handlers_of_ends()
    threads = threading.active_count()
    with Interrupts() as noted:
        assert handlers_of_ends() != handlers
    assert noted.signal is None
    assert capfd.readouterr() == ("", "")
    assert handlers_of_ends() == handlers
    assert threading.active_count() == threads


def test_signals_that_come_together_are_one_and_the_first_counts(capfd):
    with Interrupts() as noted:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(number)
        assert noted.signal == signal.SIGTERM
    assert capfd.readouterr().err == NOTED


def test_a_signal_inside_the_handler_of_another_is_no_harm(capfd, monkeypatch):
    """Python may call a handler between two lines of another."""
    with Interrupts() as noted:
        monotonic = time.monotonic

        def interrupted():
            monkeypatch.setattr(interrupts.time, "monotonic", monotonic)
            signal.raise_signal(signal.SIGTERM)
            return monotonic()

        monkeypatch.setattr(interrupts.time, "monotonic", interrupted)
        signal.raise_signal(signal.SIGINT)
        assert noted.signal == signal.SIGTERM
    assert capfd.readouterr().err == NOTED


def test_a_hangup_that_is_ignored_stays_ignored():
    """As nohup does it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as noted:
            signal.raise_signal(signal.SIGHUP)
            assert noted.signal is None
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_is_noted_where_no_thread_can_be_started(monkeypatch, capfd):
    def cannot(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", cannot)
    with Interrupts() as noted:
        signal.raise_signal(signal.SIGTERM)
        assert noted.signal == signal.SIGTERM
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", DEAD)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_is_kept_though_nobody_hears_of_its_end(tmp_path, streams, kind, number):
    these = session(tmp_path, steps=9)
    streams(DEAD[kind]())
    with pytest.raises(SystemExit) as stop:
        for step in these:
            these.log(loss=0)
            if step == 3:
                signal.raise_signal(number)
    assert stop.value.code == 128 + number
    assert mg.load(tmp_path / "checkpoint.npz")["run"]["step"] == 3


@pytest.mark.parametrize("kind", DEAD)
def test_a_training_goes_on_though_nobody_listens(tmp_path, streams, kind):
    streams(DEAD[kind]())
    these = session(tmp_path, "--log-every", 1)
    these.quiet = False
    for _ in these:
        these.log(loss=0)
    assert mg.load(tmp_path / "checkpoint.npz")["run"]["step"] == 4
    assert (tmp_path / "losses.png").exists()


def test_a_signal_in_the_writing_of_a_checkpoint_lets_it_be_written(tmp_path, monkeypatch):
    save = checkpoint.flatten

    def interrupted(state):
        signal.raise_signal(signal.SIGTERM)
        return save(state)

    these = session(tmp_path, "--checkpoint-every", 1)
    with pytest.raises(SystemExit) as stop:
        for step in these:
            these.log(loss=0)
            if step == 2:
                monkeypatch.setattr(checkpoint, "flatten", interrupted)
    assert stop.value.code == 143
    assert mg.load(tmp_path / "checkpoint.npz")["run"]["step"] == 2


@pytest.mark.parametrize("resumed", [False, True])
def test_a_signal_while_the_last_pictures_are_drawn_lets_them_be_drawn(
    tmp_path, monkeypatch, resumed
):
    draw = run_log.draw

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGTERM)
        draw(*arguments)

    these = session(tmp_path)
    if resumed:
        for _ in these:
            these.log(loss=0)
        (tmp_path / "losses.png").unlink()
        these = session(tmp_path, "--resume")
    monkeypatch.setattr(run_log, "draw", interrupted)
    with pytest.raises(SystemExit) as stop:
        for _ in these:
            these.log(loss=0)
    assert stop.value.code == 143
    assert (tmp_path / "losses.png").exists()


def test_signal_handlers_are_put_back(train, tmp_path):
    before = handlers_of_ends()
    assert train("--out", tmp_path, "--steps", 1)[0] == 0
    assert handlers_of_ends() == before


# ---- real processes


def test_a_second_ctrl_c_ends_the_run_at_once(script, tmp_path):
    process = toy_run.start(script, "--out", tmp_path, TOY_SLEEP="60")
    wait_for(tmp_path / "samples.png")
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() + process.stderr.readline() == NOTED
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_with_a_checkpoint_and_how_to_go_on(
    script, straight, tmp_path, number, status
):
    out = tmp_path / "a run"
    process = toy_run.start(script, "--out", out, "--log-every", 1, TOY_SLEEP="0.05")
    while not process.stdout.readline().startswith("step 2/"):
        pass
    process.send_signal(number)
    output, errors = process.communicate()
    assert errors == NOTED
    assert process.returncode == status
    assert 2 <= step_of(out) < 20
    *_, said, command = output.splitlines()
    assert said.startswith(f"stopped after step {step_of(out)} of 20, ")
    done = subprocess.run(
        command, shell=True, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL
    )
    assert done.returncode == 0
    assert bits(out) == bits(straight)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The training script in small, run as the example scripts are."""
    path = tmp_path_factory.mktemp("script") / "train_toy.py"
    as_examples_end = '    training.program(main, output="progress")\n'
    path.write_text(SCRIPT.replace("    main()\n", as_examples_end))
    return path


def start(script, out, *before, closed=(), **streams_given):
    return subprocess.Popen(
        [*before, sys.executable, str(script), "--out", str(out), "--checkpoint-every", "1"],
        cwd=out.parent,
        preexec_fn=lambda: [os.close(number) for number in closed],
        **streams_given,
        env=environment(TOY_SLEEP="0.05"),
    )


def wait_for(path):
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def step_of(out):
    return mg.load(out / "checkpoint.npz")["run"]["step"]


@pytest.mark.parametrize("closed", [(2,), (1, 2), (0, 1, 2)])
def test_a_service_that_is_told_to_stop_leaves_a_whole_checkpoint(program, tmp_path, closed):
    """Without stderr the next file that is opened has its number, 2."""
    process = start(
        program,
        tmp_path / "out",
        closed=closed,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(tmp_path / "out/checkpoint.npz")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert 1 <= step_of(tmp_path / "out") < 20


def test_a_terminal_that_hangs_up_stops_a_training_but_not_under_nohup(program, tmp_path):
    plain = start(program, tmp_path / "plain", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    under_nohup = start(
        program, tmp_path / "nohup", "nohup", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for name, process in (("plain", plain), ("nohup", under_nohup)):
        wait_for(tmp_path / name / "checkpoint.npz")
        process.send_signal(signal.SIGHUP)
    assert plain.wait(30) == 129
    assert under_nohup.wait(30) == 0
    assert step_of(tmp_path / "plain") < 20
    assert step_of(tmp_path / "nohup") == 20


def test_a_reader_that_goes_does_not_stop_a_training(program, tmp_path):
    process = start(program, tmp_path / "out", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) == 0
    process.stderr.close()
    assert step_of(tmp_path / "out") == 20
    assert (tmp_path / "out/losses.png").exists()
