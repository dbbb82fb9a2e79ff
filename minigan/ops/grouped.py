"""Convolutions with groups, with dilation, with named padding, and along one axis.

They are made of the ordinary convolutions in conv.py, and so inherit their gradients and run on
every device. They are right, not fast: each group is a convolution of its own, and a dilated kernel
is one with zeros between its taps.
"""

import sys

from ..creation import raw
from . import conv
from .axes import split, squeeze, unsqueeze
from .conv import add_bias, conv2d, conv_transpose2d, pair
from .indexing import put
from .joining import cat
from .padding import pad


def general_conv2d(x, weight, bias, stride, padding, dilation, groups):
    """conv2d with weight (K, C / groups, R, S); see conv.py for the other shapes.

    dilation: the distance of neighbouring taps, an int or a pair. groups: output channels of group
    i see input channels of group i only. padding: also "valid", which is 0, or "same", which keeps
    the size at a stride of 1.
    """
    stride = pair("stride", stride, 1)
    dilation = pair("dilation", dilation, 1)
    check_groups("conv2d", groups, x, weight, channels_per_group=raw(weight).shape[1:2])
    if isinstance(padding, str):
        x = pad_by_name(x, weight.shape[2:], stride, padding, dilation)
        padding = 0
    weight = _dilated(weight, dilation)
    pieces = []
    for part, kernel in _in_groups(x, weight, groups):
        pieces.append(conv2d(part, kernel, stride=stride, padding=padding))
    y = cat(pieces, 1)
    return y if bias is None else add_bias(y, bias)


def general_conv_transpose2d(x, weight, bias, stride, padding, output_padding, groups, dilation):
    """conv_transpose2d with weight (K, C / groups, R, S), the adjoint of general_conv2d in x."""
    dilation = pair("dilation", dilation, 1)
    channels = raw(weight).shape[0]
    if groups < 1 or channels % groups:
        raise ValueError(
            f"conv_transpose2d: {channels} channels cannot be in {groups} groups of one size"
        )
    check_groups("conv_transpose2d", groups, x, weight, (channels // groups,))
    # the zeros between the taps make the kernel larger, but not the step of an output pixel
    weight = _dilated(weight, dilation)
    options = dict(stride=stride, padding=padding, output_padding=output_padding)
    pieces = []
    for part, kernel in _in_groups(x, weight, groups):
        pieces.append(conv_transpose2d(part, kernel, **options))
    y = cat(pieces, 1)
    return y if bias is None else add_bias(y, bias)


def check_groups(name, groups, x, weight, channels_per_group):
    """Raise ValueError unless the groups divide the channels of the input and of the weight."""
    fits = raw(x).ndim == 4 and raw(weight).ndim == 4 and isinstance(groups, int) and groups >= 1
    if fits:
        (channels,) = channels_per_group
        fits = x.shape[1] == channels * groups and weight.shape[0] % groups == 0
    if not fits:
        raise ValueError(
            f"{name}: x of shape {x.shape} and weight of shape {weight.shape} do not fit "
            f"groups={groups}"
        )


def _in_groups(x, weight, groups):
    """(part of the channels of x, part of axis 0 of the weight) for each group."""
    channels = x.shape[1] // groups
    rows = weight.shape[0] // groups
    return zip(split(x, channels, 1), split(weight, rows, 0))


def _dilated(weight, dilation):
    """The weight with dilation - 1 zeros between neighbouring taps."""
    if dilation == (1, 1):
        return weight
    k, c, r, s = weight.shape
    down, across = dilation
    shape = (k, c, (r - 1) * down + 1, (s - 1) * across + 1)
    everything = slice(None)
    taps = (everything, everything, slice(None, None, down), slice(None, None, across))
    return put(weight, taps, shape)


def pad_by_name(x, kernel_size, stride, padding, dilation, mode="constant"):
    """x padded as "valid" or "same" says: the odd pixel goes to the right and to the bottom.

    mode: what is put around x, see pad.
    """
    if padding == "valid":
        return x
    if padding != "same" or stride != (1, 1):
        raise ValueError(
            f"conv2d: padding is {padding!r} with stride {stride}, expected numbers, 'valid', or "
            "'same' with a stride of 1"
        )
    widths = []
    for k, d in zip(reversed(kernel_size), reversed(dilation)):
        total = d * (k - 1)
        before = total // 2
        widths += [before, total - before]
    return pad(x, tuple(widths), mode)


# ---- along one axis ------------------------------------------------------------------------------


def conv1d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation along one axis, as torch.nn.functional.conv1d.

    x (N, C, L), weight (K, C / groups, R), bias (K,) -> (N, K, P), with
    P = (L + 2 padding - dilation (R - 1) - 1) // stride + 1.
    """
    _check_lines("conv1d", x, weight)
    if not isinstance(padding, str):
        padding = (0, *_single("padding", padding))
    y = conv2d(
        unsqueeze(x, 2),
        unsqueeze(weight, 2),
        bias,
        stride=(1, *_single("stride", stride)),
        padding=padding,
        dilation=(1, *_single("dilation", dilation)),
        groups=groups,
    )
    return squeeze(y, 2)


def conv_transpose1d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The adjoint of conv1d in x: (N, K, P), weight (K, C / groups, R) -> (N, C, L)."""
    _check_lines("conv_transpose1d", x, weight)
    y = conv_transpose2d(
        unsqueeze(x, 2),
        unsqueeze(weight, 2),
        bias,
        stride=(1, *_single("stride", stride)),
        padding=(0, *_single("padding", padding)),
        output_padding=(0, *_single("output_padding", output_padding)),
        groups=groups,
        dilation=(1, *_single("dilation", dilation)),
    )
    return squeeze(y, 2)


def _check_lines(name, x, weight):
    if raw(x).ndim != 3 or raw(weight).ndim != 3:
        raise ValueError(
            f"{name}: x has shape {x.shape} and weight {weight.shape}, expected (N, C, L) and (K, "
            "C, R)"
        )


def _single(name, value):
    """A number, or a sequence of one, as a tuple of one."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(values) != 1:
        raise ValueError(f"{name} is {value!r}, expected one number")
    return values


conv.grouped = sys.modules[__name__]
