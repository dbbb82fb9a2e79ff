"""examples/evaluate.py, and the data set that a run is compared with."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from digits import REAL, TRAIN

from minigan import files
from minigan.data import images
from minigan.evaluation import classifier
from minigan.evaluation import report as report_module
from minigan.evaluation.classifier import area_resize

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def run(script, *arguments, cwd):
    return subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments],
        cwd=cwd,
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def evaluate(*arguments, cwd):
    return run("evaluate.py", *arguments, cwd=cwd)


ROWS = (
    "Inception-style score",
    "Frechet distance",
    "precision",
    "recall",
    "density",
    "coverage",
    "trained network's two-sample test",
    "Parzen log-likelihood",
    "1-nearest-neighbour two-sample test",
)


def test_the_script_reports_on_a_run(tmp_path):
    options = "--steps 2 --width 8 --quiet --out run".split()
    assert run("train_dcgan.py", *options, cwd=tmp_path).returncode == 0
    done = evaluate("run", "-n", "50", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("device cpu") and "quality of 50 samples" in done.stdout
    for row in ROWS:  # with figures of the samples and of real images
        found = re.search(rf"^{row}[a-z, ]* +(\S+) +(\S+)", done.stdout, re.M)
        assert found, row
        for figure in found.groups():
            assert np.isfinite(float(figure.rstrip("%"))), row
    (tmp_path / "run" / "config.json").write_text("{}")
    done = evaluate("run", cwd=tmp_path)
    assert (
        done.returncode == 2
        and "config.json is damaged" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_the_script_refuses_what_is_no_run(tmp_path):
    done = evaluate("nowhere", cwd=tmp_path)
    assert (
        done.returncode == 2
        and "there is no folder or file nowhere" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_data_are_compared_at_the_smaller_size(monkeypatch):
    monkeypatch.setattr(classifier, "LEAST_STEPS", 5)
    assert (
        "8 x 8, against 360 test images of digits, 8 x 8"
        in report_module.measure(REAL[:50], "digits").title
    )
    larger = report_module.measure(REAL[:50].repeat(3, 2).repeat(3, 3), "digits")
    assert "24 x 24, against 360 test images of digits, 8 x 8" in larger.title
    smaller = report_module.measure(area_resize(REAL[:50], 4, 4), "digits")
    assert (
        "4 x 4, against 360 test images of digits, 4 x 4" in smaller.title
        and smaller.resized_halves is None
    )


def test_without_a_test_split_a_fifth_of_the_training_images_stands_in(tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, image in enumerate(TRAIN.images[:20]):
        images.save_png(
            folder / f"{i:02}.png", image[0].repeat(1 + i % 2, 0).repeat(1 + i % 2, 1)
        )  # of two sizes
    train, test = report_module.load_splits(folder, 8)
    assert (len(train), len(test)) == (16, 4)
    assert "has no split 'test'" in capsys.readouterr().err
    assert "against 4 test images" in report_module.measure(REAL[:30], str(folder)).title


@pytest.mark.parametrize("count, is_enough", [(2, False), (9, False), (10, True)])
def test_too_few_images_without_a_test_split_are_refused(tmp_path, capsys, count, is_enough):
    for i, image in enumerate(TRAIN.images[:count]):
        images.save_png(tmp_path / f"{i:02}.png", image[0])
    if is_enough:
        report = report_module.measure(REAL[:30], str(tmp_path))
        assert "against 2 test images" in report.title
        return
    few = f"has {count} training images and no test images, expected at least 10, of which every"
    with pytest.raises(ValueError, match=few):
        report_module.measure(REAL[:30], str(tmp_path))
    assert "instead" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"arguments": null}',
        b'{"arguments": {"data": 3, "data_dir": null}}',
        b'{"arguments": {"data": ["a"], "data_dir": null}}',
        b'{"arguments": {"data": "a", "data_dir": {}}}',
        b"[" * 100_000,
        b" " * (1 << 21),
    ],
)
def test_a_config_that_does_not_say_what_the_data_were_is_damaged(tmp_path, content):
    (tmp_path / "checkpoint.npz").write_bytes(b"")
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(
        ValueError, match="config.json (is damaged|does not say .*, give --data): "
    ) as caught:
        report_module.data_of(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_config_that_is_a_pipe_is_not_opened(tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"")
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(ValueError, match="config.json is a named pipe, expected a regular file"):
        report_module.data_of(tmp_path)


def test_images_of_many_sizes_in_one_of_two_kinds_are_compared_at_the_samples_size(tmp_path):
    (tmp_path / "pair" / "trainA").mkdir(parents=True)
    for i, image in enumerate(TRAIN.images[:20]):
        larger = image[0].repeat(1 + i % 2, 0).repeat(1 + i % 2, 1)
        images.save_png(tmp_path / "pair" / "trainA" / f"{i:02}.png", larger)
    assert (
        "against 4 test images"
        in report_module.measure(REAL[:30], "pair:A", data_dir=tmp_path).title
    )


def test_a_checkpoint_alone_does_not_name_its_data(tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="give --data"):
        report_module.data_of(tmp_path)
    with files.whole_file(tmp_path / "config.json") as file:
        file.write(json.dumps({"arguments": {"data": "mnist", "data_dir": "there"}}).encode())
    found = report_module.data_of(tmp_path / "checkpoint.npz")
    assert found == ("mnist", "there", False)
