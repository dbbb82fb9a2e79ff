"""Layers, with PyTorch's names, shapes and initial weights; what they have in common is in
module.py.
"""

import math
import numbers

from .. import functional as F
from .. import rng
from ..creation import ones, zeros
from ..ops import getitem
from ..ops.conv import check_undilated, pair
from . import init
from .module import Buffer, Count, Module, Parameter


class Sequential(Module):
    """Layers one after the other, named "0", "1", ... A batch norm takes over a (Leaky)ReLU that
    follows it.
    """

    def __init__(self, *layers):
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise TypeError(
                    f"Sequential: layer {i} is a {type(layer).__name__}, expected a Module"
                )
            setattr(self, str(i), layer)

    def __len__(self):
        return len(self.named_children())

    def __getitem__(self, i):
        layers = [layer for _, layer in self.named_children()]
        return Sequential(*layers[i]) if isinstance(i, slice) else layers[i]

    def forward(self, x):
        layers = [layer for _, layer in self.named_children()]
        while layers:
            layer = layers.pop(0)
            if type(layer) in FUSED and layers and type(layers[0]) in (ReLU, LeakyReLU):
                x = layer(x, layers.pop(0).negative_slope)  # one pass over memory instead of two
            else:
                x = layer(x)
        return x


# ---- layers with weights -------------------------------------------------------------------------


def _number(what, value, low, high=math.inf, kind=numbers.Real):
    """The value, if it is a number of this kind from low to high; else ValueError."""
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        bounds = f"from {low} to {high}" if high < math.inf else f"of at least {low}"
        raise ValueError(
            f"{what} is {value!r}, expected a {'' if kind is numbers.Real else 'whole '}number {bounds}"
        )
    return value


def _weights(shape, out_features, bias):
    """The weight, and the bias or None, of a layer whose outputs each see a shape[1:] of inputs."""
    if any(isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 1 for n in shape):
        raise ValueError(
            f"a layer has weights of shape {shape}, expected whole numbers, at least one of each"
        )
    fan_in, (out, *rest) = math.prod(shape[1:]), shape
    # a convolution's lies in memory as the kernels want it, channels innermost; so do its
    # gradient and Adam's moments
    weight = zeros(shape) if len(shape) == 2 else zeros(out, *rest[1:], rest[0]).permute(0, 3, 1, 2)
    weight = Parameter(init.fan_in_(weight, fan_in))
    return weight, Parameter(init.fan_in_(zeros(out_features), fan_in)) if bias else None


class Linear(Module):
    """x weight^T + bias; weight (out_features, in_features)."""

    def __init__(self, in_features, out_features, *, bias=True):
        weight, bias = _weights((out_features, in_features), out_features, bias)
        self.weight = weight
        self.register_parameter("bias", bias)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


class Conv2d(Module):
    """F.conv2d with its own weight (out_channels, in_channels, kH, kW)."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        *,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
    ):
        check_undilated("Conv2d", dilation, groups)
        shape = out_channels, in_channels, *pair("kernel_size", kernel_size, 1)
        weight, bias = _weights(shape, out_channels, bias)
        self.weight = weight
        self.register_parameter("bias", bias)
        self.stride, self.padding = pair("stride", stride, 1), pair("padding", padding, 0)

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)


class ConvTranspose2d(Module):
    """F.conv_transpose2d with its own weight (in_channels, out_channels, kH, kW)."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        *,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
    ):
        check_undilated("ConvTranspose2d", dilation, groups)
        shape = in_channels, out_channels, *pair("kernel_size", kernel_size, 1)
        weight, bias = _weights(shape, out_channels, bias)
        self.weight = weight
        self.register_parameter("bias", bias)
        self.stride, self.padding = pair("stride", stride, 1), pair("padding", padding, 0)
        self.output_padding = pair("output_padding", output_padding, 0)

    def forward(self, x):
        return F.conv_transpose2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
        )


class _Norm(Module):
    ndims = (4,)
    normalises = True

    def __init__(self, num_features, eps, affine):
        self.num_features = _number("num_features", num_features, 1, kind=numbers.Integral)
        self.eps = _number("eps", eps, 0)
        self.register_parameter("weight", Parameter(ones(num_features)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(num_features)) if affine else None)

    def check(self, x):
        if x.ndim not in self.ndims or x.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}({self.num_features}) got shape {x.shape}, expected "
                f"{self.num_features} channels and {' or '.join(map(str, self.ndims))} axes"
            )


