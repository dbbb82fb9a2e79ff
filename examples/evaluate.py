"""How good are the images of a trained generator? Measured against real images that it has not seen.

    python examples/evaluate.py runs/dcgan
    python examples/evaluate.py runs/dcgan -n 5000 --seed 1
    python examples/evaluate.py checkpoint.npz --data photos/      # a checkpoint alone does not name its data
"""

import sys

import arguments
from minigan import data, devices
from minigan.files import reading
from minigan.foreign import shown
from quality import quality
from run_config import read_config
from sample import draw_latents, generate, load_generator


def measure(pictures, name, data_dir=None, seed=0, thorough=False):
    """Images (n, C, size, size) in [-1, 1] against the data set that their generator was trained on -> Quality.

    All are compared at the data's own size, or at the samples' if that is smaller or the data a folder of images.
    """
    size = drawn = pictures.shape[-1]
    if not data.is_folder(name, data_dir):  # the images of a folder may have any sizes
        size = min(size, *data.load(name, data_dir=data_dir).images.shape[2:])
    train, test = load_splits(name, size, data_dir)
    resized = None if size == drawn else data.load(name, drawn, data_dir=data_dir).images
    return quality(pictures, train, test, seed=seed, resized=resized, thorough=thorough)


def load_splits(name, size, data_dir=None):
    """Training and test images at this size -> two Datasets; without a test split every fifth image is one."""
    train = data.load(name, size, data_dir=data_dir)
    try:
        return train, data.load(name, size, "test", data_dir)
    except ValueError as error:
        print(f"{error}: every fifth training image stands in, seen by the generator", file=sys.stderr)

    def part(chosen):
        labels = None if train.labels is None else train.labels[chosen]
        return data.Dataset(train.name, train.images[chosen], labels, train.classes)

    fifth = [i % 5 == 4 for i in range(len(train))]
    return part([not test for test in fifth]), part(fifth)


def data_of(run):
    """The --data and --data-dir that a run was trained with, from its config.json."""
    path = arguments.find_checkpoint(run).parent / arguments.CONFIG
    if not path.exists():
        raise FileNotFoundError(f"there is no {path} to say what data the checkpoint was trained on: give --data")
    kept = read_config(path)["arguments"]
    with reading(f"{path} does not say what the checkpoint was trained on, give --data"):
        name, data_dir = kept["data"], kept["data_dir"]
        if not isinstance(name, str) or not isinstance(data_dir, (str, type(None))):
            raise ValueError(f"data is {shown(name)} and data_dir {shown(data_dir)}, expected names")
    return name, data_dir


def main(argv=None):
    parser = arguments.Parser(description=__doc__)
    parser.add_argument("run", help="a run directory or a checkpoint file")
    parser.add_argument("-n", type=arguments.at_least(2), default=1000, help="how many images (default: %(default)s)")
    parser.add_argument("--seed", type=arguments.at_least(0), default=0, help="of latents and random parts")
    parser.add_argument("--data", help="what to compare with (default: what the run was trained on)")
    parser.add_argument("--data-dir", metavar="DIR", help="where named data sets lie")
    arguments.add_networks(parser)
    args = parser.parse_args(argv)
    with arguments.one_sentence():
        generator, about = load_generator(args.run, args.networks)
        name, data_dir = (args.data, args.data_dir) if args.data else data_of(args.run)
        print(devices.describe(), flush=True)
        pictures = generate(generator, draw_latents(args.n, about, args.seed))
        print(measure(pictures, name, args.data_dir or data_dir, args.seed, thorough=True))


if __name__ == "__main__":
    arguments.program(main)
