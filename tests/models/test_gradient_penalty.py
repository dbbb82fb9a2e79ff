"""WGAN-GP's gradient penalty against closed forms and finite differences."""

import numpy as np
import pytest
from linear_critic import Linear, normal, points

import minigan as mg
from minigan import nn
from minigan.models import dcgan, wgan
from minigan.optim import SGD


def critic_in_float64(norm):
    """A critic with weights that are not as small as the initial ones."""
    critic = wgan.Critic(
        image_size=16,
        channels=1,
        width=2,
        norm=norm,
    )
    for p in critic.double().parameters():
        weights = normal(p.numel(), *p.shape)
        p.data.copy_(0.5 * weights)
    return critic


@pytest.mark.parametrize("weight", [10.0, 0.5])
@pytest.mark.parametrize("shape", [(5, 6), (3, 2, 1, 3), (1, 6)])
def test_the_penalty_of_a_linear_critic_is_that_of_its_one_slope(shape, weight):
    w = normal(0, 6)
    critic = Linear(w)
    length = np.linalg.norm(w)
    excess = length - 1
    real = points(1, *shape)
    fake = points(2, *shape)
    penalty = wgan.gradient_penalty(critic, real, fake, weight)
    assert penalty.item() == pytest.approx(weight * excess**2, rel=1e-9)
    penalty.backward()
    expected = weight * 2 * excess * w / length
    np.testing.assert_allclose(critic.w.grad.numpy(), expected, rtol=1e-9)


def test_the_norm_is_each_samples_own():
    """The slopes 1 and 3 have the penalties 0 and 4, mean 2."""
    a = np.array([0.6, 0.8])
    slopes = np.array([1.0, 3.0])
    zeros = np.zeros((2, 2))
    x = mg.tensor(zeros)

    def critic(x):  # <x, a> on one sample, 3 <x, a> on the other
        return (x @ mg.tensor(a)) * mg.tensor(slopes)

    penalty = wgan.gradient_penalty(critic, x, x, 1.0)
    assert penalty.item() == pytest.approx(2, rel=1e-9)


def test_the_penalty_is_taken_between_real_and_fake_at_a_place_of_each_samples_own():
    seen = []

    def critic(x):
        seen.append(x.numpy().copy())
        return (x * x).flatten(1).sum(1)

    real = points(0, 50, 3)
    fake = points(1, 50, 3)
    wgan.gradient_penalty(critic, real, fake)
    (x,) = seen
    t = (x - fake.numpy()) / (real.numpy() - fake.numpy())
    of_sample = t[:, :1]
    np.testing.assert_allclose(t, of_sample * np.ones(3), rtol=1e-6)
    assert 0 <= t.min() < 0.2
    assert 0.8 < t.max() < 1
    different = np.unique(of_sample.round(9))
    assert len(different) == 50


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_critic_without_any_slope_has_a_finite_penalty_and_finite_gradients(dtype):
    critic = wgan.MLPCritic(2, 1, hidden=3).float(dtype)
    for p in critic.parameters():
        p.data.copy_(0)
    x = normal(0, 4, 1, 2, 2).astype(dtype)
    x = mg.tensor(x)
    penalty = wgan.gradient_penalty(critic, x, x * 2)
    assert penalty.item() == pytest.approx(10, rel=1e-4)
    penalty.backward()
    for p in critic.parameters():
        if p.grad is not None:
            assert np.isfinite(p.grad.numpy()).all()


def test_the_penalty_leaves_every_grad_as_it_was():
    critic = wgan.Critic(16, 1, width=2)
    G = dcgan.Generator(4, 16, 1, width=2)
    real = mg.randn(3, 1, 16, 16, requires_grad=True)
    fake = G(mg.randn(3, 4))
    others = [real, *G.parameters()]
    wgan.gradient_penalty(critic, real, fake)
    for p in [*others, *critic.parameters()]:
        assert p.grad is None
    wgan.gradient_penalty(critic, real, fake).backward()
    for p in others:  # it trains the critic alone
        assert p.grad is None
    assert any(p.grad is not None for p in critic.parameters())


def slope_along(loss, p, direction, step=1e-5):
    """The central difference of the loss as p moves in a direction."""
    before = p.numpy().copy()
    p.data.copy_(before + step * direction)
    above = loss().item()
    p.data.copy_(before - step * direction)
    below = loss().item()
    p.data.copy_(before)
    return (above - below) / (2 * step)


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_the_gradient_of_the_penalty_agrees_with_finite_differences(norm):
    """A gradient of a gradient through the whole critic, with respect to each of its weights."""
    critic = critic_in_float64(norm)
    real = points(1, 2, 1, 16, 16)
    fake = points(2, 2, 1, 16, 16)

    def penalty():
        mg.manual_seed(3)  # always at the same points
        return wgan.gradient_penalty(critic, real, fake)

    penalty().backward()
    moving = [p for p in critic.parameters() if p.grad is not None]
    assert len(moving) >= 3
    for p in moving:
        direction = normal(4, *p.shape)
        direction /= np.linalg.norm(direction)
        g = p.grad.numpy()
        found = (g * direction).sum()
        expected = slope_along(penalty, p, direction)
        tolerance = 1e-5 * abs(g).max()
        assert found == pytest.approx(expected, rel=1e-4, abs=tolerance), p.shape


def test_a_critic_is_pulled_to_slope_one():
    mg.manual_seed(0)
    critic = Linear([3.0, 4.0])
    optimizer = SGD(critic.parameters(), 0.02)
    real = points(1, 8, 2)
    fake = points(2, 8, 2)
    for _ in range(200):
        penalty = wgan.gradient_penalty(critic, real, fake)
        optimizer.minimize(penalty)
    length = np.linalg.norm(critic.w.numpy())
    assert length == pytest.approx(1, abs=1e-6)


def test_a_critic_with_batch_norm_is_refused():
    critic = wgan.Critic(16, 1, 2, norm="batch")
    x = mg.randn(2, 1, 16, 16)
    message = "the critic has batch norm, .* expected layer norm, or none"
    with pytest.raises(ValueError, match=message):
        wgan.gradient_penalty(critic, x, x)
    critic = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    x = mg.randn(2, 2)
    with pytest.raises(ValueError, match=message):
        wgan.gradient_penalty(critic, x, x)


def test_batches_of_different_sizes_are_refused():
    critic = Linear([1.0])
    real = mg.randn(2, 1)
    fake = mg.randn(3, 1)
    message = r"real has shape \(2, 1\) and fake \(3, 1\), expected one shape"
    with pytest.raises(ValueError, match=message):
        wgan.gradient_penalty(critic, real, fake)
