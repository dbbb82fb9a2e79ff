"""Layers, with PyTorch's names, shapes and initial weights. What all have is in module.py."""

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
    """Layers one after the other, named "0", "1", ...

    A norm followed by a (Leaky)ReLU runs as one fused operation: one pass over memory instead of
    two. The ReLU layer itself is then not called.
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
            activation = type(layers[0]) if layers else None
            if type(layer) in FUSED and activation in (ReLU, LeakyReLU):
                x = layer(x, layers.pop(0).negative_slope)
            else:
                x = layer(x)
        return x


# ---- layers with weights -------------------------------------------------------------------------


def _number(what, value, low, high=math.inf):
    """The value, if it is a number from low to high; otherwise ValueError."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        bounds = f"from {low} to {high}" if high < math.inf else f"of at least {low}"
        raise ValueError(f"{what} is {value!r}, expected a number {bounds}")
    return value


def _whole_number(what, value, low):
    """The value, if it is a whole number of at least low; otherwise ValueError."""
    if not _is_whole(value) or value < low:
        raise ValueError(f"{what} is {value!r}, expected a whole number of at least {low}")
    return value


def _is_whole(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _weights(shape, out_features, bias):
    """The weight of a layer, and its bias or None.

    Each output depends on shape[1:] inputs: their number is the fan-in.
    """
    if not all(_is_whole(n) and n >= 1 for n in shape):
        raise ValueError(
            f"a layer has weights of shape {shape}, expected whole numbers, at least one of each"
        )
    fan_in = math.prod(shape[1:])
    if len(shape) == 2:
        weight = zeros(shape)
    else:
        # (K, C, R, S) is stored as (K, R, S, C), because kernels read neighbouring channels
        # together. The gradient and Adam's moments follow.
        k, c, r, s = shape
        weight = zeros(k, r, s, c).permute(0, 3, 1, 2)
    weight = Parameter(init.fan_in_(weight, fan_in))
    if not bias:
        return weight, None
    return weight, Parameter(init.fan_in_(zeros(out_features), fan_in))


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
        self.stride = pair("stride", stride, 1)
        self.padding = pair("padding", padding, 0)

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
        self.stride = pair("stride", stride, 1)
        self.padding = pair("padding", padding, 0)
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
        self.num_features = _whole_number("num_features", num_features, 1)
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
    """F.batch_norm of (N, C, H, W).

    With momentum None the running statistics are the means over all batches so far.
    """

    def __init__(self, num_features, *, eps=1e-5, momentum=0.1, affine=True):
        super().__init__(num_features, eps, affine)
        self.momentum = None if momentum is None else _number("momentum", momentum, 0, 1)
        self.running_mean = Buffer(zeros(num_features).array)
        self.running_var = Buffer(ones(num_features).array)
        self.num_batches_tracked = Count()

    def forward(self, x, negative_slope=None):
        self.check(x)
        if self.training:
            self.num_batches_tracked.array[...] += 1
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / max(1, int(self.num_batches_tracked.array))
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


# The norms that Sequential fuses: exactly these, because a subclass may override forward().
FUSED = (
    BatchNorm1d,
    BatchNorm2d,
    InstanceNorm2d,
)


class LayerNorm(Module):
    """F.layer_norm over the last axes, with weight and bias of that shape."""

    normalises = True

    def __init__(self, normalized_shape, *, eps=1e-5):
        self.weight = Parameter(ones(normalized_shape))
        self.bias = Parameter(zeros(normalized_shape))
        self.eps = _number("eps", eps, 0)

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, eps=self.eps)


class Maxout(Module):
    """The maximum over ``pieces`` linear maps (Goodfellow et al. 2013).

    (N, in_features) -> (N, out_features).
    """

    def __init__(self, in_features, out_features, pieces):
        self.linear = Linear(in_features, out_features * pieces)
        self.pieces = pieces

    def forward(self, x):
        x = self.linear(x)  # (N, out_features * pieces)
        return F.maxout(x, self.pieces)  # (N, out_features)


class Embedding(Module):
    """A table (num_embeddings, embedding_dim): integers (...) -> its rows (..., embedding_dim).

    The weights begin as N(0, 1).
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
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x):
        return F.flatten(x, self.start_dim, self.end_dim)


class Unflatten(Module):
    """The axis ``dim`` as several: Unflatten(1, (c, h, w)) maps (N, c h w) to (N, c, h, w)."""

    def __init__(self, dim, unflattened_size):
        self.dim = dim
        self.shape = tuple(unflattened_size)

    def forward(self, x):
        before = x.shape[: self.dim]
        after = x.shape[self.dim % x.ndim + 1 :]
        return x.reshape(before + self.shape + after)


class Dropout(Module):
    """F.dropout while training."""

    def __init__(self, p=0.5):
        self.p = _number("dropout's p", p, 0, 1)

    def forward(self, x):
        return F.dropout(x, self.p, training=self.training)


class ReflectionPad2d(Module):
    """Mirror the image over its edges by ``padding`` pixels.

    padding: an int, or (left, right, top, bottom).
    """

    def __init__(self, padding):
        self.padding = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != 4:
            raise ValueError(
                f"ReflectionPad2d: padding is {padding}, expected an int or (left, right, top, "
                "bottom)"
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
