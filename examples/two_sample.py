"""Can a network learn to tell two sets of images apart? "Use a DNN" as a test of a generator.

    python examples/sample.py runs/dcgan -n 1000 --out samples.npy
    python examples/two_sample.py digits samples.npy

A discriminator is trained on half of each set, from scratch, and asked about the other half (Lopez-Paz and Oquab 2017).
If both are of one distribution nothing can be learned, and the number of right answers out of m is that of m throws of
a coin: accuracy 1/2, standard deviation 1 / (2 sqrt(m)). If it is more, there is a difference, which a nearest
neighbour, in pixels, need not see. Both sets are rounded to bytes first: or the network would learn that only real
images are, and be right always.
"""

import math

import numpy as np

import arguments
from classifier import Classifier, area_resize, train
from minigan import data, devices, rng
from minigan.images import to_float, to_uint8
from minigan.metrics import two_sample_test


def trained_two_sample_test(x, y):
    """The accuracy of a network that learned to tell x from y, on images that it has not seen -> (accuracy, p-value).

    x, y: uint8, or floats in [-1, 1], (n, C, H, W), both of n, at least 4. The p-value is the chance of so much or more
    if x and y were of one distribution. The network and its training are always the same; minigan's random numbers are
    left as they were. Raises ValueError.
    """
    x, y = (images if images.dtype == np.uint8 else to_uint8(images) for images in map(np.asarray, (x, y)))
    if x.shape != y.shape or x.ndim != 4 or len(x) < 4:
        raise ValueError(f"the sets have shapes {x.shape} and {y.shape}, expected one shape (n, C, H, W), n at least 4")
    order, half = np.random.default_rng(0).permutation(len(x)), len(x) // 2
    parts = [np.concatenate([x[chosen], y[chosen]]) for chosen in (order[:half], order[half:])]
    labels = [np.repeat([0, 1], len(part) // 2) for part in parts]
    before = rng.state_dict()
    try:
        with devices.device("cpu"):
            rng.manual_seed(0)
            network = Classifier(*x.shape[1:], classes=2)
            train(network, data.Dataset("two sets", parts[0], labels[0]))
            answers = network.eval().probabilities(to_float(parts[1])).argmax(1)
    finally:
        rng.load_state_dict(before)
    accuracy = float(np.mean(answers == labels[1]))
    return accuracy, math.erfc((accuracy - 0.5) * math.sqrt(2 * len(answers))) / 2


def read(name, data_dir=None):
    """The images of an .npy file, floats in [-1, 1], or of a data set, by name or path, as floats."""
    if name.endswith(".npy"):
        return np.load(name)
    return to_float(data.load(name, data_dir=data_dir).images)


def main(argv=None):
    parser = arguments.Parser(description=__doc__)
    parser.add_argument("sets", nargs=2, help="data sets by name or path, or .npy files from sample.py")
    parser.add_argument("-n", type=arguments.at_least(4), default=1000, help="of each, at most (default: %(default)s)")
    parser.add_argument("--seed", type=arguments.at_least(0), default=0, help="chooses which")
    parser.add_argument("--data-dir", metavar="DIR", help="where named data sets lie")
    args = parser.parse_args(argv)
    with arguments.one_sentence():
        x, y = (read(name, args.data_dir) for name in args.sets)
        n, size = min(args.n, len(x), len(y)), [min(a, b) for a, b in zip(x.shape[2:], y.shape[2:])]
        generator = np.random.default_rng(args.seed)
        x, y = (area_resize(images[generator.permutation(len(images))[:n]], *size) for images in (x, y))
        accuracy, p = trained_two_sample_test(x, y)
        print(f"{n} images of each, {size[0]} x {size[1]}; 50 % is what one distribution gives")
        print(f"trained network:   {accuracy:.1%} right on the {2 * (n - n // 2)} not seen, p = {p:.2g}")
        print(f"nearest neighbour: {two_sample_test(x, y):.1%}")


if __name__ == "__main__":
    arguments.program(main)
