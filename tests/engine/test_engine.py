"""The rules of the engine: what flows back, where it is put, what is refused, and what costs
nothing.
"""

import functools
import threading

import numpy as np
import pytest

import minigan as mg
from minigan import devices, nn, optim
from minigan.engine import record


def leaf(*shape, seed=0):
    values = np.asarray(np.random.default_rng(seed).uniform(0.5, 2.0, shape))
    return mg.tensor(values, requires_grad=True)


# ---- grad and backward ---------------------------------------------------------------------------


def test_grad_returns_gradients_and_touches_no_grad():
    x = leaf(3)
    w = leaf(3, seed=1)
    gx, gw = mg.grad((x * x * w).sum(), [x, w])
    np.testing.assert_allclose(gx.numpy(), 2 * x.numpy() * w.numpy())
    np.testing.assert_allclose(gw.numpy(), x.numpy() ** 2)
    assert x.grad is None
    assert w.grad is None


def test_a_gradient_penalty_leaves_the_parameters_clean():
    critic = nn.Linear(4, 1).double()
    x = leaf(5, 4)
    (g,) = mg.grad(critic(x).sum(), x, create_graph=True)
    assert all(p.grad is None for p in critic.parameters())
    assert x.grad is None
    ((g * g).sum() - 1).backward()
    np.testing.assert_allclose(
        critic.weight.grad.numpy(), 10 * critic.weight.numpy()
    )  # five rows, d(w w)/dw = 2 w


def test_backward_accumulates_into_new_memory():
    x = leaf(3)
    (x * x).sum().backward()
    first = x.grad
    values = x.grad.numpy().copy()
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * values)
    np.testing.assert_array_equal(first.numpy(), values)  # what somebody kept did not move


def test_backward_reaches_leaves_only():
    x = leaf(3)
    h = x * 2
    (h * h).sum().backward()
    assert x.grad is not None
    assert h.grad is None


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    "combine",
    [
        lambda x, w: x + w,
        lambda x, w: x.reshape(6).reshape(2, 3) + w,
        lambda x, w: mg.cat([x, w])[:2] + mg.cat([x, w])[2:],
        lambda x, w: x.transpose(0, 1).transpose(0, 1) + w.reshape(3, 2).reshape(2, 3),
        lambda x, w: x[:, :] + w[...],
        lambda x, w: (x + w) * 2,
    ],
    ids=["sum", "reshape", "cat", "transpose", "index", "later"],
)
def test_gradients_never_share_memory_with_each_other_or_with_the_seed(combine, create_graph):
    x = leaf(2, 3)
    w = leaf(2, 3, seed=1)
    g = mg.randn(2, 3, dtype=np.float64)
    expected = mg.grad(combine(x, w), [x, w], g)
    combine(x, w).backward(g, create_graph=create_graph)
    arrays = x.grad.array, w.grad.array, g.array
    for i, a in enumerate(arrays):
        assert not any(devices.xp.shares_memory(a, b) for b in arrays[:i])
    for p, d in zip((x, w), expected):
        np.testing.assert_array_equal(p.grad.numpy(), d.numpy())


def test_a_seed_that_is_a_plain_array_is_not_shared_either():
    x = leaf(2, 3)
    g = devices.xp.ones((2, 3))
    (x + 0).backward(g)
    assert not devices.xp.shares_memory(x.grad.array, g)


@pytest.mark.parametrize("scale", [1, 2])
def test_broadcast_views_never_become_gradients(scale):
    x = leaf(4, 3)
    (x.sum() if scale == 1 else x.sum() * scale).backward()
    assert 0 not in x.grad.array.strides
    x.grad.array[0, 0] = 7
    assert x.grad.numpy().sum() == 7 + 11 * scale


def test_the_gradient_of_an_independent_input_is_none():
    x = leaf(2)
    other = leaf(2)
    assert mg.grad((x * x).sum(), [x, other])[1] is None
    assert mg.grad(x.sum(), [other]) == (None,)
    assert mg.grad((x * other.detach()).sum(), other) == (None,)


def test_outputs_add_up_each_with_its_own_seed():
    x = leaf(3)
    a = x * x
    b = x * 3
    (g,) = mg.grad([a, b.sum()], x, [mg.tensor(np.array([1.0, 2.0, 0.0])), None])
    np.testing.assert_allclose(g.numpy(), 2 * x.numpy() * [1, 2, 0] + 3)


def test_the_same_tensor_may_be_listed_twice():
    x = leaf(3)
    y = (x * x).sum()
    first, second = mg.grad([y, y], [x, x])
    np.testing.assert_allclose(first.numpy(), 4 * x.numpy())
    np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_inputs_need_not_be_leaves():
    x = leaf(3)
    h = x * 2
    gx, gh = mg.grad((h * h).sum(), [x, h])  # h lies between x and the output
    np.testing.assert_allclose(gh.numpy(), 2 * h.numpy())
    np.testing.assert_allclose(gx.numpy(), 8 * x.numpy())


