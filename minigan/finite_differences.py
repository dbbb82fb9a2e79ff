"""gradcheck: is a gradient right? Asked of finite differences, in random directions, to any order.

For y = f(x), a random direction u in the inputs' space and a random cotangent v in the outputs',
both sides of

    <v, (f(x + eps u) - f(x - eps u)) / (2 eps)>  =  <vjp(v), u>

are one number. A cotangent of ones would hide errors (a normalisation layer's output always sums
to the same), so v is random too. The second order is the same question asked of the function (x,
v) -> vjp(v). Each gradient is computed twice, with create_graph and without, because an operation
may serve the two by different code.
"""

import numpy as np

from . import devices
from .creation import tensor
from .engine import Tensor, grad


class GradcheckError(AssertionError):
    """A gradient and its finite difference disagree."""


def gradcheck(f, inputs, *, order=2, eps=1e-6, atol=1e-6, rtol=1e-4, directions=3, seed=0):
    """True if the gradients of f at the inputs agree with central differences to the given order,
    else GradcheckError.

    f: a deterministic function of Tensors that returns a Tensor or a tuple of them. inputs:
    float64 Tensors or arrays (or one of them), away from kinks. order: 1, 2 for gradients of
    gradients, ... directions: how many random pairs (u, v) per input. A difference passes if at
    most atol + rtol * (size of the terms), so both sides may be tiny. Raises TypeError for inputs
    that are not float64: float32 has no digits left for a difference; as any backward pass,
    ValueError for a gradient of another shape or dtype than its input's.
    """
    inputs = [inputs] if isinstance(inputs, Tensor) or hasattr(inputs, "dtype") else list(inputs)
    for i, x in enumerate(inputs):
        if np.dtype(getattr(x, "dtype", None)) != np.float64:
            raise TypeError(
                f"gradcheck needs float64 inputs, input {i} is {getattr(x, 'dtype', type(x).__name__)}"
            )
    if order < 1 or directions < 1:
        raise ValueError(
            f"gradcheck: order is {order} and directions {directions}, expected at least 1 of each"
        )
    rng, xs = np.random.default_rng(seed), [tensor(x, requires_grad=True) for x in inputs]

    def outputs(*xs):
        ys = f(*xs)
        return tuple(ys) if isinstance(ys, (tuple, list)) else (ys,)

    for n in range(1, order + 1):  # the next order asks the same of the gradients of this one
        outputs, xs = _check(outputs, xs, f"order {n}", eps, atol, rtol, directions, rng)
    return True


def _check(f, inputs, name, eps, atol, rtol, directions, rng):
    """Check the gradients of f once -> the function (*inputs, *vs) -> vjp(vs), and a point to ask
    it at.
    """
    ys = f(*inputs)
    if not any(y.requires_grad for y in ys):
        raise GradcheckError(f"{name}: no output requires grad although every input does")

    def normal(t):
        return Tensor(devices.xp.asarray(rng.standard_normal(t.shape)), requires_grad=True)

    def vjp(*xs_and_vs, create_graph=True):
        xs, vs = xs_and_vs[: len(inputs)], xs_and_vs[len(inputs) :]
        pairs = [(y, v) for y, v in zip(f(*xs), vs) if y.requires_grad]
        ds = grad([y for y, _ in pairs], xs, [v for _, v in pairs], create_graph=create_graph)
        return tuple(x * 0 if d is None else d for x, d in zip(xs, ds))

    for _ in range(directions):
        vs = [normal(y) for y in ys]
        both = zip(
            vjp(*inputs, *vs), vjp(*inputs, *vs, create_graph=False)
        )  # a fused kernel may serve only one
        for i, (x, ds) in enumerate(zip(inputs, both)):
            u = normal(x).array
            u /= max(1.0, float((u * u).sum()) ** 0.5)
            numeric, size = _difference(f, inputs, i, u, vs, eps)
            rounding = (
                4 * np.finfo(np.float64).eps * size / eps
            )  # what a difference of such numbers cannot see
            for create_graph, d in zip((True, False), ds):
                analytic = float((d.array * u).sum())
                if (
                    not abs(numeric - analytic)
                    <= atol + rtol * max(abs(numeric), abs(analytic)) + rounding
                ):
                    raise GradcheckError(
                        f"{name}: along a random direction of input {i}, {x.shape}, the gradient with "
                        f"{create_graph=} says {analytic:.9g}, finite differences say {numeric:.9g}"
                    )
    return vjp, inputs + [normal(y) for y in ys]


def _difference(f, inputs, i, u, vs, eps):
    """<v, df/du> by a central difference along input i, and the size of what was subtracted (its
    rounding error).
    """
    sides = []
    for step in (eps, -eps):
        ys = f(
            *inputs[:i], Tensor(inputs[i].array + step * u, requires_grad=True), *inputs[i + 1 :]
        )
        sides.append(np.array([float((y.array * v.array).sum()) for y, v in zip(ys, vs)]))
    plus, minus = sides
    return float((plus - minus).sum() / (2 * eps)), float(np.abs(plus).sum())
