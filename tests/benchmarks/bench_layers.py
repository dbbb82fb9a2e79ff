"""Every convolution of the networks in networks.py, pass by pass: which algorithm minigan takes,
its time beside PyTorch's and beside the least time of this machine, and both rounding errors.

    python tests/benchmarks/bench_layers.py --write tests/benchmarks/README.md
    python tests/benchmarks/bench_layers.py --only 3x3 --threads 2

The least time (roofline) is that of a direct convolution: its multiplications at the rate of this
machine's matrix products, or the bytes of its operands and of its result at the rate at which the
machine copies, whichever takes longer. Winograd's algorithm can be faster than that. An error is
the root mean square of the difference from float64, relative to the result's.
"""

import argparse
import time
from typing import NamedTuple
from unittest import mock

import numpy as np
from common import as_in_a_network, report, versions

# kernel, stride, maps in -> out, image, batch, padding; "T": transposed, with output_padding 1
LAYERS = """
    7x7 1    3 ->  64  134  1 0   CycleGAN, width 64, batch 1
    3x3 2   64 -> 128  128  1 1
    3x3 2  128 -> 256   64  1 1
    3x3 1  256 -> 256   34  1 0
    3x3 T  256 -> 128   32  1 1
    3x3 T  128 ->  64   64  1 1
    7x7 1   64 ->   3  134  1 0
    4x4 2   64 -> 128   64  1 1
    4x4 2  128 -> 256   32  1 1
    4x4 1  256 -> 512   16  1 1
    4x4 1  512 ->   1   15  1 1
    7x7 1    3 ->  32   70  4 0   CycleGAN, width 32, batch 4
    3x3 2   32 ->  64   64  4 1
    3x3 2   64 -> 128   32  4 1
    3x3 1  128 -> 128   18  4 0
    3x3 T  128 ->  64   16  4 1
    3x3 T   64 ->  32   32  4 1
    7x7 1   32 ->   3   70  4 0
    4x4 1  128 -> 256    8  4 1
    4x4 2    3 ->  64   32 64 1   WGAN-GP
    4x4 2   64 -> 128   16 64 1
    4x4 2  128 -> 256    8 64 1
    3x3 1    3 -> 128   32 64 1   SN-GAN
    3x3 1  128 -> 128   32 64 1
    3x3 1  128 -> 128    8 64 1
    1x1 1  128 -> 128   32 64 0
    3x3 1  128 ->   3   32 64 1
    4x4 2   64 -> 128   32  4 1   pix2pix
    4x4 2  256 -> 512    8  4 1
    4x4 2  512 -> 512    4  4 1
    9x9 1    3 ->  64   24  4 4   SRResNet
    3x3 1   64 ->  64   24  4 1
    3x3 1   64 -> 256   48  4 1
    9x9 1   64 ->   3   96  4 4
    3x3 1  128 -> 128   32 16 1   StyleGAN2
"""
ALGORITHMS = {
    "winograd": "Winograd, 4x4",
    "winograd3x3": "Winograd, 3x3",
    "one_window": "one product",
    "shifted_products": "multiply, then shift",
    "im2col": "im2col",
}
HEADER = ["layer", "pass", "algorithm", "minigan ms", "PyTorch ms", "PyTorch / minigan"]
HEADER += ["least ms", "minigan's error", "PyTorch's error"]


class Layer(NamedTuple):
    """A convolution from x (N, C, H, W) to y (N, K, P, Q), or its transposition."""

    name: str
    x_shape: tuple
    w_shape: tuple
    stride: tuple
    padding: tuple
    transposed: bool


def parsed(line):
    """The Layer of a line of LAYERS."""
    kernel, stride, c, _, k, image, batch, padding, *_ = line.split()
    name = f"{kernel} {stride}, {c} -> {k}, {image}x{image}, batch {batch}"
    c, k, image, batch, padding = map(int, (c, k, image, batch, padding))
    taps = tuple(map(int, kernel.split("x")))
    is_transposed = stride == "T"
    maps = (c, k) if is_transposed else (k, c)
    step = 2 if is_transposed else int(stride)
    return Layer(
        name=name,
        x_shape=(batch, c, image, image),
        w_shape=(*maps, *taps),
        stride=(step, step),
        padding=(padding, padding),
        transposed=is_transposed,
    )


# ---- the three passes, in both libraries ---------------------------------------------------------


def our_passes(layer, x, w, g):
    """pass -> a function without arguments. g: the gradient of the output."""
    from minigan.backends import cpu

    stride = layer.stride
    padding = layer.padding
    taps = layer.w_shape[2:]
    if layer.transposed:
        return {
            "forward": lambda: cpu.conv_transpose2d(x, w, stride, padding, (1, 1)),
            "input gradient": lambda: cpu.conv2d(g, w, stride, padding),
            "weight gradient": lambda: cpu.conv2d_weight_grad(g, x, taps, stride, padding),
        }
    free = layer.x_shape[2] + 2 * padding[0] - taps[0]
    unread = free % stride[0]
    margin = unread, unread
    return {
        "forward": lambda: cpu.conv2d(x, w, stride, padding),
        "input gradient": lambda: cpu.conv_transpose2d(g, w, stride, padding, margin),
        "weight gradient": lambda: cpu.conv2d_weight_grad(x, g, taps, stride, padding),
    }


