"""Draw images from a trained generator: a grid, an array, or a walk between latents.

    python examples/sample.py runs/dcgan -n 64 --seed 0 --out grid.png
    python examples/sample.py runs/dcgan -n 1000 --out samples.npy   # float32 (n, C, H, W), [-1, 1]
    python examples/sample.py runs/dcgan --interpolate 8             # rows between two latents each
    python examples/sample.py runs/dcgan --truncation 0.7            # fewer surprises, less variety
    python examples/sample.py runs/mine --label 3                    # of a conditional model

Without --label a conditional model draws its classes in turn: image i is of class i mod classes.
"""

import numpy as np

from minigan.data import images
from minigan.files import whole_file
from minigan.training import scripts
from minigan.training.sampling import draw_inputs, generate, load_generator, walk
from minigan.training.scripts import at_least, positive


def parse(argv=None):
    parser = scripts.Parser(description=__doc__)
    parser.add_argument("run", help="a run directory or a checkpoint file")
    parser.add_argument(
        "-n", type=at_least(1), help="how many images (default: 64), or rows (default: 8)"
    )
    parser.add_argument("--seed", type=at_least(0), default=0)
    parser.add_argument(
        "--out", default="grid.png", help="a .png or an .npy file (default: %(default)s)"
    )
    parser.add_argument("--label", help="a class, by its number or name")
    parser.add_argument(
        "--interpolate",
        type=at_least(2),
        metavar="STEPS",
        help="rows of STEPS images that lead from one latent to another; -n counts the rows",
    )
    parser.add_argument(
        "--truncation", type=positive, default=1.0, help="above 0, at most 1 (default: %(default)s)"
    )
    scripts.add_networks(parser)
    args = parser.parse_args(argv)
    if not args.out.endswith((".png", ".npy")):
        parser.error(f"--out {args.out} is neither a .png nor an .npy file")
    if args.truncation > 1:
        parser.error(f"--truncation is {args.truncation}, expected at most 1")
    return args


def inputs_of(args, about):
    """What the generator takes for the images that are wanted -> arrays."""
    if not args.interpolate:
        return draw_inputs(args.n or 64, about, args.seed, args.truncation, args.label)
    rows = args.n or 8
    z, *labels = draw_inputs(2 * rows, about, args.seed, args.truncation, args.label)
    labels = [np.repeat(each[:rows], args.interpolate) for each in labels]
    return walk(z, args.interpolate), *labels


def main(argv=None):
    args = parse(argv)
    with scripts.one_sentence():
        generator, about = load_generator(args.run, args.networks)
        pictures = generate(generator, *inputs_of(args, about))
        if args.out.endswith(".npy"):
            with whole_file(args.out) as file:
                np.save(file, pictures)
        else:
            images.save_png(args.out, images.make_grid(pictures, args.interpolate))
    sampling = about["sampling"]
    kind = f"{sampling['network']} weights, {sampling['batch_statistics']} batch statistics"
    print(f"{len(pictures)} images of step {about['step']}, {kind}: {args.out}")


if __name__ == "__main__":
    scripts.program(main)
