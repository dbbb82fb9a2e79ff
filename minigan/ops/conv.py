"""Convolution, transposed convolution and weight gradient: closed under differentiation.

    conv2d(x, w)[n, k, p, q] = sum over c, r, s of x[n, c, i, j] w[k, c, r, s]
    where i = p stride + r - padding and j = q stride + s - padding

is linear in x and in w, and so are its two adjoints. With <a, b> the sum of all products,

    <conv2d(x, w), g>  =  <x, conv_transpose2d(g, w)>  =  <w, conv2d_weight_grad(x, g)>

So the VJPs of each one are the other two, and derivatives of any order need nothing else.
"""

from .. import devices
from ..backends.convolution_sizes import output_size, transposed_size
from ..checks import is_whole_number
from ..creation import raw
from ..engine import record
from .shapes import expand, reshape

grouped = None  # the module grouped.py: it imports this one, and sets the name in its last line


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation, as torch.nn.functional.conv2d.

    x (N, C, H, W), weight (K, C, R, S), bias (K,) -> (N, K, P, Q), with
    P = (H + 2 padding - R) // stride + 1. stride, padding: an int or a pair. Raises ValueError for
    shapes that do not fit, TypeError for mixed dtypes. dilation, groups, and "same" as padding: see
    grouped.py.
    """
    if dilation not in (1, (1, 1)) or groups != 1 or isinstance(padding, str):
        return grouped.general_conv2d(x, weight, bias, stride, padding, dilation, groups)
    stride = pair("stride", stride, 1)
    padding = pair("padding", padding, 0)
    image, kernel_size = _check_operands("conv2d", x, weight, bias, weight_axes=(1, 0))
    if min(output_size(image, kernel_size, stride, padding)) < 1:
        raise ValueError(
            f"conv2d: a kernel of {kernel_size} does not fit into an image of {image} padded by "
            f"{padding}"
        )
    y = _conv2d(x, weight, stride, padding)
    return y if bias is None else add_bias(y, bias)


def conv_transpose2d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The adjoint of conv2d in its first argument, as torch.nn.functional.conv_transpose2d.

    x (N, K, P, Q), weight (K, C, R, S), bias (C,) -> (N, C, H, W), with
    H = (P - 1) stride - 2 padding + R + output_padding. stride, padding, output_padding: an int or
    a pair; output_padding must be smaller than stride. dilation, groups: see grouped.py.
    """
    if dilation not in (1, (1, 1)) or groups != 1:
        options = stride, padding, output_padding, groups, dilation
        return grouped.general_conv_transpose2d(x, weight, bias, *options)
    stride = pair("stride", stride, 1)
    padding = pair("padding", padding, 0)
    output_padding = pair("output_padding", output_padding, 0)
    image, kernel_size = _check_operands("conv_transpose2d", x, weight, bias, weight_axes=(0, 1))
    if any(extra >= s for extra, s in zip(output_padding, stride)):
        raise ValueError(
            f"conv_transpose2d: output_padding {output_padding} must be smaller than stride "
            f"{stride}"
        )
    size = transposed_size(image, kernel_size, stride, padding, output_padding)
    if min(size) < 1:
        raise ValueError(
            f"conv_transpose2d: an input of {image} with kernel {kernel_size} and padding "
            f"{padding} leaves an image of {size}"
        )
    y = _conv_transpose2d(x, weight, stride, padding, output_padding)
    return y if bias is None else add_bias(y, bias)


def conv2d_weight_grad(x, g, kernel_size, *, stride=1, padding=0):
    """The adjoint of conv2d in its weight: x (N, C, H, W), g (N, K, P, Q) -> (K, C, R, S)."""
    kernel_size = pair("kernel_size", kernel_size, 1)
    stride = pair("stride", stride, 1)
    padding = pair("padding", padding, 0)
    for what, t in (("x", x), ("g", g)):
        _check_operand("conv2d_weight_grad", what, t, 4, x)
    p, q = output_size(x.shape[2:], kernel_size, stride, padding)
    if (len(g), *g.shape[2:]) != (len(x), p, q):
        raise ValueError(
            f"conv2d_weight_grad: g has shape {g.shape}, expected ({len(x)}, K, {p}, {q})"
        )
    return _weight_grad(x, g, kernel_size, stride, padding)


# ---- value and VJPs; the arguments are checked ---------------------------------------------------


