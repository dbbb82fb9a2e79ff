"""``python -m minigan.launch`` checks one kernel; and the kernels are part of the package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minigan.backends import cuda, reference
from minigan.backends.cuda import launch
from minigan.launch import SCHEDULES, SHAPES, main

pytestmark = pytest.mark.usefixtures("on_host")
ROOT = Path(__file__).resolve().parents[2]


def test_the_program_checks_a_kernel_and_describes_it(capsys):
    pytest.importorskip("cupy", reason="its NVRTC counts the registers")
    main(["batch_norm_forward", "--rung", "tiled"])
    out = capsys.readouterr().out
    assert re.search(
        r"batch_norm_forward, float32: right, the largest error is [\d.e-]+ of its bound", out
    )
    assert re.search(r"batch_norm_forward_tiled<float, 4>  grid \(\d+, \d+\)  block \(8, 32\)", out)
    assert re.search(
        r"sm_90: \d+ registers, 0 bytes shared, 0 spilled, 0 on the stack; \d+% of", out
    )
    assert re.search(r"bank conflicts 0, sectors per request [\d.]+, at best [\d.]+", out)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["conv3d"], "conv3d conv2d adam"),
        (["adam", "--rung", "tensor"], "adam naive, tiled, 'tensor'"),
        (["conv2d", "--rung", "tensor", "--dtype", "float64"], "tensor float64"),
        (["conv2d", "--speed"], "--speed"),
        ([], "kernel"),
    ],
)
def test_the_program_refuses_in_one_sentence(arguments, words):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert "\n" not in stop.value.code and all(word in stop.value.code for word in words.split())


def test_the_program_finds_a_wrong_kernel(monkeypatch):
    monkeypatch.setattr(
        cuda, "leaky_relu", lambda x, slope: reference.leaky_relu(x, slope) * np.float32(1.01)
    )
    with pytest.raises(SystemExit, match="leaky_relu: an error of .* times its bound"):
        main(["leaky_relu"])


def test_the_program_says_what_it_does_while_it_does_it(capsys):
    main(["leaky_relu"])
    out = capsys.readouterr().out
    assert out.count("comparing with plain loops on images of shape") == len(SHAPES)


def test_memory_is_counted_in_a_run_of_its_own(monkeypatch):
    """Counting takes far longer than running: the time that is printed must be without it."""
    is_counting = []

    collect = launch.collect_launches

    def noted(counting=False, dry_run=False):
        if not dry_run:
            is_counting.append(counting)
        return collect(counting, dry_run)

    monkeypatch.setattr(launch, "collect_launches", noted)
    main(["leaky_relu"])
    assert is_counting == [False] * SCHEDULES * len(SHAPES) + [True]


def test_an_interrupt_is_one_line(monkeypatch, capsys):
    def interrupted(x, slope):
        raise KeyboardInterrupt

    monkeypatch.setattr(cuda, "leaky_relu", interrupted)
    with pytest.raises(SystemExit) as stop:
        main(["leaky_relu"])
    assert stop.value.code == 130
    assert capsys.readouterr().err == "python -m minigan.launch: interrupted\n"


def test_it_runs_as_a_module_without_a_warning():
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "minigan.launch", "leaky_relu"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "MINIGAN_DEVICE": "host"},
    )
    assert result.returncode == 0 and "leaky_relu, float32: right" in result.stdout, result.stderr
    assert result.stderr == ""


# ---- packaging -----------------------------------------------------------------------------------


def test_every_file_of_the_kernels_is_part_of_the_package():
    """setup.cfg must take along what is compiled; .ci/run tries the wheel itself."""
    from configparser import ConfigParser

    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    if not (ROOT / "kernels").is_dir():
        pytest.skip("not a checkout")
    globs = [glob.strip() for glob in setup["options.package_data"]["minigan.kernels"].split(",")]
    packed = {path for glob in globs for path in (ROOT / "kernels").glob(glob)}
    needed = {
        path
        for path in (ROOT / "kernels").rglob("*")
        if path.suffix in {".cu", ".cuh", ".h", ".cpp", ".md"}
    }
    assert needed and needed <= packed
    packages = setup["options"]["packages"].split()
    assert {
        "minigan.kernels",
        *(
            ".".join(path.parent.relative_to(ROOT).parts)
            for path in (ROOT / "minigan").rglob("__init__.py")
        ),
    } == set(packages)
