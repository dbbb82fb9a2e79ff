"""What several tests of the kernels stand on: the simulator, and a folder with one kernel."""

import shutil

import pytest

import minigan as mg
from minigan import files
from minigan.backends.cuda import launch
from minigan.backends.host import machine


@pytest.fixture
def on_host(monkeypatch):
    """The test runs on device host, which imitates an H200 at the start."""
    monkeypatch.delenv("MINIGAN_ARCH", raising=False)
    with mg.device("host"):
        yield
    monkeypatch.undo()
    launch.use(machine)  # forget what was imitated


SCALE = """#include "common.cuh"
#include "scale.cuh"
__global__ void scale(const float* x, float* y) { y[threadIdx.x] = SCALE * x[threadIdx.x]; }
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a kernel file, its header, and a cache that already has the runtime."""
    cache = tmp_path / "cache" / "kernels"
    cache.mkdir(parents=True)
    for path in (files.cache_folder() / "kernels").glob("*.o"):
        shutil.copy(path, cache)
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "scale.cu").write_text(SCALE)
    (tmp_path / "scale.cuh").write_text("#define SCALE 2\n")
    return tmp_path