class BatchNorm2d(_Norm):
    """F.batch_norm of (N, C, H, W); with momentum None the running statistics are the means of
    all batches so far.
    """

    def __init__(self, num_features, *, eps=1e-5, momentum=0.1, affine=True):
        super().__init__(num_features, eps, affine)
        self.momentum = None if momentum is None else _number("momentum", momentum, 0, 1)
        self.running_mean, self.running_var = (
            Buffer(zeros(num_features).array),
            Buffer(ones(num_features).array),
        )
        self.num_batches_tracked = Count()

    def forward(self, x, negative_slope=None):
        self.check(x)
        if self.training:
            self.num_batches_tracked.array[...] += 1
        momentum = (
            1 / max(1, int(self.num_batches_tracked.array))
            if self.momentum is None
            else self.momentum
        )
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training,
            momentum=momentum,
            eps=self.eps,
            negative_slope=negative_slope,
        )


class BatchNorm1d(BatchNorm2d):
    """F.batch_norm of (N, C) or (N, C, L)."""

    ndims = (2, 3)


class InstanceNorm2d(_Norm):
    """F.instance_norm of (N, C, H, W); without weights unless affine, as in PyTorch."""

    def __init__(self, num_features, *, eps=1e-5, affine=False):
        super().__init__(num_features, eps, affine)

    def forward(self, x, negative_slope=None):
        self.check(x)
        return F.instance_norm(
            x, self.weight, self.bias, eps=self.eps, negative_slope=negative_slope
        )


FUSED = (
    BatchNorm1d,
    BatchNorm2d,
    InstanceNorm2d,
)  # themselves, for a class derived from one may do something else


class LayerNorm(Module):
    """F.layer_norm over the last axes, with weight and bias of that shape."""

    normalises = True

    def __init__(self, normalized_shape, *, eps=1e-5):
        self.weight, self.bias = (
            Parameter(ones(normalized_shape)),
            Parameter(zeros(normalized_shape)),
        )
        self.eps = _number("eps", eps, 0)

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, eps=self.eps)


class Maxout(Module):
    """The maximum over ``pieces`` linear maps (Goodfellow et al. 2013): (N, in_features) -> (N,
    out_features).
    """

    def __init__(self, in_features, out_features, pieces):
        self.linear, self.pieces = Linear(in_features, out_features * pieces), pieces

    def forward(self, x):
        return F.maxout(self.linear(x), self.pieces)


class Embedding(Module):
    """Row ``i`` of a (num_embeddings, embedding_dim) table, drawn from N(0, 1), for every integer
    i.
    """

    def __init__(self, num_embeddings, embedding_dim):
        self.weight = Parameter(rng.randn(num_embeddings, embedding_dim))

    def forward(self, index):
        return getitem(self.weight, F.indices("Embedding", index, len(self.weight)))


# ---- layers without ------------------------------------------------------------------------------


class LeakyReLU(Module):
    """F.leaky_relu."""

    def __init__(self, negative_slope=0.01):
        self.negative_slope = _number("negative_slope", negative_slope, 0)

    def forward(self, x):
        return F.leaky_relu(x, self.negative_slope)


class ReLU(Module):
    """F.relu."""

    negative_slope = 0.0
    forward = staticmethod(F.relu)


class Tanh(Module):
    """F.tanh."""

    forward = staticmethod(F.tanh)


class Sigmoid(Module):
    """F.sigmoid."""

    forward = staticmethod(F.sigmoid)


class Flatten(Module):
    """F.flatten: as it is, (N, ...) -> (N, features)."""

    def __init__(self, start_dim=1, end_dim=-1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x):
        return F.flatten(x, self.start_dim, self.end_dim)


class Unflatten(Module):
    """The axis ``dim`` as several: Unflatten(1, (c, h, w)) maps (N, c h w) to (N, c, h, w)."""

    def __init__(self, dim, unflattened_size):
        self.dim, self.shape = dim, tuple(unflattened_size)

    def forward(self, x):
        return x.reshape(x.shape[: self.dim] + self.shape + x.shape[self.dim % x.ndim + 1 :])


class Dropout(Module):
    """F.dropout while training."""

    def __init__(self, p=0.5):
        self.p = _number("dropout's p", p, 0, 1)

    def forward(self, x):
        return F.dropout(x, self.p, training=self.training)


class ReflectionPad2d(Module):
    """Mirror the image over its edges by ``padding`` pixels: an int, or (left, right, top,
    bottom).
    """

    def __init__(self, padding):
        self.padding = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != 4:
            raise ValueError(
                f"ReflectionPad2d: padding is {padding}, expected an int or (left, right, top, bottom)"
            )

    def forward(self, x):
        return F.pad(x, self.padding, mode="reflect")


class Upsample(Module):
    """F.interpolate."""

    def __init__(self, size=None, *, scale_factor=None, mode="nearest"):
        self.options = dict(size=size, scale_factor=scale_factor, mode=mode)

    def forward(self, x):
        return F.interpolate(x, **self.options)


class PixelShuffle(Module):
    """F.pixel_shuffle."""

    def __init__(self, upscale_factor):
        self.upscale_factor = upscale_factor

    def forward(self, x):
        return F.pixel_shuffle(x, self.upscale_factor)
