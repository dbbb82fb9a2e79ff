"""Which rung of a ladder is taken, and how its results lie in memory."""

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from launching import normal

import minigan as mg
from minigan.backends import cpu, cuda, reference
from minigan.backends.cuda import launch, sources
from minigan.backends.cuda import rungs as ladder
from minigan.backends.cuda.plans import Plan

pytestmark = pytest.mark.usefixtures("on_host")
ROOT = Path(__file__).resolve().parents[2]


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
    taken = rungs_of(launches)
    assert taken[0] == rung
    assert taken[-1] == of_two


def test_rungs_by_dtype_and_set_tf32(monkeypatch):
    def taken(dtype):
        with launch.collect_launches() as launches:
            cuda.conv2d(
                normal(2, 3, 6, 6, dtype=dtype), normal(4, 3, 3, 3, dtype=dtype), (1, 1), (1, 1)
            )
        return rungs_of(launches)[0]

    monkeypatch.setattr(ladder, "tf32", True)
    assert taken(np.float32) == "tensor"
    assert taken(np.float64) == "tiled"
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
        "print(rungs.pick_rung('conv2d', numpy.dtype('float32')))"
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
