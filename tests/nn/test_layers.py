"""Modules find their parameters, copy and load their state whole or not at all, and fuse without
changing a number.
"""

import copy

import numpy as np
import pytest

import minigan as mg
from minigan import drawing, nn
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


def arrays(module):
    return {name: t.numpy().copy() for name, t in module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


# ---- finding -------------------------------------------------------------------------------------


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


def test_modules_and_children():
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


def test_a_norm_of_ones_own_gets_no_activation_to_apply():
    class Doubled(nn.BatchNorm2d):
        def forward(self, x):
            return 2 * super().forward(x)

    x = mg.randn(3, 2, 2, 2)
    ours = nn.Sequential(Doubled(2), nn.ReLU())(x)
    plain = nn.Sequential(nn.BatchNorm2d(2), nn.ReLU())(x)
    np.testing.assert_allclose(ours.numpy(), 2 * plain.numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "layer, shapes",
    [
        (nn.Linear(2, 3), [(3, 2), (3,)]),
        (nn.Conv2d(2, 3, (4, 5)), [(3, 2, 4, 5), (3,)]),
        (nn.Conv2d(2, 3, np.int64(4)), [(3, 2, 4, 4), (3,)]),
        (nn.ConvTranspose2d(2, 3, 4, bias=False), [(2, 3, 4, 4)]),
        (nn.BatchNorm2d(3, affine=False), []),
        (nn.InstanceNorm2d(3), []),
        (nn.InstanceNorm2d(3, affine=True), [(3,), (3,)]),
        (nn.LayerNorm((2, 3)), [(2, 3), (2, 3)]),
        (nn.Maxout(4, 3, 5), [(15, 4), (15,)]),
        (nn.Embedding(7, 2), [(7, 2)]),
        (nn.PixelShuffle(2), []),
    ],
)
def test_layers_have_the_parameters_of_their_kind(layer, shapes):
    assert [p.shape for p in layer.parameters()] == shapes
    assert all(p.requires_grad and p.dtype == np.float32 for p in layer.parameters())


def test_initial_weights_fill_pytorch_s_interval():
    mg.manual_seed(0)
    for layer, fan_in in (
        (nn.Linear(100, 50), 100),
        (nn.Conv2d(4, 8, 5), 100),
        (nn.ConvTranspose2d(8, 4, 5), 100),
    ):
        weight = layer.weight.numpy()
        bound = 1 / fan_in**0.5
        assert 0.98 * bound < weight.max() <= bound
        assert -bound <= weight.min() < -0.98 * bound
        assert np.abs(layer.bias.numpy()).max() <= bound


# ---- states --------------------------------------------------------------------------------------


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
        ours(x)  # so that the running statistics are no zeros
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


# ---- switches ------------------------------------------------------------------------------------


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


def test_zero_grad_forgets():
    net = nn.Linear(2, 3)
    net(mg.randn(4, 2)).sum().backward()
    assert net.weight.grad is not None
    net.zero_grad()
    assert net.weight.grad is None
    assert net.bias.grad is None


def test_dropout_and_batch_norm_know_the_mode():
    mg.manual_seed(0)
    x = mg.randn(8, 3)
    drop = nn.Dropout(0.5)
    norm = nn.BatchNorm1d(3)
    assert (drop(x).numpy() == 0).any()
    assert drop.eval()(x) is x
    norm(x)
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * x.numpy().mean(0), atol=1e-6)
    np.testing.assert_allclose(
        norm.running_var.numpy(), 0.9 + 0.1 * x.numpy().var(0, ddof=1), atol=1e-6
    )
    assert norm.num_batches_tracked.item() == 1
    before = arrays(norm)
    norm.eval()(x)
    assert same(arrays(norm), before)


def test_batches_are_counted_on_the_cpu_where_no_gpu_is_waited_for():
    norm = nn.BatchNorm1d(3, momentum=None)
    twin = copy.deepcopy(norm)
    x = mg.randn(8, 3)
    norm(x), norm(x), twin(x)
    assert (norm.num_batches_tracked.item(), twin.num_batches_tracked.item()) == (2, 1)
    twin.load_state_dict(norm.state_dict())
    twin.num_batches_tracked.copy_(norm.num_batches_tracked)
    for each in (norm, twin, copy.deepcopy(twin)):
        assert type(each.num_batches_tracked.array) is np.ndarray
        assert each.num_batches_tracked.item() == 2
        assert (
            each.num_batches_tracked.dtype
            == each.state_dict()["num_batches_tracked"].dtype
            == np.int64
        )


