"""Translate a folder of images by a trained CycleGAN.

    python examples/translate.py runs/cyclegan --direction AtoB --input photos/ --out translated/

Images may have any size: each is padded by reflection to one that the generator can halve, and
the translation is cut back. It has the name of the original, as .png.
"""

from pathlib import Path

from minigan import data, devices
from minigan.data import images
from minigan.training import command_line
from minigan.training.translation import DIRECTIONS, load_generators, translate, with_channels


def find_images(folder, out, skip_unreadable):
    """{file in folder: file in out} of all images that can be read.

    Raises ValueError with the names of the files that cannot, unless they are skipped, and for a
    file in out that would be overwritten.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"--input {folder} is no folder")
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(
            f"--out {out} lies in --input {folder}: its images would be translated the next time"
        )
    files, unreadable = {}, []
    for name in data.image_files(folder, skip_unreadable):
        try:
            images.read_image(folder / name)
        except ValueError as error:
            unreadable.append(str(error))
            continue
        target = (out / name).with_suffix(".png")
        if twin := [source for source, other in files.items() if other == target]:
            raise ValueError(
                f"{twin[0]} and {folder / name} would both become {target}: rename one"
            )
        if target.exists():
            raise FileExistsError(f"{target} exists already: choose another --out, or move it away")
        files[folder / name] = target
    if unreadable and not skip_unreadable:
        raise ValueError(f"{'; '.join(unreadable)} (--skip-unreadable goes on without)")
    for error in unreadable:
        print(f"skipped: {error}")
    if not files:
        raise ValueError(f"--input {folder} holds no image that can be read")
    return files


def main(argv=None):
    parser = command_line.Parser(description=__doc__)
    parser.add_argument("run", help="a run directory or a checkpoint file")
    parser.add_argument(
        "--direction", choices=DIRECTIONS, default="AtoB", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--input",
        required=True,
        type=Path,
        metavar="DIR",
        help="the images, with those in subfolders",
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="where to write the translations"
    )
    parser.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="name unreadable files and go on without them",
    )
    command_line.add_networks(parser)
    args = parser.parse_args(argv)
    with command_line.one_sentence():
        *generators, about = load_generators(args.run, args.networks)
        files = find_images(args.input, args.out, args.skip_unreadable)
    print(devices.describe(), flush=True)
    generator = generators[DIRECTIONS.index(args.direction)]
    for source, target in files.items():
        image = with_channels(images.read_image(source), about["architecture"]["in_channels"])
        translated = translate(generator, images.to_float(image)[None])
        images.save_png(target, images.make_grid(translated, padding=0, scale=1))
    by = f"{args.direction} by the generator of step {about['step']}"
    print(f"{len(files)} images translated {by}: {args.out}")


if __name__ == "__main__":
    command_line.program(main)
