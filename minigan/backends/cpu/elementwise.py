"""LeakyReLU, binary cross-entropy and Adam in NumPy: each number by itself, block by block."""

import math

import numpy as np

from ..memory_order import MemoryOrder
from ..summation import total
from .blocks import for_each_slice, slices_of
from .memory import empty, scratch
from .threads import parallel

_FEW = 1 << 21  # numbers that Adam updates no sooner on two threads than on one


def leaky_relu(x, negative_slope):
    """x where x > 0, otherwise negative_slope x. Any shape, negative_slope >= 0."""
    order = MemoryOrder(x)
    x = order.stored(x)
    y = empty(x.shape, x.dtype)
    y_vector = y.reshape(-1)
    x_vector = x.reshape(-1)

    def apply(block):
        leaky_relu_into(y_vector[block], x_vector[block], negative_slope)

    for_each_slice(apply, x_vector)
    return order.restored(y)


def leaky_relu_grad(g, y, negative_slope):
    """g where y > 0, otherwise negative_slope g: at y = 0 too, as in PyTorch."""
    order = MemoryOrder(y)
    y = order.stored(y)
    dx = empty(y.shape, y.dtype)
    dx_vector = dx.reshape(-1)
    g_vector = order.vector(g)
    y_vector = y.reshape(-1)

    def apply(block):
        leaky_relu_grad_into(dx_vector[block], g_vector[block], y_vector[block], negative_slope)

    for_each_slice(apply, y_vector)
    return order.restored(dx)


def leaky_relu_into(out, x, slope):
    """Write LeakyReLU of x into `out`, which may be x itself -> out.

    x where x > 0 and otherwise slope x is the larger of the two for a slope of at most 1.
    """
    if slope == 0:
        return np.maximum(x, 0, out=out)  # not 0 x, which is NaN at infinity
    buffer = scratch("scaled", x.shape, x.dtype) if out is x else out
    with np.errstate(over="ignore"):
        scaled = np.multiply(x, x.dtype.type(slope), out=buffer)
    larger = np.maximum if slope <= 1 else np.minimum
    return larger(x, scaled, out=out)


def leaky_relu_grad_into(out, g, y, slope):
    """Write g where y > 0 and otherwise slope g into `out` -> out."""
    positive = np.greater(y, 0, out=scratch("positive", y.shape, bool))
    one = y.dtype.type(1)
    slope = y.dtype.type(slope)
    if slope > 1:
        return np.multiply(g, np.where(positive, one, slope), out=out)
    # Arithmetic takes a tenth of np.where's time. (1 - slope) + slope is exactly 1: the rounding
    # error of 1 - slope is below half a unit in the last place.
    factor = scratch("factor", y.shape, y.dtype)
    np.copyto(factor, positive)
    if slope != 0:
        factor *= one - slope
        factor += slope
    return np.multiply(g, factor, out=out)


def bce_with_logits(x, target, reduction):
    """max(x, 0) - x t + log(1 + exp(-|x|)), for each element or their "sum" or "mean"."""
    zero = x.dtype.type(0)  # before NumPy 2 a 0-d float32 array and a Python 0 make float64
    target = _in_dtype_of(x, target)
    value = np.maximum(x, zero) - x * target
    value += np.log1p(np.exp(-np.abs(x)))
    if reduction == "none":
        return value
    summed = total(value)
    if reduction == "mean":
        summed = summed / x.dtype.type(x.size)
    return np.asarray(summed)


def bce_with_logits_grad(x, target, g, reduction):
    """(sigmoid(x) - t) g, over the number of elements for "mean"."""
    one = x.dtype.type(1)
    small = np.exp(-np.abs(x))
    sigmoid = np.where(x >= 0, one, small) / (one + small)
    sigmoid -= _in_dtype_of(x, target)
    if reduction == "mean":
        g = g / x.dtype.type(x.size)
    sigmoid *= g
    return sigmoid


def _in_dtype_of(x, target):
    """The target as it is, or a number in x's dtype."""
    return x.dtype.type(target) if np.ndim(target) == 0 else target


def adam(params, grads, exp_avgs, exp_avg_sqs, step, lr, betas, eps, weight_decay):
    """One Adam step (Kingma and Ba 2015) on lists of arrays, in place; step counts from 1.

    m = β1 m + (1 - β1) g, v = β2 v + (1 - β2) g², p -= lr m / (1 - β1ᵗ) / (√v / √(1 - β2ᵗ) + eps),
    with weight_decay p added to g first.
    """
    beta1, beta2 = betas
    root = math.sqrt(1 - beta2**step)
    rate = lr * root / (1 - beta1**step)
    rates = 1 - beta1, beta2, eps * root, rate, weight_decay
    todo = []
    for arrays in zip(params, grads, exp_avgs, exp_avg_sqs):
        order = MemoryOrder(arrays[0])
        p, g, m, v = [order.vector(a) for a in arrays]
        changed = (arrays[0], p), (arrays[2], m), (arrays[3], v)
        is_in_place = all(np.may_share_memory(a, vector) for a, vector in changed)
        if is_in_place:
            todo += [(p[block], g[block], m[block], v[block]) for block in slices_of(p)]
        else:  # a view with gaps, or state in another order: the vectors are copies
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
