"""PyTorch's names and calling forms: the same call on minigan and on torch, with the same result.

What has a gradient is in the table of operations. Here are positional arguments, the numbers of
factories, dtypes, changes in place, and what is refused.
"""

import math

import numpy as np
import pytest
from torch_twin import close, torch

import minigan as mg

X = np.arange(24.0).reshape(2, 3, 4) % 7 - 2


# What a user of PyTorch writes. `torch` stands for minigan and for PyTorch in turn, `x` for X.
CALLS = """
    x.sum(1, True)
    x.sum((0, 2), True)
    x.mean(1, True)
    x.mean([2, 0])
    x.var(1, False)
    x.var(1, False, True)
    x.var(1, correction=0)
    x.std(0)
    x.std(1, False, True)
    x.norm()
    x.norm(2, 1)
    x.norm(2, dim=1)
    x.norm(1, 1, True)
    x.norm(inf, 0)
    x.norm(-inf, 0)
    x.norm(0, 1)
    x.norm("fro")
    torch.norm(x, 2, 1)
    x.max()
    x.max(1)[0]
    x.max(1)[1]
    x.max(dim=1, keepdim=True).values
    torch.max(x, 1).indices
    torch.max(x, 2 - x)
    torch.min(x, 2)[1]
    torch.min(x, 2 - x)
    x.argmax()
    x.argmax(1)
    x.argmax(dim=-1, keepdim=True)
    x.argmin(0)
    x.amin((0, 1), True)
    x.view(-1, 4)
    x.view((6, 4))
    x.view(x.size(0), -1)
    x.view(*x.size()[:1], 12)
    x.view(4, 6).view_as(x)
    x[0].t()
    x[0].T
    x.mT
    x[:1].squeeze()
    x[:1].squeeze(0)
    x.squeeze(1)
    x.unsqueeze(-1)
    x[0].unsqueeze(1).unsqueeze(2)
    x.repeat(2, 1, 1)
    x.repeat((2, 1, 1, 3))
    x.repeat(0, 1, 1)
    x.expand(2, -1, -1, -1)
    x[:, :1].expand_as(x)
    x.flip(0)
    torch.flip(x, [1, 2])
    x.split(2, 2)[1]
    torch.split(x, 2, dim=1)[1]
    x.split([1, 3], dim=-1)[1]
    x.chunk(2, 1)[1]
    torch.chunk(x, 3, dim=2)[-1]
    x.unbind(1)[2]
    x.clone()
    x.transpose(0, 2).contiguous().view(-1)
    x.softmax(1)
    torch.softmax(x, dim=-1)
    x.log_softmax(0)
    torch.where(x > 0, x, x * 2)
    torch.where(x > 0, x, 0.0)
    x.masked_fill(x < 0, 9.0)
    x.gather(2, x.argmax(2, keepdim=True))
    torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")[0]
    torch.meshgrid([torch.arange(2), torch.arange(3)], indexing="xy")[1]
    torch.roll(x, (1, -2), (0, 2))
    torch.rsqrt(x.abs() + 1)
    torch.square(x)
    x.new_zeros(2, 3)
    x.float().new_ones((2, 3), dtype=torch.float64)
    x.new_full((2,), 7)
    x.new_tensor([1, 2])
    x.new([1, 2])
    x.new(2, 3).fill_(1.5)
    torch.Tensor(5).fill_(1.5)
    torch.Tensor(2, 3, 4).zero_()
    torch.Tensor(2, 3).uniform_(1, 1)
    torch.Tensor([1, 2])
    torch.Tensor([[True, False]])
    x.new_empty(2).zero_()
    x.nelement()
    x.type(torch.Tensor)
    torch.ones(3).repeat(2, 1).fill_(5)
    torch.ones(3).repeat(1).add_(1)
    torch.zeros(3, 5).scatter_(1, torch.tensor([[1], [4], [0]], dtype=torch.long), 1)
    x.scatter_(-1, x.argmax(2, keepdim=True), 9.0)
    x.scatter_(0, x[:1].clamp(0, 1).long(), x[1:] * 3)
    torch.nn.functional.one_hot(torch.tensor([2, 0], dtype=torch.long))
    torch.nn.functional.one_hot(torch.tensor([[2], [0]], dtype=torch.long), 4)
    x.pow(2)
    torch.pow(x, 3)
    x.add(x, alpha=2)
    x.sub(1)
    x.mul(2).div(3).neg()
    x.square()
    torch.add(x, 1)
    torch.sub(x, x[0])
    torch.mul(x, x)
    torch.div(x, 2)
    torch.neg(x)
    x.eq(2)
    x.ne(2)
    x.gt(0)
    x.ge(x[0])
    x.lt(0)
    x.le(0)
    x.clamp(-1, 1)
    torch.clamp(x, min=0)
    x[0].mm(x[0].t())
    torch.mm(x[0], x[1].t())
    torch.bmm(x, x.transpose(1, 2))
    torch.mv(x[0], x[1, 2])
    torch.dot(x[0, 0], x[0, 1])
    torch.matmul(x, x.transpose(-1, -2))
    torch.einsum("bij,bkj->bik", x, x)
    torch.einsum("bij,bkj->bik", [x, x])
    (x * 1.5).long()
    (x * 1.5).int()
    x.bool()
    x.to(torch.float32)
    x.to("cpu")
    x.to("cpu", torch.float32)
    x.float().to(x)
    x.float().type_as(x)
    x.type(torch.float32)
    x.cpu()
    x.cpu().data.numpy()
    x.fill_(2)
    x.zero_()
    x.add_(x, alpha=0.1)
    x.mul_(0.9).add_(1)
    x.sub_(1).div_(2)
    x.lerp_(x * 2, 0.1)
    torch.zeros(2, 3)
    torch.zeros(2, dtype=torch.int64)
    torch.ones(2, device="cpu")
    torch.full((2, 3), 1.5)
    torch.full((2,), 7)
    torch.full((2,), True)
    torch.full((2,), 7, dtype=torch.float32)
    torch.full((2,), 7, dtype=torch.float)
    torch.FloatTensor(2, 3).fill_(1.5)
    torch.FloatTensor([1, 2])
    torch.DoubleTensor([[1.0]])
    torch.LongTensor(np.array([1, 2]))
    torch.cuda.FloatTensor([1]) if torch.cuda.is_available() else torch.FloatTensor([1])
    x.type(torch.FloatTensor)
    torch.isnan(torch.tensor([1.0, np.nan, np.inf]))
    x.isnan()
    torch.autograd.Variable(x)
    np.array(torch.autograd.Variable(x, requires_grad=True).requires_grad)
    torch.zeros(2, dtype=torch.int)
    torch.zeros(2, dtype=torch.bool)
    torch.nn.functional.relu(x)
    torch.nn.functional.batch_norm(x, None, None, None, None, True, 0.1, 1e-3)
    np.array(x.is_leaf)
    np.array((x * 2).is_leaf)
    np.array((x.clone().requires_grad_() * 2).is_leaf)
    torch.zeros_like(x)
    torch.ones_like(x, dtype=torch.float32)
    torch.full_like(x, 3)
    torch.eye(3)
    torch.eye(2, 3)
    torch.arange(5)
    torch.arange(1, 8, 3)
    torch.arange(0, 1, 0.3)
    torch.arange(5, 0, -2)
    torch.linspace(-1, 1, 5)
    torch.from_numpy(np.arange(3.0))
    torch.as_tensor(np.arange(3.0), dtype=torch.float32)
    np.array(x.size(1))
    np.array(x.size())
    np.array(x.dim())
    np.array(x.numel())
    np.array(x.tolist())
    np.array(x.sum().item())
"""


