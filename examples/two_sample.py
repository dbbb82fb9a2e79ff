"""Can a network learn to tell two sets of images apart? "Use a DNN" as a test of a generator.

    python examples/sample.py runs/dcgan -n 1000 --out samples.npy
    python examples/two_sample.py digits samples.npy

A discriminator is trained from scratch on half of each set and asked about the other half
(Lopez-Paz and Oquab 2017). If both sets have one distribution, nothing can be learned, and the
right answers out of m are m throws of a coin: accuracy 1/2, standard deviation 1 / (2 sqrt(m)). A
higher accuracy shows a difference, which a nearest neighbour in pixels need not see. Both sets are
rounded to bytes first, because otherwise the network would learn that only real images are.
"""

import numpy as np

from minigan.evaluation.classifier import area_resize
from minigan.evaluation.metrics import two_sample_test
from minigan.evaluation.two_sample import choose, read, trained_two_sample_test
from minigan.training import scripts


def main(argv=None):
    parser = scripts.Parser(description=__doc__)
    parser.add_argument(
        "sets", nargs=2, help="data sets by name or path, or .npy files from sample.py"
    )
    parser.add_argument(
        "-n",
        type=scripts.at_least(4),
        default=1000,
        help="of each, at most (default: %(default)s)",
    )
    parser.add_argument("--seed", type=scripts.at_least(0), default=0, help="chooses which")
    parser.add_argument("--data-dir", metavar="DIR", help="where named data sets lie")
    scripts.add_skip_unreadable(parser)
    args = parser.parse_args(argv)
    first, second = args.sets
    with scripts.one_sentence():
        x = read(first, args.data_dir, args.skip_unreadable)
        y = read(second, args.data_dir, args.skip_unreadable)
        n = min(args.n, len(x), len(y))
        height = min(x.shape[2], y.shape[2])
        width = min(x.shape[3], y.shape[3])
        generator = np.random.default_rng(args.seed)
        x = area_resize(choose(x, n, generator, first), height, width)
        y = area_resize(choose(y, n, generator, second), height, width)
        accuracy, p = trained_two_sample_test(x, y)
        unseen = 2 * (n - n // 2)
        print(f"{n} images of each, {height} x {width}; 50 % is what one distribution gives")
        print(f"trained network:   {accuracy:.1%} right on the {unseen} not seen, p = {p:.2g}")
        print(f"nearest neighbour: {two_sample_test(x, y):.1%}")


if __name__ == "__main__":
    scripts.program(main)
