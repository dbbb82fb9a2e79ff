"""Every operation and layer against PyTorch: value, gradient, gradient of the gradient,
conventions and weights.

PyTorch is the independent oracle: names, argument order, layouts and definitions are meant to be
its own to the letter.
"""

import itertools
import operator

import numpy as np
import pytest
from every_layer import LAYERS, layer
from hypothesis import given, settings
from operations import MINIGAN, OPERATIONS
from strategies import cases

import minigan as mg
from minigan import devices
from minigan import functional as F
from minigan.engine import Tensor

torch = pytest.importorskip(
    "torch", reason="PyTorch, the independent oracle, is not installed (extra: oracle)"
)
torch.set_num_threads(1)


class Torch:
    """The twin of operations.MINIGAN: PyTorch's functions, and what it has under another name or
    not at all.
    """

    def __getattr__(self, name):
        for module in (torch.nn.functional, torch):
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(name)

    def constant(self, array):
        return torch.from_numpy(np.asarray(array))

    tensor = constant

    def batch_norm(self, *arguments, negative_slope=None, **options):
        y = torch.nn.functional.batch_norm(*arguments, **options)
        return y if negative_slope is None else torch.nn.functional.leaky_relu(y, negative_slope)

    def centred(self, x, dim=None):
        return x - x.mean(list(range(x.ndim)) if dim is None else dim, keepdim=True)

    def channel_affine(self, x, *vectors, negative_slope):
        centre, scale, shift = (v.reshape(-1, *[1] * (x.ndim - 2)) for v in vectors)
        return torch.nn.functional.leaky_relu((x - centre) * scale + shift, negative_slope)

    def leaky_relu_grad(self, g, y, negative_slope):
        return torch.where(y > 0, g, negative_slope * g)

    def conv2d_weight_grad(self, x, g, kernel_size, **options):
        w = torch.zeros(g.shape[1], x.shape[1], *kernel_size, dtype=x.dtype, requires_grad=True)
        return torch.autograd.grad(
            torch.nn.functional.conv2d(x, w, **options), w, g, create_graph=True
        )[0]

    def add_bias(self, x, bias):
        return x + bias.reshape(-1, *[1] * (x.ndim - 2))

    def channel_sum(self, x):
        return x.sum([d for d in range(x.ndim) if d != 1])

    def dropout(
        self, x, p, seed
    ):  # the mask that rng.py promises: NumPy's PCG64, float32 draws in C order
        keep = np.random.Generator(np.random.PCG64(seed)).random(tuple(x.shape), np.float32) >= p
        return x * torch.from_numpy(np.asarray(keep)) / (1 - p)

    def maxout(self, x, pieces):
        return x.reshape(len(x), -1, pieces, *x.shape[2:]).amax(2)

    def bce_of_number(self, x, target, **options):
        return self.binary_cross_entropy_with_logits(x, torch.full_like(x, target), **options)


TORCH = Torch()


def leaves(arrays, dtype=np.float64):
    """The same numbers as minigan's and as PyTorch's tensors that require grad."""
    return (
        [Tensor(np.array(a, dtype), requires_grad=True) for a in arrays],
        [torch.from_numpy(np.array(a, dtype)).requires_grad_() for a in arrays],
    )


def close(ours, theirs, tolerance=1e-11):
    """Equal shapes and dtypes, and values within tolerance of the largest number."""
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else np.asarray(theirs)
    ours = ours.numpy() if isinstance(ours, Tensor) else np.asarray(ours)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    scale = max(1.0, np.abs(theirs).max(initial=0))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)


def gradients(y, inputs):
    """The gradient of <y, v> and the gradient of <that, u> with respect to the inputs and v, for
    random u and v.

    y and inputs are float64, and all ours or all PyTorch's. A missing gradient is zero.
    """
    rng = np.random.default_rng(1)
    new = Tensor if isinstance(y, Tensor) else torch.from_numpy
    grad, options = (
        (mg.grad, {}) if new is Tensor else (torch.autograd.grad, {"allow_unused": True})
    )

    def draw(t):
        return new(np.asarray(rng.standard_normal(tuple(t.shape))))

    v = draw(y).requires_grad_()
    first = grad(y, inputs, v, create_graph=True)
    inner = sum((d * draw(d)).sum() for d in first)
    inputs = [*inputs, v]
    second = grad(inner, inputs, **options) if inner.requires_grad else [None] * len(inputs)
    return [*first, *(np.zeros(tuple(x.shape)) if d is None else d for x, d in zip(inputs, second))]


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
@settings(max_examples=20)
@given(case=cases())
def test_operation(operation, case):
    arrays, options = operation.inputs(case)
    ours, theirs = leaves(arrays)
    y = operation.function(MINIGAN, options)(*ours)
    expected = operation.function(TORCH, options)(*theirs)
    close(y, expected)
    for a, b in zip(gradients(y, ours), gradients(expected, theirs), strict=True):
        close(a, b, 1e-9)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