def evaluated(call, library):
    """What a line of CALLS gives with this library."""
    names = {"torch": library, "x": library.tensor(X), "np": np, "inf": math.inf}
    return eval(call, names)


@pytest.mark.parametrize("call", [line.strip() for line in CALLS.split("\n") if line.strip()])
def test_the_same_call_gives_the_same(call):
    close(evaluated(call, mg), evaluated(call, torch))


def test_equal_maxima_are_treated_as_in_pytorch():
    """Along an axis the first one gets the gradient, otherwise they share it."""
    values = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    calls = [
        lambda m, x: x.max(1)[0].sum(),
        lambda m, x: x.min(0)[0].sum(),
        lambda m, x: x.max(),
        lambda m, x: x.amin(),
        lambda m, x: m.maximum(x, m.full_like(x, 2.0)).sum(),
        lambda m, x: m.minimum(x, m.full_like(x, 2.0)).sum(),
        lambda m, x: x.norm(math.inf, 1).sum(),
    ]
    for call in calls:
        ours = mg.tensor(values, requires_grad=True)
        theirs = torch.tensor(values, requires_grad=True)
        call(mg, ours).backward()
        call(torch, theirs).backward()
        close(ours.grad, theirs.grad)


@pytest.mark.parametrize("p", [1, 2, 3, 1.5])
def test_the_norm_of_zeros_has_pytorchs_gradient(p):
    values = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    ours = mg.tensor(values, requires_grad=True)
    theirs = torch.tensor(values, requires_grad=True)
    ours.norm(p, 1).sum().backward()
    theirs.norm(p, 1).sum().backward()
    close(ours.grad, theirs.grad)


