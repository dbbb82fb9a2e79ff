"""DCGAN's arithmetic on latents (Radford et al. 2015, figure 7).

In short: slanted 1 - upright 1 + upright 4 = slanted 4.

    python examples/latent_arithmetic.py runs/dcgan --from 1 --to 4 --out arithmetic.png

From many samples, three means of latents are taken: of slanted and of upright samples of one
digit (--from), and of upright samples of another (--to). Slanted minus upright is a direction
that should mean "slant", whatever the digit. The picture shows the three terms and, below, the
result in the middle of latents around it: added to the other digit, the direction should tilt it
and leave it the same digit. Both are measured, the digit by minigan's classifier, the slant by
the image's moments.
"""

from typing import NamedTuple

import numpy as np

from minigan import data, models, training
from minigan.data import images
from minigan.evaluation.classifier import trained_classifier
from minigan.training import scripts
from minigan.training.sampling import draw_latents, generate, load_generator


class Samples(NamedTuple):
    """Samples to choose from: n of them."""

    z: np.ndarray  # their latents, (n, latent_dim)
    digits: np.ndarray  # what they look like to the classifier, (n,)
    slants: np.ndarray  # (n,)


def slant(pictures):
    """Each image's shear, cov(x, y) / var(y) of its ink: (n, 1, H, W) -> (n,).

    It is in pixels to the right per pixel up.
    """
    ink = (pictures[:, 0] + 1) / 2
    ink = ink / ink.sum((1, 2), keepdims=True)
    height, width = ink.shape[1:]
    y = -np.arange(height)[:, None] * np.ones(width)
    x = np.arange(width) * np.ones((height, 1))
    x = x - (ink * x).sum((1, 2), keepdims=True)
    y = y - (ink * y).sum((1, 2), keepdims=True)
    covariance = (ink * x * y).sum((1, 2))
    variance = (ink * y**2).sum((1, 2))
    return covariance / variance


def parse(argv=None):
    parser = scripts.Parser(description=__doc__)
    add = parser.add_argument
    add("run", help="a run directory or a checkpoint file of a generator of digits")
    add(
        "--from",
        dest="source",
        type=int,
        choices=range(10),
        default=1,
        help="gives the slant",
    )
    add(
        "--to",
        type=int,
        choices=range(10),
        default=4,
        help="the digit to tilt",
    )
    add("-n", type=scripts.at_least(100), default=4000, help="samples to choose from")
    add(
        "--mean-of",
        type=scripts.at_least(1),
        default=20,
        help="samples in each mean (the paper: 3)",
    )
    add("--seed", type=scripts.at_least(0), default=0)
    add("--out", default="arithmetic.png")
    scripts.add_networks(parser)
    return parser.parse_args(argv)


def mean_latent(samples, digit, count, *, slanted):
    """The mean latent of a digit's samples that slant most, or that stand most upright."""
    own = np.flatnonzero(samples.digits == digit)
    if len(own) < 2 * count:
        found = f"only {len(own)} of {len(samples.z)} samples look like a {digit}"
        training.refuse(f"{found}, expected {2 * count}")
    slants = samples.slants[own]
    order = np.argsort(-slants if slanted else abs(slants))
    chosen = own[order[:count]]
    return samples.z[chosen].mean(0)


def draw_samples(args, generator, about, classify):
    """Many samples of the generator, judged."""
    z = draw_latents(args.n, about, args.seed)
    pictures = generate(generator, z)
    return Samples(z, classify(pictures).argmax(1), slant(pictures))


def main(argv=None):
    args = parse(argv)
    with scripts.one_sentence():
        generator, about = load_generator(args.run, args.networks)
        channels = about["architecture"].get("channels")
        if channels != 1:
            raise ValueError(
                f"{args.run} draws images with {channels} channels, expected grey digits"
            )
        takes = models.takes(about["model"])
        if takes != ("latent",):
            raise ValueError(
                f"the generator of {args.run} takes {' and '.join(takes)}, expected latent only"
            )
    classify = trained_classifier(data.load("digits")).probabilities
    samples = draw_samples(args, generator, about, classify)
    slanted = mean_latent(samples, args.source, args.mean_of, slanted=True)
    upright = mean_latent(samples, args.source, args.mean_of, slanted=False)
    other = mean_latent(samples, args.to, args.mean_of, slanted=False)
    result = slanted - upright + other

    terms = np.stack([slanted, upright, other, result]).astype(np.float32)
    rows = generate(generator, terms)
    names = f"slanted {args.source}", f"upright {args.source}", f"upright {args.to}", "sum"
    for name, picture in zip(names, rows):
        digit = classify(picture[None]).argmax(1)[0]
        print(f"{name:>11}: looks like a {digit}, slant {slant(picture[None])[0]:+.2f}")

    # As in the paper: the result in the middle of a grid, around it the same latent with a little
    # noise.
    noise = np.random.default_rng(args.seed).uniform(-1, 1, (9, len(result)))
    around = result + 0.25 * noise
    around[4] = result
    pictures = np.concatenate([rows[:3], generate(generator, around.astype(np.float32))])
    images.save_png(args.out, images.make_grid(pictures, 3))
    alike = np.count_nonzero(classify(pictures[3:]).argmax(1) == args.to)
    print(f"{alike} of 9 around the result look like a {args.to}: {args.out}")


if __name__ == "__main__":
    scripts.program(main)
