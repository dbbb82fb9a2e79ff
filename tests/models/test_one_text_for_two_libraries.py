"""The networks of the benchmarks: one text, run by minigan and by PyTorch, gives equal numbers."""

import sys
from pathlib import Path

import numpy as np
import pytest
from torch_twin import all_close, torch

import minigan as mg

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from bound import bind  # noqa: E402

OURS = bind("networks", mg)
THEIRS = bind("networks", torch)

# a network, its arguments: the shapes of its inputs
NETWORKS = """
    perceptron 10 20 3: 4x10
    dcgan_generator 10 4: 4x10x1x1
    dcgan_discriminator 4: 4x3x64x64
    wgan_critic 4: 4x3x32x32
    cyclegan_generator 4 2: 2x3x16x16
    patch_discriminator 3 4: 2x3x64x64
    SNGenerator 8: 4x128
    SNDiscriminator 8: 4x3x32x32
    unet 4: 2x3x64x64
    srresnet 8 2: 2x3x8x8
    ModulatedBlock 16: 2x16x8x8 2x512
"""
# a step, its options
STEPS = """
    mlp batch=4
    dcgan batch=2
    wgan_gp batch=2 width=8
    cyclegan size=32 width=4 blocks=1 batch=1
    sngan batch=2
    pix2pix batch=2
    srresnet batch=1
    modulated batch=2 maps=16
"""


def lines(text):
    return [line.strip() for line in text.strip().splitlines()]


def whole(numbers):
    return [int(number) for number in numbers]


def random_arrays(shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in shapes]


def numbers(lib, network, arrays):
    """The output, and the gradients of all inputs and parameters, as NumPy arrays."""
    inputs = [lib.tensor(a).requires_grad_() for a in arrays]
    y = network(*inputs)
    (g,) = random_arrays([tuple(y.shape)])
    loss = (y * lib.tensor(g)).sum()
    loss.backward()
    leaves = [*inputs, *network.parameters()]
    gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
    found = [y, *gradients]
    return [t.detach().numpy() for t in found]


@pytest.mark.parametrize("row", lines(NETWORKS))
def test_outputs_and_gradients_are_equal(row):
    call, shapes = row.split(":")
    name, *arguments = call.split()
    arguments = whole(arguments)
    shapes = [whole(shape.split("x")) for shape in shapes.split()]
    torch.manual_seed(0)
    theirs = getattr(THEIRS, name)(*arguments).double()
    ours = getattr(OURS, name)(*arguments).double()
    if name == "unet":  # its dropout draws other numbers
        theirs.eval()
        ours.eval()
    state = theirs.state_dict()
    state = {key: value.numpy() for key, value in state.items()}
    ours.load_state_dict(state)
    arrays = random_arrays(shapes)
    expected = numbers(torch, theirs, arrays)
    found = numbers(mg, ours, arrays)
    all_close(found, expected, tolerance=1e-10)


@pytest.mark.parametrize("library", [mg, torch], ids=["minigan", "PyTorch"])
@pytest.mark.parametrize("row", lines(STEPS))
def test_every_step_of_the_benchmarks_trains(library, row):
    name, *pairs = row.split()
    pairs = [pair.split("=") for pair in pairs]
    options = {key: int(value) for key, value in pairs}
    steps = bind("network_steps", library)
    step = getattr(steps, name)(**options)
    first = step()
    assert np.isfinite(first).all()
    assert step() != first
