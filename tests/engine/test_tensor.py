"""What a tensor is made of, what it looks like, and how it meets Python, NumPy and DLPack."""

import copy
import inspect
import json
import operator

import numpy as np
import pytest

import minigan as mg
from minigan import devices, ops, rng
from minigan.methods import TensorMethods

F32 = np.float32
F64 = np.float64
I64 = np.int64
BOOL = np.bool_


def array(*shape, dtype=F32, seed=0):
    return (np.random.default_rng(seed).uniform(1, 3, shape)).astype(dtype)


# ---- dtypes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source, dtype",
    [
        (3, F32),
        (2.5, F32),
        (True, F32),
        ([1, 2], F32),
        ([[1.0], [2.0]], F32),
        ((), F32),
        ([np.float64(1)], F32),
        (np.float64(3), F64),
        (np.arange(3), I64),
        (np.ones(3), F64),
        (np.ones(3, F32), F32),
        (np.ones(3, bool), BOOL),
        (np.ones(3, np.uint8), np.uint8),
        (np.ones(3, ">f8"), F64),
    ],
)
def test_arrays_keep_their_dtype_and_numbers_become_float32(source, dtype):
    t = mg.tensor(source)
    assert t.dtype == dtype
    assert t.shape == np.shape(source)
    np.testing.assert_array_equal(t.numpy(), np.asarray(source))


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("scalar", [2, 2.5, True, np.float64(2.5), np.float32(2.5), np.int64(2)])
@pytest.mark.parametrize(
    "operation", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
)
def test_scalars_never_change_a_dtype(operation, scalar, dtype):
    x = array(3, dtype=dtype)
    for got, expected in (
        (operation(mg.tensor(x), scalar), operation(x.astype(F64), float(scalar))),
        (operation(scalar, mg.tensor(x)), operation(float(scalar), x.astype(F64))),
    ):
        assert isinstance(got, mg.Tensor)
        assert got.dtype == dtype
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("low", [0, 0.5, np.float64(0.5), np.float32(0.5), None, True])
def test_bounds_never_change_a_dtype_but_integers_are_clamped_to_fractions_as_floats(low):
    for dtype in (F32, F64):
        x = mg.tensor(array(3, dtype=dtype), requires_grad=True)
        y = x.clamp(low, np.float64(2))
        y.sum().backward()
        assert y.dtype == x.grad.dtype == dtype
    fractional = isinstance(low, (float, np.floating))
    got = mg.tensor(np.arange(4)).clamp(low, 2)
    assert got.dtype == (F32 if fractional else I64)
    assert got.numpy().tolist() == [low or 0, 1, 2, 2]


@pytest.mark.parametrize(
    "a, b, expected",
    [
        (F32, F64, F64),
        (F64, F32, F64),
        (I64, F32, F32),
        (F32, I64, F32),
        (I64, F64, F64),
        (I64, I64, I64),
        (np.int32, I64, I64),
        (np.uint8, I64, I64),
        (BOOL, F32, F32),
        (BOOL, I64, I64),
        (np.uint8, BOOL, np.uint8),
    ],
)
def test_two_tensors_meet_in_the_wider_dtype_and_floats_win(a, b, expected):
    x = np.array([3, 1, 0]).astype(a)
    y = np.array([2, 1, 5]).astype(b)
    got = mg.tensor(x) + mg.tensor(y)
    assert got.dtype == expected
    np.testing.assert_array_equal(got.numpy(), x.astype(expected) + y.astype(expected))


@pytest.mark.parametrize("number", [300, -1, 256, np.int64(1000)])
def test_a_number_that_an_integer_tensor_cannot_hold_is_refused_and_not_wrapped(number):
    x = mg.tensor(np.array([1, 2], np.uint8))
    for operation in (operator.add, operator.mul, operator.iadd):
        with pytest.raises(OverflowError, match=f"{number} is out of bounds for a tensor of uint8"):
            operation(x, number)
    assert (x + 253).numpy().tolist() == [254, 255]
    assert (mg.tensor(np.arange(2)) - 300).numpy().tolist() == [-300, -299]


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x**2.5,
        lambda x: x**-1,
        lambda x: x**-0.5,
        lambda x: 2**x,
        lambda x: x.sigmoid(),
        ops.softplus,
        lambda x: x / 3,
        lambda x: 1.5 - x,
        lambda x: x.clamp(0, 1.5),
        lambda x: x.tanh(),
        lambda x: x.abs(),
        mg.functional.relu,
        lambda x: x[None][0],
        lambda x: x[...],
        lambda x: (x * x).sqrt(),
    ],
)
def test_a_tensor_without_axes_keeps_its_dtype_and_is_an_array_and_so_is_its_gradient(
    operation, dtype
):
    x = mg.tensor(np.array(0.7, dtype), requires_grad=True)
    y = operation(x)
    (g,) = mg.grad(y, x, create_graph=True)
    for t in (y, g):
        assert t.dtype == dtype
        assert t.shape == ()
        assert isinstance(t.array, devices.xp.ndarray)


