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
    scripts.add_networks(parser)
    args = parser.parse_args(argv)
    with scripts.one_sentence():
        generator, about = load_generator(args.run, args.networks)
        name, data_dir = (args.data, args.data_dir) if args.data else data_of(args.run)
        print(devices.describe(), flush=True)
        pictures = generate(generator, *draw_inputs(args.n, about, args.seed))
        print(measure(pictures, name, args.data_dir or data_dir, args.seed, thorough=True))


if __name__ == "__main__":
    scripts.program(main)
