"""What the theory scripts share: a command line, a picture, and claims, each a formula beside
what was measured.

Such a script is a proof by running. A claim prints both figures and raises
AssertionError where they differ by more than it says, so a script that ends well has shown what
its docstring derives.
"""

from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from minigan import devices, rng
from minigan.files import whole_file
from minigan.training import scripts

# A decorator: networks this small gain nothing from BLAS's second thread, which on a busy machine
# costs a lot.
one_thread = threadpool_limits.wrap(limits=1, user_api="blas")


def parse(script, description, argv=None, suffix=".png", **counts):
    """The arguments of a theory script: --seed, --out and the given counts, as steps=2000.

    Names the device and seeds the random numbers.
    """
    parser = scripts.Parser(description=description)
    parser.add_argument("--seed", type=scripts.at_least(0), default=0)
    name = Path(script).stem + suffix
    parser.add_argument(
        "--out", default=f"runs/theory/{name}", metavar=f"FILE{suffix}", help="default: %(default)s"
    )
    for count, default in counts.items():
        parser.add_argument(
            f"--{count}",
            type=scripts.at_least(1),
            default=default,
            help="default: %(default)s",
        )
    args = parser.parse_args(argv)
    if not args.out.endswith(suffix):
        parser.error(f"--out is {args.out}, expected a name that ends in {suffix}")
    rng.manual_seed(args.seed)
    print(devices.describe(), flush=True)
    return args


def claim(what, found, formula, within):
    """Print and demand |found - formula| <= within; of arrays, everywhere."""
    difference = float(np.max(np.abs(np.asarray(found, np.float64) - formula)))
    shown = (
        f"{found:.5g}, the formula {formula:.5g}"
        if np.size(found) == 1
        else f"{np.size(found)} values"
    )
    _demand(
        f"{what}: {shown}, at most {difference:.2g} apart (allowed {within:.2g})",
        difference <= within,
    )


def claim_between(what, low, found, high):
    """Print and demand low <= found <= high."""
    _demand(f"{what}: {low:.5g} <= {found:.5g} <= {high:.5g}", low <= found <= high)


def _demand(sentence, holds):
    if not holds:  # nor if either figure is NaN
        raise AssertionError(f"this does not hold: {sentence}")
    print(sentence, flush=True)


def normal_density(x, mean=0.0, std=1.0):
    """The density of N(mean, std^2) at x."""
    return np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))


def subplots(columns, width=5.0, height=4.0):
    """A matplotlib figure with this many plots side by side -> (figure, a list of axes)."""
    from matplotlib.figure import Figure  # a second to import, so not before it is needed

    figure = Figure(figsize=(width * columns, height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def save(figure, path):
    """Write the figure as a PNG, whole, and say where."""
    with scripts.one_sentence(), whole_file(path) as file:
        figure.savefig(file, format="png", dpi=100)
    print(f"see {path}")
