"""gradcheck: is a gradient right? Finite differences in random directions answer, to any order.

For y = f(x), a random direction u in the inputs' space and a random cotangent v in the outputs',
both sides of

    <v, (f(x + eps u) - f(x - eps u)) / (2 eps)>  =  <vjp(v), u>

are one number, up to rounding. v is random too, because a cotangent of ones would hide errors: the
outputs of a normalisation layer always have the same sum. The second order is the same question
about the function (x, v) -> vjp(v). Each gradient is computed twice, with create_graph and without,
because an operation may have different code for the two.
"""

from typing import NamedTuple

import numpy as np

from . import devices
from .creation import tensor
from .engine import Tensor, grad


class GradcheckError(AssertionError):
    """A gradient and its finite difference disagree."""


class _Settings(NamedTuple):
    eps: float  # half the step of a central difference
    atol: float
    rtol: float
    directions: int  # random pairs (u, v) per input
    rng: np.random.Generator


def gradcheck(f, inputs, *, order=2, eps=1e-6, atol=1e-6, rtol=1e-4, directions=3, seed=0):
    """True if the gradients of f agree with central differences, otherwise GradcheckError.

    f: a deterministic function of Tensors that returns a Tensor or a tuple of them. inputs: float64
    Tensors or arrays (or one of them), away from kinks. order: 1, or 2 for gradients of gradients,
    ... directions: how many random pairs (u, v) per input. A difference passes if it is at most
    atol + rtol * (size of the terms), so both sides may be tiny.

    Raises TypeError for inputs that are not float64, because a difference of float32 numbers has
    too few correct digits, and ValueError, like any backward pass, for a gradient whose shape or
    dtype is not its input's.
    """
    inputs = _as_inputs(inputs)
    if order < 1 or directions < 1:
        raise ValueError(
            f"gradcheck: order is {order} and directions {directions}, expected at least 1 of each"
        )
    settings = _Settings(eps, atol, rtol, directions, np.random.default_rng(seed))
    points = [tensor(x, requires_grad=True) for x in inputs]

    def function(*xs):
        ys = f(*xs)
        return tuple(ys) if isinstance(ys, (tuple, list)) else (ys,)

    for n in range(1, order + 1):  # the next order asks the same about the gradients of this one
        function, points = _check(function, points, f"order {n}", settings)
    return True


def _as_inputs(inputs):
    """One input or several as a list, all of them float64."""
    is_one = isinstance(inputs, Tensor) or hasattr(inputs, "dtype")
    inputs = [inputs] if is_one else list(inputs)
    for i, x in enumerate(inputs):
        if np.dtype(getattr(x, "dtype", None)) != np.float64:
            found = getattr(x, "dtype", type(x).__name__)
            raise TypeError(f"gradcheck needs float64 inputs, input {i} is {found}")
    return inputs


def _check(f, inputs, name, settings):
    """Check the gradients of f once.

    -> the function (*inputs, *vs) -> vjp(vs), and the point at which the next order asks.
    """
    ys = f(*inputs)
    if not any(y.requires_grad for y in ys):
        raise GradcheckError(f"{name}: no output requires grad although every input does")

    def vjp(*xs_and_vs, create_graph=True):
        xs = xs_and_vs[: len(inputs)]
        vs = xs_and_vs[len(inputs) :]
        pairs = [(y, v) for y, v in zip(f(*xs), vs) if y.requires_grad]
        ds = grad(
            [y for y, _ in pairs],
            xs,
            [v for _, v in pairs],
            create_graph=create_graph,
        )
        return tuple(x * 0 if d is None else d for x, d in zip(xs, ds))

    for _ in range(settings.directions):
        vs = [_normal(y, settings) for y in ys]
        # A fused kernel may compute only the second of these.
        recorded = vjp(*inputs, *vs)
        plain = vjp(*inputs, *vs, create_graph=False)
        for i in range(len(inputs)):
            gradients = {True: recorded[i], False: plain[i]}
            _compare(f, inputs, i, vs, gradients, name, settings)
    return vjp, inputs + [_normal(y, settings) for y in ys]


def _normal(t, settings):
    """A Tensor of t's shape with standard normal entries."""
    values = settings.rng.standard_normal(t.shape)
    return Tensor(devices.xp.asarray(values), requires_grad=True)


def _compare(f, inputs, i, vs, gradients, name, settings):
    """Compare both gradients of input i with the difference in one random direction.

    gradients: {create_graph: the gradient}.
    """
    u = _normal(inputs[i], settings).array
    length = float((u * u).sum()) ** 0.5
    u /= max(1.0, length)
    numeric, size = _difference(f, inputs, i, u, vs, settings.eps)
    # A difference of numbers of this size cannot show less than this.
    rounding = 4 * np.finfo(np.float64).eps * size / settings.eps
    for create_graph, d in gradients.items():
        analytic = float((d.array * u).sum())
        larger = max(abs(numeric), abs(analytic))
        allowed = settings.atol + settings.rtol * larger + rounding
        if not abs(numeric - analytic) <= allowed:  # also if one of them is NaN
            raise GradcheckError(
                f"{name}: along a random direction of input {i}, {inputs[i].shape}, the gradient "
                f"with {create_graph=} says {analytic:.9g}, finite differences say {numeric:.9g}"
            )


def _difference(f, inputs, i, u, vs, eps):
    """<v, df/du> by a central difference along input i, and the size of the terms."""
    sides = []
    for step in (eps, -eps):
        point = list(inputs)
        point[i] = Tensor(inputs[i].array + step * u, requires_grad=True)
        products = []
        for y, v in zip(f(*point), vs):
            product = y.array * v.array
            products.append(float(product.sum()))
        sides.append(np.array(products))
    plus, minus = sides
    slope = float((plus - minus).sum() / (2 * eps))
    return slope, float(np.abs(plus).sum())
