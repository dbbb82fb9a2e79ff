"""A model says what its generator takes: a conditional one is given labels, in turn or one."""

import types
from pathlib import Path

import numpy as np
import pytest

import latent_arithmetic
import minigan as mg
import sample  # examples/sample.py
from minigan import models, nn
from minigan.evaluation import report
from minigan.training import checkpoint, sampling


class Generator(nn.Module):
    """z (N, 2), labels (N,) -> images (N, 1, 4, 4) whose brightness is the label."""

    def __init__(self, latent_dim=2, classes=3, channels=1):
        self.levels = nn.Embedding(classes, 1)
        levels = np.linspace(-0.5, 0.5, classes, dtype=np.float32)
        self.levels.weight = nn.Parameter(levels[:, None])
        self.latent_dim = latent_dim

    def forward(self, z, labels):
        level = self.levels(labels)  # (N, 1)
        return level.reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)


CONDITIONAL = types.SimpleNamespace(Generator=Generator, GENERATOR_TAKES=("latent", "label"))


def write_run(path, model, generator, **architecture):
    about = {
        "model": model,
        "step": 1,
        "architecture": {"latent_dim": 2, **architecture},
        "sampling": {
            "network": "generator",
            "batch_statistics": "running",
            "latent": "normal",
            "classes": ["cat", "dog", "cow"],
        },
        "networks": None,
        "rng": mg.rng.state_dict(),
    }
    checkpoint.save(path, {"run": about, "generator": generator.state_dict()})


@pytest.fixture
def conditional(tmp_path, monkeypatch):
    """A checkpoint of a model with classes."""
    monkeypatch.setitem(models.MODELS, "toy", CONDITIONAL)
    write_run(tmp_path / "checkpoint.npz", "toy", Generator(), classes=3)
    return tmp_path / "checkpoint.npz"


@pytest.mark.parametrize(
    "options, levels",
    [
        ((), [-0.5, 0, 0.5, -0.5, 0]),
        (("--label", "2"), [0.5] * 5),
        (("--label", "cat"), [-0.5] * 5),
        (("--label", "dog", "--interpolate", "3"), [0] * 15),
    ],
)
def test_labels_come_in_turn_or_are_the_one_that_is_named(conditional, tmp_path, options, levels):
    out = tmp_path / "samples.npy"
    sample.main([str(conditional), "-n", "5", "--out", str(out), *options])
    np.testing.assert_allclose(np.load(out)[:, 0, 0, 0], levels, atol=1e-6)


@pytest.mark.parametrize("label", ["3", "horse", "-1", "1.5", ""])
def test_what_is_no_class_is_refused_in_one_sentence(conditional, tmp_path, label, capsys):
    with pytest.raises(SystemExit) as stop:
        sample.main([str(conditional), f"--label={label}", "--out", str(tmp_path / "g.npy")])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert f"--label {label} is not a class, expected 0 to 2 or one of" in said
    assert not (tmp_path / "g.npy").exists()


def test_a_label_is_refused_where_the_model_has_no_classes(tmp_path, capsys):
    generator = models.gan.Generator(latent_dim=2, image_size=4, hidden=3)
    path = tmp_path / "checkpoint.npz"
    write_run(path, "gan", generator, image_size=4, channels=1, hidden=3)
    with pytest.raises(SystemExit):
        sample.main([str(path), "--label", "1", "--out", str(tmp_path / "g.npy")])
    assert "--label 1 asks for a class, but the generator of gan takes latent only" in (
        capsys.readouterr().err
    )


def test_latent_arithmetic_is_of_unconditional_models(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(models.MODELS, "toy", CONDITIONAL)
    path = tmp_path / "checkpoint.npz"
    write_run(path, "toy", Generator(), classes=3, channels=1)
    with pytest.raises(SystemExit) as stop:
        latent_arithmetic.main([str(path), "--out", str(tmp_path / "a.png")])
    said = capsys.readouterr().err
    assert f"the generator of {path} takes latent and label, expected latent only" in said
    assert stop.value.code == 2


def test_every_model_says_what_its_generator_takes():
    taken = {name: models.takes(name) for name in models.MODELS}
    latents = {"gan", "dcgan", "wgan"}
    assert {name for name in taken if taken[name] == ("latent",)} == latents
    assert taken["cyclegan"] == ("image",)


def test_inputs_are_the_same_latents_for_a_seed():
    about = {"model": "gan", "architecture": {"latent_dim": 3}, "sampling": {"latent": "normal"}}
    (z,) = sampling.draw_inputs(4, about, seed=5)
    np.testing.assert_array_equal(z, sampling.draw_latents(4, about, 5))


def test_a_script_s_report_draws_the_classes_in_turn(monkeypatch, capsys):
    monkeypatch.setitem(models.MODELS, "toy", CONDITIONAL)
    measured = []
    monkeypatch.setattr(report, "measure", lambda pictures, name: measured.append(pictures))
    about = {
        "model": "toy",
        "architecture": {"latent_dim": 2, "classes": 3},
        "sampling": {"latent": "normal"},
    }
    args = types.SimpleNamespace(quiet=False, data="digits")
    session = types.SimpleNamespace(about=about, out=Path("out"))
    average = types.SimpleNamespace(module=Generator())
    report.print_quality(args, session, average)
    (pictures,) = measured
    np.testing.assert_allclose(pictures[:4, 0, 0, 0], [-0.5, 0, 0.5, -0.5], atol=1e-6)
    assert "samples.png" in capsys.readouterr().out
