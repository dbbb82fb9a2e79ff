"""The host device itself: schedules and their replay, the cache, its counts against known
patterns, what it refuses.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import files
from minigan.backends.host import compiler, machine
from minigan.backends.host.machine import Out

FILE = Path(__file__).parent / "patterns.cu"
TEXT = FILE.read_text(encoding="utf-8")
pytestmark = pytest.mark.skipif(
    not shutil.which((os.environ.get("CXX") or "g++").split()[0]),
    reason="device host compiles kernels with a C++ compiler",
)
KERNELS = [name for name in re.findall(r"__global__ void (\w+)\(", TEXT) if name != "program"]
PROGRAMS = ["program<true>", "program<false>"]
SCALE = """#include "common.cuh"
#include "scale.cuh"
__global__ void scale(const float* x, float* y) { y[threadIdx.x] = SCALE * x[threadIdx.x]; }
"""


@pytest.fixture(scope="module", autouse=True)
def compiled():
    compiler.library(FILE, KERNELS + PROGRAMS)


def run(kernel, grid, block, arguments, **options):
    return machine.run_kernel(FILE, kernel, (grid,), (block,), arguments, **options)


def numbers(*shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def at(report, marker, space):
    """The Line of the source line that ends in `// <- marker`."""
    number = [i for i, line in enumerate(TEXT.splitlines(), 1) if line.endswith(f"// <- {marker}")][
        0
    ]
    return next(
        line
        for line in report.lines
        if line.places[-1] == ("patterns.cu", number) and line.space == space
    )


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


# ---- races ---------------------------------------------------------------------------------------

LANES = (0, 1, 2, 3, 32, 33)


def random_program(rng, blocks):
    """ops (blocks, steps, 64) and barriers (steps): in each step a few threads read or write, of
    one cell mostly.
    """
    steps, whole = rng.integers(1, 8), rng.random() < 0.5
    ops, barriers = np.full((blocks, steps, 64), -1, np.int32), np.zeros(steps, np.int32)
    for s in range(steps):
        write, cell = rng.random() < 0.3, rng.random() < 0.1
        for t in rng.choice(LANES, size=1 if write else rng.integers(1, 5)):
            part = 0 if whole or rng.random() < 0.3 else rng.integers(1, 5)
            ops[rng.integers(blocks), s, t] = write + 2 * cell + 4 * part
        barriers[s] = rng.choice(
            [0, 2, 4 * 255 + 1, 4 * rng.integers(1, 16) + 1], p=(0.1, 0.2, 0.2, 0.5)
        )
    return ops, barriers


def has_race(ops, barriers):
    """The definition: two accesses to one byte, one of them a write, and no barriers that order
    the two.
    """
    known = np.zeros((64, 64), int)  # of how many steps of thread u thread t knows
    accesses, warps = [], np.arange(64) // 32
    for s, barrier in enumerate(barriers):
        for block, t in zip(*np.nonzero(ops[:, s] >= 0)):
            op = ops[block, s, t]
            part, cell, write = op // 4, op // 2 % 2, op % 2
            for block2, s2, t2, part2, cell2, write2 in accesses:
                ordered = block == block2 and (t == t2 or known[t, t2] > s2)
                if (
                    cell == cell2
                    and (part == part2 or not part * part2)
                    and (write or write2)
                    and not ordered
                ):
                    return True
            accesses.append((block, s, t, part, cell, write))
        known[np.arange(64), np.arange(64)] = s + 1
        lanes = np.uint32(2**32 - 1 if barrier // 4 == 255 or barrier == 2 else barrier // 4)
        mask = (lanes >> np.arange(64) % 32 & 1 > 0) & (barrier > 0)
        for group in [warps >= 0] if barrier == 2 else [warps == 0, warps == 1]:
            known[group & mask] = known[group & mask].max(0, initial=0)
    return False


@given(st.integers(0, 2**32 - 1), st.sampled_from((0, 0, 1, 2)))
def test_a_race_is_reported_exactly_where_there_is_one(seed, blocks):
    """Random programs of 64 threads in shared memory (blocks = 0), or in global memory by one or
    two blocks.
    """
    rng = np.random.default_rng(seed)
    for _ in range(20):
        ops, barriers = random_program(rng, max(1, blocks))
        arguments = [ops, barriers, np.int32(len(barriers)), np.zeros(2, np.float32)]
        try:
            run(PROGRAMS[blocks > 0], max(1, blocks), 64, arguments, seed=seed)
            found = False
        except machine.KernelError as error:
            assert error.kind == "race", error
            found = True
        assert found == has_race(ops, barriers), (ops, barriers)


def test_the_programs_are_of_both_kinds():
    rng = np.random.default_rng(0)
    found = [has_race(*random_program(rng, 1)) for _ in range(300)]
    assert 60 < sum(found) < 240


# ---- counts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stride, offset, sectors, ideal",
    [(1, 0, 4, 4), (1, 1, 5, 4), (2, 0, 8, 4), (8, 0, 32, 4), (0, 0, 1, 1), (33, 0, 32, 4)],
)
def test_sectors_of_known_patterns(stride, offset, sectors, ideal):
    x, y = numbers(stride * 256 + offset + 1), np.empty(256, np.float32)
    report = run("strided", 2, 128, [x, Out(y), np.int32(stride), np.int32(offset)], counting=True)
    lines = [line for line in report.lines if line.space == "global"]
    total = [
        sum(line.requests for line in lines),
        sum(line.cost for line in lines),
        sum(line.ideal for line in lines),
    ]
    assert total == [
        16,
        8 * (sectors + 4),
        8 * (ideal + 4),
    ]  # eight warps read so, and write 32 floats side by side
    assert (
        report.sectors_per_request == ((sectors + 4) / 2, (ideal + 4) / 2)
        and report.bank_conflicts == 0
    )


@pytest.mark.parametrize(
    "stride, turns", [(0, 1), (1, 1), (2, 2), (3, 1), (4, 4), (32, 32), (33, 1)]
)
def test_bank_conflicts_of_known_patterns(stride, turns):
    x, y = numbers(max(1, stride) * 64), np.empty(64, np.float32)
    arguments = [x, Out(y), np.int32(max(1, stride))]
    if stride == 0:  # a broadcast
        report = run("strided", 1, 64, [x, Out(y), np.int32(0), np.int32(0)], counting=True)
        assert report.bank_conflicts == 0
        return
    report = run("strided_shared", 1, 64, arguments, shared=4 * stride * 64, counting=True)
    line = at(report, "shared", "shared")
    assert (line.requests, line.cost, line.ideal) == (2, 2 * turns, 2)
    assert report.bank_conflicts == 2 * (turns - 1)


def test_vectors_of_16_bytes_are_one_request_and_served_in_four_turns():
    x, y = numbers(256), np.empty(256, np.float32)
    report = run("vectors", 1, 64, [x, Out(y)], counting=True)
    np.testing.assert_array_equal(y, x)
    assert report.sectors_per_request == (16, 16) and report.bank_conflicts == 0
    copy = at(report, "copy", "shared"), at(report, "copy", "global")
    assert [(line.requests, line.cost, line.ideal) for line in copy] == [(2, 8, 8), (2, 32, 32)]
    assert run("vectors", 1, 64, [x, Out(y)]).lines == ()


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


def test_launch_bounds_are_kept(project):
    file = project / "bounds.cu"
    file.write_text("""#include "common.cuh"
    template <typename T, int N> struct Tile { static constexpr int THREADS = 3 * N; };
    #define TILE_BOUNDS(...) __launch_bounds__(__VA_ARGS__::THREADS, 2)
    template <typename T, int N>
    __global__ void TILE_BOUNDS(Tile<T, N>)
    tiled(T* y) { y[threadIdx.x] = N; }
    __global__ void __launch_bounds__(64) plain(float* y) { y[threadIdx.x] = 1; }
    __global__ void unbounded(float* y) { y[threadIdx.x] = 1; }
    __global__ __launch_bounds__((32 + 1) * 2) void first(float* y) { y[threadIdx.x] = 1; }
    namespace inner {
    constexpr int MOST = 48;
    template <class U = Tile<float, 2>, int N = 3> __launch_bounds__(N * MOST, 1) /* each ; */ static __global__
    void hidden(float* y) { y[threadIdx.x] = 1; }
    }
    // __global__ void __launch_bounds__(8) unbounded(float* y);
    """)
    bounds = {
        "tiled<float, 32>": 96,
        "tiled<float, 8>": 24,
        "plain": 64,
        "unbounded": 1024,
        "first": 66,
        "inner::hidden<int, 2>": 96,
    }
    made = compiler.library(file, list(bounds))
    for kernel, threads in bounds.items():
        assert made.threads(kernel) == threads
        machine.run_kernel(file, kernel, (1,), (threads,), [Out(np.empty(threads, np.float32))])
    with pytest.raises(
        ValueError, match=r"tiled<float, 8>: block \(25, 1, 1\), .* allow 24 threads"
    ):
        machine.run_kernel(file, "tiled<float, 8>", (1,), (25,), [Out(np.empty(25, np.float32))])


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


# ---- compiling -----------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a kernel file, its header, and a cache of its own that already has the
    compiled runtime.
    """
    (tmp_path / "cache" / "kernels").mkdir(parents=True)
    for path in (files.cache_folder() / "kernels").glob("*.o"):
        shutil.copy(path, tmp_path / "cache" / "kernels")
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "scale.cu").write_text(SCALE)
    (tmp_path / "scale.cuh").write_text("#define SCALE 2\n")
    return tmp_path


