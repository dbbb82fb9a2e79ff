"""Launching kernels: what is refused before it starts, which rung and tile are taken, how a
source is put together.

What a GPU would do with a launch is asked of a stand-in for CuPy, which notes it; CuPy's own
compiler, which needs no GPU, judges the sources.
"""

import contextlib
import itertools
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan.backends import cpu, cuda, reference
from minigan.backends.cuda import architectures, convolution, launch, sources
from minigan.backends.cuda import grids as grids_module
from minigan.backends.cuda import rungs as ladder
from minigan.backends.cuda.arguments import Out
from minigan.backends.cuda.launch import Plan
from minigan.backends.cuda.resources import resources
from minigan.backends.cuda.tiles import Product
from minigan.backends.host import machine
from minigan.launch import main

ROOT = Path(__file__).resolve().parents[2]
LEAKY = "leaky_relu.cu:leaky_relu_naive<float>"


@pytest.fixture(autouse=True)
def on_host(monkeypatch):
    monkeypatch.delenv("MINIGAN_ARCH", raising=False)
    with mg.device("host"):
        yield
    monkeypatch.undo()
    launch.use(machine)  # forget what was imitated


def imitate(monkeypatch, arch):
    monkeypatch.setenv("MINIGAN_ARCH", arch)
    launch.use(machine)


