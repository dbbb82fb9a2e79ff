"""The simulator itself: arguments, intrinsics, schedules and their replay, what it refuses."""

import re
import threading

import numpy as np
import pytest
from simulator import (
    compile_patterns,
    needs_a_compiler,
    numbers,
    run,
)

from minigan.backends.cuda.arguments import Out
from minigan.backends.host import machine

pytestmark = needs_a_compiler


@pytest.fixture(scope="module", autouse=True)
def compiled():
    compile_patterns()


# ---- arguments and intrinsics --------------------------------------------------------------------


def test_structs_and_scalars_go_by_value():
    x, y = numbers(6), np.empty(6, np.float32)
    sizes = np.array((2, 3), [("rows", np.int32), ("columns", np.int32)])
    run("by_value", 1, 32, [x, Out(y), sizes, np.float64(0.5)])
    np.testing.assert_array_equal(y, x / 2)


def test_warp_intrinsics():
    x = np.random.default_rng(0).permutation(64).astype(np.int32)
    lanes, warps = np.arange(32), x.reshape(2, 32)

    def bits(votes):
        return np.repeat((votes.astype(np.int64) << np.arange(votes.shape[1])).sum(1), 32).astype(
            np.uint32
        )

    for seed in range(5):
        out = np.empty((9, 64), np.int32)
        run("intrinsics", 1, 64, [x, Out(out)], seed=seed)
        np.testing.assert_array_equal(out[0], np.repeat(warps[:, 5], 32))
        np.testing.assert_array_equal(out[1], warps[:, lanes ^ 3].ravel())
        np.testing.assert_array_equal(
            out[2], warps[:, np.where(lanes < 28, lanes + 4, lanes)].ravel()
        )
        np.testing.assert_array_equal(
            out[3], warps[:, np.where(lanes < 4, lanes, lanes - 4)].ravel()
        )
        np.testing.assert_array_equal(out[4].astype(np.uint32), bits(warps % 3 == 0))
        np.testing.assert_array_equal(
            out[5], np.repeat(2 * (warps == 40).any(1) + (warps < 32).all(1), 32)
        )
        np.testing.assert_array_equal(out[6], warps[:, lanes ^ 8].ravel())
        np.testing.assert_array_equal(out[8], warps[:, np.minimum(lanes + 1, 31)].ravel())
        odd = np.where(np.arange(64) % 32 < 16, bits(warps[:, :16] % 2), 0)
        np.testing.assert_array_equal(out[7].astype(np.uint32), odd)


def test_a_pointer_may_see_numbers_as_vectors_or_as_bytes():
    x, y = numbers(128), np.empty(32, np.float32)
    run("seen_otherwise", 1, 32, [x, Out(y)])
    np.testing.assert_array_equal(y, x[3::4])


def test_neighbouring_bytes_of_one_word_are_no_race():
    x, y = np.arange(100, dtype=np.uint8), np.empty(100, np.uint8)
    run("bytes", 1, 100, [x, Out(y)])
    np.testing.assert_array_equal(y, x)


# ---- schedules -----------------------------------------------------------------------------------


def caught(grid, block, seed=None):
    with pytest.raises(machine.KernelError) as error:
        run("contest", grid, block, [np.zeros(1, np.int32)], seed=seed)
    return str(error.value)


def test_threads_and_blocks_run_in_an_order_drawn_from_the_seed(monkeypatch):
    threads = {re.findall(r"thread \((\d+)", caught(1, 64, seed))[0] for seed in range(20)}
    blocks = {re.findall(r"block \((\d+)", caught(64, 1, seed))[0] for seed in range(20)}
    assert len(threads) > 10 and len(blocks) > 10
    unseeded = {re.findall(r"thread \((\d+)", caught(1, 64))[0] for _ in range(20)}
    assert len(unseeded) > 10
    monkeypatch.setenv("MINIGAN_HOST_SEED", "7")
    assert caught(1, 64) == caught(1, 64, seed=7) == caught(1, 64)
    assert "MINIGAN_HOST_SEED=7 " in caught(1, 64)


