"""Kernels as shared libraries: the cache, the compiler that is used, and what it refuses."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import simulator
from simulator import (
    needs_a_compiler,
    scaled,
)

from minigan.backends.cuda.arguments import Out
from minigan.backends.host import compiler, machine

pytestmark = needs_a_compiler


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
    template <class U = Tile<float, 2>, int N = 3>
    __launch_bounds__(N * MOST, 1) /* each ; */ static __global__
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
        f"import sys; sys.path.insert(0, {str(Path(simulator.__file__).parent)!r}); "
        "import pathlib, simulator; "
        f"print(simulator.scaled(pathlib.Path({str(project)!r})))"
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