def test_integers_divide_into_float32():
    assert (mg.tensor(np.arange(3)) / 2).dtype == F32
    assert (mg.tensor(np.arange(3)) + 0.5).dtype == F32
    assert mg.tensor(np.arange(3)).mean().item() == 1.0


def test_gradients_come_back_in_their_input_s_dtype():
    x = mg.tensor(array(3), requires_grad=True)
    y = mg.tensor(array(3, dtype=F64), requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype == F32
    assert y.grad.dtype == F64


def test_float_and_double_convert():
    x = mg.tensor(array(3), requires_grad=True)
    assert x.double().dtype == F64
    assert x.double().float().dtype == F32
    assert x.float() is x
    x.double().sum().backward()
    assert x.grad.dtype == F32


def test_tensor_copies_and_keeps_what_it_was_given():
    x = array(3)
    t = mg.tensor(x)
    t.array[0] = 9
    assert x[0] != 9
    assert not devices.xp.shares_memory(mg.tensor(t).array, t.array)
    assert mg.tensor([1, 2], dtype=F64).dtype == F64


in_this_memory = pytest.mark.skipif(
    devices.xp is not np, reason="NumPy cannot look into a GPU's memory"
)


# ---- NumPy ---------------------------------------------------------------------------------------


@in_this_memory
def test_numpy_reads_tensors_that_require_grad():
    x = array(2, 3)
    t = mg.tensor(x, requires_grad=True)
    assert np.shares_memory(t.numpy(), t.array)
    assert type(t.numpy()) is np.ndarray
    np.testing.assert_array_equal(np.asarray(t), x)
    assert np.asarray(t, F64).dtype == F64
    assert not np.shares_memory(np.array(t), t.array)
    np.testing.assert_allclose((t * 2).numpy(), 2 * x)
    assert np.allclose(t, x)
    assert np.array_equal(t, x)
    np.testing.assert_allclose(t, x)


def test_a_ufunc_refuses_rather_than_lose_the_gradient():
    with pytest.raises(TypeError, match="Tensor"):
        np.exp(mg.tensor(array(3), requires_grad=True))


@pytest.mark.parametrize(
    "operation", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
)
def test_an_array_on_the_left_gives_a_tensor_with_a_gradient(operation):
    a = array(2, 3, seed=1)
    t = mg.tensor(array(3), requires_grad=True)
    for got, expected in (
        (operation(a, t), operation(a, t.numpy())),
        (operation(t, a), operation(t.numpy(), a)),
        (operation(a.tolist(), t), operation(a, t.numpy())),
    ):
        assert isinstance(got, mg.Tensor)
        assert got.requires_grad
        assert got.dtype == F32
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5)


def test_an_array_on_the_left_of_a_matrix_product():
    a = array(4, 2)
    t = mg.tensor(array(2, 3), requires_grad=True)
    assert isinstance(a @ t, mg.Tensor)
    np.testing.assert_allclose((a @ t).numpy(), a @ t.numpy(), rtol=1e-6)
    np.testing.assert_allclose((t @ array(3)).numpy(), t.numpy() @ array(3), rtol=1e-6)


@in_this_memory
def test_dlpack_goes_both_ways_with_numpy():
    t = mg.tensor(array(2, 3))
    assert np.shares_memory(np.from_dlpack(t), t.array)
    np.testing.assert_array_equal(mg.tensor(np.from_dlpack(t)).numpy(), t.numpy())


class OnAGpu:
    """An array of a library that minigan does not know, in a GPU's memory."""

    dtype = np.dtype(F32)
    shape = (3,)

    def __dlpack__(self, **how):
        raise AssertionError("read without asking where it lies")

    def __dlpack_device__(self):
        return 2, 0


