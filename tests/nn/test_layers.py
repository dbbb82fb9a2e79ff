"""Each layer has the parameters, the shapes and the modes that PyTorch's has."""

import copy

import numpy as np
import pytest
from weights import arrays, same

import minigan as mg
from minigan import nn


@pytest.mark.parametrize(
    "layer, shapes",
    [
        (
            nn.Linear(2, 3),
            [(3, 2), (3,)],
        ),
        (
            nn.Conv2d(2, 3, (4, 5)),
            [(3, 2, 4, 5), (3,)],
        ),
        (
            nn.Conv2d(2, 3, np.int64(4)),
            [(3, 2, 4, 4), (3,)],
        ),
        (
            nn.ConvTranspose2d(2, 3, 4, bias=False),
            [(2, 3, 4, 4)],
        ),
        (
            nn.BatchNorm2d(3, affine=False),
            [],
        ),
        (
            nn.InstanceNorm2d(3),
            [],
        ),
        (
            nn.InstanceNorm2d(3, affine=True),
            [(3,), (3,)],
        ),
        (
            nn.LayerNorm((2, 3)),
            [(2, 3), (2, 3)],
        ),
        (
            nn.Maxout(4, 3, 5),
            [(15, 4), (15,)],
        ),
        (
            nn.Embedding(7, 2),
            [(7, 2)],
        ),
        (
            nn.PixelShuffle(2),
            [],
        ),
    ],
)
def test_layers_have_the_parameters_of_their_kind(layer, shapes):
    assert [p.shape for p in layer.parameters()] == shapes
    assert all(p.requires_grad and p.dtype == np.float32 for p in layer.parameters())


def test_initial_weights_fill_the_interval_that_pytorch_s_fill():
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


def test_dropout_and_batch_norm_know_the_mode():
    mg.manual_seed(0)
    x = mg.randn(8, 3)
    drop = nn.Dropout(0.5)
    norm = nn.BatchNorm1d(3)
    assert (drop(x).numpy() == 0).any()
    assert drop.eval()(x) is x
    norm(x)
    mean = x.numpy().mean(0)
    variance = x.numpy().var(0, ddof=1)
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * mean, atol=1e-6)
    np.testing.assert_allclose(norm.running_var.numpy(), 0.9 + 0.1 * variance, atol=1e-6)
    assert norm.num_batches_tracked.item() == 1
    before = arrays(norm)
    norm.eval()(x)
    assert same(arrays(norm), before)


def test_the_count_of_batches_stays_on_the_cpu():
    norm = nn.BatchNorm1d(3, momentum=None)
    twin = copy.deepcopy(norm)
    x = mg.randn(8, 3)
    norm(x)
    norm(x)
    twin(x)
    assert norm.num_batches_tracked.item() == 2
    assert twin.num_batches_tracked.item() == 1
    twin.load_state_dict(norm.state_dict())
    twin.num_batches_tracked.copy_(norm.num_batches_tracked)
    for each in (norm, twin, copy.deepcopy(twin)):
        count = each.num_batches_tracked
        assert type(count.array) is np.ndarray
        assert count.item() == 2
        assert count.dtype == np.int64
        assert each.state_dict()["num_batches_tracked"].dtype == np.int64


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
        (
            nn.Flatten(),
            (2, 3, 4),
            (2, 12),
        ),
        (
            nn.Unflatten(1, (3, 4)),
            (2, 12),
            (2, 3, 4),
        ),
        (
            nn.Unflatten(-1, (3, 4)),
            (2, 12),
            (2, 3, 4),
        ),
        (
            nn.ReflectionPad2d(1),
            (2, 3, 4, 4),
            (2, 3, 6, 6),
        ),
        (
            nn.ReflectionPad2d((1, 2, 0, 3)),
            (2, 3, 4, 4),
            (2, 3, 7, 7),
        ),
        (
            nn.Upsample(scale_factor=2),
            (2, 3, 4, 5),
            (2, 3, 8, 10),
        ),
        (
            nn.Upsample(7, mode="bilinear"),
            (2, 3, 4, 5),
            (2, 3, 7, 7),
        ),
        (
            nn.PixelShuffle(2),
            (2, 8, 3, 3),
            (2, 2, 6, 6),
        ),
        (
            nn.Maxout(4, 3, 5),
            (2, 4),
            (2, 3),
        ),
        (
            nn.Linear(4, 3),
            (2, 5, 4),
            (2, 5, 3),
        ),
        (
            nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1, output_padding=1),
            (1, 2, 5, 5),
            (1, 3, 11, 11),
        ),
        (
            nn.Conv2d(2, 3, (1, 3), stride=(1, 2), padding=(0, 1)),
            (1, 2, 4, 7),
            (1, 3, 4, 4),
        ),
    ],
)
def test_layers_give_the_shapes_they_promise(layer, shape, expected):
    assert layer(mg.randn(*shape)).shape == expected
