"""Pooling layers: the mean or the maximum of each window; see minigan/ops/pooling.py."""

from .. import functional as F
from .module import Module


class AvgPool2d(Module):
    """The mean of each window: (N, C, H, W) -> (N, C, P, Q), see F.avg_pool2d."""

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True
    ):
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, x):
        options = self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return F.avg_pool2d(x, self.kernel_size, *options)  # (N, C, P, Q)


class MaxPool2d(Module):
    """The maximum of each window: (N, C, H, W) -> (N, C, P, Q), see F.max_pool2d."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.ceil_mode = ceil_mode

    def forward(self, x):
        options = self.stride, self.padding, self.dilation, self.ceil_mode
        return F.max_pool2d(x, self.kernel_size, *options)  # (N, C, P, Q)


class AdaptiveAvgPool2d(Module):
    """The means of windows that cover the image evenly, see F.adaptive_avg_pool2d."""

    def __init__(self, output_size):
        self.output_size = output_size

    def forward(self, x):
        return F.adaptive_avg_pool2d(x, self.output_size)  # (N, C, *output_size)
