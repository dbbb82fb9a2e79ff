"""A training may stop at any moment, by any cause, and go on to the same bits; its command line
is never misread.
"""

import csv
import json
import os
import platform
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest

import minigan as mg
from minigan import training
from minigan.training import checkpoint, run
from minigan.training import command_line as arguments

ROOT = Path(__file__).resolve().parents[2]
TAG = "0123456789abcdef" * 2  # of an unfinished file: see files.whole_file

# A training script in small: the mean of the digits, found by noisy gradient descent with
# momentum. Its state has all kinds: weights, an optimiser's memory, data order, and the random
# generator of minigan.
SCRIPT = '''
"""Learns the mean digit."""
import os, sys, time
import numpy as np
import minigan as mg
from minigan import training
from minigan.training import command_line as arguments


class Mean:
    training = True

    def __init__(self):
        self.w = mg.randn(1, 64).numpy()
        self.velocity = np.zeros((1, int(os.environ.get("TOY_SIZE", 64))), np.float32)

    def state_dict(self):
        return {"w": self.w.copy(), "velocity": self.velocity.copy()}

    def load_state_dict(self, state):
        self.w[:], self.velocity[:] = state["w"], state["velocity"]


def main(argv=None):
    settings = dict(steps=20, batch_size=4, log_every=5, sample_every=8, checkpoint_every=7)
    parser = arguments.parser("toy", __doc__, **settings)
    parser.add_argument("--lr", type=arguments.positive, default=0.03, help="learning rate")
    args = arguments.parse(parser, argv)
    images = mg.data.load(args.data).images
    mean, batches = Mean(), mg.data.Batches(images, args.batch_size, seed=args.seed)
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


@pytest.fixture(scope="session")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "train_toy.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def train(script, capfd):
    """train("--steps", 9) runs the script in this process -> (exit status, what it printed, what
    it complained).
    """
    scope = {"__name__": "train_toy"}
    exec(compile(SCRIPT, str(script), "exec"), scope)

    def call(*arguments):
        capfd.readouterr()
        try:
            scope["main"]([str(argument) for argument in arguments])
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
            if isinstance(status, str):  # what the interpreter does with a sentence
                print(status, file=sys.stderr)
                status = 1
        return status, *capfd.readouterr()

    return call


def start(script, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/examples", **environment},
    )


def finish(process):
    """Wait for a script that `start` began, and demand that it ended well -> what it printed."""
    output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    return output


def bits(out):
    return (Path(out) / "checkpoint.npz").read_bytes()


def files(out):
    """{path: (bytes, time of the last change)} of all files below a folder."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in Path(out).rglob("*")
        if path.is_file()
    }


def rows(out):
    """log.csv without the last column, which holds times."""
    with open(Path(out) / "log.csv", newline="") as file:
        return [row[:-1] for row in csv.reader(file)]


@pytest.fixture(scope="session")
def straight(script, tmp_path_factory):
    """A run of 20 steps that nothing disturbed."""
    out = tmp_path_factory.mktemp("runs") / "straight"
    output = finish(start(script, "--out", out))
    assert output.splitlines()[0].startswith("device cpu: ")
    assert "because" in output.splitlines()[0]
    assert output.splitlines()[1].startswith("step 5/20  loss ")
    assert output.splitlines()[1].endswith(" images/s")
    assert output.splitlines()[-1] == f"all 20 steps are done; see {out / 'samples.png'}"
    return out


# ---- the run directory


def test_a_run_leaves_what_is_promised(straight):
    names = {str(path.relative_to(straight)) for path in straight.rglob("*") if path.is_file()}
    pictures = {f"samples/step-{step:06d}.png" for step in (0, 8, 16, 20)}
    assert names == pictures | {
        "config.json",
        "log.csv",
        "samples.png",
        "training.gif",
        "losses.png",
        "checkpoint.npz",
    }
    assert (straight / "samples.png").read_bytes() == (
        straight / "samples/step-000020.png"
    ).read_bytes()
    with open(straight / "log.csv", newline="") as file:
        header, *logged = csv.reader(file)
    assert header == ["step", "loss", "size", "images_per_second"]
    assert [row[0] for row in logged] == ["5", "10", "15", "20"]
    assert all(float(row[3]) > 0 for row in logged)
    assert float(logged[-1][1]) < 0.9 * float(logged[0][1])  # it learnt


def test_config_says_how_to_repeat_the_run(straight):
    config = json.loads((straight / "config.json").read_text())
    assert config["model"] == "toy"
    assert config["device"].startswith("device cpu")
    assert config["arguments"]["lr"] == 0.03
    assert config["arguments"]["steps"] == 20
    assert config["arguments"]["device"] == "cpu"
    assert config["arguments"]["seed"] == 0
    assert config["versions"] == {
        "python": platform.python_version(),
        "minigan": mg.__version__,
        "numpy": np.__version__,
    } | ({"cupy": ANY} if "cupy" in config["versions"] else {})
    assert config["command"].endswith(f"train_toy.py --out {straight}")


def test_the_checkpoint_holds_the_training_and_no_time_or_place(straight):
    state = mg.load(straight / "checkpoint.npz")
    about = state.pop("run")
    assert set(state) == {"mean", "batches"}
    assert state["mean"]["w"].shape == (1, 64)
    assert about.pop("rng")["bit_generator"] == "PCG64"
    assert about == {
        "model": "toy",
        "step": 20,
        "architecture": {"pixels": 64},
        "networks": None,
        "sampling": {"batch_statistics": "none"},
    }
    assert str(straight).encode() not in bits(straight)


# ---- stop and go on


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
    assert (status, output, errors) == (
        0,
        f"all 20 steps are done; see {tmp_path / 'samples.png'}\n",
        "",
    )
    assert bits(tmp_path) == bits(straight)


def test_another_seed_gives_other_bits(train, straight, tmp_path):
    assert train("--out", tmp_path, "--seed", 1)[0] == 0
    assert bits(tmp_path) != bits(straight)


def test_resume_clears_away_what_a_killed_process_wrote_after_its_checkpoint(
    train, straight, tmp_path
):
    assert train("--out", tmp_path, "--steps", 7, "--sample-every", 7, "--log-every", 5)[0] == 0
    with open(tmp_path / "log.csv", "a") as file:
        file.write("10,99,99,1\n15,99,99,1\n2")  # the last row is torn
    for name in (
        "samples/step-000016.png",
        f"samples/.step-000024.png.{TAG}.part",
        f".checkpoint.npz.{TAG}.part",
    ):
        (tmp_path / name).write_bytes(b"torn")
    (tmp_path / "samples/mine.png").write_bytes(b"not ours")
    assert train("--out", tmp_path, "--resume", "--steps", 20, "--sample-every", 10)[0] == 0
    assert [row[0] for row in rows(tmp_path)] == ["step", "5", "7", "10", "15", "20"]
    assert [row for row in rows(tmp_path) if row[0] != "7"] == rows(straight)
    assert sorted(
        path.name for path in tmp_path.rglob("*.p*") if path.parent.name == "samples"
    ) == ["mine.png", *(f"step-{step:06d}.png" for step in (0, 7, 10, 20))]
    assert not list(tmp_path.rglob("*.part"))
    assert bits(tmp_path) == bits(straight)


def test_a_new_run_clears_away_what_one_without_a_checkpoint_left(train, straight, tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples/step-000003.png").write_bytes(b"torn")
    (tmp_path / "log.csv").write_text("step,other\n3,4\n")
    (tmp_path / "config.json").write_bytes((straight / "config.json").read_bytes())
    assert train("--out", tmp_path)[0] == 0
    assert rows(tmp_path) == rows(straight)
    assert bits(tmp_path) == bits(straight)


@pytest.mark.parametrize(
    "name, content",
    [
        ("config.json", b'{"model": "mine"}'),
        ("config.json", b"[1"),
        ("log.csv", b"a"),
        ("samples.png", b"holiday"),
        ("samples/step-000007.png", b"holiday"),
    ],
)
def test_files_that_are_no_run_s_are_left_alone(train, tmp_path, name, content):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    status, _, errors = train("--out", tmp_path)
    assert status == 2
    assert f"{tmp_path} holds {name.split('/')[0]}, but no config.json of a run" in errors
    assert path.read_bytes() == content
    assert len(list(tmp_path.rglob("*"))) <= 2


def test_a_finished_run_is_left_alone(train, straight):
    before = files(straight)
    status, output, _ = train("--out", straight, "--resume")
    assert status == 0
    assert output.splitlines()[1:] == [
        f"{straight} is already at step 20 of 20: nothing to do, nothing changed"
    ]
    assert train("--out", straight, "--resume", "--steps", 9)[0] == 0
    assert files(straight) == before


@pytest.mark.parametrize("undrawn", ["absent", "older"])
def test_resume_draws_what_a_kill_after_the_last_step_left_undrawn(train, copy, undrawn):
    picture = copy / "losses.png"
    drawn = picture.read_bytes()
    if undrawn == "absent":
        picture.unlink()
    else:
        picture.write_bytes(b"of fewer steps")
        os.utime(picture, ns=(0, 0))
    (copy / f".losses.png.{TAG}.part").write_bytes(b"torn")
    status, output, _ = train("--out", copy, "--resume")
    assert status == 0
    assert "at step 20 of 20: training.gif and losses.png were still to be drawn" in output
    assert picture.read_bytes() == drawn
    assert not list(copy.rglob("*.part"))
    assert "nothing changed" in train("--out", copy, "--resume")[1]


def test_resume_without_a_checkpoint_says_so_and_starts_from_step_0(train, straight, tmp_path):
    status, output, _ = train("--out", tmp_path / "new", "--resume")
    assert status == 0
    assert f"there is no checkpoint in {tmp_path / 'new'}: starting from step 0" in output
    assert bits(tmp_path / "new") == bits(straight)


def test_resume_before_the_first_checkpoint_keeps_the_arguments(train, tmp_path):
    assert train("--out", tmp_path, "--lr", 0.2, "--steps", 3)[0] == 0
    expected = bits(tmp_path)
    (tmp_path / "checkpoint.npz").unlink()
    assert train("--out", tmp_path, "--resume")[0] == 0
    assert bits(tmp_path) == expected


NOTED = "\nstopping after this step; once more stops at once\n"


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_with_a_checkpoint_and_how_to_go_on(
    script, straight, tmp_path, number, status
):
    process = start(script, "--out", tmp_path / "a run", "--log-every", 1, TOY_SLEEP="0.05")
    while not process.stdout.readline().startswith("step 2/"):
        pass
    process.send_signal(number)
    output, errors = process.communicate()
    assert process.returncode == status
    assert errors == NOTED
    step = mg.load(tmp_path / "a run" / "checkpoint.npz")["run"]["step"]
    assert 2 <= step < 20
    assert output.splitlines()[-2].startswith(f"stopped after step {step} of 20, ")
    command = output.splitlines()[-1]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/examples"}
    subprocess.run(
        command, shell=True, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    assert bits(tmp_path / "a run") == bits(straight)


def test_a_second_ctrl_c_ends_the_run_at_once(script, tmp_path):
    process = start(script, "--out", tmp_path, TOY_SLEEP="60")
    while not (tmp_path / "samples.png").exists():
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() + process.stderr.readline() == NOTED
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT


def test_signal_handlers_are_put_back(train, tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert train("--out", tmp_path, "--steps", 1)[0] == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def check_kills(script, straight, out, kills, seed):
    """Kill -9 and resume, again and again, then let it end: the same bits, the same log, no
    rubbish.
    """
    moment = random.Random(seed)
    every = "--checkpoint-every", 1, "--log-every", 1, "--sample-every", 1
    steps = []
    for _ in range(kills):
        process = start(script, "--out", out, "--resume", *every, TOY_SLEEP="0.01")
        line = process.stdout.readline()
        while line and not line.startswith(
            "step "
        ):  # let it come to where it works, so that kills fall there
            line = process.stdout.readline()
        time.sleep(moment.uniform(0, 0.12))
        process.kill()
        process.communicate()
        if (out / "checkpoint.npz").exists():
            steps.append(mg.load(out / "checkpoint.npz")["run"]["step"])
    finish(start(script, "--out", out, "--resume", "--log-every", 5))
    assert steps == sorted(steps)
    assert bits(out) == bits(straight)
    logged = rows(out)
    assert [row for row in logged if row[0] in ("step", "5", "10", "15", "20")] == rows(straight)
    assert [int(row[0]) for row in logged[1:]] == sorted({int(row[0]) for row in logged[1:]})
    assert not list(out.rglob("*.part"))
    return steps


def test_kill_9_and_resume_gives_the_same_bits(script, straight, tmp_path):
    assert 0 < check_kills(script, straight, tmp_path, kills=2, seed=0)[0] < 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_kill_9_at_many_moments_and_resume_gives_the_same_bits(script, tmp_path, monkeypatch, seed):
    monkeypatch.setenv(
        "TOY_SIZE", "500000"
    )  # checkpoints of 2 MB, so that kills fall into their writing
    finish(start(script, "--out", tmp_path / "straight"))
    assert check_kills(script, tmp_path / "straight", tmp_path / "killed", kills=8, seed=seed)


# ---- what is refused


def refused(train, sentence, *arguments):
    status, output, errors = train(*arguments)
    assert (status, output, errors.count("\n")) == (2, "", 1), (status, output, errors)
    assert sentence in errors


def test_a_run_is_not_overwritten(train, straight):
    before = files(straight)
    sentence = f"{straight} holds a checkpoint.npz: go on with --resume, or choose another --out"
    refused(train, sentence, "--out", straight)
    assert files(straight) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("--lr", 0.2),
        ("--seed", 1),
        ("--batch-size", 5),
        ("--data", "mnist"),
        ("--lr", "3e-2", "--seed", 2),
        ("--networks", __file__),
    ],
)
def test_an_argument_that_contradicts_the_run_is_refused(train, straight, arguments):
    before = files(straight)
    refused(
        train,
        f"{arguments[-2]} {arguments[-1]} contradicts {straight / 'config.json'}, which has",
        "--out",
        straight,
        "--resume",
        "--steps",
        30,
        *arguments,
    )
    assert files(straight) == before


def test_arguments_that_change_no_bits_may_be_given_anew(train, straight, tmp_path):
    shutil.copytree(straight, tmp_path / "out")
    status, *_ = train(
        "--out",
        tmp_path / "out",
        "--resume",
        "--steps",
        21,
        "--log-every",
        1,
        "--sample-every",
        2,
        "--quiet",
        "--checkpoint-every",
        3,
        "--data-dir",
        tmp_path,
        "--lr",
        0.03,
        "--device",
        "cpu",
    )
    assert status == 0
    assert mg.load(tmp_path / "out/checkpoint.npz")["run"]["step"] == 21


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--steps", "0"], "argument --steps: 0 is not a whole number of at least 1"),
        (["--steps", "1.5"], "1.5 is not a whole number of at least 1"),
        (["--batch-size", "-3"], "-3 is not a whole number of at least 1"),
        (["--batch-size", "many"], "many is not a whole number of at least 1"),
        (["--seed", "-1"], "argument --seed: -1 is not a whole number of at least 0"),
        (["--log-every", "0"], "argument --log-every: 0 is not"),
        (["--sample-every", "0"], "argument --sample-every: 0 is not"),
        (["--checkpoint-every", ""], "argument --checkpoint-every:  is not"),
        (["--lr", "nan"], "argument --lr: nan is not a number above 0"),
        (["--lr", "inf"], "inf is not a number above 0"),
        (["--lr", "fast"], "fast is not a number above 0"),
        (["--data", ""], "argument --data: '' is neither a name nor a path"),
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--networks", "absent.py"], "absent.py"),
        (["--step", "5"], "unrecognized arguments: --step 5"),
        (["--out", __file__], "test_run.py is a file, expected a folder"),
        (["--out", __file__, "--resume"], "test_run.py is a file, expected a folder"),
    ],
)
def test_a_bad_argument_is_refused_in_one_sentence(train, tmp_path, arguments, sentence):
    refused(train, sentence, "--out", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_names_of_data():
    assert [
        arguments.data_name(text) for text in ("Digits", "DIGITS", "digits", "Photos/", "mnist")
    ] == ["digits", "digits", "digits", "Photos/", "mnist"]


@pytest.mark.parametrize("text, value", [("0", 0.0), ("0.999", 0.999)])
def test_fractions(text, value):
    assert arguments.fraction(text) == arguments.not_negative(text) == value


@pytest.mark.parametrize("text", ["1", "-0.1", "nan", "half"])
def test_what_is_no_fraction(text):
    with pytest.raises(Exception, match=f"{text} is not a number from 0 to below 1"):
        arguments.fraction(text)


@pytest.mark.parametrize("text", ["-1e-9", "inf", "nan"])
def test_what_is_negative(text):
    with pytest.raises(Exception, match=f"{text} is not a number of at least 0"):
        arguments.not_negative(text)


@pytest.fixture
def copy(straight, tmp_path):
    return Path(shutil.copytree(straight, tmp_path / "copy"))


def edit(out, **changes):
    """Change arguments in config.json by hand."""
    config = json.loads((out / "config.json").read_text())
    config["arguments"].update(changes)
    (out / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    "damage, sentence",
    [
        (lambda out: (out / "config.json").unlink(), "config.json is missing"),
        (lambda out: (out / "config.json").write_text("{"), "config.json is damaged"),
        (lambda out: (out / "config.json").write_text("[]"), "config.json is damaged"),
        (
            lambda out: (out / "config.json").write_text('{"model": "gan", "arguments": {}}'),
            "a run of gan, expected toy",
        ),
        (
            lambda out: (out / "config.json").write_text(
                '{"model": "toy", "arguments": {"mass": 1}}'
            ),
            "does not know: mass",
        ),
        (
            lambda out: edit(out, log_every=0),
            "config.json: --log-every: 0 is not a whole number of at least 1",
        ),
        (lambda out: edit(out, lr="x"), "config.json: --lr: x is not a number above 0"),
    ],
)
def test_a_damaged_run_is_refused_and_left_alone(train, copy, damage, sentence):
    damage(copy)
    before = files(copy)
    refused(train, sentence, "--out", copy, "--resume", "--steps", 30)
    assert files(copy) == before


def not_resumed(train, out, sentence):
    before = files(out)
    status, _, errors = train("--out", out, "--resume", "--steps", 30)
    assert status == 1
    assert errors.startswith(f"cannot go on from the checkpoint in {out}: ")
    assert errors.count("\n") == 1
    assert re.search(sentence, errors)
    assert files(out) == before


def test_a_damaged_checkpoint_is_refused_and_left_alone(train, copy):
    (copy / "checkpoint.npz").write_bytes(bits(copy)[:-9])
    not_resumed(train, copy, "checkpoint.npz: File is not a zip file")


@pytest.mark.parametrize("state", [{"w": 1}, [1], [], "run", None])
def test_a_checkpoint_of_something_else_is_refused_and_left_alone(train, copy, state):
    mg.save(copy / "checkpoint.npz", state)
    not_resumed(train, copy, r"it holds .*, expected \['batches', 'mean', 'run'\]")


@pytest.mark.parametrize(
    "change, sentence",
    [
        (
            lambda state: state.pop("mean"),
            r"it holds \['batches', 'run'\], expected \['batches', 'mean', 'run'\]",
        ),
        (lambda state: state["run"].update(model="gan"), "its model is gan, expected toy"),
        (
            lambda state: state["run"].update(networks={"file": "a.py", "sha256": "0"}),
            "its networks is {.*}, expected N",
        ),
        *(
            (lambda state, step=step: state["run"].update(step=step), "its step is")
            for step in (None, -5, 2.5, True)
        ),
        (lambda state: state.update(mean=[1]), ""),
        (lambda state: state.update(batches=[1]), ""),
        (
            lambda state: state.update(run=[]),
            "its run is \\[\\], expected a dict of architecture, ",
        ),
        (
            lambda state: state["run"].update(architecture={"pixels": 65}),
            "its architecture is {'pixels': 65}, expected",
        ),
        (lambda state: state["batches"].update(images=9), "of images 9, expected 1437"),
        (lambda state: state["mean"].pop("velocity"), "'velocity'"),
        (lambda state: state["run"].update(rng={"bit_generator": "MT19937"}), "PCG64"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_and_left_alone(train, copy, change, sentence):
    state = mg.load(copy / "checkpoint.npz")
    change(state)
    mg.save(copy / "checkpoint.npz", state)
    not_resumed(train, copy, sentence)


def test_a_missing_package_is_named_before_training(train, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "matplotlib" else 1
    )
    refused(
        train,
        "matplotlib, which is missing: pip install 'minigan[examples]'",
        "--out",
        tmp_path / "out",
    )


# ---- the session itself, without a script


class Weights:
    """A state with one array, and a mode as a network has."""

    def __init__(self):
        self.training, self.w = True, np.ones((1, 1, 8, 8), np.float32)

    def state_dict(self):
        return {"w": self.w}

    def load_state_dict(self, state):
        self.w = state["w"]


def session(out, *given, steps=4, state=None, sample=None):
    args = arguments.parse(
        arguments.parser("toy", steps=steps), ["--out", str(out), "--quiet", *map(str, given)]
    )
    state = {"weights": Weights()} if state is None else state
    sample = sample or (lambda: np.zeros((1, 1, 8, 8)))
    these = training.begin(args, state=state, architecture={}, sample=sample)
    these.args = args
    return these


def exit_of(steps):
    with pytest.raises(SystemExit) as stop:
        for _ in steps:
            pass
    return str(stop.value)


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

    assert exit_of(these_steps()).startswith(
        "step 4: weights/w is not finite; training stops; the last good "
    )
    assert np.isfinite(mg.load(tmp_path / "checkpoint.npz")["weights"]["w"]).all()


def test_a_sample_that_is_not_finite_ends_training(tmp_path):
    these = session(tmp_path, sample=lambda: np.full((1, 1, 8, 8), np.nan))
    assert (
        exit_of(these)
        == "step 0: a sampled image is not finite; training stops; there is no checkpoint"
    )


class OnTheGpu:
    """A loss that counts how often it is read, and whose graph is let go by detach()."""

    reads = []

    def __init__(self, step, detached=False):
        self.step, self.detached = step, detached

    def detach(self):
        return OnTheGpu(self.step, detached=True)

    def item(self):
        assert self.detached
        self.reads.append(self.step)
        return 0.5


def test_losses_are_read_only_when_due(tmp_path):
    OnTheGpu.reads.clear()
    these = session(
        tmp_path, "--log-every", 4, "--sample-every", 100, "--checkpoint-every", 3, steps=10
    )
    for step in these:
        these.log(loss=OnTheGpu(step))
    assert OnTheGpu.reads == [3, 4, 6, 8, 9, 10]


def test_samples_leave_the_random_numbers_as_they_were(tmp_path):
    these = session(
        tmp_path, "--sample-every", 1, sample=lambda: np.tanh(mg.randn(1, 1, 8, 8).numpy())
    )
    drawn = []
    for _ in these:
        drawn.append(mg.randn(3).numpy())
        these.log(loss=0)
    mg.manual_seed(0)
    assert np.array_equal(drawn, [mg.randn(3).numpy() for _ in range(4)])


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


@pytest.mark.parametrize(
    "change", [lambda w: w.w.__setitem__(0, 2), lambda w: setattr(w, "training", False)]
)
def test_a_sample_that_changes_the_training_is_refused(tmp_path, change):
    weights = Weights()

    def sample():
        change(weights)
        return np.zeros((1, 1, 8, 8))

    with pytest.raises(RuntimeError, match=r"sample\(\) changed weights"):
        next(iter(session(tmp_path, state={"weights": weights}, sample=sample)))


def test_a_sample_that_takes_from_the_data_is_refused(tmp_path):
    batches = mg.data.Batches(np.zeros((4, 1, 8, 8), np.uint8), 2)
    with pytest.raises(RuntimeError, match=r"sample\(\) changed batches"):
        next(iter(session(tmp_path, state={"batches": batches}, sample=lambda: next(batches))))


def test_a_session_without_losses_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match=r"step 4 ended without session.log\(...\)"):
        list(session(tmp_path))


def test_losses_that_change_their_names_are_refused(tmp_path):
    these = session(tmp_path, "--log-every", 1)
    with pytest.raises(
        ValueError, match="the columns step,a,images_per_second, but step 3 logged step,a,b,"
    ):
        for step in these:
            these.log(**({"a": 1} if step < 3 else {"b": 1}))


def test_two_processes_do_not_train_in_one_directory(tmp_path):
    first = iter(session(tmp_path))
    next(first)
    assert (
        exit_of(session(tmp_path))
        == f"another process is training in {tmp_path}: stop it, or choose another --out"
    )
    first.close()
    next(iter(session(tmp_path)))


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
        ((run.run_log, "draw"), "losses.png", "training.gif"),
    ],
)
def test_the_last_pictures_may_fail_and_the_training_is_complete(
    tmp_path, monkeypatch, capsys, where, undrawn, drawn
):
    """Drawing is the one thing at the end that may fail, say for want of space: the training must
    be safe by then.
    """
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


def test_a_terminal_gets_a_progress_bar_with_losses_and_speed(script, tmp_path):
    pty = pytest.importorskip("pty")
    import fcntl
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(
        theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0)
    )  # else it is 0 columns wide
    process = subprocess.Popen(
        [sys.executable, str(script), "--out", str(tmp_path), "--log-every", "1"],
        cwd=ROOT,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/examples", "TOY_SLEEP": "0.02"},
    )
    os.close(theirs)
    text = b""
    try:
        while chunk := os.read(ours, 4096):
            text += chunk
    except OSError:  # how Linux says that the other end of a terminal was closed
        pass
    os.close(ours)
    assert process.wait() == 0
    shown = text.decode()
    assert "20/20" in shown
    assert "loss 0." in shown
    assert "images/s" in shown
    assert "step 5/20" not in shown
    assert shown.splitlines()[0].startswith("device cpu")
    assert shown.splitlines()[-1].startswith("all 20 steps are done")


# ---- networks of one's own

NETWORKS = "class Generator: pass\nclass Discriminator: pass\n"


def test_of_networks_of_ones_own_the_checkpoint_has_the_hash_and_they_may_not_change(
    tmp_path, capsys
):
    path = tmp_path / "mine.py"
    path.write_text(NETWORKS)
    out = tmp_path / "out"
    these = session(out, "--networks", path)
    assert these.args.networks_module.Generator.__name__ == "Generator"
    for _ in these:
        these.log(loss=0)
    assert mg.load(out / "checkpoint.npz")["run"]["networks"] == {
        "sha256": these.args.networks_sha256
    }
    assert b"mine.py" not in bits(out)
    assert (
        arguments.load_networks(path, these.args.networks_sha256)[1] == these.args.networks_sha256
    )
    path.write_text(NETWORKS + "open('trap', 'w')\n")
    with pytest.raises(ValueError, match="it was changed since the training"):
        arguments.load_networks(path, these.args.networks_sha256)
    assert exit_of_parsing(session, out, "--resume", "--steps", 9, "--networks", path) == 2
    assert "it was changed since the training" in capsys.readouterr().err


def exit_of_parsing(call, *arguments):
    with pytest.raises(SystemExit) as stop:
        call(*arguments)
    return stop.value.code


def test_networks_of_ones_own_are_given_again_to_go_on_wherever_they_lie_now(
    tmp_path, capsys, monkeypatch
):
    (tmp_path / "mine.py").write_text(NETWORKS)
    for _ in (these := session(tmp_path / "out", "--networks", tmp_path / "mine.py")):
        these.log(loss=0)
    (tmp_path / "mine.py").rename(tmp_path / "moved.py")
    (tmp_path / "mine.py").write_text("open('trap', 'w')")  # what config.json names
    monkeypatch.chdir(tmp_path)
    before = files(tmp_path)
    assert exit_of_parsing(session, tmp_path / "out", "--resume", "--steps", 9) == 2
    said = capsys.readouterr().err
    assert "give their file again, --networks FILE.py" in said
    assert said.count("\n") == 1
    assert files(tmp_path) == before
    for _ in (
        these := session(
            tmp_path / "out", "--resume", "--steps", 9, "--networks", tmp_path / "moved.py"
        )
    ):
        these.log(loss=0)
    assert mg.load(tmp_path / "out/checkpoint.npz")["run"]["step"] == these.args.steps == 9


def test_a_run_of_an_earlier_version_whose_checkpoint_names_the_file_goes_on(tmp_path):
    (tmp_path / "mine.py").write_text(NETWORKS)
    for _ in (these := session(tmp_path / "out", "--networks", tmp_path / "mine.py")):
        these.log(loss=0)
    state = mg.load(tmp_path / "out/checkpoint.npz")
    state["run"]["networks"]["file"] = "gone.py"
    mg.save(tmp_path / "out/checkpoint.npz", state)
    for _ in (
        these := session(
            tmp_path / "out", "--resume", "--steps", 9, "--networks", tmp_path / "mine.py"
        )
    ):
        these.log(loss=0)
    assert mg.load(tmp_path / "out/checkpoint.npz")["run"]["networks"] == {
        "sha256": these.args.networks_sha256
    }


def test_the_command_that_goes_on_names_the_networks_of_ones_own(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(NETWORKS)
    these = session(tmp_path / "out", "--networks", tmp_path / "mine.py")
    with pytest.raises(SystemExit):
        for step in these:
            these.log(loss=0)
            if step == 2:
                signal.raise_signal(signal.SIGTERM)
    assert capsys.readouterr().out.endswith(
        f"--resume --out {tmp_path / 'out'} --networks {tmp_path / 'mine.py'}\n"
    )


@pytest.mark.parametrize("what", ["device", "fifo", "folder", "large", "absent"])
def test_networks_are_read_from_a_regular_file_of_bounded_size(tmp_path, what):
    path = {"device": Path("/dev/zero")}.get(what, tmp_path / "mine.py")
    if what == "fifo":
        os.mkfifo(path)
    if what == "folder":
        path.mkdir()
    if what == "large":
        path.write_text(NETWORKS + "#" * (1 << 20))
    with pytest.raises(
        (ValueError, FileNotFoundError),
        match="expected a regular file|has more than the|No such file",
    ):
        arguments.load_networks(path)


@pytest.mark.parametrize(
    "source, sentence",
    [
        ("class Generator: pass", "mine.py does not define Discriminator"),
        ("Generator = Discriminator = 3", "mine.py does not define Generator"),
        ("class Generator(:", "mine.py cannot be run: SyntaxError: "),
        (
            "import absent_module",
            "mine.py cannot be run: ModuleNotFoundError: No module named 'absent_module'",
        ),
        ("1 / 0", "mine.py cannot be run: ZeroDivisionError: division by zero"),
    ],
)
def test_networks_that_cannot_be_used_are_refused(tmp_path, source, sentence):
    (tmp_path / "mine.py").write_text(source)
    with pytest.raises(ValueError, match=sentence):
        arguments.load_networks(tmp_path / "mine.py")


def test_a_checkpoint_is_found_by_its_run_or_by_itself(straight, tmp_path):
    path = straight / "checkpoint.npz"
    assert arguments.find_checkpoint(straight) == arguments.find_checkpoint(path) == path
    for missing in (tmp_path, tmp_path / "absent", tmp_path / "absent.npz"):
        with pytest.raises(FileNotFoundError, match="there is no checkpoint "):
            arguments.find_checkpoint(missing)


def test_checkpoint_names_are_the_networks_own(straight):
    with np.load(straight / "checkpoint.npz") as file:
        assert set(file.files) == {"tree.json", "mean/w", "mean/velocity"}
    assert checkpoint.load(straight / "checkpoint.npz")["mean"]["w"].dtype == np.float32


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    out = tmp_path / "file" / "run"
    assert exit_of(session(out)) == f"cannot keep a run in --out {out}: Not a directory ({out})"
