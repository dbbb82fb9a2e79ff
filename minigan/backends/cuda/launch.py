"""Compiles kernels/*.cu and launches them: on a GPU through CuPy's NVRTC, or thread by thread on
the host device.

    launch("leaky_relu.cu:leaky_relu_tiled<float, 4>", (grid,), (256,), [x, Out(y), np.float32(slope), np.int32(n)])

The one idea: everything up to the last call is the same for both, so what the host device proves
of a launch holds on the GPU. And a launch is checked before it happens, because a GPU answers a
wrong one late, elsewhere, or not at all. ``python -m minigan.launch KERNEL`` checks one kernel
and describes it.
"""

import contextlib
import functools
import math
import os
import re
from collections import namedtuple
from contextvars import ContextVar

import numpy as np

from ..host import compiler, machine
from ..host.compiler import kernels_folder
from ..host.machine import NULL, Out

# What a multiprocessor has: KB of shared memory for one block and in all, threads, blocks; and
# 65,536 registers. (CUDA C++ Programming Guide, "Technical Specifications per Compute
# Capability")
Architecture = namedtuple("Architecture", "shared_per_block shared threads blocks")
ARCHITECTURES = {
    "sm_70": Architecture(96, 96, 2048, 32),
    "sm_75": Architecture(64, 64, 1024, 16),
    "sm_80": Architecture(163, 164, 2048, 32),
    "sm_86": Architecture(99, 100, 1536, 16),
    "sm_89": Architecture(99, 100, 1536, 24),
    "sm_90": Architecture(227, 228, 2048, 32),
    "sm_100": Architecture(227, 228, 2048, 32),
    "sm_120": Architecture(99, 100, 1536, 24),
}
GRID, BLOCK, THREADS = (2**31 - 1, 65535, 65535), (1024, 1024, 64), 1024
OPTIONS, CUPYS_OPTIONS = (
    ("--std=c++17",),
    ("-ftz=true", "--device-as-default-execution-space"),
)  # CuPy adds its own
STATIC_SHARED = (
    48 << 10
)  # bytes beyond which a kernel must be told how much dynamic shared memory it may ask for

MOST = 2**31 - 2**10  # numbers in an array: an int counts them, and steps a little past their end

backend, xp = "host", np  # "host" with NumPy or "cuda" with CuPy
instantiations = {}  # file -> name expressions that rungs.py may ask for: the host compiles them together
Launch = namedtuple("Launch", "name grid block shared report")  # report: host.Report, None on a GPU
tracing = ContextVar("tracing", default=(None, False))


def use(device, array_module):
    """Launch on "host" (with NumPy) or "cuda" (with CuPy) from now on."""
    global backend, xp
    backend, xp = device, array_module
    for cached in (_prepare, architecture, limits):  # what is compiled stays
        cached.cache_clear()


@contextlib.contextmanager
def trace(counting=False):
    """``with trace() as launches:`` collects a Launch of every kernel; counting: with what it
    asked of memory.
    """
    before = tracing.set((launches := [], counting))
    try:
        yield launches
    finally:
        tracing.reset(before)


def launch(name, grid, block, args, *, shared=0, touches=()):
    """Run a kernel. On a GPU this returns at once; whoever reads the result waits for it.

    name: "file.cu:name expression", as "conv2d.cu:conv2d_naive<float>". grid, block: tuples of up
    to three ints. args, in the kernel's order: C-contiguous arrays (read, or read and written),
    ``Out(array)`` for those that are written wholly and not read, None for a null pointer, NumPy
    scalars, and structs as 0-d structured NumPy arrays. shared: bytes of dynamic shared memory.
    touches: arrays that the kernel reaches through pointers in a struct. Raises ValueError,
    TypeError or RuntimeError for what cannot run; host.KernelError for what a kernel does wrong.
    """
    run, (launches, counting) = _prepare(name, grid, block, shared), tracing.get()
    values = [a.array if type(a) is Out else NULL if a is None else a for a in args]
    _check(name, values)
    if backend == "cuda":
        report = run(grid, block, tuple(values), shared_mem=shared)
    else:
        arguments = [a if type(a) is Out else value for a, value in zip(args, values)]
        report = run(grid, block, arguments, shared=shared, touches=touches, counting=counting)
    if launches is not None:
        launches.append(Launch(name, grid, block, shared, report))