@settings(max_examples=10)
@given(case=cases())
def test_operation_in_float32(operation, case):
    """Against PyTorch in float64 on the same numbers, within some roundings times the root of the
    sum's length.
    """
    arrays, options = operation.inputs(case)
    arrays = [np.float32(a) for a in arrays]
    single = {
        k: np.float32(v) if getattr(v, "dtype", None) == np.float64 else v
        for k, v in options.items()
    }
    exact = {k: np.float64(single[k]) if single[k] is not v else v for k, v in options.items()}
    ours = leaves(arrays, np.float32)[0]
    theirs = leaves(arrays)[1]
    y = operation.apply(MINIGAN, *ours, **single)
    expected = operation.apply(TORCH, *theirs, **exact)
    g = np.asarray(np.random.default_rng(0).standard_normal(y.shape), np.float32)
    ds = mg.grad(y, ours, Tensor(g.astype(y.dtype)))
    ds_expected = torch.autograd.grad(expected, theirs, torch.from_numpy(g.astype(np.float64)))
    tolerance = 64 * np.finfo(np.float32).eps * max(a.size for a in arrays) ** 0.5
    assert all(d.dtype == np.float32 for d in ds)
    for a, b in zip((y, *ds), (expected, *ds_expected), strict=True):
        close(Tensor(a.numpy().astype(np.float64)), b, tolerance)


