"""Arguments for every kernel, and one comparison of a kernel with the plain loops of reference.py.

The loops run in float64 on the very numbers that the kernel is given. So what is left is the
kernel's own rounding: for a sum of n products of unit size, at most a few eps sqrt(n).
"""

import inspect
from typing import Callable, NamedTuple

import numpy as np
from strategies import convolution, dcgan_convolution, in_layout, transposed_convolution

from minigan.backends import cpu, reference

WINOGRADS = 16  # a 4x4 layer may lose two bits: Winograd's transforms add before and after


class Kernel(NamedTuple):
    """How to test a kernel."""

    draw: Callable  # case -> its arguments, float64
    terms: Callable  # of these arguments: how many numbers each number of the result adds up


# ---- convolutions and products -------------------------------------------------------------------


def any_convolution(case):
    draw = case.of(convolution, convolution, dcgan_convolution)
    return draw(case)


def transposed(case):
    is_general = case.choose(0, 2)
    if is_general:
        return transposed_convolution(case)
    _, w, stride, padding = dcgan_convolution(case)
    height = 2 * case.choose(1, 3)
    x = case.normal(2, len(w), height, 4)
    return x, w, stride, padding, (0, 0)


def weight_grad(case):
    x, w, stride, padding = any_convolution(case)
    kernel = w.shape[2:]
    maps = []
    for i in (0, 1):
        free = x.shape[2 + i] + 2 * padding[i] - kernel[i]
        maps.append(free // stride[i] + 1)
    g = case.normal(len(x), len(w), *maps)
    return x, g, kernel, stride, padding


def conv2d_terms(x, w, *_):
    factor = WINOGRADS if w.shape[2:] == (4, 4) else 1
    return factor * w[0].size


def conv_transpose2d_terms(x, w, *_):
    factor = WINOGRADS if w.shape[2:] == (4, 4) else 1
    return factor * w[:, 0].size


def weight_grad_terms(x, g, kernel, *_):
    factor = WINOGRADS if kernel == (4, 4) else 1
    return factor * g[:, 0].size


def product(case):
    """Two matrices that fit each other, or stacks of them, whose leading axes broadcast."""
    n, k, m = case.shape(3, 3)
    leading = case.of(((), ()), ((), ()), ((2,), (2,)), ((3, 2), (1, 2)))
    left, right = leading
    x = case.normal(*left, n, k)
    y = case.normal(*right, k, m)
    return x, y


def linear_layer(case):
    n, i, o = case.shape(3, 3)
    x = case.normal(n, i)
    weight = case.normal(o, i)
    bias = case.of(None, case.normal(o))
    return x, weight, bias


def terms_of_a_row(x, *_):
    return x.shape[-1] + 1


# ---- channels ------------------------------------------------------------------------------------


def image(case):
    n = case.choose(1, 4)
    c = case.choose(1, 4)
    return case.normal(n, c, *case.shape(0, 2))


def one_image(case):
    return (image(case),)


def biased(case):
    x = image(case)
    return x, case.normal(x.shape[1])


def statistics(case):
    x = image(case)
    c = x.shape[1]
    weight = case.of(None, case.normal(c))
    bias = case.of(None, case.normal(c))
    eps = case.of(1.0, 0.3)  # so large that a small variance may lose digits
    return x, weight, bias, None, None, 0.1, eps


def normalised(case):
    x = image(case)
    centre, scale, shift = case.normal(3, x.shape[1])
    slope = case.of(None, 0.0, 0.2, 1.5)
    return x, centre, scale, shift, slope


def normalised_grad(case):
    x = image(case)
    c = x.shape[1]
    slope = case.of(None, 0.0, 0.2, 1.5)
    y = case.away(x.shape, 0)
    mean = case.normal(2, c)  # two parts, whose sum it is
    g = case.normal(*x.shape)
    inv_std = case.positive(c)
    weight = case.of(None, case.normal(c))
    return g, x, y, mean, inv_std, weight, slope


def numbers_of_a_channel(x, *_):
    return x[:, 0].size


# ---- elementwise ---------------------------------------------------------------------------------


def activation(case):
    x = case.normal(*case.shape(0, 4))
    slope = case.of(0.2, 0.0, 1.0, 1.5)
    return x, slope


def activation_grad(case):
    y, slope = activation(case)
    y[y < -1] = 0  # exactly at the kink
    g = case.normal(*y.shape)
    return g, y, slope


def logits(case):
    x = 4 * case.normal(*case.shape(0, 4))
    labels = case.rng.uniform(0, 1, x.shape)
    target = case.of(0.0, 1.0, 0.9, np.asarray(labels))
    reduction = case.of("mean", "sum", "none")
    return x, target, reduction


def logits_grad(case):
    x, target, reduction = logits(case)
    g_shape = x.shape if reduction == "none" else ()
    g = case.normal(*g_shape)
    return x, target, g, reduction


def one_term(*_):
    return 1


KERNELS = {
    "conv2d": Kernel(any_convolution, conv2d_terms),
    "conv_transpose2d": Kernel(transposed, conv_transpose2d_terms),
    "conv2d_weight_grad": Kernel(weight_grad, weight_grad_terms),
    "matmul": Kernel(product, terms_of_a_row),
    "linear": Kernel(linear_layer, terms_of_a_row),
    "channel_sum": Kernel(one_image, numbers_of_a_channel),
    "add_bias": Kernel(biased, one_term),
    "batch_norm_statistics": Kernel(statistics, numbers_of_a_channel),
    "batch_norm_forward": Kernel(normalised, one_term),
    "batch_norm_grad": Kernel(normalised_grad, lambda g, *_: 4 * g[:, 0].size),
    "leaky_relu": Kernel(activation, one_term),
    "leaky_relu_grad": Kernel(activation_grad, one_term),
    "bce_with_logits": Kernel(logits, lambda x, *_: 4 * x.size),
    "bce_with_logits_grad": Kernel(logits_grad, one_term),
}


# ---- the comparison ------------------------------------------------------------------------------


def mapped(f, arguments):
    """The arguments with f applied to the arrays among them."""
    found = []
    for a in arguments:
        is_array = isinstance(a, (np.ndarray, np.generic))
        found.append(np.asarray(f(a)) if is_array else a)
    return found


def results(kernels, name, arguments):
    """What a kernel returns, as a tuple of arrays."""
    y = getattr(kernels, name)(*arguments)
    return y if isinstance(y, tuple) else (y,)


def comparable(name, arrays):
    """What implementations must agree on.

    They may cut a mean in two parts where they like, because the shift makes up for it.
    """
    if name != "batch_norm_statistics":
        return arrays
    mean, inv_std, scale, shift = arrays
    whole_mean = mean[0] + mean[1]
    whole_shift = shift - mean[0] * scale
    return whole_mean, inv_std, scale, whole_shift


def compare_with_reference(name, case, dtype=np.float64, layout="contiguous"):
    """Run one kernel on one case, and compare it with the loops.

    Raises AssertionError also if it writes to its input, or keeps its result for the next call.
    """
    kernel = KERNELS[name]
    drawn = mapped(lambda a: np.asarray(a, dtype), kernel.draw(case))
    arguments = mapped(lambda a: in_layout(a, layout), drawn)
    exact = mapped(np.float64, arguments)
    actual = results(cpu, name, arguments)
    kept = [np.array(y) for y in actual]
    results(cpu, name, mapped(np.negative, arguments))
    for y, before in zip(actual, kept):
        np.testing.assert_array_equal(y, before, "a result lies in memory that the next call uses")
    for a, before in zip(arguments, exact):
        np.testing.assert_array_equal(a, before, "the kernel wrote to its input")

    terms = max(8, kernel.terms(*exact))
    close = 16 * np.finfo(dtype).eps * terms**0.5
    ours = comparable(name, actual)
    plain = comparable(name, results(reference, name, exact))
    for y, expected in zip(ours, plain, strict=True):
        assert y.dtype == dtype
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=close, atol=close)


def public(module):
    """The functions that a package offers, by name."""
    found = {}
    for name, f in vars(module).items():
        if inspect.isfunction(f) and not name.startswith("_"):
            is_its_own = f.__module__.startswith(module.__name__)
            if is_its_own:
                found[name] = f
    return found
