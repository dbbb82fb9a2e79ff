"""DCGAN-64's layers, pass by pass: minigan, PyTorch and a textbook's NCHW im2col.

All three run in turn in one process. The generator's transposed convolutions are the
discriminator's passes the other way round (its forward is their input gradient), so one table
serves both. `python tests/benchmarks/bench_conv.py --write FILE` keeps it.
"""

import argparse
import time

import numpy as np
import torch
from common import report, settle, versions
from torch.nn import functional

from minigan.backends import cpu

# name, image channels, feature maps, image size, stride, padding; the kernel is 4x4
LAYERS = [
    ("3 -> 64, 64x64", 3, 64, 64, 2, 1),
    ("64 -> 128, 32x32", 64, 128, 32, 2, 1),
    ("128 -> 256, 16x16", 128, 256, 16, 2, 1),
    ("256 -> 512, 8x8", 256, 512, 8, 2, 1),
    ("512 -> 1, 4x4", 512, 1, 4, 1, 0),
    ("512 <- 100, 4x4", 512, 100, 4, 1, 0),
]
KERNEL = 4


def gather(x, stride, padding):
    """Every window of x (N, C, H, W) as a column: (N, C 4 4, P Q)."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    size = (x.shape[2] - KERNEL) // stride + 1
    columns = np.empty(x.shape[:2] + (KERNEL, KERNEL, size, size), x.dtype)
    for r in range(KERNEL):
        for s in range(KERNEL):
            columns[:, :, r, s] = x[
                :, :, r : r + stride * size : stride, s : s + stride * size : stride
            ]
    return columns.reshape(len(x), -1, size * size)


def textbook_forward(x, w, stride, padding):
    columns = gather(x, stride, padding)
    y = w.reshape(len(w), -1) @ columns
    size = int(y.shape[2] ** 0.5)
    return y.reshape(*y.shape[:2], size, size)


def textbook_input_grad(g, w, stride, padding):
    batch, k, size, _ = g.shape
    columns = (w.reshape(k, -1).T @ g.reshape(batch, k, -1)).reshape(
        batch, -1, KERNEL, KERNEL, size, size
    )
    height = (size - 1) * stride + KERNEL
    x = np.zeros((batch, w.shape[1], height, height), g.dtype)
    for r in range(KERNEL):
        for s in range(KERNEL):
            x[:, :, r : r + stride * size : stride, s : s + stride * size : stride] += columns[
                :, :, r, s
            ]
    return x[:, :, padding : height - padding, padding : height - padding]


def textbook_weight_grad(x, g, stride, padding):
    batch, k = g.shape[:2]
    products = g.reshape(batch, k, -1) @ gather(x, stride, padding).transpose(0, 2, 1)
    return products.sum(axis=0).reshape(k, x.shape[1], KERNEL, KERNEL)


def as_minigan_stores(x):
    """The same images in the memory order (H, W, N, C); those of a data set stay as they are."""
    if x.shape[1] == 3:
        return x
    stored = np.ascontiguousarray(x.transpose(2, 3, 0, 1))
    return stored.transpose(2, 3, 0, 1)


def passes(c, k, size, stride, padding, batch_size):
    """pass -> its three implementations, on arrays as each library has them in a network."""
    rng = np.random.default_rng(0)
    output = (size + 2 * padding - KERNEL) // stride + 1
    x = rng.standard_normal((batch_size, c, size, size), np.float32)
    w = rng.standard_normal((k, c, KERNEL, KERNEL), np.float32)
    g = rng.standard_normal((batch_size, k, output, output), np.float32)
    torch_x = torch.from_numpy(x)
    torch_w = torch.from_numpy(w)
    torch_g = torch.from_numpy(g)
    our_x = as_minigan_stores(x)
    our_g = as_minigan_stores(g)
    kernel_size = (KERNEL, KERNEL)
    ours = (stride, stride), (padding, padding)
    theirs = stride, padding
    return {
        "forward": (
            lambda: cpu.conv2d(our_x, w, *ours),
            lambda: functional.conv2d(torch_x, torch_w, None, *theirs),
            lambda: textbook_forward(x, w, *theirs),
        ),
        "input gradient": (
            lambda: cpu.conv_transpose2d(our_g, w, *ours, (0, 0)),
            lambda: functional.conv_transpose2d(torch_g, torch_w, None, *theirs),
            lambda: textbook_input_grad(g, w, *theirs),
        ),
        "weight gradient": (
            lambda: cpu.conv2d_weight_grad(our_x, our_g, kernel_size, *ours),
            lambda: torch.nn.grad.conv2d_weight(torch_x, w.shape, torch_g, *theirs),
            lambda: textbook_weight_grad(x, g, *theirs),
        ),
    }


def check_agreement(functions):
    """All implementations give the textbook's numbers."""
    *results, textbook = [np.asarray(f()) for f in functions]
    largest = np.abs(textbook).max()
    for result in results:
        np.testing.assert_allclose(result, textbook, rtol=1e-3, atol=1e-3 * largest)


def time_in_turn(functions, rounds, idle):
    """Milliseconds: an array (functions, rounds).

    Each function is timed at its third call in a row, as in a warm network.
    """
    times = np.empty((len(functions), rounds))
    for i in range(rounds):
        for j, function in enumerate(functions):
            settle(idle)
            function()
            function()
            start = time.perf_counter()
            function()
            times[j, i] = 1000 * (time.perf_counter() - start)
    return times


def row_of(name, direction, times):
    """Medians, and medians of the ratios round by round."""
    minigan, pytorch, textbook = times
    medians = [f"{m:.2f}" for m in np.median(times, axis=1)]
    to_minigan = np.median(pytorch / minigan)
    to_textbook = np.median(pytorch / textbook)
    return [name, direction, *medians, f"{to_minigan:.2f}", f"{to_textbook:.2f}"]


def last_row(totals):
    """The sums of all rows' medians, and their ratios."""
    minigan, pytorch, textbook = totals
    sums = [f"{total:.1f}" for total in totals]
    return ["all", "", *sums, f"{pytorch / minigan:.2f}", f"{pytorch / textbook:.2f}"]


def measure(batch_size, rounds, idle):
    """The rows of the table."""
    rows = []
    totals = np.zeros(3)
    with torch.no_grad():
        for name, *shape in LAYERS:
            for direction, functions in passes(*shape, batch_size).items():
                check_agreement(functions)
                times = time_in_turn(functions, rounds, idle)
                totals += np.median(times, axis=1)
                rows.append(row_of(name, direction, times))
    rows.append(last_row(totals))
    return rows


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument(
        "--idle", type=float, default=0.2, help="seconds of rest before each timing (default 0.2)"
    )
    parser.add_argument(
        "--write", metavar="FILE", help="put the table between the markers of a markdown file"
    )
    return parser.parse_args()


def main():
    args = parse()
    rows = measure(args.batch_size, args.rounds, args.idle)
    header = [
        f"layer, batch {args.batch_size}",
        "pass",
        "minigan ms",
        "PyTorch ms",
        "textbook im2col ms",
        "PyTorch / minigan",
        "PyTorch / textbook",
    ]
    report("bench_conv", header, rows, versions(), args.write)


if __name__ == "__main__":
    main()
