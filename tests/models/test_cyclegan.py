"""CycleGAN's networks have the published layers, and its patches have the published size.

What is true of every model (parameter counts, gradients, steps beside PyTorch) is in
test_models.py; the image pool is in test_image_pool.py.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan import functional as F
from minigan import nn
from minigan.models import cyclegan
from minigan.models.cyclegan import PatchDiscriminator, ResnetGenerator, UnetGenerator


def weight_shapes(network):
    return [p.shape for _, p in network.named_parameters() if p.ndim > 1]


# ---- as published


def test_the_layers_of_the_residual_generator_are_the_papers():
    """c7s1-64, d128, d256, nine times R256, u128, u64, c7s1-3."""
    blocks = [(256, 256, 3, 3)] * 18
    assert weight_shapes(ResnetGenerator()) == [
        (64, 3, 7, 7),
        (128, 64, 3, 3),
        (256, 128, 3, 3),
        *blocks,
        (256, 128, 3, 3),
        (128, 64, 3, 3),
        (3, 64, 7, 7),
    ]


def test_the_layers_of_the_discriminator_are_the_papers():
    """C64-C128-C256-C512 and a last convolution to one score."""
    assert weight_shapes(PatchDiscriminator()) == [
        (64, 3, 4, 4),
        (128, 64, 4, 4),
        (256, 128, 4, 4),
        (512, 256, 4, 4),
        (1, 512, 4, 4),
    ]


def test_the_channels_of_the_u_net_double_up_to_512_and_its_skip_connections_double_them_again():
    assert [shape[:2] for shape in weight_shapes(UnetGenerator(depth=5))] == [
        (64, 3),
        (128, 64),
        (256, 128),
        (512, 256),
        (512, 512),  # down: (out, in)
        (512, 512),
        (1024, 256),
        (512, 128),
        (256, 64),
        (128, 3),
    ]  # up: (in, out)


@pytest.mark.parametrize(
    "network",
    [
        ResnetGenerator(width=32, blocks=1),
        UnetGenerator(width=32, depth=3),
        PatchDiscriminator(width=32),
    ],
)
def test_weights_begin_as_normal_numbers_of_standard_deviation_2_percent_and_biases_as_zero(
    network,
):
    kernels = [p.numpy().ravel() for p in network.parameters() if p.ndim > 1]
    weights = np.concatenate(kernels)
    standard_error = 0.02 / len(weights) ** 0.5
    assert weights.std() == pytest.approx(0.02, rel=0.02)
    assert abs(weights.mean()) < 5 * standard_error
    assert not any(p.numpy().any() for p in network.parameters() if p.ndim == 1)


@pytest.mark.parametrize("n_layers, patch", [(3, 70), (2, 34), (1, 16)])
def test_one_score_sees_a_patch_of_the_published_size_and_all_of_it(n_layers, patch):
    """The gradient of one score is zero outside its receptive field.

    Instance norm, whose mean sees all pixels, is taken out.
    """
    D = PatchDiscriminator(1, width=3, n_layers=n_layers).double()
    for layer in D.modules():
        if isinstance(layer, nn.InstanceNorm2d):
            layer.forward = lambda x, negative_slope: F.leaky_relu(x, negative_slope)
    x = mg.randn(1, 1, 128, 128, dtype=np.float64, requires_grad=True)
    scores = D(x)
    middle = scores.shape[2] // 2
    (slope,) = mg.grad(scores[0, 0, middle, middle], x)
    seen = slope.numpy()[0, 0] != 0
    for axis in (0, 1):
        lines = np.flatnonzero(seen.any(axis))
        assert len(lines) == patch
        assert lines[-1] - lines[0] == patch - 1
    assert seen.sum() == patch**2


# ---- sizes


@given(st.integers(2, 6), st.integers(2, 6), st.integers(1, 2))
@settings(max_examples=10)
def test_a_translation_has_the_size_of_its_original(height, width, n):
    x = mg.randn(n, 1, 4 * height, 4 * width)
    resnet = ResnetGenerator(1, 3, width=2, blocks=1)
    unet = UnetGenerator(1, 3, width=2, depth=2)
    for G in (resnet, unet):
        y = G(x).numpy()
        assert y.shape == (n, 3, 4 * height, 4 * width)
        assert abs(y).max() < 1


@pytest.mark.parametrize("n_layers", [1, 2, 3, 4])
def test_the_smallest_image_leaves_a_discriminator_one_score_and_a_smaller_one_is_refused(n_layers):
    D = PatchDiscriminator(1, width=2, n_layers=n_layers)
    least = 3 * 2**n_layers
    assert D(mg.zeros(1, 1, least, least + 1)).shape == (1, 1, 1, 1)
    message = rf"{least - 1}\), expected .* at least {least}, or no score is left"
    with pytest.raises(ValueError, match=message):
        D(mg.zeros(1, 1, least, least - 1))


RESNET = ResnetGenerator(3, 3, width=2, blocks=1)


@pytest.mark.parametrize(
    "network, shape, message",
    [
        (RESNET, (1, 3, 30, 32), r"\(1, 3, 30, 32\), expected .* multiples of 4.*halves twice"),
        (RESNET, (1, 3, 4, 8), "at least 8"),
        (RESNET, (1, 1, 8, 8), r"expected \(N, 3, H, W\)"),
        (RESNET, (3, 8, 8), r"expected \(N, 3, H, W\)"),
        (UnetGenerator(1, 1, 2, 4), (1, 1, 24, 16), "multiples of 16, .*halves 4 times"),
        (PatchDiscriminator(3, 2), (2, 1, 64, 64), r"expected \(N, 3, H, W\)"),
    ],
)
def test_images_that_do_not_fit_are_refused_in_one_sentence(network, shape, message):
    with pytest.raises(ValueError, match=message):
        network(mg.zeros(*shape))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: PatchDiscriminator(n_layers=0), "n_layers is 0"),
        (lambda: UnetGenerator(depth=1), "depth is 1"),
    ],
)
def test_networks_that_are_none_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---- losses


def test_the_losses_are_squares_and_the_discriminators_is_halved():
    real = mg.tensor([1.0, 3.0])
    fake = mg.tensor([0.0, -2.0])
    real_loss = (0 + 4) / 2
    fake_loss = (0 + 4) / 2
    found = cyclegan.discriminator_loss(real, fake).item()
    assert found == pytest.approx(0.5 * (real_loss + fake_loss))
    assert cyclegan.generator_loss(fake).item() == pytest.approx((1 + 9) / 2)
    assert cyclegan.generator_loss(mg.ones(3)).item() == 0
    assert cyclegan.discriminator_loss(mg.ones(3), mg.zeros(3)).item() == 0


# ---- PyTorch: the networks, with more channels and blocks than in the table of models


@pytest.fixture
def twins():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed")
    torch.set_num_threads(1)
    import twins

    return twins


def check_same_outputs(ours, theirs):
    import torch

    generator = np.random.default_rng(0)
    for p, q in zip(ours.double().parameters(), theirs.parameters(), strict=True):
        assert p.shape == tuple(q.shape)
        values = generator.standard_normal(p.shape) * 0.2  # no layer is idle
        with mg.no_grad(), torch.no_grad():
            p.copy_(values)
            q.copy_(torch.from_numpy(values))
    x = generator.standard_normal((2, 3, 24, 16))
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(mg.tensor(x)).numpy(), expected, rtol=1e-10, atol=1e-12)


def test_the_residual_generator_agrees_with_pytorch(twins):
    check_same_outputs(ResnetGenerator(3, 3, 3, 2), twins.resnet_generator(3, 3, 2))


def test_the_u_net_agrees_with_pytorch(twins):
    check_same_outputs(UnetGenerator(3, 3, 3, 3), twins.Unet(3, 3))


def test_the_discriminator_agrees_with_pytorch(twins):
    check_same_outputs(PatchDiscriminator(3, 3, 2), twins.patch_discriminator(3, 3))
