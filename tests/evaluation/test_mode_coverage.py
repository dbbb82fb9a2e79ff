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
def restore_block():
    before = metrics.BLOCK
    yield
    metrics.BLOCK = before


@pytest.fixture(autouse=True)
def one_thread():  # as in the script's workers: for products this small a second thread only gets in the way
    with threadpool_limits(1):
        yield


# ---- the mixtures


def test_the_ring_has_eight_different_modes_on_the_unit_circle_and_the_grid_twenty_five():
    assert len(np.unique(RING.centres.round(9), axis=0)) == 8  # linspace(0, 2 pi, 8) would give 7
    np.testing.assert_allclose(np.linalg.norm(RING.centres, axis=1), 1)
    assert {tuple(centre) for centre in GRID.centres} == {
        (x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)
    }
    gap = np.linalg.norm(RING.centres - np.roll(RING.centres, 1, 0), axis=1)
    np.testing.assert_allclose(gap, 2 * np.sin(np.pi / 8))


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=list(MIXTURES))
def test_samples_have_the_mixtures_moments(mixture):
    x = mixture.sample(40_000, np.random.default_rng(0))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.mean(0), 0, atol=0.05)
    between = (mixture.centres**2).mean(0)
    np.testing.assert_allclose(x.var(0), between + mixture.sigma**2, rtol=0.03)
    nearest = mixture.centres[((x[:, None] - mixture.centres) ** 2).sum(2).argmin(1)]
    np.testing.assert_allclose((x - nearest).std(0), mixture.sigma, rtol=0.02)


# ---- the measure


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=list(MIXTURES))
def test_a_perfect_generator_has_all_modes_and_99_percent(mixture):
    metrics.BLOCK = 1000
    modes, share = metrics.mode_coverage(
        mixture.sample(100_000, np.random.default_rng(1)), mixture.centres, mixture.sigma
    )
    assert modes == len(mixture.centres)
    assert share == pytest.approx(
        1 - np.exp(-4.5), abs=0.001
    )  # Rayleigh's distribution; 0.997 is that of one axis


def test_the_distance_is_euclidean_and_three_sigma_still_count():
    centres = np.array([[0.0, 0], [10, 0]])
    inside, outside = [(3, 0), (0, -3), (10 + 2.1, 2.1), (7, 0)], [(3.01, 0), (2.2, 2.2), (5, 0)]
    assert metrics.mode_coverage(inside, centres, 1) == (2, 1)
    assert metrics.mode_coverage(outside, centres, 1) == (0, 0)
    assert metrics.mode_coverage(inside + outside, centres, 1) == (2, 4 / 7)


def test_one_good_sample_captures_a_mode_and_a_thousand_capture_no_second():
    one_mode = RING.centres[3] + np.zeros((1000, 1))
    assert metrics.mode_coverage(one_mode, RING.centres, RING.sigma) == (1, 1)
    with_one_more = np.concatenate([one_mode, RING.centres[6:7]])
    assert metrics.mode_coverage(with_one_more, RING.centres, RING.sigma) == (2, 1)


def test_modes_that_are_too_narrow_score_above_a_perfect_generator_and_too_wide_ones_below():
    z = np.random.default_rng(0).normal(size=(20_000, 2))
    narrow, right, wide = (metrics.mode_coverage(s * z, [[0.0, 0.0]], 1)[1] for s in (0.5, 1, 2))
    assert narrow > 0.9999 > 0.992 > right > 0.986
    assert wide == pytest.approx(1 - np.exp(-4.5 / 4), abs=0.01)


def test_it_works_in_any_dimension_and_on_tensors():
    centres = 100 * np.eye(5)
    x = np.repeat(centres, 3, axis=0) + 0.1
    assert metrics.mode_coverage(mg.tensor(x), centres, 1.0) == (5, 1)


@pytest.mark.parametrize(
    "samples, centres, sigma, message",
    [
        (np.zeros((3, 2)), [[0.0, 0]], 0, "sigma is 0, expected a number above 0"),
        (np.zeros((3, 2)), [[0.0, 0]], np.nan, "sigma is nan, expected"),
        (np.zeros((3, 2)), [[0.0, 1], [2, 3], [0, 1]], 1, "of the 3 centres only 2 are different"),
        (np.zeros((3, 2)), [[0.0, 1, 2]], 1, "points of samples have 2 values, of centres 3"),
        (np.full((3, 2), np.nan), [[0.0, 1]], 1, "6 of the 6 values of samples are not finite"),
        (np.zeros((0, 2)), [[0.0, 1]], 1, "samples has shape"),
    ],
)
def test_what_cannot_be_counted_is_refused(samples, centres, sigma, message):
    with pytest.raises(ValueError, match=message):
        metrics.mode_coverage(samples, centres, sigma)