def test_the_standard_deviation_of_equal_numbers_has_a_gradient_of_zero():
    x = mg.ones(3, 2, requires_grad=True)
    x.std(0).sum().backward()
    assert x.grad.tolist() == [[0, 0]] * 3


def test_from_numpy_and_numpy_share_the_memory():
    array = np.zeros(3, np.float32)
    x = mg.from_numpy(array)
    array[1] = 5
    assert x.tolist() == [0, 5, 0]
    x.fill_(2)
    assert array.tolist() == [2, 2, 2]
    assert mg.as_tensor(x) is x


def test_a_variable_is_a_leaf_on_the_same_memory():
    x = mg.ones(2, requires_grad=True)
    v = mg.autograd.Variable(x * 2, requires_grad=True)
    (v * v).sum().backward()
    assert v.grad.tolist() == [4, 4]
    assert x.grad is None
    mg.autograd.Variable(x).fill_(5)
    assert x.tolist() == [5, 5]
    assert mg.autograd.grad is mg.grad


def test_a_clone_has_memory_of_its_own():
    x = mg.ones(2)
    y = x.clone()
    y.zero_()
    assert x.tolist() == [1, 1]


def test_pieces_are_views():
    x = mg.zeros(4)
    first, second = x.chunk(2)
    second.fill_(1)
    assert x.tolist() == [0, 0, 1, 1]
    assert first.tolist() == [0, 0]


def test_random_numbers_have_the_distribution_that_they_are_asked_for():
    mg.manual_seed(0)
    x = mg.zeros(10_000)
    x.normal_(2, 0.5)
    assert abs(x.mean().item() - 2) < 0.02
    assert abs(x.std().item() - 0.5) < 0.02
    x.uniform_(-1, 3)
    assert -1 <= x.min().item() < -0.99
    assert 2.99 < x.max().item() < 3
    assert abs(x.mean().item() - 1) < 0.05
    x.random_(3)
    assert sorted(set(x.tolist())) == [0, 1, 2]
    x.random_(-1, 1)
    assert sorted(set(x.tolist())) == [-1, 0]
    whole = mg.randint(0, 10, (10_000,))
    assert whole.dtype == np.int64
    assert sorted(set(whole.tolist())) == list(range(10))
    assert mg.randint(5, (3, 2)).size() == (3, 2)
    assert sorted(mg.randperm(6).tolist()) == list(range(6))
    assert mg.randn_like(x).shape == mg.rand_like(x).shape == x.shape


def test_the_same_seed_gives_the_same_numbers_in_place():
    mg.manual_seed(3)
    drawn = mg.randn(4)
    mg.manual_seed(3)
    assert (mg.zeros(4).normal_() == drawn).all()


def test_the_device_at_hand_is_accepted_and_another_one_refused():
    x = mg.ones(2)
    with mg.device("cpu"):
        assert x.to(mg.device("cpu")) is x
        assert x.to(torch.device("cpu")) is x
        assert mg.zeros(2, device=x.device).device == "cpu"
        assert not x.is_cuda
        assert str(x.device) == "cpu"
        assert not mg.cuda.is_available()
        assert mg.cuda.device_count() == 0
        for call in (
            lambda: x.to("cuda"),
            lambda: x.cuda(),
            lambda: mg.zeros(2, device="cuda:0"),
            lambda: mg.randn(2, device=torch.device("cuda", 1)),
            lambda: mg.tensor([1.0], device="host"),
        ):
            with pytest.raises(ValueError, match="but this process works on cpu: minigan.set_dev"):
                call()
        with pytest.raises(ValueError, match="unknown device 'tpu'"):
            mg.zeros(2, device="tpu")


