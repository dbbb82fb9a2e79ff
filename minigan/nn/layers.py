"""The layers of networks, with PyTorch's names, shapes and initial weights.

Each layer keeps its settings and its parameters, and its ``forward`` calls the operation of the
same name in minigan.functional. What all layers have in common is in module.py.
"""

import math
import numbers

from .. import functional as F
from .. import rng
from ..creation import ones, zeros
from ..files.foreign import is_whole_number
from ..ops import getitem
from ..ops.conv import check_undilated, pair
from . import init
from .module import Buffer, Count, Module, Parameter


class Sequential(Module):
    """A chain of layers: each takes the output of the one before. Their names are "0", "1", ...

    A norm and the ReLU or LeakyReLU behind it run as one operation, because both are limited by
    memory bandwidth: the fused kernel reads and writes the feature maps once, two separate ones
    would do so twice. The norm is then told the slope, and the activation's own ``forward`` is not
    called. The numbers are the same. Raises TypeError for what is not a Module.
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
        if isinstance(i, slice):
            return Sequential(*layers[i])
        return layers[i]

    def forward(self, x):
        layers = [layer for _, layer in self.named_children()]
        while layers:
            layer = layers.pop(0)
            activation = type(layers[0]) if layers else None
            if type(layer) in FUSED and activation in (ReLU, LeakyReLU):
                x = layer(x, layers.pop(0).negative_slope)  # both in one kernel
            else:
                x = layer(x)
        return x


# ---- checks of settings --------------------------------------------------------------------------


def _number(what, value, low, high=math.inf):
    """Return the value if it is a number from low to high; otherwise raise ValueError."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        bounds = f"from {low} to {high}" if high < math.inf else f"of at least {low}"
        raise ValueError(f"{what} is {value!r}, expected a number {bounds}")
    return value


def _whole_number(what, value, low):
    """Return the value if it is a whole number of at least low; otherwise raise ValueError."""
    if not is_whole_number(value, low):
        raise ValueError(f"{what} is {value!r}, expected a whole number of at least {low}")
    return value


# ---- linear layers and convolutions --------------------------------------------------------------


def _weights(shape, out_features, bias):
    """Draw the weight of a layer, and its bias unless ``bias`` is false -> (weight, bias or None).

    shape: the weight's. The initial interval depends on the fan-in, the number of inputs that one
    output depends on, which is the product of shape[1:]. Raises ValueError for a shape that is not
    made of positive whole numbers.
    """
    if not all(is_whole_number(n, 1) for n in shape):
        raise ValueError(
            f"a layer has weights of shape {shape}, expected whole numbers, at least one of each"
        )
    fan_in = math.prod(shape[1:])
    if len(shape) == 2:
        weight = zeros(shape)
    else:
        # A weight (K, C, R, S) is stored as (K, R, S, C), because the kernels read neighbouring
        # channels together. Its gradient and Adam's moments take the same layout.
        k, c, r, s = shape
        weight = zeros(k, r, s, c).permute(0, 3, 1, 2)
    weight = Parameter(init.fan_in_(weight, fan_in))
    if not bias:
        return weight, None
    return weight, Parameter(init.fan_in_(zeros(out_features), fan_in))


def _weight_of(layer):
    """Return the layer's weight; raise TypeError if it has been set to None."""
    if layer.weight is None:
        raise TypeError(f"{type(layer).__name__}: its weight is None, expected a Parameter")
    return layer.weight


class Linear(Module):
    """A linear map: y = x weight^T + bias, with weight (out_features, in_features).

    (..., in_features) -> (..., out_features).
    """

    def __init__(self, in_features, out_features, *, bias=True):
        weight, bias = _weights((out_features, in_features), out_features, bias)
        self.weight = weight
        self.register_parameter("bias", bias)

    def forward(self, x):
        return F.linear(x, _weight_of(self), self.bias)  # (..., out_features)


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
        weight = _weight_of(self)  # (out_channels, in_channels, kH, kW)
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
        weight = _weight_of(self)  # (in_channels, out_channels, kH, kW)
        options = dict(
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
        )
        return F.conv_transpose2d(x, weight, self.bias, **options)  # (N, out_channels, H, W)


# ---- normalisation -------------------------------------------------------------------------------


