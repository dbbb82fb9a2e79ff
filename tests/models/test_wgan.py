"""The WGAN and its gradient penalty: against closed forms, finite differences, and the papers'
schedules and signs.
"""

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.models import dcgan, wgan
from minigan.optim import SGD


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def in_float64(network, seed=0):
    """The network in float64 with weights that are not as small as the initial ones."""
    for p in network.double().parameters():
        p.requires_grad_(False).copy_(0.5 * normal(seed + p.numel(), *p.shape)).requires_grad_()
    return network


class Linear(nn.Module):
    """f(x) = <w, x>, whose slope is w everywhere."""

    def __init__(self, w):
        self.w = nn.Parameter(np.asarray(w, float))

    def forward(self, x):
        return x.flatten(1) @ self.w


# ---- the gradient penalty


@pytest.mark.parametrize("weight", [10.0, 0.5])
@pytest.mark.parametrize("shape", [(5, 6), (3, 2, 1, 3), (1, 6)])
def test_the_penalty_of_a_linear_critic_is_that_of_its_one_slope(shape, weight):
    w = normal(0, 6)
    length = np.linalg.norm(w)
    critic = Linear(w)
    penalty = wgan.gradient_penalty(
        critic, mg.tensor(normal(1, *shape)), mg.tensor(normal(2, *shape)), weight
    )
    assert penalty.item() == pytest.approx(weight * (length - 1) ** 2, rel=1e-9)
    penalty.backward()
    np.testing.assert_allclose(
        critic.w.grad.numpy(), weight * 2 * (length - 1) * w / length, rtol=1e-9
    )


def test_the_norm_is_each_samples_own():
    """f(x) = <x, a> |x|^0 on one sample, 3 <x, a> on the other: slopes 1 and 3 have the penalties
    0 and 4, mean 2.
    """
    a = mg.tensor(np.array([0.6, 0.8]))
    scale = mg.tensor(np.array([1.0, 3.0]))
    zeros = mg.tensor(np.zeros((2, 2)))
    assert wgan.gradient_penalty(
        lambda x: (x @ a) * scale, zeros, zeros, 1.0
    ).item() == pytest.approx(2, rel=1e-9)


def test_the_penalty_is_taken_between_real_and_fake_at_a_place_of_each_samples_own():
    seen = []

    def critic(x):
        seen.append(x.numpy().copy())
        return (x * x).flatten(1).sum(1)

    real, fake = mg.tensor(normal(0, 50, 3)), mg.tensor(normal(1, 50, 3))
    wgan.gradient_penalty(critic, real, fake)
    t = (seen[0] - fake.numpy()) / (real.numpy() - fake.numpy())
    np.testing.assert_allclose(t, t[:, :1] * np.ones(3), rtol=1e-6)
    assert 0 <= t.min() < 0.2 and 0.8 < t.max() < 1 and len(np.unique(t[:, 0].round(9))) == 50


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_critic_without_any_slope_has_a_finite_penalty_and_finite_gradients(dtype):
    critic = wgan.MLPCritic(2, 1, hidden=3).float(dtype)
    with mg.no_grad():
        for p in critic.parameters():
            p.copy_(0)
    x = mg.tensor(normal(0, 4, 1, 2, 2).astype(dtype))
    penalty = wgan.gradient_penalty(critic, x, x * 2)
    assert penalty.item() == pytest.approx(10, rel=1e-4)
    penalty.backward()
    assert all(p.grad is None or np.isfinite(p.grad.numpy()).all() for p in critic.parameters())