MISSING = {
    "x.half()": "float32 and float64: half precision is not supported",
    "torch.float16": "half precision is not supported",
    "torch.complex64": "complex numbers are not supported",
    "x.register_hook(print)": "hooks are not supported",
    "x.retain_grad()": "only leaves keep their gradient: minigan.grad",
    "torch.nn.DataParallel": "minigan.nn has no attribute 'DataParallel': one process works on",
    "x.to_sparse()": "sparse tensors are not supported",
    "torch.sparse": "sparse tensors are not supported",
    "x.nothing_of_the_kind": "'Tensor' object has no attribute 'nothing_of_the_kind'",
    "torch.nothing_of_the_kind": "minigan has no attribute 'nothing_of_the_kind'",
}


@pytest.mark.parametrize("call", MISSING)
def test_what_minigan_has_not_is_refused_in_a_sentence(call):
    with pytest.raises(AttributeError, match=MISSING[call]):
        evaluated(call, mg)


WRONG = {
    "torch.meshgrid(x[0, 0], indexing=1)": (ValueError, "indexing is 1, expected 'ij' or 'xy'"),
    "torch.roll(x, (1, 2), 0)": (ValueError, "roll got 2 shifts for 1 axes"),
    'type("Mine", (torch.autograd.Function,), {})': (TypeError, "Mine is an autograd.Function"),
    "x.view(torch.float32)": (TypeError, "view takes a shape"),
    "x.to(np.float16)": (TypeError, "dtype is .*float16.*, expected float32, float64"),
    "torch.zeros(2, dtype=np.complex64)": (TypeError, "dtype is .*complex64"),
    'torch.zeros(2, dtype="sparse")': (TypeError, "dtype is 'sparse'"),
    "x.t()": (ValueError, r"t\(\) transposes a matrix, got shape \(2, 3, 4\)"),
    "x.repeat(2, 2)": (ValueError, r"repeat got \(2, 2\) for shape \(2, 3, 4\)"),
    "x.split([1, 1], 2)": (ValueError, r"lengths \[1, 1\] do not add up to the 4"),
    "x.split(0)": (ValueError, "the length of a piece is 0, expected a whole number"),
    "x.chunk(0)": (ValueError, "the number of pieces is 0, expected a whole number"),
    'x.norm("nuc")': (ValueError, "p is 'nuc', expected a number, infinity or 'fro'"),
    "x[:0].argmax()": (ValueError, r"argmax: shape \(0, 3, 4\) has no entries"),
    "x.gather(1, x)": (ValueError, "gather: index is float64 of shape"),
    "x.scatter_(1, x, 1)": (ValueError, "scatter_: index is float64 of shape"),
    "x.scatter_(1, x.clamp(0, 2).long(), x[:1])": (ValueError, "src has shape .* expected that of"),
    "torch.nn.functional.one_hot(x)": (TypeError, "one_hot got float64, expected integers"),
    "torch.nn.functional.one_hot(x[0].long(), 1)": (IndexError, "one_hot got integers from -2"),
    "torch.where(x, x, x)": (TypeError, "condition is float64, expected truth values"),
    "torch.mm(x, x)": (ValueError, r"mm got shapes \(2, 3, 4\) and \(2, 3, 4\), expec"),
    "torch.bmm(x, x[:1])": (ValueError, "bmm got batches of shapes"),
    'torch.einsum("...i->i", x)': (ValueError, "'...i->i' is not supported"),
    'torch.einsum("iij->j", x)': (ValueError, "'iij->j' is not supported"),
    'torch.einsum("ij->j", x)': (ValueError, "does not fit tensors of the shapes"),
    'torch.einsum("ijk,jil->kl", x, x)': (
        ValueError,
        "j of .* is an axis of length 3 and one of length 2",
    ),
    "torch.arange(0, 1, 0)": (ValueError, "arange: step is 0"),
    "torch.linspace(0, 1, 2.5)": (ValueError, "linspace: steps is 2.5"),
    "torch.randint(5, 5, (2,))": (ValueError, "randint got low=5, high=5"),
    "torch.randint(5)": (ValueError, "randint got"),
    "torch.from_numpy([1.0])": (TypeError, "from_numpy got a list"),
    "torch.from_numpy(np.zeros(1, complex))": (TypeError, "dtype is .*complex"),
    "x.normal_(0, -1)": (ValueError, "normal_: std is -1, expected at least 0"),
    "x.uniform_(1, 0)": (ValueError, "uniform_: the bounds are 1 and 0"),
    'torch.functional.gelu(x, "fast")': (ValueError, "approximate is 'fast'"),
}


@pytest.mark.parametrize("call", WRONG)
def test_wrong_arguments_are_refused_in_a_sentence(call):
    kind, message = WRONG[call]
    with pytest.raises(kind, match=message):
        evaluated(call, mg)
