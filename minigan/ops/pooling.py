"""Pooling: the mean or the maximum of each window of an image.

The sum of each window is linear, and its adjoint spreads a number over its window. The maximum
picks one entry of each window; which one is piecewise constant, and with the choice given it is
linear too. So each operation here has its adjoint beside it, and is that one's adjoint in turn.

A window lies at every stride-th pixel. The loops run over the places in a window, R x S of them,
and at each place a strided slice holds that entry of all windows.
"""

import numpy as np

from .. import devices
from ..creation import raw
from ..engine import Tensor, record
from .conv import pair
from .padding import pad
from .products import matmul
from .shapes import transpose


def avg_pool2d(
    x,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
):
    """The mean of each window, as torch.nn.functional.avg_pool2d.

    x (N, C, H, W) -> (N, C, P, Q). stride: kernel_size if None. ceil_mode: the last window may
    begin inside the image and end outside. count_include_pad: whether pixels of the padding count.
    """
    kernel_size, stride, padding = _settings("avg_pool2d", x, kernel_size, stride, padding)
    counts = []  # for each axis: how many pixels each window has
    missing = []  # how many pixels the last window lacks
    for n, k, s, p in zip(x.shape[2:], kernel_size, stride, padding):
        windows = _windows("avg_pool2d", n, k, s, p, ceil_mode)
        starts = np.arange(windows) * s - p
        ends = np.minimum(starts + k, n + p)
        missing.append(max(0, (windows - 1) * s + k - n - 2 * p))
        if not count_include_pad:
            starts = np.maximum(starts, 0)
            ends = np.minimum(ends, n)
        counts.append(ends - starts)
    x = _padded(x, padding, missing, 0.0)
    size = np.multiply.outer(*counts)  # (P, Q)
    share = Tensor(devices.xp.asarray(1 / size, x.dtype))
    return window_sums(x, kernel_size, stride) * share


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """The maximum of each window, as torch.nn.functional.max_pool2d.

    x (N, C, H, W) -> (N, C, P, Q); see avg_pool2d. The first of several equal maxima gets the
    gradient. dilation: only 1.
    """
    if dilation not in (1, (1, 1)):
        raise ValueError(f"max_pool2d: dilation is {dilation}, expected 1")
    kernel_size, stride, padding = _settings("max_pool2d", x, kernel_size, stride, padding)
    missing = []
    for n, k, s, p in zip(x.shape[2:], kernel_size, stride, padding):
        windows = _windows("max_pool2d", n, k, s, p, ceil_mode)
        missing.append(max(0, (windows - 1) * s + k - n - 2 * p))
    x = _padded(x, padding, missing, -np.inf)
    entries = [x.array[place] for place in _places(x.shape, kernel_size, stride)]
    choice = devices.xp.argmax(devices.xp.stack(entries), 0)
    return window_entries(x, choice, kernel_size, stride)


def adaptive_avg_pool2d(x, output_size):
    """The means of windows that cover the image evenly: (N, C, H, W) -> (N, C, *output_size).

    output_size: an int or a pair, in which None keeps the size. Window i of P begins at
    floor(i H / P) and ends before ceil((i + 1) H / P).
    """
    sizes = output_size
    if not isinstance(sizes, (tuple, list)):
        sizes = (sizes, sizes)
    if raw(x).ndim != 4 or len(sizes) != 2 or 0 in x.shape:
        raise ValueError(
            f"adaptive_avg_pool2d: x has shape {x.shape}, output_size is {output_size}, expected "
            "(N, C, H, W) and a number or a pair"
        )
    h, w = x.shape[2:]
    rows = _averaging(x, h, sizes[0])  # (P, H)
    columns = _averaging(x, w, sizes[1])  # (Q, W)
    return matmul(matmul(rows, x), transpose(columns, 0, 1))


