"""Every example as a person runs it: for two steps, in a process of its own; and the README's
snippets.
"""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigan as mg

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def completed(script, *arguments, folder, expect=0):
    """Run an example in a folder to its end; returns what subprocess.run does."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *map(str, arguments)],
        cwd=folder,
        text=True,
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def run(script, *arguments, folder, expect=0):
    """The same; returns its output, standard error last."""
    done = completed(script, *arguments, folder=folder, expect=expect)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with runs/dcgan, trained for two steps with narrow networks."""
    folder = tmp_path_factory.mktemp("trained")
    said = completed(
        "train_dcgan.py", "--steps", 2, "--width", 4, "--log-every", 1, folder=folder
    ).stdout
    assert said.startswith("device cpu")
    assert "1-nearest-neighbour" in said
    assert said.rstrip().endswith(os.path.join("runs", "dcgan", "samples.png"))
    return folder


def test_training_leaves_the_run_directory_of_the_contract(trained):
    files = {p.name for p in (trained / "runs" / "dcgan").iterdir() if not p.name.startswith(".")}
    assert {
        "config.json",
        "log.csv",
        "samples",
        "samples.png",
        "training.gif",
        "losses.png",
        "checkpoint.npz",
    } <= files
    header, *rows = (trained / "runs" / "dcgan" / "log.csv").read_text().splitlines()
    assert header == "step,d_loss,g_loss,images_per_second"
    assert len(rows) == 2


def test_a_second_run_does_not_overwrite_the_first(trained):
    before = (trained / "runs" / "dcgan" / "checkpoint.npz").read_bytes()
    assert "--resume" in run("train_dcgan.py", "--steps", 2, "--width", 4, folder=trained, expect=2)
    assert (trained / "runs" / "dcgan" / "checkpoint.npz").read_bytes() == before


def test_stopping_and_resuming_gives_the_same_bits(tmp_path):
    arguments = ("--width", 4, "--log-every", 1, "--quiet")
    run("train_dcgan.py", "--steps", 5, *arguments, "--out", "whole", folder=tmp_path)
    run("train_dcgan.py", "--steps", 3, *arguments, "--out", "parts", folder=tmp_path)
    run(
        "train_dcgan.py",
        "--steps",
        5,
        "--resume",
        "--sample-every",
        1,
        "--out",
        "parts",
        folder=tmp_path,
    )
    assert (tmp_path / "whole" / "checkpoint.npz").read_bytes() == (
        tmp_path / "parts" / "checkpoint.npz"
    ).read_bytes()