def test_an_output_may_be_its_own_input():
    x = leaf()
    h = x * 3
    gx, gh = mg.grad(h, [x, h])
    assert gx.item() == 3
    assert gh.item() == 1


def test_derivatives_to_the_fifth_order():
    x = leaf()
    y = x**4
    expected = [4 * x.item() ** 3, 12 * x.item() ** 2, 24 * x.item(), 24, 0]
    for value in expected:
        (y,) = mg.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(value)


def test_without_create_graph_the_result_is_plain_numbers():
    x = leaf(3)
    assert not mg.grad((x**3).sum(), x)[0].requires_grad
    assert mg.grad((x**3).sum(), x, create_graph=True)[0].requires_grad


def test_mixed_second_derivatives_agree():
    x = leaf(3)
    w = leaf(3, seed=1)
    y = (x**2 * w**3).sum()
    gx, gw = mg.grad(y, [x, w], create_graph=True)
    np.testing.assert_allclose(mg.grad(gx.sum(), w)[0].numpy(), mg.grad(gw.sum(), x)[0].numpy())


# ---- what records --------------------------------------------------------------------------------


def test_no_grad_as_a_context_and_as_a_decorator():
    x = leaf(3)

    @mg.no_grad()
    def double(t):
        return t * 2

    with mg.no_grad():
        assert not (x * 2).requires_grad
    for _ in range(2):
        assert not double(x).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_exception():
    x = leaf(3)
    with pytest.raises(KeyError):
        with mg.no_grad():
            raise KeyError
    assert (x * 2).requires_grad


def test_no_grad_without_parentheses_is_refused():
    with pytest.raises(TypeError, match="positional argument"):
        mg.no_grad(lambda x: x)


def test_no_grad_holds_in_its_own_thread_only():
    x = leaf(3)
    seen = []
    with mg.no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * 2).requires_grad))
        thread.start()
        thread.join()
        assert not (x * 2).requires_grad
    assert seen == [True]


def test_requires_grad_spreads_and_detach_stops_it():
    x = leaf(3)
    data = mg.ones(3, dtype=np.float64)
    assert (x + data).requires_grad
    assert not (data + data).requires_grad
    assert not x.detach().requires_grad
    assert devices.xp.shares_memory(x.detach().array, x.array)


def test_the_output_of_an_operation_cannot_be_frozen():
    with pytest.raises(RuntimeError, match=r"output of mul .* detach\(\)"):
        (leaf(3) * 2).requires_grad = False


# ---- depth and width -----------------------------------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_chain_of_ten_thousand_operations(create_graph):
    x = leaf()
    y = x
    for _ in range(10_000):
        y = y + 1
    (g,) = mg.grad(y * y, x, create_graph=create_graph)
    assert g.item() == pytest.approx(2 * (x.item() + 10_000))
    if create_graph:
        assert mg.grad(g, x)[0].item() == 2


def test_a_billion_paths_are_walked_as_thirty_nodes():
    x = leaf()
    y = x
    for _ in range(30):
        y = y + y
    assert mg.grad(y, x)[0].item() == 2**30


# ---- changes in place ----------------------------------------------------------------------------


def double_by(change):
    """h = 2 x, then h h is recorded, then h changes."""
    x = leaf(4)
    h = x * 2
    y = (h * h).sum()
    with mg.no_grad():
        change(h)
    return y, x


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.copy_(np.zeros(4)),
        lambda h: h.clamp_(0, 1),
        lambda h: h.detach().copy_(0.0),
        lambda h: h.reshape(2, 2).copy_(0.0),
        lambda h: h[1:3].clamp_(0, 1),
        lambda h: h[None].transpose(0, 1).copy_(1.0),
        lambda h: h.detach().detach()[::-1].copy_(2.0),
    ],
    ids=["copy_", "clamp_", "detach", "reshape", "slice", "transpose", "detached slice"],
)
def test_a_change_between_forward_and_backward_is_refused(change):
    y, _ = double_by(change)
    with pytest.raises(
        RuntimeError,
        match=r"gradient of mul needs a tensor of shape \(4,\) that was changed in place",
    ):
        y.backward()


def test_an_optimiser_step_between_forward_and_backward_is_refused():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimiser = optim.Adam(net.parameters())
    first = net(mg.randn(2, 3)).sum()
    second = net(mg.randn(2, 3)).sum()
    first.backward()
    optimiser.step()
    with pytest.raises(RuntimeError, match=r"gradient of linear needs a tensor of shape \(1, 4\)"):
        second.backward()


def test_a_changed_output_is_refused_where_the_vjp_reads_it():
    x = leaf(4)
    y = x.exp()
    with mg.no_grad():
        y.copy_(0.0)
    with pytest.raises(RuntimeError, match="gradient of exp"):
        y.sum().backward()


