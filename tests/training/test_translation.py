"""The scripts of CycleGAN: training that resumes to the bit, translating folders, scores of known
translations.
"""

import argparse
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan import training
from minigan.data.images import read_image, to_float
from minigan.evaluation import translation as translation_module
from minigan.training import translation

Image = pytest.importorskip("PIL.Image", reason="images are read and written by Pillow")
pytest.importorskip("matplotlib", reason="training draws its losses")
import score_translation  # noqa: E402
import train_cyclegan  # noqa: E402
import translate  # noqa: E402
from minigan.data import pairs as domains  # noqa: E402

SHARED = Path(__file__).parents[3] / "shared" / "data"
SMALL = (
    "--steps",
    "2",
    "--image-size",
    "16",
    "--load-size",
    "16",
    "--width",
    "2",
    "--blocks",
    "1",
    "--patch-width",
    "2",
    "--patch-layers",
    "1",
    "--quiet",
)


def refused(capsys, main, *arguments):
    """The one sentence with which a script refuses its arguments."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(list(map(str, arguments)))
    said = capsys.readouterr().err
    assert caught.value.code == 2 and len(said.strip().splitlines()) == 1, said
    return said


def write_image(path, size, mode="RGB", value=(200, 30, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "RGB" else value[0]).save(path)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run directory: two steps on the digits."""
    folder = tmp_path_factory.mktemp("cyclegan")
    train_cyclegan.main([*SMALL, "--out", str(folder)])
    return folder


@pytest.fixture
def photos(tmp_path):
    write_image(tmp_path / "in" / "wide.jpg", (21, 10))
    write_image(tmp_path / "in" / "deep" / "tall.png", (5, 33))
    write_image(tmp_path / "in" / "grey.png", (16, 16), "L")
    return tmp_path / "in"


# ---- training


