"""Every example as a person runs it: for two steps, in a process of its own; and the README's snippets."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def run(script, *arguments, folder, expect=0):
    """Run an example in a folder; returns its output, standard error last."""
    done = subprocess.run([sys.executable, str(EXAMPLES / script), *map(str, arguments)], cwd=folder, text=True,
                          capture_output=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with runs/dcgan, trained for two steps with narrow networks."""
    folder = tmp_path_factory.mktemp("trained")
    said = run("train_dcgan.py", "--steps", 2, "--width", 4, "--log-every", 1, folder=folder)
    assert said.startswith("device cpu")
    assert "1-nearest-neighbour" in said
    assert said.rstrip().endswith(os.path.join("runs", "dcgan", "samples.png"))
    return folder


def test_training_leaves_the_run_directory_of_the_contract(trained):
    files = {p.name for p in (trained / "runs" / "dcgan").iterdir() if not p.name.startswith(".")}
    assert {"config.json", "log.csv", "samples", "samples.png", "training.gif", "losses.png", "checkpoint.npz"} <= files
    header, *rows = (trained / "runs" / "dcgan" / "log.csv").read_text().splitlines()
    assert header == "step,d_loss,g_loss,images_per_second" and len(rows) == 2


def test_a_second_run_does_not_overwrite_the_first(trained):
    before = (trained / "runs" / "dcgan" / "checkpoint.npz").read_bytes()
    assert "--resume" in run("train_dcgan.py", "--steps", 2, "--width", 4, folder=trained, expect=2)
    assert (trained / "runs" / "dcgan" / "checkpoint.npz").read_bytes() == before


def test_stopping_and_resuming_gives_the_same_bits(tmp_path):
    arguments = ("--width", 4, "--log-every", 1, "--quiet")
    run("train_dcgan.py", "--steps", 5, *arguments, "--out", "whole", folder=tmp_path)
    run("train_dcgan.py", "--steps", 3, *arguments, "--out", "parts", folder=tmp_path)
    run("train_dcgan.py", "--steps", 5, "--resume", "--sample-every", 1, "--out", "parts", folder=tmp_path)
    assert (tmp_path / "whole" / "checkpoint.npz").read_bytes() == (tmp_path / "parts" / "checkpoint.npz").read_bytes()


@pytest.mark.parametrize("options, message", [
    (("--image-size", 48), "image_size is 48, expected 16, 32, 64 or 128"),
    (("--batch-size", 5000), "batch_size is 5000, expected 1 to 1437"),
    (("--data", "nowhere"), "nowhere is no data set and no path"),
    (("--lr", 0), "0 is not a number above 0"),
    (("--device", "tpu"), "unknown device 'tpu'"),
])
def test_a_mistake_in_the_arguments_is_one_sentence(tmp_path, options, message):
    said = run("train_dcgan.py", "--steps", 2, *options, folder=tmp_path, expect=2)
    assert message in said and "Traceback" not in said
    assert not (tmp_path / "runs").exists()


def test_samples_as_picture_and_array(trained, tmp_path):
    from PIL import Image

    run("sample.py", trained / "runs" / "dcgan", "-n", 6, "--out", tmp_path / "grid.png", folder=tmp_path)
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size[0] > 16
    run("sample.py", trained / "runs" / "dcgan" / "checkpoint.npz", "-n", 5, "--out", "a.npy", folder=tmp_path)
    run("sample.py", trained / "runs" / "dcgan", "-n", 5, "--out", "b.npy", folder=tmp_path)
    a, b = np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy")
    assert a.shape == (5, 1, 16, 16) and a.dtype == np.float32 and abs(a).max() <= 1
    np.testing.assert_array_equal(a, b)


def test_a_walk_between_latents_starts_and_ends_at_samples(trained, tmp_path):
    where = trained / "runs" / "dcgan"
    run("sample.py", where, "-n", 2, "--interpolate", 5, "--out", "walk.npy", folder=tmp_path)
    run("sample.py", where, "-n", 4, "--out", "ends.npy", folder=tmp_path)
    walk, ends = (np.load(tmp_path / name) for name in ("walk.npy", "ends.npy"))
    assert len(walk) == 10
    np.testing.assert_allclose(walk[[0, 4, 5, 9]], ends, atol=1e-5)


@pytest.mark.parametrize("prior", ["uniform", "normal"])
def test_truncation_keeps_latents_near_the_middle(prior):
    from sample import draw_latents

    about = {"sampling": {"latent": prior}, "architecture": {"latent_dim": 50}}
    z = draw_latents(100, about, seed=0, truncation=0.5)
    assert abs(z).max() <= (0.5 if prior == "uniform" else 1.0)
    assert z.std() < 0.7 * draw_latents(100, about, seed=0).std()


def test_sample_refuses_what_it_cannot_do_in_one_sentence(trained, tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"not a checkpoint")
    for arguments in ([tmp_path], [tmp_path / "broken.npz"], [trained / "runs" / "dcgan", "--out", "grid.gif"],
                      [trained / "runs" / "dcgan", "--truncation", 2]):
        said = run("sample.py", *arguments, folder=tmp_path, expect=2)
        assert len(said.strip().splitlines()) == 1 and "Traceback" not in said


def test_networks_of_ones_own_train_and_sample(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from minigan import nn\n"
        "def Generator(latent_dim, image_size, channels):\n"
        "    n = channels * image_size ** 2\n"
        "    return nn.Sequential(nn.Linear(latent_dim, n), nn.Tanh(),\n"
        "                         nn.Unflatten(1, (channels, image_size, image_size)))\n"
        "def Discriminator(image_size, channels):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size ** 2, 1), nn.Flatten())\n")
    run("train_dcgan.py", "--steps", 2, "--networks", "mine.py", folder=tmp_path)
    run("sample.py", "runs/dcgan", "-n", 3, "--out", "x.npy", folder=tmp_path)
    assert np.load(tmp_path / "x.npy").shape == (3, 1, 16, 16)
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text() + "# changed\n")
    assert "SHA-256" in run("sample.py", "runs/dcgan", folder=tmp_path, expect=2)


def test_evaluation_prints_its_figures_beside_the_real_ones(trained):
    said = run("evaluate.py", "runs/dcgan", "-n", 400, folder=trained)
    assert "expected" in said and "confidence" in said


def test_latent_arithmetic_needs_a_generator_of_digits(trained):
    said = run("latent_arithmetic.py", "runs/dcgan", "-n", 200, folder=trained, expect=2)
    assert "samples look like a" in said  # two steps are not enough, and it says so


def test_a_picture_of_a_graph(tmp_path):
    run("draw_graph.py", "--out", "graph.png", folder=tmp_path)
    assert (tmp_path / "graph.png").stat().st_size > 10_000


def test_config_repeats_the_run(trained, tmp_path):
    config = json.loads((trained / "runs" / "dcgan" / "config.json").read_text())
    kept = config["arguments"]
    assert kept["width"] == 4 and kept["lr"] == 2e-3 and config["versions"]["numpy"] == np.__version__


@pytest.mark.parametrize("snippet", re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S))
def test_the_snippets_of_the_readme_run(snippet, tmp_path):
    done = subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, text=True, capture_output=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_readme_shows_both_commands_and_files_that_exist():
    text = (ROOT / "README.md").read_text()
    assert "examples/train_dcgan.py" in text and "pip install -e '.[test]' && .venv/bin/pytest" in text
    for path in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / path).exists(), path