def test_a_changed_output_is_refused_by_the_second_derivative_too():
    x = leaf(4)
    v = leaf(4, seed=1)
    y = x.exp()
    (g,) = mg.grad(y, x, v, create_graph=True)  # v y, on the memory of y
    with mg.no_grad():
        y.copy_(0.0)
    with pytest.raises(RuntimeError, match="gradient of mul"):
        mg.grad(g.sum(), v)


def test_what_no_vjp_reads_may_change():
    x = leaf(4)
    h = x * 2
    y = (h + x).sum()
    with mg.no_grad():
        h.copy_(0.0)
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(4, 3.0))


def test_after_the_backward_pass_everything_may_change():
    x = leaf(4)
    (x * x).sum().backward()
    with mg.no_grad():
        x.clamp_(0, 1)
    x.grad = None
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * x.numpy())


def test_writing_into_data_bypasses_the_check():
    def overwrite(h):
        h.array[:] = 3

    y, x = double_by(overwrite)
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(4, 2 * 2 * 3.0))


def test_a_leaf_that_requires_grad_changes_in_no_grad_only():
    x = leaf(4)
    with pytest.raises(RuntimeError, match=r"inside no_grad\(\)"):
        x.copy_(0.0)
    with pytest.raises(RuntimeError, match=r"inside no_grad\(\)"):
        x.clamp_(0, 1)
    with mg.no_grad():
        assert x.copy_(0.0) is x


# ---- operations of one's own ---------------------------------------------------------------------


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
    with pytest.raises(
        TypeError, match="got a partial as a VJP, expected a plain function: def or lambda"
    ):
        record(np.ones(3), (leaf(3), functools.partial(mg.ops.mul, 2)))
    with pytest.raises(TypeError, match="got a method as a VJP"):
        record(np.ones(3), (leaf(3), leaf(3).reshape))


def test_a_gradient_of_another_shape_does_not_arrive():
    x = leaf(3, 2)
    y = record(x.array * 2, (x, lambda g: (g * 2).sum(0)))
    with pytest.raises(ValueError, match=r"gradient \(2,\) float64 for a tensor \(3, 2\) float64"):
        y.sum().backward()
    with pytest.raises(ValueError, match=r"gradient \(2,\) float64"):
        mg.grad(y.sum(), x)
    assert x.grad is None


def test_a_vjp_with_two_arguments_gets_the_output():
    def reciprocal(x):
        return record(1 / x.array, (x, lambda g, y: -g * y * y))

    assert mg.gradcheck(reciprocal, leaf(3), order=3)


def test_a_default_argument_is_no_second_argument():
    def scale(x):
        return record(x.array * 5, (x, lambda g, factor=5: g * factor))

    assert mg.grad(scale(leaf(3)).sum(), x := leaf(3)) == (None,)
    assert mg.gradcheck(scale, x)


def test_one_vjp_may_serve_several_inputs_and_may_skip_some():
    def product(x, w, bias=None):
        return record(x.array * w.array, ((x, w, bias), lambda g: (g * w, g * x, None)))

    x = leaf(3)
    w = leaf(3, seed=1)
    assert mg.gradcheck(product, [x, w])
    assert mg.grad(product(x, w, leaf(3)).sum(), [w, x])[0].numpy().tolist() == x.numpy().tolist()


def counted(x, w, calls):
    """x w, noting which VJP ran."""

    def to_x(g):
        calls.append("x")
        return g * w

    def to_w(g):
        calls.append("w")
        return g * x

    return record(x.array * w.array, (x, to_x), (w, to_w))


@pytest.mark.parametrize("frozen, expected", [("x", ["w"]), ("w", ["x"]), ("", ["x", "w"])])
def test_frozen_inputs_cost_nothing(frozen, expected):
    x = leaf(3)
    w = leaf(3)
    calls = []
    x.requires_grad, w.requires_grad = frozen != "x", frozen != "w"
    counted(x, w, calls).sum().backward()
    assert calls == expected


def test_grad_computes_only_what_is_asked():
    x = leaf(3)
    w = leaf(3)
    calls = []
    side = counted(x, w, calls)
    y = counted(side, w, calls).sum() + counted(w, w, calls).sum()
    mg.grad(y, side)
    assert calls == ["x"]  # neither w, nor anything below side, nor the branch of w alone


def test_a_frozen_discriminator_passes_gradients_on_and_keeps_none():
    generator = nn.Linear(2, 3)
    discriminator = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    fake = generator(mg.randn(5, 2))
    discriminator.requires_grad_(False)
    discriminator(fake).sum().backward()
    discriminator.requires_grad_(True)
    assert all(p.grad is None for p in discriminator.parameters())
    assert all(
        p.grad is not None and np.abs(p.grad.numpy()).max() > 0 for p in generator.parameters()
    )
    discriminator(fake.detach()).sum().backward()
    assert all(p.grad is not None for p in discriminator.parameters())


def test_a_leaf_frozen_after_the_forward_pass_gets_no_gradient():
    x = leaf(3)
    w = leaf(3)
    y = (x * w).sum()
    w.requires_grad = False
    y.backward()
    assert w.grad is None
    assert x.grad is not None
