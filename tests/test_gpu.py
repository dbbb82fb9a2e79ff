"""The script that runs all GPU work: limits, logs and the table, tried with commands that need no GPU."""
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import gpu
from minigan import device, ladder


def run(tmp_path, *parts, limit=60):
    failed = gpu.main(["--out", str(tmp_path), "--limit", str(limit)], lambda out: parts, dict(os.environ))
    return failed, (tmp_path / "summary.txt").read_text().splitlines(), (tmp_path / "log.txt").read_text()


def python(code):
    return [sys.executable, "-c", code]


def test_a_part_that_fails_does_not_stop_the_rest(tmp_path):
    failed, (first, second), log = run(tmp_path, ("one", 30, python("raise ValueError('seven')")),
                                       ("two", 30, python("print('fine')")))
    assert failed
    assert first.startswith("one  FAILED") and first.endswith("exit status 1: ValueError: seven")
    assert second.startswith("two  ok") and "fine" in log


def test_all_well_is_exit_status_0(tmp_path):
    assert not run(tmp_path, ("one", 30, python("pass")))[0]


def test_a_part_that_hangs_is_ended_at_its_limit(tmp_path):
    failed, (line,), _ = run(tmp_path, ("slow", 0.5, python("import time; print('begun', flush=True); time.sleep(60)")))
    assert failed and "not done after 0.5 s" in line


def test_a_missing_tool_is_a_failure_not_a_skip(tmp_path):
    failed, (line,), _ = run(tmp_path, ("tool", 5, ["no-such-tool"]))
    assert failed and "there is no no-such-tool" in line


def test_what_does_not_fit_into_the_time_is_said(tmp_path):
    failed, lines, _ = run(tmp_path, ("late", 5, python("pass")), limit=1)
    assert failed and "no time left" in lines[0]


def test_the_parts_fit_into_ten_minutes_but_for_the_slowest(tmp_path):
    names = [name for name, _, _ in gpu.parts(tmp_path)]
    assert {"all tests", "kernel benchmarks", "training steps"} < set(names) and len(names) == len(set(names))
    assert sum(limit for name, limit, _ in gpu.parts(tmp_path) if name != "all tests") < 600


@pytest.mark.parametrize("tool", gpu.SANITIZERS)
def test_every_sanitizer_has_a_part(tmp_path, tool):
    command, = [command for name, _, command in gpu.parts(tmp_path) if name.endswith(tool)]
    assert command[1:3] == ["--tool", tool] and "--error-exitcode" in command


@pytest.fixture
def cases(monkeypatch):
    """The benchmark's cases at small sizes, and the module."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "benchmarks"))
    import kernel_cases
    layers = {"four": ((2, 8, 6, 6), 12, 4, 2, 1), "odd": ((2, 3, 7, 5), 5, 3, 2, 1)}
    monkeypatch.setattr(kernel_cases, "LAYERS", layers)
    monkeypatch.setattr(kernel_cases, "MAPS", {"small": (2, 8, 5, 5), "wide": (1, 36, 3, 2)})
    monkeypatch.setattr(kernel_cases, "WEIGHTS", [(5, 3), (700,)])
    return kernel_cases, [*kernel_cases.convolutions(), *kernel_cases.memory_bound()]


def test_each_case_of_the_benchmark_agrees_with_pytorch(cases):
    torch = pytest.importorskip("torch", reason="it is whom the benchmark compares with")
    module, cases = cases
    with device("host"):
        for case in cases:
            for rung in ladder.RUNGS[case.operation]:
                error = module.largest_error(case, rung, torch)
                assert error <= 1, (case.operation, rung, error)
                wrong = case._replace(torch=lambda *a, twin=case.torch: changed(twin(*a)))
                assert case.operation == "adam" or module.largest_error(wrong, rung, torch) > 1, (case.operation, rung)


def changed(y):
    """The results, each off by a part in twenty."""
    return tuple(1.05 * each for each in y) if isinstance(y, tuple) else 1.05 * y


def test_what_is_moved_keeps_its_order_in_memory(cases):
    x = cases[0].image(np.random.default_rng(0), 2, 3, 4, 5)
    with device("cpu"):
        y = cases[0].moved(x)
    assert y.strides == x.strides and not np.shares_memory(x, y)
    np.testing.assert_array_equal(x, y)
