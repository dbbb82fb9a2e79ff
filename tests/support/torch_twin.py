"""PyTorch, the independent oracle: its functions under minigan's names, and how to compare.

Tests that import this file are skipped where PyTorch is not installed.
"""

import numpy as np
import pytest

import minigan as mg
from minigan.engine import Tensor

torch = pytest.importorskip(
    "torch", reason="PyTorch, the independent oracle, is not installed (extra: oracle)"
)
torch.set_num_threads(1)


class Torch:
    """The twin of operations.MINIGAN: PyTorch's functions, and what it calls by another name."""

    def __getattr__(self, name):
        for module in (torch.nn.functional, torch):
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(name)

    def constant(self, array):
        return torch.from_numpy(np.asarray(array))

    tensor = constant

    def batch_norm(self, *arguments, negative_slope=None, **options):
        y = torch.nn.functional.batch_norm(*arguments, **options)
        if negative_slope is None:
            return y
        return torch.nn.functional.leaky_relu(y, negative_slope)

    def centred(self, x, dim=None):
        if dim is None:
            dim = list(range(x.ndim))
        return x - x.mean(dim, keepdim=True)

    def channel_affine(self, x, *vectors, negative_slope):
        centre, scale, shift = (along_channels(v, x.ndim) for v in vectors)
        y = x - centre
        y = y * scale + shift
        if negative_slope is None:
            return y
        return torch.nn.functional.leaky_relu(y, negative_slope)

    def leaky_relu_grad(self, g, y, negative_slope):
        return torch.where(y > 0, g, negative_slope * g)

    def conv2d_weight_grad(self, x, g, kernel_size, **options):
        out_channels = g.shape[1]
        in_channels = x.shape[1]
        shape = (out_channels, in_channels, *kernel_size)
        w = torch.zeros(shape, dtype=x.dtype, requires_grad=True)
        y = torch.nn.functional.conv2d(x, w, **options)
        (d,) = torch.autograd.grad(y, w, g, create_graph=True)
        return d

    def add_bias(self, x, bias):
        return x + along_channels(bias, x.ndim)

    def channel_sum(self, x):
        others = [axis for axis in range(x.ndim) if axis != 1]
        return x.sum(others)

    def dropout(self, x, p, seed):
        return x * dropout_mask(tuple(x.shape), p, seed)

    def dropout2d(self, x, p, seed):
        n, c, _, _ = x.shape
        return x * dropout_mask((n, c, 1, 1), p, seed)

    def shift(self, x, down, right):
        """Each image rolled over a frame of zeros that is as wide as itself."""
        height, width = x.shape[2:]
        pad = torch.nn.functional.pad
        framed = pad(x, [width, width, height, height])
        moved = []
        for image, distance in zip(framed, zip(down, right)):
            rolled = image.roll(distance, [1, 2])
            moved.append(rolled)
        moved = torch.stack(moved)
        moved = moved[..., height:, width:]
        return moved[..., :height, :width]

    def maxout(self, x, pieces):
        split = x.reshape(len(x), -1, pieces, *x.shape[2:])
        return split.amax(2)

    def bce_of_number(self, x, target, **options):
        targets = torch.full_like(x, target)
        return self.binary_cross_entropy_with_logits(x, targets, **options)


TORCH = Torch()


def dropout_mask(shape, p, seed):
    """The mask that rng.py promises: float32 numbers of NumPy's PCG64 in C order."""
    rng = np.random.Generator(np.random.PCG64(seed))
    numbers = rng.random(shape, np.float32)
    keep = np.asarray(numbers >= p, np.float64)
    return torch.from_numpy(keep) / (1 - p)


def along_channels(vector, ndim):
    """(C,) -> (C, 1, ...), which broadcasts against (N, C, ...) of ndim axes."""
    return vector.reshape(-1, *[1] * (ndim - 2))


def our_leaves(arrays, dtype=np.float64):
    """The arrays as minigan's tensors that require grad."""
    copies = [np.array(a, dtype) for a in arrays]
    return [Tensor(a, requires_grad=True) for a in copies]


def their_leaves(arrays, dtype=np.float64):
    """The arrays as PyTorch's tensors that require grad."""
    copies = [np.array(a, dtype) for a in arrays]
    return [torch.from_numpy(a).requires_grad_() for a in copies]


def close(ours, theirs, tolerance=1e-11):
    """Equal shapes and dtypes, and values within tolerance of the largest number."""
    if isinstance(theirs, torch.Tensor):
        theirs = theirs.numpy(force=True)
    theirs = np.asarray(theirs)
    if isinstance(ours, Tensor):
        ours = ours.numpy()
    ours = np.asarray(ours)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    largest = np.abs(theirs).max(initial=0)
    scale = max(1.0, largest)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)


def all_close(ours, theirs, tolerance=1e-11):
    """close for two lists of one length."""
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, tolerance)


def gradients(y, inputs):
    """The first and second derivatives of y, each along random directions.

    Returns the gradient of <y, v> with respect to the inputs, and then the gradient of <that, u>
    with respect to the inputs and to v, for random u and v. y and inputs are float64, and all ours
    or all PyTorch's. A missing gradient is zero.
    """
    rng = np.random.default_rng(1)
    is_ours = isinstance(y, Tensor)

    def draw(t):
        values = rng.standard_normal(tuple(t.shape))
        values = np.asarray(values)
        return Tensor(values) if is_ours else torch.from_numpy(values)

    def grad(y, inputs, **options):
        if is_ours:
            return mg.grad(y, inputs, **options)
        options.update(allow_unused=True)
        return torch.autograd.grad(y, inputs, **options)

    v = draw(y).requires_grad_()
    first = grad(y, inputs, grad_outputs=v, create_graph=True)
    inner = sum((d * draw(d)).sum() for d in first)
    inputs = [*inputs, v]
    second = [None] * len(inputs)
    if inner.requires_grad:
        second = grad(inner, inputs)
    found = list(first)
    for x, d in zip(inputs, second):
        if d is None:
            d = np.zeros(tuple(x.shape))
        found.append(d)
    return found