@in_this_memory
def test_an_array_on_a_gpu_is_refused_where_the_device_is_another():
    with pytest.raises(TypeError, match="got a OnAGpu on a GPU, but the device is"):
        mg.tensor(OnAGpu())


@in_this_memory
def test_dlpack_goes_both_ways_with_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is the other side")
    t = mg.tensor(array(2, 3))
    there = torch.from_dlpack(t)
    assert there.shape == (2, 3)
    assert there.dtype == torch.float32
    there[0, 0] = 5
    assert t.numpy()[0, 0] == 5
    back = mg.tensor(there * 2)
    np.testing.assert_array_equal(back.numpy(), 2 * t.numpy())
    parameter = torch.nn.Parameter(torch.arange(3.0, dtype=torch.float64))
    assert mg.tensor(parameter).dtype == F64
    assert mg.tensor(parameter).numpy().tolist() == [0, 1, 2]


# ---- looking at it -------------------------------------------------------------------------------


def test_repr_shows_what_is_not_obvious():
    x = mg.tensor([1.0, -2.5], requires_grad=True)
    assert repr(mg.tensor(3.0)) == "tensor(3.)"
    assert repr(x) == "tensor([ 1. , -2.5], shape=(2,), requires_grad=True)"
    assert repr((x * 2).detach()) == "tensor([ 2., -5.], shape=(2,))"
    assert "from mul" in repr(x * 2)
    assert "dtype=float64" in repr(x.double())
    assert repr(mg.tensor(np.arange(2))) == "tensor([0, 1], shape=(2,), dtype=int64)"
    assert len(repr(mg.zeros(100, 100))) < 400


def test_a_scalar_is_a_number_where_python_wants_one():
    t = mg.tensor([[2.5]])
    assert (t.item(), float(t), int(t), bool(t), f"{t:.2f}") == (2.5, 2.5, 2, True, "2.50")
    assert not mg.zeros(1)
    assert f"{t}" == repr(t)
    assert type(t.item()) is float
    assert type(mg.tensor(np.arange(1)).item()) is int


def test_length_and_iteration_go_over_the_first_axis():
    t = mg.tensor(array(3, 2), requires_grad=True)
    rows = list(t)
    assert len(t) == len(rows) == 3
    rows[1].sum().backward()
    assert t.grad.numpy().tolist() == [[0, 0], [1, 1], [0, 0]]


def test_shape_ndim_size_dtype():
    t = mg.zeros(2, 3)
    assert (t.shape, t.ndim, t.numel(), t.dtype) == ((2, 3), 2, 6, F32)


# ---- indexing ------------------------------------------------------------------------------------

INDICES = [
    0,
    -1,
    (1, 2),
    (1, 2, 3),
    slice(1, 3),
    slice(None, None, 2),
    slice(None, None, -1),
    (slice(None), slice(3, 0, -2)),
    ...,
    (..., 0),
    (0, ..., slice(1, None)),
    None,
    (slice(None), None, 1),
    (None, 0, None, ..., None),
    np.int64(2),
    [0, 2],
    [0, 0, 2, 0],
    ([0, 1, 1], [2, 2, 0]),
    (slice(None), [3, 0, 3]),
    ([1, 1], slice(1, 3), [0, 2]),
    np.array([[0, 1], [2, 0]]),
    (np.array([[0], [2]]), np.array([1, 3])),
    (..., [0, 0]),
    slice(2, 2),
    np.arange(60).reshape(3, 4, 5) % 3 == 0,
    np.array([True, False, True]),
    (slice(None), np.arange(4) > 1),
    mg.tensor(np.array([2, 2, 0])),
    (mg.tensor(np.array([0, 1])), slice(None), mg.tensor(np.array([4, 4]))),
]


@pytest.mark.parametrize("index", INDICES, ids=lambda i: str(i).replace("\n", "")[:40])
def test_indexing_is_numpy_s_and_its_gradient_counts_the_visits(index):
    x = mg.tensor(array(3, 4, 5, dtype=F64), requires_grad=True)
    plain = (
        tuple(i.numpy() if isinstance(i, mg.Tensor) else i for i in index)
        if isinstance(index, tuple)
        else index
    )
    plain = plain.numpy() if isinstance(plain, mg.Tensor) else plain
    expected = x.numpy()[plain]
    y = x[index]
    np.testing.assert_array_equal(y.numpy(), expected)
    g = array(*expected.shape, dtype=F64, seed=1)
    visits = np.zeros(x.shape)
    np.add.at(visits, plain, g)
    np.testing.assert_allclose(mg.grad(y, x, mg.tensor(g))[0].numpy(), visits)


