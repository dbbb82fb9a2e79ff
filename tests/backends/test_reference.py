"""The fast NumPy kernels against the plain loops of reference.py: odd shapes, any memory layout,
both precisions.

The loops run in float64 on the very numbers that the kernel is given, so what is left is the
kernel's own rounding: for a sum of n products of unit size at most a few eps sqrt(n).
"""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import (
    cases,
    convolution,
    dcgan_convolution,
    dtypes,
    fixed_case,
    in_layout,
    layouts,
    transposed_convolution,
)

import minigan as mg
from minigan import devices
from minigan.backends import cpu, reference
from minigan.models import dcgan


def any_convolution(case):
    return case.of(convolution, convolution, dcgan_convolution)(case)


def transposed(case):
    if case.choose(0, 2):
        return transposed_convolution(case)
    w, stride, padding = dcgan_convolution(case)[1:]
    return case.normal(2, len(w), 2 * case.choose(1, 3), 4), w, stride, padding, (0, 0)


def weight_grad(case):
    x, w, stride, padding = any_convolution(case)
    size = [
        (n + 2 * p - r) // s + 1 for n, p, r, s in zip(x.shape[2:], padding, w.shape[2:], stride)
    ]
    return x, case.normal(len(x), len(w), *size), w.shape[2:], stride, padding


def image(case):
    return case.normal(case.choose(1, 4), case.choose(1, 4), *case.shape(0, 2))


def biased(case):
    x = image(case)
    return x, case.normal(x.shape[1])


def statistics(case):
    x = image(case)
    weight, bias = (case.of(None, case.normal(x.shape[1])) for _ in range(2))
    return (
        x,
        weight,
        bias,
        None,
        None,
        0.1,
        case.of(1.0, 0.3),
    )  # eps: so large that a small variance may lose digits


def normalised(case):
    x = image(case)
    centre, scale, shift = (case.normal(x.shape[1]) for _ in range(3))
    return x, centre, scale, shift, case.of(None, 0.0, 0.2, 1.5)


def normalised_grad(case):
    x = image(case)
    c = x.shape[1]
    slope = case.of(None, 0.0, 0.2, 1.5)
    y = case.away(x.shape, 0)
    mean = case.normal(2, c)  # two parts, whose sum it is
    return case.normal(*x.shape), x, y, mean, case.positive(c), case.of(None, case.normal(c)), slope


def activation(case):
    return case.normal(*case.shape(0, 4)), case.of(0.2, 0.0, 1.0, 1.5)


def activation_grad(case):
    y, slope = activation(case)
    y[y < -1] = 0  # exactly at the kink
    return case.normal(*y.shape), y, slope


def logits(case):
    x = 4 * case.normal(*case.shape(0, 4))
    return (
        x,
        case.of(0.0, 1.0, 0.9, np.asarray(case.rng.uniform(0, 1, x.shape))),
        case.of("mean", "sum", "none"),
    )


def logits_grad(case):
    x, target, reduction = logits(case)
    return x, target, case.normal(*x.shape if reduction == "none" else ()), reduction


def product(case):
    """Two matrices that fit each other, or stacks of them, whose leading axes broadcast."""
    n, k, m = case.shape(3, 3)
    left, right = case.of(((), ()), ((), ()), ((2,), (2,)), ((3, 2), (1, 2)))
    return case.normal(*left, n, k), case.normal(*right, k, m)


def layer(case):
    n, i, o = case.shape(3, 3)
    return case.normal(n, i), case.normal(o, i), case.of(None, case.normal(o))


def convolved(terms):
    """As many terms; of 4x4 layers sixteen times: Winograd's transforms add up to four numbers
    before and after the products, and may lose two bits.
    """
    return lambda a, b, *rest: terms(a, b) * (16 if (4, 4) in (b.shape[2:], rest[0]) else 1)


