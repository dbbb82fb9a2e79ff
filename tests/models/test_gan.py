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


@pytest.mark.parametrize("make, bound", [(gan.Generator, 0.05), (gan.Discriminator, 0.005)])
def test_weights_begin_uniform_and_biases_as_zero(make, bound):
    parameters = [p.numpy() for p in make().parameters()]
    weights = [p for p in parameters if p.ndim == 2]
    for weight in weights[:2]:  # the last one of D is small
        assert 0.99 * bound < abs(weight).max() <= bound
        assert abs(weight.mean()) < bound / 10
    assert not any(p.any() for p in parameters if p.ndim == 1)


def test_dropout_keeps_80_percent_of_the_pixels_and_half_of_the_units():
    D = gan.Discriminator()
    rates = [layer.p for layer in D.modules() if isinstance(layer, nn.Dropout)]
    assert rates == [0.2, 0.5, 0.5]


def test_images_lie_between_minus_one_and_one_whatever_their_shape():
    G = gan.Generator(latent_dim=7, image_size=5, channels=3, hidden=11)
    x = G(100 * mg.randn(4, 7))
    assert x.shape == (4, 3, 5, 5)
    assert abs(x.numpy()).max() <= 1
    D = gan.Discriminator(5, 3, units=4, pieces=2)
    assert D(x).shape == (4,)


def maxout(x, layer):
    """The layer's maximum over two pieces, written out."""
    linear = layer.linear
    y = F.linear(mg.tensor(x), linear.weight, linear.bias).numpy()
    return y.reshape(len(x), -1, 2).max(2)


def test_the_discriminator_sees_pixels_from_zero_to_one():
    D = gan.Discriminator(image_size=4, units=3, pieces=2).eval()
    pixels = np.random.default_rng(0).random((2, 16)).astype(np.float32)
    h = maxout(maxout(pixels, D.main[1]), D.main[3])
    last = D.main[5]
    expected = F.linear(mg.tensor(h), last.weight, last.bias).numpy()[:, 0]
    x = mg.tensor(2 * pixels.reshape(2, 1, 4, 4) - 1)
    np.testing.assert_allclose(D(x).numpy(), expected, rtol=1e-4, atol=1e-9)


def test_the_discriminator_drops_some_pixels_while_it_trains_but_black_ones_are_zero():
    D = gan.Discriminator(image_size=4, units=3, pieces=2)
    x = mg.rand(2, 1, 4, 4)
    assert (D(x).numpy() != D(x).numpy()).any()
    black = mg.tensor(-np.ones((1, 1, 4, 4), np.float32))
    assert D(black).item() == 0  # nothing to drop or to multiply by a weight


@pytest.mark.parametrize("m", [1, 2, 3])
def test_a_pack_is_judged_as_one_and_its_images_stand_side_by_side(m):
    numbers = np.arange(6 * 4, dtype=np.float64)
    x = mg.tensor(numbers.reshape(6, 1, 2, 2))
    y = gan.packed(x, m)
    assert y.shape == (6 // m, 4 * m)
    np.testing.assert_array_equal(y.numpy()[0], np.arange(4 * m))
    D = gan.Discriminator(2, 1, units=3, pieces=2, pack=m).double()
    assert D(x).shape == (6 // m,)
    assert mg.gradcheck(lambda x: gan.packed(x, m) ** 2, [x.numpy()])


def pairs(n, equal):
    """Images of one pixel, 1 or -1, in pairs of equal or of opposite images."""
    x = np.random.default_rng(n).choice([-1, 1], n).astype(np.float32)
    partners = x if equal else -x
    return mg.tensor(np.stack([x, partners], 1).reshape(2 * n, 1, 1, 1))


def test_a_pack_of_equal_images_is_told_from_one_of_different_ones():
    """What packing is for: judged alone, both kinds have the same pixels; in pairs they differ."""
    mg.manual_seed(0)
    D = gan.Discriminator(1, 1, units=16, pieces=2, pack=2)
    layers = [layer for layer in vars(D.main).values() if not isinstance(layer, nn.Dropout)]
    D.main = nn.Sequential(*layers)
    with mg.no_grad():
        for p in D.parameters():
            p.copy_(0.5 * mg.randn(*p.shape))
    optimizer = SGD(D.parameters(), 0.1, momentum=0.9)
    for _ in range(200):
        different = D(pairs(50, equal=False))
        equal = D(pairs(50, equal=True))
        optimizer.minimize(gan.discriminator_loss(different, equal))
    assert D(pairs(40, equal=False)).numpy().min() > 0
    assert D(pairs(40, equal=True)).numpy().max() < 0


def test_the_losses_are_the_formulae_of_the_paper():
    real, fake = normal(0, 2, 9)
    D_real = 1 / (1 + np.exp(-real))
    D_fake = 1 / (1 + np.exp(-fake))
    value = np.mean(np.log(D_real)) + np.mean(np.log(1 - D_fake))
    real = mg.tensor(real)
    fake = mg.tensor(fake)
    minimax = gan.generator_loss(fake, minimax=True)
    assert gan.discriminator_loss(real, fake).item() == pytest.approx(-value)
    assert minimax.item() == pytest.approx(np.mean(np.log(1 - D_fake)))
    assert gan.generator_loss(fake).item() == pytest.approx(-np.mean(np.log(D_fake)))


@pytest.mark.parametrize("minimax", [False, True])
def test_both_generator_losses_pull_the_logits_up_but_only_one_pulls_when_d_is_sure(minimax):
    logits = mg.tensor(np.array([-20.0, 0.0, 3.0]), requires_grad=True)
    gan.generator_loss(logits, minimax=minimax).backward()
    slopes = logits.grad.numpy()
    assert (slopes < 0).all()
    # D(G(z)) = 2e-9: the loss of the game itself teaches nothing there.
    vanishes = abs(slopes[0]) < 1e-8
    assert vanishes == minimax


def test_gradients_of_both_losses_agree_with_finite_differences_to_second_order():
    mg.manual_seed(1)
    G = gan.Generator(latent_dim=3, image_size=2, hidden=4).double()
    D = gan.Discriminator(2, 1, units=3, pieces=2, pack=2).double().eval()
    with mg.no_grad():
        for p in G.parameters() + D.parameters():  # the paper's weights are too small to measure
            p.copy_(normal(p.numel(), *p.shape))

    def discriminator_loss(z, x):
        return gan.discriminator_loss(D(x), D(G(z)))

    def generator_loss(z):
        return gan.generator_loss(D(G(z)), minimax=True)

    z = normal(5, 4, 3)
    assert mg.gradcheck(discriminator_loss, [z, normal(6, 4, 1, 2, 2)])
    assert mg.gradcheck(generator_loss, [z])


def test_latents_and_images_that_do_not_fit_are_refused_in_one_sentence():
    G = gan.Generator(5, 4, hidden=3)
    D = gan.Discriminator(4, 1, 3, 2)
    with pytest.raises(ValueError, match=r"latents have shape \(2, 6\), expected \(N, 5\)"):
        G(mg.randn(2, 6))
    message = r"images have shape \(2, 1, 5, 5\), expected \(N, 1, 4, 4\)"
    with pytest.raises(ValueError, match=message):
        D(mg.randn(2, 1, 5, 5))


def test_samples_that_make_no_whole_packs_are_refused():
    D = gan.Discriminator(4, 1, 3, 2, pack=2)
    with pytest.raises(ValueError, match="3 samples cannot be packed by 2"):
        D(mg.randn(3, 1, 4, 4))
    with pytest.raises(ValueError, match="3 samples cannot be packed by 0"):
        gan.packed(mg.randn(3, 2), 0)
