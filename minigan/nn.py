"""Layers: a Module holds Parameters, Buffers and Modules as plain attributes, and finds them by looking at itself.

Names, shapes and initial weights are PyTorch's, so weights move both ways with ``state_dict`` and ``load_state_dict``.
"""

import numpy as np

from . import devices, init, rng
from . import functional as F
from .engine import Tensor, no_grad
from .ops import getitem
from .tensors import tensor, zeros


class Parameter(Tensor):
    """A Tensor that is trained."""

    __slots__ = ()

    def __init__(self, data):
        super().__init__(data.data if isinstance(data, Tensor) else data, requires_grad=True)


class Buffer(Tensor):
    """A Tensor that belongs to the state but is not trained: running statistics."""

    __slots__ = ()


class Module:
    """The base of every network: define ``forward``, assign layers to attributes, call the module."""

    training = True

    def forward(self, *inputs):
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def __call__(self, *inputs, **options):
        return self.forward(*inputs, **options)

    def named_children(self):
        """(name, module) of the modules directly inside this one."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def modules(self):
        """This module and all inside it."""
        yield self
        for _, child in self.named_children():
            yield from child.modules()

    def _named(self, kind, prefix=""):
        for name, value in vars(self).items():
            if isinstance(value, kind):
                yield prefix + name, value
        for name, child in self.named_children():
            yield from child._named(kind, f"{prefix}{name}.")

    def named_parameters(self):
        """(dotted name, Parameter), in the order of definition; one with two names appears once, under the first."""
        first = {}
        for name, p in self._named(Parameter):
            first.setdefault(id(p), (name, p))
        return list(first.values())

    def parameters(self):
        """All Parameters."""
        return [p for _, p in self.named_parameters()]

    def state_dict(self):
        """{dotted name: Tensor}, a copy of all parameters and buffers under PyTorch's names, in PyTorch's layout."""
        return {name: tensor(t) for name, t in self._named((Parameter, Buffer))}

    def load_state_dict(self, state):
        """Overwrite parameters and buffers; values are NumPy arrays, minigan or torch tensors. Returns self.

        Raises ValueError that names what is missing, unexpected or of another shape; then nothing is changed.
        ``num_batches_tracked`` may be missing or extra.
        """
        own = dict(self._named((Parameter, Buffer)))
        optional = "num_batches_tracked"
        missing = [k for k in own if k not in state and not k.endswith(optional)]
        extra = [k for k in state if k not in own and not k.endswith(optional)]
        if missing or extra:
            raise ValueError(f"state_dict does not fit {type(self).__name__}: missing {missing}, unexpected {extra}")
        values = {k: _to_array(state[k]) for k in own if k in state}
        for k, v in values.items():
            if v.shape != own[k].shape or v.dtype.kind not in "fiu":
                raise ValueError(f"state_dict entry {k} is {v.shape} {v.dtype}, expected {own[k].shape} {own[k].dtype}")
        with no_grad():
            for k, v in values.items():
                own[k].copy_(v)
        return self

    def train(self, mode=True):
        """Switch this module and all inside to training (or with False to evaluation). Returns self."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self):
        """Switch to evaluation: batch norm uses its running statistics, dropout does nothing. Returns self."""
        return self.train(False)

    def _astype(self, dtype):
        for _, t in self._named((Parameter, Buffer)):
            if t.dtype.kind == "f":
                t.data, t.grad = t.data.astype(dtype), None
                t._version[0] += 1  # a graph of the old values is of no use any more
        return self

    def double(self):
        """Convert parameters and buffers to float64. Returns self."""
        return self._astype(np.float64)

    def float(self):
        """Convert parameters and buffers to float32. Returns self."""
        return self._astype(np.float32)

    def requires_grad_(self, flag=True):
        """Freeze (False) or thaw all parameters. Returns self."""
        for p in self.parameters():
            p.requires_grad = flag
        return self

    def zero_grad(self):
        """Forget all gradients."""
        for p in self.parameters():
            p.grad = None

    def describe(self):
        """The layer's arguments for repr."""
        return ""

    def __repr__(self):
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        return f"{type(self).__name__}({self.describe()}" + ("\n" + "\n".join(lines) + "\n" if lines else "") + ")"


