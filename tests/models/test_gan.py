"""The GAN of Goodfellow et al. 2014: initial weights, pixels, packing and losses of the paper.

What is true of every model (shapes, parameter counts, gradients, steps beside PyTorch) is in
test_models.py.
"""

import numpy as np
import pytest

import minigan as mg
from minigan import functional as F
from minigan import nn
from minigan.models import gan
from minigan.optim import SGD


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def generator():
    return gan.Generator(
        latent_dim=3,
        image_size=2,
        hidden=4,
    )


def discriminator(image_size=2, pack=1):
    return gan.Discriminator(
        image_size,
        channels=1,
        units=3,
        pieces=2,
        pack=pack,
    )


BOUNDS = {
    gan.Generator: 0.05,
    gan.Discriminator: 0.005,
}


@pytest.mark.parametrize("make", BOUNDS)
def test_weights_begin_uniform_and_biases_as_zero(make):
    bound = BOUNDS[make]
    parameters = [p.numpy() for p in make().parameters()]
    weights = [p for p in parameters if p.ndim == 2]
    biases = [p for p in parameters if p.ndim == 1]
    for weight in weights[:2]:  # the last one of D is small
        largest = abs(weight).max()
        mean = weight.mean()
        assert 0.99 * bound < largest <= bound
        assert abs(mean) < bound / 10
    for bias in biases:
        assert (bias == 0).all()


def test_dropout_keeps_80_percent_of_the_pixels_and_half_of_the_units():
    D = gan.Discriminator()
    rates = [layer.p for layer in D.modules() if isinstance(layer, nn.Dropout)]
    assert rates == [0.2, 0.5, 0.5]


def test_images_lie_between_minus_one_and_one_whatever_their_shape():
    G = gan.Generator(
        latent_dim=7,
        image_size=5,
        channels=3,
        hidden=11,
    )
    D = gan.Discriminator(
        image_size=5,
        channels=3,
        units=4,
        pieces=2,
    )
    z = 100 * mg.randn(4, 7)
    x = G(z)
    assert x.shape == (4, 3, 5, 5)
    assert abs(x.numpy()).max() <= 1
    assert D(x).shape == (4,)


def maxout(x, layer):
    """The layer's maximum over two pieces, written out."""
    linear = layer.linear
    y = F.linear(mg.tensor(x), linear.weight, linear.bias).numpy()
    return y.reshape(len(x), -1, 2).max(2)


def test_the_discriminator_sees_pixels_from_zero_to_one():
    D = discriminator(image_size=4).eval()
    _, first, _, second, _, last = D.main
    generator = np.random.default_rng(0)
    pixels = generator.random((2, 16), np.float32)
    h = maxout(pixels, first)
    h = maxout(h, second)
    h = mg.tensor(h)
    expected = F.linear(h, last.weight, last.bias).flatten()
    x = 2 * pixels - 1
    x = mg.tensor(x).reshape(2, 1, 4, 4)
    np.testing.assert_allclose(
        D(x).numpy(),
        expected.numpy(),
        rtol=1e-4,
        atol=1e-9,
    )


def test_the_discriminator_drops_some_pixels_while_it_trains_but_black_ones_are_zero():
    D = discriminator(image_size=4)
    x = mg.rand(2, 1, 4, 4)
    once = D(x).numpy()
    again = D(x).numpy()
    assert (once != again).any()
    black = -mg.ones(1, 1, 4, 4)
    assert D(black).item() == 0  # nothing to drop or to multiply by a weight


