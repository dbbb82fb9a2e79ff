"""Run works without any script: from your own networks, with plain arguments."""

import json

import numpy as np
import pytest

import minigan as mg
from minigan import nn, optim
from minigan.training import Run, checkpoint

pytest.importorskip("matplotlib", reason="training draws its losses")


def train(out, steps, **how):
    """A program of one's own: a line is fitted to 3 x."""
    mg.manual_seed(0)
    network = nn.Linear(1, 1)
    optimizer = optim.Adam(network.parameters(), lr=0.1)
    state = {"network": network, "optimizer": optimizer}

    def sample():
        return np.full((1, 1, 4, 4), np.tanh(network.weight.item()))

    session = Run(out, model="line", steps=steps, state=state, sample=sample, quiet=True, **how)
    for _ in session:
        x = mg.randn(8, 1)
        loss = ((network(x) - 3 * x) ** 2).mean()
        optimizer.minimize(loss)
        session.log(loss=loss)
    return network


def test_a_program_of_ones_own_trains_and_leaves_a_run_directory(tmp_path):
    network = train(tmp_path / "run", 60)
    assert network.weight.item() == pytest.approx(3, abs=0.5)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "log.csv", "samples.png", "training.gif", "losses.png"} <= names
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["model"] == "line"
    assert config["arguments"] == {}
    assert checkpoint.load(tmp_path / "run/checkpoint.npz")["run"]["step"] == 60


def test_it_goes_on_to_the_same_bits(tmp_path):
    train(tmp_path / "straight", 9)
    train(tmp_path / "stopped", 4)
    train(tmp_path / "stopped", 9, resume=True)
    straight = (tmp_path / "straight/checkpoint.npz").read_bytes()
    assert (tmp_path / "stopped/checkpoint.npz").read_bytes() == straight


def test_a_directory_with_a_checkpoint_is_refused_without_resume(tmp_path):
    train(tmp_path / "run", 2)
    before = (tmp_path / "run/checkpoint.npz").read_bytes()
    with pytest.raises(SystemExit, match=r"holds a checkpoint.npz: go on with resume=True"):
        train(tmp_path / "run", 3)
    assert (tmp_path / "run/checkpoint.npz").read_bytes() == before


def test_resume_without_a_checkpoint_starts_from_step_0(tmp_path, capsys):
    train(tmp_path / "run", 2, resume=True)
    assert "starting from step 0" in capsys.readouterr().out


def test_a_diverging_run_ends_in_one_sentence(tmp_path, capsys):
    session = Run(
        tmp_path / "run",
        model="line",
        steps=3,
        state={},
        sample=lambda: np.zeros((1, 1, 4, 4)),
        log_every=1,
        quiet=True,
    )
    with pytest.raises(SystemExit, match="step 1: loss is inf; training stops"):
        for _ in session:
            session.log(loss=mg.tensor(3e38) * 10)
    assert "RuntimeWarning" not in capsys.readouterr().err
