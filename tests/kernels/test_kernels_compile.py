"""Every kernel that may be launched compiles to machine code, for three generations of GPUs, and
none spills registers.

NVRTC, which comes with CuPy, does it without a GPU, and the ptxas in it says what each kernel
needs. The convolutions take it half a minute for each generation: two of three are among the slow
tests.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from minigan.backends.cuda import grids, launch, sources
from minigan.backends.cuda.architectures import occupancy
from minigan.backends.cuda.resources import resources

pytest.importorskip(
    "cupy", reason="NVRTC, which compiles the kernels, is part of CuPy's installation"
)

ARCHITECTURES = "sm_80", "sm_90", "sm_120"
JOBS = [
    pytest.param(file, arch, marks=[pytest.mark.slow] * ("conv" in file and arch != "sm_90"))
    for file in launch.instantiations
    for arch in ARCHITECTURES
]
TOO_NEW_FOR = {"sm_120": (12, 8)}


@pytest.fixture(scope="module")
def compiled(request):
    """{(file, architecture) of the tests to run: a future of {name expression: resources}},
    several at a time.
    """
    wanted = {
        (item.callspec.params["file"], item.callspec.params["arch"])
        for item in request.session.items
        if item.module is request.module and hasattr(item, "callspec")
    }
    jobs = sorted(
        wanted, key=lambda job: -len(launch.instantiations[job[0]])
    )  # the long ones first
    with ThreadPoolExecutor() as pool:  # NVRTC lets go of Python's lock
        yield {
            job: pool.submit(resources, job[0], launch.instantiations[job[0]], job[1])
            for job in jobs
        }


@pytest.mark.parametrize("file, arch", JOBS)
def test_every_instantiation_compiles_and_stays_in_registers(compiled, file, arch):
    from cupy_backends.cuda.libs import nvrtc

    if nvrtc.getVersion() < TOO_NEW_FOR.get(arch, (0, 0)):
        pytest.skip(f"this NVRTC is older than {arch}")
    found = compiled[file, arch].result()
    assert set(found) == set(launch.instantiations[file])
    assert {
        name: numbers for name, numbers in found.items() if numbers["spills"] or numbers["stack"]
    } == {}
    assert all(0 < numbers["registers"] <= 255 for numbers in found.values())


def test_the_largest_blocks_find_their_registers(compiled):
    """65,536 registers: a launch that asks for more fails on a GPU, and nowhere else."""
    assert compiled
    for (_, arch), found in compiled.items():
        for name, numbers in found.result().items():
            threads = 128 if "_tensor<" in name and "_tensor<256" not in name else grids.THREADS
            assert occupancy(numbers["registers"], threads, numbers["shared"], arch) > 0, name


def test_spills_are_seen(tmp_path, monkeypatch):
    """A kernel that needs more registers than it may have, and an array that is indexed at run
    time, are found out.
    """
    (tmp_path / "heavy.cu").write_text(
        "template <typename T> __global__ void __launch_bounds__(1024)\n"
        "heavy_naive(const T* x, T* y, int n) {\n"
        "    T kept[200];\n"
        "#pragma unroll\n"
        "    for (int i = 0; i < 200; ++i) kept[i] = x[i * n + threadIdx.x];\n"
        "    __syncthreads();\n"
        "#pragma unroll\n"
        "    for (int i = 0; i < 200; ++i) y[i * n + threadIdx.x] = kept[i] * kept[199 - i];\n}\n"
        "template <typename T> __global__ void indexed_naive(T* x, int n) {\n"
        "    T line[64];\n"
        "    for (int i = 0; i < 64; ++i) line[i * n % 64] = x[i];\n"
        "    x[0] = line[n % 64];\n}\n"
    )
    monkeypatch.setattr(sources, "kernels_folder", lambda: tmp_path)
    found = resources("heavy.cu", ["heavy_naive<double>", "indexed_naive<float>"], "sm_90")
    assert (
        found["heavy_naive<double>"]["spills"] > 0 and found["indexed_naive<float>"]["stack"] >= 256
    )