class _Norm(Module):
    """What batch norm and instance norm share: a weight and a bias for each channel, or neither."""

    ndims = (4,)  # how many axes an input may have
    normalises = True

    def __init__(self, num_features, eps, affine):
        self.num_features = _whole_number("num_features", num_features, 1)
        self.eps = _number("eps", eps, 0)
        self.register_parameter("weight", Parameter(ones(num_features)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(num_features)) if affine else None)

    def check(self, x):
        """Raise ValueError unless x has num_features channels and an allowed number of axes."""
        if x.ndim not in self.ndims or x.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}({self.num_features}) got shape {x.shape}, expected "
                f"{self.num_features} channels and {' or '.join(map(str, self.ndims))} axes"
            )


class BatchNorm2d(_Norm):
    """Batch normalisation (Ioffe and Szegedy 2015) of (N, C, H, W), see F.batch_norm.

    While training, each channel is normalised with the mean and variance of the minibatch; in
    evaluation, with the running statistics. momentum: the weight of a new minibatch in the running
    statistics; None for the plain mean over all minibatches so far.
    """

    def __init__(self, num_features, *, eps=1e-5, momentum=0.1, affine=True):
        super().__init__(num_features, eps, affine)
        self.momentum = None if momentum is None else _number("momentum", momentum, 0, 1)
        self.running_mean = Buffer(zeros(num_features).array)
        self.running_var = Buffer(ones(num_features).array)
        self.num_batches_tracked = Count()

    def forward(self, x, negative_slope=None):
        """Normalise, and apply a LeakyReLU of this slope in the same kernel unless it is None."""
        self.check(x)
        if self.training:
            self.num_batches_tracked.array[...] += 1
        momentum = self.momentum
        if momentum is None:
            batches = int(self.num_batches_tracked.array)
            momentum = 1 / max(1, batches)
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
        )  # the shape of x


class BatchNorm1d(BatchNorm2d):
    """Batch normalisation of (N, C) or (N, C, L)."""

    ndims = (2, 3)


class InstanceNorm2d(_Norm):
    """Instance normalisation (Ulyanov et al. 2016): each image and channel on its own.

    (N, C, H, W) -> the same shape, see F.instance_norm. As in PyTorch, it has no weights unless
    affine.
    """

    def __init__(self, num_features, *, eps=1e-5, affine=False):
        super().__init__(num_features, eps, affine)

    def forward(self, x, negative_slope=None):
        """Normalise, and apply a LeakyReLU of this slope in the same kernel unless it is None."""
        self.check(x)
        options = dict(eps=self.eps, negative_slope=negative_slope)
        return F.instance_norm(x, self.weight, self.bias, **options)  # the shape of x


# The norms whose ``forward`` takes a negative_slope, so that Sequential can fuse them. A subclass
# is not among them, because it may define a ``forward`` of its own.
FUSED = (
    BatchNorm1d,
    BatchNorm2d,
    InstanceNorm2d,
)


class LayerNorm(Module):
    """Layer normalisation (Ba et al. 2016): each sample over its last axes, see F.layer_norm.

    normalized_shape: the sizes of those axes, and the shape of weight and bias.
    """

    normalises = True

    def __init__(self, normalized_shape, *, eps=1e-5):
        self.weight = Parameter(ones(normalized_shape))
        self.bias = Parameter(zeros(normalized_shape))
        self.normalized_shape = self.weight.shape
        self.eps = _number("eps", eps, 0)

    def forward(self, x):
        shape = self.normalized_shape
        return F.layer_norm(x, shape, self.weight, self.bias, eps=self.eps)  # the shape of x


# ---- other layers with weights -------------------------------------------------------------------


class Maxout(Module):
    """The maximum over ``pieces`` linear maps (Goodfellow et al. 2013).

    y_j = max over i of (x w_ij^T + b_ij): a convex activation that the layer learns itself.
    (N, in_features) -> (N, out_features).
    """

    def __init__(self, in_features, out_features, pieces):
        _whole_number("Maxout: pieces", pieces, 1)
        self.linear = Linear(in_features, out_features * pieces)
        self.pieces = pieces

    def forward(self, x):
        x = self.linear(x)  # (N, out_features * pieces)
        return F.maxout(x, self.pieces)  # (N, out_features)


