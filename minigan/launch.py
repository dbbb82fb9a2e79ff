"""Check one kernel against reference.py, and describe it.

    python -m minigan.launch conv2d --rung tiled
    MINIGAN_HOST_SEED=7 python -m minigan.launch adam --dtype float64

It prints the plan of each launch before anything runs. On the host device, which is taken where
there is no GPU, every access of every thread is judged, in three schedules, and bank conflicts and
memory sectors are counted in one more run. Registers and spills are what ptxas says; it is a part
of NVRTC, which needs no GPU either.
"""

import argparse
import math
import sys
import time
from typing import NamedTuple

import numpy as np

from . import devices
from .backends import cuda, reference
from .backends.convolution_sizes import output_size
from .backends.cuda import launch, rungs
from .backends.cuda.architectures import occupancy
from .backends.cuda.resources import resources
from .files import messages

SCHEDULES = 3
KERNEL_SIZE = (4, 3)  # of the convolutions
PADDING = (3, 1)


# ---- examples ------------------------------------------------------------------------------------


class Shape(NamedTuple):
    """What the kernels are tried on."""

    images: tuple  # (N, C, H, W)
    is_narrow: bool  # few channels in the result


# An odd shape first, and last one whose rows loads of 16 bytes fit.
SHAPES = [
    Shape((2, 6, 5, 7), is_narrow=True),
    Shape((3, 5, 7, 9), is_narrow=False),
    Shape((4, 32, 8, 8), is_narrow=False),
]


class Example(NamedTuple):
    """One call of an operation."""

    arguments: tuple
    terms: int  # of its longest sum


def example(operation, dtype, shape):
    """An Example of a call of this operation, on random numbers of this dtype."""
    return EXAMPLES[operation](Numbers(dtype, shape))


class Numbers:
    """Random arrays that the examples share.

    x, y: (N, C, H, W); weight: (K, C, R, S); g: (N, K, P, Q); row: (C,).
    """

    def __init__(self, dtype, shape):
        self.dtype = dtype
        self.is_narrow = shape.is_narrow
        n, c, h, w = shape.images
        self.k = 3 if shape.is_narrow else c + 8
        self.stride = (1, 1) if shape.is_narrow else (2, 1)
        y_size = output_size((h, w), KERNEL_SIZE, self.stride, PADDING)
        self.pixels = n * h * w
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal(shape.images).astype(dtype)
        self.y = rng.standard_normal(shape.images).astype(dtype)
        self.weight = rng.standard_normal((self.k, c, *KERNEL_SIZE)).astype(dtype)
        self.g = rng.standard_normal((n, self.k, *y_size)).astype(dtype)
        self.row = rng.standard_normal(c).astype(dtype)


def _conv2d(a):
    return Example((a.x, a.weight, a.stride, PADDING), a.weight[0].size)


def _conv_transpose2d(a):
    channels = 3 if a.is_narrow else a.weight.shape[1]
    output_padding = (a.stride[0] - 1, 0)
    arguments = (a.g, a.weight[:, :channels], a.stride, PADDING, output_padding)
    return Example(arguments, a.weight[:, 0].size)


def _conv2d_weight_grad(a):
    return Example((a.x, a.g, KERNEL_SIZE, a.stride, PADDING), a.g[:, 0].size)


def _channel_sum(a):
    return Example((a.x,), a.pixels)


def _add_bias(a):
    return Example((a.x, a.row), 1)


def _batch_norm_statistics(a):
    return Example((a.x, a.row, a.row, a.row, abs(a.row), 0.1, 1e-5), a.pixels)


def _batch_norm_forward(a):
    return Example((a.x, abs(a.row), a.row, a.row[::-1], 0.2), 2)


def _batch_norm_grad(a):
    mean = np.stack([a.row, a.row * np.finfo(a.dtype).eps])  # and what rounding left over
    return Example((a.y, a.x, a.x, mean, abs(a.row), a.row, 0.2), 4 * a.pixels)


