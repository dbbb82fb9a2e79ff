"""How good are the images of a trained generator? Beside what unseen real images score.

python examples/evaluate.py runs/dcgan
python examples/evaluate.py runs/dcgan -n 5000 --seed 1
python examples/evaluate.py checkpoint.npz --data photos/   # a checkpoint does not name its data
"""

from minigan import devices
from minigan.evaluation.report import data_of, measure
from minigan.training import scripts
from minigan.training.sampling import draw_inputs, generate, load_generator


def main(argv=None):
    parser = scripts.Parser(description=__doc__)
    parser.add_argument("run", help="a run directory or a checkpoint file")
    parser.add_argument(
        "-n",
        type=scripts.at_least(2),
        default=1000,
        help="how many images (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=scripts.at_least(0), default=0, help="of latents and random parts"
    )
    parser.add_argument(
        "--data", help="what to compare with (default: what the run was trained on)"
    )
    parser.add_argument("--data-dir", metavar="DIR", help="where named data sets lie")
    scripts.add_skip_unreadable(parser)
    scripts.add_networks(parser)
    args = parser.parse_args(argv)
    with scripts.one_sentence():
        generator, about = load_generator(args.run, args.networks)
        name, data_dir, skips = args.data, args.data_dir, args.skip_unreadable
        if name is None:
            name, kept_dir, kept_skips = data_of(args.run)
            data_dir = data_dir or kept_dir
            skips = skips or kept_skips
        print(devices.describe(), flush=True)
        pictures = generate(generator, *draw_inputs(args.n, about, args.seed))
        found = measure(pictures, name, data_dir, args.seed, thorough=True, skip_unreadable=skips)
        print(found)


if __name__ == "__main__":
    scripts.program(main)
