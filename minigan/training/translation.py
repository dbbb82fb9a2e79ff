"""Translating images with the generators of a CycleGAN's checkpoint."""

import numpy as np

import minigan as mg

from .. import models
from ..files import reading
from ..files.foreign import check_whole, shown
from ..models import check_arguments
from ..models.cyclegan import ResnetGenerator, UnetGenerator
from . import command_line

GENERATORS = {"resnet": ResnetGenerator, "unet": UnetGenerator}
DIRECTIONS = ("AtoB", "BtoA")


def load_generators(run_or_checkpoint, networks=None):
    """A run directory or checkpoint -> (generator A to B, generator B to A, what the checkpoint
    says of itself: "run").

    networks: the file of networks of one's own, where it was trained with such. Raises
    FileNotFoundError, or ValueError for a checkpoint that is damaged or another model's.
    """
    path = command_line.find_checkpoint(run_or_checkpoint)
    state = command_line.load_checkpoint(path)
    about = command_line.about_of(state)
    if about is None or not {*DIRECTIONS} <= state.keys():
        model = shown(about.get("model")).strip("'") if about else "another kind"
        raise ValueError(
            f"checkpoint {path} is of {model}, expected one of cyclegan, with generators that translate"
        )
    with reading(f"checkpoint {path}"):
        return *_build(state, about, networks), about


def _build(state, about, networks):
    """The two generators of a checkpoint."""
    architecture = about["architecture"]
    check_arguments(architecture)
    check_whole("its step", about["step"])
    if about.get("sampling") != {"batch_statistics": "running"}:
        raise ValueError(
            f"it is sampled as {shown(about.get('sampling'))}, expected running batch statistics"
        )
    check_whole("its in_channels", architecture.get("in_channels"), 1, models.LARGEST)
    module = command_line.own_networks(about, networks)
    kind = architecture.get("generator")
    if module is None and kind not in GENERATORS:
        raise ValueError(f"its generator is {shown(kind)}, expected one of {', '.join(GENERATORS)}")
    network = GENERATORS[kind] if module is None else module.Generator
    return [
        command_line.build_network(network, architecture, state[direction]).eval()
        for direction in DIRECTIONS
    ]


def translate(generator, x, batch_size=20):
    """Images float32 (N, C, H, W) in [-1, 1] of any size -> as many of that size, translated."""
    height, width = x.shape[2:]
    unit = getattr(
        generator, "unit", 1
    )  # sides must be multiples of it; of a network of yours, as it likes
    more = [max(-n % unit, 8 - n) if unit > 1 else 0 for n in (height, width)]
    x = np.pad(x, [(0, 0), (0, 0), (0, more[0]), (0, more[1])], mode="reflect")
    with mg.no_grad():
        batches = [
            generator(mg.tensor(x[i : i + batch_size])).numpy()
            for i in range(0, len(x), batch_size)
        ]
    return np.ascontiguousarray(np.concatenate(batches)[:, :, :height, :width])


def with_channels(image, channels):
    """uint8 (1 or 3, H, W) -> (channels, H, W): grey repeated, or the luminance of RGB (ITU-R
    BT.601).
    """
    if len(image) == 3 and channels == 1:
        return np.rint(np.tensordot([[0.299, 0.587, 0.114]], image, axes=1)).astype(np.uint8)
    return np.broadcast_to(image, (channels, *image.shape[1:]))
