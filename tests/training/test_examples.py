"""The examples as a person runs them: for two steps, in a process of their own."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from run_examples import EXAMPLES, said_by
from toy_run import bits

import minigan as mg
from minigan.training import scripts

# ---- train_dcgan.py keeps the contract


def test_training_leaves_the_run_directory_of_the_contract(trained):
    run = trained / "runs" / "dcgan"
    names = {path.name for path in run.iterdir()}
    assert {
        "config.json",
        "log.csv",
        "samples",
        "samples.png",
        "training.gif",
        "losses.png",
        "checkpoint.npz",
    } <= names
    header, *rows = (run / "log.csv").read_text().splitlines()
    assert header == "step,d_loss,g_loss,images_per_second"
    assert len(rows) == 2


def test_config_repeats_the_run(trained):
    config = json.loads((trained / "runs" / "dcgan" / "config.json").read_text())
    kept = config["arguments"]
    assert kept["width"] == 4
    assert kept["lr"] == 2e-3
    assert config["versions"]["numpy"] == np.__version__


def test_a_second_run_does_not_overwrite_the_first(trained):
    before = bits(trained / "runs" / "dcgan")
    again = "train_dcgan.py", "--steps", 2, "--width", 4
    assert "--resume" in said_by(*again, folder=trained, expect=2)
    assert bits(trained / "runs" / "dcgan") == before


def test_stopping_and_resuming_gives_the_same_bits(tmp_path, run_example):
    options = "--width", 4, "--log-every", 1, "--quiet"
    run_example("train_dcgan.py", "--steps", 5, *options, "--out", "whole")
    run_example("train_dcgan.py", "--steps", 3, *options, "--out", "parts")
    rest = "--steps", 5, "--resume", "--sample-every", 1
    run_example("train_dcgan.py", *rest, "--out", "parts")
    assert bits(tmp_path / "whole") == bits(tmp_path / "parts")


# ---- mistakes are one sentence


@pytest.mark.parametrize(
    "options, message",
    [
        (
            ("--image-size", 50),
            "DCGAN: --image-size is 50, expected sides of 16 to 1024 pixels that",
        ),
        (("--image-size", "8x"), "8x is not a size, expected a whole number of at least 1, or"),
        (("--augment", "colour"), "the augmentation is 'colour', expected some of color,"),
        (("--batch-size", 5000), "--batch-size is 5000, expected a whole number from 1 to 1437"),
        (("--data", "nowhere"), "there is no data set, folder or file nowhere"),
        (("--lr", 0), "0 is not a number above 0"),
        (("--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_sentence(tmp_path, run_example, options, message):
    said = run_example("train_dcgan.py", "--steps", 2, *options, expect=2)
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "script, options, message",
    [
        ("train_gan.py", ("--pack", 3), "--batch-size 64 is not a multiple of --pack 3"),
        ("train_gan.py", ("--lr-decay", 0.9), "0.9 is not a number of at least 1"),
        (
            "train_gan.py",
            ("--batch-size", 5000),
            "--batch-size is 5000, expected a whole number from 1 to 1437",
        ),
        ("train_wgan.py", ("--norm", "batch"), "--norm batch ties a batch's samples"),
        ("train_wgan.py", ("--image-size", 8), "--image-size is 8, expected sides of 16 to 1024"),
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
        (("--data", "nuclei:"), "there is no data set, folder or file nuclei:"),
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


def test_an_error_is_one_line_of_bounded_length(call, capsys):
    with pytest.raises(SystemExit) as caught:
        call("train_dcgan.py", "--data", "x" * 100_000)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert said.count("\n") == 1
    assert len(said) < 3000


# ---- devices


@pytest.mark.parametrize(
    "script", ["train_gan.py", "draw_graph.py", "theory/saturation.py", "mode_coverage.py"]
)
def test_a_device_of_the_environment_that_is_not_here_is_one_sentence(
    script, tmp_path, run_example, monkeypatch
):
    monkeypatch.setenv("MINIGAN_DEVICE", "tpu")
    assert sorted(mg.devices.DEVICES) == ["cpu", "cuda", "host"]
    assert run_example(script, expect=2) == (
        f"{Path(script).name}: unknown device 'tpu' (MINIGAN_DEVICE says so), expected cpu, cuda "
        "or host\n"
    )
    assert os.listdir(tmp_path) == []


def test_a_device_of_the_command_line_is_taken_before_the_environments(run_example, monkeypatch):
    monkeypatch.setenv("MINIGAN_DEVICE", "tpu")
    assert "device cpu" in run_example("train_gan.py", "--device", "cpu", "--steps", 1)


# ---- every script ends in a sentence


def test_every_script_is_run_as_a_program_that_ends_in_a_sentence():
    programs = [path for path in EXAMPLES.rglob("*.py") if "__main__" in path.read_text()]
    assert len(programs) > 15
    for path in programs:
        end = "scripts.program(main)"
        if path.name.startswith("train_"):
            end = 'training.program(main, output="progress")'
        assert path.read_text().endswith(f'\nif __name__ == "__main__":\n    {end}\n'), path.name


def test_ctrl_c_ends_a_script_without_a_traceback():
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stop:
        scripts.program(main)
    assert stop.value.code == 130


# ---- pictures


@pytest.mark.parametrize("script", ["draw_graph.py", "theory/optimal_discriminator.py"])
def test_a_picture_that_cannot_be_written_is_named(script, tmp_path, run_example):
    (tmp_path / "file").write_bytes(b"")
    said = run_example(script, "--out", tmp_path / "file" / "picture.png", expect=2)
    assert str(tmp_path / "file") in said
    assert "Traceback" not in said


def test_a_picture_of_a_graph(tmp_path, run_example):
    run_example("draw_graph.py", "--out", "graph.png")
    assert (tmp_path / "graph.png").stat().st_size > 10_000


# ---- CycleGAN, from training to translated images


def test_cyclegan_trains_and_translates(tmp_path, run_example):
    small = ("--image-size", 16, "--load-size", 16, "--width", 2, "--blocks", 1, "--patch-width", 2)
    said = run_example("train_cyclegan.py", "--steps", 2, *small, "--log-every", 1)
    assert said.startswith("device cpu")
    assert "the best recolouring" in said
    header, *rows = (tmp_path / "runs" / "cyclegan" / "log.csv").read_text().splitlines()
    assert header == "step,d_loss,g_loss,cycle,identity,images_per_second"
    assert len(rows) == 2
    what = "--direction", "BtoA", "--input", "runs/cyclegan/samples", "--out", "out"
    said = run_example("translate.py", "runs/cyclegan", *what)
    assert "2 images translated BtoA by the generator of step 2: out" in said
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
