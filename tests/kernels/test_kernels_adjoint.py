"""The kernels of the three convolutions belong together: each other's adjoints, and each other's
gradients.
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

OPERATIONS = "conv2d", "conv_transpose2d", "conv2d_weight_grad"


@settings(max_examples=25)
@given(case=cases(), rung=rungs, layout=layouts, seed=seeds)
def test_the_three_operations_are_each_others_adjoints(case, rung, layout, seed):
    """<conv2d(x, w), g> = <x, conv_transpose2d(g, w)> = <w, conv2d_weight_grad(x, g)>, within the
    sums' bounds.
    """
    name, dtype = rung
    x, w, stride, padding = convolutions.draw("conv2d", case)
    g = case.normal(
        len(x), len(w), *convolutions.map_size(x.shape[2:], w.shape[2:], stride, padding)
    )
    x, w, g = (in_layout(np.asarray(a, dtype), layout) for a in (x, w, g))
    rest = tuple(
        (n + 2 * p - r) % s for n, p, r, s in zip(x.shape[2:], padding, w.shape[2:], stride)
    )
    calls = [
        (g, [x, w, stride, padding]),
        (x, [g, w, stride, padding, rest]),
        (w, [x, g, w.shape[2:], stride, padding]),
    ]
    values = []
    bounds = []
    for operation, (other, arguments) in zip(OPERATIONS, calls):
        y = convolutions.run(operation, arguments, name, seed)
        values.append(np.vdot(np.float64(y), np.float64(other)))
        bounds.append(np.vdot(error_bound(operation, arguments, dtype, name), np.abs(other)))
    assert abs(values[0] - values[1]) <= bounds[0] + bounds[1]
    assert abs(values[0] - values[2]) <= bounds[0] + bounds[2]


@pytest.mark.parametrize("rung", ["naive", "tiled"])
def test_gradients_to_second_order(rung):
    case = fixed_case(7)
    x = case.normal(2, 2, 5, 4)
    w = case.normal(3, 2, 3, 2)
    b = case.normal(3)
    v = case.normal(2, 2, 3, 2)

    def upsample(x, v):
        return F.conv_transpose2d(x, v, stride=(1, 2), padding=1, output_padding=(0, 1)).tanh()

    with on_device(rung, 7):
        assert mg.gradcheck(
            lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=1).tanh(),
            [x, w, b],
            directions=1,
        )
        assert mg.gradcheck(upsample, [x, v], directions=1)
