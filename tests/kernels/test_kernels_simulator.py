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
    x = numbers(6)
    y = np.empty(6, np.float32)
    struct = [("rows", np.int32), ("columns", np.int32)]
    sizes = np.array((2, 3), struct)
    run("by_value", 1, 32, [x, Out(y), sizes, np.float64(0.5)])
    np.testing.assert_array_equal(y, x / 2)


def ballot(votes):
    """The votes (warps, lanes) of each warp as bits of one number, which all lanes get -> (64,)."""
    places = np.arange(votes.shape[1])
    numbers = votes.astype(np.int64) << places
    return np.repeat(numbers.sum(1), 32).astype(np.uint32)


def expected_of_intrinsics(x):
    """What each row of the result must be, by hand; x: (64,)."""
    lanes = np.arange(32)
    warps = x.reshape(2, 32)
    has_lane_below = lanes < 28
    down = np.where(has_lane_below, lanes + 4, lanes)
    has_lane_above = lanes >= 4
    up = np.where(has_lane_above, lanes - 4, lanes)

    def of_lanes(sources):
        return warps[:, sources].ravel()

    any_is_40 = (warps == 40).any(1)
    all_are_low = (warps < 32).all(1)
    any_and_all = 2 * any_is_40 + all_are_low
    threads = np.arange(64)
    is_low_half = threads % 32 < 16
    half_ballot = np.where(is_low_half, ballot(warps[:, :16] % 2), 0)
    return [
        np.repeat(warps[:, 5], 32),
        of_lanes(lanes ^ 3),
        of_lanes(down),
        of_lanes(up),
        ballot(warps % 3 == 0).astype(np.int32),
        np.repeat(any_and_all, 32),
        of_lanes(lanes ^ 8),
        half_ballot.astype(np.uint32).astype(np.int32),
        of_lanes(np.minimum(lanes + 1, 31)),
    ]