def scaled(folder):
    y = np.empty(4, np.float32)
    compiler.library(folder / "scale.cu", ["scale"])
    machine.run_kernel(folder / "scale.cu", "scale", (1,), (4,), [np.ones(4, np.float32), Out(y)])
    return y[0]


def test_a_change_in_an_included_file_compiles_again_and_nothing_else_does(project):
    assert scaled(project) == 2
    built = {path: path.stat().st_mtime_ns for path in (project / "cache" / "kernels").iterdir()}
    assert scaled(project) == 2
    assert built == {
        path: path.stat().st_mtime_ns for path in (project / "cache" / "kernels").iterdir()
    }
    (project / "scale.cuh").write_text("#define SCALE 3\n")
    assert scaled(project) == 3
    assert len(set((project / "cache" / "kernels").iterdir()) - set(built)) == 1
    (project / "scale.cuh").write_text("#define SCALE SIZE\n")
    with pytest.raises(RuntimeError, match="scale.cuh:1.*SIZE"):
        scaled(project)


def test_two_processes_can_compile_the_same_file(project):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); "
        "import pathlib, test_kernels_simulator as t; "
        f"print(t.scaled(pathlib.Path({str(project)!r})))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
        for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in runs] == [b"2.0", b"2.0"]
    assert [
        path.suffix for path in (project / "cache" / "kernels").iterdir() if path.suffix != ".o"
    ] == [".so"]


