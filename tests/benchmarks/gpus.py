"""What GPUs can do."""

from typing import NamedTuple

from minigan import devices
from minigan.backends.cuda import launch


class Gpu(NamedTuple):
    """Figures of NVIDIA's datasheets; the bandwidth is what a copy reaches."""

    name: str
    multiprocessors: int
    clock: float  # GHz
    fp32: float  # TFLOP/s
    tf32: float  # TFLOP/s, dense
    bandwidth: float  # TB/s


GPUS = [
    Gpu("H200", 132, 1.755, 67, 495, 4.3),  # the datasheet says 4.8 TB/s
    Gpu("H100 PCIe", 114, 1.755, 51, 378, 1.8),
    Gpu("H100 NVL", 132, 1.785, 60, 418, 3.5),
    Gpu("H100", 132, 1.755, 67, 495, 3.0),
    Gpu("A100", 108, 1.41, 19.5, 156, 1.7),
]

# generation: multiply-adds per clock of a multiprocessor, and how many times as many of TF32
MULTIPLY_ADDS = {70: (64, 1), 75: (64, 1), 80: (64, 8), 90: (128, 7)}


def gpu_at_hand():
    """The Gpu that this process uses; its bandwidth is still to be measured.

    One that is not in the table is asked for what it has.
    """
    xp = devices.xp
    device = xp.cuda.Device()
    properties = xp.cuda.runtime.getDeviceProperties(device.id)
    name = properties["name"].decode()
    for gpu in GPUS:
        if gpu.name in name:
            return gpu
    return from_attributes(name, device.attributes)


def from_attributes(name, attributes):
    """A Gpu by its multiprocessors, clock and generation."""
    each, times = MULTIPLY_ADDS.get(launch.target.generation, (128, 1))
    count = attributes["MultiProcessorCount"]
    clock = attributes["ClockRate"] / 1e6
    fp32 = round(2 * count * clock * each / 1000, 1)
    return Gpu(name, count, clock, fp32, times * fp32, 0)
