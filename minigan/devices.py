"""Which arrays, and which implementation of the kernel-backed operations, this process works with.

Two module variables are all that the rest of minigan sees: ``devices.xp``, the array module (NumPy or CuPy), and
``devices.kernels``, a namespace of array functions (conv2d, batch_norm_forward, adam, ...): array in, array out, no
autograd. An operation calls ``devices.kernels.conv2d(x, w, ...)`` and never asks where it runs; a new device is a new
row in the table below and touches no operation.
"""

import contextlib
import ctypes
import importlib.util
import os

import numpy as np

from . import cpu, cuda, launch, native, threads

xp, kernels = np, cpu
name, reason = "cpu", "it is the default"


# ---- the devices ---------------------------------------------------------------------------------------------------

def _cuda():
    if importlib.util.find_spec("cupy") is None:
        raise RuntimeError("device cuda needs CuPy, which is not installed: pip install 'minigan[cuda13]' or [cuda12]")
    import cupy

    if not cupy.cuda.is_available():
        raise RuntimeError(f"device cuda needs an NVIDIA GPU and its driver, CuPy {cupy.__version__} sees none")
    if int(generation := cupy.cuda.Device().compute_capability) < 70:
        raise RuntimeError(f"device cuda needs an sm_70 or newer, this GPU is sm_{generation}")
    if launch.backend != "cuda":
        launch.use("cuda", cupy)
    return cupy, cuda


def _host():
    native.runtime()  # what is missing for it is said now, not at the first kernel
    if launch.backend != "host":
        launch.use("host", np)
    return np, cuda


def _describe_cuda():
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return f"{properties['name'].decode()} ({launch.architecture()}), CuPy {cupy.__version__}"


# name -> (returns the array module and the namespace of array functions, returns one line for people)
DEVICES = {
    "cpu": (lambda: (np, cpu), lambda: f"NumPy {np.__version__}, {threads.thread_count()} threads"),
    "cuda": (_cuda, _describe_cuda),
    "host": (_host, lambda: f"the CUDA kernels as {launch.architecture()}, run thread by thread on this processor "
                            "to be checked, not to be fast"),
}


# ---- choosing one --------------------------------------------------------------------------------------------------

def set_device(device, why="set_device"):
    """Work on this device from now on; tensors of another stay there, and are of no use.

    device: a key of DEVICES. Raises ValueError for any other name, RuntimeError where this machine lacks what it needs.
    """
    global xp, kernels, name, reason
    if device not in DEVICES:
        raise ValueError(f"unknown device {device!r} ({why}); this version has {', '.join(sorted(DEVICES))}")
    xp, kernels = DEVICES[device][0]()
    name, reason = device, why


@contextlib.contextmanager
def device(device):
    """``with device("cpu"):`` works on that device inside the block and returns to the one before."""
    before = name, reason
    set_device(device, "with device")
    try:
        yield
    finally:
        set_device(*before)


def describe():
    """One line for the top of a script's output: the device, what it is, and why it was chosen."""
    return f"device {name}: {DEVICES[name][1]()}; chosen because {reason}"


def to_numpy(array):
    """The array as a NumPy array; on the GPU this copies and waits."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def gpu_count():
    """How many NVIDIA GPUs this process may use, 0 without a driver.

    Asked of the driver's own library, which every way to a GPU goes through: a file under /dev or a program in PATH
    says nothing of containers, of Windows or of CUDA_VISIBLE_DEVICES.
    """
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    return 0 if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) else count.value


def choose():
    """The device of MINIGAN_DEVICE; else cuda where CuPy sees a GPU, and otherwise cpu with the reason why."""
    global reason
    if os.environ.get("MINIGAN_DEVICE"):
        set_device(os.environ["MINIGAN_DEVICE"], "MINIGAN_DEVICE says so")
    elif gpu_count() == 0:
        reason = "there is no NVIDIA GPU"
    else:
        try:
            set_device("cuda", "there is an NVIDIA GPU")
        except RuntimeError as error:
            reason = f"the NVIDIA GPU here cannot be used: {error}"


choose()
