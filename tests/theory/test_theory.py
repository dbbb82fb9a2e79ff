"""The theory scripts prove what they say, and each of them can fail.

The quick ones run whole here; of the slow ones only a part does, and the whole is marked slow.
"""

import itertools

import claims
import function_space
import gaussian
import mode_collapse
import numpy as np
import optimal_discriminator
import pytest
import saturation
import wasserstein

import minigan as mg

QUICK = [
    (function_space, 40),
    (saturation, 300),
    (gaussian, 800),
    (optimal_discriminator, 400),
]
SLOW = [
    (gaussian, 2000),
    (optimal_discriminator, 1500),
    (wasserstein, 600),
    (mode_collapse, 100),
]  # its film alone depends on the steps


def name(value):
    return getattr(value, "__name__", value)


def shows(script, steps, folder, capsys):
    """Run a script to its end and look at what it leaves."""
    suffix = ".gif" if script is mode_collapse else ".png"
    picture = folder / f"picture{suffix}"
    script.main(["--out", str(picture), "--steps", str(steps)])
    assert picture.read_bytes()[:4] == {".png": b"\x89PNG", ".gif": b"GIF8"}[suffix]
    said = capsys.readouterr().out
    claimed = said.count("apart (allowed") + said.count(" <= ")
    assert claimed >= 4
    assert str(picture) in said


@pytest.mark.parametrize("script, steps", QUICK, ids=name)
def test_the_claims_hold(script, steps, tmp_path, capsys):
    shows(script, steps, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("script, steps", SLOW, ids=name)
def test_the_claims_of_the_whole_script_hold(script, steps, tmp_path, capsys):
    shows(script, steps, tmp_path, capsys)


@pytest.mark.parametrize("script", [gaussian, optimal_discriminator, wasserstein], ids=name)
def test_without_training_the_claims_do_not_hold(script, tmp_path):
    with pytest.raises(AssertionError, match="this does not hold"):
        script.main(["--out", str(tmp_path / "picture.png"), "--steps", "1"])
    assert not list(tmp_path.iterdir())


# ---- claims


def test_a_claim_fails_beyond_its_tolerance_and_for_nan():
    claims.claim("pi", np.pi, 3.14, 0.01)
    claims.claim("many", np.ones(3), [1, 1, 1.1], 0.11)
    wrong = [
        (np.pi, 3.0),
        (np.nan, 3.0),
        (3.0, np.inf),
        ([3.0, 3.2], 3.0),
    ]
    for found, formula in wrong:
        with pytest.raises(AssertionError, match="this does not hold: pi: .* apart"):
            claims.claim("pi", found, formula, 0.01)


def test_a_claim_of_an_order_fails_outside_it_and_for_nan():
    claims.claim_between("order", 1, 1, 2)
    for found in (0.9, 2.1, np.nan):
        with pytest.raises(AssertionError, match="this does not hold: order: 1 <= "):
            claims.claim_between("order", 1, found, 2)


def test_a_picture_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit):
        gaussian.main(["--out", "picture.gif"])
    assert "expected a name that ends in .png" in capsys.readouterr().err


# ---- the closed forms, checked against something else than the scripts check them against


def dirichlet(seed):
    """Six probabilities."""
    return np.random.default_rng(seed).dirichlet(np.ones(6))


def test_a_step_in_function_space_is_half_way_to_the_data():
    p = dirichlet(seed=0)
    g = dirichlet(seed=1)
    path = function_space.descend(p, g, 2, rate=1)
    expected = [
        g,
        (g + p) / 2,
        (g + 3 * p) / 4,
    ]
    np.testing.assert_allclose(path, expected, rtol=1e-12)
    for q in path:
        wanted = 0
        for a, b in zip(p, q):
            wanted += a * np.log(a / (a + b))
            wanted += b * np.log(b / (a + b))
        found = function_space.value(p, mg.tensor(q)).item()
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_gradients_by_quadrature_are_those_over_many_samples():
    theta = 1.5
    z = np.random.default_rng(0).standard_normal(400_000)
    D = 1 / (1 + np.exp(theta * (z + theta) - theta**2 / 2))
    logit = saturation.best_logit(theta)
    minimax = saturation.gradient(theta, logit, True)
    assert minimax == pytest.approx(theta * D.mean(), rel=0.01)
    other = saturation.gradient(theta, logit, False)
    assert other == pytest.approx(theta * (1 - D).mean(), rel=0.01)


@pytest.mark.parametrize("m, s", wasserstein.GAUSSIANS)
def test_w1_is_the_mean_distance_of_sorted_samples_and_the_extra_that_of_a_histogram(m, s):
    generator = np.random.default_rng(0)
    p = np.sort(generator.standard_normal(200_000))
    q = np.sort(m + s * generator.standard_normal(200_000))
    w1, extra = wasserstein.exact(m, s)
    assert w1 == pytest.approx(np.abs(p - q).mean(), rel=0.01)

    t = generator.random(len(p))
    between = t * generator.permutation(p) + (1 - t) * generator.permutation(q)
    width = 0.25  # of a bin
    counts, edges = np.histogram(between, bins=np.arange(-15, 15.01, width))
    often = counts > 10
    centres = (edges[1:] + edges[:-1]) / 2
    x = centres[often]
    density = counts[often] / len(p) / width
    gap = (np.searchsorted(p, x) - np.searchsorted(q, x)) / len(p)
    integral = np.sum(gap**2 / (2 * wasserstein.WEIGHT * density)) * width
    assert integral == pytest.approx(extra, rel=0.05)


def test_a_penalised_critic_measures_the_distance_of_parallel_lines_and_a_discriminator_does_not(
    monkeypatch,
):
    monkeypatch.setattr(wasserstein, "THETAS", (0.5, 1.0))
    mg.manual_seed(0)
    on_lines = claims.one_thread(wasserstein.on_lines)
    critic, clipped, jsd, critic_pull, gan_pull = on_lines(150)
    np.testing.assert_allclose(critic, [0.5125, 1.05], rtol=0.02)
    np.testing.assert_allclose(clipped, [0.005, 0.01], rtol=0.05)
    np.testing.assert_allclose(jsd, np.log(2), rtol=0.01)
    np.testing.assert_allclose(critic_pull, [1.025, 1.05], rtol=0.02)
    assert abs(gan_pull).max() < 0.01


def test_a_generator_alone_collapses():
    mg.manual_seed(0)
    spread, loss = mode_collapse.against_a_resting_discriminator(600).T
    assert spread[0] > 1.9
    assert spread[-1] < 0.01
    assert loss[-1] == pytest.approx(np.log(1.25), rel=0.01)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_the_jsd_of_packs_is_that_of_all_of_them_written_out(m):
    n, k = 4, 3
    p = np.full(n**m, 1 / n**m)
    packs = itertools.product(range(n), repeat=m)
    q = np.array([(max(pack) < k) / k**m for pack in packs])
    middle = (p + q) / 2
    some = q > 0  # 0 log 0 is 0
    of_p = np.sum(p * np.log(p / middle))
    of_q = np.sum(q[some] * np.log(q[some] / middle[some]))
    found = mode_collapse.twice_jsd((k / n) ** m)
    assert found == pytest.approx(of_p + of_q, rel=1e-12)


def test_a_film_shows_every_mixture_and_method(monkeypatch, capsys):
    monkeypatch.setattr(mode_collapse, "FRAMES", 2)
    film = claims.one_thread(mode_collapse.film)
    frames = film(4, seed=0)
    assert frames.shape[:3] == (2, 4, 1)
    assert frames.dtype == np.uint8
    assert capsys.readouterr().out.count("within 3 sigma") == 4