def test_repr_reads_like_the_architecture():
    assert (
        repr(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Flatten())))
        == """\
Sequential(
  (0): Linear(weight=(3, 2), bias=(3,))
  (1): Sequential(
    (0): Tanh()
    (1): Flatten(start_dim=1, end_dim=-1)
  )
)"""
    )
    inside = repr(dcgan.Generator(image_size=16, width=2))
    assert "ConvTranspose2d(weight=(4, 2, 4, 4), stride=(2, 2), padding=(1, 1)" in inside


# ---- fusion --------------------------------------------------------------------------------------


class Unfused(nn.Module):
    """A layer that Sequential does not recognise, so nothing is fused with it."""

    def __init__(self, layer):
        self.layer = layer

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(
    "activation", [nn.ReLU(), nn.LeakyReLU(0.2), nn.Tanh()], ids=["relu", "leaky", "tanh"]
)
@pytest.mark.parametrize(
    "norm, shape",
    [
        (nn.BatchNorm2d(3), (4, 3, 5, 2)),
        (nn.BatchNorm1d(3), (6, 3)),
        (nn.BatchNorm1d(3), (4, 3, 5)),
        (nn.BatchNorm2d(3, affine=False), (4, 3, 5, 2)),
        (nn.InstanceNorm2d(3, affine=True), (4, 3, 5, 2)),
    ],
    ids=["2d", "1d", "1d long", "no weights", "instance"],
)
def test_fused_and_unfused_normalisation_give_the_same_numbers(norm, shape, activation, training):
    x = np.random.default_rng(0).standard_normal(shape)
    g = mg.tensor(np.random.default_rng(1).standard_normal(shape))
    results = []
    for wrap in (lambda layer: layer, Unfused):
        layer = copy.deepcopy(norm).double()
        net = nn.Sequential(layer, wrap(activation)).train(training)
        t = mg.tensor(x, requires_grad=True)
        for _ in range(2):
            y = net(t)
        grads = mg.grad(y, [t, *layer.parameters()], g)
        results.append([y, *grads, *layer.state_dict().values()])
    for fused, unfused in zip(*results):
        np.testing.assert_allclose(fused.numpy(), unfused.numpy(), atol=1e-12)


def test_fusion_really_happens():
    net = nn.Sequential(nn.BatchNorm1d(3), nn.LeakyReLU(0.2))
    x = mg.randn(4, 3)
    with drawing.trace() as traced:
        net(x)
    assert len(traced.records) == 1


def test_an_embedding_looks_up_rows_and_counts_them_in_its_gradient():
    layer = nn.Embedding(4, 2)
    index = np.array([[3, 0], [3, 3]])
    y = layer(index)
    np.testing.assert_array_equal(y.numpy(), layer.weight.numpy()[index])
    np.testing.assert_array_equal(layer(mg.tensor(index)).numpy(), y.numpy())
    y.sum().backward()
    assert layer.weight.grad.numpy().tolist() == [[1, 1], [0, 0], [0, 0], [3, 3]]


@pytest.mark.parametrize(
    "layer, shape, expected",
    [
        (nn.Flatten(), (2, 3, 4), (2, 12)),
        (nn.Unflatten(1, (3, 4)), (2, 12), (2, 3, 4)),
        (nn.Unflatten(-1, (3, 4)), (2, 12), (2, 3, 4)),
        (nn.ReflectionPad2d(1), (2, 3, 4, 4), (2, 3, 6, 6)),
        (nn.ReflectionPad2d((1, 2, 0, 3)), (2, 3, 4, 4), (2, 3, 7, 7)),
        (nn.Upsample(scale_factor=2), (2, 3, 4, 5), (2, 3, 8, 10)),
        (nn.Upsample(7, mode="bilinear"), (2, 3, 4, 5), (2, 3, 7, 7)),
        (nn.PixelShuffle(2), (2, 8, 3, 3), (2, 2, 6, 6)),
        (nn.Maxout(4, 3, 5), (2, 4), (2, 3)),
        (nn.Linear(4, 3), (2, 5, 4), (2, 5, 3)),
        (
            nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1, output_padding=1),
            (1, 2, 5, 5),
            (1, 3, 11, 11),
        ),
        (nn.Conv2d(2, 3, (1, 3), stride=(1, 2), padding=(0, 1)), (1, 2, 4, 7), (1, 3, 4, 4)),
    ],
)
def test_layers_give_the_shapes_they_promise(layer, shape, expected):
    assert layer(mg.randn(*shape)).shape == expected
