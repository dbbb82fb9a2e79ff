"""Translate a folder of images by a trained CycleGAN.

    python examples/translate.py runs/cyclegan --direction AtoB --input photos/ --out translated/

Images may have any size: each is padded by reflection to a size that the generator takes, and the
translation is cut back. It has the name of the original, as .png, and overwrites nothing.
"""

from pathlib import Path

from minigan import data, devices
from minigan.data import images
from minigan.files import messages
from minigan.training import scripts
from minigan.training.translation import DIRECTIONS, load_generators, translate, with_channels


def find_images(folder, out, skip_unreadable):
    """Find all images that can be read -> {file in folder: file in out}.

    Raises ValueError with the names of the files that cannot be read, unless they are skipped, and
    FileExistsError for a file in out that would be overwritten.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"--input {folder} is not a folder")
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(
            f"--out {out} lies in --input {folder}: its images would be translated the next time"
        )
    sources = {}  # of each file in out
    unreadable = []
    for name in data.image_files(folder, skip_unreadable):
        try:
            images.read_image(folder / name)
        except ValueError as error:
            unreadable.append(str(error))
            continue
        target = (out / name).with_suffix(".png")
        if target in sources:
            raise ValueError(
                f"{sources[target]} and {folder / name} would both become {target}: rename one"
            )
        if target.exists():
            raise FileExistsError(f"{target} exists already: choose another --out, or move it away")
        sources[target] = folder / name
    if unreadable and not skip_unreadable:
        raise ValueError(f"{'; '.join(unreadable)} (--skip-unreadable goes on without)")
    for error in unreadable:
        messages.warn(f"skipped: {error}")
    if not sources:
        raise ValueError(f"--input {folder} holds no image that can be read")
    return {source: target for target, source in sources.items()}


def main(argv=None):
    parser = scripts.Parser(description=__doc__)
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
    scripts.add_networks(parser)
    args = parser.parse_args(argv)
    with scripts.one_sentence():
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
    scripts.program(main)
