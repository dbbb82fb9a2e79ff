"""What cannot be launched is refused in one sentence, before anything runs."""

import re

import numpy as np
import pytest
from launching import X, leaky, normal

import minigan as mg
from minigan.backends import cuda
from minigan.backends.cuda import architectures, launch
from minigan.backends.cuda import rungs as ladder
from minigan.backends.host import machine

pytestmark = pytest.mark.usefixtures("on_host")


def imitate(monkeypatch, arch):
    monkeypatch.setenv("MINIGAN_ARCH", arch)
    launch.use(machine)


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
    monkeypatch.setattr(
        launch, "MAX_ELEMENTS", 100
    )  # 2^31 - 1024 numbers would fill this machine's memory
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