# name -> (draw the arguments, how many terms the sums have)
KERNELS = {
    "conv2d": (any_convolution, convolved(lambda x, w: w[0].size)),
    "conv_transpose2d": (transposed, convolved(lambda x, w: w[:, 0].size)),
    "conv2d_weight_grad": (weight_grad, convolved(lambda x, g: g[:, 0].size)),
    "channel_sum": (lambda case: (image(case),), lambda x: x[:, 0].size),
    "add_bias": (biased, lambda *_: 1),
    "batch_norm_statistics": (statistics, lambda x, *_: x[:, 0].size),
    "batch_norm_forward": (normalised, lambda *_: 1),
    "batch_norm_grad": (normalised_grad, lambda g, *_: 4 * g[:, 0].size),
    "leaky_relu": (activation, lambda *_: 1),
    "leaky_relu_grad": (activation_grad, lambda *_: 1),
    "bce_with_logits": (logits, lambda x, *_: 4 * x.size),
    "bce_with_logits_grad": (logits_grad, lambda *_: 1),
    "matmul": (product, lambda x, _: x.shape[-1]),
    "linear": (layer, lambda x, *_: x.shape[-1] + 1),
}


def mapped(f, arguments):
    """The arguments with f applied to the arrays among them."""
    return [np.asarray(f(a)) if isinstance(a, (np.ndarray, np.generic)) else a for a in arguments]


def results(kernels, name, arguments):
    y = getattr(kernels, name)(*arguments)
    return y if isinstance(y, tuple) else (y,)


def comparable(name, arrays):
    """What implementations must agree on: they may cut a mean in two where they like, and the
    shift makes up for it.
    """
    if name != "batch_norm_statistics":
        return arrays
    mean, inv_std, scale, shift = arrays
    return mean[0] + mean[1], inv_std, scale, shift - mean[0] * scale


def compare_with_reference(name, case, dtype=np.float64, layout="contiguous"):
    """Run one kernel on one case; AssertionError where it differs from the loops or writes to its
    input.
    """
    draw, terms = KERNELS[name]
    arguments = mapped(lambda a: in_layout(np.asarray(a, dtype), layout), draw(case))
    exact = mapped(np.float64, arguments)
    tolerance = 16 * np.finfo(dtype).eps * max(8, terms(*exact)) ** 0.5
    actual = results(cpu, name, arguments)
    kept = [np.array(y) for y in actual]
    results(cpu, name, mapped(np.negative, arguments))
    for y, before in zip(actual, kept):
        np.testing.assert_array_equal(y, before, "a result lies in memory that the next call uses")
    exact_results = comparable(name, results(reference, name, exact))
    for y, expected in zip(comparable(name, actual), exact_results, strict=True):
        assert y.dtype == dtype
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)
    for a, before in zip(arguments, exact):
        np.testing.assert_array_equal(a, before, "the kernel wrote to its input")


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=60)
@given(case=cases(), dtype=dtypes, layout=layouts)
def test_kernel_agrees_with_the_plain_loops(name, case, dtype, layout):
    compare_with_reference(name, case, dtype, layout)


@settings(max_examples=25)
@given(case=cases(), dtype=dtypes, layout=layouts)
def test_adam_agrees_with_the_plain_loops_in_place(case, dtype, layout):
    shapes = [case.shape(0, 3) for _ in range(case.choose(1, 3))]
    state = [
        [in_layout(case.normal(*s).astype(dtype), layout).copy(order="K") for s in shapes]
        for _ in range(3)
    ]
    params, grads, means = state
    squares = [case.positive(*s).astype(dtype) for s in shapes]
    betas = case.of((0.9, 0.999), (0.5, 0.9), (0.0, 0.9))
    decay = case.of(0.0, 0.1)
    arguments = (case.choose(1, 5), 0.01, betas, 1e-8, decay)
    ours, plain = (
        [[a.copy() for a in arrays] for arrays in (params, grads, means, squares)] for _ in range(2)
    )
    identities = [[id(a) for a in arrays] for arrays in ours]
    cpu.adam(*ours, *arguments)
    reference.adam(*plain, *arguments)
    assert identities == [[id(a) for a in arrays] for arrays in ours]
    for a, b, before in zip(
        sum(ours, []), sum(plain, []), sum([params, grads, means, squares], [])
    ):
        np.testing.assert_allclose(
            a, b, rtol=20 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps
        )
        assert a.dtype == before.dtype
    for a, before in zip(ours[1], grads):
        np.testing.assert_array_equal(a, before, "adam wrote to the gradients")


