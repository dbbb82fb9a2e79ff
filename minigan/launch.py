"""Check one kernel against reference.py, and describe it.

    python -m minigan.launch conv2d --rung tiled
    MINIGAN_HOST_SEED=7 python -m minigan.launch adam --dtype float64

On the host device, which is taken where there is no GPU, every access of every thread is judged,
in three schedules, and bank conflicts and memory sectors are counted. Registers and spills are
what ptxas says, as a part of NVRTC, which needs no GPU either.
"""

import argparse
import math
import sys
import time

import numpy as np

from . import devices
from .backends import cuda, reference
from .backends.cuda import launch, rungs

# (N, C, H, W), few channels or maps in the result: an odd one, and last one that loads of 16
# bytes fit.
SHAPES = [((2, 6, 5, 7), True), ((3, 5, 7, 9), False), ((4, 32, 8, 8), False)]
SCHEDULES = 3


def example(operation, dtype, shape, few):
    """What the array function takes -> (its arguments, how many terms its longest sum has)."""
    (n, c, h, w), kernel, padding = shape, (4, 3), (3, 1)
    k, stride, channels, reduction = (3, (1, 1), 3, "none") if few else (c + 8, (2, 1), c, "mean")
    p, q = (
        (size + 2 * pad - tap) // step + 1
        for size, pad, tap, step in zip((h, w), padding, kernel, stride)
    )
    rng = np.random.default_rng(0)
    sizes = shape, shape, (k, c, *kernel), (n, k, p, q), (c,)
    x, y, weight, g, row = (rng.standard_normal(size).astype(dtype) for size in sizes)
    mean = np.stack([row, row * np.finfo(dtype).eps])  # and what rounding left over
    params = [[abs(weight[:i].ravel()[i:]) for i in (1, 3, k)] for _ in range(4)]
    return {
        "conv2d": ((x, weight, stride, padding), weight[0].size),
        "conv_transpose2d": (
            (g, weight[:, :channels], stride, padding, (stride[0] - 1, 0)),
            weight[:, 0].size,
        ),
        "conv2d_weight_grad": ((x, g, kernel, stride, padding), g[:, 0].size),
        "channel_sum": ((x,), n * h * w),
        "batch_norm_statistics": ((x, row, row, row, abs(row), 0.1, 1e-5), n * h * w),
        "add_bias": ((x, row), 1),
        "batch_norm_forward": ((x, abs(row), row, row[::-1], 0.2), 2),
        "batch_norm_grad": ((y, x, x, mean, abs(row), row, 0.2), 4 * n * h * w),
        "leaky_relu": ((x, 0.2), 1),
        "leaky_relu_grad": ((y, x, 0.2), 1),
        "bce_with_logits": ((x, 0.9, reduction), x.size),
        "bce_with_logits_grad": ((x, x * x, y, "none"), 1),
        "adam": ((*params, 3, 1e-2, (0.5, 0.999), 1e-8, 0.1), 8),
    }[operation]


def results(kernels, operation, arguments, xp):
    """What the operation returns, and what it leaves of copies of the arguments -> NumPy arrays."""
    given = [
        [xp.array(a) for a in v]
        if type(v) is list
        else xp.array(v)
        if isinstance(v, np.ndarray)
        else v
        for v in arguments
    ]
    y = getattr(kernels, operation)(*given)
    y = () if y is None else y if type(y) is tuple else (y,)
    left = [a for v in given for a in (v if type(v) is list else [v]) if isinstance(a, xp.ndarray)]
    return [devices.to_numpy(a) for a in (*y, *left)]


def check(operation, dtype):
    """Hold the operation against the loops -> (the largest error as a share of its bound, the
    launches, seconds).
    """
    worst = 0.0
    for shape, few in SHAPES:
        arguments, terms = example(operation, dtype, shape, few)
        expected = results(reference, operation, arguments, np)
        for _ in range(SCHEDULES):
            start = time.perf_counter()
            with launch.trace(counting=True) as launches:
                actual = results(cuda, operation, arguments, devices.xp)
            seconds = time.perf_counter() - start
            rounding = (
                2.0**-11
                if any("_tensor<" in each.name for each in launches)
                else np.finfo(dtype).eps
            )
            for a, b in zip(actual, expected):
                error = np.max(abs(a.astype(float) - b) / (1 + abs(b)))
                worst = max(
                    worst,
                    float(error) / (16 * rounding * max(8, terms) ** 0.5),
                    key=lambda e: (e != e, e),
                )
    return worst, launches, seconds


def describe(row):
    """Lines for people about one launch."""
    (file, expression), arch = row.name.split(":"), launch.architecture()
    yield f"  {expression}  grid {row.grid}  block {row.block}"
    try:
        found = launch.resources(file, [expression], arch)[expression]
        shared = found["shared"] + row.shared
        share = launch.occupancy(found["registers"], math.prod(row.block), shared, arch)
        yield (
            f"      {arch}: {found['registers']} registers, {shared} bytes shared, {found['spills']} spilled, "
            f"{found['stack']} on the stack; {share:.0%} of a multiprocessor's threads fit"
        )
    except ImportError:
        yield "      registers and spills: unknown without NVRTC, which pip install 'minigan[cuda13]' brings"
    except RuntimeError as error:  # an architecture that this NVRTC has forgotten
        yield f"      registers and spills: unknown, {error}".rstrip()
    if row.report:
        yield "      bank conflicts {}, sectors per request {:.2f}, at best {:.2f}".format(
            row.report.bank_conflicts, *row.report.sectors_per_request
        )


def main(argv=None):
    """The program: exits with 0 if the kernel is right, else with 1 and what is wrong."""
    parser = argparse.ArgumentParser(
        "python -m minigan.launch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.error = lambda message: sys.exit(
        f"{parser.prog}: {message}"
    )  # in one sentence, without the usage
    parser.add_argument(
        "kernel", choices=[name for name in rungs.RUNGS if hasattr(reference, name)]
    )
    parser.add_argument(
        "--rung",
        help="naive, shared (of conv2d alone), tiled or tensor (default: the one "
        "that training would take)",
    )
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    args = parser.parse_args(argv)
    if args.rung and args.rung not in rungs.RUNGS[args.kernel]:
        parser.error(
            f"{args.kernel} has the rungs {', '.join(rungs.RUNGS[args.kernel])}, not {args.rung!r}"
        )
    try:
        if devices.name == "cpu":
            devices.set_device("host", "cpu has no kernels")
        print(devices.describe())
        with rungs.rung(args.rung):
            worst, launches, seconds = check(args.kernel, np.dtype(args.dtype).type)
    except (ValueError, RuntimeError) as error:
        sys.exit(str(error))
    if not worst <= 1:
        sys.exit(f"{args.kernel}: an error of {worst:.3g} times its bound against reference.py")
    print(
        f"{args.kernel}, {args.dtype}: right, the largest error is {worst:.2g} of its bound; {seconds:.3f} s"
    )
    for row in launches:
        print(*describe(row), sep="\n")


if __name__ == "__main__":
    main()