class Embedding(Module):
    """A table with a row for each class: integers (...) -> rows (..., embedding_dim).

    weight (num_embeddings, embedding_dim), which begins as N(0, 1).
    """

    def __init__(self, num_embeddings, embedding_dim):
        _whole_number("num_embeddings", num_embeddings, 1)
        _whole_number("embedding_dim", embedding_dim, 1)
        self.weight = Parameter(rng.randn(num_embeddings, embedding_dim))

    def forward(self, index):
        weight = _weight_of(self)  # (num_embeddings, embedding_dim)
        rows = F.indices("Embedding", index, len(weight))  # (...)
        return getitem(weight, rows)  # (..., embedding_dim)


# ---- layers without weights ----------------------------------------------------------------------


class LeakyReLU(Module):
    """max(x, 0) + negative_slope min(x, 0), see F.leaky_relu."""

    def __init__(self, negative_slope=0.01):
        self.negative_slope = _number("negative_slope", negative_slope, 0)

    def forward(self, x):
        return F.leaky_relu(x, self.negative_slope)


class ReLU(Module):
    """max(x, 0), see F.relu."""

    negative_slope = 0.0
    forward = staticmethod(F.relu)


class Tanh(Module):
    """The hyperbolic tangent, with outputs in (-1, 1)."""

    forward = staticmethod(F.tanh)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), with outputs in (0, 1)."""

    forward = staticmethod(F.sigmoid)


class Flatten(Module):
    """Merge the axes start_dim to end_dim into one; by default (N, ...) -> (N, features)."""

    def __init__(self, start_dim=1, end_dim=-1):
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x):
        return F.flatten(x, self.start_dim, self.end_dim)


class Unflatten(Module):
    """Split the axis ``dim`` into several: Unflatten(1, (C, H, W)) maps (N, C H W) to (N, C, H, W).

    Raises TypeError unless unflattened_size is a tuple or list.
    """

    def __init__(self, dim, unflattened_size):
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(f"unflattened_size is {unflattened_size!r}, expected a tuple or list")
        self.dim = dim
        self.shape = tuple(unflattened_size)

    def forward(self, x):
        before = x.shape[: self.dim]
        after = x.shape[self.dim % x.ndim + 1 :]
        return x.reshape(before + self.shape + after)  # (*before, *self.shape, *after)


class Dropout(Module):
    """Set each number to zero with probability p while training; scale the rest by 1 / (1 - p).

    In evaluation it does nothing (Srivastava et al. 2014). See F.dropout.
    """

    def __init__(self, p=0.5):
        self.p = _number("dropout's p", p, 0, 1)

    def forward(self, x):
        return F.dropout(x, self.p, training=self.training)


class ReflectionPad2d(Module):
    """Enlarge images by mirroring them at their edges.

    padding: the number of pixels on every side, or (left, right, top, bottom).
    (N, C, H, W) -> (N, C, H + top + bottom, W + left + right).
    """

    def __init__(self, padding):
        if isinstance(padding, int):
            self.padding = (padding, padding, padding, padding)
        else:
            self.padding = tuple(padding)
        if len(self.padding) != 4:
            raise ValueError(
                f"ReflectionPad2d: padding is {padding}, expected an int or (left, right, top, "
                "bottom)"
            )

    def forward(self, x):
        return F.pad(x, self.padding, mode="reflect")  # (N, C, H + top + bottom, ...)


class Upsample(Module):
    """Resize images, see F.interpolate: (N, C, H, W) -> (N, C, *size) or (N, C, f H, f W).

    Give either size, an int or a pair, or scale_factor f, a number or a pair.
    """

    def __init__(self, size=None, *, scale_factor=None, mode="nearest"):
        self.options = dict(size=size, scale_factor=scale_factor, mode=mode)

    def forward(self, x):
        return F.interpolate(x, **self.options)  # (N, C, *size)


class PixelShuffle(Module):
    """Upsample by moving channels into space: (N, C r^2, H, W) -> (N, C, r H, r W).

    r: the upscale_factor (Shi et al. 2016). See F.pixel_shuffle.
    """

    def __init__(self, upscale_factor):
        self.upscale_factor = _whole_number("upscale_factor", upscale_factor, 1)

    def forward(self, x):
        return F.pixel_shuffle(x, self.upscale_factor)  # (N, C, r H, r W)