def test_warp_intrinsics():
    rng = np.random.default_rng(0)
    x = rng.permutation(64).astype(np.int32)
    for seed in range(5):
        out = np.empty((9, 64), np.int32)
        run("intrinsics", 1, 64, [x, Out(out)], seed=seed)
        for actual, expected in zip(out, expected_of_intrinsics(x), strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_a_pointer_may_see_numbers_as_vectors_or_as_bytes():
    x = numbers(128)
    y = np.empty(32, np.float32)
    run("seen_otherwise", 1, 32, [x, Out(y)])
    np.testing.assert_array_equal(y, x[3::4])


def test_neighbouring_bytes_of_one_word_are_no_race():
    x = np.arange(100, dtype=np.uint8)
    y = np.empty(100, np.uint8)
    run("bytes", 1, 100, [x, Out(y)])
    np.testing.assert_array_equal(y, x)


# ---- schedules -----------------------------------------------------------------------------------


def caught(grid, block, seed=None):
    """What the simulator says of threads that all write one number."""
    one = np.zeros(1, np.int32)
    with pytest.raises(machine.KernelError) as error:
        run("contest", grid, block, [one], seed=seed)
    return str(error.value)


def first_thread(message):
    """The x of the first thread that the message names."""
    return re.findall(r"thread \((\d+)", message)[0]


def first_block(message):
    """The x of the first block that the message names."""
    return re.findall(r"block \((\d+)", message)[0]


def test_threads_and_blocks_run_in_an_order_drawn_from_the_seed(monkeypatch):
    threads = {first_thread(caught(1, 64, seed)) for seed in range(20)}
    assert len(threads) > 10
    blocks = {first_block(caught(64, 1, seed)) for seed in range(20)}
    assert len(blocks) > 10
    unseeded = {first_thread(caught(1, 64)) for _ in range(20)}
    assert len(unseeded) > 10
    monkeypatch.setenv("MINIGAN_HOST_SEED", "7")
    message = caught(1, 64)
    assert message == caught(1, 64, seed=7) == caught(1, 64)
    assert "MINIGAN_HOST_SEED=7 " in message


def test_a_result_does_not_depend_on_the_schedule():
    x = numbers(1000, dtype=np.float64)
    results = set()
    for seed in range(10):
        y = np.empty(3)
        run("sum_of_many", 3, 256, [x, Out(y), np.int32(1000)], seed=seed)
        results.add(y.tobytes())
    assert len(results) == 1
    np.testing.assert_allclose(y, x.sum(), rtol=1e-12)


def test_asynchronous_copies_land_at_a_random_moment_before_the_wait():
    x = numbers(32)
    expected = x.copy()
    expected[7] = 0  # the copy that is not valid writes zero
    at_issue = []  # which copies have landed then
    after_a_step = []
    for seed in range(10):
        y = np.empty((3, 32), np.float32)
        run("landing", 1, 32, [x, Out(y)], seed=seed)
        np.testing.assert_array_equal(y[2], expected)
        has_landed = y[0] == expected
        has_landed_later = y[1] == expected
        assert (y[0][~has_landed] == -1).all()
        assert (has_landed_later >= has_landed).all()
        at_issue.append(has_landed)
        after_a_step.append(has_landed_later)
    assert 0.3 < np.mean(at_issue) < 0.7
    assert 0.6 < np.mean(after_a_step) < 0.9


# ---- what is refused -----------------------------------------------------------------------------


ONE, ZERO = np.int32(1), np.int32(0)


def strided(x, y, stride=ONE, offset=ZERO, grid=1, block=64, **options):
    """Run a kernel that copies x to y; every argument can be spoiled."""
    return run("strided", grid, block, [x, y, stride, offset], **options)


@pytest.mark.parametrize("grid, block", [(1, 2048), (1, 0), (0, 32), (2**31, 32)])
def test_a_launch_that_no_gpu_takes_is_refused(grid, block):
    with pytest.raises(ValueError, match=f"grid.*{grid}.*block.*{block}"):
        strided(numbers(64), Out(np.empty(64, np.float32)), grid=grid, block=block)


def test_arguments_that_no_kernel_takes_are_refused():
    x = numbers(64)
    y = Out(np.empty(64, np.float32))
    with pytest.raises(TypeError, match="argument 2 is a int .*expected"):
        strided(x, y, stride=1)
    message = r"argument 0 is a ndarray of shape \(32,\), strides \(8,\): expected"
    with pytest.raises(TypeError, match=message):
        strided(x[::2], y, block=32)
    with pytest.raises(ValueError, match="arguments 0 and 1 share memory"):
        strided(x[:40], Out(x[32:]), block=32)
    with pytest.raises(ValueError, match="MINIGAN_HOST_SEED or seed is '-1', expected an integer"):
        strided(x, y, seed=-1)
    strided(x, y)


def test_arguments_of_other_sizes_than_the_parameters_are_refused():
    x = numbers(64)
    y = Out(np.empty(64, np.float32))
    wrong = {
        r"\[-4, -8, 4, 4\]": [x, Out(np.empty(64)), ONE, ZERO],
        r"\[-4, -4, 4\]": [x, y, ONE],
        r"\[-4, -4, 8, 4\]": [x, y, np.int64(1), ZERO],
    }
    for sizes, arguments in wrong.items():
        message = rf"strided takes arguments of \[-4, -4, 4, 4\] bytes, got {sizes}"
        with pytest.raises(TypeError, match=message):
            run("strided", 1, 64, arguments)


def test_an_error_leaves_the_process_usable():
    x = numbers(64)
    y = np.empty(64, np.float32)
    message = "out of bounds.* byte 256 of argument 0, which has 256 bytes"
    for _ in range(3):
        with pytest.raises(machine.KernelError, match=message):
            strided(x, Out(y), offset=ONE, seed=1)
        strided(x, Out(y))
        np.testing.assert_array_equal(y, x)


def test_undefined_behaviour_is_found_on_demand():
    x = np.array([5, 2**31 - 1], np.int32)
    y = np.empty(2, np.int32)
    run("overflow", 1, 2, [x, Out(y)])
    message = "undefined: patterns.cu:.*thread \\(1, 0, 0\\).*add_overflow"
    with pytest.raises(machine.KernelError, match=message):
        run("overflow", 1, 2, [x, Out(y)], sanitize="undefined")


def test_two_python_threads_can_launch_at_once():
    def work(value, errors):
        x = np.full(1000, value)
        y = np.empty(2)
        for _ in range(20):
            run("sum_of_many", 2, 256, [x, Out(y), np.int32(1000)])
            if not (y == 1000 * value).all():
                errors.append(y.copy())

    errors = []
    threads = []
    for value in (1.0, 2.0, 3.0):
        threads.append(threading.Thread(target=work, args=(value, errors)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert errors == []
