"""F: every operation under the name that everybody knows. The kernel-backed ones are imported; the rest is composed here."""

import functools

import numpy as np

from . import devices, rng
from .activation import leaky_relu, relu
from .conv import add_bias, channel_sum, conv2d, conv_transpose2d
from .engine import Tensor, record
from .loss import binary_cross_entropy_with_logits, check_reduction
from .norm import batch_norm, instance_norm, layer_norm
from .ops import (
    abs,
    amax,
    cat,
    exp,
    expand,
    flatten,
    getitem,
    log,
    matmul,
    mean,
    permute,
    reshape,
    sigmoid,
    softplus,
    sqrt,
    sum,
    tanh,
    transpose,
)

__all__ = ["abs", "amax", "batch_norm", "binary_cross_entropy_with_logits", "cat", "conv2d", "conv_transpose2d",
           "cross_entropy", "dropout", "exp", "flatten", "instance_norm", "interpolate", "l1_loss", "layer_norm",
           "leaky_relu", "linear", "log", "log_softmax", "maxout", "mse_loss", "pad", "pixel_shuffle", "relu", "sigmoid",
           "softplus", "sqrt", "tanh"]


def linear(x, weight, bias=None):
    """x weight^T + bias: x (..., in), weight (out, in), bias (out,) -> (..., out)."""
    if x.ndim < 1 or weight.ndim != 2 or x.shape[-1] != weight.shape[1] or x.dtype != weight.dtype:
        raise ValueError(f"linear: x {x.shape} {x.dtype} does not fit weight {weight.shape} {weight.dtype} (out, in)")
    if bias is not None and (bias.shape != weight.shape[:1] or bias.dtype != x.dtype):
        raise ValueError(f"linear: bias is {bias.shape} {bias.dtype}, expected {weight.shape[:1]} {x.dtype}")
    if x.ndim != 2:
        return reshape(linear(reshape(x, -1, x.shape[-1]), weight, bias), x.shape[:-1] + weight.shape[:1])
    y = record(x.data @ weight.data.T, (x, lambda g: matmul(g, weight)),
               (weight, lambda g: matmul(transpose(g, 0, 1), x)))
    return y if bias is None else add_bias(y, bias)


def log_softmax(x, dim=-1):
    """x - log(sum(exp(x))) along dim, shifted by the maximum so that nothing overflows."""
    shifted = x.data - x.data.max(dim, keepdims=True)
    y = shifted - devices.xp.log(devices.xp.exp(shifted).sum(dim, keepdims=True))
    return record(y, (x, lambda g, y: g - exp(y) * sum(g, dim, keepdim=True)))


def cross_entropy(logits, labels, *, reduction="mean"):
    """-log softmax(logits)[label]: logits (N, classes), labels (N,) integers. Raises ValueError for a label out of range."""
    check_reduction(reduction)
    labels = labels.data if isinstance(labels, Tensor) else devices.xp.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or labels.dtype.kind not in "iu" or 0 in logits.shape:
        raise ValueError(f"cross_entropy: logits {logits.shape} and labels {labels.shape} {labels.dtype}, expected "
                         "(N, classes) and (N,) integers, N at least 1")
    if devices.xp is np and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        raise ValueError(f"cross_entropy: labels reach from {labels.min()} to {labels.max()}, expected 0 to "
                         f"{logits.shape[1] - 1}")
    rows = devices.xp.arange(len(labels))
    return _reduce(-getitem(log_softmax(logits, 1), (rows, labels)), reduction)


def mse_loss(x, target, *, reduction="mean"):
    """(x - target)^2, reduced; target: a Tensor of x's shape, or one number for all."""
    d = x - _same_shape("mse_loss", x, target)
    return _reduce(d * d, reduction)


def l1_loss(x, target, *, reduction="mean"):
    """|x - target|, reduced; target: a Tensor of x's shape, or one number for all."""
    return _reduce(abs(x - _same_shape("l1_loss", x, target)), reduction)


def _same_shape(name, x, target):
    if getattr(target, "shape", x.shape) != x.shape:  # broadcasting here is nearly always a mistake
        raise ValueError(f"{name}: target has shape {target.shape}, expected {x.shape}")
    return target


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
    return x * (keep.astype(x.dtype) * x.dtype.type(1 / (1 - p) if p < 1 else 0))


