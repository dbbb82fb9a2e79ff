"""F: every operation under the name that everybody knows, those backed by a kernel imported, the rest composed here."""

import numbers

import numpy as np

from .ops import abs, amax, cat, exp, expand, flatten, getitem, log, matmul, mean, permute  # isort: skip
from .ops import reshape, sigmoid, softplus, sqrt, sum, tanh, transpose  # isort: skip
from . import devices, rng, summation, threads
from .activation import leaky_relu, relu
from .conv import channel_sum, conv2d, conv_transpose2d
from .engine import Tensor, record
from .loss import binary_cross_entropy_with_logits, check_reduction
from .norm import batch_norm, instance_norm, layer_norm
from .tensors import raw

__all__ = ["abs", "amax", "batch_norm", "binary_cross_entropy_with_logits", "cat", "conv2d", "conv_transpose2d",
           "cross_entropy", "dropout", "exp", "flatten", "instance_norm", "interpolate", "l1_loss", "layer_norm",
           "leaky_relu", "linear", "log", "log_softmax", "maxout", "mse_loss", "pad", "pixel_shuffle", "relu",
           "sigmoid", "softplus", "sqrt", "tanh"]


def linear(x, weight, bias=None):
    """x weight^T + bias: x (..., in), weight (out, in), bias (out,) -> (..., out). ValueError for what does not fit."""
    xs, ws = raw(x).shape, weight.shape
    if not xs or len(ws) != 2 or xs[-1] != ws[1] or x.data.dtype != weight.data.dtype:
        raise ValueError(f"linear: x {xs} {x.dtype} does not fit weight {ws} {weight.dtype} (out, in)")
    if bias is not None and (bias.shape, bias.dtype) != (ws[:1], x.dtype):
        raise ValueError(f"linear: bias is {bias.shape} {bias.dtype}, expected {ws[:1]} {x.dtype}")
    if len(xs) != 2:
        return reshape(linear(reshape(x, -1, ws[1]), weight, bias), xs[:-1] + ws[:1])
    edges = [(x, lambda g: linear(g, transpose(weight, 0, 1))), (weight, lambda g: matmul(transpose(g, 0, 1), x))]
    if bias is not None:
        edges.append((bias, lambda g: channel_sum(g)))
    return record(threads.linear(x.data, weight.data, bias if bias is None else bias.data), *edges)


def log_softmax(x, dim=-1):
    """x - log(sum(exp(x))) along dim, shifted by the maximum so that nothing overflows."""
    shifted = raw(x) - x.data.max(dim, keepdims=True)
    axis = dim % max(1, shifted.ndim)
    y = shifted - devices.xp.log(summation.total(devices.xp.exp(shifted), (axis,), keepdims=True))
    return record(y, (x, lambda g, y: g - exp(y) * sum(g, dim, keepdim=True)))


def cross_entropy(logits, labels, *, reduction="mean"):
    """-log softmax(logits)[label]: logits (N, classes), labels (N,) integers. IndexError for a label out of range."""
    shape = raw(logits).shape
    if len(shape) != 2 or np.shape(labels) != shape[:1] or 0 in shape:
        raise ValueError(f"cross_entropy: logits {shape} and labels {np.shape(labels)}, expected (N, classes) and "
                         "(N,), N at least 1")
    labels = indices("cross_entropy", labels, shape[1])
    return _reduce(-getitem(log_softmax(logits, 1), (devices.xp.arange(shape[0]), labels)), reduction)


def indices(name, index, count):
    """An array of integers from 0 to count - 1, checked; the range only where that does not mean to wait for a GPU."""
    index = index.data if isinstance(index, Tensor) else index
    index = index if isinstance(index, devices.xp.ndarray) else np.asarray(index)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name} got {index.dtype}, expected integers")
    if isinstance(index, np.ndarray) and index.size and not 0 <= index.min() <= index.max() < count:
        raise IndexError(f"{name} got integers from {index.min()} to {index.max()}, expected 0 to {count - 1}")
    return devices.xp.asarray(index)


def mse_loss(x, target, *, reduction="mean"):
    """(x - target)^2, reduced; target: a Tensor of x's shape, or one number for all."""
    d = _difference("mse_loss", x, target)
    return _reduce(d * d, reduction)


def l1_loss(x, target, *, reduction="mean"):
    """|x - target|, reduced; target: a Tensor of x's shape, or one number for all."""
    return _reduce(abs(_difference("l1_loss", x, target)), reduction)


def _difference(name, x, target):
    if not isinstance(target, numbers.Number) and np.shape(target) != raw(x).shape:  # broadcasting is mostly a mistake
        raise ValueError(f"{name}: target has shape {np.shape(target)}, expected {x.shape}")
    return x - target


def _reduce(losses, reduction):
    check_reduction(reduction)
    return losses if reduction == "none" else sum(losses) if reduction == "sum" else mean(losses)


