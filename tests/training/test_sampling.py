"""sample.py, evaluate.py, latent_arithmetic.py: images from a checkpoint, and what is refused."""

import numpy as np
import pytest
from run_examples import said_by

import minigan as mg
from minigan.training.sampling import draw_latents, walk


def test_samples_as_picture_and_array(trained, tmp_path, run_example):
    from PIL import Image

    run = trained / "runs" / "dcgan"
    run_example("sample.py", run, "-n", 6, "--out", tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size[0] > 16
    run_example("sample.py", run / "checkpoint.npz", "-n", 5, "--out", "a.npy")
    run_example("sample.py", run, "-n", 5, "--out", "b.npy")
    a = np.load(tmp_path / "a.npy")
    b = np.load(tmp_path / "b.npy")
    assert a.shape == (5, 1, 16, 16)
    assert a.dtype == np.float32
    assert abs(a).max() <= 1
    np.testing.assert_array_equal(a, b)


# ---- walks between latents


def test_a_walk_between_latents_starts_and_ends_at_samples(trained, tmp_path, run_example):
    run = trained / "runs" / "dcgan"
    run_example("sample.py", run, "-n", 2, "--interpolate", 5, "--out", "walk.npy")
    run_example("sample.py", run, "-n", 4, "--out", "ends.npy")
    walked = np.load(tmp_path / "walk.npy")
    ends = np.load(tmp_path / "ends.npy")
    assert len(walked) == 10
    np.testing.assert_allclose(walked[[0, 4, 5, 9]], ends, atol=1e-5)


def test_a_walk_between_latents_on_one_line_is_straight():
    latents = np.float32([[1], [3], [-1], [1]])
    between = walk(latents, steps=3).ravel()
    np.testing.assert_allclose(between, [1, 2, 3, -1, 0, 1])


# ---- truncation


def about_of(prior, latent_dim):
    """What a checkpoint says of its latents."""
    return {
        "sampling": {"latent": prior},
        "architecture": {"latent_dim": latent_dim},
    }


@pytest.mark.parametrize("prior", ["uniform", "normal"])
def test_truncation_keeps_latents_near_the_middle(prior):
    about = about_of(prior, latent_dim=50)
    plain = draw_latents(100, about, seed=0)
    z = draw_latents(100, about, seed=0, truncation=0.5)
    limit = 0.5 if prior == "uniform" else 1.0
    assert abs(z).max() <= limit
    assert z.std() < 0.7 * plain.std()
    close = draw_latents(100, about, seed=0, truncation=1e-6)
    assert 0 < abs(close).max() <= 2e-6


def test_truncated_normal_latents_have_the_density_of_the_middle():
    about = about_of("normal", latent_dim=500)
    truncated = draw_latents(400, about, seed=1, truncation=0.6)
    plain = draw_latents(400, about, seed=2)
    middle = plain[abs(plain) <= 1.2]
    bins = np.linspace(-1.2, 1.2, 13)
    density, _ = np.histogram(truncated, bins, density=True)
    expected, _ = np.histogram(middle, bins, density=True)
    np.testing.assert_allclose(density, expected, rtol=0.05)


# ---- refusals


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.update(architecture=[1]),
        lambda run: run["architecture"].pop("latent_dim"),
        lambda run: run["sampling"].update(latent="cauchy"),
        lambda run: run.pop("step"),
    ],
)
def test_sample_refuses_a_checkpoint_of_nonsense(trained, tmp_path, run_example, change):
    state = mg.load(trained / "runs" / "dcgan" / "checkpoint.npz")
    change(state["run"])
    mg.save(tmp_path / "odd.npz", state)
    said = run_example("sample.py", tmp_path / "odd.npz", "--out", "grid.png", expect=2)
    assert f"checkpoint {tmp_path / 'odd.npz'}: " in said
    assert "Traceback" not in said
    assert not (tmp_path / "grid.png").exists()


def test_sample_refuses_what_it_cannot_do_in_one_sentence(trained, tmp_path, run_example):
    run = trained / "runs" / "dcgan"
    (tmp_path / "broken.npz").write_bytes(b"not a checkpoint")
    for arguments in (
        [tmp_path],
        [tmp_path / "broken.npz"],
        [run, "--out", "grid.gif"],
        [run, "--truncation", 2],
    ):
        said = run_example("sample.py", *arguments, expect=2)
        assert len(said.strip().splitlines()) == 1
        assert "Traceback" not in said


# ---- evaluation and latent arithmetic


def test_evaluation_prints_its_figures_beside_the_real_ones(trained):
    said = said_by("evaluate.py", "runs/dcgan", "-n", 400, folder=trained)
    assert "expected" in said
    assert "confidence" in said


def test_latent_arithmetic_needs_a_generator_of_digits(trained):
    said = said_by("latent_arithmetic.py", "runs/dcgan", "-n", 200, folder=trained, expect=2)
    assert "samples look like a" in said  # two steps are not enough, and it says so


def test_latent_arithmetic_needs_grey_images(tmp_path, run_example):
    np.savez(tmp_path / "colour.npz", images=np.zeros((8, 16, 16, 3), np.uint8))
    small = "--image-size", 16, "--width", 2, "--batch-size", 4, "--steps", 2
    run_example("train_dcgan.py", "--data", "colour.npz", *small)
    assert run_example("latent_arithmetic.py", "runs/dcgan", "-n", 100, expect=2) == (
        "latent_arithmetic.py: runs/dcgan draws images with 3 channels, expected grey digits\n"
    )
