"""The GAN of Goodfellow et al. 2014: networks as in the paper, losses as in its formulae,
gradients to second order.
"""

import numpy as np
import pytest

import minigan as mg
from minigan import functional as F
from minigan import nn
from minigan.models import gan
from minigan.optim import SGD


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_the_networks_are_those_of_the_paper():
    G, D = gan.Generator(), gan.Discriminator()
    assert parameters(G) == 100 * 1200 + 1200 + 1200 * 1200 + 1200 + 1200 * 784 + 784
    assert parameters(D) == 784 * 240 * 5 + 240 * 5 + 240 * 240 * 5 + 240 * 5 + 240 + 1
    for network, bound in ((G, 0.05), (D, 0.005)):
        weights = [p.numpy() for p in network.parameters() if p.ndim == 2]
        assert all(
            0.99 * bound < abs(w).max() <= bound and abs(w.mean()) < bound / 10 for w in weights[:2]
        )
        assert all((p.numpy() == 0).all() for p in network.parameters() if p.ndim == 1)
    assert [layer.p for layer in D.modules() if isinstance(layer, nn.Dropout)] == [0.2, 0.5, 0.5]


def test_images_lie_between_minus_one_and_one_whatever_their_shape():
    G = gan.Generator(latent_dim=7, image_size=5, channels=3, hidden=11)
    x = G(100 * mg.randn(4, 7))
    assert x.shape == (4, 3, 5, 5) and abs(x.numpy()).max() <= 1
    assert gan.Discriminator(5, 3, units=4, pieces=2)(x).shape == (4,)


def test_the_discriminator_sees_pixels_from_zero_to_one_and_drops_some_while_training():
    D = gan.Discriminator(image_size=4, units=3, pieces=2).eval()
    pixels = np.random.default_rng(0).random((2, 16)).astype(np.float32)
    a, b, c = D.main[1].linear, D.main[3].linear, D.main[5]
    h = F.linear(mg.tensor(pixels), a.weight, a.bias).numpy().reshape(2, 3, 2).max(2)
    h = F.linear(mg.tensor(h), b.weight, b.bias).numpy().reshape(2, 3, 2).max(2)
    expected = F.linear(mg.tensor(h), c.weight, c.bias).numpy()[:, 0]
    x = mg.tensor(2 * pixels.reshape(2, 1, 4, 4) - 1)
    np.testing.assert_allclose(D(x).numpy(), expected, rtol=1e-4, atol=1e-9)
    D.train()
    assert (D(x).numpy() != D(x).numpy()).any()
    black = mg.tensor(-np.ones((1, 1, 4, 4), np.float32))
    assert (
        D(black).item() == 0
    )  # the paper's black pixels are zero, so there is nothing to drop or to weigh


@pytest.mark.parametrize("m", [1, 2, 3])
def test_a_pack_is_judged_as_one_and_its_images_stand_side_by_side(m):
    x = mg.tensor(np.arange(6 * 4, dtype=np.float64).reshape(6, 1, 2, 2))
    y = gan.packed(x, m)
    assert y.shape == (6 // m, 4 * m)
    np.testing.assert_array_equal(y.numpy()[0], np.arange(4 * m))
    D = gan.Discriminator(2, 1, units=3, pieces=2, pack=m).double()
    assert D(x).shape == (6 // m,)
    assert mg.gradcheck(lambda x: gan.packed(x, m) ** 2, [x.numpy()])


def test_a_pack_of_equal_images_is_told_from_one_of_different_ones():
    """What packing is for: judged alone, the two kinds below have the same pixels; side by side
    they differ.
    """
    mg.manual_seed(0)
    D = gan.Discriminator(1, 1, units=16, pieces=2, pack=2)
    D.main = nn.Sequential(
        *(layer for layer in D.main.__dict__.values() if not isinstance(layer, nn.Dropout))
    )
    for p in D.parameters():
        p.requires_grad_(False).copy_(0.5 * mg.randn(*p.shape)).requires_grad_()
    optimizer = SGD(D.parameters(), 0.1, momentum=0.9)

    def pairs(n, equal):
        x = np.random.default_rng(n).choice([-1, 1], n).astype(np.float32)
        return mg.tensor(np.stack([x, x if equal else -x], 1).reshape(2 * n, 1, 1, 1))

    for _ in range(200):
        loss = gan.discriminator_loss(D(pairs(50, False)), D(pairs(50, True)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert D(pairs(40, False)).numpy().min() > 0 > D(pairs(40, True)).numpy().max()


def test_the_losses_are_the_formulae_of_the_paper():
    real, fake = np.random.default_rng(0).normal(size=(2, 9))
    D_real, D_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    real, fake = mg.tensor(real), mg.tensor(fake)
    value = np.mean(np.log(D_real)) + np.mean(np.log(1 - D_fake))
    assert gan.discriminator_loss(real, fake).item() == pytest.approx(-value)
    assert gan.generator_loss(fake, minimax=True).item() == pytest.approx(
        np.mean(np.log(1 - D_fake))
    )
    assert gan.generator_loss(fake).item() == pytest.approx(-np.mean(np.log(D_fake)))


@pytest.mark.parametrize("minimax", [False, True])
def test_both_generator_losses_pull_the_logits_up_but_only_one_pulls_when_d_is_sure(minimax):
    logits = mg.tensor(np.array([-20.0, 0.0, 3.0]), requires_grad=True)
    gan.generator_loss(logits, minimax=minimax).backward()
    slopes = logits.grad.numpy()
    assert (slopes < 0).all()
    assert (
        abs(slopes[0]) < 1e-8
    ) == minimax  # D(G(z)) = 2e-9: the game's own loss teaches nothing there


def test_gradients_of_both_networks_agree_with_finite_differences_to_second_order():
    mg.manual_seed(1)
    G = gan.Generator(latent_dim=3, image_size=2, hidden=4).double()
    D = gan.Discriminator(2, 1, units=3, pieces=2, pack=2).double().eval()
    for p in (
        G.parameters() + D.parameters()
    ):  # weights as small as the paper's leave nothing to measure
        p.requires_grad_(False).copy_(
            np.random.default_rng(p.numel()).normal(size=p.shape)
        ).requires_grad_()
    z, x = (np.random.default_rng(5).normal(size=shape) for shape in ((4, 3), (4, 1, 2, 2)))
    assert mg.gradcheck(lambda z, x: gan.discriminator_loss(D(x), D(G(z))), [z, x])
    assert mg.gradcheck(lambda z: gan.generator_loss(D(G(z)), minimax=True), [z])


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: gan.Generator(5, 4, hidden=3)(mg.randn(2, 6)),
            r"latents have shape \(2, 6\), expected \(N, 5\)",
        ),
        (
            lambda: gan.Discriminator(4, 1, 3, 2)(mg.randn(2, 1, 5, 5)),
            r"images have shape \(2, 1, 5, 5\), expected \(N, 1, 4, 4\)",
        ),
        (
            lambda: gan.Discriminator(4, 1, 3, 2, pack=2)(mg.randn(3, 1, 4, 4)),
            "3 samples cannot be packed by 2",
        ),
        (lambda: gan.packed(mg.randn(3, 2), 0), "3 samples cannot be packed by 0"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
