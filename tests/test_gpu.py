"""The script that runs all GPU work: limits, logs and the table, tried with commands that need no
GPU.
"""

import os
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import every_rung
import gpu
from minigan import device
from minigan.backends.cuda import rungs


def run(tmp_path, *parts, limit=60):
    failed = gpu.main(
        ["--out", str(tmp_path), "--limit", str(limit)], lambda out: parts, dict(os.environ)
    )
    return (
        failed,
        (tmp_path / "summary.txt").read_text().splitlines(),
        (tmp_path / "log.txt").read_text(),
    )


def python(code):
    return [sys.executable, "-c", code]


def test_a_part_that_fails_does_not_stop_the_rest(tmp_path):
    failed, (first, second), log = run(
        tmp_path,
        ("one", 30, [python("raise ValueError('seven')")]),
        ("two", 30, [python("print('fine')")]),
    )
    assert failed
    assert first.startswith("one  FAILED") and first.endswith("exit status 1: ValueError: seven")
    assert second.startswith("two  ok") and "fine" in log


def test_all_well_is_exit_status_0(tmp_path):
    assert not run(tmp_path, ("one", 30, [python("pass")]))[0]


def test_a_part_that_hangs_is_ended_at_its_limit_with_all_that_it_started(tmp_path):
    code = (
        "import subprocess, sys, time; child = subprocess.Popen(['sleep', '60']); "
        "print(child.pid, flush=True); time.sleep(60)"
    )
    failed, (line,), log = run(tmp_path, ("slow", 1.5, [python(code)]))
    assert failed and "not done after 1.5 s" in line
    for _ in range(100):  # the dead child waits for whoever inherited it
        status = Path(f"/proc/{log.split()[-1]}/stat")
        if not status.exists() or status.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child lives on")


def test_commands_of_a_part_run_at_once_and_each_has_its_say(tmp_path):
    code = "import sys, time; time.sleep(1); print('said', sys.argv[1]); sys.exit(int(sys.argv[1]))"
    start = time.monotonic()
    failed, (line,), log = run(
        tmp_path, ("three", 30, [[*python(code), status] for status in "030"])
    )
    assert (
        failed
        and line.endswith("exit status 3")
        and re.findall("^said (.)", log, re.MULTILINE) == ["0", "3", "0"]
    )
    assert time.monotonic() - start < 2.9


def test_a_missing_tool_is_a_failure_not_a_skip(tmp_path):
    failed, (line,), _ = run(tmp_path, ("tool", 5, [["no-such-tool"]]))
    assert failed and "there is no no-such-tool" in line


def test_what_does_not_fit_into_the_time_is_said(tmp_path):
    failed, lines, _ = run(tmp_path, ("late", 5, [python("pass")]), limit=1)
    assert failed and "no time left" in lines[0]


def test_the_parts_fit_into_ten_minutes(tmp_path):
    names = [name for name, _, _ in gpu.parts(tmp_path)]
    assert {"tests", "kernel benchmarks", "training steps"} < set(names) and len(names) == len(
        set(names)
    )
    assert sum(limit for _, limit, _ in gpu.parts(tmp_path)) <= 570


def test_every_test_file_has_its_share():
    files = [file for share in gpu.shares() for file in share]
    assert sorted(files) == sorted(map(str, Path(__file__).parent.rglob("test_*.py"))) and all(
        gpu.shares()
    )


def test_every_rung_is_checked_and_each_complaint_is_heard(monkeypatch):
    seen = []

    def main(arguments):
        seen.append(arguments)
        if arguments[0] == "leaky_relu":
            sys.exit("seven")

    monkeypatch.setattr(every_rung, "main", main)
    with device("host"):
        assert every_rung.check_all() == [
            f"leaky_relu, {rung}, {dtype}: seven"
            for rung in ("naive", "tiled")
            for dtype in ("float32", "float64")
        ]
    assert ["conv2d", "--rung", "tensor", "--dtype", "float32"] in seen
    assert len(seen) == len(set(map(tuple, seen))) == 57


@pytest.mark.parametrize("tool", gpu.SANITIZERS)
def test_every_sanitizer_has_a_command(tmp_path, tool):
    (commands,) = [commands for name, _, commands in gpu.parts(tmp_path) if name == "sanitizers"]
    (command,) = [command for command in commands if tool in command]
    assert (
        command[3:5] == ["--tool", tool]
        and "--error-exitcode" in command
        and command[-1] == "--no-pool"
    )


@pytest.fixture
def cases(monkeypatch):
    """The benchmark's cases at small sizes, and the module."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "benchmarks"))
    import agreement
    import kernel_cases

    layers = {"four": ((2, 8, 6, 6), 12, 4, 2, 1), "odd": ((2, 3, 7, 5), 5, 3, 2, 1)}
    monkeypatch.setattr(kernel_cases, "LAYERS", layers)
    monkeypatch.setattr(kernel_cases, "MAPS", {"small": (2, 8, 5, 5), "wide": (1, 36, 3, 2)})
    monkeypatch.setattr(kernel_cases, "WEIGHTS", [(5, 3), (700,)])
    return agreement, kernel_cases.every_case()


def test_each_case_of_the_benchmark_agrees_with_pytorch(cases):
    torch = pytest.importorskip("torch", reason="it is whom the benchmark compares with")
    module, cases = cases
    with device("host"):
        for case in cases:
            for rung in rungs.RUNGS[case.operation]:
                error = module.largest_error(case, rung, torch)
                assert error <= 1, (case.operation, rung, error)
                wrong = case._replace(torch=lambda *a, twin=case.torch: changed(twin(*a)))
                assert case.operation == "adam" or module.largest_error(wrong, rung, torch) > 1, (
                    case.operation,
                    rung,
                )


def changed(y):
    """The results, each off by a part in twenty."""
    return tuple(1.05 * each for each in y) if isinstance(y, tuple) else 1.05 * y


def test_what_is_moved_keeps_its_order_in_memory(cases):
    from kernel_cases import image

    x = image(np.random.default_rng(0), 2, 3, 4, 5)
    with device("cpu"):
        y = cases[0].moved(x)
    assert y.strides == x.strides and not np.shares_memory(x, y)
    np.testing.assert_array_equal(x, y)
