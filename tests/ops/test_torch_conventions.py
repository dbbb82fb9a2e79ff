"""Where definitions leave a choice, minigan makes PyTorch's: at kinks, for dtypes, for pixels."""

import itertools
import operator

import numpy as np
import pytest
from operations import MINIGAN
from torch_twin import TORCH, all_close, close, our_leaves, their_leaves, torch

import minigan as mg
from minigan import functional as F
from minigan.engine import Tensor

# a function of the library L and of x, and the values of x
KINKS = {
    "relu at 0": (
        lambda L, x: L.relu(x),
        [0.0, -1.0, 1.0],
    ),
    "leaky_relu at 0": (
        lambda L, x: L.leaky_relu(x, 0.2),
        [0.0, -1.0],
    ),
    "leaky_relu at -0": (
        lambda L, x: L.leaky_relu(x, 0.2),
        [-0.0, 1.0],
    ),
    "abs at 0": (
        lambda L, x: x.abs(),
        [0.0, -2.0],
    ),
    "clamp at its limits": (
        lambda L, x: x.clamp(-1, 2),
        [-1.0, 2.0, 3.0],
    ),
    "clamp from below": (
        lambda L, x: x.clamp(min=0),
        [0.0, -1.0],
    ),
    "clamp from above": (
        lambda L, x: x.clamp(max=0),
        [0.0, 1.0],
    ),
    "amax of equals": (
        lambda L, x: x.amax(0),
        [3.0, 1.0, 3.0, 3.0],
    ),
    "amax of all": (
        lambda L, x: x.reshape(2, 2).amax(),
        [3.0, 3.0, 1.0, 0.0],
    ),
    "maxout of equals": (
        lambda L, x: L.maxout(x.reshape(1, 4), 2),
        [1.0, 1.0, 0.0, 2.0],
    ),
    "l1_loss of equals": (
        lambda L, x: L.l1_loss(x, x.detach()),
        [1.0, 2.0],
    ),
    "x ** 0 at 0": (
        lambda L, x: x**0,
        [0.0, 2.0],
    ),
    "x ** 1 at 0": (
        lambda L, x: x**1,
        [0.0, 2.0],
    ),
    "x ** 2 at 0": (
        lambda L, x: x**2,
        [0.0, -2.0],
    ),
    "softplus far out": (
        lambda L, x: L.softplus(x),
        [-800.0, 800.0],
    ),
    "sigmoid far out": (
        lambda L, x: x.sigmoid(),
        [-800.0, 800.0],
    ),
}


@pytest.mark.parametrize("name", KINKS)
def test_the_subgradient_at_a_kink_is_pytorch_s(name):
    f, values = KINKS[name]
    ours = our_leaves([values])
    theirs = their_leaves([values])
    y = f(MINIGAN, *ours)
    expected = f(TORCH, *theirs)
    close(y, expected)
    g = np.random.default_rng(3).standard_normal(y.shape)
    found = mg.grad(y, ours, Tensor(g))
    all_close(found, torch.autograd.grad(expected, theirs, torch.tensor(g)))


def evaluated(expression, tensor):
    """The expression's value by the library that has this function ``tensor``, as an array."""
    small = np.int64 if "sum" in expression else np.int8
    names = {
        "b": tensor(np.array([True, False])),
        "u": tensor(np.array([1, 200], np.uint8)),
        "i": tensor(np.array([1, 2], small)),
    }
    return eval(expression, {}, names).numpy()


@pytest.mark.parametrize(
    "expression",
    [
        "b * 5",
        "b / 2",
        "b * 5.0",
        "b + True",
        "u.sigmoid()",
        "u / 2",
        "u + 1",
        "i.exp()",
        "i.log()",
        "i.sqrt()",
        "i.tanh()",
        "i ** 0.5",
        "i ** 2",
        "i / i",
        "1 - i",
        "i * u.double()",
        "i.sum(dim=())",
    ],
)
def test_integers_and_truth_values_are_promoted_as_in_pytorch(expression):
    ours = evaluated(expression, mg.tensor)
    theirs = evaluated(expression, torch.tensor)
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize(
    "base, power", [([0.0, 1.0], [0.0, 0.0]), ([0.0, 3.0], [-1.0, 2.0]), ([0.0, 0.0], [0.5, 1.0])]
)
def test_powers_of_zero_have_pytorch_s_gradients(base, power):
    gradients = []
    for tensor in (mg.tensor, torch.tensor):
        x = tensor(base, requires_grad=True)
        p = tensor(power, requires_grad=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            (x**p).sum().backward()
        gradients.append([x.grad.numpy(), p.grad.numpy()])
    ours, theirs = gradients
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def compare_resized(x, mode, **how):
    ours = F.interpolate(mg.tensor(x), mode=mode, **how)
    theirs = torch.nn.functional.interpolate(torch.tensor(x), mode=mode, **how)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_resizing_takes_the_same_pixels_for_any_size_and_factor(mode):
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(300):
        x = rng.standard_normal((1, 1, *rng.integers(1, 30, 2)))
        size = tuple(int(n) for n in rng.integers(1, 40, 2))
        compare_resized(x, mode, size=size)
        compared += 1
        factors = tuple(round(float(f), 2) for f in rng.uniform(0.6, 3.5, 2))
        if min(int(n * f) for n, f in zip(x.shape[2:], factors)) > 0:
            compare_resized(x, mode, scale_factor=factors)
            compared += 1
    assert compared > 500


@pytest.mark.parametrize("dim", [0, -1, None])
@pytest.mark.parametrize("name", ["sum", "mean", "amax"])
def test_a_scalar_may_be_reduced(name, dim):
    gradients = []
    for tensor in (mg.tensor, torch.tensor):
        x = tensor(3.0, requires_grad=True)
        reduce = getattr(x, name)
        y = reduce() if dim is None else reduce(dim)
        assert tuple(y.shape) == ()
        assert y.item() == 3
        y.backward()
        gradients.append(x.grad.item())
    assert gradients[0] == gradients[1]


DTYPES = "float32", "float64", "int64", "int32", "uint8", "int8", "bool"


@pytest.mark.parametrize("operate", [operator.add, operator.mul, operator.truediv])
@pytest.mark.parametrize("a, b", list(itertools.product(DTYPES, repeat=2)))
def test_two_dtypes_are_promoted_as_in_pytorch(operate, a, b):
    for shapes in itertools.product([(2,), ()], repeat=2):
        x = np.ones(shapes[0], a)
        y = np.ones(shapes[1], b)
        ours = operate(mg.tensor(x), mg.tensor(y))
        theirs = operate(torch.tensor(x), torch.tensor(y))
        assert f"torch.{ours.dtype}" == str(theirs.dtype), shapes


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_have_the_dtype_of_pytorch_s(dtype):
    x = np.ones(300, dtype)
    ours = mg.tensor(x).sum()
    theirs = torch.tensor(x).sum()
    assert f"torch.{ours.dtype}" == str(theirs.dtype)
    assert ours.item() == theirs.item() == 300
