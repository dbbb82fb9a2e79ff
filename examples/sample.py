"""Draw images from a trained generator: a grid, an array, or a walk between latents.

python examples/sample.py runs/dcgan -n 64 --seed 0 --out grid.png
python examples/sample.py runs/dcgan -n 1000 --out samples.npy         # float32 (n, C, H, W) in [-1, 1]
python examples/sample.py runs/dcgan --interpolate 8 --out walk.png    # each row leads from one latent to another
python examples/sample.py runs/dcgan --truncation 0.7                  # fewer surprises, less variety
"""

import numpy as np

from minigan.data import images
from minigan.files import whole_file
from minigan.training import command_line
from minigan.training.sampling import draw_latents, generate, load_generator, walk


def main(argv=None):
    parser = command_line.Parser(description=__doc__)
    parser.add_argument("run", help="a run directory or a checkpoint file")
    parser.add_argument(
        "-n",
        type=command_line.at_least(1),
        default=64,
        help="how many images (default: %(default)s)",
    )
    parser.add_argument("--seed", type=command_line.at_least(0), default=0)
    parser.add_argument(
        "--out", default="grid.png", help="a .png or an .npy file (default: %(default)s)"
    )
    parser.add_argument(
        "--interpolate",
        type=command_line.at_least(2),
        metavar="STEPS",
        help="rows of STEPS images that lead from one latent to another; -n counts the rows",
    )
    parser.add_argument(
        "--truncation",
        type=command_line.positive,
        default=1.0,
        help="above 0, at most 1 (default: 1)",
    )
    command_line.add_networks(parser)
    args = parser.parse_args(argv)
    if not args.out.endswith((".png", ".npy")):
        parser.error(f"--out {args.out} is neither a .png nor an .npy file")
    if args.truncation > 1:
        parser.error(f"--truncation is {args.truncation}, expected at most 1")
    with command_line.one_sentence():
        generator, about = load_generator(args.run, args.networks)
        rows = 8 if args.interpolate and args.n == parser.get_default("n") else args.n
        z = draw_latents(
            2 * rows if args.interpolate else args.n, about, args.seed, args.truncation
        )
        pictures = generate(generator, walk(z, args.interpolate) if args.interpolate else z)
        if args.out.endswith(".npy"):
            with whole_file(args.out) as file:
                np.save(file, pictures)
        else:
            images.save_png(args.out, images.make_grid(pictures, args.interpolate))
    sampling = about["sampling"]
    print(
        f"{len(pictures)} images of step {about['step']}, {sampling['network']} weights, "
        f"{sampling['batch_statistics']} batch statistics: {args.out}"
    )


if __name__ == "__main__":
    command_line.program(main)