def normal(*shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


# ---- what is refused -----------------------------------------------------------------------------

X, EIGHT = np.zeros(8, np.float32), np.int32(8)


def leaky(x=X, y=X, grid=(1,), block=(32,), n=EIGHT, **options):
    launch.launch(Plan(LEAKY, grid, block, **options), [x, Out(y), np.float32(0.2), n])


class FakeArray:
    __module__ = "cupy"


REFUSED = {
    "too many threads": (lambda: leaky(block=(32, 64)), ValueError, "(32, 64) 2048 1024"),
    "a block too deep": (
        lambda: leaky(block=(1, 1, 65)),
        ValueError,
        "(1, 1, 65) (1024, 1024, 64)",
    ),
    "a grid too high": (
        lambda: leaky(grid=(1, 65536)),
        ValueError,
        "(1, 65536) (2147483647, 65535, 65535)",
    ),
    "an empty grid": (lambda: leaky(grid=(0,)), ValueError, "grid (0,)"),
    "four axes": (lambda: leaky(grid=(1, 1, 1, 1)), ValueError, "(1, 1, 1, 1)"),
    "too much shared memory": (lambda: leaky(shared=228 << 10), ValueError, "233472 sm_90 232448"),
    "another device's array": (lambda: leaky(x=FakeArray()), TypeError, "cupy FakeArray numpy"),
    "a list": (lambda: leaky(x=[1.0]), TypeError, "list numpy"),
    "a Python number": (lambda: leaky(n=8), TypeError, "int NumPy"),
    "a huge array": (lambda: leaky(x=np.broadcast_to(X[:1], 2**31)), ValueError, "2147483648"),
    "a strided array": (
        lambda: leaky(x=np.zeros((4, 4), np.float32)[:, :2]),
        ValueError,
        "(16, 4) (4, 2)",
    ),
    "float64 on tensor cores": (
        lambda: forced("tensor", np.float64),
        ValueError,
        "conv2d tensor float64",
    ),
    "an unknown rung": (
        lambda: mg.rung("fast").__enter__(),
        ValueError,
        "'fast' naive, shared, tiled, tensor",
    ),
    "a size beyond int": (lambda: stretched(2**31), ValueError, "conv2d 2147483648 2^31"),
    "a padded image beyond half of that": (
        lambda: padded(2**29),
        ValueError,
        "conv2d 536870912 2^30",
    ),
    "no images": (
        lambda: empty("conv2d", normal(5, 3, 2, 2), (1, 1), (0, 0)),
        ValueError,
        "conv2d size 0",
    ),
    "no numbers for a mean": (
        lambda: empty("batch_norm_statistics", *[None] * 4, 0.1, 1e-5),
        ValueError,
        "0 3",
    ),
    "mixed dtypes": (
        lambda: cuda.add_bias(normal(2, 3), normal(3, dtype=np.float64)),
        TypeError,
        "float32 float64",
    ),
    "half precision": (
        lambda: cuda.leaky_relu(X.astype(np.float16), 0.1),
        TypeError,
        "float16 float32 or float64",
    ),
}


def empty(operation, *others):
    getattr(cuda, operation)(normal(0, 3, 4, 4), *others)


def padded(padding):
    cuda.conv2d(normal(1, 1, 1, 1), normal(5, 1, 1, 1), (2**30, 1), (padding, 0))


def stretched(stride):
    cuda.conv2d(normal(1, 1, 3, 3), normal(5, 1, 2, 2), (1, stride), (0, 0))


def forced(rung, dtype):
    with mg.rung(rung):
        cuda.conv2d(
            normal(1, 1, 3, 3, dtype=dtype), normal(1, 1, 2, 2, dtype=dtype), (1, 1), (0, 0)
        )


@pytest.mark.parametrize("slip, kind, words", REFUSED.values(), ids=list(REFUSED))
def test_it_is_refused_in_one_sentence_before_the_launch(slip, kind, words, monkeypatch):
    monkeypatch.setattr(machine, "prepare", lambda *_: pytest.fail("the kernel ran"))
    with pytest.raises(kind) as refusal:
        slip()
    message = str(refusal.value)
    assert "\n" not in message and len(message) < 300
    for word in re.findall(r"\([^)]*\)|\S+", words):
        assert word in message, f"{word!r} is missing in: {message}"


LONG, LONG_ROWS, ROW, MEAN = normal(101), normal(101, 1), normal(1), normal(2, 1)


@pytest.mark.parametrize(
    "operation, arguments",
    [
        ("leaky_relu", (LONG, 0.2)),
        ("leaky_relu_grad", (LONG, LONG, 0.2)),
        ("bce_with_logits", (LONG, 1.0, "mean")),
        ("bce_with_logits", (LONG, 1.0, "none")),
        ("bce_with_logits_grad", (LONG, 1.0, ROW, "mean")),
        ("channel_sum", (LONG_ROWS,)),
        ("add_bias", (LONG_ROWS, ROW)),
        ("batch_norm_forward", (LONG_ROWS, ROW, ROW, ROW, None)),
        ("batch_norm_statistics", (LONG_ROWS, *[None] * 4, 0.1, 1e-5)),
        ("batch_norm_grad", (LONG_ROWS, LONG_ROWS, LONG_ROWS, MEAN, ROW, None, None)),
        ("adam", (*[[ROW, LONG]] * 4, 1, 0.1, (0.5, 0.9), 1e-8, 0.0)),
    ],
    ids=str,
)
@pytest.mark.parametrize("rung", ["naive", "tiled"])
def test_an_array_that_an_int_cannot_count(operation, arguments, rung, monkeypatch):
    monkeypatch.setattr(launch, "MOST", 100)  # 2^31 - 1024 numbers would fill this machine's memory
    monkeypatch.setattr(machine, "prepare", lambda *_: pytest.fail("the kernel ran"))
    with (
        mg.rung(rung),
        pytest.raises(ValueError, match=r"shape \(101.*101 elements, more than 100"),
    ):
        getattr(cuda, operation)(*arguments)


def test_a_gpu_too_old_for_tensor_cores(monkeypatch):
    monkeypatch.setattr(ladder, "tf32", True)
    imitate(monkeypatch, "sm_75")
    with mg.rung("tensor"), pytest.raises(RuntimeError, match="sm_80 or newer, this is sm_75"):
        forced("tensor", np.float32)
    with launch.collect_launches() as launches:  # unforced, the lower rung serves
        cuda.conv2d(normal(1, 1, 3, 3), normal(1, 1, 2, 2), (1, 1), (0, 0))
    assert "conv2d_tiled<" in launches[0].name


def test_an_unknown_architecture(monkeypatch):
    with pytest.raises(ValueError, match="MINIGAN_ARCH is 'sm_1', expected one of sm_70, "):
        imitate(monkeypatch, "sm_1")


@pytest.mark.parametrize(
    "name, like",
    [("sm_87", "sm_86"), ("sm_103", "sm_100"), ("sm_121", "sm_120"), ("sm_61", "sm_70")],
)
def test_an_architecture_beside_the_table_has_the_limits_of_its_forerunner(name, like):
    assert architectures.limits(name) == architectures.ARCHITECTURES[like]


def test_more_phases_than_a_grid_holds_are_served_by_the_naive_rung():
    x, weight = normal(1, 1, 1, 2), normal(1, 5, 1, 1)
    with launch.collect_launches() as launches:
        y = cuda.conv_transpose2d(x, weight, (260, 260), (0, 0), (0, 0))
    assert "conv_transpose2d_naive<float>" in launches[0].name and y.shape == (1, 5, 1, 261)
    np.testing.assert_array_equal(y[:, :, :, ::260], x * weight)
    assert not y[:, :, :, 1:260].any()


@pytest.mark.parametrize("operation", ["channel_sum", "batch_norm_statistics", "batch_norm_grad"])
def test_a_reduction_gives_every_multiprocessor_work(operation, monkeypatch):
    """Twice 132 blocks and more where there are rows for them, and no more than a second pass can
    well add up.
    """
    grids = []
    monkeypatch.setattr(launch, "launch", lambda plan, *_, **__: grids.append(plan.grid))
    for rows, c in ((1 << 17, 64), (1 << 15, 512), (1 << 20, 3)):
        grids.clear()
        x, row, mean = (np.empty(shape, np.float32) for shape in ((rows, c), c, (2, c)))
        getattr(cuda, operation)(
            *{
                "channel_sum": (x,),
                "batch_norm_grad": (x, x, x, mean, row, row, 0.2),
                "batch_norm_statistics": (x, row, row, None, None, 0.1, 1e-5),
            }[operation]
        )
        assert 264 <= np.prod(grids[0]) <= 1056 and grids[1][0] == 1


def test_a_grid_has_room_for_the_columns_of_many_instances():
    for columns in (1, 8 * 65535, 8 * 65535 + 1, 32 * 65535):
        (_, groups), (across, down) = grids_module.second_pass_grid(columns)
        assert (
            groups <= 65535 and groups * across >= columns and across * down == grids_module.THREADS
        )


def test_every_architecture_has_room_for_every_tile():
    """The largest tile is for those with much shared memory, and every other must start on all."""
    for name, row in architectures.ARCHITECTURES.items():
        target = architectures.target(name, row.multiprocessors)
        for rung in ("tiled", "tensor") if target.generation >= 80 else ("tiled",):
            most = 0
            for rows, columns in itertools.product((1, 128, 1 << 15), (1, 33, 65)):
                product = Product(rows, columns, steps=8 * 32, phases=1)
                plan = convolution.plan_product("conv2d", rung, "float", product, (4, 4), target)
                most = max(most, plan.shared)
            assert 32 << 10 < most <= row.shared_per_block << 10, (name, rung)


# ---- which rung ----------------------------------------------------------------------------------


def rungs_of(launches):
    return [re.search(r"_(naive|shared|tiled|tensor)<", row.name)[1] for row in launches]


@pytest.mark.parametrize(
    "rung, of_two",
    [("naive", "naive"), ("shared", "naive"), ("tiled", "tiled"), ("tensor", "tiled")],
)
def test_a_forced_rung_is_taken_or_the_nearest_one_below(rung, of_two):
    x, w = normal(2, 3, 6, 6), normal(4, 3, 3, 3)
    with launch.collect_launches() as launches, mg.rung(rung):
        cuda.conv2d(x, w, (1, 1), (1, 1))
        cuda.leaky_relu(x, 0.2)
    assert (rungs_of(launches)[0], rungs_of(launches)[-1]) == (rung, of_two)


def test_rungs_by_dtype_and_set_tf32(monkeypatch):
    def taken(dtype):
        with launch.collect_launches() as launches:
            cuda.conv2d(
                normal(2, 3, 6, 6, dtype=dtype), normal(4, 3, 3, 3, dtype=dtype), (1, 1), (1, 1)
            )
        return rungs_of(launches)[0]

    monkeypatch.setattr(ladder, "tf32", True)
    assert (taken(np.float32), taken(np.float64)) == ("tensor", "tiled")
    mg.set_tf32(False)
    assert taken(np.float32) == "tiled"
    mg.set_tf32(True)
    assert taken(np.float32) == "tensor"


@pytest.mark.parametrize(
    "rung, message", [("naive", "naive"), ("fast", "unknown rung 'fast' (MINIGAN_RUNG says so)")]
)
def test_a_rung_in_the_environment(rung, message):
    script = (
        "import numpy; from minigan.backends.cuda import rungs; "
        "print(rungs.choose('conv2d', numpy.dtype('float32')))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "MINIGAN_RUNG": rung, "MINIGAN_DEVICE": "host"},
    )
    assert message in (result.stdout + result.stderr).splitlines()[-1]


def test_the_rungs_in_python_are_the_kernels_in_the_files():
    for file, operations in ladder.LADDERS.items():
        text = (sources.kernels_folder() / file).read_text(encoding="utf-8")
        kernels = re.findall(
            r"__global__\s+void\s+(?:\w+\([^)]*\)\s*)?(\w+)\s*\(", text
        )  # launch bounds may intervene
        assert sorted(kernels) == sorted(
            f"{name}_{rung}" for name, rungs in operations.items() for rung in rungs
        ), file
    files = {path.name for path in sources.kernels_folder().glob("*.cu")}
    assert files == set(ladder.LADDERS) == set(launch.instantiations)


def test_cuda_has_the_names_of_the_other_devices():
    def public(module):
        return {
            name
            for name, f in vars(module).items()
            if isinstance(f, types.FunctionType)
            and f.__module__.startswith(module.__name__)
            and not name.startswith("_")
        }

    assert public(cuda) == public(cpu) == public(reference)


# ---- results and their memory --------------------------------------------------------------------


def test_results_lie_in_memory_as_the_next_layer_reads_them():
    x, w = normal(2, 3, 6, 5), normal(4, 3, 3, 3)
    y = cuda.conv2d(x, w, (1, 1), (1, 1))
    for image in (
        y,
        cuda.conv_transpose2d(y, w, (1, 1), (1, 1), (0, 0)),
        cuda.add_bias(x, normal(3)),
        cuda.batch_norm_forward(x, normal(3), normal(3), normal(3), 0.2),
    ):
        assert image.transpose(2, 3, 0, 1).flags.c_contiguous
    assert cuda.leaky_relu(y, 0.2).strides == cuda.leaky_relu_grad(y, y, 0.2).strides == y.strides
    assert (
        cuda.conv2d_weight_grad(x, y, (3, 3), (1, 1), (1, 1))
        .transpose(0, 2, 3, 1)
        .flags.c_contiguous
    )


@pytest.mark.parametrize("rung", ["naive", "tiled"])
def test_nothing_is_launched_for_empty_arrays(rung):
    empty = np.zeros((0, 3, 2, 2), np.float32)
    with launch.collect_launches() as launches, mg.rung(rung):
        assert cuda.leaky_relu(empty, 0.2).shape == empty.shape
        assert cuda.add_bias(empty, normal(3)).shape == empty.shape
        assert (cuda.channel_sum(empty) == np.zeros(3)).all()
        assert cuda.bce_with_logits(empty, 1.0, "sum") == 0
        cuda.adam([empty], [empty], [empty], [empty], 1, 0.1, (0.5, 0.9), 1e-8, 0.0)
    assert launches == []


def test_the_host_refuses_arguments_of_another_number_or_size():
    x, kernel = np.ones(4, np.float32), "leaky_relu.cu:leaky_relu_tiled<float, 4>"
    for given in (
        [x],
        [x, x, np.float64(1), np.int32(4)],
        [x, x, np.float32(1), np.int32(4), np.int32(4)],
    ):
        with (
            mg.device("host"),
            pytest.raises(TypeError, match=r"takes arguments of \[-4, -4, 4, 4\] bytes, got"),
        ):
            launch.launch(Plan(kernel, (1,), (256,)), given)


def test_adam_takes_all_parameters_in_one_launch_and_many_in_few():
    params, grads, means, squares = ([normal(3) for _ in range(100)] for _ in range(4))
    with launch.collect_launches() as launches:
        cuda.adam(params, grads, means, [s * s for s in squares], 1, 0.1, (0.5, 0.9), 1e-8, 0.0)
    assert [row.grid for row in launches] == [(96,), (4,)]


# ---- sources -------------------------------------------------------------------------------------


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
    message = r"kernels/double.cu does not compile for double_naive<float>:\ncommon.cuh\(2\): error: .*two"
    with pytest.raises(RuntimeError, match=message):
        launch.launch(Plan("double.cu:double_naive<float>", (1,), (1,)), [X])
    with pytest.raises(RuntimeError, match=r"does not compile for sm_80:\ncommon.cuh\(2\): error"):
        resources("double.cu", ["double_naive<float>"], "sm_80")


# ---- the program ---------------------------------------------------------------------------------


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
        if path.suffix in {".cu", ".cuh", ".h", ".cpp"}
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