def maxout(x, pieces, axis=1):
    """The maximum of each run of ``pieces`` values along axis: (N, units * pieces) -> (N, units) (Goodfellow 2013)."""
    axis %= x.ndim
    if pieces < 1 or x.shape[axis] % pieces:
        raise ValueError(f"maxout: axis {axis} of shape {x.shape} is not a multiple of pieces={pieces}")
    shape = x.shape[:axis] + (x.shape[axis] // pieces, pieces) + x.shape[axis + 1:]
    return amax(reshape(x, shape), axis + 1)


def pad(x, padding, *, mode="constant", value=0.0):
    """Pad the last axes by (left, right) or (left, right, top, bottom); mode "constant" or "reflect" (edge not repeated)."""
    padding = (padding,) if isinstance(padding, int) else tuple(padding)
    if len(padding) % 2 or len(padding) > 2 * x.ndim or min(padding, default=0) < 0:
        raise ValueError(f"pad: {padding} for shape {x.shape}, expected pairs of non-negative ints, last axis first")
    before = [0] * (x.ndim - len(padding) // 2) + list(padding[-2::-2])
    after = [0] * (x.ndim - len(padding) // 2) + list(padding[-1::-2])
    if mode == "constant":
        inside = tuple(slice(b, b + n) for b, n in zip(before, x.shape))
        y = devices.xp.full([b + n + a for b, n, a in zip(before, x.shape, after)], value, x.dtype)
        y[inside] = x.data
        return record(y, (x, lambda g: getitem(g, inside)))
    if mode != "reflect":
        raise ValueError(f"pad mode is {mode!r}, expected 'constant' or 'reflect'")
    if any(max(b, a) >= n for b, n, a in zip(before, x.shape, after) if b or a):
        raise ValueError(f"pad: reflection by {padding} needs an image larger than that, got shape {x.shape}")
    for axis, (b, n, a) in enumerate(zip(before, x.shape, after)):
        if b or a:  # the mirror stands on the edge pixel: b, ..., 1 before it, n - 2, ..., n - 1 - a behind
            line = (slice(None),) * axis
            head, tail = slice(b, 0, -1), slice(n - 2, n - 2 - a if a < n - 1 else None, -1)
            x = cat([getitem(x, line + (head,)), x, getitem(x, line + (tail,))], axis)
    return x


def interpolate(x, size=None, *, scale_factor=None, mode="nearest"):
    """Resize images (N, C, H, W) to ``size`` (an int or a pair) or by ``scale_factor``; mode "nearest" or "bilinear".

    As in torch.nn.functional.interpolate with align_corners=False. Both are linear and separable: one small matrix per
    axis, y = rows x columns^T; nearest by a whole factor is a broadcast.
    """
    if x.ndim != 4 or mode not in ("nearest", "bilinear") or (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: x {x.shape}, mode {mode!r}, size {size}, scale_factor {scale_factor}; expected "
                         "(N, C, H, W), nearest or bilinear, and one of size and scale_factor")
    factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * 2
    size = size if isinstance(size, (tuple, list)) else (size,) * 2
    size = [int(n * f) if f is not None else s for n, s, f in zip(x.shape[2:], size, factors)]
    if min(size) < 1:
        raise ValueError(f"interpolate: the image would have size {size}")
    n, c, h, w = x.shape
    if mode == "nearest" and size[0] % h == 0 and size[1] % w == 0:
        a, b = size[0] // h, size[1] // w
        return reshape(expand(reshape(x, n, c, h, 1, w, 1), n, c, h, a, w, b), n, c, h * a, w * b)
    rows, columns = (Tensor(devices.xp.asarray(_resizing(old, new, 1 / f if f else old / new, mode), x.dtype))
                     for old, new, f in zip((h, w), size, factors))
    return matmul(matmul(rows, x), transpose(columns, 0, 1))


def _resizing(old, new, ratio, mode):
    """The (new, old) matrix that resizes a line of pixels; ratio: input pixels per output pixel."""
    matrix, i = np.zeros((new, old)), np.arange(new)
    if mode == "nearest":
        matrix[i, np.minimum(i * ratio, old - 1).astype(int)] = 1
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


def _takes_tensor(function):
    """function, with a plain sentence for the commonest slip: a NumPy array where a Tensor belongs."""
    @functools.wraps(function)
    def checked(*args, **options):
        if args and not isinstance(args[0], Tensor):
            raise TypeError(f"{function.__name__} got a {type(args[0]).__name__}, expected a Tensor: minigan.tensor(array) "
                            "makes one")
        return function(*args, **options)
    return checked


for _name in set(__all__) - {"cat"}:
    globals()[_name] = _takes_tensor(globals()[_name])
