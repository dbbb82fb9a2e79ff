"""How many modes of the ring and the grid does each GAN find? By the measure of PacGAN.

    python examples/mode_coverage.py          # the CPU protocol: an hour on two cores
    python examples/mode_coverage.py --data grid --method gan pacgan2 --seeds 3
    python examples/mode_coverage.py --full   # the published protocol, for a GPU

Of 2,500 samples, those within 3 standard deviations of a mode have high quality; a mode is
captured if one such sample lies there. A perfect generator scores 98.89 % high quality. A higher
share means modes that are too narrow. Each seed's result is written to --out at once: if the script
is stopped, the same command goes on with the seeds that are missing.

The full protocol is that of PacGAN (Lin et al. 2018, and its authors' code): a generator of 4
layers of 400 ReLUs with batch norm, a discriminator of 3 layers of 200 maxout units of 5 pieces,
weights N(0, 0.02^2), Adam 1e-4 with beta1 0.8, 400 epochs of 100,000 points in minibatches of 100,
non-saturating loss. The CPU protocol has the same data and measure, but networks of 3 layers of
128, minibatches of 256, and fewer steps, in the second half of which the learning rate falls to 0.
Its D sees coordinates up to 2 and begins with He's weights (He et al. 2015), because with small
weights it takes long to see modes this small. WGAN-GP is not in the publication: it has 5 critic
steps to one of G, betas (0.5, 0.9), and a penalty of weight 0.1.
"""

import contextlib
import multiprocessing
import sys
from pathlib import Path

from minigan import devices
from minigan.data.toys import MIXTURES
from minigan.evaluation.modes import (
    CPU,
    FULL,
    METHODS,
    begin,
    read_results,
    table,
    trial,
    write_results,
)
from minigan.training import scripts
from minigan.training.scripts import at_least


def parse(argv=None):
    parser = scripts.Parser(description=__doc__)
    add = parser.add_argument
    add("--full", action="store_true", help="the published protocol: days on a processor")
    add("--data", nargs="+", choices=MIXTURES, default=list(MIXTURES))
    add("--method", nargs="+", choices=METHODS, default=list(METHODS))
    add("--seeds", type=at_least(1), default=10, help="how many (default: %(default)s)")
    add("--steps", type=at_least(1), help="of the generator (default: the protocol's)")
    add("--jobs", type=at_least(1), default=2, help="trials at a time (default: %(default)s)")
    add("--device", choices=devices.DEVICES, help="(default: MINIGAN_DEVICE, or the fastest)")
    add("--out", default="runs/mode_coverage", metavar="DIR", help="(default: %(default)s)")
    return parser.parse_args(argv)


def wanted_trials(args, protocol):
    """[(data, method, seed, steps)] of all trials that the arguments ask for."""
    trials = []
    for seed in range(args.seeds):
        for data in args.data:
            for method in args.method:
                steps = args.steps or protocol.steps[method]
                trials.append((data, method, seed, steps))
    return trials


def run_trials(todo, results, path, jobs, device):
    """Run the trials, and keep each result as soon as it is there; Ctrl-C ends this early."""
    pool = multiprocessing.get_context("spawn").Pool(jobs, begin, (device,))
    with pool, contextlib.suppress(KeyboardInterrupt):
        for *key, modes, share, seconds in pool.imap_unordered(trial, todo):
            results[tuple(key)] = modes, share, seconds
            write_results(path, results)
            _, data, method, seed, *_ = key
            found = f"{modes} modes, {share:.1%} of high quality, {seconds} s"
            print(f"{data} {method}, seed {seed}: {found}", flush=True)


def main(argv=None):
    args = parse(argv)
    device = args.device or devices.name
    protocol = FULL if args.full else CPU
    path = Path(args.out, "results.csv")
    with scripts.one_sentence():
        results = read_results(path)
    wanted = wanted_trials(args, protocol)
    todo = [(protocol, *work) for work in wanted if (protocol.name, *work) not in results]
    count = f"{len(todo)} of {len(wanted)} trials are to do"
    print(f"{count}, {args.jobs} at a time; results in {path}", flush=True)
    run_trials(todo, results, path, args.jobs, device)
    print(table(results))
    missing = sum((protocol.name, *work) not in results for work in wanted)
    if missing:
        sys.exit(f"stopped with {missing} of {len(wanted)} trials to do; the same command goes on")


if __name__ == "__main__":
    scripts.program(main)