def _conv2d(x, w, stride, padding):
    kernel_size = w.array.shape[2:]
    unread = _unread_margin(x, kernel_size, stride, padding)
    return record(
        devices.kernels.conv2d(x.array, w.array, stride, padding),
        (x, lambda g: _conv_transpose2d(g, w, stride, padding, unread)),
        (w, lambda g: _weight_grad(x, g, kernel_size, stride, padding)),
        op="conv2d",
        stride=stride,
        padding=padding,
    )


def _conv_transpose2d(x, w, stride, padding, output_padding):
    kernel_size = w.array.shape[2:]
    return record(
        devices.kernels.conv_transpose2d(x.array, w.array, stride, padding, output_padding),
        (x, lambda g: _conv2d(g, w, stride, padding)),
        (w, lambda g: _weight_grad(g, x, kernel_size, stride, padding)),
        op="conv_transpose2d",
        stride=stride,
        padding=padding,
        output_padding=output_padding,
    )


def _weight_grad(x, g, kernel_size, stride, padding):
    unread = _unread_margin(x, kernel_size, stride, padding)
    return record(
        devices.kernels.conv2d_weight_grad(x.array, g.array, kernel_size, stride, padding),
        (x, lambda h: _conv_transpose2d(g, h, stride, padding, unread)),
        (g, lambda h: _conv2d(x, h, stride, padding)),
        op="conv2d_weight_grad",
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
    )


def _unread_margin(x, kernel_size, stride, padding):
    """How many rows and columns at the end of x no window reads.

    The adjoint needs them as output_padding: otherwise its image would be too small.
    """
    margin = []
    for n, p, k, s in zip(x.array.shape[2:], padding, kernel_size, stride):
        margin.append((n + 2 * p - k) % s)
    return tuple(margin)


# ---- the bias ------------------------------------------------------------------------------------


def add_bias(x, bias):
    """x (N, C, ...) + bias (C,) on every pixel."""
    a = raw(x)
    b = raw(bias)
    if a.ndim < 2 or b.shape != a.shape[1:2] or b.dtype != a.dtype:
        raise ValueError(
            f"add_bias: x {x.shape} {x.dtype}, bias {bias.shape} {bias.dtype}, expected "
            "(N, C, ...), (C,)"
        )
    return record(
        devices.kernels.add_bias(a, b),
        (x, lambda g: g),
        (bias, lambda g: channel_sum(g)),
        op="add_bias",
    )


def channel_sum(x):
    """The sum over all axes but the second: x (N, C, ...) -> (C,). The gradient of a bias."""
    x_shape = x.array.shape
    return record(
        devices.kernels.channel_sum(x.array),
        (x, lambda g: expand(per_channel(g, len(x_shape)), x_shape)),
        op="channel_sum",
    )


def per_channel(v, ndim):
    """A vector (C,) as (1, C, 1, ...), ready to broadcast over a tensor with ndim axes."""
    return reshape(v, (1, -1) + (1,) * (ndim - 2))


# ---- arguments that are refused ------------------------------------------------------------------


def pair(name, value, least):
    """An int or a pair of ints as a pair; ValueError unless each is at least ``least``."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2 or not all(is_whole_number(v, least) for v in values):
        raise ValueError(
            f"{name} is {value!r}, expected an int or a pair of ints of at least {least}"
        )
    return values


def _check_operands(name, x, weight, bias, weight_axes):
    """Raise ValueError or TypeError unless the three fit each other -> (H, W), (R, S).

    weight_axes: the axis of the weight for the channels of x, and that for the output's.
    """
    x_shape = _check_operand(name, "x", x, 4, x)
    w_shape = _check_operand(name, "weight", weight, 4, x)
    channels = w_shape[weight_axes[0]]
    if x_shape[1] != channels:
        raise ValueError(
            f"{name}: x has {x_shape[1]} channels, weight of shape {w_shape} expects {channels}"
        )
    if bias is not None:
        bias_shape = _check_operand(name, "bias", bias, 1, x)
        expected = (w_shape[weight_axes[1]],)
        if bias_shape != expected:
            raise ValueError(f"{name}: bias has shape {bias_shape}, expected {expected}")
    return x_shape[2:], w_shape[2:]


def _check_operand(name, what, t, ndim, x):
    """Raise an error unless t has ndim axes, none of them empty, and x's dtype -> its shape."""
    a = raw(t)
    if a.ndim != ndim or 0 in a.shape:
        raise ValueError(
            f"{name}: {what} has shape {a.shape}, expected {ndim} axes, none of them empty"
        )
    if a.dtype != x.array.dtype or a.dtype.kind != "f":
        raise TypeError(
            f"{name}: {what} is {a.dtype} and x is {x.dtype}, expected one floating-point dtype"
        )
    return a.shape