@pytest.mark.parametrize(
    "options, message",
    [
        (("--image-size", 48), "image_size is 48, expected 16, 32, 64 or 128"),
        (("--batch-size", 5000), "batch_size is 5000, expected 1 to 1437"),
        (("--data", "nowhere"), "nowhere is no data set and no path"),
        (("--lr", 0), "0 is not a number above 0"),
        (("--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_sentence(tmp_path, options, message):
    said = run("train_dcgan.py", "--steps", 2, *options, folder=tmp_path, expect=2)
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "runs").exists()


def test_samples_as_picture_and_array(trained, tmp_path):
    from PIL import Image

    run(
        "sample.py",
        trained / "runs" / "dcgan",
        "-n",
        6,
        "--out",
        tmp_path / "grid.png",
        folder=tmp_path,
    )
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size[0] > 16
    run(
        "sample.py",
        trained / "runs" / "dcgan" / "checkpoint.npz",
        "-n",
        5,
        "--out",
        "a.npy",
        folder=tmp_path,
    )
    run("sample.py", trained / "runs" / "dcgan", "-n", 5, "--out", "b.npy", folder=tmp_path)
    a = np.load(tmp_path / "a.npy")
    b = np.load(tmp_path / "b.npy")
    assert a.shape == (5, 1, 16, 16)
    assert a.dtype == np.float32
    assert abs(a).max() <= 1
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
    from minigan.training.sampling import draw_latents

    about = {"sampling": {"latent": prior}, "architecture": {"latent_dim": 50}}
    z = draw_latents(100, about, seed=0, truncation=0.5)
    assert abs(z).max() <= (0.5 if prior == "uniform" else 1.0)
    assert z.std() < 0.7 * draw_latents(100, about, seed=0).std()
    assert 0 < abs(draw_latents(100, about, seed=0, truncation=1e-6)).max() <= 2e-6


def test_truncated_normal_latents_have_the_density_of_the_middle():
    from minigan.training.sampling import draw_latents

    about = {"sampling": {"latent": "normal"}, "architecture": {"latent_dim": 500}}
    z = draw_latents(400, about, 1, truncation=0.6).ravel()
    plain = draw_latents(400, about, 2).ravel()
    counts, expected = (np.histogram(v, 12, (-1.2, 1.2))[0] for v in (z, plain))
    np.testing.assert_allclose(counts / counts.sum(), expected / expected.sum(), rtol=0.05)


def test_a_walk_between_latents_on_one_line_is_straight():
    from minigan.training.sampling import walk

    np.testing.assert_allclose(
        walk(np.float32([[1], [3], [-1], [1]]), 3), [[1], [2], [3], [-1], [0], [1]]
    )


@pytest.mark.parametrize(
    "script", ["train_gan.py", "draw_graph.py", "theory/saturation.py", "mode_coverage.py"]
)
def test_a_device_of_the_environment_that_is_not_here_is_one_sentence(
    script, tmp_path, monkeypatch
):
    monkeypatch.setenv("MINIGAN_DEVICE", "tpu")
    said = run(script, folder=tmp_path, expect=2)
    assert said == (
        f"{Path(script).name}: unknown device 'tpu' (MINIGAN_DEVICE says so); this version has "
        f"{', '.join(sorted(mg.devices.DEVICES))}\n"
    )
    assert os.listdir(tmp_path) == []


def test_a_device_of_the_command_line_is_taken_before_the_environments(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGAN_DEVICE", "tpu")
    assert "device cpu" in run("train_gan.py", "--device", "cpu", "--steps", 1, folder=tmp_path)


def test_every_script_is_run_as_a_program_that_ends_in_a_sentence():
    scripts = [
        path for path in sorted((ROOT / "examples").rglob("*.py")) if "__main__" in path.read_text()
    ]
    assert len(scripts) > 15
    for path in scripts:
        options = 'main, output="progress"' if path.name.startswith("train_") else "main"
        module = "training" if path.name.startswith("train_") else "command_line"
        end = f"{module}.program({options})"
        assert path.read_text().endswith(f'\nif __name__ == "__main__":\n    {end}\n'), path.name


def test_ctrl_c_ends_a_script_without_a_traceback():
    from minigan.training import command_line as arguments

    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stop:
        arguments.program(main)
    assert stop.value.code == 130


@pytest.mark.parametrize("script", ["draw_graph.py", "theory/optimal_discriminator.py"])
def test_a_picture_that_cannot_be_written_is_named(script, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    said = run(script, "--out", tmp_path / "file" / "picture.png", folder=tmp_path, expect=2)
    assert str(tmp_path / "file") in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.update(architecture=[1]),
        lambda run: run["architecture"].pop("latent_dim"),
        lambda run: run["sampling"].update(latent="cauchy"),
        lambda run: run.pop("step"),
    ],
)
def test_sample_refuses_a_checkpoint_of_nonsense(trained, tmp_path, change):
    state = mg.load(trained / "runs" / "dcgan" / "checkpoint.npz")
    change(state["run"])
    mg.save(tmp_path / "odd.npz", state)
    said = run("sample.py", tmp_path / "odd.npz", "--out", "grid.png", folder=tmp_path, expect=2)
    assert f"checkpoint {tmp_path / 'odd.npz'}: " in said
    assert "Traceback" not in said
    assert not (tmp_path / "grid.png").exists()


def test_sample_refuses_what_it_cannot_do_in_one_sentence(trained, tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"not a checkpoint")
    for arguments in (
        [tmp_path],
        [tmp_path / "broken.npz"],
        [trained / "runs" / "dcgan", "--out", "grid.gif"],
        [trained / "runs" / "dcgan", "--truncation", 2],
    ):
        said = run("sample.py", *arguments, folder=tmp_path, expect=2)
        assert len(said.strip().splitlines()) == 1
        assert "Traceback" not in said


MY_NETWORKS = """
from minigan import nn
def Generator(latent_dim, image_size, channels):
    n = channels * image_size ** 2
    shape = channels, image_size, image_size
    return nn.Sequential(nn.Linear(latent_dim, n), nn.Tanh(), nn.Unflatten(1, shape))
def Discriminator(image_size, channels):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size ** 2, 1), nn.Flatten())
"""


def test_networks_of_ones_own_train_and_sample(tmp_path):
    (tmp_path / "mine.py").write_text(MY_NETWORKS)
    run("train_dcgan.py", "--steps", 2, "--networks", "mine.py", folder=tmp_path)
    said = run("sample.py", "runs/dcgan", folder=tmp_path, expect=2)
    assert "of which it holds only the hash: give their file, --networks FILE.py" in said
    run(
        "sample.py",
        "runs/dcgan",
        "-n",
        3,
        "--out",
        "x.npy",
        "--networks",
        "mine.py",
        folder=tmp_path,
    )
    assert np.load(tmp_path / "x.npy").shape == (3, 1, 16, 16)
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text() + "open('trap', 'w')\n")
    assert "SHA-256" in run(
        "sample.py", "runs/dcgan", "--networks", "mine.py", folder=tmp_path, expect=2
    )
    assert not (tmp_path / "trap").exists()


def test_evaluation_prints_its_figures_beside_the_real_ones(trained):
    said = run("evaluate.py", "runs/dcgan", "-n", 400, folder=trained)
    assert "expected" in said
    assert "confidence" in said


def test_latent_arithmetic_needs_a_generator_of_digits(trained):
    said = run("latent_arithmetic.py", "runs/dcgan", "-n", 200, folder=trained, expect=2)
    assert "samples look like a" in said  # two steps are not enough, and it says so


def test_latent_arithmetic_needs_grey_images(tmp_path):
    np.savez(tmp_path / "colour.npz", images=np.zeros((8, 16, 16, 3), np.uint8))
    run(
        "train_dcgan.py",
        "--data",
        "colour.npz",
        "--image-size",
        16,
        "--width",
        2,
        "--batch-size",
        4,
        "--steps",
        2,
        folder=tmp_path,
    )
    said = run("latent_arithmetic.py", "runs/dcgan", "-n", 100, folder=tmp_path, expect=2)
    assert (
        said
        == "latent_arithmetic.py: runs/dcgan draws images with 3 channels, expected grey digits\n"
    )


def test_a_picture_of_a_graph(tmp_path):
    run("draw_graph.py", "--out", "graph.png", folder=tmp_path)
    assert (tmp_path / "graph.png").stat().st_size > 10_000


def test_cyclegan_trains_and_translates(tmp_path):
    small = ("--image-size", 16, "--load-size", 16, "--width", 2, "--blocks", 1, "--patch-width", 2)
    said = run("train_cyclegan.py", "--steps", 2, *small, "--log-every", 1, folder=tmp_path)
    assert said.startswith("device cpu")
    assert "the best recolouring" in said
    header, *rows = (tmp_path / "runs" / "cyclegan" / "log.csv").read_text().splitlines()
    assert header == "step,d_loss,g_loss,cycle,identity,images_per_second"
    assert len(rows) == 2
    said = run(
        "translate.py",
        "runs/cyclegan",
        "--direction",
        "BtoA",
        "--input",
        "runs/cyclegan/samples",
        "--out",
        "out",
        folder=tmp_path,
    )
    assert "2 images translated BtoA by the generator of step 2: out" in said
    assert len(list((tmp_path / "out").glob("*.png"))) == 2


def test_config_repeats_the_run(trained, tmp_path):
    config = json.loads((trained / "runs" / "dcgan" / "config.json").read_text())
    kept = config["arguments"]
    assert kept["width"] == 4
    assert kept["lr"] == 2e-3
    assert config["versions"]["numpy"] == np.__version__


def snippets(*names):
    """The Python programs in some .md files."""
    text = "".join((ROOT / name).read_text() for name in names)
    return re.findall(r"```python\n(.*?)```", text, re.S)


@pytest.mark.parametrize("snippet", snippets("README.md", "examples/README.md"))
def test_the_snippets_of_the_readmes_run(snippet, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", snippet],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_shows_both_commands_and_files_that_exist():
    text = (ROOT / "README.md").read_text()
    assert "examples/train_dcgan.py" in text
    assert "pip install -e '.[test]' && .venv/bin/pytest" in text
    for path in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / path).exists(), path


# ---- the other models: every script keeps the contract that train_dcgan.py keeps

SCRIPTS = {
    "gan": ("train_gan.py", "--hidden", 8, "--units", 4, "--pack", 2, "--k", 2, "--head-start", 3),
    "wgan-gp": ("train_wgan.py", "--width", 4, "--n-critic", 2, "--norm", "layer"),
    "wgan-clip": (
        "train_wgan.py",
        "--penalty",
        "clip",
        "--generator",
        "mlp",
        "--critic",
        "mlp",
        "--hidden",
        8,
        "--image-size",
        8,
        "--batch-size",
        4,
    ),
}


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run an example in this process, which spares seconds of imports: call("sample.py",
    arguments) in tmp_path.
    """
    monkeypatch.chdir(tmp_path)
    return lambda script, *options: importlib.import_module(Path(script).stem).main(
        list(map(str, options))
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_model_trains_resumes_to_the_same_bits_samples_and_is_evaluated(
    name, tmp_path, call, capsys
):
    script, *options = SCRIPTS[name]
    options += ["--log-every", 1, "--quiet"]
    call(script, *options, "--steps", 3, "--out", "whole")
    call(script, *options, "--steps", 2, "--out", "parts")
    call(script, "--steps", 3, "--resume", "--sample-every", 1, "--out", "parts")
    whole = tmp_path / "whole"
    parts = tmp_path / "parts"
    assert (whole / "checkpoint.npz").read_bytes() == (parts / "checkpoint.npz").read_bytes()
    files = {path.name for path in whole.iterdir()}
    assert {
        "config.json",
        "log.csv",
        "samples",
        "samples.png",
        "training.gif",
        "losses.png",
    } <= files
    header, *rows = (whole / "log.csv").read_text().splitlines()
    assert len(rows) == 3
    assert header == (
        "step,d_loss,g_loss,images_per_second"
        if name == "gan"
        else "step,w1,f_loss,g_loss,images_per_second"
    )
    call("sample.py", "whole", "-n", 3, "--out", "x.npy")
    size = 16 if name == "wgan-gp" else 8
    assert np.load(tmp_path / "x.npy").shape == (3, 1, size, size)
    call("evaluate.py", "whole", "-n", 50)
    assert "1-nearest-neighbour" in capsys.readouterr().out


@pytest.mark.parametrize(
    "script, options",
    [
        ("train_gan.py", ()),
        ("train_wgan.py", ("--n-critic", 1)),
        ("train_wgan.py", ("--generator", "mlp", "--n-critic", 1)),
    ],
)
def test_networks_of_ones_own_play_every_game(tmp_path, call, script, options):
    (tmp_path / "mine.py").write_text(MY_NETWORKS)
    call(script, "--networks", "mine.py", *options, "--steps", 1, "--quiet", "--out", "run")
    call("sample.py", "run", "-n", 3, "--out", "x.npy", "--networks", "mine.py")
    assert np.load(tmp_path / "x.npy").shape[:2] == (3, 1)
    assert set(mg.load(tmp_path / "run" / "checkpoint.npz")["generator"]) == {"0.weight", "0.bias"}


def test_a_clipped_critic_is_clipped_after_its_last_step(tmp_path, call):
    script, *options = SCRIPTS["wgan-clip"]
    call(script, *options, "--steps", 1, "--quiet", "--lr", 1e-3, "--out", "run")
    weights = np.concatenate(
        [w.ravel() for w in mg.load(tmp_path / "run" / "checkpoint.npz")["critic"].values()]
    )
    assert abs(weights).max() == np.float32(0.01)
    assert (abs(weights) == np.float32(0.01)).mean() > 0.1


def test_momentum_and_learning_rate_follow_the_papers_schedule(tmp_path, call):
    """100 of 300 images a step, so step 11 is in epoch 3, of 5 in which the momentum grows."""
    np.savez(
        tmp_path / "noise.npz",
        images=np.random.default_rng(0).integers(0, 256, (300, 4, 4), np.uint8),
    )
    call(
        "train_gan.py",
        "--data",
        "noise.npz",
        "--image-size",
        4,
        "--hidden",
        3,
        "--units",
        2,
        "--momentum-epochs",
        5,
        "--steps",
        11,
        "--quiet",
    )
    settings = mg.load(tmp_path / "runs" / "gan" / "checkpoint.npz")["discriminator_optimizer"][
        "param_groups"
    ][0]
    assert settings["momentum"] == pytest.approx(0.5 + 0.2 * 3 / 5)
    assert settings["lr"] == pytest.approx(0.1 / 1.000004**10, rel=1e-12)


def test_the_head_start_is_the_discriminators_alone(call):
    """With it D has taken more steps than G, and G as many as without."""
    states = []
    for head_start in (0, 4):
        call(
            "train_gan.py",
            *SCRIPTS["gan"][1:-2],
            "--head-start",
            head_start,
            "--steps",
            1,
            "--quiet",
            "--out",
            f"run{head_start}",
        )
        states.append(mg.load(f"run{head_start}/checkpoint.npz"))
    assert [state["batches"]["position"] // state["batches"]["batch_size"] for state in states] == [
        2,
        6,
    ]
    assert [state["average"]["count"] for state in states] == [1, 1]


def test_a_learning_rate_that_decays_fast_stays_at_its_least(call):
    """1e30 to the power of 13 is no float; the rate is 1e-6 from the second step on."""
    call(
        "train_gan.py",
        *SCRIPTS["gan"][1:-2],
        "--lr-decay",
        1e30,
        "--steps",
        14,
        "--quiet",
        "--out",
        "decayed",
    )
    groups = mg.load("decayed/checkpoint.npz")["generator_optimizer"]["param_groups"]
    assert [group["lr"] for group in groups] == [1e-6]


@pytest.mark.parametrize(
    "script, options, message",
    [
        ("train_gan.py", ("--pack", 3), "--batch-size 64 is no multiple of --pack 3"),
        ("train_gan.py", ("--lr-decay", 0.9), "0.9 is not a number of at least 1"),
        ("train_gan.py", ("--batch-size", 5000), "batch_size is 5000, expected 1 to 1437"),
        ("train_wgan.py", ("--norm", "batch"), "--norm batch ties a batch's samples"),
        ("train_wgan.py", ("--image-size", 28), "image_size is 28, expected 16, 32, 64 or 128"),
        ("train_wgan.py", ("--penalty", "l1"), "invalid choice: 'l1'"),
        ("mode_coverage.py", ("--method", "vae"), "invalid choice: 'vae'"),
    ],
)
def test_a_mistake_in_another_scripts_arguments_is_one_sentence(
    tmp_path, call, capsys, script, options, message
):
    with pytest.raises(SystemExit) as exit:
        call(script, "--steps", 2, *options)
    said = capsys.readouterr().err
    assert exit.value.code == 2
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


# ---- found by people who tried


@pytest.mark.parametrize(
    "options, message",
    [
        (("--networks", ""), "'' names no file"),
        (
            ("--data", "photos", "--out", "photos/run", "--image-size", 16),
            "lies in the folder of the data, photos",
        ),
        (
            ("--data", "photos", "--out", "photos", "--image-size", 16),
            "lies in the folder of the data, photos",
        ),
        (("--data", "nuclei:"), "nuclei: is no data set and no path"),
    ],
)
def test_what_would_quietly_do_something_else_is_refused(call, capsys, options, message):
    Path("photos").mkdir()
    for i in range(4):
        mg.images.save_png(f"photos/{i}.png", mg.rand(1, 1, 16, 16).numpy())
    with pytest.raises(SystemExit) as caught:
        call("train_dcgan.py", *options)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert message in said
    assert said.count("\n") == 1
    assert sorted(os.listdir("photos")) == [f"{i}.png" for i in range(4)]


def test_halves_of_one_named_set_are_refused(call, capsys):
    with pytest.raises(SystemExit) as caught:
        call("train_cyclegan.py", "--halves", "source")
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert "--halves source divides pairs of --data-a and --data-b" in said


def test_a_networks_file_that_exits_is_a_file_that_cannot_be_run(call, capsys):
    Path("mine.py").write_text("import sys\nsys.exit()\n")
    with pytest.raises(SystemExit) as caught:
        call("train_dcgan.py", "--networks", "mine.py")
    assert caught.value.code == 2
    assert "mine.py cannot be run: SystemExit" in capsys.readouterr().err


def test_an_error_is_one_line_of_bounded_length(call, capsys):
    with pytest.raises(SystemExit) as caught:
        call("train_dcgan.py", "--data", "x" * 100_000)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert said.count("\n") == 1
    assert len(said) < 3000