def _leaky_relu(a):
    return Example((a.x, 0.2), 1)


def _leaky_relu_grad(a):
    return Example((a.y, a.x, 0.2), 1)


def _bce_with_logits(a):
    return Example((a.x, 0.9, "none" if a.is_narrow else "mean"), a.x.size)


def _bce_with_logits_grad(a):
    return Example((a.x, a.x * a.x, a.y, "none"), 1)


def _adam(a):
    lists = []
    for _ in ("params", "grads", "exp_avgs", "exp_avg_sqs"):
        lists.append([abs(a.weight[:i].ravel()[i:]) for i in (1, 3, a.k)])
    return Example((*lists, 3, 1e-2, (0.5, 0.999), 1e-8, 0.1), 8)


EXAMPLES = {
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "conv2d_weight_grad": _conv2d_weight_grad,
    "channel_sum": _channel_sum,
    "add_bias": _add_bias,
    "batch_norm_statistics": _batch_norm_statistics,
    "batch_norm_forward": _batch_norm_forward,
    "batch_norm_grad": _batch_norm_grad,
    "leaky_relu": _leaky_relu,
    "leaky_relu_grad": _leaky_relu_grad,
    "bce_with_logits": _bce_with_logits,
    "bce_with_logits_grad": _bce_with_logits_grad,
    "adam": _adam,
}


# ---- the comparison ------------------------------------------------------------------------------


def call(kernels, operation, arguments, xp):
    """What the operation returns, and what it leaves of copies of the arguments -> NumPy arrays."""
    copies = []
    arrays = []  # among the copies, also in lists
    for argument in arguments:
        if isinstance(argument, list):
            copy = [xp.array(a) for a in argument]
            arrays += copy
        elif isinstance(argument, np.ndarray):
            copy = xp.array(argument)
            arrays.append(copy)
        else:
            copy = argument
        copies.append(copy)
    y = getattr(kernels, operation)(*copies)
    if y is None:
        y = ()
    elif not isinstance(y, tuple):
        y = (y,)
    return [devices.to_numpy(a) for a in (*y, *arrays)]


class Comparison(NamedTuple):
    """What came of running a kernel."""

    worst: float  # the largest error, as a share of its bound
    seconds: float  # of the last run


def compare_with_loops(operation, dtype):
    """Run the operation on all SHAPES in several schedules, and the loops -> Comparison."""
    worst = 0.0
    for shape in SHAPES:
        print(f"comparing with plain loops on images of shape {shape.images}", flush=True)
        arguments, terms = example(operation, dtype, shape)
        expected = call(reference, operation, arguments, np)
        for _ in range(SCHEDULES):
            start = time.perf_counter()
            with launch.collect_launches() as launches:
                actual = call(cuda, operation, arguments, devices.xp)
            seconds = time.perf_counter() - start
            bound = 16 * rounding(launches, dtype) * max(8, terms) ** 0.5
            for a, b in zip(actual, expected):
                share = largest_error(a, b) / bound
                if math.isnan(share) or share > worst:
                    worst = share  # a NaN stays: nothing is larger than it
    return Comparison(worst, seconds)


def counted_launches(operation, dtype):
    """Run the operation on the last of SHAPES, and count what it asks of memory -> [Launch].

    Counting takes longer than running, so it has a run of its own.
    """
    arguments, _ = example(operation, dtype, SHAPES[-1])
    with launch.collect_launches(counting=True) as launches:
        call(cuda, operation, arguments, devices.xp)
    return launches


def rounding(launches, dtype):
    """The relative rounding of one factor: TF32 has 10 bits after the point."""
    if any("_tensor<" in each.name for each in launches):
        return 2.0**-11
    return np.finfo(dtype).eps


def largest_error(actual, expected):
    """The largest difference, relative to numbers that are larger than 1."""
    return float(np.max(abs(actual.astype(float) - expected) / (1 + abs(expected))))


# ---- what is printed -----------------------------------------------------------------------------


