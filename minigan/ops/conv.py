"""Convolution, transposed convolution and the weight gradient: three operations closed under
differentiation.

    conv2d(x, w)[n, k, p, q] = sum_crs x[n, c, p s + r - pad, q s + s' - pad] w[k, c, r, s']

is linear in x and in w, and so are its two adjoints. With <a, b> the sum of all products,

    <conv2d(x, w), g>  =  <x, conv_transpose2d(g, w)>  =  <w, conv2d_weight_grad(x, g)>

which is why the VJPs of each one are the other two, and why derivatives of any order need nothing
else.
"""

import numbers

from .. import devices
from ..creation import raw
from ..engine import record
from .shapes import expand, reshape


def conv2d(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation, as torch.nn.functional.conv2d.

    x (N, C, H, W), weight (K, C, R, S), bias (K,) -> (N, K, P, Q) with P = (H + 2 padding - R) //
    stride + 1. stride, padding: an int or a pair. Raises ValueError for shapes that do not fit,
    TypeError for mixed dtypes.
    """
    stride, padding = pair("stride", stride, 1), pair("padding", padding, 0)
    _check("conv2d", x, weight, bias, dilation, groups, weight_axes=(1, 0))
    if any(n + 2 * p < k for n, p, k in zip(x.shape[2:], padding, weight.shape[2:])):
        raise ValueError(
            f"conv2d: a kernel of {weight.shape[2:]} does not fit into an image of {x.shape[2:]} "
            f"padded by {padding}"
        )
    y = _conv2d(x, weight, stride, padding)
    return y if bias is None else add_bias(y, bias)


def conv_transpose2d(
    x, weight, bias=None, *, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The adjoint of conv2d in its first argument, as torch.nn.functional.conv_transpose2d.

    x (N, K, P, Q), weight (K, C, R, S), bias (C,) -> (N, C, H, W) with H = (P - 1) stride - 2
    padding + R + output_padding. stride, padding, output_padding: an int or a pair;
    output_padding must be smaller than stride.
    """
    stride, padding = pair("stride", stride, 1), pair("padding", padding, 0)
    extra = pair("output_padding", output_padding, 0)
    _check("conv_transpose2d", x, weight, bias, dilation, groups, weight_axes=(0, 1))
    if any(e >= s for e, s in zip(extra, stride)):
        raise ValueError(
            f"conv_transpose2d: output_padding {extra} must be smaller than stride {stride}"
        )
    size = tuple(
        (n - 1) * s - 2 * p + k + e
        for n, s, p, k, e in zip(x.shape[2:], stride, padding, weight.shape[2:], extra)
    )
    if min(size) < 1:
        raise ValueError(
            f"conv_transpose2d: an input of {x.shape[2:]} with kernel {weight.shape[2:]} and padding "
            f"{padding} leaves an image of {size}"
        )
    y = _conv_transpose2d(x, weight, stride, padding, extra)
    return y if bias is None else add_bias(y, bias)


def conv2d_weight_grad(x, g, kernel_size, *, stride=1, padding=0):
    """The adjoint of conv2d in its weight: x (N, C, H, W), g (N, K, P, Q) -> (K, C, R, S)."""
    kernel_size, stride = pair("kernel_size", kernel_size, 1), pair("stride", stride, 1)
    padding = pair("padding", padding, 0)
    _check_images("conv2d_weight_grad", x, ("x", x, 4), ("g", g, 4))
    size = tuple(
        (n + 2 * p - k) // s + 1 for n, p, k, s in zip(x.shape[2:], padding, kernel_size, stride)
    )
    if (len(g), *g.shape[2:]) != (len(x), *size):
        raise ValueError(
            f"conv2d_weight_grad: g has shape {g.shape}, expected ({len(x)}, K, {size[0]}, {size[1]})"
        )
    return _weight_grad(x, g, kernel_size, stride, padding)


def _conv2d(x, w, stride, padding):
    kernel = w.shape[2:]
    rest = _beyond_the_last_window(x, kernel, stride, padding)
    return record(
        devices.kernels.conv2d(x.array, w.array, stride, padding),
        (x, lambda g: _conv_transpose2d(g, w, stride, padding, rest)),
        (w, lambda g: _weight_grad(x, g, kernel, stride, padding)),
    )


def _conv_transpose2d(x, w, stride, padding, output_padding):
    kernel = w.shape[2:]
    return record(
        devices.kernels.conv_transpose2d(x.array, w.array, stride, padding, output_padding),
        (x, lambda g: _conv2d(g, w, stride, padding)),
        (w, lambda g: _weight_grad(g, x, kernel, stride, padding)),
    )


def _weight_grad(x, g, kernel, stride, padding):
    rest = _beyond_the_last_window(x, kernel, stride, padding)
    return record(
        devices.kernels.conv2d_weight_grad(x.array, g.array, kernel, stride, padding),
        (x, lambda h: _conv_transpose2d(g, h, stride, padding, rest)),
        (g, lambda h: _conv2d(x, h, stride, padding)),
    )


def _beyond_the_last_window(x, kernel, stride, padding):
    """How many rows and columns of x no window reached: without them the adjoint's image would
    come out too small.
    """
    return tuple((n + 2 * p - k) % s for n, p, k, s in zip(x.shape[2:], padding, kernel, stride))


def add_bias(x, bias):
    """x (N, C, ...) + bias (C,) on every pixel."""
    if raw(x).ndim < 2 or (raw(bias).shape, bias.dtype) != (x.shape[1:2], x.dtype):
        raise ValueError(
            f"add_bias: x {x.shape} {x.dtype}, bias {bias.shape} {bias.dtype}, expected (N, C, ...), (C,)"
        )
    return record(
        devices.kernels.add_bias(x.array, bias.array),
        (x, lambda g: g),
        (bias, lambda g: channel_sum(g)),
    )


def channel_sum(x):
    """The sum over all axes but the second: x (N, C, ...) -> (C,). The gradient of a bias."""
    xs = x.shape
    return record(
        devices.kernels.channel_sum(x.array), (x, lambda g: expand(per_channel(g, len(xs)), xs))
    )


def per_channel(v, ndim):
    """A vector (C,) as (1, C, 1, ...), ready to broadcast over a tensor with ndim axes."""
    return reshape(v, (1, -1) + (1,) * (ndim - 2))


def pair(what, value, least):
    """An int or a pair of ints as a pair; ValueError unless each is at least ``least``."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2 or any(
        isinstance(v, bool) or not isinstance(v, numbers.Integral) or v < least for v in values
    ):
        raise ValueError(
            f"{what} is {value!r}, expected an int or a pair of ints of at least {least}"
        )
    return values


def check_undilated(name, dilation, groups):
    if dilation not in (1, (1, 1)) or groups != 1:
        raise ValueError(
            f"{name}: dilation {dilation} and groups {groups} are not supported, only 1 and 1"
        )


def _check(name, x, weight, bias, dilation, groups, weight_axes):
    """Refuse, in one sentence, what no convolution can take. weight_axes: those of x's channels
    and of the output's.
    """
    check_undilated(name, dilation, groups)
    _check_images(
        name, x, ("x", x, 4), ("weight", weight, 4), *[("bias", bias, 1)] * (bias is not None)
    )
    channels, out = (weight.shape[axis] for axis in weight_axes)
    if x.shape[1] != channels:
        raise ValueError(
            f"{name}: x has {x.shape[1]} channels, weight of shape {weight.shape} expects {channels}"
        )
    if bias is not None and bias.shape != (out,):
        raise ValueError(f"{name}: bias has shape {bias.shape}, expected ({out},)")


def _check_images(name, x, *tensors):
    """tensors: (what it is called, the tensor, its number of axes), all of x's dtype and none of
    them empty.
    """
    for what, t, ndim in tensors:
        if raw(t).ndim != ndim or 0 in t.shape:
            raise ValueError(
                f"{name}: {what} has shape {t.shape}, expected {ndim} axes, none of them empty"
            )
        if t.dtype != x.dtype or t.dtype.kind != "f":
            raise TypeError(
                f"{name}: {what} is {t.dtype} and x is {x.dtype}, expected one floating-point dtype"
            )
