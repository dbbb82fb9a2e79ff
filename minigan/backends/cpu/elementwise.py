"""LeakyReLU, binary cross-entropy and Adam in NumPy: one number at a time, piece by piece."""

import math

import numpy as np

from ..summation import total
from . import threads
from .threads import empty, parallel, scratch, split

_FEW = 1 << 21  # numbers that Adam updates no sooner on two threads than on one


def leaky_relu(x, negative_slope):
    """x where x > 0, else negative_slope x. Any shape, negative_slope >= 0."""
    (x,), restore = _flatten(x)
    y = empty(x.shape, x.dtype)
    _by_slices(lambda piece: _leaky_relu(x[piece], negative_slope, y[piece]), x)
    return restore(y)


def leaky_relu_grad(g, y, negative_slope):
    """g where y > 0, else negative_slope g: at the kink the slope is the negative side's, as in
    PyTorch.
    """
    (y, g), restore = _flatten(y, g)
    dx = empty(y.shape, y.dtype)
    _by_slices(lambda piece: _leaky_relu_grad(g[piece], y[piece], negative_slope, dx[piece]), y)
    return restore(dx)


def _leaky_relu(x, slope, out):
    if slope == 0:
        return np.maximum(x, 0, out=out)  # not 0 x, which is NaN at infinity
    with np.errstate(over="ignore"):
        scaled = np.multiply(
            x, x.dtype.type(slope), out=scratch("scaled", x.shape, x.dtype) if out is x else out
        )
    return (np.maximum if slope <= 1 else np.minimum)(x, scaled, out=out)


def _leaky_relu_grad(g, y, slope, out):
    positive = np.greater(y, 0, out=scratch("positive", y.shape, bool))
    if slope > 1:
        return np.multiply(g, np.where(positive, y.dtype.type(1), y.dtype.type(slope)), out=out)
    # Arithmetic, which takes a tenth of np.where's time; (1 - slope) + slope rounds to 1 exactly,
    # for no error of 1 - slope is more than half the distance from 1 to its neighbours.
    factor = np.multiply(
        positive, y.dtype.type(1) - y.dtype.type(slope), out=scratch("factor", y.shape, y.dtype)
    )
    factor += y.dtype.type(slope)
    return np.multiply(g, factor, out=out)


def _by_slices(task, vector):
    """Call task(slice) for the slices of a vector."""
    if vector.size <= threads.PIECE:
        task(slice(0, len(vector)))
    else:
        parallel(task, _slices(vector))


def _slices(vector):
    return split(len(vector), -(-vector.size // threads.PIECE))


def _flatten(first, *others):
    """All arrays as vectors in the order in which the first lies in memory, and the way back for
    a result.
    """
    if first.flags.forc:
        way = "C" if first.flags.c_contiguous else "F"
        return [a.ravel(way) for a in (first, *others)], lambda vector: vector.reshape(
            first.shape, order=way
        )
    order = sorted(range(first.ndim), key=lambda axis: -abs(first.strides[axis]))
    turned = [a.transpose(order) for a in (first, *others)]
    inverse = np.argsort(order) if order else ()
    return (
        [np.ascontiguousarray(a).reshape(-1) for a in turned],
        lambda vector: vector.reshape(turned[0].shape).transpose(inverse),
    )


def bce_with_logits(x, target, reduction):
    """max(x, 0) - x t + log(1 + exp(-|x|)), for each element or their "sum" or "mean"."""
    zero = x.dtype.type(0)  # before NumPy 2 a 0-d float32 array and a Python 0 make float64
    target = _in_dtype_of(x, target)
    value = np.maximum(x, zero) - x * target
    value += np.log1p(np.exp(-np.abs(x)))
    if reduction == "none":
        return value
    summed = total(value)
    return np.asarray(summed if reduction == "sum" else summed / x.dtype.type(x.size))


def bce_with_logits_grad(x, target, g, reduction):
    """(sigmoid(x) - t) g, over the number of elements for "mean"."""
    one = x.dtype.type(1)
    small = np.exp(-np.abs(x))
    sigmoid = np.where(x >= 0, one, small) / (one + small)
    sigmoid -= _in_dtype_of(x, target)
    sigmoid *= g / x.dtype.type(x.size) if reduction == "mean" else g
    return sigmoid


def _in_dtype_of(x, target):
    """The target as it is, or a number in x's dtype."""
    return x.dtype.type(target) if np.ndim(target) == 0 else target


def adam(params, grads, exp_avgs, exp_avg_sqs, step, lr, betas, eps, weight_decay):
    """One Adam step (Kingma and Ba 2015) on lists of arrays, in place; step counts from 1.

    m = β1 m + (1 - β1) g, v = β2 v + (1 - β2) g², p -= lr m / (1 - β1ᵗ) / (√v / √(1 - β2ᵗ) + eps),
    with weight_decay p added to g first.
    """
    root = math.sqrt(1 - betas[1] ** step)
    rates = 1 - betas[0], betas[1], eps * root, lr * root / (1 - betas[0] ** step), weight_decay
    todo = []
    for arrays in zip(params, grads, exp_avgs, exp_avg_sqs):
        (p, g, m, v), _ = _flatten(*arrays)
        if all(np.may_share_memory(vector, arrays[i]) for i, vector in ((0, p), (2, m), (3, v))):
            todo += [(p[piece], g[piece], m[piece], v[piece]) for piece in _slices(p)]
        else:  # a view with gaps, or state in another order: a copy would not be in place
            todo.append(arrays)
    if sum(p.size for p, *_ in todo) < _FEW:
        for arrays in todo:
            _adam(*arrays, *rates)
    else:
        parallel(lambda arrays: _adam(*arrays, *rates), todo)


def _adam(p, g, m, v, rate1, beta2, eps, lr, weight_decay):
    a = scratch("adam", p.shape, p.dtype)
    if weight_decay:
        g = g + weight_decay * p
    np.multiply(g, rate1, out=a)
    m *= 1 - rate1
    m += a
    a *= a  # (rate1 g)²: in place, which is half the traffic of g² anew
    a *= (1 - beta2) / rate1**2
    v *= beta2
    v += a
    np.sqrt(v, out=a)
    a += eps
    np.divide(m, a, out=a)
    a *= lr
    p -= a