def their_passes(layer, x, w, g):
    import torch

    margin = (1, 1) if layer.transposed else (0, 0)
    options = [None, layer.stride, layer.padding, (1, 1), layer.transposed, margin, 1]

    def backward(*wanted):
        results = torch.ops.aten.convolution_backward(g, x, w, *options, (*wanted, False))
        return next(result for result in results if result is not None)

    return {
        "forward": lambda: torch.convolution(x, w, *options),
        "input gradient": lambda: backward(True, False),
        "weight gradient": lambda: backward(False, True),
    }


def operands(layer):
    """x, w and g, float32, in PyTorch's memory order."""
    import torch

    rng = np.random.default_rng(0)
    x = rng.standard_normal(layer.x_shape, dtype=np.float32)
    w = rng.standard_normal(layer.w_shape, dtype=np.float32)
    y = their_passes(layer, *map(torch.tensor, (x, w)), None)["forward"]()
    g = rng.standard_normal(tuple(y.shape), dtype=np.float32)
    return x, w, g


def as_it_comes(x):
    """The images as in a network; those of a data set, of 3 channels, stay as they are."""
    return x if x.shape[1] == 3 else as_in_a_network(x)


# ---- what is measured ----------------------------------------------------------------------------


def algorithm_of(function):
    """The module of backends/cpu that serves a pass."""
    from minigan.backends.cpu import convolution

    served = []
    with mock.patch.multiple(convolution, **{name: Spy(name, served) for name in ALGORITHMS}):
        function()
    return ALGORITHMS[served[0]]


class Spy:
    """A module of an algorithm; it notes that one of its functions was called."""

    def __init__(self, name, served):
        from minigan.backends.cpu import convolution

        self._module = getattr(convolution, name)
        self._note = lambda: served.append(name)

    def __getattr__(self, name):
        function = getattr(self._module, name)
        if name != "applies":
            self._note()
        return function


def times_in_turn(functions, seconds):
    """The median of each function's milliseconds, and of their ratios turn by turn."""
    for function in functions:
        function()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        turn = []
        for function in functions:
            start = time.perf_counter()
            function()
            turn.append(1000 * (time.perf_counter() - start))
        times.append(turn)
    ours, theirs = np.transpose(times)
    return np.median(ours), np.median(theirs), np.median(theirs / ours)


def relative_error(found, exact):
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


def machine_rates():
    """(multiplications per millisecond of a matrix product, bytes per millisecond of a copy)."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((1024, 1024), dtype=np.float32)
    b = rng.standard_normal((1024, 1024), dtype=np.float32)
    c = np.empty_like(a)
    large = np.zeros(1 << 24, np.float32)
    other = np.zeros_like(large)
    product = least_time(lambda: np.matmul(a, b, out=c))
    copy = least_time(lambda: np.copyto(other, large))
    return a.size * len(b) / product, 2 * large.nbytes / copy


def least_time(function):
    """Milliseconds: the shortest of ten calls."""
    found = []
    for _ in range(10):
        start = time.perf_counter()
        function()
        found.append(1000 * (time.perf_counter() - start))
    return min(found)


def least_ms(layer, arrays, rates):
    """The roofline of a direct convolution."""
    x, w, g = arrays
    pixels = x if layer.transposed else g
    n, _, height, width = pixels.shape
    multiplications = n * height * width * w.size
    nbytes = sum(a.nbytes for a in arrays)
    product, copy = rates
    return max(multiplications / product, nbytes / copy)


def rows_of(layer, rates, seconds):
    """Three lines of the table."""
    import torch

    arrays = operands(layer)
    x, w, g = arrays
    ours = our_passes(layer, as_it_comes(x), w, as_it_comes(g))
    theirs = their_passes(layer, *map(torch.tensor, arrays))
    wide = [torch.tensor(a, dtype=torch.float64) for a in arrays]
    exact = their_passes(layer, *wide)
    least = least_ms(layer, arrays, rates)
    rows = []
    for name, function in ours.items():
        value = exact[name]().numpy()
        errors = [relative_error(np.asarray(f()), value) for f in (function, theirs[name])]
        our_ms, their_ms, ratio = times_in_turn([function, theirs[name]], seconds)
        row = [layer.name, name, algorithm_of(function)]
        row += [f"{our_ms:.2f}", f"{their_ms:.2f}", f"{ratio:.2f}", f"{least:.2f}"]
        row += [f"{error:.1e}" for error in errors]
        rows.append(row)
    return rows


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="layers whose line contains this text")
    parser.add_argument("--threads", type=int, default=1, help="of both libraries (1)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of measuring each pass (0.5)")
    parser.add_argument("--write", metavar="FILE", help="put the table into a markdown file")
    return parser.parse_args()


def main():
    args = parse()
    import threadpoolctl
    import torch

    torch.set_num_threads(args.threads)
    layers = [parsed(line) for line in LAYERS.strip().splitlines() if args.only in line]
    if not layers:
        raise SystemExit(f"--only is {args.only!r}, expected a part of one of the lines{LAYERS}")
    rows = []
    with threadpoolctl.threadpool_limits(args.threads, "blas"):
        rates = machine_rates()
        for layer in layers:
            rows += rows_of(layer, rates, args.seconds)
        caption = versions()
    product, copy = rates
    text = f"{product / 1e6:.0f} thousand million multiplications a second, {copy / 1e6:.1f} GB/s"
    worst = max(float(row[-2]) / float(row[-1]) for row in rows)
    caption += f". This machine: {text}. The largest ratio of errors is {worst:.1f}."
    report("bench_layers", HEADER, rows, caption, args.write)


if __name__ == "__main__":
    main()
