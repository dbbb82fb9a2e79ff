"""Threads of the CPU backend: each item once, errors, forks, and BLAS's own threads at rest."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from cpu_kernels import random_arrays

from minigan.backends import cpu
from minigan.backends.cpu import products, threads


def test_parallel_runs_every_item_once_and_gives_blas_its_threads_back():
    before = threads.thread_count()
    seen = []

    def nested(i):
        threads.parallel(seen.append, [i, i + 100])

    threads.parallel(nested, range(20))
    assert sorted(seen) == [*range(20), *range(100, 120)]
    assert threads.thread_count() == before


def test_the_first_error_of_a_task_is_raised_and_the_pool_lives_on():
    def fail(i):
        if i == 3:
            raise ValueError("task 3")

    for _ in range(3):
        with pytest.raises(ValueError, match="task 3"):
            threads.parallel(fail, range(8))
    test_parallel_runs_every_item_once_and_gives_blas_its_threads_back()


def test_split_covers_the_range_without_empty_parts():
    for size in (1, 2, 7, 64):
        for parts in (1, 2, 3, 100):
            slices = threads.split(size, parts)
            covered = [i for part in slices for i in range(part.start, part.stop)]
            assert covered == list(range(size))
            assert len(slices) == min(size, parts)


def test_programs_own_threads_may_all_compute_at_once():
    rng = np.random.default_rng(0)
    x, w = random_arrays(rng, np.float32, (2, 16, 16, 16), (16, 16, 4, 4))
    expected = cpu.conv2d(x, w, (2, 2), (1, 1))
    results = []

    def work():
        for _ in range(20):
            y = cpu.conv2d(x, w, (2, 2), (1, 1))
            results.append(np.array_equal(y, expected))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [True] * 80


# ---- BLAS's own threads --------------------------------------------------------------------------


def quiet_kernels():
    """Kernels after which no thread of BLAS may spin, by name."""
    rng = np.random.default_rng(0)
    z, x = random_arrays(rng, np.float32, (32, 100, 1, 1), (32, 512, 4, 4))
    w, v = random_arrays(rng, np.float32, (100, 512, 4, 4), (512, 64, 4, 4))
    a, b = random_arrays(rng, np.float32, (64, 784), (784, 512))
    exchanged = v.transpose(1, 0, 2, 3)
    one = (1, 1)
    none = (0, 0)
    return {
        "one pixel": lambda: cpu.conv_transpose2d(z, w, one, none, none),
        "to one pixel": lambda: cpu.conv2d(x, w, one, none),
        "one pixel's weight gradient": lambda: cpu.conv2d_weight_grad(x, z, (4, 4), one, none),
        "Winograd": lambda: cpu.conv_transpose2d(x, v, (2, 2), (1, 1), none),
        "im2col": lambda: cpu.conv2d(x, exchanged, one, (2, 2)),
        "matmul": lambda: products.shared_matmul(a, b),
        "a vector": lambda: products.shared_matmul(a, b[:, :1]),
        "channel_sum": lambda: cpu.channel_sum(x),
        "statistics": lambda: cpu.batch_norm_statistics(x, *[None] * 4, 0.1, 1e-5),
    }


def test_convolutions_leave_no_thread_of_blas_spinning():
    """After a product, OpenBLAS's threads spin for 150 ms, and take a core from what runs next."""
    kernels = quiet_kernels()
    time.sleep(0.3)  # whatever ran before
    for name, kernel in kernels.items():
        kernel()
        before = time.process_time()
        time.sleep(0.03)
        spun = time.process_time() - before
        assert spun < 0.015, name


# ---- other processes -----------------------------------------------------------------------------

PROGRAM = """
import os, numpy as np
from minigan.backends import cpu
from minigan.backends.cpu import threads
x, w = np.ones((4, 16, 16, 16), np.float32), np.ones((16, 16, 4, 4), np.float32)
print(threads.thread_count(), cpu.conv2d(x, w, (2, 2), (1, 1))[1, 1, 1, 1])
if hasattr(os, "fork"):
    child = os.fork()
    total = cpu.conv2d(x, w, (2, 2), (1, 1)).sum()
    if child == 0:
        os._exit(0 if total > 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("count", [1, 2])
def test_one_thread_is_enough_a_fork_computes_and_the_interpreter_exits(count):
    cores = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    environment = dict(os.environ)
    for library in ("OPENBLAS", "MKL", "OMP"):
        environment[f"{library}_NUM_THREADS"] = str(count)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(min(count, cores)), "256.0"]