def check_size(name, array):
    """Refuse an array that an int cannot count."""
    if array.size > MOST:
        raise ValueError(
            f"{name} got an array of shape {array.shape}, {array.size} elements, more than {MOST}"
        )


def _check(name, values):
    """Refuse what cannot be an argument of a kernel."""
    for value in values:
        if isinstance(value, xp.ndarray):
            check_size(name, value)
            if not value.flags.c_contiguous:
                raise ValueError(
                    f"{name} got strides {value.strides} for the shape {value.shape}, expected C order"
                )
        elif not (
            isinstance(value, np.generic) or isinstance(value, np.ndarray) and value.dtype.names
        ):
            kind = f"{type(value).__module__.split('.')[0]} {type(value).__name__}"
            raise TypeError(
                f"{name} got a {kind}, expected {xp.__name__} arrays, as device {backend} has them, or "
                "NumPy scalars"
            )


@functools.lru_cache(maxsize=4096)
def _prepare(name, grid, block, shared):
    """The compiled kernel, or the sentence that says why it cannot run so."""
    for what, sizes, most in (("grid", grid, GRID), ("block", block, BLOCK)):
        if not 1 <= len(sizes) <= 3 or any(not 1 <= n <= m for n, m in zip(sizes, most)):
            raise ValueError(f"{name}: {what} {sizes} does not lie within {most}")
    if math.prod(block) > THREADS:
        raise ValueError(
            f"{name}: block {block} has {math.prod(block)} threads, at most {THREADS} are possible"
        )
    if shared > (most := limits().shared_per_block << 10):
        raise ValueError(
            f"{name}: {shared} bytes of shared memory, a block of {architecture()} has at most {most}"
        )
    if "_tensor<" in name and generation() < 80:
        raise RuntimeError(
            f"{name} multiplies in TF32, which needs sm_80 or newer, this is {architecture()}"
        )
    kernel = _compiled(backend, *name.split(":", 1))
    if backend == "host":  # which finds out as it goes what static shared memory comes on top
        return functools.partial(kernel, shared_most=most)
    if math.prod(block) > (possible := kernel.max_threads_per_block):
        raise ValueError(
            f"{name}: block {block}, and its registers and launch bounds allow {possible} threads"
        )
    if (both := shared + kernel.shared_size_bytes) > most:
        raise ValueError(
            f"{name}: {shared} bytes of shared memory make {both} with its static ones, a block of "
            f"{architecture()} has at most {most}"
        )
    if both > STATIC_SHARED:
        kernel.max_dynamic_shared_size_bytes = shared
    return kernel


@functools.lru_cache(maxsize=None)
def _compiled(backend, file, expression):
    """One instantiation of a kernel. On a GPU from CuPy's cache on disk, or from NVRTC: a tenth
    of a second, once.

    There it is compiled when it is first launched: a training script waits for the dozen that it
    uses, not for all.
    """
    if backend == "host":
        together = instantiations.get(file, ())
        compiler.library(file, together if expression in together else (expression,))
        return lambda *args, **options: machine.run(file, expression, *args, **options)
    import cupy

    module = cupy.RawModule(code=source(file), options=OPTIONS, name_expressions=(expression,))
    try:
        return module.get_function(expression)
    except cupy.cuda.compiler.CompileException as error:
        raise RuntimeError(f"kernels/{file} does not compile for {expression}:\n{error}") from None


