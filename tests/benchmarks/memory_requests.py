"""Bank conflicts and memory sectors of each kernel, counted by the host device on small arrays."""

import numpy as np
from kernel_cases import image

from minigan.backends import cuda
from minigan.backends.cuda import launch, rungs


def small_arguments():
    """{operation: arguments of its array function}."""
    rng = np.random.default_rng(0)
    x = image(rng, 32, 64, 4, 4)
    row = rng.random(64, np.float32)
    return {
        **of_convolutions(rng, x),
        **of_pointwise(x, row),
        **of_norms(rng, x, row),
        **of_losses(x),
        "adam": of_adam(rng),
    }


def of_convolutions(rng, x):
    weight = image(rng, 4, 4, 128, 64).transpose(2, 3, 0, 1)
    g = image(rng, 32, 128, 2, 2)
    stride = (2, 2)
    padding = (1, 1)
    return {
        "conv2d": (x, weight, stride, padding),
        "conv_transpose2d": (g, weight, stride, padding, (0, 0)),
        "conv2d_weight_grad": (x, g, (4, 4), stride, padding),
    }


def of_pointwise(x, row):
    return {
        "leaky_relu": (x, 0.2),
        "leaky_relu_grad": (x, x, 0.2),
        "add_bias": (x, row),
        "channel_sum": (x,),
    }


def of_norms(rng, x, row):
    mean = rng.random((2, 64), np.float32)
    return {
        "batch_norm_statistics": (x, row, row, None, None, 0.1, 1e-5),
        "batch_norm_forward": (x, row, row, row, 0.2),
        "batch_norm_grad": (x, x, x, mean, row, row, 0.2),
    }


def of_losses(x):
    one = np.ones((), np.float32)
    return {
        "bce_with_logits": (x, 1.0, "mean"),
        "bce_with_logits_grad": (x, 1.0, one, "mean"),
    }


def of_adam(rng):
    params, grads, first, second = ([rng.random(4096, np.float32)] for _ in range(4))
    step = 2
    lr = 2e-4
    betas = (0.5, 0.999)
    eps = 1e-8
    weight_decay = 0.0
    return params, grads, first, second, step, lr, betas, eps, weight_decay


def memory_requests(wanted=rungs.ALL):
    """Rows of the wanted rungs: kernel, requests to shared memory, bank conflicts, sectors.

    Sectors of 32 bytes are per request to global memory: what it takes, and the fewest that hold
    its numbers. The device must be host.
    """
    for operation, arguments in small_arguments().items():
        for rung in rungs.RUNGS[operation]:
            if rung in wanted:
                with launch.collect_launches(counting=True) as seen, rungs.rung(rung):
                    getattr(cuda, operation)(*arguments)
                yield from map(counted, seen)


def counted(row):
    shared = [line for line in row.report.lines if line.space == "shared"]
    requests = sum(line.requests for line in shared)
    taken, ideal = row.report.sectors_per_request
    kernel = row.name.split(":")[1]
    return [kernel, requests, row.report.bank_conflicts, f"{taken:.2f}", f"{ideal:.2f}"]