def _to_array(value):
    """A NumPy view of an array, a minigan tensor or a torch tensor on any device."""
    if hasattr(value, "detach"):
        value = value.detach()
    if hasattr(value, "cpu"):
        value = value.cpu()
    return devices.to_numpy(value.data if isinstance(value, Tensor) else value)


class Sequential(Module):
    """Layers one after the other, named "0", "1", ... A batch norm takes over a (Leaky)ReLU that follows it."""

    def __init__(self, *layers):
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise TypeError(f"Sequential: layer {i} is a {type(layer).__name__}, expected a Module")
            setattr(self, str(i), layer)

    def __len__(self):
        return len(self.named_children())

    def __getitem__(self, i):
        return [layer for _, layer in self.named_children()][i]

    def forward(self, x):
        layers = [layer for _, layer in self.named_children()]
        while layers:
            layer = layers.pop(0)
            if isinstance(layer, _Norm) and layers and type(layers[0]) in (ReLU, LeakyReLU):
                x = layer(x, negative_slope=layers.pop(0).negative_slope)  # one pass over memory instead of two
            else:
                x = layer(x)
        return x


class Linear(Module):
    """x weight^T + bias; weight (out_features, in_features)."""

    def __init__(self, in_features, out_features, *, bias=True):
        self.weight = Parameter(init.fan_in_(zeros(out_features, in_features), in_features))
        self.bias = Parameter(init.fan_in_(zeros(out_features), in_features)) if bias else None

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)

    def describe(self):
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}, bias={self.bias is not None}"


class _Conv(Module):
    def __init__(self, in_channels, out_channels, kernel_size, *, stride=1, padding=0, bias=True, transposed=False):
        kernel = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        shape = ((in_channels, out_channels) if transposed else (out_channels, in_channels)) + kernel
        fan_in = shape[1] * kernel[0] * kernel[1]
        self.stride, self.padding = stride, padding
        self.weight = Parameter(init.fan_in_(zeros(shape), fan_in))
        self.bias = Parameter(init.fan_in_(zeros(out_channels), fan_in)) if bias else None

    def describe(self):
        return (f"{self.weight.shape[:2]}, kernel_size={self.weight.shape[2:]}, stride={self.stride}, "
                f"padding={self.padding}, bias={self.bias is not None}")


class Conv2d(_Conv):
    """F.conv2d with its own weight (out_channels, in_channels, kH, kW)."""

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)


class ConvTranspose2d(_Conv):
    """F.conv_transpose2d with its own weight (in_channels, out_channels, kH, kW)."""

    def __init__(self, in_channels, out_channels, kernel_size, *, stride=1, padding=0, output_padding=0, bias=True):
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=bias,
                         transposed=True)
        self.output_padding = output_padding

    def forward(self, x):
        return F.conv_transpose2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding,
                                  output_padding=self.output_padding)


class _Norm(Module):
    ndims = (4,)

    def __init__(self, num_features, eps, affine):
        self.num_features, self.eps = num_features, eps
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine else None

    def check(self, x):
        if x.ndim not in self.ndims or x.shape[1] != self.num_features:
            raise ValueError(f"{type(self).__name__}({self.num_features}) got shape {x.shape}, expected "
                             f"{self.num_features} channels and {' or '.join(map(str, self.ndims))} axes")

    def describe(self):
        return f"{self.num_features}, eps={self.eps}"


class BatchNorm2d(_Norm):
    """F.batch_norm of (N, C, H, W)."""

    def __init__(self, num_features, *, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__(num_features, eps, affine)
        self.momentum, self.running_mean, self.running_var = momentum, None, None
        if track_running_stats:
            self.running_mean = Buffer(np.zeros(num_features, np.float32))
            self.running_var = Buffer(np.ones(num_features, np.float32))
            self.num_batches_tracked = Buffer(np.zeros((), np.int64))

    def forward(self, x, negative_slope=None):
        self.check(x)
        momentum = self.momentum
        if self.training and self.running_mean is not None:
            self.num_batches_tracked.copy_(self.num_batches_tracked.data + 1)
            if momentum is None:  # the plain average over all batches so far
                momentum = 1 / self.num_batches_tracked.item()
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, momentum=momentum,
                            training=self.training or self.running_mean is None, eps=self.eps,
                            negative_slope=negative_slope)