def test_the_penalty_leaves_every_grad_as_it_was():
    critic, G = wgan.Critic(16, 1, width=2), dcgan.Generator(4, 16, 1, width=2)
    real, fake = (
        mg.tensor(normal(0, 3, 1, 16, 16).astype(np.float32), requires_grad=True),
        G(mg.randn(3, 4)),
    )
    wgan.gradient_penalty(critic, real, fake)
    assert all(t.grad is None for t in [real, *critic.parameters(), *G.parameters()])
    wgan.gradient_penalty(critic, real, fake).backward()
    assert all(t.grad is None for t in [real, *G.parameters()])  # it trains the critic alone
    assert any(p.grad is not None for p in critic.parameters())


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_the_gradient_of_the_penalty_agrees_with_finite_differences(norm):
    """A gradient of a gradient through the whole critic, with respect to each of its weights."""
    critic = in_float64(wgan.Critic(16, 1, width=2, norm=norm))
    real, fake = (mg.tensor(normal(seed, 2, 1, 16, 16)) for seed in (1, 2))

    def penalty():
        mg.manual_seed(3)  # always at the same points
        return wgan.gradient_penalty(critic, real, fake)

    penalty().backward()
    moving = [p for p in critic.parameters() if p.grad is not None]
    assert len(moving) >= 3
    for p in moving:
        u = normal(4, *p.shape)
        u /= np.linalg.norm(u)
        sides, before = [], p.numpy().copy()
        for step in (1e-5, -1e-5):
            with mg.no_grad():
                p.copy_(before + step * u)
            sides.append(penalty().item())
        with mg.no_grad():
            p.copy_(before)
        numeric, found = (sides[0] - sides[1]) / 2e-5, (p.grad.numpy() * u).sum()
        assert found == pytest.approx(numeric, rel=1e-4, abs=1e-5 * abs(p.grad.numpy()).max()), (
            p.shape
        )