# ---- layers, and weights moved by state_dict both ways -------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    """PyTorch's weights in our layer: value, gradients, running statistics after three batches,
    and evaluation.
    """
    theirs, x = layer(name, torch.nn)
    ours, _ = layer(name)
    ours.load_state_dict(theirs.state_dict())
    differentiable = x.dtype.kind == "f"
    for batch in range(3):
        a = Tensor(x * (batch + 1) if differentiable else x, requires_grad=differentiable)
        b = torch.from_numpy(a.numpy().copy()).requires_grad_(differentiable)
        y = ours(a)
        expected = theirs(b)
        close(y, expected)
        inputs = ours.parameters() + [a] * differentiable
        their_inputs = [*theirs.parameters()] + [b] * differentiable
        for d, e in zip(gradients(y, inputs), gradients(expected, their_inputs), strict=True):
            close(d, e, 1e-9)
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        close(state[key], value)
    close(ours.eval()(Tensor(x)), theirs.eval()(torch.from_numpy(x)))


@pytest.mark.parametrize("name", [n for n in LAYERS if layer(n)[0].state_dict()])
def test_weights_move_to_torch(name):
    ours, x = layer(name)
    for t in ours.parameters():
        t.array += devices.xp.asarray(np.random.default_rng(5).standard_normal(t.shape))
    theirs, _ = layer(name, torch.nn)
    theirs.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in ours.state_dict().items()})
    close(ours(Tensor(x)), theirs(torch.from_numpy(x)))


@pytest.mark.parametrize("momentum", [0.1, 0.7, 0.0, 1.0])
def test_batch_norm_moves_its_running_statistics_as_torch_does(momentum):
    """Biased variance normalises, unbiased variance is remembered, and momentum is the weight of
    the new.
    """
    x = np.random.default_rng(2).standard_normal((5, 3, 2, 2))
    state = [(np.full(3, 0.5), np.full(3, 2.0)) for _ in range(2)]
    mean, var = map(Tensor, state[0])
    F.batch_norm(Tensor(x), mean, var, training=True, momentum=momentum)
    their_mean, their_var = map(torch.from_numpy, state[1])
    torch.nn.functional.batch_norm(
        torch.from_numpy(x), their_mean, their_var, training=True, momentum=momentum
    )
    close(mean, their_mean), close(var, their_var)


# ---- conventions at the kink ---------------------------------------------------------------------

KINKS = {
    "relu at 0": (lambda L, x: L.relu(x), [0.0, -1.0, 1.0]),
    "leaky_relu at 0": (lambda L, x: L.leaky_relu(x, 0.2), [0.0, -1.0]),
    "leaky_relu at -0": (lambda L, x: L.leaky_relu(x, 0.2), [-0.0, 1.0]),
    "abs at 0": (lambda L, x: x.abs(), [0.0, -2.0]),
    "clamp at its limits": (lambda L, x: x.clamp(-1, 2), [-1.0, 2.0, 3.0]),
    "clamp from below": (lambda L, x: x.clamp(min=0), [0.0, -1.0]),
    "clamp from above": (lambda L, x: x.clamp(max=0), [0.0, 1.0]),
    "amax of equals": (lambda L, x: x.amax(0), [3.0, 1.0, 3.0, 3.0]),
    "amax of all": (lambda L, x: x.reshape(2, 2).amax(), [3.0, 3.0, 1.0, 0.0]),
    "maxout of equals": (lambda L, x: L.maxout(x.reshape(1, 4), 2), [1.0, 1.0, 0.0, 2.0]),
    "l1_loss of equals": (lambda L, x: L.l1_loss(x, x.detach()), [1.0, 2.0]),
    "x ** 0 at 0": (lambda L, x: x**0, [0.0, 2.0]),
    "x ** 1 at 0": (lambda L, x: x**1, [0.0, 2.0]),
    "x ** 2 at 0": (lambda L, x: x**2, [0.0, -2.0]),
    "softplus far out": (lambda L, x: L.softplus(x), [-800.0, 800.0]),
    "sigmoid far out": (lambda L, x: x.sigmoid(), [-800.0, 800.0]),
}


@pytest.mark.parametrize("name", KINKS)
def test_convention_at_the_kink(name):
    f, values = KINKS[name]
    (x,), (t,) = leaves([np.array(values)])
    y = f(MINIGAN, x)
    expected = f(TORCH, t)
    close(y, expected)
    g = np.random.default_rng(3).standard_normal(y.shape)
    close(mg.grad(y, x, Tensor(g))[0], torch.autograd.grad(expected, t, torch.tensor(g))[0])


def torch_says(expression, **arrays):
    """The expression's value by minigan and by PyTorch."""
    ours = {name: mg.tensor(a) for name, a in arrays.items()}
    theirs = {name: torch.tensor(a) for name, a in arrays.items()}
    return eval(expression, {}, ours).numpy(), eval(expression, {}, theirs).numpy()


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
def test_integers_and_truth_values_become_what_they_do_there(expression):
    ours, theirs = torch_says(
        expression,
        b=np.array([True, False]),
        u=np.array([1, 200], np.uint8),
        i=np.array([1, 2], np.int8) if "sum" not in expression else np.array([1, 2]),
    )
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize(
    "base, power", [([0.0, 1.0], [0.0, 0.0]), ([0.0, 3.0], [-1.0, 2.0]), ([0.0, 0.0], [0.5, 1.0])]
)
def test_powers_of_zero_have_the_gradients_they_have_there(base, power):
    gradients = []
    for tensor in (mg.tensor, torch.tensor):
        x = tensor(base, requires_grad=True)
        p = tensor(power, requires_grad=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            (x**p).sum().backward()
        gradients.append([x.grad.numpy(), p.grad.numpy()])
    np.testing.assert_allclose(*gradients, rtol=1e-6)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_resizing_takes_the_same_pixels_for_any_size_and_factor(mode):
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(300):
        x = rng.standard_normal((1, 1, *rng.integers(1, 30, 2)))
        sizes = (
            {"size": tuple(map(int, rng.integers(1, 40, 2)))},
            {"scale_factor": tuple(round(float(f), 2) for f in rng.uniform(0.6, 3.5, 2))},
        )
        for how in sizes:
            if (
                min(
                    how.get("size")
                    or [int(n * f) for n, f in zip(x.shape[2:], how["scale_factor"])]
                )
                > 0
            ):
                theirs = torch.nn.functional.interpolate(torch.tensor(x), mode=mode, **how).numpy()
                np.testing.assert_allclose(
                    F.interpolate(mg.tensor(x), mode=mode, **how).numpy(), theirs, atol=1e-5
                )
                compared += 1
    assert compared > 500


@pytest.mark.parametrize("dim", [0, -1, None])
@pytest.mark.parametrize("name", ["sum", "mean", "amax"])
def test_a_scalar_may_be_reduced(name, dim):
    gradients = []
    for tensor in (mg.tensor, torch.tensor):
        x = tensor(3.0, requires_grad=True)
        y = getattr(x, name)() if dim is None else getattr(x, name)(dim)
        assert tuple(y.shape) == ()
        assert y.item() == 3
        y.backward()
        gradients.append(x.grad.item())
    assert gradients[0] == gradients[1]


DTYPES = "float32", "float64", "int64", "int32", "uint8", "int8", "bool"


@pytest.mark.parametrize("operate", [operator.add, operator.mul, operator.truediv])
@pytest.mark.parametrize("a, b", list(itertools.product(DTYPES, repeat=2)))
def test_two_dtypes_meet_where_they_meet_there(operate, a, b):
    for shapes in itertools.product([(2,), ()], repeat=2):
        x, y = (np.ones(shape, dtype) for shape, dtype in zip(shapes, (a, b)))
        ours = operate(mg.tensor(x), mg.tensor(y))
        theirs = operate(torch.tensor(x), torch.tensor(y))
        assert f"torch.{ours.dtype}" == str(theirs.dtype), shapes


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_have_the_dtype_that_they_have_there(dtype):
    x = np.ones(300, dtype)
    ours = mg.tensor(x).sum()
    theirs = torch.tensor(x).sum()
    assert f"torch.{ours.dtype}" == str(theirs.dtype)
    assert ours.item() == theirs.item() == 300