def _averaging(x, n, size):
    """The (size, n) matrix whose row i takes the mean of window i, in the dtype of x."""
    if size is None:
        size = n
    matrix = np.zeros((size, n))
    for i in range(size):
        start = i * n // size
        end = -(-(i + 1) * n // size)
        matrix[i, start:end] = 1 / (end - start)
    return Tensor(devices.xp.asarray(matrix, x.dtype))


# ---- windows -------------------------------------------------------------------------------------


def _settings(name, x, kernel_size, stride, padding):
    """kernel_size, stride and padding as pairs; ValueError unless they fit x."""
    kernel_size = pair("kernel_size", kernel_size, 1)
    stride = kernel_size if stride is None else pair("stride", stride, 1)
    padding = pair("padding", padding, 0)
    if raw(x).ndim != 4 or 0 in x.shape:
        raise ValueError(f"{name}: x has shape {x.shape}, expected (N, C, H, W), none of them 0")
    if any(2 * p > k for p, k in zip(padding, kernel_size)):
        raise ValueError(
            f"{name}: padding is {padding}, expected at most half of the kernel {kernel_size}"
        )
    return kernel_size, stride, padding


def _windows(name, n, k, s, p, ceil_mode):
    """How many windows lie along an axis of n pixels; ValueError if there is none."""
    room = n + 2 * p - k
    windows = room // s + 1
    if ceil_mode:
        windows = -(-room // s) + 1
        if (windows - 1) * s >= n + p:  # it would begin in the padding at the end
            windows -= 1
    if windows < 1:
        raise ValueError(f"{name}: a window of {k} does not fit into {n} pixels padded by {p}")
    return windows


def _padded(x, padding, missing, value):
    """x with a frame of the value, larger at the bottom and at the right by what is missing."""
    top, left = padding
    more_rows, more_columns = missing
    frame = (left, left + more_columns, top, top + more_rows)
    return pad(x, frame, value=value) if any(frame) else x


def _places(shape, kernel_size, stride):
    """For each place in a window, the index of that entry of all windows."""
    places = []
    spans = []  # for each axis and place: the slice of all windows
    for n, k, s in zip(shape[2:], kernel_size, stride):
        last = (n - k) // s * s  # where the last window begins
        spans.append([slice(i, i + last + 1, s) for i in range(k)])
    for rows in spans[0]:
        for columns in spans[1]:
            places.append((slice(None), slice(None), rows, columns))
    return places


def window_sums(x, kernel_size, stride):
    """The sum of each window: (N, C, H, W) -> (N, C, P, Q)."""
    x_shape = x.array.shape
    first, *others = _places(x_shape, kernel_size, stride)
    y = x.array[first].copy("K")
    for place in others:
        y += x.array[place]
    return record(y, (x, lambda g: spread(g, kernel_size, stride, x_shape)), op="window_sums")


def spread(g, kernel_size, stride, shape):
    """Each number of g added to all pixels of its window: the adjoint of window_sums."""
    y = devices.xp.zeros_like(g.array, shape=shape)  # in the memory order of g
    for place in _places(shape, kernel_size, stride):
        y[place] += g.array
    return record(y, (g, lambda h: window_sums(h, kernel_size, stride)), op="spread")


def window_entries(x, choice, kernel_size, stride):
    """Of each window the entry with the number of ``choice``, an array of integers (N, C, P, Q)."""
    x_shape = x.array.shape
    y = devices.xp.zeros_like(x.array, shape=choice.shape)
    for i, place in enumerate(_places(x_shape, kernel_size, stride)):
        y[choice == i] = x.array[place][choice == i]
    return record(
        y,
        (x, lambda g: put_entries(g, choice, kernel_size, stride, x_shape)),
        op="window_entries",
    )


def put_entries(g, choice, kernel_size, stride, shape):
    """Each number of g added to the chosen pixel of its window: the adjoint of window_entries."""
    y = devices.xp.zeros_like(g.array, shape=shape)
    for i, place in enumerate(_places(shape, kernel_size, stride)):
        y[place] += g.array * (choice == i)
    return record(
        y,
        (g, lambda h: window_entries(h, choice, kernel_size, stride)),
        op="put_entries",
    )
