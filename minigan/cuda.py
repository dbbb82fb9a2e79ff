"""The kernel-backed operations on kernels/*.cu, for a GPU and for the host device alike: array in, array out.

The kernels know one order of memory: images (H, W, N, C), weights (K, R, S, C), so that neighbouring threads read
neighbouring channels. Here arrays are brought into it, a copy only where they lie otherwise, and results are handed out
as NCHW views of it: the next layer finds them as it wants them. ladder.py chooses the kernel and its geometry.
"""

import functools
import itertools
import math

import numpy as np

from . import ladder
from . import launch as device
from .ladder import THREADS, address, ceil, choose, convolve, elementwise, kind, moments, reduce, rowwise, run, total
from .launch import Out

PIXELS, TAPS = (2, 3, 0, 1), (0, 2, 3, 1)  # (N, C, H, W) -> (H, W, N, C), its own inverse; (K, C, R, S) -> (K, R, S, C)


def _in_order(x, axes):
    """x with its axes in this order, C-contiguous: no copy where memory lies so."""
    return device.xp.ascontiguousarray(x.transpose(axes))


def conv2d(x, weight, stride, padding):
    """(N, C, H, W), (K, C, R, S) -> (N, K, P, Q): y[k, p] = Σ_c,r x[c, s p + r - padding] w[k, c, r]."""
    (n, c, h, w), (k, _, r, s) = x.shape, weight.shape
    p, q = ((size + 2 * pad - tap) // step + 1 for size, pad, tap, step in zip((h, w), padding, (r, s), stride))
    x, weight = _in_order(x, PIXELS), _in_order(weight, TAPS)
    y = convolve("conv2d", x, weight, (n, c, h, w, k, p, q, r, s, *stride, *padding), [(x, c), (weight, c)])
    return y.transpose(PIXELS)


def conv_transpose2d(x, weight, stride, padding, output_padding):
    """(N, K, P, Q), (K, C, R, S) -> (N, C, H, W): the adjoint of conv2d, so also its input gradient."""
    (n, k, p, q), (_, c, r, s) = x.shape, weight.shape
    h, w = ((size - 1) * step - 2 * pad + tap + extra for size, step, pad, tap, extra
            in zip((p, q), stride, padding, (r, s), output_padding))
    x, weight = _in_order(x, PIXELS), _in_order(weight, TAPS)
    y = convolve("conv_transpose2d", x, weight, (n, c, h, w, k, p, q, r, s, *stride, *padding), [(x, k), (weight, c)])
    return y.transpose(PIXELS)


def conv2d_weight_grad(x, g, kernel_size, stride, padding):
    """(N, C, H, W), (N, K, P, Q) -> (K, C, R, S): the gradient of conv2d with respect to its weight."""
    (n, c, h, w), (_, k, p, q), (r, s) = x.shape, g.shape, kernel_size
    x, g = _in_order(x, PIXELS), _in_order(g, PIXELS)
    if k <= ladder.NARROW < c and stride == (1, 1) and r * s < p * q and padding[0] < r and padding[1] < s:
        # Of few maps, a tile of rows would be nearly empty: x and g change places, and the taps run backwards.
        sizes = n, k, p, q, c, h, w, r, s, 1, 1, r - 1 - padding[0], s - 1 - padding[1]
        return convolve("conv2d_weight_grad", g, x, sizes, [(x, c), (g, k)])[:, ::-1, ::-1].transpose(3, 0, 1, 2)
    dw = convolve("conv2d_weight_grad", x, g, (n, c, h, w, k, p, q, r, s, *stride, *padding), [(g, k), (x, c)])
    return dw.transpose(0, 3, 1, 2)


# ---- channels ------------------------------------------------------------------------------------------------------

def _rows(x):
    """(N, C, ...) as a matrix with a column per channel; a copy only where memory lies in another order."""
    return _in_order(x, (*range(2, x.ndim), 0, 1)).reshape(-1, x.shape[1])


def _image(rows, x):
    """The inverse of _rows, in the shape of x."""
    return rows.reshape(x.shape[2:] + x.shape[:2]).transpose(x.ndim - 2, x.ndim - 1, *range(x.ndim - 2))


def channel_sum(g):
    """(N, C, ...) -> (C,): the sum over all axes but the channels'; the gradient of a bias."""
    rows = _rows(g)
    return reduce("channel_sum", [rows], rows, 1)[0] if rows.size else device.xp.zeros(rows.shape[1], g.dtype)


def add_bias(x, bias):
    """(N, C, ...), (C,) -> x + bias, each channel its own."""
    rows, xp = _rows(x), device.xp
    y = xp.empty(rows.shape, rows.dtype)
    rowwise("add_bias", [rows, xp.ascontiguousarray(bias), Out(y)], rows)
    return _image(y, x)


def batch_norm_statistics(x, weight, bias, running_mean, running_var, momentum, eps):
    """(N, C, ...) -> mean (2, C), inv_std, scale, shift (C,); takes the running ones a step on.

    The mean is two numbers: see cpu.batch_norm_statistics.
    """
    given = weight, bias, running_mean, running_var
    vectors = [a if a is None else device.xp.ascontiguousarray(a) for a in given]
    y = moments(_rows(x), vectors, x.dtype.type(momentum), x.dtype.type(eps))
    for a, copy in zip(given[2:], vectors[2:]):
        if a is not None and address(a) != address(copy):
            a[...] = copy
    return y[:2], y[2], y[3], y[4]


def batch_norm_forward(x, centre, scale, shift, negative_slope):
    """(N, C, ...), three (C,) -> act((x - centre[c]) scale[c] + shift[c]).

    A slope of None is no activation, 0 is ReLU.
    """
    rows, xp = _rows(x), device.xp
    y, slope = xp.empty(rows.shape, rows.dtype), x.dtype.type(1 if negative_slope is None else negative_slope)
    vectors = [xp.ascontiguousarray(v) for v in (centre, scale, shift)]
    rowwise("batch_norm_forward", [rows, *vectors, Out(y), slope], rows)
    return _image(y, x)


def batch_norm_grad(g, x, y, mean, inv_std, weight, negative_slope):
    """The gradient of training-mode batch norm and its activation: -> dx (N, C, ...), dweight (C,), dbias (C,)."""
    g_rows, rows, xp = _rows(g), _rows(x), device.xp
    y_rows = g_rows if negative_slope is None else _rows(y)  # with a slope of 1 it does not matter which
    slope, dx = x.dtype.type(1 if negative_slope is None else negative_slope), xp.empty(rows.shape, rows.dtype)
    mean, inv_std, weight = (None if v is None else xp.ascontiguousarray(v) for v in (mean, inv_std, weight))
    read = [g_rows, rows, y_rows, mean, inv_std]
    sums = reduce("batch_norm_grad_sums", read, rows, 2, slope)
    inverse_rows = [x.dtype.type(1 / len(rows))] * (choose("batch_norm_grad", x.dtype) == "tiled")
    rowwise("batch_norm_grad", [*read, weight, sums, Out(dx), slope, *inverse_rows], rows)
    return _image(dx, x), sums[1], sums[0]


# ---- elementwise, loss and optimiser -------------------------------------------------------------------------------

def _vectors(first, *others):
    """All arrays, C-contiguous, in the order in which the first lies in memory, and the way back for a result."""
    if all(a.flags.c_contiguous for a in (first, *others)):
        return [first, *others], lambda y: y
    order = sorted(range(first.ndim), key=lambda axis: -first.strides[axis])
    inverse, shape = sorted(range(first.ndim), key=order.__getitem__), tuple(first.shape[axis] for axis in order)
    return [_in_order(a, order) for a in (first, *others)], lambda y: y.reshape(shape).transpose(inverse)


def leaky_relu(x, negative_slope):
    """x where x > 0, else negative_slope x. Any shape, negative_slope >= 0."""
    (x,), restore = _vectors(x)
    y = device.xp.empty(x.shape, x.dtype)
    elementwise("leaky_relu", [x, Out(y), x.dtype.type(negative_slope)], x.size)
    return restore(y)


def leaky_relu_grad(g, y, negative_slope):
    """g where y > 0, else negative_slope g: at the kink the slope is the negative side's, as in PyTorch."""
    (y, g), restore = _vectors(y, g)
    dx = device.xp.empty(y.shape, y.dtype)
    elementwise("leaky_relu_grad", [g, y, Out(dx), y.dtype.type(negative_slope)], y.size)
    return restore(dx)


def _logits(x, target, *others):
    """([x, and the others], the two arguments of the target, an array or a number; the way back), all in one order."""
    if isinstance(target, device.xp.ndarray):
        (x, target, *others), restore = _vectors(x, target, *others)
        return [x, *others], [target, x.dtype.type(0)], restore
    arrays, restore = _vectors(x, *others)
    return arrays, [None, x.dtype.type(target)], restore


def bce_with_logits(x, target, reduction):
    """max(x, 0) - x t + log(1 + exp(-|x|)), for each element or their "sum" or "mean"; t like x, or a number."""
    (x,), target, restore = _logits(x, target)
    xp, n = device.xp, x.size
    if reduction == "none":
        losses = xp.empty(x.shape, x.dtype)
        elementwise("bce_with_logits", [x, *target, Out(losses)], n)
        return restore(losses)
    if not n:
        return xp.zeros((), x.dtype)
    return total("bce_with_logits_sum", [x, *target], x.dtype.type(1 / n if reduction == "mean" else 1), n)


def bce_with_logits_grad(x, target, g, reduction):
    """(sigmoid(x) - t) g, over the number of elements for "mean"."""
    each = reduction == "none"
    (x, *own), target, restore = _logits(x, target, *[g] * each)
    scale, dx = x.dtype.type(1 / x.size if reduction == "mean" else 1), device.xp.empty(x.shape, x.dtype)
    elementwise("bce_with_logits_grad", [x, *target, own[0] if each else g, np.int32(each), Out(dx), scale], x.size)
    return restore(dx)


ADAM_ROWS, ADAM_CHUNK = 96, 4096  # as in adam.cu: tensors in a table, numbers that a block takes


@functools.lru_cache
def _adam_types(dtype):
    """The structs AdamStep and AdamTable."""
    step = np.dtype([(name, dtype) for name in "rate1 beta2 rate2 step_size root eps weight_decay".split()])
    row = [*((name, np.uintp) for name in "pgmv"), ("n", np.int32), ("first_block", np.int32)]
    return step, np.dtype([("rows", row, ADAM_ROWS), ("step", step), ("count", np.int32)], align=True)


def adam(params, grads, exp_avgs, exp_avg_sqs, step, lr, betas, eps, weight_decay):
    """One Adam step (Kingma and Ba 2015) on lists of arrays, in place; step counts from 1.

    The four arrays of a parameter are seen as numbers in the order in which it lies in memory; those that lie in
    another order, or with gaps, are copied, and what has changed is copied back.
    """
    numbers = (1 - betas[0], betas[1], 1 - betas[1], lr / (1 - betas[0] ** step), math.sqrt(1 - betas[1] ** step), eps,
               weight_decay)
    by_dtype, copied = {}, []
    for arrays in zip(params, grads, exp_avgs, exp_avg_sqs):
        row, restore = _vectors(*arrays)
        if row[0].size:
            by_dtype.setdefault(row[0].dtype, []).append(row)
        copied += [(arrays[i], restore(row[i])) for i in (0, 2, 3) if address(arrays[i]) != address(row[i])]
    for dtype, rows in by_dtype.items():
        rung, t, v = kind("adam", itertools.chain(*rows))
        step_type, table_type = _adam_types(dtype)
        if rung == "naive":
            for row in rows:
                elementwise("adam", [*row, np.array(numbers, step_type)], row[0].size)
            continue
        for some in (rows[i:i + ADAM_ROWS] for i in range(0, len(rows), ADAM_ROWS)):
            table, blocks = np.zeros((), table_type), [0]
            blocks += itertools.accumulate(ceil(row[0].size, ADAM_CHUNK) for row in some)
            table["rows"][:len(some)] = [(*map(address, row), row[0].size, first) for row, first in zip(some, blocks)]
            table["step"], table["count"] = numbers, len(some)
            run("adam", rung, (t, v), (blocks[-1],), (THREADS,), [table], touches=list(itertools.chain(*some)))
    for array, copy in copied:
        array[...] = copy