@pytest.mark.parametrize(
    "index, shape",
    [
        ((0, slice(None), [1, 2, 2]), (4, 3)),
        ((..., [0, 1], 2), (3, 2)),
        ((1, [0, 3], slice(0, 2)), (2, 2)),
        ((-1, None, ..., np.array([True, False, True, False, True])), (1, 4, 3)),
        ((2, [0, 3], [1, 1]), (2,)),
        ((np.int64(1), slice(None), mg.tensor(np.array([[0, 4]]))), (4, 1, 2)),
        ((0, np.eye(4, 5) == 1), (4,)),
        ((None, [0, 1], [2, 2], None, 3), (1, 2, 1)),
    ],
    ids=lambda i: str(i).replace("\n", "")[:40],
)
def test_a_number_beside_an_array_takes_its_axis_away_as_in_pytorch(index, shape):
    x = mg.tensor(array(3, 4, 5, dtype=F64), requires_grad=True)
    y = x[index]
    positions = mg.tensor(np.arange(60).reshape(3, 4, 5))[index].numpy()
    assert y.shape == positions.shape == shape
    np.testing.assert_array_equal(y.numpy(), x.numpy().ravel()[positions])
    assert (
        mg.grad(y.sum(), x)[0].numpy().ravel().tolist()
        == np.bincount(positions.ravel(), minlength=60).tolist()
    )


# ---- making and copying --------------------------------------------------------------------------


def test_deepcopy_copies_values_class_and_flag_but_no_history():
    x = mg.tensor(array(3), requires_grad=True)
    (x * x).sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad
    assert y.grad is None
    assert not devices.xp.shares_memory(x.array, y.array)
    np.testing.assert_array_equal(x.numpy(), y.numpy())
    (y * 2).sum().backward()
    assert y.grad.numpy().tolist() == [2, 2, 2]
    p = mg.nn.Parameter(mg.ones(2))
    assert type(copy.deepcopy(p)) is mg.nn.Parameter
    tied = copy.deepcopy([p, p])
    assert tied[0] is tied[1]
    with pytest.raises(RuntimeError, match=r"output of mul .* detach\(\)"):
        copy.deepcopy(x * 2)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cat_and_stack_are_numpy_s(dim):
    a = array(2, 3)
    b = array(2, 3, seed=1)
    np.testing.assert_array_equal(
        mg.cat([mg.tensor(a), mg.tensor(b)], dim).numpy(), np.concatenate([a, b], dim)
    )
    np.testing.assert_array_equal(
        mg.stack([mg.tensor(a), mg.tensor(b)], dim).numpy(), np.stack([a, b], dim)
    )


def test_zeros_and_ones():
    assert mg.zeros(2, 3).numpy().tolist() == np.zeros((2, 3)).tolist()
    assert mg.ones((2, 3)).dtype == F32
    assert mg.zeros().shape == ()
    assert mg.ones([2]).shape == (2,)
    assert mg.ones(2, dtype=F64, requires_grad=True).requires_grad
    assert mg.zeros(2, dtype=I64).dtype == I64


@pytest.mark.parametrize("draw", [mg.randn, mg.rand])
def test_one_seed_gives_one_sequence(draw):
    mg.manual_seed(3)
    first = draw(2, 3)
    second = draw((2, 3))
    mg.manual_seed(3)
    np.testing.assert_array_equal(draw((2, 3)).numpy(), first.numpy())
    np.testing.assert_array_equal(draw(2, 3).numpy(), second.numpy())
    assert not np.array_equal(first.numpy(), second.numpy())
    assert first.dtype == F32
    assert draw(2, dtype=F64).dtype == F64
    assert draw(2, requires_grad=True).requires_grad
    mg.manual_seed(4)
    assert not np.array_equal(draw(2, 3).numpy(), first.numpy())


def test_the_numbers_have_the_moments_they_should():
    mg.manual_seed(0)
    normal = mg.randn(100_000).numpy()
    uniform = mg.rand(100_000).numpy()
    assert abs(normal.mean()) < 0.02
    assert abs(normal.std() - 1) < 0.02
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.01


