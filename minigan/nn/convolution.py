"""Convolutions and transposed convolutions."""

from .. import functional as F
from ..checks import whole_number
from ..ops.conv import pair
from ..ops.grouped import pad_by_name
from .module import Module
from .weights import draw_weights, weight_of


def _per_group(name, in_channels, out_channels, groups):
    """The channels that one group reads and writes; ValueError unless groups divides both."""
    whole_number(f"{name}: groups", groups, 1)
    for channels in (in_channels, out_channels):
        if whole_number(f"{name}: channels", channels, 1) % groups:
            raise ValueError(
                f"{name}: {in_channels} and {out_channels} channels cannot be in {groups} groups "
                "of one size"
            )
    return in_channels // groups, out_channels // groups


class Conv2d(Module):
    """A convolution, see F.conv2d, with a weight of (out_channels, in_channels / groups, kH, kW).

    (N, in_channels, H, W) -> (N, out_channels, P, Q) with P = (H + 2 padding - kH) // stride + 1.
    kernel_size, stride, padding, dilation: an int or a pair of ints; padding also "same".
    padding_mode: "zeros", "reflect" or "replicate".
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
    ):
        channels, _ = _per_group("Conv2d", in_channels, out_channels, groups)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair("kernel_size", kernel_size, 1)
        shape = out_channels, channels, *self.kernel_size
        weight, bias = draw_weights(shape, out_channels, bias)
        self.weight = weight
        self.register_parameter("bias", bias)
        self.stride = pair("stride", stride, 1)
        self.padding = padding if isinstance(padding, str) else pair("padding", padding, 0)
        self.dilation = pair("dilation", dilation, 1)
        self.groups = groups
        if padding_mode not in ("zeros", "reflect", "replicate"):
            raise ValueError(
                f"Conv2d: padding_mode is {padding_mode!r}, expected zeros, reflect or replicate"
            )
        self.padding_mode = padding_mode

    def forward(self, x):
        weight = weight_of(self)  # (out_channels, in_channels / groups, kH, kW)
        padding = self.padding
        if self.padding_mode != "zeros":
            x = self._padded(x, weight.shape[2:])
            padding = 0
        options = self.stride, padding, self.dilation, self.groups
        return F.conv2d(x, weight, self.bias, *options)  # (N, out_channels, P, Q)

    def _padded(self, x, kernel_size):
        """x with what padding_mode puts around it."""
        mode = self.padding_mode
        if isinstance(self.padding, str):
            return pad_by_name(x, kernel_size, self.stride, self.padding, self.dilation, mode)
        top, left = self.padding
        return F.pad(x, (left, left, top, top), mode)


class Conv1d(Module):
    """A convolution along one axis, with a weight of (out_channels, in_channels / groups, kL).

    (N, in_channels, L) -> (N, out_channels, P), see F.conv1d.
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
    ):
        channels, _ = _per_group("Conv1d", in_channels, out_channels, groups)
        self.in_channels = in_channels
        self.out_channels = out_channels
        _, length = pair("kernel_size", kernel_size, 1)
        self.kernel_size = (length,)
        shape = out_channels, channels, length
        weight, bias = draw_weights(shape, out_channels, bias)
        self.weight = weight
        self.register_parameter("bias", bias)
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups

    def forward(self, x):
        options = self.stride, self.padding, self.dilation, self.groups
        return F.conv1d(x, weight_of(self), self.bias, *options)  # (N, out_channels, P)


class ConvTranspose2d(Module):
    """A transposed convolution with a weight of (in_channels, out_channels / groups, kH, kW).

    It upsamples: (N, in_channels, P, Q) -> (N, out_channels, H, W) with
    H = (P - 1) stride - 2 padding + kH + output_padding. See F.conv_transpose2d.
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
    ):
        _, channels = _per_group("ConvTranspose2d", in_channels, out_channels, groups)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair("kernel_size", kernel_size, 1)
        shape = in_channels, channels, *self.kernel_size
        weight, bias = draw_weights(shape, out_channels, bias)
        self.weight = weight
        self.register_parameter("bias", bias)
        self.stride = pair("stride", stride, 1)
        self.padding = pair("padding", padding, 0)
        self.output_padding = pair("output_padding", output_padding, 0)
        self.groups = groups
        self.dilation = pair("dilation", dilation, 1)

    def forward(self, x):
        weight = weight_of(self)  # (in_channels, out_channels / groups, kH, kW)
        options = self.stride, self.padding, self.output_padding, self.groups, self.dilation
        return F.conv_transpose2d(x, weight, self.bias, *options)  # (N, out_channels, H, W)
