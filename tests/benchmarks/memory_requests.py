"""What kernels ask of memory, counted on the host device on small arrays."""

import numpy as np
from kernel_cases import image

from minigan.backends import cuda
from minigan.backends.cuda import launch
from minigan.backends.cuda import rungs as ladder


def small_arguments():
    """operation -> its arguments."""
    rng = np.random.default_rng(0)
    x = image(rng, 32, 64, 4, 4)
    weight = image(rng, 4, 4, 128, 64).transpose(2, 3, 0, 1)
    g = image(rng, 32, 128, 2, 2)
    row = rng.random(64, np.float32)
    one = np.ones((), np.float32)
    state = [[rng.random(4096, np.float32)] for _ in range(4)]
    mean = rng.random((2, 64), np.float32)
    kernel_size = 4, 4
    stride = 2, 2
    padding = 1, 1
    betas = 0.5, 0.999
    slope = 0.2
    return {
        "conv2d": (x, weight, stride, padding),
        "conv_transpose2d": (g, weight, stride, padding, (0, 0)),
        "conv2d_weight_grad": (x, g, kernel_size, stride, padding),
        "leaky_relu": (x, slope),
        "leaky_relu_grad": (x, x, slope),
        "add_bias": (x, row),
        "channel_sum": (x,),
        "batch_norm_statistics": (x, row, row, None, None, 0.1, 1e-5),
        "batch_norm_forward": (x, row, row, row, slope),
        "batch_norm_grad": (x, x, x, mean, row, row, slope),
        "bce_with_logits": (x, 1.0, "mean"),
        "bce_with_logits_grad": (x, 1.0, one, "mean"),
        "adam": (*state, 2, 2e-4, betas, 1e-8, 0.0),
    }


def memory_requests(rungs=ladder.ALL):
    """A row for each launch of each operation on these rungs.

    Kernel, requests to shared memory, bank conflicts, sectors of 32 bytes per request to global
    memory, and how few they could be.
    """
    for operation, arguments in small_arguments().items():
        kernel = getattr(cuda, operation)
        for rung in ladder.RUNGS[operation]:
            if rung in rungs:
                with ladder.rung(rung), launch.collect_launches(counting=True) as seen:
                    kernel(*arguments)
                for launched in seen:
                    yield requests_row(launched)


def requests_row(launched):
    report = launched.report
    _, name = launched.name.split(":")
    shared_requests = 0
    for line in report.lines:
        if line.space == "shared":
            shared_requests += line.requests
    taken, ideal = report.sectors_per_request
    return [
        name,
        shared_requests,
        report.bank_conflicts,
        f"{taken:.2f}",
        f"{ideal:.2f}",
    ]