def test_a_density_picture_has_points_where_they_are():
    picture = density_picture(
        np.array([[0.9, 0.75]] * 50 + [[-0.95, -0.15]]), 1.0, size=20
    )  # pixels of 0.1
    assert picture.shape == (20, 20) and picture.dtype == np.uint8
    assert {(y, x) for y, x in np.argwhere(picture < 255).tolist()} == {
        (2, 18),
        (11, 0),
    }  # rows from above
    assert picture[2, 18] == 0 < picture[11, 0]
    assert (density_picture(np.full((3, 2), 9.0), 1.0, size=4) == 255).all()  # all outside


# ---- the script


def test_the_full_protocol_is_the_published_one():
    G, D = modes_module.FULL.networks(pack=2, size=4.0)
    assert [p.shape for p in G.parameters() if p.ndim == 2] == [
        (400, 2),
        *[(400, 400)] * 3,
        (2, 400),
    ]
    assert [p.shape for p in D.parameters() if p.ndim == 2] == [
        (1000, 4),
        (1000, 200),
        (1000, 200),
        (1, 200),
    ]
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in G.modules()) == 4
    assert all(
        abs(p.numpy().std() - 0.02) < 0.005
        for p in [*G.parameters(), *D.parameters()]
        if p.ndim == 2 and p.numel() > 700
    )
    assert (
        set(modes_module.FULL.steps.values()) == {400 * 1000}
        and modes_module.FULL.batch_size == 100
    )
    assert D(mg.randn(5, 4)).shape == (5, 1) and G(mg.randn(3, 2)).shape == (3, 2)


@pytest.mark.parametrize("method", modes_module.METHODS)
def test_each_method_trains_and_a_seed_gives_the_same_points(method):
    protocol = replace(modes_module.CPU, generator=(1, 8), discriminator=(1, 8, 1), batch_size=20)

    def points(seed):
        networks = modes_module.training(protocol, RING, method, seed, steps=6)
        return [modes_module.draw_points(G, 50, 0) for _, G in networks]

    first = points(seed=3)
    assert len(first) == 6 and all((a != b).any() for a, b in zip(first, first[1:]))
    np.testing.assert_array_equal(points(seed=3), first)
    assert (points(seed=4)[-1] != first[-1]).any()


def test_a_gan_finds_both_of_two_modes():
    two = replace(RING, centres=np.array([[-1.0, 0], [1, 0]]), sigma=0.2)
    protocol = replace(modes_module.CPU, generator=(2, 32), discriminator=(2, 32, 1), batch_size=64)
    *_, (_, G) = modes_module.training(protocol, two, "pacgan2", seed=0, steps=200)
    modes, share = metrics.mode_coverage(
        modes_module.draw_points(G, 1000, 0), two.centres, two.sigma
    )
    assert modes == 2 and share > 0.7


def test_trials_are_kept_one_by_one_and_those_that_are_there_are_not_run_again(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    arguments = [
        "--data",
        "ring",
        "--method",
        "gan",
        "wgan-gp",
        "--steps",
        "2",
        "--jobs",
        "1",
        "--out",
        "results",
    ]
    script.main([*arguments, "--seeds", "1"])
    first = (tmp_path / "results" / "results.csv").read_text()
    script.main([*arguments, "--seeds", "2"])
    second = (tmp_path / "results" / "results.csv").read_text()
    assert second.startswith(first) and len(list(csv.reader(second.splitlines()))) == 1 + 4
    said = capsys.readouterr().out
    assert (
        "2 of 4 trials are to do" in said
        and "6.3 +- 0.5   98.2 %" in said
        and "not comparable" in said
    )
    (tmp_path / "results" / "results.csv").write_text("step,loss\n1,2\n")
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
    path = tmp_path / "results.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SystemExit) as caught:
        script.main(["--out", str(tmp_path)])
    said = capsys.readouterr().err
    assert (
        caught.value.code == 2
        and message in said
        and "results.csv: " in said
        and said.count("\n") == 1
    )
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())


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