def test_a_result_does_not_depend_on_the_schedule():
    x, results = numbers(1000, dtype=np.float64), set()
    for seed in range(10):
        y = np.empty(3)
        run("sum_of_many", 3, 256, [x, Out(y), np.int32(1000)], seed=seed)
        results.add(y.tobytes())
    assert len(results) == 1
    np.testing.assert_allclose(y, x.sum(), rtol=1e-12)


def test_asynchronous_copies_land_at_a_random_moment_before_the_wait():
    x, expected = numbers(32), numbers(32)
    expected[7] = 0  # the copy that is not valid writes zero
    at_issue, after_a_step = [], []
    for seed in range(10):
        y = np.empty((3, 32), np.float32)
        run("landing", 1, 32, [x, Out(y)], seed=seed)
        np.testing.assert_array_equal(y[2], expected)
        at_issue.append(y[0] == expected)
        after_a_step.append(y[1] == expected)
        assert (y[0][y[0] != expected] == -1).all() and (after_a_step[-1] >= at_issue[-1]).all()
    assert 0.3 < np.mean(at_issue) < 0.7 and 0.6 < np.mean(after_a_step) < 0.9


# ---- what is refused -----------------------------------------------------------------------------


def test_a_launch_that_no_gpu_takes_is_refused():
    x, y = numbers(64), np.empty(64, np.float32)
    good = [x, Out(y), np.int32(1), np.int32(0)]
    for grid, block in [(1, 2048), (1, 0), (0, 32), (2**31, 32)]:
        with pytest.raises(ValueError, match=f"grid.*{grid}.*block.*{block}"):
            run("strided", grid, block, good)
    with pytest.raises(TypeError, match="argument 2 is a int .*expected"):
        run("strided", 1, 64, [x, Out(y), 1, np.int32(0)])
    with pytest.raises(
        TypeError, match=r"argument 0 is a ndarray of shape \(32,\), strides \(8,\): expected"
    ):
        run("strided", 1, 32, [x[::2], Out(y), np.int32(1), np.int32(0)])
    with pytest.raises(ValueError, match="arguments 0 and 1 share memory"):
        run("strided", 1, 32, [x[:40], Out(x[32:]), np.int32(1), np.int32(0)])
    with pytest.raises(ValueError, match="MINIGAN_HOST_SEED or seed is '-1', expected an integer"):
        run("strided", 1, 64, good, seed=-1)
    for wrong, sizes in [
        ([x, Out(np.empty(64)), *good[2:]], r"\[-4, -8, 4, 4\]"),
        (good[:3], r"\[-4, -4, 4\]"),
        ([x, Out(y), np.int64(1), np.int32(0)], r"\[-4, -4, 8, 4\]"),
    ]:
        with pytest.raises(
            TypeError, match=rf"strided takes arguments of \[-4, -4, 4, 4\] bytes, got {sizes}"
        ):
            run("strided", 1, 64, wrong)
    run("strided", 1, 64, good)


def test_an_error_leaves_the_process_usable():
    x, y = numbers(64), np.empty(64, np.float32)
    for _ in range(3):
        with pytest.raises(
            machine.KernelError, match="out of bounds.* byte 256 of argument 0, which has 256 bytes"
        ):
            run("strided", 1, 64, [x, Out(y), np.int32(1), np.int32(1)], seed=1)
        run("strided", 1, 64, [x, Out(y), np.int32(1), np.int32(0)])
        np.testing.assert_array_equal(y, x)


def test_undefined_behaviour_is_found_on_demand():
    x, y = np.array([5, 2**31 - 1], np.int32), np.empty(2, np.int32)
    run("overflow", 1, 2, [x, Out(y)])
    with pytest.raises(
        machine.KernelError, match="undefined: patterns.cu:.*thread \\(1, 0, 0\\).*add_overflow"
    ):
        run("overflow", 1, 2, [x, Out(y)], sanitize="undefined")


def test_two_python_threads_can_launch_at_once():
    def work(value, errors):
        x, y = np.full(1000, value), np.empty(2)
        for _ in range(20):
            run("sum_of_many", 2, 256, [x, Out(y), np.int32(1000)])
            errors += [] if (y == 1000 * value).all() else [y.copy()]

    errors = []
    threads = [threading.Thread(target=work, args=(value, errors)) for value in (1.0, 2.0, 3.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
