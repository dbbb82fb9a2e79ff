"""The kernels of the three convolutions belong together.

They are each other's adjoints, and each other's gradients.
"""

import convolutions
import numpy as np
import pytest
from convolutions import error_bound, rungs
from hypothesis import given, settings
from on_device import on_device, seeds
from strategies import cases, fixed_case, in_layout, layouts

import minigan as mg
from minigan import functional as F


def rows_that_no_window_reaches(image, taps, stride, padding):
    """How much larger the image is than its windows, along each axis: an output_padding."""
    rest = []
    for n, r, step, pad in zip(image, taps, stride, padding):
        padded = n + 2 * pad
        rest.append((padded - r) % step)
    return tuple(rest)


@settings(max_examples=25)
@given(case=cases(), rung=rungs, layout=layouts, seed=seeds)
def test_the_three_operations_are_each_others_adjoints(case, rung, layout, seed):
    """<conv2d(x, w), g> = <x, conv_transpose2d(g, w)> = <w, conv2d_weight_grad(x, g)>.

    Each is right within its sums' bounds.
    """
    name, dtype = rung

    def laid_out(a):
        return in_layout(np.asarray(a, dtype), layout)

    def product_with(other, operation, *arguments):
        """The inner product of the operation's result with an array -> (it, its bound)."""
        y = convolutions.run(operation, arguments, name, seed)
        bound = error_bound(operation, arguments, dtype, name)
        product = np.vdot(np.float64(y), np.float64(other))
        return product, np.vdot(bound, np.abs(other))

    x, w, stride, padding = convolutions.draw("conv2d", case)
    image = x.shape[2:]
    taps = w.shape[2:]
    maps = convolutions.map_size(image, taps, stride, padding)
    rest = rows_that_no_window_reaches(image, taps, stride, padding)
    g = laid_out(case.normal(len(x), len(w), *maps))
    x = laid_out(x)
    w = laid_out(w)
    of_maps = product_with(g, "conv2d", x, w, stride, padding)
    of_images = product_with(x, "conv_transpose2d", g, w, stride, padding, rest)
    of_weights = product_with(w, "conv2d_weight_grad", x, g, taps, stride, padding)
    assert_equal(of_maps, of_images)
    assert_equal(of_maps, of_weights)


def assert_equal(one, other):
    """Two numbers, each with its bound."""
    value, bound = one
    other_value, other_bound = other
    difference = abs(value - other_value)
    assert difference <= bound + other_bound


def downsample(x, w, b):
    stride = (2, 1)
    y = F.conv2d(x, w, b, stride=stride, padding=1)
    return y.tanh()


def upsample(x, w):
    stride = (1, 2)
    y = F.conv_transpose2d(x, w, stride=stride, padding=1, output_padding=(0, 1))
    return y.tanh()


@pytest.mark.parametrize("rung", ["naive", "tiled"])
def test_gradients_to_second_order(rung):
    case = fixed_case(7)
    images = (2, 2, 5, 4)
    x = case.normal(*images)
    w = case.normal(3, 2, 3, 2)
    b = case.normal(3)
    v = case.normal(2, 2, 3, 2)
    checks = [(downsample, [x, w, b]), (upsample, [x, v])]
    with on_device(rung, 7):
        for function, inputs in checks:
            assert mg.gradcheck(function, inputs, directions=1)
