"""A Module finds its parameters, and copies and loads its state as a whole or not at all."""

import copy

import numpy as np
import pytest
from weights import arrays, same

import minigan as mg
from minigan import nn
from minigan.models import dcgan


class Block(nn.Module):
    """Two layers and a constant, one of them shared under two names."""

    def __init__(self):
        self.first = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)
        self.scale = nn.Parameter(np.ones(1, np.float32))
        self.again = self.first
        self.offset = mg.ones(3)

    def forward(self, x):
        return self.again(self.norm(self.first(x))) * self.scale + self.offset


def test_parameters_are_found_in_order_each_once():
    names = [name for name, _ in Block().named_parameters()]
    assert names == ["scale", "first.weight", "first.bias", "norm.weight", "norm.bias"]
    assert len(Block().parameters()) == 5
    mg.optim.SGD(Block().parameters())  # which refuses a parameter given twice


def test_the_state_holds_parameters_and_buffers_under_all_their_names():
    assert list(Block().state_dict()) == [
        "scale",
        "first.weight",
        "first.bias",
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
        "again.weight",
        "again.bias",
    ]


def test_children_are_the_modules_directly_inside():
    block = Block()
    assert [name for name, _ in block.named_children()] == ["first", "norm", "again"]
    assert next(block.modules()) is block


def test_sequential_names_its_layers_by_number():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 1, bias=False)))
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "2.0.weight"]
    assert len(net) == 3
    assert isinstance(net[1], nn.ReLU)
    assert net[-1][0] is net[2][0]
    assert isinstance(net[:2], nn.Sequential)
    assert list(net[1:])[0] is net[1]


def test_a_state_is_a_copy():
    block = Block()
    state = block.state_dict()
    before = arrays(block)
    for t in state.values():
        t.array[...] = 5
    assert same(arrays(block), before)
    block.load_state_dict(state)
    state["first.weight"].array[...] = 6
    assert (block.first.weight.numpy() == 5).all()


@pytest.mark.parametrize(
    "wrap",
    [lambda a: a, mg.tensor, lambda a: a.astype(np.float64), lambda a: a.tolist()],
    ids=["NumPy", "minigan", "float64", "lists"],
)
def test_a_state_may_hold_any_arrays(wrap):
    source = Block()
    target = Block()
    assert target.load_state_dict({k: wrap(v) for k, v in arrays(source).items()}) is target
    assert same(arrays(source), arrays(target))
    assert all(p.dtype == np.float32 for p in target.parameters())


@pytest.mark.parametrize("direction", ["to torch", "from torch"])
def test_states_move_to_torch_and_back(direction):
    torch = pytest.importorskip("torch", reason="PyTorch is the other side")
    ours = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.LeakyReLU(0.2), nn.ConvTranspose2d(2, 3, 3)
    )
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3),
        torch.nn.BatchNorm2d(2),
        torch.nn.LeakyReLU(0.2),
        torch.nn.ConvTranspose2d(2, 3, 3),
    )
    x = mg.randn(4, 1, 6, 6)
    if direction == "to torch":
        ours(x)  # so that the running statistics are not their initial values
        theirs.load_state_dict({k: torch.from_dlpack(t) for k, t in ours.state_dict().items()})
    else:
        theirs(torch.from_dlpack(x))
        ours.load_state_dict(theirs.state_dict())
        ours.load_state_dict(dict(theirs.named_parameters()) | dict(theirs.named_buffers()))
    assert ours[1].num_batches_tracked.item() == 1
    expected = theirs.eval()(torch.from_numpy(x.numpy())).detach().numpy()
    np.testing.assert_allclose(ours.eval()(x).numpy(), expected, atol=1e-5)


def test_num_batches_tracked_may_be_missing_or_extra():
    block = Block()
    state = block.state_dict()
    del state["norm.num_batches_tracked"]
    block.load_state_dict(state | {"first.num_batches_tracked": np.zeros((), np.int64)})


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda s: s.pop("first.bias"), ["Block", "missing ['first.bias']"]),
        (lambda s: s.update(extra=np.ones(1)), ["unexpected ['extra']"]),
        (lambda s: s.update({"again.bias": np.ones(4)}), ["again.bias", "(4,)", "expected (3,)"]),
        (
            lambda s: s.update({"norm.running_var": np.array(["a", "b", "c"])}),
            ["norm.running_var", "float32"],
        ),
    ],
    ids=["missing", "unexpected", "shape", "dtype"],
)
def test_a_state_that_does_not_fit_changes_nothing(spoil, words):
    block = Block()
    state = arrays(Block())
    spoil(state)
    before = arrays(block)
    with pytest.raises(ValueError) as refusal:
        block.load_state_dict(state)
    assert all(word in str(refusal.value) for word in words)
    assert same(arrays(block), before)


def test_deepcopy_is_independent_and_keeps_ties():
    block = Block()
    twin = copy.deepcopy(block)
    assert same(arrays(block), arrays(twin))
    assert twin.again is twin.first
    with mg.no_grad():
        twin.scale.copy_(7.0)
    assert block.scale.item() == 1


def test_switches_return_the_module_and_reach_every_layer():
    net = nn.Sequential(Block(), nn.Dropout())
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert net.train() is net
    assert all(m.training for m in net.modules())
    assert net.double() is net
    assert all(t.dtype == np.float64 for t in net.parameters())
    assert net.state_dict()["0.norm.running_mean"].dtype == np.float64
    assert net.state_dict()["0.norm.num_batches_tracked"].dtype == np.int64
    assert net.float() is net
    assert all(t.dtype == np.float32 for t in net.parameters())
    assert net.requires_grad_(False) is net
    assert not any(p.requires_grad for p in net.parameters())
    assert net.requires_grad_() is net
    assert all(p.requires_grad for p in net.parameters())


def test_double_between_forward_and_backward_is_refused():
    net = nn.Linear(2, 2)
    y = net(mg.randn(1, 2, requires_grad=True)).sum()
    net.double()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_zero_grad_forgets_all_gradients():
    net = nn.Linear(2, 3)
    net(mg.randn(4, 2)).sum().backward()
    assert net.weight.grad is not None
    net.zero_grad()
    assert net.weight.grad is None
    assert net.bias.grad is None


def test_repr_reads_like_the_architecture():
    assert (
        repr(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Flatten())))
        == """\
Sequential(
  (0): Linear(in_features=2, out_features=3, weight=(3, 2), bias=(3,))
  (1): Sequential(
    (0): Tanh()
    (1): Flatten(start_dim=1, end_dim=-1)
  )
)"""
    )
    inside = repr(dcgan.Generator(image_size=16, width=2))
    assert "ConvTranspose2d(in_channels=4, out_channels=2, kernel_size=(4, 4), " in inside
    assert "weight=(4, 2, 4, 4), stride=(2, 2), padding=(1, 1)" in inside