def test_the_generator_s_state_goes_through_json():
    mg.manual_seed(5)
    mg.randn(7)
    state = json.loads(json.dumps(rng.state_dict()))
    expected = mg.randn(4).numpy(), mg.rand(3).numpy()
    mg.manual_seed(99)
    rng.load_state_dict(state)
    np.testing.assert_array_equal(mg.randn(4).numpy(), expected[0])
    np.testing.assert_array_equal(mg.rand(3).numpy(), expected[1])


def test_in_place_changes_return_the_tensor_and_keep_its_dtype():
    t = mg.zeros(2, 3)
    assert t.copy_(np.arange(3.0)) is t
    assert t.dtype == F32
    assert t.numpy().tolist() == [[0, 1, 2], [0, 1, 2]]
    assert t.clamp_(min=1).clamp_(max=1.5) is t
    assert t.numpy().tolist() == [[1, 1, 1.5], [1, 1, 1.5]]
    assert t.requires_grad_() is t
    assert t.requires_grad


def test_every_method_stands_in_the_class_and_says_what_it_does():
    for kind in (mg.Tensor, TensorMethods):
        for name, method in vars(kind).items():
            if inspect.isfunction(method) and name != "__init__":
                assert method.__doc__, name
                assert method.__qualname__ == f"{kind.__name__}.{name}"


def test_size_is_a_method_and_numel_counts_the_entries():
    t = mg.zeros(2, 3, 4)
    assert t.size() == t.shape == (2, 3, 4)
    assert [t.size(0), t.size(-1)] == [2, 4]
    assert t.numel() == 24
    assert mg.tensor(1.0).size() == ()
    assert mg.tensor(1.0).numel() == 1
    assert mg.zeros(0, 2).numel() == 0
    with pytest.raises(IndexError):
        t.size(3)


def test_a_flattened_scalar_is_a_vector():
    x = mg.tensor(1.5, requires_grad=True)
    y = x.flatten()
    y.backward(np.float32([2]))
    assert y.shape == (1,)
    assert x.grad.shape == ()
    assert x.grad.item() == 2


def test_an_index_in_a_tuple_in_a_tuple_counts_every_time():
    x = mg.zeros(2, 3).requires_grad_()
    x[:, (1, 1)].sum().backward()
    assert x.grad.numpy().tolist() == [[0, 2, 0]] * 2
    assert x[[]].shape == (0, 3)


@pytest.mark.parametrize("kind", [mg.tensor, np.array], ids=["tensor", "array"])
def test_an_index_may_change_after_its_use(kind):
    x = mg.zeros(3).requires_grad_()
    index = kind(np.array([0, 0]))
    y = x[index]
    index.copy_(np.array([2, 2])) if kind is mg.tensor else index.fill(2)
    y.sum().backward()
    assert x.grad.numpy().tolist() == [2, 0, 0]


def test_complex_numbers_are_refused():
    with pytest.raises(TypeError, match="tensors hold real numbers, this one meets 1j"):
        mg.zeros(2) * 1j


def test_an_array_may_change_after_it_was_an_operand():
    a = np.array([2.0, 3.0])
    x = mg.tensor(np.array([0.3, 0.6]), requires_grad=True)
    y = (x * a).sum() + mg.functional.binary_cross_entropy_with_logits(
        x, target := np.array([0.0, 1.0])
    )
    a[:], target[:] = 100, 0.5
    expected = np.array([2.0, 3.0]) + (1 / (1 + np.exp(-x.numpy())) - np.array([0.0, 1.0])) / 2
    np.testing.assert_allclose(mg.grad(y, x)[0].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "shape, dim", [((300_000, 4), 0), ((100, 3000, 4), (0, 1)), ((4, 300_000, 2), 1)]
)
def test_sums_of_many_rows_keep_their_digits(shape, dim):
    x = np.random.default_rng(0).random(shape, dtype=np.float32) + 3
    wide = x.astype(np.float64)
    for ours, exact in (
        (mg.tensor(x).sum(dim), wide.sum(dim)),
        (mg.tensor(x).mean(dim), wide.mean(dim)),
        (mg.tensor(x).var(dim), wide.var(dim, ddof=1)),
    ):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours.numpy(), exact, rtol=1e-6)