@settings(max_examples=25)
@given(case=cases(), dtype=dtypes, layout=layouts)
def test_running_statistics_agree_with_the_plain_loops_in_place(case, dtype, layout):
    x = case.normal(case.choose(2, 5), case.choose(1, 4), *case.shape(0, 2)).astype(dtype)
    running = [
        in_layout(a.astype(dtype), layout)
        for a in (case.normal(x.shape[1]), case.positive(x.shape[1]))
    ]
    ours, plain = ([a.copy() for a in running] for _ in range(2))
    momentum = case.of(0.1, 0.0, 1.0, 0.3)
    for kernels, arrays in ((cpu, ours), (reference, plain)):
        kernels.batch_norm_statistics(x, None, None, *arrays, momentum, 1e-5)
    np.testing.assert_allclose(
        ours, plain, rtol=50 * np.finfo(dtype).eps, atol=50 * np.finfo(dtype).eps
    )


def public(module):
    return {
        name: f
        for name, f in vars(module).items()
        if inspect.isfunction(f)
        and not name.startswith("_")
        and f.__module__.startswith(module.__name__)
    }


def test_reference_has_the_names_and_signatures_of_the_kernels():
    assert {n: inspect.signature(f) for n, f in public(cpu).items()} == {
        n: inspect.signature(f) for n, f in public(reference).items()
    }
    assert set(KERNELS) | {"adam"} == set(public(cpu))


@pytest.mark.parametrize("name", sorted(set(KERNELS) - {"batch_norm_statistics"}))
def test_reference_rounds_once_to_the_dtype_it_was_given(name):
    arguments = KERNELS[name][0](fixed_case(3))
    single = mapped(np.float32, arguments)
    exact = mapped(np.float64, single)
    for rounded, y in zip(results(reference, name, single), results(reference, name, exact)):
        assert rounded.dtype == np.float32
        np.testing.assert_array_equal(rounded, y.astype(np.float32))


def test_reference_keeps_what_rounding_leaves_of_a_mean():
    """In float32 the mean is two numbers and the shift makes up for the second one, in float64
    the rest is nothing.
    """
    x, weight, bias, *rest = statistics(fixed_case(3))
    x, weight, bias = (np.float32(a) for a in (x, np.ones(x.shape[1]), np.ones(x.shape[1])))
    mean, inv_std, scale, shift = reference.batch_norm_statistics(x, weight, bias, *rest)
    exact = x.astype(np.float64).mean((0, *range(2, x.ndim)))
    np.testing.assert_array_equal(mean[0], exact.astype(np.float32))
    np.testing.assert_allclose(mean[0].astype(np.float64) + mean[1], exact, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(shift - 1.0, -mean[1].astype(np.float64) * scale, atol=1e-7)
    np.testing.assert_array_equal(scale, inv_std)
    wide = reference.batch_norm_statistics(x.astype(np.float64), None, None, *rest)
    assert not wide[0][1].any()
    assert not wide[3].any()


def dcgan_step():
    """One training step of a tiny DCGAN in float64; returns both losses and all weights."""
    mg.manual_seed(2)
    g = dcgan.Generator(latent_dim=3, image_size=16, channels=1, width=2).double()
    d = dcgan.Discriminator(image_size=16, channels=1, width=2).double()
    optimizers = [mg.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (d, g)]
    z = mg.randn(4, 3, dtype=np.float64)
    real = mg.rand(4, 1, 16, 16, dtype=np.float64)
    fake = g(z)
    d_loss = dcgan.discriminator_loss(d(real), d(fake.detach()))
    d_loss.backward()
    optimizers[0].step()
    g_loss = dcgan.generator_loss(d(fake))
    g_loss.backward()
    optimizers[1].step()
    return [d_loss.numpy(), g_loss.numpy()] + [
        t.numpy() for net in (g, d) for t in net.state_dict().values()
    ]


def test_a_dcgan_step_runs_on_the_reference_and_gives_the_same_numbers(monkeypatch):
    fast = dcgan_step()
    with mg.device("cpu"), monkeypatch.context() as patch:  # whose arrays the loops know
        patch.setattr(devices, "kernels", reference)
        plain = dcgan_step()
    for a, b in zip(fast, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
