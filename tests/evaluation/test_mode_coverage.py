"""Mode coverage: the measure against closed forms and its known traps, the mixtures, and the
script that counts.
"""

import csv
import os
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import minigan as mg
import mode_coverage as script
from minigan import nn
from minigan.data.toys import GRID, MIXTURES, RING, density_picture
from minigan.evaluation import metrics
from minigan.evaluation import modes as modes_module


@pytest.fixture(autouse=True)
def one_thread():
    """As in the script's workers: for such small products a second thread does not pay."""
    with threadpool_limits(1):
        yield


def random(seed):
    return np.random.default_rng(seed)


# ---- the mixtures


def test_the_ring_has_eight_different_modes_on_the_unit_circle_and_the_grid_twenty_five():
    assert len(np.unique(RING.centres.round(9), axis=0)) == 8  # linspace(0, 2 pi, 8) would give 7
    np.testing.assert_allclose(np.linalg.norm(RING.centres, axis=1), 1)
    steps = (-4, -2, 0, 2, 4)
    expected = {(x, y) for x in steps for y in steps}
    assert {tuple(centre) for centre in GRID.centres} == expected
    neighbours = np.roll(RING.centres, 1, 0)
    gaps = np.linalg.norm(RING.centres - neighbours, axis=1)
    np.testing.assert_allclose(gaps, 2 * np.sin(np.pi / 8))


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=list(MIXTURES))
def test_samples_have_the_mixtures_moments(mixture):
    x = mixture.sample(40_000, random(0))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.mean(0), 0, atol=0.05)
    between = (mixture.centres**2).mean(0)
    np.testing.assert_allclose(x.var(0), between + mixture.sigma**2, rtol=0.03)
    differences = x[:, None] - mixture.centres  # (samples, modes, 2)
    squares = (differences**2).sum(2)
    nearest = mixture.centres[squares.argmin(1)]
    deviations = (x - nearest).std(0)
    np.testing.assert_allclose(deviations, mixture.sigma, rtol=0.02)


# ---- the measure


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=list(MIXTURES))
def test_a_perfect_generator_has_all_modes_and_99_percent(mixture):
    metrics.BLOCK = 1000
    samples = mixture.sample(100_000, random(1))
    modes, share = metrics.mode_coverage(samples, mixture.centres, mixture.sigma)
    assert modes == len(mixture.centres)
    # Rayleigh's distribution; 0.997 is that of one axis.
    assert share == pytest.approx(1 - np.exp(-4.5), abs=0.001)


def test_the_distance_is_euclidean_and_three_sigma_still_count():
    centres = np.array([[0.0, 0], [10, 0]])
    inside = [(3, 0), (0, -3), (10 + 2.1, 2.1), (7, 0)]
    outside = [(3.01, 0), (2.2, 2.2), (5, 0)]
    assert metrics.mode_coverage(inside, centres, 1) == (2, 1)
    assert metrics.mode_coverage(outside, centres, 1) == (0, 0)
    assert metrics.mode_coverage(inside + outside, centres, 1) == (2, 4 / 7)


def test_one_good_sample_captures_a_mode_and_a_thousand_capture_no_second():
    one_mode = RING.centres[3] + np.zeros((1000, 1))
    assert metrics.mode_coverage(one_mode, RING.centres, RING.sigma) == (1, 1)
    with_one_more = np.concatenate([one_mode, RING.centres[6:7]])
    assert metrics.mode_coverage(with_one_more, RING.centres, RING.sigma) == (2, 1)


def test_modes_that_are_too_narrow_score_above_a_perfect_generator_and_too_wide_ones_below():
    z = random(0).normal(size=(20_000, 2))
    origin = [[0.0, 0.0]]
    _, narrow = metrics.mode_coverage(0.5 * z, origin, 1)
    _, right = metrics.mode_coverage(z, origin, 1)
    _, wide = metrics.mode_coverage(2 * z, origin, 1)
    assert narrow > 0.9999
    assert 0.992 > right > 0.986
    assert wide == pytest.approx(1 - np.exp(-4.5 / 4), abs=0.01)


def test_it_works_in_any_dimension_and_on_tensors():
    centres = 100 * np.eye(5)
    x = np.repeat(centres, 3, axis=0) + 0.1
    assert metrics.mode_coverage(mg.tensor(x), centres, 1.0) == (5, 1)