def test_a_critic_is_pulled_to_slope_one():
    mg.manual_seed(0)
    critic = Linear([3.0, 4.0])
    optimizer = SGD(critic.parameters(), 0.02)
    for _ in range(200):
        optimizer.zero_grad()
        wgan.gradient_penalty(
            critic, mg.tensor(normal(1, 8, 2)), mg.tensor(normal(2, 8, 2))
        ).backward()
        optimizer.step()
    assert np.linalg.norm(critic.w.numpy()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: wgan.gradient_penalty(
                wgan.Critic(16, 1, 2, norm="batch"), *[mg.randn(2, 1, 16, 16)] * 2
            ),
            "the critic has batch norm, .* expected layer norm, or none",
        ),
        (
            lambda: wgan.gradient_penalty(
                nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), *[mg.randn(2, 2)] * 2
            ),
            "the critic has batch norm",
        ),
        (
            lambda: wgan.gradient_penalty(Linear([1.0]), mg.randn(2, 1), mg.randn(3, 1)),
            r"real has shape \(2, 1\) and fake \(3, 1\), expected one shape",
        ),
        (lambda: wgan.Critic(norm="group"), "norm is 'group', expected batch, layer, none"),
        (lambda: wgan.Critic(48), "image_size is 48, expected 16, 32, 64 or 128"),
        (
            lambda: wgan.Critic(16, 1, 2)(mg.randn(1, 1, 8, 8)),
            r"shape \(1, 1, 8, 8\), expected \(N, 1, 16, 16\)",
        ),
        (
            lambda: wgan.MLPCritic(4, 1, 2)(mg.randn(1, 1, 5, 5)),
            r"shape \(1, 1, 5, 5\), expected \(N, 1, 4, 4\)",
        ),
        (
            lambda: wgan.MLPGenerator(4, 4, 1, 2)(mg.randn(1, 5)),
            r"shape \(1, 5\), expected \(N, 4\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- the critic


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("size", [16, 32])
def test_the_critic_is_dcgans_discriminator_with_the_norm_of_choice(norm, size):
    critic, D = wgan.Critic(size, 3, width=4, norm=norm), dcgan.Discriminator(size, 3, width=4)
    convolutions = [
        [p.shape for p in network.parameters() if p.ndim == 4] for network in (critic, D)
    ]
    assert convolutions[0] == convolutions[1]
    assert critic(mg.randn(2, 3, size, size)).shape == (2,)
    norms = [
        layer for layer in critic.modules() if isinstance(layer, (nn.BatchNorm2d, nn.LayerNorm))
    ]
    assert len(norms) == (0 if norm == "none" else size.bit_length() - 4)
    assert all(
        abs(layer.weight.numpy().mean() - 1) < 0.05 and (layer.bias.numpy() == 0).all()
        for layer in norms
    )


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_a_score_does_not_depend_on_the_neighbours(norm):
    critic = wgan.Critic(16, 1, width=2, norm=norm)
    x = mg.randn(4, 1, 16, 16)
    np.testing.assert_allclose(critic(x).numpy()[:1], critic(x[:1]).numpy(), rtol=1e-5, atol=1e-6)


def test_the_perceptrons_are_four_layers_of_512():
    G, critic = wgan.MLPGenerator(100, 28, 1), wgan.MLPCritic(28, 1)
    assert [p.shape for p in G.parameters() if p.ndim == 2] == [
        (512, 100),
        (512, 512),
        (512, 512),
        (784, 512),
    ]
    assert [p.shape for p in critic.parameters() if p.ndim == 2] == [
        (512, 784),
        (512, 512),
        (512, 512),
        (1, 512),
    ]
    x = G(mg.randn(3, 100))
    assert x.shape == (3, 1, 28, 28) and abs(x.numpy()).max() <= 1 and critic(x).shape == (3,)


# ---- Algorithm 1


def test_the_schedule_of_critic_steps_is_the_papers():
    steps = [wgan.critic_steps(step) for step in range(1, 1001)]
    assert steps[:25] == [100] * 25 and steps[25:499] == [5] * 474
    assert [i + 1 for i, n in enumerate(steps) if n == 100] == [*range(1, 26), 500, 1000]
    assert wgan.critic_steps(26, 2) == 2 and wgan.critic_steps(1000, 2) == 100


def test_clipping_limits_every_weight_and_changes_no_other():
    critic = wgan.Critic(16, 1, width=4, norm="batch")
    before = [p.numpy().copy() for p in critic.parameters()]
    assert wgan.clip_weights_(critic) is critic
    for p, was in zip(critic.parameters(), before):
        np.testing.assert_array_equal(p.numpy(), was.clip(-0.01, 0.01))
        assert p.requires_grad
    assert any((abs(was) > 0.01).any() for was in before)


def test_a_graph_from_before_the_clipping_is_refused():
    critic = wgan.MLPCritic(2, 1, hidden=3)
    loss = critic(mg.randn(2, 1, 2, 2)).sum()
    wgan.clip_weights_(critic)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_the_losses_are_differences_of_means():
    real, fake = mg.tensor(normal(0, 7)), mg.tensor(normal(1, 5))
    assert wgan.critic_loss(real, fake).item() == pytest.approx(
        fake.numpy().mean() - real.numpy().mean()
    )
    assert wgan.generator_loss(fake).item() == pytest.approx(-fake.numpy().mean())


def test_one_step_of_each_player_moves_it_the_right_way():
    """Real points lie right of the fakes: the critic learns to rise to the right, and the fakes
    move to the right.
    """
    real, shift = mg.tensor(np.full((4, 1), 2.0)), mg.tensor(np.zeros((1, 1)), requires_grad=True)
    critic = Linear([0.0])
    loss = wgan.critic_loss(critic(real), critic(shift.detach()))
    loss.backward()
    SGD(critic.parameters(), 0.1).step()
    assert critic.w.item() == pytest.approx(0.2)
    assert wgan.critic_loss(critic(real), critic(shift)).item() < loss.item()
    wgan.generator_loss(critic(shift)).backward()
    SGD([shift], 1.0).step()
    assert shift.item() == pytest.approx(0.2)


def test_the_penalised_critic_measures_the_distance_between_two_points():
    """W1 of two single points is how far they are apart: here 2."""
    mg.manual_seed(0)
    critic = Linear([0.1, -0.2])
    real, fake = mg.tensor(np.tile([3.0, 0.0], (16, 1))), mg.tensor(np.tile([1.0, 0.0], (16, 1)))
    optimizer = SGD(critic.parameters(), 0.02)
    for _ in range(500):
        optimizer.zero_grad()
        loss = wgan.critic_loss(critic(real), critic(fake))
        (loss + wgan.gradient_penalty(critic, real, fake, 100.0)).backward()
        optimizer.step()
        optimizer.lr = 0.002
    assert -loss.item() == pytest.approx(2, rel=0.03)
