"""The kernels' work at the sizes of DCGAN and CycleGAN, each with its twin in PyTorch."""

from typing import Callable, NamedTuple

import kernel_twins as twins
import numpy as np

# name: N, C, H = W of the images, feature maps K, kernel, stride, padding
LAYER_TABLE = """
    DCGAN 3-64:        128    3   64    64  4  2  1
    DCGAN 64-128:      128   64   32   128  4  2  1
    DCGAN 128-256:     128  128   16   256  4  2  1
    DCGAN 256-512:     128  256    8   512  4  2  1
    DCGAN 512-1:       128  512    4     1  4  1  0
    DCGAN 100-512:     128  512    4   100  4  1  0
    CycleGAN c7s1-64:    1    3  262    64  7  1  0
    CycleGAN d128:       1   64  256   128  3  2  1
    CycleGAN d256:       1  128  128   256  3  2  1
    CycleGAN R256:       1  256   66   256  3  1  0
    CycleGAN c7s1-3:     1   64  262     3  7  1  0
"""


class Layer(NamedTuple):
    x_shape: tuple  # (N, C, H, W) of the images
    maps: int  # K, output channels
    kernel: int
    stride: int
    padding: int


def layers_of(table):
    """{name: Layer}"""
    layers = {}
    for line in table.strip().splitlines():
        name, numbers = line.strip().split(":")
        n, c, size, *rest = map(int, numbers.split())
        layers[name] = Layer((n, c, size, size), *rest)
    return layers


LAYERS = layers_of(LAYER_TABLE)
MAPS = {
    "DCGAN 64 maps": (128, 64, 32, 32),
    "DCGAN 512 maps": (128, 512, 4, 4),
    "large": (64, 64, 128, 128),
}


def parameters_of_dcgans_generator():
    """Their shapes: weights of five transposed convolutions, and of four batch norms."""
    widths = [512, 256, 128, 64]
    shapes = [(100, 512, 4, 4)]
    for width in widths[1:]:
        shapes.append((2 * width, width, 4, 4))
    shapes.append((64, 3, 4, 4))
    for width in 2 * widths:
        shapes.append((width,))
    return shapes


WEIGHTS = parameters_of_dcgans_generator()


class Case(NamedTuple):
    operation: str  # the name of an array function that has kernels
    size: str  # what the size is called in the tables
    arguments: tuple  # of the array function
    flops: int  # 0 where reading and writing is what counts
    bytes: int  # of the arrays that are read or written
    torch: Callable  # PyTorch's twin: see kernel_twins.py


def every_case():
    return [*convolutions(), *memory_bound()]


def convolutions():
    """Every layer, forward and both gradients.

    A transposed convolution's forward pass is the same kernel as the gradient of the input.
    """
    rng = np.random.default_rng(0)
    for name, (x_shape, k, kernel, stride, padding) in LAYERS.items():
        n, c, h, w = x_shape
        windows_down, rows_left = divmod(h + 2 * padding - kernel, stride)
        windows_across, columns_left = divmod(w + 2 * padding - kernel, stride)
        p = windows_down + 1
        q = windows_across + 1
        x = image(rng, n, c, h, w)
        g = image(rng, n, k, p, q)
        weight = image(rng, kernel, kernel, k, c).transpose(2, 3, 0, 1)
        steps = (stride, stride)
        pads = (padding, padding)
        left = (rows_left, columns_left)  # that no window reaches
        work = {
            "size": name,
            "flops": 2 * n * p * q * k * c * kernel * kernel,
            "bytes": x.nbytes + g.nbytes + weight.nbytes,
        }
        yield case("conv2d", (x, weight, steps, pads), **work)
        yield case("conv_transpose2d", (g, weight, steps, pads, left), **work)
        yield case("conv2d_weight_grad", (x, g, (kernel, kernel), steps, pads), **work)


def memory_bound():
    """The kernels whose time is that of reading and writing."""
    rng = np.random.default_rng(0)
    for name, shape in MAPS.items():
        x = image(rng, *shape)
        g = image(rng, *shape)
        row = rng.random(shape[1], np.float32) + 1  # a number per channel
        yield from pointwise(name, x, g, row)
        yield from norms(name, x, g, row)
        yield from losses(name, x)
    yield adam(rng)


def pointwise(name, x, g, row):
    slope = 0.2
    yield case("leaky_relu", (x, slope), size=name, bytes=2 * x.nbytes)
    yield case("leaky_relu_grad", (g, x, slope), size=name, bytes=3 * x.nbytes)
    yield case("add_bias", (x, row), size=name, bytes=2 * x.nbytes)
    yield case("channel_sum", (x,), size=name, bytes=x.nbytes)


def norms(name, x, g, row):
    slope = 0.2
    mean = np.stack([row, 1e-8 * row])  # two parts, of which PyTorch has the first
    running = row.copy(), row.copy()
    statistics = x, row, row, *running, 0.1, 1e-5
    backward = g, x, x, mean, row, row, slope
    yield case("batch_norm_statistics", statistics, size=name, bytes=x.nbytes)
    yield case("batch_norm_forward", (x, row, row, row, slope), size=name, bytes=2 * x.nbytes)
    yield case("batch_norm_grad", backward, size=name, bytes=7 * x.nbytes)


def losses(name, x):
    one = np.ones((), np.float32)
    backward = x, 1.0, one, "mean"
    yield case("bce_with_logits", (x, 1.0, "mean"), size=name, bytes=x.nbytes)
    yield case("bce_with_logits_grad", backward, size=name, bytes=2 * x.nbytes)


def adam(rng):
    params, grads, first, second = (
        [rng.random(shape, np.float32) for shape in WEIGHTS] for _ in range(4)
    )
    nbytes = sum(p.nbytes for p in params)
    step = 2
    lr = 2e-4
    betas = (0.5, 0.999)
    eps = 1e-8
    weight_decay = 0.0
    arguments = params, grads, first, second, step, lr, betas, eps, weight_decay
    return case("adam", arguments, size="DCGAN G", bytes=7 * nbytes)


def case(operation, arguments, *, size, bytes, flops=0):
    return Case(operation, size, arguments, flops, bytes, getattr(twins, operation))


def image(rng, n, c, h, w):
    """Normal numbers (n, c, h, w) in the memory order (h, w, n, c)."""
    return rng.standard_normal((h, w, n, c), np.float32).transpose(2, 3, 0, 1)


def mapped(f, arguments):
    """The arguments with f(array) in the place of each array, also of those in lists."""
    found = []
    for argument in arguments:
        if isinstance(argument, list):
            argument = mapped(f, argument)
        elif isinstance(argument, np.ndarray):
            argument = f(argument)
        found.append(argument)
    return found
