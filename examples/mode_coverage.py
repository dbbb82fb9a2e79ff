"""How many modes of the ring and the grid does each GAN find? Ten seeds of each, by the measure
of PacGAN.

    python examples/mode_coverage.py                                    # the CPU protocol, an hour on two cores
    python examples/mode_coverage.py --data grid --method gan pacgan2 --seeds 3
    python examples/mode_coverage.py --full                             # the published protocol, for a GPU

2,500 samples; of high quality is one within 3 standard deviations of a mode; a mode is captured
by one such sample. A perfect generator scores 98.89 % high quality, a higher share means modes
that are too narrow. Every seed's result is kept at once in --out: stopped by whatever cause, the
same command goes on with the seeds that are missing.

The full protocol is that of PacGAN (Lin et al. 2018, and its authors' code): a generator of 4
layers of 400 ReLUs with batch norm, a discriminator of 3 layers of 200 maxout units of 5 pieces,
weights N(0, 0.02^2), Adam 1e-4 with beta1 0.8, 400 epochs of 100,000 points in batches of 100,
non-saturating loss. The CPU protocol has the same data and measure, networks of 3 layers of 128,
batches of 256, and a learning rate that goes down to 0 in the second half of fewer steps; its D
sees coordinates up to 2 and begins with He's weights (He et al. 2015), for with small ones it
takes long to see modes this small. WGAN-GP is not in the publication: 5 critic steps to one,
betas (0.5, 0.9), a penalty of weight 0.1.
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
from minigan.training import command_line


def main(argv=None):
    parser = command_line.Parser(description=__doc__)
    parser.add_argument(
        "--full", action="store_true", help="the published protocol: days on a processor"
    )
    parser.add_argument("--data", nargs="+", choices=MIXTURES, default=list(MIXTURES))
    parser.add_argument("--method", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument(
        "--seeds", type=command_line.at_least(1), default=10, help="how many (default: %(default)s)"
    )
    parser.add_argument(
        "--steps", type=command_line.at_least(1), help="of the generator (default: the protocol's)"
    )
    parser.add_argument(
        "--jobs",
        type=command_line.at_least(1),
        default=2,
        help="trials at a time (default: %(default)s)",
    )
    parser.add_argument(
        "--device", choices=devices.DEVICES, help="(default: MINIGAN_DEVICE, or the fastest)"
    )
    parser.add_argument(
        "--out", default="runs/mode_coverage", metavar="DIR", help="(default: %(default)s)"
    )
    args = parser.parse_args(argv)
    device = args.device or devices.name
    protocol, path = FULL if args.full else CPU, Path(args.out, "results.csv")
    with command_line.one_sentence():
        results = read_results(path)
    wanted = [
        (data, method, seed, args.steps or protocol.steps[method])
        for seed in range(args.seeds)
        for data in args.data
        for method in args.method
    ]
    todo = [(protocol, *work) for work in wanted if (protocol.name, *work) not in results]
    print(
        f"{len(todo)} of {len(wanted)} trials are to do, {args.jobs} at a time; results in {path}",
        flush=True,
    )
    with (
        multiprocessing.get_context("spawn").Pool(args.jobs, begin, (device,)) as pool,
        contextlib.suppress(KeyboardInterrupt),
    ):
        for *key, modes, share, seconds in pool.imap_unordered(trial, todo):
            results[tuple(key)] = modes, share, seconds
            write_results(path, results)
            print(
                "{1} {2}, seed {3}: ".format(*key)
                + f"{modes} modes, {share:.1%} of high quality, {seconds} s",
                flush=True,
            )
    print(table(results))
    if missing := sum((protocol.name, *work) not in results for work in wanted):
        sys.exit(f"stopped with {missing} of {len(wanted)} trials to do; the same command goes on")


if __name__ == "__main__":
    command_line.program(main)
