"""Translate a folder of images by a trained CycleGAN.

    python examples/translate.py runs/cyclegan --direction AtoB --input photos/ --out translated/

Images may have any size: each is padded by reflection to one that the generator can halve, and the translation is cut
back. It has the name of the original, as .png.
"""

from pathlib import Path

import numpy as np

import arguments
import minigan as mg
from minigan import data, devices, images, models
from minigan.files import reading
from minigan.foreign import check_whole, shown
from minigan.models import check_arguments
from minigan.models.cyclegan import ResnetGenerator, UnetGenerator

GENERATORS = {"resnet": ResnetGenerator, "unet": UnetGenerator}
DIRECTIONS = ("AtoB", "BtoA")


def load_generators(run_or_checkpoint, networks=None):
    """A run directory or checkpoint -> (generator A to B, generator B to A, what the checkpoint says of itself: "run").

    networks: the file of networks of one's own, where it was trained with such. Raises FileNotFoundError, or ValueError
    for a checkpoint that is damaged or another model's.
    """
    path = arguments.find_checkpoint(run_or_checkpoint)
    state = arguments.load_checkpoint(path)
    about = arguments.about_of(state)
    if about is None or not {*DIRECTIONS} <= state.keys():
        model = shown(about.get("model")).strip("'") if about else "another kind"
        raise ValueError(f"checkpoint {path} is of {model}, expected one of cyclegan, with generators that translate")
    with reading(f"checkpoint {path}"):
        return *_build(state, about, networks), about


def _build(state, about, networks):
    """The two generators of a checkpoint."""
    architecture = about["architecture"]
    check_arguments(architecture)
    check_whole("its step", about["step"])
    check_whole("its in_channels", architecture.get("in_channels"), 1, models.LARGEST)
    module = arguments.own_networks(about, networks)
    kind = architecture.get("generator")
    if module is None and kind not in GENERATORS:
        raise ValueError(f"its generator is {shown(kind)}, expected one of {', '.join(GENERATORS)}")
    network = GENERATORS[kind] if module is None else module.Generator
    return [arguments.build_network(network, architecture, state[direction]).eval() for direction in DIRECTIONS]


def translate(generator, x, batch_size=20):
    """Images float32 (N, C, H, W) in [-1, 1] of any size -> as many of that size, translated."""
    height, width = x.shape[2:]
    unit = getattr(generator, "unit", 1)  # sides must be multiples of it; of a network of yours, as it likes
    more = [max(-n % unit, 8 - n) if unit > 1 else 0 for n in (height, width)]
    x = np.pad(x, [(0, 0), (0, 0), (0, more[0]), (0, more[1])], mode="reflect")
    with mg.no_grad():
        batches = [generator(mg.tensor(x[i:i + batch_size])).numpy() for i in range(0, len(x), batch_size)]
    return np.ascontiguousarray(np.concatenate(batches)[:, :, :height, :width])


def with_channels(image, channels):
    """uint8 (1 or 3, H, W) -> (channels, H, W): grey repeated, or the luminance of RGB (ITU-R BT.601)."""
    if len(image) == 3 and channels == 1:
        return np.rint(np.tensordot([[0.299, 0.587, 0.114]], image, axes=1)).astype(np.uint8)
    return np.broadcast_to(image, (channels, *image.shape[1:]))


def find_images(folder, out, skip_unreadable):
    """{file in folder: file in out} of all that can be read; ValueError names the files that cannot, unless skipped."""
    if not folder.is_dir():
        raise NotADirectoryError(f"--input {folder} is no folder")
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"--out {out} lies in --input {folder}: its images would be translated the next time")
    files, unreadable = {}, []
    for name in data.image_files(folder, skip_unreadable):
        try:
            images.read_image(folder / name)
        except ValueError as error:
            unreadable.append(str(error))
            continue
        target = (out / name).with_suffix(".png")
        if twin := [source for source, other in files.items() if other == target]:
            raise ValueError(f"{twin[0]} and {folder / name} would both become {target}: rename one")
        files[folder / name] = target
    if unreadable and not skip_unreadable:
        raise ValueError(f"{'; '.join(unreadable)} (--skip-unreadable goes on without)")
    for error in unreadable:
        print(f"skipped: {error}")
    if not files:
        raise ValueError(f"--input {folder} holds no image that can be read")
    return files


def main(argv=None):
    parser = arguments.Parser(description=__doc__)
    parser.add_argument("run", help="a run directory or a checkpoint file")
    parser.add_argument("--direction", choices=DIRECTIONS, default="AtoB", help="(default: %(default)s)")
    parser.add_argument("--input", required=True, type=Path, metavar="DIR", help="the images, with those in subfolders")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where to write the translations")
    parser.add_argument("--skip-unreadable", action="store_true", help="name unreadable files and go on without them")
    arguments.add_networks(parser)
    args = parser.parse_args(argv)
    with arguments.one_sentence():
        *generators, about = load_generators(args.run, args.networks)
        files = find_images(args.input, args.out, args.skip_unreadable)
    print(devices.describe(), flush=True)
    generator = generators[DIRECTIONS.index(args.direction)]
    for source, target in files.items():
        image = with_channels(images.read_image(source), about["architecture"]["in_channels"])
        translated = translate(generator, images.to_float(image)[None])
        images.save_png(target, images.make_grid(translated, padding=0, scale=1))
    print(f"{len(files)} images translated {args.direction} by the generator of step {about['step']}: {args.out}")


if __name__ == "__main__":
    arguments.program(main)
