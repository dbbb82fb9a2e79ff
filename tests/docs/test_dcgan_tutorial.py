"""The two programs of dcgan-tutorial.md: each line has its twin, minigan's runs as it is, and both
train to the same weights.
"""

import random
import re
import types

import numpy as np
import pages
import pytest

import minigan as mg

PAGE = "dcgan-tutorial.md"
LEFT = 0  # PyTorch
RIGHT = 1  # minigan
STEPS = 3
SMALL = dict(ngf=3, ndf=3, nz=5, batch_size=4, num_epochs=1)


def steps():
    """The numbered sections of the page -> {title: the programs in it, one or two}."""
    found = {}
    for part in pages.text_of(PAGE).split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        numbered = re.fullmatch(r"\d+\. ([\w ]+)(: the same text)?", title)
        if numbered:
            found[numbered[1]] = pages.blocks(text)
    return found


def run_steps(side, names, others, left_out=()):
    """Run the program of one side, LEFT or RIGHT, step by step.

    others: {title: a function of the names} to be called after a step of the page. left_out: the
    titles of the steps that are not run.
    """
    for title, programs in steps().items():
        program = programs[side] if len(programs) > 1 else programs[0]
        if title not in left_out:
            exec(compile(program, f"<{title}>", "exec"), names)
        if title in others:
            others[title](names)


@pytest.fixture
def images(tmp_path):
    """A data set of as many small images as the steps need."""
    rng = np.random.default_rng(0)
    count = STEPS * SMALL["batch_size"]
    pixels = rng.integers(0, 256, (count, 3, 64, 64), dtype=np.uint8)
    path = tmp_path / "images.npz"
    np.savez(path, images=pixels)
    return path


def make_small(images):
    """The function that makes the settings of the page small."""

    def change(names):
        names.update(SMALL, dataroot=str(images))

    return change


def test_each_line_has_its_twin():
    assert len(steps()) == 10
    for title, programs in steps().items():
        assert len(programs) in (1, 2), title
        lengths = {program.count("\n") for program in programs}
        assert len(lengths) == 1, title
        for program in programs:
            compile(program, title, "exec")


def test_minigans_program_runs_as_it_is(images, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    with mg.device("cpu"):
        run_steps(RIGHT, names, {"Settings": make_small(images)})
    assert len(names["G_losses"]) == len(names["D_losses"]) == STEPS
    assert "epoch 0 step 0 of 3" in capsys.readouterr().out
    assert (tmp_path / "fake.png").stat().st_size > 1000
    weights = names["netG"].state_dict()
    for name, array in mg.load(tmp_path / "netG.npz").items():
        np.testing.assert_array_equal(weights[name].numpy(), array)


# ---- the same training in both libraries, in float64 ---------------------------------------------


class InFloat64:
    """A library whose float is float64, and whose random numbers are NumPy's."""

    def __init__(self, library):
        self.library = library
        self.float = library.float64
        self.rng = np.random.default_rng(5)

    def __getattr__(self, name):
        return getattr(self.library, name)

    def randn(self, *shape, device):
        return self.library.tensor(self.rng.standard_normal(shape))


def batches(images):
    """The batches of the page, as float64 arrays."""
    dataset = mg.data.load(str(images), image_size=64)
    found = mg.data.Batches(dataset.images, SMALL["batch_size"], seed=1)
    return [next(found).double().numpy() for _ in range(STEPS)]


def in_float64(names):
    """Both networks of a program in float64."""
    names["netG"].double()
    names["netD"].double()


def train_in_pytorch(images):
    """The program on the left -> its initial weights of both networks, and its names at the end."""
    torch = pytest.importorskip(
        "torch", reason="PyTorch, the independent oracle, is not installed (extra: oracle)"
    )
    torch.set_num_threads(1)
    initial = {}

    def keep_weights(names):
        in_float64(names)
        for net in ("netG", "netD"):
            state = names[net].state_dict()
            initial[net] = {name: t.clone() for name, t in state.items()}

    others = {"Settings": make_small(images), "The networks": keep_weights}
    names = dict(
        random=random,
        torch=InFloat64(torch),
        nn=torch.nn,
        optim=torch.optim,
        vutils=TORCHVISION,
        dataloader=[(torch.from_numpy(array),) for array in batches(images)],
        steps_per_epoch=STEPS,
    )
    run_steps(LEFT, names, others, NEEDS_TORCHVISION)
    return initial, names


# torchvision is no dependency, so the steps that need all of it are left out, and in the others
# this stands for it.
NEEDS_TORCHVISION = ("Imports", "Data")
TORCHVISION = types.SimpleNamespace(
    make_grid=lambda images, normalize: images,
    save_image=lambda images, path: None,
)


def train_in_minigan(images, initial):
    """The program on the right, from the same weights, with the same noise -> its names."""

    def in_double(names):
        names["mg"] = InFloat64(mg)

    def same_batches(names):
        names["batches"] = map(mg.tensor, batches(images))

    def same_weights(names):
        in_float64(names)
        for net, state in initial.items():
            names[net].load_state_dict(state)

    others = {
        "Imports": in_double,
        "Settings": make_small(images),
        "Data": same_batches,
        "The networks": same_weights,
    }
    names = {}
    with mg.device("cpu"):
        run_steps(RIGHT, names, others)
    return names


def test_both_programs_train_to_the_same_weights(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    initial, theirs = train_in_pytorch(images)
    ours = train_in_minigan(images, initial)
    for losses in ("G_losses", "D_losses"):
        assert len(theirs[losses]) == STEPS
        assert ours[losses] == pytest.approx(theirs[losses], rel=1e-10)
    for net in ("netG", "netD"):
        state = ours[net].state_dict()
        expected = theirs[net].state_dict()
        assert list(state) == list(expected)
        for name, t in expected.items():
            np.testing.assert_allclose(state[name].numpy(), t.numpy(), rtol=1e-8, atol=1e-10)
    for found, expected in zip(ours["img_list"], theirs["img_list"], strict=True):
        in_minigan = mg.images.make_grid(expected.numpy())
        assert np.abs(found.astype(int) - in_minigan.astype(int)).max() <= 1