def source(file):
    """The text of kernels/``file`` with its local includes put in, each once, and #line, so that
    errors name the place.

    Being one text, it is also its own key in CuPy's cache. Raises FileNotFoundError that names
    the line which includes what is not there. Names with a slash stay: they are the host's
    (host/device.h).
    """
    return "\n".join(_expanded(file, set(), file)) + "\n"


def _expanded(file, seen, asker):
    path = kernels_folder() / file
    if not path.is_file():
        raise FileNotFoundError(f"{asker} asks for {file}, which is not in {kernels_folder()}")
    seen.add(file)
    yield f'#line 1 "{file}"'
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if included := re.match(r'\s*#\s*include\s+"([^"/]+)"', line):
            if included[1] not in seen:
                yield from _expanded(included[1], seen, f"{file}:{number}")
            line = f'#line {number + 1} "{file}"'
        yield line


# ---- architectures -------------------------------------------------------------------------------


@functools.lru_cache
def architecture():
    """The name of the GPU's architecture, "sm_90"; the host imitates that of MINIGAN_ARCH, or
    sm_90.
    """
    if backend == "cuda":
        import cupy

        return f"sm_{cupy.cuda.Device().compute_capability}"
    name = os.environ.get("MINIGAN_ARCH") or "sm_90"
    if name not in ARCHITECTURES:
        raise ValueError(f"MINIGAN_ARCH is {name!r}, expected one of {', '.join(ARCHITECTURES)}")
    return name


def generation(name=None):
    """An architecture's number: 90 for sm_90; by default of the one in use."""
    return int((name or architecture()).removeprefix("sm_"))


@functools.lru_cache
def limits(name=None):
    """The table's row for an architecture; of one that is not in it, that of its nearest
    forerunner.
    """
    older = [known for known in ARCHITECTURES if generation(known) <= generation(name)]
    return ARCHITECTURES[older[-1] if older else "sm_70"]


def resources(file, expressions, arch):
    """What ptxas says of each kernel -> {expression: {"registers", "shared", "stack", "spills"}},
    bytes but the first.

    Compiled by NVRTC to a cubin for arch ("sm_90"); shared is static. This needs no GPU, but
    CuPy: ImportError without.
    """
    from cupy_backends.cuda.libs import nvrtc

    words = {
        "registers": "registers",
        "shared": "bytes smem",
        "stack": "bytes stack frame",
        "spills": "bytes spill",
    }
    program, found = nvrtc.createProgram(source(file), file, (), ()), {}
    try:
        for expression in expressions:
            nvrtc.addNameExpression(program, expression)
        nvrtc.compileProgram(
            program, (f"-arch={arch}", *OPTIONS, *CUPYS_OPTIONS, "--ptxas-options=-v")
        )
        log = nvrtc.getProgramLog(program)
        for expression in expressions:
            entry = re.escape(nvrtc.getLoweredName(program, expression))
            text = re.search(rf"Function properties for {entry}\n.*?Used .*?\n", log, re.DOTALL)[0]
            found[expression] = {
                key: sum(map(int, re.findall(rf"(\d+) {unit}", text)))
                for key, unit in words.items()
            }
    except nvrtc.NVRTCError:
        raise RuntimeError(
            f"kernels/{file} does not compile for {arch}:\n{nvrtc.getProgramLog(program)}"
        ) from None
    finally:
        nvrtc.destroyProgram(program)
    return found


def occupancy(registers, threads, shared, arch):
    """The share of a multiprocessor's threads that are there at once, blocks having so many
    threads and bytes shared.

    Registers are handed out 256 at a time to each warp, shared memory by 128 bytes and 1 KB more
    per block.
    """
    row, warps = limits(arch), -(-threads // 32)
    blocks = min(
        row.blocks,
        row.threads // (32 * warps),
        65536 // (warps * 256 * -(-32 * registers // 256)),
        (row.shared << 10) // (128 * -(-shared // 128) + 1024),
    )
    return blocks * warps * 32 / row.threads
