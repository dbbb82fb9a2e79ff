"""Every gradient against finite differences, to second order and higher: operations, layers,
whole networks.

And the checker itself: a test of gradients is worth as much as the wrong gradients that it refuses.
"""

import inspect
import re
import sys

import numpy as np
import pytest
from every_layer import LAYERS, call_with, layer
from hypothesis import given, settings
from hypothesis import strategies as st
from operations import MINIGAN, OPERATIONS
from strategies import cases, fixed_case

import minigan as mg
from minigan import devices, nn, ops
from minigan import functional as F
from minigan.engine import Tensor, record, recording
from minigan.finite_differences import GradcheckError
from minigan.methods import TensorMethods
from minigan.models import dcgan


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
@settings(max_examples=8)
@given(case=cases(), seed=st.integers(0, 2**32 - 1))
def test_gradient(operation, case, seed):
    arrays, options = operation.inputs(case)
    f = operation.function(MINIGAN, options)
    assert mg.gradcheck(f, arrays, order=operation.order, directions=1, seed=seed)


@pytest.mark.parametrize("name", LAYERS)
def test_layer_gradient_with_respect_to_input_and_parameters(name):
    module, x = layer(name)
    parameters = [p.numpy() + 0.1 for p in module.parameters()]
    if x.dtype.kind == "i":
        assert mg.gradcheck(lambda *ps: call_with(module, ps, x) ** 2, parameters)
    else:
        assert mg.gradcheck(lambda x, *ps: call_with(module, ps, x) ** 2, [x, *parameters])


def test_every_public_operation_is_in_the_table():
    """Runs the table, and asks the interpreter which of minigan's functions it called."""
    called = set()

    def note(frame, event, argument):
        caller = frame.f_back.f_globals.get("__name__")
        if event == "call" and caller in ("operations", "minigan.methods"):
            called.add(frame.f_code)

    for operation in OPERATIONS:
        arrays, options = operation.inputs(fixed_case(0))
        inputs = [Tensor(a) for a in arrays]
        before = sys.getprofile()
        sys.setprofile(note)
        try:
            operation.apply(MINIGAN, *inputs, **options)
        finally:
            sys.setprofile(before)
    functions = {name: getattr(F, name) for name in F.__all__}
    names = set(re.findall(r"ops\.(\w+)\(", inspect.getsource(TensorMethods)))
    names.remove("to_float32")  # leaves float64, where nothing can be checked: see test_adjoint.py
    methods = {name: getattr(ops, name) for name in names}
    assert [name for name, f in {**functions, **methods}.items() if f.__code__ not in called] == []
    layers = {
        name
        for name, c in vars(nn).items()
        if isinstance(c, type) and issubclass(c, nn.Module) and not name.startswith("_")
    }
    checked_otherwise = {"Module", "Maxout", "Dropout"}  # the last two are in the networks below
    assert layers - checked_otherwise <= {type(layer(name)[0]).__name__ for name in LAYERS}


# ---- whole networks ------------------------------------------------------------------------------


def network_gradcheck(loss, modules, inputs, **how):
    """gradcheck of loss(*inputs) with respect to the inputs and all parameters of the modules,
    all float64.
    """
    counts = [len(m.parameters()) for m in modules]
    parameters = [p.numpy() for m in modules for p in m.parameters()]

    def f(*tensors):
        rest = list(tensors[len(inputs) :])
        calls = []
        for module, count in zip(modules, counts):
            mine = rest[:count]
            rest = rest[count:]
            calls.append(lambda x, module=module, mine=mine: call_with(module, mine, x))
        return loss(*calls, *tensors[: len(inputs)])

    return mg.gradcheck(f, [*inputs, *parameters], directions=1, **how)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def randomised(module, seed=0):
    """Float64 weights of unit size: at DCGAN's 0.02 every activation would be near its kink."""
    rng = np.random.default_rng(seed)
    for p in module.double().parameters():
        p.array[...] = devices.xp.asarray(0.5 * rng.standard_normal(p.shape))
    return module


def test_mlp_gan_with_maxout_and_dropout():
    g = randomised(nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.Sigmoid()))
    d = randomised(nn.Sequential(nn.Maxout(3, 3, 2), nn.Dropout(0.4), nn.Linear(3, 1)))

    def losses(g, d, z, real):
        mg.manual_seed(3)  # the same masks at every call
        fake = d(g(z))
        return dcgan.discriminator_loss(d(real), fake), dcgan.generator_loss(fake)

    assert network_gradcheck(losses, [g, d], [normal(1, 4, 2), normal(2, 4, 3)])


@pytest.mark.parametrize("minimax", [False, True])
def test_dcgan_of_16_pixels(minimax):
    g = randomised(dcgan.Generator(latent_dim=2, image_size=16, channels=1, width=1), seed=1)
    d = randomised(dcgan.Discriminator(image_size=16, channels=1, width=1), seed=2)

    def losses(g, d, z, real):
        fake = d(g(z))
        return dcgan.discriminator_loss(d(real), fake), dcgan.generator_loss(fake, minimax=minimax)

    assert network_gradcheck(losses, [g, d], [normal(3, 3, 2), normal(4, 3, 1, 16, 16)])


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.2)])
def test_batch_norm_fused_with_its_activation(activation):
    net = randomised(
        nn.Sequential(
            nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2), activation, nn.ConvTranspose2d(2, 1, 2)
        )
    )
    assert network_gradcheck(lambda net, x: net(x) ** 2, [net], [normal(5, 2, 2, 5, 4)], order=3)