@pytest.mark.parametrize("m", [1, 2, 3])
def test_a_pack_is_judged_as_one_and_its_images_stand_side_by_side(m):
    numbers = np.arange(6 * 4, dtype=np.float64)
    x = numbers.reshape(6, 1, 2, 2)
    y = gan.packed(mg.tensor(x), m)
    assert y.shape == (6 // m, 4 * m)
    first_pack = y.numpy()[0]
    np.testing.assert_array_equal(first_pack, np.arange(4 * m))
    D = discriminator(pack=m).double()
    logits = D(mg.tensor(x))
    assert logits.shape == (6 // m,)
    assert mg.gradcheck(lambda x: gan.packed(x, m) ** 2, [x])


def pairs(n, equal):
    """Images of one pixel, 1 or -1, in pairs of equal or of opposite images."""
    generator = np.random.default_rng(n)
    x = generator.choice([-1, 1], n)
    partners = x if equal else -x
    both = np.stack([x, partners], 1).astype(np.float32)
    return mg.tensor(both).reshape(2 * n, 1, 1, 1)


def test_a_pack_of_equal_images_is_told_from_one_of_different_ones():
    """What packing is for: judged alone, both kinds have the same pixels; in pairs they differ."""
    mg.manual_seed(0)
    D = gan.Discriminator(
        image_size=1,
        channels=1,
        units=16,
        pieces=2,
        pack=2,
    )
    layers = [layer for layer in D.main if not isinstance(layer, nn.Dropout)]
    D.main = nn.Sequential(*layers)
    for p in D.parameters():
        weights = 0.5 * mg.randn(*p.shape)
        p.data.copy_(weights)
    optimizer = SGD(D.parameters(), 0.1, momentum=0.9)
    for _ in range(200):
        different = D(pairs(50, equal=False))
        equal = D(pairs(50, equal=True))
        optimizer.minimize(gan.discriminator_loss(different, equal))
    different = D(pairs(40, equal=False))
    equal = D(pairs(40, equal=True))
    assert different.numpy().min() > 0
    assert equal.numpy().max() < 0


def test_the_losses_are_the_formulae_of_the_paper():
    real, fake = normal(0, 2, 9)
    D_real = 1 / (1 + np.exp(-real))
    D_fake = 1 / (1 + np.exp(-fake))
    on_real = np.log(D_real).mean()
    on_fake = np.log(1 - D_fake).mean()
    non_saturating = -np.log(D_fake).mean()
    real = mg.tensor(real)
    fake = mg.tensor(fake)
    d_loss = gan.discriminator_loss(real, fake)
    minimax_loss = gan.generator_loss(fake, minimax=True)
    g_loss = gan.generator_loss(fake)
    assert d_loss.item() == pytest.approx(-on_real - on_fake)
    assert minimax_loss.item() == pytest.approx(on_fake)
    assert g_loss.item() == pytest.approx(non_saturating)


@pytest.mark.parametrize("minimax", [False, True])
def test_both_generator_losses_pull_the_logits_up_but_only_one_pulls_when_d_is_sure(minimax):
    logits = np.array([-20.0, 0.0, 3.0])
    logits = mg.tensor(logits, requires_grad=True)
    loss = gan.generator_loss(logits, minimax=minimax)
    loss.backward()
    slopes = logits.grad.numpy()
    assert (slopes < 0).all()
    # D(G(z)) = 2e-9: the loss of the game itself teaches nothing there.
    vanishes = abs(slopes[0]) < 1e-8
    assert vanishes == minimax


def test_gradients_of_both_losses_agree_with_finite_differences_to_second_order():
    mg.manual_seed(1)
    G = generator().double()
    D = discriminator(pack=2).double().eval()
    for p in G.parameters() + D.parameters():  # the paper's weights are too small to measure
        weights = normal(p.numel(), *p.shape)
        p.data.copy_(weights)

    def discriminator_loss(z, x):
        fake_logits = D(G(z))
        return gan.discriminator_loss(D(x), fake_logits)

    def generator_loss(z):
        fake_logits = D(G(z))
        return gan.generator_loss(fake_logits, minimax=True)

    z = normal(5, 4, 3)
    x = normal(6, 4, 1, 2, 2)
    assert mg.gradcheck(discriminator_loss, [z, x])
    assert mg.gradcheck(generator_loss, [z])


def test_latents_that_do_not_fit_are_refused_in_one_sentence():
    G = generator()
    z = mg.randn(2, 6)
    message = r"latents have shape \(2, 6\), expected \(N, 3\)"
    with pytest.raises(ValueError, match=message):
        G(z)


def test_images_that_do_not_fit_are_refused_in_one_sentence():
    D = discriminator(image_size=4)
    x = mg.randn(2, 1, 5, 5)
    message = r"images have shape \(2, 1, 5, 5\), expected \(N, 1, 4, 4\)"
    with pytest.raises(ValueError, match=message):
        D(x)


def test_samples_that_make_no_whole_packs_are_refused():
    D = discriminator(pack=2)
    x = mg.randn(3, 1, 2, 2)
    with pytest.raises(ValueError, match="3 samples cannot be packed by 2"):
        D(x)
    with pytest.raises(ValueError, match="3 samples cannot be packed by 0"):
        gan.packed(x, 0)
