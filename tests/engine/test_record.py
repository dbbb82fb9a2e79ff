"""Operations of one's own: record takes a value and its VJPs, and checks what they return."""

import functools

import numpy as np
import pytest
from tensors import leaf, listed

import minigan as mg
from minigan.engine import record


def cube(x):
    return record(x.array**3, (x, lambda g: g * (3 * x * x)))


def test_an_operation_of_ones_own_is_checked_like_any_other():
    x = leaf(3)
    assert mg.gradcheck(cube, x, order=3)
    y = cube(x)
    assert "from cube" in repr(y)
    with mg.no_grad():
        x.copy_(1.0)
    with pytest.raises(RuntimeError, match="gradient of cube"):
        y.sum().backward()


def test_a_vjp_that_is_no_plain_function_is_refused():
    x = leaf(3)
    value = np.ones(3)
    twice = functools.partial(mg.ops.mul, 2)
    words = "got a partial as a VJP, expected a def or a lambda"
    with pytest.raises(TypeError, match=words):
        record(value, (x, twice))
    with pytest.raises(TypeError, match="got a method as a VJP"):
        record(value, (x, x.reshape))


def test_a_gradient_of_another_shape_does_not_arrive():
    x = leaf(3, 2)
    y = record(x.array * 2, (x, lambda g: (g * 2).sum(0)))
    total = y.sum()
    words = r"gradient \(2,\) float64 for a tensor \(3, 2\) float64"
    with pytest.raises(ValueError, match=words):
        total.backward()
    with pytest.raises(ValueError, match=words):
        mg.grad(total, x)
    assert x.grad is None


def test_a_vjp_with_two_arguments_gets_the_output():
    def reciprocal(x):
        return record(1 / x.array, (x, lambda g, y: -g * y * y))

    assert mg.gradcheck(reciprocal, leaf(3), order=3)


def test_a_default_argument_is_no_second_argument():
    def scale(x):
        return record(x.array * 5, (x, lambda g, factor=5: g * factor))

    x = leaf(3)
    other = leaf(3)
    y = scale(other)
    assert mg.grad(y.sum(), x) == (None,)
    assert mg.gradcheck(scale, x)


def test_one_vjp_may_serve_several_inputs_and_may_skip_some():
    def product(x, w, bias=None):
        def to_all(g):
            return g * w, g * x, None

        return record(x.array * w.array, ((x, w, bias), to_all))

    x = leaf(3)
    w = leaf(3, seed=1)
    assert mg.gradcheck(product, [x, w])
    y = product(x, w, bias=leaf(3))
    gw, gx = mg.grad(y.sum(), [w, x])
    assert listed(gw) == listed(x)
    assert listed(gx) == listed(w)
