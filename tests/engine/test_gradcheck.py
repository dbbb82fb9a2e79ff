"""gradcheck itself: a test of gradients is worth as much as the wrong gradients that it refuses."""

import numpy as np
import pytest

import minigan as mg
from minigan.engine import Tensor, record
from minigan.finite_differences import GradcheckError
from minigan.grad_modes import recording


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


X = np.linspace(0.5, 1.5, 12).reshape(4, 3)


def cube_with(vjp):
    """The function x -> x^3 with this VJP: vjp(g, x)."""

    def cube(x):
        return record(x.array**3, (x, lambda g: vjp(g, x)))

    return cube


def constant(t):
    return Tensor(t.array)


def test_gradcheck_accepts_the_right_gradient():
    cube = cube_with(lambda g, x: 3 * g * x * x)
    assert mg.gradcheck(cube, X, order=3) is True

    def two_products(x, y):
        return x * y, x @ y.transpose(0, 1)

    assert mg.gradcheck(two_products, [X, Tensor(X)]) is True


ONE_TOO_LARGE = Tensor(1 + 0.01 * (X == X[2, 1]))
WRONG = {
    "negated": lambda g, x: -3 * g * x * x,
    "zero": lambda g, x: 0 * g * x,
    "slightly too large": lambda g, x: 3.003 * g * x * x,
    "slightly too large in one entry": lambda g, x: 3 * g * x * x * ONE_TOO_LARGE,
    "of another power": lambda g, x: 3 * g * x,
    "NaN": lambda g, x: g * x * np.nan,
    "missing": lambda g, x: None,
}


@pytest.mark.parametrize("name", WRONG)
def test_gradcheck_refuses_a_wrong_gradient(name):
    f = cube_with(WRONG[name])
    with pytest.raises(GradcheckError, match="order 1"):
        mg.gradcheck(f, X, order=1)


@pytest.mark.parametrize(
    "vjp, words",
    [
        (lambda g, x: (3 * g * x * x).sum(1), r"\(4,\) float64"),
        (lambda g, x: (3 * g * x * x).float(), r"\(4, 3\) float32"),
    ],
)
def test_a_gradient_of_the_wrong_shape_or_dtype_does_not_even_arrive(vjp, words):
    f = cube_with(vjp)
    with pytest.raises(ValueError, match=rf"a gradient {words} for a tensor \(4, 3\) float64"):
        mg.gradcheck(f, X, order=1)


def test_gradcheck_refuses_a_function_that_loses_the_graph():
    def square(x):
        return Tensor(x.array**2)

    with pytest.raises(GradcheckError, match="no output requires grad"):
        mg.gradcheck(square, X)


def test_gradcheck_refuses_a_gradient_that_is_wrong_only_where_no_graph_is_built():
    def vjp(g, x):
        factor = 3 if recording.get() else 3.1
        return factor * g * x * x

    with pytest.raises(GradcheckError, match="create_graph=False"):
        mg.gradcheck(cube_with(vjp), X, order=1)


@pytest.mark.parametrize(
    "vjp",
    [
        lambda g, x: 3 * g * constant(x * x),
        lambda g, x: 3 * constant(g) * x * x,
    ],
)
def test_gradcheck_refuses_a_gradient_that_is_wrong_only_in_the_second_order(vjp):
    f = cube_with(vjp)
    assert mg.gradcheck(f, X, order=1)
    with pytest.raises(GradcheckError, match="order 2"):
        mg.gradcheck(f, X, order=2)


def test_gradcheck_refuses_one_that_is_wrong_only_in_the_third_order():
    def vjp(g, x):
        # 3 g x^2. Its derivative 6 g x has the right value, but takes its own x for a constant.
        return record(
            3 * g.array * x.array**2,
            (g, lambda h: 3 * h * x * x),
            (x, lambda h: 6 * h * g * constant(x)),
        )

    f = cube_with(vjp)
    assert mg.gradcheck(f, X, order=2)
    with pytest.raises(GradcheckError, match="order 3"):
        mg.gradcheck(f, X, order=3)


def test_gradcheck_refuses_batch_norm_that_takes_its_inv_std_for_a_constant():
    """The VJP's value is right, with all three terms, but it reads a saved array.

    A cotangent of ones would hide this.
    """

    def normalise(x):
        difference = x - x.mean(0)
        variance = (difference**2).mean(0)
        inv_std = constant(1 / (variance + 1e-5).sqrt())

        def vjp(g):
            n = difference * inv_std
            d = g - g.mean(0) - n * (g * n).mean(0)
            return d * inv_std

        y = difference * inv_std
        return record(y.array, (x, vjp))

    x = normal(8, 5, 3)
    assert mg.gradcheck(normalise, x, order=1)
    with pytest.raises(GradcheckError, match="order 2"):
        mg.gradcheck(normalise, x, order=2)


SINGLE = X.astype(np.float32)


@pytest.mark.parametrize("x", [SINGLE, Tensor(SINGLE), np.arange(3)])
def test_gradcheck_refuses_inputs_that_are_not_float64(x):
    with pytest.raises(TypeError, match=f"float64 inputs, input 0 is {x.dtype}"):
        mg.gradcheck(lambda x: x * x, x)


def test_gradcheck_touches_neither_inputs_nor_gradients():
    x = Tensor(X.copy(), requires_grad=True)
    mg.gradcheck(lambda x: x**3, x)
    assert x.grad is None
    assert (x.numpy() == X).all()