POINTS = np.zeros((3, 2))
ONE = [[0.0, 0.0]]
REFUSED = {  # words of the refusal -> (samples, centres, sigma)
    "sigma is 0, expected a number above 0": (POINTS, ONE, 0),
    "sigma is nan, expected": (POINTS, ONE, np.nan),
    "of the 3 centres only 2 are different": (POINTS, [[0.0, 1], [2, 3], [0, 1]], 1),
    "points of samples have 2 values, of centres 3": (POINTS, [[0.0, 1, 2]], 1),
    "6 of the 6 values of samples are not finite": (POINTS * np.nan, ONE, 1),
    "samples has shape": (np.zeros((0, 2)), ONE, 1),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_counted_is_refused(message):
    samples, centres, sigma = REFUSED[message]
    with pytest.raises(ValueError, match=message):
        metrics.mode_coverage(samples, centres, sigma)


def test_a_density_picture_has_points_where_they_are():
    many = [[0.9, 0.75]] * 50
    one = [[-0.95, -0.15]]
    points = np.array(many + one)
    picture = density_picture(points, 1.0, size=20)  # pixels of 0.1
    assert picture.shape == (20, 20)
    assert picture.dtype == np.uint8
    drawn = np.argwhere(picture < 255)
    assert drawn.tolist() == [[2, 18], [11, 0]]  # rows from above
    assert picture[2, 18] == 0
    assert picture[11, 0] > 0


def test_a_density_picture_of_points_outside_is_empty():
    picture = density_picture(np.full((3, 2), 9.0), 1.0, size=4)
    assert (picture == 255).all()


# ---- the script


def test_the_full_protocol_is_the_published_one():
    protocol = modes_module.FULL
    G, D = protocol.networks(pack=2, size=4.0)
    of_G = [p for p in G.parameters() if p.ndim == 2]
    of_D = [p for p in D.parameters() if p.ndim == 2]
    assert [p.shape for p in of_G] == [
        (400, 2),
        (400, 400),
        (400, 400),
        (400, 400),
        (2, 400),
    ]
    assert [p.shape for p in of_D] == [
        (1000, 4),
        (1000, 200),
        (1000, 200),
        (1, 200),
    ]
    norms = [layer for layer in G.modules() if isinstance(layer, nn.BatchNorm1d)]
    assert len(norms) == 4
    for p in of_G + of_D:
        if p.numel() > 700:
            deviation = p.numpy().std()
            assert abs(deviation - 0.02) < 0.005
    assert set(protocol.steps.values()) == {400 * 1000}
    assert protocol.batch_size == 100
    assert D(mg.randn(5, 4)).shape == (5, 1)
    assert G(mg.randn(3, 2)).shape == (3, 2)


def small_protocol(generator, discriminator, batch_size):
    return replace(
        modes_module.CPU,
        generator=generator,
        discriminator=discriminator,
        batch_size=batch_size,
    )


@pytest.mark.parametrize("method", modes_module.METHODS)
def test_each_method_trains_and_a_seed_gives_the_same_points(method):
    protocol = small_protocol((1, 8), (1, 8, 1), batch_size=20)

    def points(seed):
        networks = modes_module.training(protocol, RING, method, seed, steps=6)
        return [modes_module.draw_points(G, 50, 0) for _, G in networks]

    first = points(seed=3)
    assert len(first) == 6
    for before, after in zip(first, first[1:]):
        assert (before != after).any()
    np.testing.assert_array_equal(points(seed=3), first)
    other = points(seed=4)
    assert (other[-1] != first[-1]).any()


def test_a_gan_finds_both_of_two_modes():
    two = replace(RING, centres=np.array([[-1.0, 0], [1, 0]]), sigma=0.2)
    protocol = small_protocol((2, 32), (2, 32, 1), batch_size=64)
    *_, last = modes_module.training(protocol, two, "pacgan2", seed=0, steps=200)
    _, G = last
    points = modes_module.draw_points(G, 1000, 0)
    modes, share = metrics.mode_coverage(points, two.centres, two.sigma)
    assert modes == 2
    assert share > 0.7


def test_trials_are_kept_one_by_one_and_those_that_are_there_are_not_run_again(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    arguments = "--data ring --method gan wgan-gp --steps 2 --jobs 1 --out results".split()
    results = tmp_path / "results" / "results.csv"
    script.main([*arguments, "--seeds", "1"])
    first = results.read_text()
    script.main([*arguments, "--seeds", "2"])
    second = results.read_text()
    assert second.startswith(first)
    rows = list(csv.reader(second.splitlines()))
    assert len(rows) == 1 + 4
    said = capsys.readouterr().out
    for words in ("2 of 4 trials are to do", "6.3 +- 0.5   98.2 %", "not comparable"):
        assert words in said
    results.write_text("step,loss\n1,2\n")
    with pytest.raises(SystemExit):
        script.main(arguments)


HEADER = ",".join(modes_module.COLUMNS) + "\n"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "it has the columns , expected protocol"),
        (b"\xff\xfe", "can't decode byte"),
        (HEADER + "cpu,ring", "has 2 columns, expected 8"),
        (HEADER + "cpu,ring,gan,0,10,x,0.5,1\n", "invalid literal"),
        (HEADER + "cpu,ring,gan,0,10,3,half,1\n", "could not convert"),
        (HEADER + "\n\n", "has 0 columns, expected 8"),
        ("a" * 200_000, "field larger than field limit"),
        (HEADER + "cpu,ring,gan,\0,10,3,1,1\n", "cannot read"),
    ],
)
def test_results_that_are_torn_or_something_else_are_refused_in_one_sentence(
    tmp_path, capsys, content, message
):
    if isinstance(content, str):
        content = content.encode()
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    with pytest.raises(SystemExit) as caught:
        script.main(["--out", str(tmp_path)])
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert message in said
    assert "results.csv: " in said
    assert said.count("\n") == 1
    assert path.read_bytes() == content


def test_results_that_are_no_regular_file_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "results.csv")
    with pytest.raises(ValueError, match="results.csv is a named pipe, expected a regular file"):
        modes_module.read_results(tmp_path / "results.csv")


def test_the_table_has_mean_and_standard_error():
    results = {
        ("cpu", "ring", "gan", seed, 5): (modes, share, 60.0)
        for seed, (modes, share) in enumerate([(6, 0.5), (8, 0.7)])
    }
    row = modes_module.table(results).splitlines()[1]
    assert "7.0 +- 1.0" in row and "60.0 +- 10.0 %" in row and "1.0   6.3 +- 0.5" in row
