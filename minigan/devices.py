"""Which arrays, and which implementation of the kernel-backed operations, this process works with.

An operation uses two module variables: ``devices.xp``, the array module (NumPy or CuPy), and
``devices.kernels``, a namespace of array functions (conv2d, batch_norm_forward, adam, ...) that
take and return arrays and know no gradients. An operation calls ``devices.kernels.conv2d(x, w)``
and never asks where it runs; a new device is a new row in the table below and touches no operation.

The device is chosen when one of the two is first read, not when minigan is imported. So an
environment that asks for a missing device does not make the import fail, and set_device can still
choose another. Until then the variables do not exist, and Python calls this module's
``__getattr__``; afterwards reading them costs nothing.
"""

import contextlib
import ctypes
import importlib.util
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .backends import cpu, cuda
from .backends.cpu import threads
from .backends.cuda import launch, rungs
from .backends.host import compiler, machine

# The module variables that set_device sets; reason says why the device was chosen.
CHOSEN = ("xp", "kernels", "name", "reason")


class DeviceError(RuntimeError):
    """The environment asks for a device or a rung that this machine or version does not have."""


def __getattr__(attribute):
    """Choose the device when one of the CHOSEN is read first; raises DeviceError as `choose`."""
    if attribute not in CHOSEN:
        raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
    choose()
    return globals()[attribute]


def _is_chosen():
    return "name" in globals()


# ---- the devices ---------------------------------------------------------------------------------


def _open_cpu():
    return np, cpu


def _describe_cpu():
    count = threads.thread_count()
    return f"NumPy {np.__version__}, {count} thread{'s' if count > 1 else ''}"


def _open_cuda():
    rungs.check_environment()
    if importlib.util.find_spec("cupy") is None:
        raise RuntimeError(
            "device cuda needs CuPy, which is not installed: pip install 'minigan[cuda13]' or "
            "[cuda12]"
        )
    import cupy

    if not cupy.cuda.is_available():
        raise RuntimeError(
            f"device cuda needs an NVIDIA GPU and its driver, CuPy {cupy.__version__} sees none"
        )
    generation = cupy.cuda.Device().compute_capability
    if int(generation) < 70:
        raise RuntimeError(f"device cuda needs an sm_70 or newer, this GPU is sm_{generation}")
    from .backends.cuda import gpu

    launch.use(gpu)
    return gpu.xp, cuda


def _describe_cuda():
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    gpu_name = properties["name"].decode()
    return f"{gpu_name} ({launch.target.architecture}), CuPy {cupy.__version__}"


def _open_host():
    rungs.check_environment()
    machine.check_environment()
    compiler.runtime()  # what is missing for it is said now, not at the first kernel
    launch.use(machine)  # so is a wrong MINIGAN_ARCH
    return machine.xp, cuda


def _describe_host():
    return (
        f"the CUDA kernels as {launch.target.architecture}, run thread by thread on this "
        "processor to be checked, not to be fast"
    )


class Device(NamedTuple):
    """One row of the table of devices."""

    open: Callable  # -> (the array module, the namespace of array functions), or RuntimeError
    describe: Callable  # -> one line for people; the device has been opened


DEVICES = {
    "cpu": Device(_open_cpu, _describe_cpu),
    "cuda": Device(_open_cuda, _describe_cuda),
    "host": Device(_open_host, _describe_host),
}


# ---- choosing one --------------------------------------------------------------------------------


def set_device(device, why="set_device"):
    """Work on this device from now on; tensors of another device stay there and cannot be used.

    device: a key of DEVICES. Raises ValueError for any other name, RuntimeError if this machine
    lacks what the device needs.
    """
    global xp, kernels, name, reason
    device = _name_of(device, why)
    xp, kernels = DEVICES[device].open()
    name, reason = device, why


class device(contextlib.ContextDecorator):
    """``with device("cpu"):`` works on that device inside the block, then on the one before.

    A factory takes one as an argument, ``zeros(3, device=device("cpu"))``, as PyTorch's do; there
    it has to be the device at hand. type: its name, without the number of ``"cuda:0"``. Raises
    ValueError for a name that is not a key of DEVICES.
    """

    def __init__(self, name):
        self.type = _name_of(name, "with device")
        self._before = []  # of each block that is open: the device and the reason, or None

    def __enter__(self):
        before = (name, reason) if _is_chosen() else None
        set_device(self.type, "with device")
        self._before.append(before)
        return self

    def __exit__(self, *exception):
        before = self._before.pop()
        if before:
            set_device(*before)
        else:
            _forget()

    def __eq__(self, other):
        return self.type == getattr(other, "type", other)

    def __hash__(self):
        return hash(self.type)

    def __repr__(self):
        return f"device({self.type!r})"

    def __str__(self):
        return self.type


def _name_of(device, why):
    """The key of DEVICES that a string or a device object names."""
    device = getattr(device, "type", device)  # also PyTorch's
    if isinstance(device, str) and device.partition(":")[0] in DEVICES:
        return device.partition(":")[0]
    *others, last = sorted(DEVICES)
    expected = f"{', '.join(others)} or {last}"
    raise ValueError(f"unknown device {device!r} ({why}), expected {expected}")


def is_device(thing):
    """Does this name a device, as "cpu" or a device object do?"""
    name = getattr(thing, "type", thing)
    return isinstance(name, str) and name.partition(":")[0] in DEVICES


def check(device):
    """Raise ValueError unless device is None or the one that this process works on.

    On the device host, "cpu" is the one: its arrays are NumPy's.
    """
    if device is None:
        return
    wanted = _name_of(device, "device=")
    if not _is_chosen():
        choose()
    if wanted != name and (wanted, name) != ("cpu", "host"):
        raise ValueError(
            f"device is {wanted!r}, but this process works on {name}: "
            f"minigan.set_device({wanted!r}) before anything is made chooses another one"
        )


def _forget():
    """Be as after the import: the device is chosen when it is next needed."""
    for variable in CHOSEN:
        del globals()[variable]


def describe():
    """One line for the top of a script's output: the device, what it is, and why it was chosen."""
    if not _is_chosen():
        choose()
    return f"device {name}: {DEVICES[name].describe()}; chosen because {reason}"


def to_numpy(array):
    """The array as a NumPy array; on the GPU this copies and waits."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def gpu_count():
    """How many NVIDIA GPUs this process may use, 0 without a driver.

    The driver's own library is asked, because every way to a GPU goes through it. A file under
    /dev or a program in PATH says nothing of containers, of Windows or of CUDA_VISIBLE_DEVICES.
    """
    library = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return 0
    count = ctypes.c_int()
    failed = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    return 0 if failed else count.value


def choose():
    """Work on the device of MINIGAN_DEVICE; otherwise on cuda if CuPy sees a GPU, or on cpu.

    Raises DeviceError if MINIGAN_DEVICE or MINIGAN_RUNG name what this version or machine does
    not have.
    """
    wanted = os.environ.get("MINIGAN_DEVICE")
    try:
        rungs.check_environment()
        if wanted:
            set_device(wanted, "MINIGAN_DEVICE says so")
            return
    except (ValueError, RuntimeError) as error:
        raise DeviceError(str(error)) from None
    if gpu_count() == 0:
        set_device("cpu", "there is no NVIDIA GPU")
        return
    try:
        set_device("cuda", "there is an NVIDIA GPU")
    except RuntimeError as error:
        set_device("cpu", f"the NVIDIA GPU here cannot be used: {error}")
