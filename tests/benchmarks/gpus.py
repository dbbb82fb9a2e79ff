"""What a GPU can do: from NVIDIA's datasheets, and from measuring the one at hand."""

import functools
from typing import NamedTuple

import numpy as np

from minigan import devices
from minigan.backends.cuda import launch


class Gpu(NamedTuple):
    name: str
    multiprocessors: int
    clock: float  # GHz
    fp32: float  # TFLOP/s in float32
    tf32: float  # TFLOP/s in TF32, of dense matrices
    bandwidth: float  # TB/s of memory


# From datasheets. The H200's bandwidth is what a copy reaches (its datasheet says 4.8); that of a
# GPU at hand is measured.
GPUS = [
    Gpu("H200", 132, 1.755, 67, 495, 4.3),
    Gpu("H100 PCIe", 114, 1.755, 51, 378, 1.8),
    Gpu("H100 NVL", 132, 1.785, 60, 418, 3.5),
    Gpu("H100", 132, 1.755, 67, 495, 3.0),
    Gpu("A100", 108, 1.41, 19.5, 156, 1.7),
]

# Of a generation: multiply-adds in float32 per clock and multiprocessor, and how many times as
# many there are in TF32.
RATES = {70: (64, 1), 75: (64, 1), 80: (64, 8), 90: (128, 7)}


def at_hand():
    """The GPU at hand with its bandwidth measured, from the table or from what it says itself."""
    device = devices.xp.cuda.Device()
    name = devices.xp.cuda.runtime.getDeviceProperties(device.id)["name"].decode()
    gpu = in_the_table(name) or from_attributes(name, device.attributes)
    return gpu._replace(bandwidth=copy_bandwidth(devices.xp))


def in_the_table(name):
    for gpu in GPUS:
        if gpu.name in name:
            return gpu
    return None


def from_attributes(name, attributes):
    multiply_adds, times = RATES.get(launch.target.generation, (128, 1))
    multiprocessors = attributes["MultiProcessorCount"]
    clock = attributes["ClockRate"] / 1e6
    peak = round(2 * multiprocessors * clock * multiply_adds / 1000, 1)
    return Gpu(name, multiprocessors, clock, peak, times * peak, bandwidth=0)


def copy_bandwidth(xp):
    """TB/s of a copy inside the GPU's memory."""
    a = xp.ones(1 << 28, np.float32)
    b = xp.empty(1 << 28, np.float32)
    return 2 * a.nbytes / milliseconds(lambda: xp.copyto(b, a), xp, 20) / 1e9


def milliseconds(function, xp, rounds):
    """The median time of a call on the GPU.

    Before each call, ones are written: more than the second-level cache holds, and for half a
    millisecond, in which Python can launch what is timed. Otherwise Python itself would be timed.
    A call that takes long is made fewer times.
    """
    start = xp.cuda.Event()
    end = xp.cuda.Event()
    ones = _ones(xp)
    times = []
    while len(times) < 3 + rounds and (len(times) < 4 or sum(times) < 1000):
        for _ in range(8):
            ones.fill(1)
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(xp.cuda.get_elapsed_time(start, end))
    return float(np.median(times[3:]))


@functools.cache
def _ones(xp):
    return xp.empty(64 << 20, np.float32)