def dropout(x, p=0.5, *, training=True):
    """Each value zeroed with probability p, the others divided by 1 - p; the identity when not training."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability is {p}, expected 0 to 1")
    if not training or p == 0:
        return x
    keep = devices.xp.asarray(rng.generator.random(x.shape, np.float32) >= p)
    return x * (keep * raw(x).dtype.type(1 / (1 - p) if p < 1 else 0))


def maxout(x, pieces, axis=1):
    """The maximum of each run of ``pieces`` values along axis: (N, units * pieces) -> (N, units) (Goodfellow 2013)."""
    axis %= x.ndim
    if pieces < 1 or x.shape[axis] % pieces:
        raise ValueError(f"maxout: axis {axis} of shape {x.shape} is not a multiple of pieces={pieces}")
    return amax(reshape(x, x.shape[:axis] + (x.shape[axis] // pieces, pieces) + x.shape[axis + 1:]), axis + 1)


def pad(x, padding, *, mode="constant", value=0.0):
    """Pad the last axes by (left, right) or (left, right, top, bottom); "constant" or "reflect" (edge not repeated)."""
    xs, padding = raw(x).shape, (padding,) if isinstance(padding, int) else tuple(padding)
    if len(padding) % 2 or len(padding) > 2 * len(xs) or min(padding, default=0) < 0:
        raise ValueError(f"pad: {padding} for shape {xs}, expected pairs of non-negative ints, last axis first")
    widths = [(0, 0)] * (len(xs) - len(padding) // 2) + list(zip(padding[-2::-2], padding[::-2]))
    if mode == "constant":
        inside = tuple(slice(before, before + n) for n, (before, _) in zip(xs, widths))
        y = devices.xp.full([before + n + after for n, (before, after) in zip(xs, widths)], value, x.dtype)
        y[inside] = x.data
        return record(y, (x, lambda g: getitem(g, inside)))
    if mode != "reflect":
        raise ValueError(f"pad mode is {mode!r}, expected 'constant' or 'reflect'")
    if any(max(width) >= n for n, width in zip(xs, widths) if max(width)):
        raise ValueError(f"pad: reflection by {padding} needs an image larger than that, got shape {xs}")
    for axis, (n, (before, after)) in enumerate(zip(xs, widths)):
        if before or after:  # the mirror stands on the edge pixel: b, ..., 1 before it, n - 2, ..., n - 1 - a behind
            line = (slice(None),) * axis
            head, tail = slice(before, 0, -1), slice(n - 2, n - 2 - after if after < n - 1 else None, -1)
            x = cat([getitem(x, line + (head,)), x, getitem(x, line + (tail,))], axis)
    return x


def interpolate(x, size=None, *, scale_factor=None, mode="nearest"):
    """Resize images (N, C, H, W) to ``size`` (an int or a pair) or by ``scale_factor``; mode "nearest" or "bilinear".

    As in torch.nn.functional.interpolate with align_corners=False. Both are linear and separable: one small matrix per
    axis, y = rows x columns^T; nearest by a whole factor is a broadcast.
    """
    size, factors = (v if isinstance(v, (tuple, list)) else (v, v) for v in (size, scale_factor))
    one, pairs = (None in size) != (None in factors), len(size) == len(factors) == 2
    if raw(x).ndim != 4 or mode not in ("nearest", "bilinear") or not (one and pairs):
        raise ValueError(f"interpolate: x {x.shape}, mode {mode!r}, size {size}, scale_factor {factors}; expected "
                         "(N, C, H, W), nearest or bilinear, and one of size and scale_factor, a number or a pair")
    n, c, h, w = x.shape
    size = [int(n * f) if f is not None else s for n, s, f in zip((h, w), size, factors)]
    if min(h, w, *size) < 1:
        raise ValueError(f"interpolate: an image of {h} x {w} would get size {size}, expected at least 1 x 1 pixels")
    whole = all(new % old == 0 and (new // old in (1, 2) or f in (None, new // old))  # 1 and 2 as PyTorch has them
                for new, old, f in zip(size, (h, w), factors))
    if mode == "nearest" and whole:
        a, b = size[0] // h, size[1] // w
        return reshape(expand(reshape(x, n, c, h, 1, w, 1), n, c, h, a, w, b), n, c, h * a, w * b)
    rows, columns = (Tensor(devices.xp.asarray(_resizing(old, new, 1 / f if f else old / new, mode), x.dtype))
                     for old, new, f in zip((h, w), size, factors))
    return matmul(matmul(rows, x), transpose(columns, 0, 1))


def _resizing(old, new, ratio, mode):
    """The (new, old) matrix that resizes a line of pixels; ratio: input pixels per output pixel."""
    if new == old or mode == "nearest" and new == 2 * old:
        return np.repeat(np.eye(old), new // old, 0)
    matrix, i = np.zeros((new, old)), np.arange(new)
    if mode == "nearest":
        matrix[i, np.minimum(i.astype(np.float32) * np.float32(ratio), old - 1).astype(int)] = 1  # rounded as there
        return matrix
    centre = np.clip((i + 0.5) * ratio - 0.5, 0, old - 1)  # where output pixel i lies among the input's pixels
    left = np.floor(centre).astype(int)
    matrix[i, left] = 1 - (centre - left)
    matrix[i, np.minimum(left + 1, old - 1)] += centre - left
    return matrix


def pixel_shuffle(x, upscale_factor):
    """(N, C r r, H, W) -> (N, C, H r, W r), channels to pixels (Shi et al. 2016)."""
    r = upscale_factor
    if x.ndim != 4 or r < 1 or x.shape[1] % (r * r):
        raise ValueError(f"pixel_shuffle: x has shape {x.shape}, expected (N, C * {r} * {r}, H, W)")
    n, c, h, w = x.shape
    return reshape(permute(reshape(x, n, c // (r * r), r, r, h, w), 0, 1, 4, 2, 5, 3), n, c // (r * r), h * r, w * r)