def test_gradient_penalty_of_a_layer_norm_critic():
    """WGAN-GP's loss contains a gradient, so its own gradient with respect to the weights is a
    second derivative.
    """
    critic = randomised(
        nn.Sequential(
            nn.Conv2d(1, 2, 3, stride=2, padding=1),
            nn.LayerNorm((2, 2, 3)),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(12, 1),
        )
    )

    def penalty(critic, x):
        (d,) = mg.grad(critic(x).sum(), x, create_graph=True)
        norm = (d.flatten(1) ** 2).sum(1).sqrt()
        return 10 * ((norm - 1) ** 2).mean()

    assert network_gradcheck(penalty, [critic], [normal(6, 3, 1, 4, 5)])


# ---- gradcheck itself ----------------------------------------------------------------------------

X = np.linspace(0.5, 1.5, 12).reshape(4, 3)


def cube_with(vjp):
    """x^3 with this for a VJP: vjp(g, x)."""
    return lambda x: record(x.array**3, (x, lambda g: vjp(g, x)))


def constant(t):
    return Tensor(t.array)


def test_gradcheck_accepts_the_right_gradient():
    assert mg.gradcheck(cube_with(lambda g, x: 3 * g * x * x), X, order=3) is True
    assert mg.gradcheck(lambda x, y: (x * y, x @ y.transpose(0, 1)), [X, Tensor(X)]) is True


WRONG = {
    "negated": lambda g, x: -3 * g * x * x,
    "zero": lambda g, x: 0 * g * x,
    "slightly too large": lambda g, x: 3.003 * g * x * x,
    "slightly too large in one entry": lambda g, x: (
        3 * g * x * x * Tensor(1 + 0.01 * (X == X[2, 1]))
    ),
    "of another power": lambda g, x: 3 * g * x,
    "NaN": lambda g, x: g * x * np.nan,
    "missing": lambda g, x: None,
}


@pytest.mark.parametrize("name", WRONG)
def test_gradcheck_refuses_a_gradient_that_is(name):
    with pytest.raises(GradcheckError, match="order 1"):
        mg.gradcheck(cube_with(WRONG[name]), X, order=1)


@pytest.mark.parametrize(
    "vjp, words",
    [
        (lambda g, x: (3 * g * x * x).sum(1), r"\(4,\) float64"),
        (lambda g, x: (3 * g * x * x).float(), r"\(4, 3\) float32"),
    ],
)
def test_a_gradient_of_the_wrong_shape_or_dtype_does_not_even_arrive(vjp, words):
    with pytest.raises(ValueError, match=rf"a gradient {words} for a tensor \(4, 3\) float64"):
        mg.gradcheck(cube_with(vjp), X, order=1)


def test_gradcheck_refuses_a_function_that_loses_the_graph():
    with pytest.raises(GradcheckError, match="no output requires grad"):
        mg.gradcheck(lambda x: Tensor(x.array**2), X)


def test_gradcheck_refuses_a_gradient_that_is_wrong_only_where_no_graph_is_built():
    def vjp(g, x):
        return (3 if recording.get() else 3.1) * g * x * x

    with pytest.raises(GradcheckError, match="create_graph=False"):
        mg.gradcheck(cube_with(vjp), X, order=1)


@pytest.mark.parametrize(
    "vjp", [lambda g, x: 3 * g * constant(x * x), lambda g, x: 3 * constant(g) * x * x]
)
def test_gradcheck_refuses_a_gradient_that_is_wrong_only_in_the_second_order(vjp):
    f = cube_with(vjp)
    assert mg.gradcheck(f, X, order=1)
    with pytest.raises(GradcheckError, match="order 2"):
        mg.gradcheck(f, X, order=2)


def test_gradcheck_refuses_one_that_is_wrong_only_in_the_third_order():
    def vjp(
        g, x
    ):  # 3 g x^2, whose derivative 6 g x has the right value but takes its x for a constant
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
    """The VJP's value is right, all three terms, but reads a saved array: a cotangent of ones
    would hide it.
    """

    def normalise(x):
        inv_std = constant(1 / (((x - x.mean(0)) ** 2).mean(0) + 1e-5).sqrt())

        def vjp(g):
            n = (x - x.mean(0)) * inv_std
            return (g - g.mean(0) - n * (g * n).mean(0)) * inv_std

        return record(((x - x.mean(0)) * inv_std).array, (x, vjp))

    x = normal(8, 5, 3)
    assert mg.gradcheck(normalise, x, order=1)
    with pytest.raises(GradcheckError, match="order 2"):
        mg.gradcheck(normalise, x, order=2)


@pytest.mark.parametrize("x", [X.astype(np.float32), Tensor(X.astype(np.float32)), np.arange(3)])
def test_gradcheck_refuses_inputs_that_are_not_float64(x):
    with pytest.raises(TypeError, match=f"float64 inputs, input 0 is {x.dtype}"):
        mg.gradcheck(lambda x: x * x, x)


def test_gradcheck_touches_neither_inputs_nor_gradients():
    x = Tensor(X.copy(), requires_grad=True)
    mg.gradcheck(lambda x: x**3, x)
    assert x.grad is None
    assert (x.numpy() == X).all()
