"""A training may stop at any moment, by any cause, and goes on to the same bits."""

import json
import random
import shutil
import time

import pytest
from toy_run import bits, finish, rows, start

import minigan as mg


@pytest.mark.parametrize("stop", [1, 7, 13, 19])
def test_stopping_anywhere_and_going_on_gives_the_same_bits(train, straight, tmp_path, stop):
    out = tmp_path / "out"
    assert train("--out", out, "--steps", stop)[0] == 0
    status, output, _ = train("--out", out, "--resume", "--steps", 20)
    assert status == 0
    assert f"going on from step {stop} of 20" in output
    assert bits(out) == bits(straight)
    assert json.loads((out / "config.json").read_text())["arguments"]["steps"] == 20


def test_logging_drawing_saving_and_silence_leave_no_trace_in_the_bits(train, straight, tmp_path):
    every = "--log-every", 3, "--sample-every", 1, "--checkpoint-every", 2
    status, output, errors = train("--out", tmp_path, "--quiet", *every)
    assert errors == ""
    assert output == f"all 20 steps are done; see {tmp_path / 'samples.png'}\n"
    assert status == 0
    assert bits(tmp_path) == bits(straight)


def test_another_seed_gives_other_bits(train, straight, tmp_path):
    assert train("--out", tmp_path, "--seed", 1)[0] == 0
    assert bits(tmp_path) != bits(straight)


@pytest.mark.parametrize("is_there", [False, True])
def test_resume_in_a_folder_without_a_run_is_refused(train, tmp_path, is_there):
    out = tmp_path / "mistyped"
    if is_there:
        out.mkdir()
    status, output, errors = train("--out", out, "--resume")
    assert status == 2
    assert output == ""
    assert f"there is no run in {out} to go on with: check --out" in errors
    assert errors.count("\n") == 1
    assert out.exists() == is_there
    assert not list(tmp_path.rglob("*.*"))


def test_resume_before_the_first_checkpoint_keeps_the_arguments(train, tmp_path):
    assert train("--out", tmp_path, "--lr", 0.2, "--steps", 3)[0] == 0
    expected = bits(tmp_path)
    (tmp_path / "checkpoint.npz").unlink()
    status, output, _ = train("--out", tmp_path, "--resume")
    assert status == 0
    assert f"there is no checkpoint in {tmp_path}: starting from step 0" in output
    assert bits(tmp_path) == expected


def test_a_run_that_could_not_write_its_config_can_be_begun_again(train, straight, tmp_path):
    out = tmp_path / "out"
    (out / "samples").mkdir(parents=True)
    assert "there is no run in" in train("--out", out, "--resume")[2]
    assert train("--out", out)[0] == 0
    assert bits(out) == bits(straight)


def test_arguments_that_change_no_bits_may_be_given_anew(train, straight, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(straight, out)
    free = [
        *("--steps", 21),
        *("--log-every", 1),
        *("--sample-every", 2),
        *("--checkpoint-every", 3),
        *("--data-dir", tmp_path),
        "--quiet",
    ]
    the_same = "--lr", 0.03, "--device", "cpu"
    assert train("--out", out, "--resume", *free, *the_same)[0] == 0
    assert mg.load(out / "checkpoint.npz")["run"]["step"] == 21


# ---- kill -9


def kill_at_work(process, seconds):
    """Kill a training some seconds after it printed its first row, so that the kill falls there."""
    line = process.stdout.readline()
    while line and not line.startswith("step "):
        line = process.stdout.readline()
    time.sleep(seconds)
    process.kill()
    process.communicate()


def check_kills(script, straight, out, kills, seed):
    """Kill and resume, again and again, then let it end: the same bits and log, no rubbish.

    -> the steps of the checkpoints that the kills left.
    """
    moment = random.Random(seed)
    every = "--checkpoint-every", 1, "--log-every", 1, "--sample-every", 1
    steps = []
    for _ in range(kills):
        resume = ["--resume"] if (out / "config.json").exists() else []
        process = start(script, "--out", out, *resume, *every, TOY_SLEEP="0.01")
        kill_at_work(process, moment.uniform(0, 0.12))
        if (out / "checkpoint.npz").exists():
            steps.append(mg.load(out / "checkpoint.npz")["run"]["step"])
    finish(start(script, "--out", out, "--resume", "--log-every", 5))
    assert steps == sorted(steps)
    assert bits(out) == bits(straight)
    header, *logged = rows(out)
    numbers = [int(row[0]) for row in logged]
    assert numbers == sorted(set(numbers))
    of_the_straight_run = [row for row in logged if int(row[0]) % 5 == 0]
    assert [header, *of_the_straight_run] == rows(straight)
    assert not list(out.rglob("*.part"))
    return steps


def test_kill_9_and_resume_gives_the_same_bits(script, straight, tmp_path):
    steps = check_kills(script, straight, tmp_path, kills=2, seed=0)
    assert 0 < steps[0] < 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_kill_9_at_many_moments_and_resume_gives_the_same_bits(script, tmp_path, monkeypatch, seed):
    # Checkpoints of 2 MB, so that kills fall into their writing.
    monkeypatch.setenv("TOY_SIZE", "500000")
    finish(start(script, "--out", tmp_path / "straight"))
    assert check_kills(script, tmp_path / "straight", tmp_path / "killed", kills=8, seed=seed)
