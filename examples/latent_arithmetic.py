"""DCGAN's arithmetic on latents (Radford et al. 2015, figure 7): slanted - upright + upright =
slanted.

    python examples/latent_arithmetic.py runs/dcgan --from 1 --to 4 --out arithmetic.png

From many samples, three means of latents are taken: of slanted and of upright samples of one
digit (--from), and of upright samples of another (--to). Slanted minus upright is a direction
that should mean "slant", whatever the digit. The picture shows the three terms and, below, the
result in the middle of latents around it: added to the other digit, the direction should tilt it
and leave it the same digit. Both are measured, the digit by minigan's classifier, the slant by
the image's moments.
"""

import numpy as np

from minigan import data
from minigan.data import images
from minigan.evaluation.classifier import trained_classifier
from minigan.training import command_line
from minigan.training.sampling import draw_latents, generate, load_generator


def slant(pictures):
    """Each image's shear, cov(x, y) / var(y) of its ink, in pixels to the right per pixel up. (n,
    1, H, W) -> (n,).
    """
    ink = (pictures[:, 0] + 1) / 2
    ink = ink / ink.sum((1, 2), keepdims=True)
    height, width = ink.shape[1:]
    y, x = -np.arange(height)[:, None] * np.ones(width), np.arange(width) * np.ones((height, 1))
    x_mean, y_mean = (ink * x).sum((1, 2), keepdims=True), (ink * y).sum((1, 2), keepdims=True)
    return (ink * (x - x_mean) * (y - y_mean)).sum((1, 2)) / (ink * (y - y_mean) ** 2).sum((1, 2))


def main(argv=None):
    parser = command_line.Parser(description=__doc__)
    parser.add_argument("run", help="a run directory or a checkpoint file of a generator of digits")
    parser.add_argument(
        "--from", dest="source", type=int, choices=range(10), default=1, help="gives the slant"
    )
    parser.add_argument("--to", type=int, choices=range(10), default=4, help="the digit to tilt")
    parser.add_argument(
        "-n", type=command_line.at_least(100), default=4000, help="samples to choose from"
    )
    parser.add_argument(
        "--mean-of",
        type=command_line.at_least(1),
        default=20,
        help="samples in each mean (the paper: 3)",
    )
    parser.add_argument("--seed", type=command_line.at_least(0), default=0)
    parser.add_argument("--out", default="arithmetic.png")
    command_line.add_networks(parser)
    args = parser.parse_args(argv)
    with command_line.one_sentence():
        generator, about = load_generator(args.run, args.networks)
        z = draw_latents(args.n, about, args.seed)
        pictures = generate(generator, z)
        if pictures.shape[1] != 1:
            raise ValueError(
                f"{args.run} draws images with {pictures.shape[1]} channels, expected grey digits"
            )

    classify = trained_classifier(data.load("digits")).probabilities
    digits, slants = classify(pictures).argmax(1), slant(pictures)

    def mean_latent(digit, slanted):
        """The mean latent of a digit's samples that slant most, or that stand most upright."""
        own = np.flatnonzero(digits == digit)
        if len(own) < 2 * args.mean_of:
            parser.error(
                f"only {len(own)} of {args.n} samples look like a {digit}, expected {2 * args.mean_of}"
            )
        order = own[np.argsort(-slants[own] if slanted else abs(slants[own]))]
        return z[order[: args.mean_of]].mean(0)

    slanted, upright = mean_latent(args.source, True), mean_latent(args.source, False)
    other = mean_latent(args.to, False)
    result = slanted - upright + other
    rows = generate(generator, np.stack([slanted, upright, other, result]).astype(np.float32))
    for name, picture in zip(
        (f"slanted {args.source}", f"upright {args.source}", f"upright {args.to}", "sum"), rows
    ):
        print(
            f"{name:>11}: looks like a {classify(picture[None]).argmax(1)[0]}, slant {slant(picture[None])[0]:+.2f}"
        )

    # As in the paper: the result in the middle of a grid, around it the same latent with a little
    # noise.
    around = result + 0.25 * np.random.default_rng(args.seed).uniform(-1, 1, (9, z.shape[1]))
    around[4] = result
    pictures = np.concatenate([rows[:3], generate(generator, around.astype(np.float32))])
    images.save_png(args.out, images.make_grid(pictures, 3))
    alike = np.count_nonzero(classify(pictures[3:]).argmax(1) == args.to)
    print(f"{alike} of 9 around the result look like a {args.to}: {args.out}")


if __name__ == "__main__":
    command_line.program(main)