def test_the_compiler_is_the_one_that_cxx_names(project, monkeypatch):
    (project / "scale.cuh").write_text("#define SCALE VALUE\n")
    monkeypatch.setenv("CXX", "g++ -DVALUE=5")
    assert scaled(project) == 5
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        RuntimeError, match="compiler.* no-such-compiler does not run .*: install g\\+\\+"
    ):
        scaled(project)
    monkeypatch.setenv("CXX", str(project / "scale.cu"))  # no program
    with pytest.raises(
        RuntimeError, match="compiler.* .*scale.cu does not run .*: install g\\+\\+"
    ):
        scaled(project)


def test_an_uninitialised_variable_does_not_compile(project):
    (project / "scale.cuh").write_text(
        "__device__ inline float two(int n) { float s; while (n--) s += 1; return s; }\n"
        "#define SCALE two(2)\n"
    )
    with pytest.raises(RuntimeError, match="maybe-uninitialized"):
        scaled(project)


def test_more_shared_memory_than_a_kernel_may_declare_does_not_compile(project):
    (project / "scale.cuh").write_text(
        "template <int n> __device__ float f() { __shared__ float t[n]; t[0] = 2;"
        " return t[0]; }\n#define SCALE f<12289>()\n"
    )
    with pytest.raises(
        RuntimeError, match="size of .* 49156 bytes exceeds maximum object size 49152"
    ):
        scaled(project)


def test_without_addr2line_an_error_says_what_is_missing(project, monkeypatch):
    scaled(project)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        machine.KernelError, match="out of bounds: @[0-9a-f]+: thread.*line numbers need addr2line"
    ):
        machine.run_kernel(
            project / "scale.cu",
            "scale",
            (1,),
            (5,),
            [np.ones(4, np.float32), Out(np.empty(4, np.float32))],
        )