@pytest.mark.parametrize(
    "options",
    [
        (
            "--pool-size",
            "6",
            "--load-size",
            "18",
            "--flip",
            "--constant-steps",
            "2",
            "--decay-steps",
            "5",
        ),
        ("--generator", "unet", "--depth", "2", "--batch-size", "1", "--identity-weight", "0"),
    ],
)
def test_stopping_and_resuming_gives_the_same_bits(tmp_path, options):
    """Four networks, two optimisers, two schedules, two pools that are full, two data orders with
    crops and flips.
    """
    train_cyclegan.main([*SMALL, *options, "--steps", "6", "--out", str(tmp_path / "whole")])
    for steps in ("3", "6"):
        rest = (
            ["--resume", "--sample-every", "1", "--quiet"] if steps == "6" else [*SMALL, *options]
        )
        train_cyclegan.main([*rest, "--steps", steps, "--out", str(tmp_path / "parts")])
    whole, parts = (tmp_path / name / "checkpoint.npz" for name in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()


def test_the_checkpoint_holds_all_that_training_changes(trained):
    state = mg.load(trained / "checkpoint.npz")
    assert sorted(state) == sorted(
        [
            "run",
            "AtoB",
            "BtoA",
            "discriminator_A",
            "discriminator_B",
            "generator_optimizer",
            "discriminator_optimizer",
            "generator_schedule",
            "discriminator_schedule",
            "pool_A",
            "pool_B",
            "batches_A",
            "batches_B",
        ]
    )
    assert len(state["pool_A"]["images"]) == 8
    assert state["generator_schedule"]["count"] == 2
    assert (
        state["batches_A"]["generator"] != state["batches_B"]["generator"]
    )  # each kind in an order of its own


def test_samples_are_rows_of_originals_translations_and_cycled_images(trained):
    pictures = read_image(trained / "samples.png").transpose(1, 2, 0)
    assert pictures.shape == (
        6 * 66 + 2,
        6 * 66 + 2,
        3,
    )  # 16 pixels, four times enlarged, and margins of 2
    rows = [pictures[66 * i + 2 : 66 * i + 66, 2:66] for i in range(6)]
    test = domains.digits(16, 16)
    for row, image in ((rows[0], test.test_a[0]), (rows[3], test.test_b[0])):
        np.testing.assert_array_equal(row[::4, ::4], image.transpose(1, 2, 0))
    assert (rows[1] != rows[0]).any()
    assert (rows[2] != rows[1]).any()


def test_the_learning_rate_is_constant_and_then_falls_to_zero(tmp_path):
    train_cyclegan.main(
        [
            *SMALL,
            "--steps",
            "4",
            "--constant-steps",
            "1",
            "--decay-steps",
            "3",
            "--out",
            str(tmp_path),
        ]
    )
    state = mg.load(tmp_path / "checkpoint.npz")
    assert (
        state["generator_optimizer"]["param_groups"][0]["lr"]
        == 0
        == state["generator_schedule"]["base"] - 1e-3
    )


def test_networks_of_ones_own_train_and_translate(tmp_path, photos):
    (tmp_path / "mine.py").write_text(
        "from minigan import nn\n"
        "def Generator(in_channels, out_channels):\n"
        "    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1)\n"
        "    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels))\n"
        "def Discriminator(in_channels):\n"
        "    return nn.Conv2d(in_channels, 1, 3)\n"
    )
    train_cyclegan.main(
        [*SMALL, "--networks", str(tmp_path / "mine.py"), "--out", str(tmp_path / "run")]
    )
    translate.main(
        [
            str(tmp_path / "run"),
            "--input",
            str(photos),
            "--out",
            str(tmp_path / "out"),
            "--networks",
            str(tmp_path / "mine.py"),
        ]
    )
    assert len(list((tmp_path / "out").rglob("*.png"))) == 3


def test_training_on_two_folders_and_on_the_published_layout(tmp_path):
    for kind, value in (("A", (250, 10, 10)), ("B", (10, 250, 10))):
        for split, count in (("train", 5), ("test", 2)):
            for i in range(count):
                write_image(
                    tmp_path / "pair" / f"{split}{kind}" / f"{i}.png", (20, 24), value=value
                )
    both = ["--data", str(tmp_path / "pair")]
    each = ["--data-a", str(tmp_path / "pair" / "trainA"), "--data-b", f"{tmp_path / 'pair'}:B"]
    for name, options in (("one", both), ("two", each)):
        train_cyclegan.main([*SMALL, *options, "--out", str(tmp_path / name)])
        real_a, real_b = (
            read_image(tmp_path / name / "samples.png")[:, 66 * row + 5, 5] for row in (0, 3)
        )
        assert real_a.tolist() == [250, 10, 10]
        assert real_b.tolist() == [10, 250, 10]


# ---- the two kinds of images


def write_pairs(path, **more):
    """20 pairs of 8 x 8 images whose values tell their number; sources of two tiles each; the
    last four are test.
    """
    images = np.broadcast_to(np.arange(20, dtype=np.uint8)[:, None, None], (20, 8, 8))
    np.savez(
        path,
        images=images,
        masks=images + 100,
        source=np.arange(20) // 2,
        split=np.arange(20) // 16 * 2,
        **more,
    )


def parse(argv):
    """The arguments of train_cyclegan.py."""
    settings = train_cyclegan.PAPER, train_cyclegan.DIGITS
    return training.parse("cyclegan", "", train_cyclegan.OPTIONS, *settings, argv)


def domains_of(*options):
    small = ["--quiet", "--image-size", "8", "--load-size", "8"]
    return domains.load(parse([*small, *map(str, options)]))


def test_halves_of_pairs_share_no_source_and_test_pairs_stay_pairs(tmp_path):
    write_pairs(tmp_path / "pairs.npz")
    pairs = domains_of(
        "--data-a",
        "pairs.npz",
        "--data-b",
        "pairs.npz:masks",
        "--halves",
        "source",
        "--data-dir",
        tmp_path,
    )
    a = pairs.a[:, 0, 0, 0]
    b = pairs.b[:, 0, 0, 0] - 100
    assert sorted([*a, *b]) == list(range(16))
    assert len(a) == 8
    assert not {*(a // 2)} & {*(b // 2)}
    assert pairs.paired
    assert (pairs.test_b - 100 == pairs.test_a).all()
    assert len(pairs.test_a) == 4


def test_grey_beside_colour_becomes_colour(tmp_path):
    np.savez(tmp_path / "grey.npz", images=noise(8, 8, 8))
    np.savez(tmp_path / "colour.npz", images=noise(9, 8, 8, 3))
    pair = domains_of("--data-a", tmp_path / "grey.npz", "--data-b", tmp_path / "colour.npz")
    assert pair.a.shape == (8, 3, 8, 8)
    assert (pair.a[:, 0] == pair.a[:, 2]).all()
    assert pair.b.shape == (9, 3, 8, 8)
    assert not pair.paired


def test_embossed_digits_are_lit_from_above_left():
    drawn = np.zeros((1, 1, 5, 5), np.uint8)
    drawn[0, 0, 2, 2] = 255
    brightness = domains.embossed(drawn)[0].astype(int).sum(0)
    light, height, shadow = (brightness[i, i] - brightness[0, 4] for i in (1, 2, 3))
    assert light > height > 0 > shadow
    assert (brightness != brightness[0, 4]).sum() == 3


def test_no_digit_is_seen_both_drawn_and_embossed():
    images = domains.digits(16, 16)
    as_embossed = domains.embossed(images.a[:, :1])
    assert not {x.tobytes() for x in as_embossed} & {x.tobytes() for x in images.b}
    assert len(images.a) + len(images.b) == 1437
    assert len(images.test_a) == len(images.test_b) == 360
    np.testing.assert_array_equal(domains.embossed(images.test_a[:, :1]), images.test_b)


@pytest.mark.parametrize(
    "options, message",
    [
        (("--data-a", "digits"), "--data-b is missing"),
        (("--data-b", "digits"), "--data-a is missing"),
        (("--data", "digits", "--data-a", "digits"), "leave out --data-a"),
        (("--data", "nowhere"), "nowhere:A is no data set and no path"),
        (("--data", "half"), "half has no folder trainB"),
        (("--data", "flat"), "flat has no folder trainA"),
        (("--data-a", "empty", "--data-b", "digits"), "empty holds no images"),
        (("--data-a", "torn", "--data-b", "digits"), "cannot read the image torn/b.png"),
        (
            ("--data-a", "torn_test", "--data-b", "digits"),
            "cannot read the image torn_test/test/b.png",
        ),
        (
            ("--image-size", "30", "--load-size", "30"),
            "ResnetGenerator: images have shape (1, 3, 30, 30), expected",
        ),
        (("--image-size", "16", "--patch-layers", "3"), "at least 24, or no score is left"),
        (("--load-size", "12"), "--load-size 12 is less than --image-size 16"),
        (("--generator", "unet", "--depth", "5"), "multiples of 32"),
        (("--batch-size", "2000"), "batch_size is 2000, expected 1 to 718"),
        (
            ("--steps", "9", "--constant-steps", "3", "--decay-steps", "5"),
            "--steps 9 is more than --constant-steps 3",
        ),
        (
            ("--data-a", "pairs.npz", "--data-b", "digits", "--halves", "source"),
            "--halves needs two arrays of one .npz",
        ),
        (
            ("--data-a", "pairs.npz", "--data-b", "pairs.npz:masks", "--halves", "patient"),
            "holds no array 'patient'",
        ),
        (
            ("--data-a", "pairs.npz", "--data-b", "pairs.npz:masks", "--halves", "same"),
            "same has shape (16,) and 1 values",
        ),
        (
            ("--data-a", "pairs.npz", "--data-b", "pairs.npz:labels", "--halves", "source"),
            "labels is int64, expected",
        ),
    ],
)
def test_a_mistake_in_the_arguments_is_one_sentence(
    tmp_path, capsys, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    write_pairs("pairs.npz", labels=np.arange(20), same=np.zeros(20))
    write_image(tmp_path / "half" / "trainA" / "1.png", (16, 16))
    write_image(tmp_path / "flat" / "1.png", (16, 16))
    write_image(tmp_path / "torn" / "a.png", (16, 16))
    write_image(tmp_path / "torn_test" / "train" / "a.png", (16, 16))
    (tmp_path / "torn_test" / "test").mkdir()
    for folder in ("torn", "torn_test/test"):
        (tmp_path / folder / "b.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    said = refused(capsys, train_cyclegan.main, *SMALL, *options)
    assert message in said
    assert not (tmp_path / "runs").exists()


def test_unreadable_training_images_are_skipped_and_named_if_told_so(tmp_path, capsys):
    for name in "abcde":
        write_image(tmp_path / "in" / f"{name}.png", (16, 16))
    (tmp_path / "in" / "torn.png").write_bytes((tmp_path / "in" / "a.png").read_bytes()[:40])
    options = [
        "--data-a",
        str(tmp_path / "in"),
        "--data-b",
        "digits",
        "--out",
        str(tmp_path / "run"),
    ]
    train_cyclegan.main([*SMALL, *options, "--skip-unreadable"])
    assert (
        "skipped: cannot read the image" in (said := capsys.readouterr().err) and "torn.png" in said
    )
    assert (
        "5 images are read; left out are unreadable images: 1 ('torn.png')" in said
    )  # also with --quiet


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"split": np.zeros(3, int)}, "source has shape (20,) and split (3,), expected one shape"),
        (
            {"source": np.zeros((20, 2)), "split": np.zeros(20, int)},
            "source has shape (20, 2) and 1 values",
        ),
        ({"source": np.array([{}] * 20, object)}, "Object arrays cannot be loaded"),
    ],
)
def test_an_array_that_does_not_divide_the_pairs_is_refused(tmp_path, arrays, message):
    kept = {"images": noise(20, 8, 8), "source": np.arange(20) // 2, **arrays}
    np.savez(tmp_path / "pairs.npz", **kept)
    with pytest.raises(ValueError) as caught:
        domains.first_half(("pairs.npz", "pairs.npz:masks"), "source", tmp_path)
    assert message in str(caught.value)


def test_a_pipe_is_not_opened_to_divide_the_pairs(tmp_path):
    os.mkfifo(tmp_path / "pairs.npz")
    with pytest.raises(ValueError, match="pairs.npz is a named pipe, expected a regular file"):
        domains.first_half(("pairs.npz", "pairs.npz:masks"), "source", tmp_path)


# ---- translating


@pytest.mark.parametrize("height, width", [(8, 8), (1, 1), (2, 9), (33, 14)])
def test_a_translation_is_that_of_the_image_padded_by_reflection(height, width):
    generator = translation.GENERATORS["resnet"](1, 1, width=2, blocks=1)
    x = to_float(noise(2, 1, height, width))
    y = translation.translate(generator, x)
    assert y.shape == x.shape
    assert y.dtype == np.float32
    more = {8: 0, 1: 7, 2: 6, 9: 3, 33: 3, 14: 2}  # to the next multiple of 4, and to 8 at least
    padded = np.pad(x, [(0, 0), (0, 0), (0, more[height]), (0, more[width])], mode="reflect")
    np.testing.assert_array_equal(y, generator(mg.tensor(padded)).numpy()[:, :, :height, :width])


def test_a_folder_of_any_sizes_is_translated_under_the_same_names(
    trained, photos, tmp_path, capsys
):
    translate.main(
        [
            str(trained),
            "--direction",
            "BtoA",
            "--input",
            str(photos),
            "--out",
            str(tmp_path / "out"),
        ]
    )
    assert "3 images translated BtoA by the generator of step 2" in capsys.readouterr().out
    written = {
        p.relative_to(tmp_path / "out"): read_image(p).shape
        for p in (tmp_path / "out").rglob("*.png")
    }
    assert written == {
        Path("wide.png"): (3, 10, 21),
        Path("deep/tall.png"): (3, 33, 5),
        Path("grey.png"): (3, 16, 16),
    }


def test_each_direction_has_its_own_generator(trained, tmp_path):
    photos = tmp_path / "in"
    photos.mkdir()
    Image.fromarray(noise(16, 16, 3)).save(
        photos / "noise.png"
    )  # instance norm makes nothing of a constant image
    pictures = []
    for direction in translation.DIRECTIONS:
        out = tmp_path / direction
        translate.main(
            [str(trained), "--direction", direction, "--input", str(photos), "--out", str(out)]
        )
        pictures.append(read_image(out / "noise.png").astype(int))
    assert abs(pictures[0] - pictures[1]).mean() > 1


def test_the_command_line_asks_argparse_for_nothing_that_python_3_14_took_away(monkeypatch):
    before = argparse.BooleanOptionalAction.__init__

    def of_python_3_14(
        self, option_strings, dest, default=None, required=False, help=None, deprecated=False
    ):
        before(self, option_strings, dest, default=default, required=required, help=help)

    monkeypatch.setattr(argparse.BooleanOptionalAction, "__init__", of_python_3_14)
    assert parse(["--out", "nowhere", "--quiet", "--no-flip"]).flip is False


def test_a_grey_generator_takes_the_luminance_of_colour():
    red, white = (np.array(rgb, np.uint8)[:, None, None] for rgb in ((255, 0, 0), (255, 255, 255)))
    assert [translation.with_channels(colour, 1).tolist() for colour in (red, white)] == [
        [[[76]]],
        [[[255]]],
    ]
    assert translation.with_channels(white[:1], 3).shape == (3, 1, 1)


def test_unreadable_files_are_all_named_and_skipped_only_if_told_so(
    trained, photos, tmp_path, capsys
):
    for name in ("torn.png", "text.jpg"):
        (photos / name).write_bytes(b"no image")
    said = refused(capsys, translate.main, trained, "--input", photos, "--out", tmp_path / "out")
    assert "torn.png" in said
    assert "text.jpg" in said
    assert "--skip-unreadable" in said
    assert not (tmp_path / "out").exists()
    translate.main(
        [str(trained), "--input", str(photos), "--out", str(tmp_path / "out"), "--skip-unreadable"]
    )
    said = capsys.readouterr().out
    assert said.count("skipped: cannot read the image") == 2
    assert "3 images translated" in said


def test_translating_says_what_of_a_folder_is_left_out_and_follows_links(
    trained, photos, tmp_path, capsys
):
    write_image(tmp_path / "elsewhere" / "more.png", (9, 9))
    os.symlink(tmp_path / "elsewhere", photos / "linked")
    os.symlink("nowhere", photos / "gone.png")
    os.mkfifo(photos / "pipe.png")
    (photos / "folder.png").mkdir()
    (photos / "notes.txt").write_text("")
    translate.main([str(trained), "--input", str(photos), "--out", str(tmp_path / "out")])
    found = capsys.readouterr()
    assert "4 images translated" in found.out
    assert (tmp_path / "out" / "linked" / "more.png").exists()
    (line,) = found.err.splitlines()
    for part in (
        "4 images are read",
        "broken links: 1 ('gone.png')",
        "pipes, sockets or devices: 1 ('pipe.png')",
        "files of other kinds: 1 ('notes.txt')",
        "folders without images: 1 ('folder.png')",
    ):
        assert part in line


def test_what_cannot_be_translated_is_refused_in_one_sentence(trained, photos, tmp_path, capsys):
    def said(run=trained, folder=photos, out=tmp_path / "out"):
        return refused(capsys, translate.main, run, "--input", folder, "--out", out)

    (tmp_path / "empty").mkdir()
    assert "empty holds no images" in said(folder=tmp_path / "empty")
    assert "nowhere is no folder" in said(folder=tmp_path / "nowhere")
    assert "lies in --input" in said(out=photos / "out")
    assert "there is no checkpoint" in said(run=tmp_path)
    mg.save(tmp_path / "dcgan.npz", {"run": {"model": "dcgan"}, "generator": {}})
    assert "dcgan.npz is of dcgan, expected one of cyclegan" in said(run=tmp_path / "dcgan.npz")
    mg.save(tmp_path / "list.npz", [1, 2])
    assert "expected one of cyclegan" in said(run=tmp_path / "list.npz")
    (tmp_path / "torn.npz").write_bytes((trained / "checkpoint.npz").read_bytes()[:-100])
    assert "torn.npz" in said(run=tmp_path / "torn.npz")
    write_image(photos / "wide.png", (4, 4))
    assert "would both become" in said()


def test_another_model_s_scripts_refuse_a_cyclegan_in_one_sentence(trained, tmp_path, capsys):
    import sample
    import train_dcgan

    assert "holds no generator of images from latents" in refused(capsys, sample.main, trained)
    assert "holds a run of cyclegan, expected dcgan" in refused(
        capsys, train_dcgan.main, "--resume", "--out", trained
    )
    shutil.copytree(trained, tmp_path / "copy")
    config = json.loads((trained / "config.json").read_text())
    (tmp_path / "copy" / "config.json").write_text(json.dumps({**config, "model": "dcgan"}))
    assert "holds a run of dcgan, expected cyclegan" in refused(
        capsys, train_cyclegan.main, "--resume", "--out", tmp_path / "copy"
    )


# ---- scores


def test_dice_of_nothing_everything_and_half():
    empty = np.zeros((4, 4), bool)
    full = np.ones((4, 4), bool)
    half = empty.copy()
    half[:2] = True
    assert translation_module.dice(empty, empty) == 1 == translation_module.dice(full, full)
    assert translation_module.dice(full, half) == pytest.approx(2 / 3)
    assert translation_module.dice(half, ~half) == 0


def test_otsus_threshold_has_the_most_variance_between_the_classes():
    """Against the definition, threshold by threshold."""
    for seed in range(5):
        image = (
            np.random.default_rng(seed)
            .normal([[60], [60], [150]], 25, (3, 40))
            .clip(0, 255)
            .astype(np.uint8)
        )
        between = [
            0.0
            if (image > t).all() or not (image > t).any()
            else (image > t).mean()
            * (image <= t).mean()
            * (image[image > t].mean() - image[image <= t].mean()) ** 2
            for t in range(256)
        ]
        assert between[translation_module.otsu(image)] == pytest.approx(max(between))


def test_the_best_recolouring_undoes_a_change_of_colours_and_nothing_else():
    x = noise(3, 1, 6, 6) // 32
    palette = noise(8, 3, seed=1)
    y = palette[x[:, 0]].transpose(0, 3, 1, 2).astype(float)
    np.testing.assert_allclose(translation_module.recoloured(x, y), y)
    shifted = np.roll(y, 1, axis=3)
    left = np.square(translation_module.recoloured(x, shifted) - shifted).mean()
    assert left > 0.8 * shifted.var((0, 2, 3)).mean()


def test_the_report_of_a_perfect_and_of_an_idle_translation():
    a = noise(30, 1, 8, 8)
    b = noise(30, 1, 8, 8, seed=1) // 128 * 255
    images = domains.Domains(a[:10], b[:10], a[10:], b[10:], paired=True)
    table = {
        bytes(to_float(x)): to_float(y) for x, y in ((images.test_a[:20], images.test_b[:20]),)
    }

    def perfect(x):
        return mg.tensor(table[bytes(np.ascontiguousarray(x.numpy()))])

    lines = translation_module.report(images, perfect, lambda x: x).splitlines()
    rows = [
        (line[:40].strip(), [float(x) for x in line[40:].split()])
        for line in lines[1:]
        if line[40:].strip()
    ]
    errors = dict(rows[:4])
    scores = dict(rows[4:])
    assert errors["translation"] == [0, errors["the image as it is"][1]]
    assert errors["translation"][1] > 20
    assert scores["translation"] == [1]
    share = (b[10:] > 0).mean((1, 2, 3))
    assert scores["all foreground"][0] == pytest.approx(np.mean(2 * share / (1 + share)), abs=1e-3)


def test_scoring_a_run_prints_the_translation_beside_what_needs_no_training(trained, capsys):
    score_translation.main([str(trained)])
    said = capsys.readouterr().out
    assert "step 2, 360 test pairs" in said
    assert "the best recolouring" in said


@pytest.mark.parametrize(
    "change",
    [
        None,
        [],
        {"data": 3},
        {"image_size": "16"},
        {"load_size": 1.5},
        {"halves": []},
        {"skip_unreadable": None},
        {"data_dir": {}},
    ],
)
def test_a_config_that_does_not_say_what_the_data_were_is_refused_in_one_sentence(
    trained, tmp_path, capsys, change
):
    shutil.copytree(trained, tmp_path / "copy")
    config = json.loads((trained / "config.json").read_text())
    config["arguments"] = {**config["arguments"], **change} if isinstance(change, dict) else change
    (tmp_path / "copy" / "config.json").write_text(json.dumps(config))
    said = refused(capsys, score_translation.main, tmp_path / "copy")
    assert re.search(
        "config.json (is damaged|does not say what the checkpoint was trained on): ", said
    )
    (tmp_path / "copy" / "config.json").unlink()
    os.mkfifo(tmp_path / "copy" / "config.json")
    assert "is a named pipe" in refused(capsys, score_translation.main, tmp_path / "copy")


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real data sets are not at {SHARED}")
def test_otsu_scores_0_905_on_the_test_tiles_of_the_microscope_and_all_foreground_0_277():
    path = SHARED / "dsb2018_fluo_64.npz"
    images, masks = (
        mg.data.load(f"{path}:{key}", split="test").images[:, 0] for key in ("images", "masks")
    )
    found = [
        translation_module.dice(x > translation_module.otsu(x), mask > 0)
        for x, mask in zip(images, masks)
    ]
    everything = [translation_module.dice(np.ones_like(mask > 0), mask > 0) for mask in masks]
    assert (round(np.mean(found), 3), round(np.mean(everything), 3)) == (0.905, 0.277)


@pytest.mark.parametrize(
    "sampling", [None, [], "batch", {"batch_statistics": "batch"}, {"batch_statistics": None}]
)
def test_a_checkpoint_that_is_sampled_otherwise_is_refused(
    trained, photos, tmp_path, capsys, sampling
):
    state = mg.load(trained / "checkpoint.npz")
    state["run"]["sampling"] = sampling
    mg.save(tmp_path / "other.npz", state)
    said = refused(
        capsys, translate.main, tmp_path / "other.npz", "--input", photos, "--out", tmp_path / "out"
    )
    assert "expected running batch statistics" in said
    assert not (tmp_path / "out").exists()
