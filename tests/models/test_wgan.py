"""The WGAN's own: the critic's norms, clipping, and the schedule and signs of Algorithm 1.

The gradient penalty is in test_gradient_penalty.py; what is true of every model is in
test_models.py.
"""

import re

import numpy as np
import pytest
from linear_critic import Linear, normal

import minigan as mg
from minigan import nn
from minigan.models import dcgan, wgan
from minigan.optim import SGD

# ---- the critic


def kernel_shapes(network):
    return [p.shape for p in network.parameters() if p.ndim == 4]


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("size", [16, 32])
def test_the_critic_is_dcgans_discriminator_with_the_norm_of_choice(norm, size):
    critic = wgan.Critic(
        size,
        channels=3,
        width=4,
        norm=norm,
    )
    D = dcgan.Discriminator(
        size,
        channels=3,
        width=4,
    )
    assert kernel_shapes(critic) == kernel_shapes(D)
    scores = critic(mg.randn(2, 3, size, size))
    assert scores.shape == (2,)
    kinds = (nn.BatchNorm2d, nn.LayerNorm)
    norms = [layer for layer in critic.modules() if isinstance(layer, kinds)]
    expected = 0 if norm == "none" else size.bit_length() - 4
    assert len(norms) == expected
    for layer in norms:
        mean = layer.weight.numpy().mean()
        assert abs(mean - 1) < 0.05
        assert (layer.bias.numpy() == 0).all()


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_a_score_does_not_depend_on_the_neighbours(norm):
    critic = wgan.Critic(16, 1, width=2, norm=norm)
    x = mg.randn(4, 1, 16, 16)
    among_others = critic(x)[:1]
    alone = critic(x[:1])
    np.testing.assert_allclose(
        among_others.numpy(),
        alone.numpy(),
        rtol=1e-5,
        atol=1e-6,
    )


def weight_shapes(network):
    return [p.shape for p in network.parameters() if p.ndim == 2]


def test_the_perceptrons_are_four_layers_of_512():
    G = wgan.MLPGenerator(
        latent_dim=100,
        image_size=28,
        channels=1,
    )
    critic = wgan.MLPCritic(
        image_size=28,
        channels=1,
    )
    hidden = [(512, 512), (512, 512)]
    assert weight_shapes(G) == [(512, 100), *hidden, (784, 512)]
    assert weight_shapes(critic) == [(512, 784), *hidden, (1, 512)]
    x = G(mg.randn(3, 100))
    assert x.shape == (3, 1, 28, 28)
    assert abs(x.numpy()).max() <= 1
    assert critic(x).shape == (3,)


def test_a_norm_that_does_not_exist_is_refused():
    message = "norm is 'group', expected batch, layer, none"
    with pytest.raises(ValueError, match=message):
        wgan.Critic(norm="group")


def test_an_image_size_that_does_not_exist_is_refused():
    message = "image_size is 50, expected sides of 16 to 1024 pixels that are multiples of 8"
    with pytest.raises(ValueError, match=message):
        wgan.Critic(50)


def check_refused(network, shape, expected):
    x = mg.randn(*shape)
    message = f"shape {shape}, expected {expected}"
    with pytest.raises(ValueError, match=re.escape(message)):
        network(x)


def test_inputs_that_do_not_fit_are_refused_in_one_sentence():
    critic = wgan.Critic(16, 1, 2)
    mlp_critic = wgan.MLPCritic(4, 1, 2)
    mlp_generator = wgan.MLPGenerator(4, 4, 1, 2)
    check_refused(critic, (1, 1, 8, 8), "(N, 1, 16, 16)")
    check_refused(mlp_critic, (1, 1, 5, 5), "(N, 1, 4, 4)")
    check_refused(mlp_generator, (1, 5), "(N, 4)")


# ---- Algorithm 1


def test_the_schedule_of_critic_steps_is_the_papers():
    steps = [wgan.critic_steps(step) for step in range(1, 1001)]
    assert steps[:25] == [100] * 25
    assert steps[25:499] == [5] * 474
    longer = [i for i, n in enumerate(steps, start=1) if n == 100]
    assert longer == [*range(1, 26), 500, 1000]
    assert wgan.critic_steps(26, 2) == 2
    assert wgan.critic_steps(1000, 2) == 100


def test_clipping_limits_every_weight_and_changes_no_other():
    critic = wgan.Critic(16, 1, width=4, norm="batch")
    before = [p.numpy().copy() for p in critic.parameters()]
    largest = max(abs(was).max() for was in before)
    assert largest > 0.01
    assert wgan.clip_weights_(critic) is critic
    for p, was in zip(critic.parameters(), before):
        clipped = was.clip(-0.01, 0.01)
        np.testing.assert_array_equal(p.numpy(), clipped)
        assert p.requires_grad


def test_a_graph_from_before_the_clipping_is_refused():
    critic = wgan.MLPCritic(2, 1, hidden=3)
    x = mg.randn(2, 1, 2, 2)
    loss = critic(x).sum()
    wgan.clip_weights_(critic)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_the_losses_are_differences_of_means():
    real = normal(0, 7)
    fake = normal(1, 5)
    critic_loss = wgan.critic_loss(mg.tensor(real), mg.tensor(fake))
    generator_loss = wgan.generator_loss(mg.tensor(fake))
    mean = fake.mean()
    assert critic_loss.item() == pytest.approx(mean - real.mean())
    assert generator_loss.item() == pytest.approx(-mean)


def test_one_step_of_each_player_moves_it_the_right_way():
    """The critic learns to rise to the right, where the real points are; the fakes move there."""
    real = mg.tensor(np.full((4, 1), 2.0))
    shift = mg.tensor(np.zeros((1, 1)), requires_grad=True)
    critic = Linear([0.0])
    fake_scores = critic(shift.detach())
    loss = wgan.critic_loss(critic(real), fake_scores)
    before = loss.item()
    SGD(critic.parameters(), 0.1).minimize(loss)
    assert critic.w.item() == pytest.approx(0.2)
    after = wgan.critic_loss(critic(real), critic(shift))
    assert after.item() < before
    loss = wgan.generator_loss(critic(shift))
    SGD([shift], 1.0).minimize(loss)
    assert shift.item() == pytest.approx(0.2)


def test_the_penalised_critic_measures_the_distance_between_two_points():
    """W1 of two single points is how far they are apart: here 2."""
    mg.manual_seed(0)
    critic = Linear([0.1, -0.2])
    real = mg.tensor(np.array([[3.0, 0.0]]))
    fake = mg.tensor(np.array([[1.0, 0.0]]))
    optimizer = SGD(critic.parameters(), 0.02)
    for _ in range(500):
        loss = wgan.critic_loss(critic(real), critic(fake))
        penalty = wgan.gradient_penalty(critic, real, fake, 100.0)
        optimizer.minimize(loss + penalty)
        optimizer.lr = 0.002
    assert -loss.item() == pytest.approx(2, rel=0.03)
