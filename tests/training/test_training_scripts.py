"""train_gan.py and train_wgan.py keep the contract that train_dcgan.py keeps, and their papers'."""

import numpy as np
import pytest
from toy_run import bits

import minigan as mg

SCRIPTS = {
    "gan": [
        "train_gan.py",
        *("--hidden", 8),
        *("--units", 4),
        *("--pack", 2),
        *("--k", 2),
    ],
    "gan with a head start": [
        "train_gan.py",
        *("--hidden", 8),
        *("--units", 4),
        *("--pack", 2),
        *("--k", 2),
        *("--head-start", 3),
    ],
    "wgan-gp": [
        "train_wgan.py",
        *("--width", 4),
        *("--n-critic", 2),
        *("--norm", "layer"),
    ],
    "wgan-clip": [
        "train_wgan.py",
        *("--penalty", "clip"),
        *("--generator", "mlp"),
        *("--critic", "mlp"),
        *("--hidden", 8),
        *("--image-size", 8),
        *("--batch-size", 4),
    ],
}


@pytest.mark.parametrize("name", ["gan with a head start", "wgan-gp", "wgan-clip"])
def test_each_model_trains_resumes_to_the_same_bits_samples_and_is_evaluated(
    name, tmp_path, call, capsys
):
    script, *options = SCRIPTS[name]
    options += ["--log-every", 1, "--quiet"]
    call(script, *options, "--steps", 3, "--out", "whole")
    call(script, *options, "--steps", 2, "--out", "parts")
    call(script, "--steps", 3, "--resume", "--sample-every", 1, "--out", "parts")
    whole = tmp_path / "whole"
    assert bits(whole) == bits(tmp_path / "parts")
    names = {path.name for path in whole.iterdir()}
    pictures = {"samples", "samples.png", "training.gif", "losses.png"}
    assert {"config.json", "log.csv"} | pictures <= names
    header, *rows = (whole / "log.csv").read_text().splitlines()
    losses = "d_loss,g_loss" if script == "train_gan.py" else "w1,f_loss,g_loss"
    assert header == f"step,{losses},images_per_second"
    assert len(rows) == 3
    call("sample.py", "whole", "-n", 3, "--out", "x.npy")
    size = 16 if name == "wgan-gp" else 8
    assert np.load(tmp_path / "x.npy").shape == (3, 1, size, size)
    call("evaluate.py", "whole", "-n", 50)
    assert "1-nearest-neighbour" in capsys.readouterr().out


def test_a_clipped_critic_is_clipped_after_its_last_step(tmp_path, call):
    call(*SCRIPTS["wgan-clip"], "--steps", 1, "--quiet", "--lr", 1e-3, "--out", "run")
    critic = mg.load(tmp_path / "run" / "checkpoint.npz")["critic"]
    weights = np.concatenate([w.ravel() for w in critic.values()])
    assert abs(weights).max() == np.float32(0.01)
    assert (abs(weights) == np.float32(0.01)).mean() > 0.1


def test_momentum_and_learning_rate_follow_the_papers_schedule(tmp_path, call):
    """100 of 300 images a step, so step 11 is in epoch 3, of 5 in which the momentum grows."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 4, 4), np.uint8)
    np.savez(tmp_path / "noise.npz", images=noise)
    small = "--image-size", 4, "--hidden", 3, "--units", 2, "--momentum-epochs", 5
    call("train_gan.py", "--data", "noise.npz", *small, "--steps", 11, "--quiet")
    state = mg.load(tmp_path / "runs" / "gan" / "checkpoint.npz")
    settings = state["discriminator_optimizer"]["param_groups"][0]
    assert settings["momentum"] == pytest.approx(0.5 + 0.2 * 3 / 5)
    assert settings["lr"] == pytest.approx(0.1 / 1.000004**10, rel=1e-12)


def test_the_head_start_is_the_discriminators_alone(call):
    """With it D has taken more steps than G, and G as many as without."""
    for head_start, steps_of_D in ((0, 2), (4, 6)):
        out = f"run{head_start}"
        call(*SCRIPTS["gan"], "--head-start", head_start, "--steps", 1, "--quiet", "--out", out)
        state = mg.load(f"{out}/checkpoint.npz")
        batches = state["batches"]
        assert batches["position"] // batches["batch_size"] == steps_of_D
        assert state["average"]["count"] == 1


def test_a_learning_rate_that_decays_fast_stays_at_its_least(call):
    """1e30 to the power of 13 is no float; the rate is 1e-6 from the second step on."""
    call(*SCRIPTS["gan"], "--lr-decay", 1e30, "--steps", 14, "--quiet", "--out", "decayed")
    groups = mg.load("decayed/checkpoint.npz")["generator_optimizer"]["param_groups"]
    assert [group["lr"] for group in groups] == [1e-6]