class BatchNorm1d(BatchNorm2d):
    """F.batch_norm of (N, C) or (N, C, L)."""

    ndims = (2, 3)


class InstanceNorm2d(_Norm):
    """F.instance_norm of (N, C, H, W); without weights unless affine, as in PyTorch."""

    def __init__(self, num_features, *, eps=1e-5, affine=False):
        super().__init__(num_features, eps, affine)

    def forward(self, x, negative_slope=None):
        self.check(x)
        return F.instance_norm(x, self.weight, self.bias, eps=self.eps, negative_slope=negative_slope)


class LayerNorm(Module):
    """F.layer_norm over the last axes, with weight and bias of that shape."""

    def __init__(self, normalized_shape, *, eps=1e-5):
        self.shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.weight = Parameter(np.ones(self.shape, np.float32))
        self.bias = Parameter(np.zeros(self.shape, np.float32))

    def forward(self, x):
        return F.layer_norm(x, self.shape, self.weight, self.bias, eps=self.eps)


class LeakyReLU(Module):
    """F.leaky_relu."""

    def __init__(self, negative_slope=0.01):
        self.negative_slope = negative_slope

    def forward(self, x):
        return F.leaky_relu(x, self.negative_slope)


class ReLU(Module):
    """F.relu."""

    negative_slope = 0.0
    forward = staticmethod(F.relu)


class Tanh(Module):
    """tanh(x)."""

    forward = staticmethod(F.tanh)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    forward = staticmethod(F.sigmoid)


class Maxout(Module):
    """The maximum over ``pieces`` linear maps (Goodfellow et al. 2013): (N, in_features) -> (N, out_features)."""

    def __init__(self, in_features, out_features, pieces):
        self.linear, self.pieces = Linear(in_features, out_features * pieces), pieces

    def forward(self, x):
        return F.maxout(self.linear(x), self.pieces)


class Flatten(Module):
    """(N, ...) -> (N, features)."""

    def forward(self, x):
        return F.flatten(x, 1)


class Unflatten(Module):
    """The axis ``dim`` as several: Unflatten(1, (c, h, w)) maps (N, c h w) to (N, c, h, w)."""

    def __init__(self, dim, unflattened_size):
        self.dim, self.shape = dim, tuple(unflattened_size)

    def forward(self, x):
        return x.reshape(x.shape[:self.dim] + self.shape + x.shape[self.dim % x.ndim + 1:])


class Embedding(Module):
    """Row ``i`` of a (num_embeddings, embedding_dim) table, drawn from N(0, 1), for every integer i."""

    def __init__(self, num_embeddings, embedding_dim):
        self.weight = Parameter(rng.randn(num_embeddings, embedding_dim))

    def forward(self, index):
        index = index.data if isinstance(index, Tensor) else devices.xp.asarray(index)
        if index.dtype.kind not in "iu":
            raise TypeError(f"Embedding needs integers, got {index.dtype}")
        if devices.xp is np and index.size and not 0 <= index.min() <= index.max() < len(self.weight):
            raise IndexError(f"Embedding of {len(self.weight)} rows got indices from {index.min()} to {index.max()}")
        return getitem(self.weight, index)


class Dropout(Module):
    """F.dropout while training."""

    def __init__(self, p=0.5):
        self.p = p

    def forward(self, x):
        return F.dropout(x, self.p, training=self.training)


class ReflectionPad2d(Module):
    """Mirror the image over its edges by ``padding`` pixels: an int, or (left, right, top, bottom)."""

    def __init__(self, padding):
        self.padding = (padding,) * 4 if isinstance(padding, int) else tuple(padding)

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
