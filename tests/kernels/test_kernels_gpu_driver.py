"""The text that NVRTC compiles, and what the driver of a GPU makes of a launch.

A stand-in for CuPy notes what a GPU would do with a launch. CuPy's own compiler, which needs no
GPU, judges the sources.
"""

import contextlib
import re
import types

import numpy as np
import pytest
from launching import LEAKY, X, leaky, normal

import minigan as mg
from minigan.backends import cuda
from minigan.backends.cuda import convolution, launch, sources
from minigan.backends.cuda.arguments import Out
from minigan.backends.cuda.plans import Plan
from minigan.backends.cuda.resources import resources
from minigan.backends.host import machine

pytestmark = pytest.mark.usefixtures("on_host")


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "kernels_folder", lambda: tmp_path)
    return tmp_path


def test_includes_are_put_in_once_and_lines_keep_their_places(kernels):
    (kernels / "a.cuh").write_text("int a;\n")
    (kernels / "b.cuh").write_text(
        '#include "a.cuh"\n#ifdef HOST\n#include "host/device.h"\n#endif\nint b;\n'
    )
    (kernels / "k.cu").write_text('// k\n#include "a.cuh"\n#include "b.cuh"\nint k;\n')
    text = sources.source("k.cu")
    assert [text.count(f"int {name};") for name in "abk"] == [
        1,
        1,
        1,
    ] and '#include "host/device.h"' in text
    places, file, number = {}, None, 0
    for line in text.splitlines():
        if at := re.match(r'#line (\d+) "(.*)"', line):
            number, file = int(at[1]), at[2]
        else:
            places[line], number = (file, number), number + 1
    assert (places["int a;"], places["int b;"], places["int k;"]) == (
        ("a.cuh", 1),
        ("b.cuh", 5),
        ("k.cu", 4),
    )


def test_an_include_that_is_not_there_is_named_with_its_line(kernels):
    (kernels / "k.cu").write_text('\n#include "gone.cuh"\n')
    with pytest.raises(FileNotFoundError, match="k.cu:2 asks for gone.cuh"):
        sources.source("k.cu")


class Kernel:
    """What CuPy's RawModule gives, as far as launch() knows it."""

    max_dynamic_shared_size_bytes, shared_size_bytes, max_threads_per_block = 48 << 10, 1 << 10, 256

    def __init__(self):
        self.calls = []

    def __call__(self, grid, block, args, shared_mem):
        self.calls.append((grid, block, args, shared_mem))


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Launches go to Kernels, compiled by CuPy's real compiler for sm_90, in a dict by name
    expression.
    """
    pytest.importorskip(
        "cupy", reason="CuPy's compiler is the one that training uses; it needs no GPU"
    )
    from cupy.cuda import compiler

    from minigan.backends.cuda import gpu

    made = {}
    caches = launch._prepared, gpu._compiled, gpu.find_target
    for cache in caches:
        cache.cache_clear()

    class RawModule:
        def __init__(self, code, options, name_expressions):
            self.code, self.options, self.names = code, options, name_expressions

        def get_function(self, name):
            assert (name,) == self.names and name not in made, "compiled twice"
            program = compiler._NVRTCProgram(
                self.code, "kernel.cu", name_expressions=self.names, method="cubin"
            )
            program.compile((*self.options, "-arch=sm_90"))
            return made.setdefault(name, Kernel())

    monkeypatch.setattr("cupy.RawModule", RawModule)
    h200 = types.SimpleNamespace(compute_capability="90", attributes={"MultiProcessorCount": 132})
    monkeypatch.setattr("cupy.cuda.Device", lambda: h200)
    monkeypatch.setattr(gpu, "xp", np)
    monkeypatch.setattr(gpu, "addresses", machine.addresses)
    launch.use(gpu)
    yield made
    for cache in caches:
        cache.cache_clear()


def test_on_a_gpu_a_kernel_is_compiled_once_and_launched_with_the_same_arguments(as_on_a_gpu):
    x = normal(1000)
    with launch.collect_launches() as launches:
        for _ in range(2):
            y = cuda.leaky_relu(x, 0.2)
    (kernel,) = as_on_a_gpu.values()
    gpu = launch.driver
    launch.use(machine)
    cuda.leaky_relu(x, 0.2)
    launch.use(gpu)
    cuda.leaky_relu(x, 0.2)  # and not again after another device
    grid, block, args, shared = kernel.calls[1]
    assert (grid, block, shared) == ((1,), (256,), 0) and launches[1].report is None
    assert args[0] is x and args[1] is y and args[2:] == (np.float32(0.2), np.int32(1000))
    assert [type(a) for a in args[2:]] == [np.float32, np.int32]


def test_on_a_gpu_a_kernel_is_told_of_much_shared_memory_and_null_is_a_pointer(as_on_a_gpu):
    with mg.rung("tensor"):
        cuda.conv2d(normal(64, 8, 6, 6), normal(136, 8, 3, 3), (1, 1), (1, 1))
    cuda.bce_with_logits(normal(5), 1.0, "none")
    conv, bce = as_on_a_gpu.values()
    assert conv.max_dynamic_shared_size_bytes == conv.calls[0][3] > 48 << 10
    assert conv.calls[0][2][3].dtype == convolution.CONV and conv.calls[0][2][3].shape == ()
    assert bce.calls[0][2][1] == 0 and bce.calls[0][2][1].itemsize == 8


@pytest.mark.parametrize("dynamic, told", [(47 << 10, 48 << 10), ((47 << 10) + 4, (47 << 10) + 4)])
def test_on_a_gpu_static_shared_memory_counts_towards_what_needs_telling(
    as_on_a_gpu, dynamic, told
):
    """Kernel has 1 KB of static shared memory: with 47 KB more it still fits into what every
    block has.
    """
    leaky(shared=dynamic)
    (kernel,) = as_on_a_gpu.values()
    assert kernel.max_dynamic_shared_size_bytes == told


def test_on_a_gpu_a_block_that_a_kernel_has_no_room_for_is_refused(as_on_a_gpu):
    arguments = [X, Out(np.empty(8, np.float32)), np.float32(0.2), np.int32(8)]
    for block, shared, words in [
        (257, 0, "block (257,), 256 threads"),
        (256, 226 << 10, ""),
        (256, (226 << 10) + 1, "231425 bytes 232449 sm_90 232448"),
    ]:
        with pytest.raises(ValueError) if words else contextlib.nullcontext() as refusal:
            launch.launch(Plan(LEAKY, (1,), (block,), shared=shared), arguments)
        assert all(word in str(refusal and refusal.value) for word in words.split())
    assert [call[3] for call in as_on_a_gpu[LEAKY.split(":")[1]].calls] == [226 << 10]


def test_an_error_of_the_compiler_names_file_and_line(kernels, as_on_a_gpu):
    (kernels / "common.cuh").write_text(
        "template <typename T> __device__ T twice(T x) {\n    return x * two;\n}\n"
    )
    (kernels / "double.cu").write_text(
        '#include "common.cuh"\n'
        "template <typename T> __global__ void double_naive(T* x) { *x = twice(*x); }\n"
    )
    message = (
        r"kernels/double.cu does not compile for double_naive<float>:\n"
        r"common.cuh\(2\): error: .*two"
    )
    with pytest.raises(RuntimeError, match=message):
        launch.launch(Plan("double.cu:double_naive<float>", (1,), (1,)), [X])
    with pytest.raises(RuntimeError, match=r"does not compile for sm_80:\ncommon.cuh\(2\): error"):
        resources("double.cu", ["double_naive<float>"], "sm_80")
