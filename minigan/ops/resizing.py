"""Padding, resizing and rearranging images: every output pixel is one input pixel, or a mean of a
few.
"""

import numpy as np

from .. import devices
from ..creation import raw
from ..engine import Tensor, record
from . import getitem
from .joining import cat
from .products import matmul
from .shapes import expand, permute, reshape, transpose


def pad(x, padding, *, mode="constant", value=0.0):
    """Pad the last axes by (left, right) or (left, right, top, bottom); "constant" or "reflect"
    (edge not repeated).
    """
    xs, padding = raw(x).shape, (padding,) if isinstance(padding, int) else tuple(padding)
    if len(padding) % 2 or len(padding) > 2 * len(xs) or min(padding, default=0) < 0:
        raise ValueError(
            f"pad: {padding} for shape {xs}, expected pairs of non-negative ints, last axis first"
        )
    widths = [(0, 0)] * (len(xs) - len(padding) // 2) + list(zip(padding[-2::-2], padding[::-2]))
    if mode == "constant":
        inside = tuple(slice(before, before + n) for n, (before, _) in zip(xs, widths))
        y = devices.xp.full(
            [before + n + after for n, (before, after) in zip(xs, widths)], value, x.dtype
        )
        y[inside] = x.array
        return record(y, (x, lambda g: getitem(g, inside)))
    if mode != "reflect":
        raise ValueError(f"pad mode is {mode!r}, expected 'constant' or 'reflect'")
    if any(max(width) >= n for n, width in zip(xs, widths) if max(width)):
        raise ValueError(
            f"pad: reflection by {padding} needs an image larger than that, got shape {xs}"
        )
    for axis, (n, (before, after)) in enumerate(zip(xs, widths)):
        if (
            before or after
        ):  # the mirror stands on the edge pixel: b, ..., 1 before it, n - 2, ..., n - 1 - a behind
            line = (slice(None),) * axis
            head, tail = (
                slice(before, 0, -1),
                slice(n - 2, n - 2 - after if after < n - 1 else None, -1),
            )
            x = cat([getitem(x, line + (head,)), x, getitem(x, line + (tail,))], axis)
    return x


def interpolate(x, size=None, *, scale_factor=None, mode="nearest"):
    """Resize images (N, C, H, W) to ``size`` (an int or a pair) or by ``scale_factor``; mode
    "nearest" or "bilinear".

    As in torch.nn.functional.interpolate with align_corners=False. Both are linear and separable:
    one small matrix per axis, y = rows x columns^T; nearest by a whole factor is a broadcast.
    """
    size, factors = (v if isinstance(v, (tuple, list)) else (v, v) for v in (size, scale_factor))
    one, pairs = (None in size) != (None in factors), len(size) == len(factors) == 2
    if raw(x).ndim != 4 or mode not in ("nearest", "bilinear") or not (one and pairs):
        raise ValueError(
            f"interpolate: x {x.shape}, mode {mode!r}, size {size}, scale_factor {factors}; expected "
            "(N, C, H, W), nearest or bilinear, and one of size and scale_factor, a number or a pair"
        )
    n, c, h, w = x.shape
    size = [int(n * f) if f is not None else s for n, s, f in zip((h, w), size, factors)]
    if min(h, w, *size) < 1:
        raise ValueError(
            f"interpolate: an image of {h} x {w} would get size {size}, expected at least 1 x 1 pixels"
        )
    whole = all(
        new % old == 0
        and (new // old in (1, 2) or f in (None, new // old))  # 1 and 2 as PyTorch has them
        for new, old, f in zip(size, (h, w), factors)
    )
    if mode == "nearest" and whole:
        a, b = size[0] // h, size[1] // w
        return reshape(expand(reshape(x, n, c, h, 1, w, 1), n, c, h, a, w, b), n, c, h * a, w * b)
    rows, columns = (
        Tensor(devices.xp.asarray(_resizing(old, new, 1 / f if f else old / new, mode), x.dtype))
        for old, new, f in zip((h, w), size, factors)
    )
    return matmul(matmul(rows, x), transpose(columns, 0, 1))


def _resizing(old, new, ratio, mode):
    """The (new, old) matrix that resizes a line of pixels; ratio: input pixels per output pixel."""
    if new == old or mode == "nearest" and new == 2 * old:
        return np.repeat(np.eye(old), new // old, 0)
    matrix, i = np.zeros((new, old)), np.arange(new)
    if mode == "nearest":
        matrix[i, np.minimum(i.astype(np.float32) * np.float32(ratio), old - 1).astype(int)] = (
            1  # rounded as there
        )
        return matrix
    centre = np.clip(
        (i + 0.5) * ratio - 0.5, 0, old - 1
    )  # where output pixel i lies among the input's pixels
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
    return reshape(
        permute(reshape(x, n, c // (r * r), r, r, h, w), 0, 1, 4, 2, 5, 3),
        n,
        c // (r * r),
        h * r,
        w * r,
    )
