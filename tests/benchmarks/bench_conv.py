"""DCGAN-64's layers, pass by pass: minigan, PyTorch and a textbook NCHW im2col in turn in one
process.

The generator's transposed convolutions are the discriminator's passes the other way round (its
forward is their input gradient), so one table serves both. `python tests/benchmarks/bench_conv.py
--write FILE` keeps it.
"""

import argparse
import time

import numpy as np
import torch
from common import as_in_a_network, report, settle, versions
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


def numbers(rng, *shape):
    return rng.standard_normal(shape, np.float32)


def passes(c, k, size, stride, padding, batch_size):
    """pass -> its three implementations, on arrays as each library has them in a network."""
    rng = np.random.default_rng(0)
    output = (size + 2 * padding - KERNEL) // stride + 1
    x = numbers(rng, batch_size, c, size, size)
    w = numbers(rng, k, c, KERNEL, KERNEL)
    g = numbers(rng, batch_size, k, output, output)
    tx, tw, tg = (torch.from_numpy(a) for a in (x, w, g))
    from_a_data_set = c == 3
    hx = x if from_a_data_set else as_in_a_network(x)
    hg = as_in_a_network(g)
    s = (stride, stride)
    p = (padding, padding)
    return {
        "forward": (
            lambda: cpu.conv2d(hx, w, s, p),
            lambda: functional.conv2d(tx, tw, None, stride, padding),
            lambda: textbook_forward(x, w, stride, padding),
        ),
        "input gradient": (
            lambda: cpu.conv_transpose2d(hg, w, s, p, (0, 0)),
            lambda: functional.conv_transpose2d(tg, tw, None, stride, padding),
            lambda: textbook_input_grad(g, w, stride, padding),
        ),
        "weight gradient": (
            lambda: cpu.conv2d_weight_grad(hx, hg, (KERNEL, KERNEL), s, p),
            lambda: torch.nn.grad.conv2d_weight(tx, w.shape, tg, stride, padding),
            lambda: textbook_weight_grad(x, g, stride, padding),
        ),
    }


def time_in_turn(functions, rounds, idle):
    """Milliseconds: an array (functions, rounds). Each is timed at its third call in a row, as in
    a warm network.
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


def check(functions):
    """That minigan and PyTorch give what the textbook gives."""
    ours, theirs, expected = (np.asarray(function()) for function in functions)
    scale = np.abs(expected).max()
    for result in (ours, theirs):
        np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-3 * scale)


def table(batch_size, rounds, idle):
    """A row for each pass of each layer, and one of their sums."""
    rows = []
    totals = np.zeros(3)
    for name, *shape in LAYERS:
        for direction, functions in passes(*shape, batch_size).items():
            check(functions)
            times = time_in_turn(functions, rounds, idle)
            medians = np.median(times, axis=1)
            totals += medians
            of_minigan = np.median(times[1] / times[0])
            of_textbook = np.median(times[1] / times[2])
            ratios = f"{of_minigan:.2f}", f"{of_textbook:.2f}"
            rows.append([name, direction, *(f"{m:.2f}" for m in medians), *ratios])
    minigan, pytorch, textbook = totals
    ratios = f"{pytorch / minigan:.2f}", f"{pytorch / textbook:.2f}"
    rows.append(["all", "", *(f"{t:.1f}" for t in totals), *ratios])
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
    with torch.no_grad():
        rows = table(args.batch_size, args.rounds, args.idle)
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
