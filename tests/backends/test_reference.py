"""The fast NumPy kernels against the plain loops of reference.py.

Odd shapes, any memory layout, both precisions: reference_cases.py has the arguments of each kernel.
"""

import inspect

import numpy as np
import pytest
from cpu_kernels import axes_of
from hypothesis import given, settings
from reference_cases import (
    KERNELS,
    compare_with_reference,
    mapped,
    public,
    results,
    statistics,
)
from strategies import cases, dtypes, fixed_case, in_layout, layouts

import minigan as mg
from minigan import devices
from minigan.backends import cpu, reference
from minigan.models import dcgan


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=60)
@given(case=cases(), dtype=dtypes, layout=layouts)
def test_kernel_agrees_with_the_plain_loops(name, case, dtype, layout):
    compare_with_reference(name, case, dtype, layout)


# ---- what changes its arguments ------------------------------------------------------------------


def assert_near(ours, plain, units):
    dtype = np.asarray(ours).dtype
    close = units * np.finfo(dtype).eps
    np.testing.assert_allclose(ours, plain, rtol=close, atol=close)


def copies(arrays):
    return [a.copy() for a in arrays]


def identities(state):
    return [id(a) for arrays in state for a in arrays]


@settings(max_examples=25)
@given(case=cases(), dtype=dtypes, layout=layouts)
def test_adam_agrees_with_the_plain_loops_in_place(case, dtype, layout):
    parameters = []
    gradients = []
    means = []
    squares = []
    for _ in range(case.choose(1, 3)):
        shape = case.shape(0, 3)
        for arrays in (parameters, gradients, means):
            values = case.normal(*shape).astype(dtype)
            a = in_layout(values, layout)
            arrays.append(a.copy(order="K"))
        positive = case.positive(*shape)
        squares.append(positive.astype(dtype))
    state = [parameters, gradients, means, squares]
    betas = case.of((0.9, 0.999), (0.5, 0.9), (0.0, 0.9))
    weight_decay = case.of(0.0, 0.1)
    step = case.choose(1, 5)
    options = step, 0.01, betas, 1e-8, weight_decay
    ours = [copies(arrays) for arrays in state]
    plain = [copies(arrays) for arrays in state]
    before = identities(ours)
    cpu.adam(*ours, *options)
    reference.adam(*plain, *options)
    assert identities(ours) == before
    for actual, expected in zip(ours, plain):
        for a, b in zip(actual, expected):
            assert a.dtype == dtype
            assert_near(a, b, units=20)
    for a, given_a in zip(ours[1], gradients):
        np.testing.assert_array_equal(a, given_a, "adam wrote to the gradients")


@settings(max_examples=25)
@given(case=cases(), dtype=dtypes, layout=layouts)
def test_running_statistics_agree_with_the_plain_loops_in_place(case, dtype, layout):
    n = case.choose(2, 5)
    c = case.choose(1, 4)
    pixels = case.shape(0, 2)
    x = case.normal(n, c, *pixels).astype(dtype)
    mean = case.normal(c).astype(dtype)
    var = case.positive(c).astype(dtype)
    mean = in_layout(mean, layout)
    var = in_layout(var, layout)
    momentum = case.of(0.1, 0.0, 1.0, 0.3)
    ours = copies([mean, var])
    plain = copies([mean, var])
    cpu.batch_norm_statistics(x, None, None, *ours, momentum, 1e-5)
    reference.batch_norm_statistics(x, None, None, *plain, momentum, 1e-5)
    assert_near(ours, plain, units=50)


# ---- the reference itself ------------------------------------------------------------------------


def signatures(module):
    functions = public(module)
    return {name: inspect.signature(f) for name, f in functions.items()}


def test_reference_has_the_names_and_signatures_of_the_kernels():
    ours = signatures(cpu)
    plain = signatures(reference)
    assert ours == plain
    assert set(KERNELS) | {"adam"} == set(ours)


ROUND_ONCE = sorted(set(KERNELS) - {"batch_norm_statistics"})


@pytest.mark.parametrize("name", ROUND_ONCE)
def test_reference_rounds_once_to_the_dtype_it_was_given(name):
    arguments = KERNELS[name].draw(fixed_case(3))
    single = mapped(np.float32, arguments)
    double = mapped(np.float64, single)
    rounded = results(reference, name, single)
    exact = results(reference, name, double)
    for y, expected in zip(rounded, exact):
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, expected.astype(np.float32))


def test_reference_keeps_what_rounding_leaves_of_a_mean():
    """In float32 the mean is two numbers, and the shift makes up for the second one.

    In float64 the second one is 0.
    """
    x, _, _, *rest = statistics(fixed_case(3))
    x = x.astype(np.float32)
    wide = x.astype(np.float64)
    c = x.shape[1]
    ones = np.ones(c, np.float32)
    exact = wide.mean(axes_of(x))
    mean, inv_std, scale, shift = reference.batch_norm_statistics(x, ones, ones, *rest)
    first, second = mean.astype(np.float64)
    np.testing.assert_array_equal(mean[0], exact.astype(np.float32))
    np.testing.assert_allclose(first + second, exact, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(shift - 1.0, -second * scale, atol=1e-7)
    np.testing.assert_array_equal(scale, inv_std)

    mean, _, _, shift = reference.batch_norm_statistics(wide, None, None, *rest)
    assert not mean[1].any()
    assert not shift.any()


# ---- a whole network -----------------------------------------------------------------------------


def adam_for(network):
    return mg.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))


def dcgan_step():
    """One training step of a tiny DCGAN in float64; returns both losses and all weights."""
    mg.manual_seed(2)
    size = dict(image_size=16, channels=1, width=2)
    G = dcgan.Generator(latent_dim=3, **size).double()
    D = dcgan.Discriminator(**size).double()
    d_optimizer = adam_for(D)
    g_optimizer = adam_for(G)
    z = mg.randn(4, 3, dtype=np.float64)
    real = mg.rand(4, 1, 16, 16, dtype=np.float64)
    fake = G(z)
    real_logits = D(real)
    fake_logits = D(fake.detach())
    d_loss = dcgan.discriminator_loss(real_logits, fake_logits)
    d_loss.backward()
    d_optimizer.step()
    g_loss = dcgan.generator_loss(D(fake))
    g_loss.backward()
    g_optimizer.step()
    weights = [*G.state_dict().values(), *D.state_dict().values()]
    return [t.numpy() for t in (d_loss, g_loss, *weights)]


def test_a_dcgan_step_runs_on_the_reference_and_gives_the_same_numbers(monkeypatch):
    fast = dcgan_step()
    with mg.device("cpu"), monkeypatch.context() as patch:  # whose arrays the loops know
        patch.setattr(devices, "kernels", reference)
        plain = dcgan_step()
    for a, b in zip(fast, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