def plan_lines(operation, dtype):
    """Lines for people: the plans of the last of SHAPES, with nothing run."""
    arguments, _ = example(operation, dtype, SHAPES[-1])
    yield f"plan for images of shape {SHAPES[-1].images}:"
    with launch.collect_launches(dry_run=True) as launches:
        call(cuda, operation, arguments, devices.xp)
    for row in launches:
        plan = row.plan
        yield f"  {plan.kernel}"
        parts = f", {plan.parts} parts for a second pass" if plan.parts > 1 else ""
        yield f"      grid {plan.grid}, block {plan.block}, {plan.shared} bytes shared{parts}"


def launch_lines(row):
    """Lines for people about one Launch."""
    file, expression = row.name.split(":")
    yield f"  {expression}  grid {row.grid}  block {row.block}"
    try:
        yield f"      {resources_of(row, file, expression)}"
    except ImportError:
        yield (
            "      registers and spills: unknown without NVRTC, which "
            "pip install 'minigan[cuda13]' brings"
        )
    except RuntimeError as error:  # an architecture that this NVRTC has forgotten
        yield f"      registers and spills: unknown, {error}".rstrip()
    if row.report:
        taken, ideal = row.report.sectors_per_request
        yield (
            f"      bank conflicts {row.report.bank_conflicts}, "
            f"sectors per request {taken:.2f}, at best {ideal:.2f}"
        )


def resources_of(row, file, expression):
    """What ptxas says of a launch, in one line."""
    architecture = launch.target.architecture
    found = resources(file, [expression], architecture)[expression]
    shared = found["shared"] + row.shared
    share = occupancy(found["registers"], math.prod(row.block), shared, architecture)
    return (
        f"{architecture}: {found['registers']} registers, {shared} bytes shared, "
        f"{found['spills']} spilled, {found['stack']} on the stack; "
        f"{share:.0%} of a multiprocessor's threads fit"
    )


# ---- the program ---------------------------------------------------------------------------------


def parse(argv):
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        "python -m minigan.launch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def stop(message):  # in one sentence, without the usage
        sys.exit(f"{parser.prog}: {message}")

    parser.error = stop
    parser.add_argument("kernel", choices=list(EXAMPLES))
    rung_help = (
        "naive, shared (conv2d only), tiled or tensor (default: the one that training would take)"
    )
    parser.add_argument("--rung", help=rung_help)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    args = parser.parse_args(argv)
    known = rungs.RUNGS[args.kernel]
    if args.rung and args.rung not in known:
        parser.error(f"{args.kernel} has the rungs {', '.join(known)}, not {args.rung!r}")
    return args


def main(argv=None):
    """The program: exits with 0 if the kernel is right, otherwise with 1 and what is wrong."""
    args = parse(argv)
    try:
        check(args)
    except KeyboardInterrupt:
        messages.warn("python -m minigan.launch: interrupted")
        sys.exit(130)  # as a shell reports a program that Ctrl-C has ended


def check(args):
    """Compare the kernel with the loops, then describe it."""
    dtype = np.dtype(args.dtype).type
    try:
        if devices.name == "cpu":
            devices.set_device("host", "cpu has no kernels")
        print(devices.describe())
        with rungs.rung(args.rung):
            print(*plan_lines(args.kernel, dtype), sep="\n", flush=True)
            result = compare_with_loops(args.kernel, dtype)
            check_error(args.kernel, result.worst)
            print(
                f"{args.kernel}, {args.dtype}: right, the largest error is {result.worst:.2g} of "
                f"its bound; {result.seconds:.3f} s",
                flush=True,
            )
            launches = counted_launches(args.kernel, dtype)
    except (ValueError, RuntimeError) as error:
        sys.exit(str(error))
    for row in launches:
        print(*launch_lines(row), sep="\n")


def check_error(operation, worst):
    """End the program if the largest error, as a share of its bound, is above 1 or NaN."""
    if not worst <= 1:
        sys.exit(f"{operation}: an error of {worst:.3g} times its bound against reference.py")


if __name__ == "__main__":
    main()
