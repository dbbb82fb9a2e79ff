"""Convolutions and transposed convolutions."""

from .. import functional as F
from ..ops.conv import check_undilated, pair
from .module import Module
from .weights import draw_weights, weight_of


class Conv2d(Module):
    """A convolution, see F.conv2d, with a weight of (out_channels, in_channels, kH, kW).

    (N, in_channels, H, W) -> (N, out_channels, P, Q) with P = (H + 2 padding - kH) // stride + 1.
    kernel_size, stride, padding: an int or a pair of ints.
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
        check_undilated("Conv2d", dilation, groups)
        shape = out_channels, in_channels, *pair("kernel_size", kernel_size, 1)
        weight, bias = draw_weights(shape, out_channels, bias)
        self.weight = weight
        self.register_parameter("bias", bias)
        self.stride = pair("stride", stride, 1)
        self.padding = pair("padding", padding, 0)

    def forward(self, x):
        weight = weight_of(self)  # (out_channels, in_channels, kH, kW)
        options = dict(stride=self.stride, padding=self.padding)
        return F.conv2d(x, weight, self.bias, **options)  # (N, out_channels, P, Q)


class ConvTranspose2d(Module):
    """A transposed convolution with a weight of (in_channels, out_channels, kH, kW).

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
        check_undilated("ConvTranspose2d", dilation, groups)
        shape = in_channels, out_channels, *pair("kernel_size", kernel_size, 1)
        weight, bias = draw_weights(shape, out_channels, bias)
        self.weight = weight
        self.register_parameter("bias", bias)
        self.stride = pair("stride", stride, 1)
        self.padding = pair("padding", padding, 0)
        self.output_padding = pair("output_padding", output_padding, 0)

    def forward(self, x):
        weight = weight_of(self)  # (in_channels, out_channels, kH, kW)
        options = dict(
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
        )
        return F.conv_transpose2d(x, weight, self.bias, **options)  # (N, out_channels, H, W)
