"""What does not fit a network or a layer is refused where it enters, in one sentence."""

import pytest

import minigan as mg
from minigan import nn

IMAGES = (None, 3, 8, 8)


def refusal_of(x_shape, shape):
    """What nn.expect says about a tensor of x_shape."""
    with pytest.raises(ValueError) as refusal:
        nn.expect(mg.zeros(x_shape), shape, "Critic: images")
    return str(refusal.value)


@pytest.mark.parametrize("x_shape", [(2, 1, 8, 8), (2, 3, 8, 4), (2, 3), (2, 3, 8, 8, 1), ()])
def test_an_input_of_another_shape_is_refused_with_both_shapes(x_shape):
    words = f"Critic: images have shape {x_shape}, expected (N, 3, 8, 8)"
    said = refusal_of(x_shape, IMAGES)
    assert said == words


def test_the_size_of_the_batch_may_be_expected_too():
    assert refusal_of((2, 3), (4, 3)).endswith("(2, 3), expected (4, 3)")


@pytest.mark.parametrize("x_shape", [(2, 3), (0, 3), (700, 3)])
def test_none_stands_for_any_size(x_shape):
    nn.expect(mg.zeros(x_shape), (None, 3), "Critic: images")


def test_a_scalar_may_be_expected():
    nn.expect(mg.tensor(1.0), (), "Critic: scores")
    with pytest.raises(ValueError, match=r"scores have shape \(1,\), expected \(\)"):
        nn.expect(mg.zeros(1), (), "Critic: scores")


@pytest.mark.parametrize(
    "layer, x_shape",
    [
        (nn.Linear(2, 3), (1, 2)),
        (nn.Conv2d(2, 3, 1), (1, 2, 4, 4)),
        (nn.ConvTranspose2d(2, 3, 1), (1, 2, 4, 4)),
        (nn.Embedding(2, 3), (1,)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_layer_whose_weight_is_none_says_so(layer, x_shape):
    x = mg.zeros(x_shape)
    layer.weight = None
    name = type(layer).__name__
    words = f"{name}: its weight is None, expected a Parameter"
    with pytest.raises(TypeError, match=words):
        layer(x)


def test_a_norm_without_weight_and_bias_only_normalises():
    x = mg.randn(4, 3)
    for norm in (nn.LayerNorm(3), nn.BatchNorm1d(3)):
        before = norm(x)  # the weights begin as ones and the biases as zeros
        norm.weight = None
        norm.bias = None
        after = norm(x)
        assert after.numpy().tolist() == before.numpy().tolist()


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, None])
@pytest.mark.parametrize(
    "layer, name, arguments",
    [
        (nn.Embedding, "num_embeddings", {"embedding_dim": 2}),
        (nn.Embedding, "embedding_dim", {"num_embeddings": 2}),
        (nn.Maxout, "pieces", {"in_features": 2, "out_features": 3}),
        (nn.PixelShuffle, "upscale_factor", {}),
        (nn.BatchNorm2d, "num_features", {}),
    ],
)
def test_a_setting_that_is_no_positive_whole_number_is_refused(layer, name, arguments, wrong):
    words = f"{name} is {wrong}, expected a whole number of at least 1"
    with pytest.raises(ValueError, match=words):
        layer(**arguments, **{name: wrong})


def test_an_axis_is_split_into_a_tuple_or_a_list_of_sizes():
    with pytest.raises(TypeError, match="unflattened_size is 6, expected a tuple or list"):
        nn.Unflatten(1, 6)
    layer = nn.Unflatten(1, [2, 3])
    y = layer(mg.zeros(4, 6))
    assert y.shape == (4, 2, 3)
