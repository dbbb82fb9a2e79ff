"""Resizing and rearranging images.

Every output pixel is one input pixel, or a mean of a few.
"""

import numpy as np

from .. import devices
from ..backends.memory_order import PIXELS  # in this order these operations are a single copy
from ..checks import whole_number
from ..creation import raw
from ..engine import Tensor
from .products import matmul
from .shapes import expand, permute, reshape, transpose


def interpolate(x, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """Resize images (N, C, H, W) to ``size`` or by ``scale_factor``, an int or a pair.

    mode: "nearest" or "bilinear", as torch.nn.functional.interpolate. align_corners, for bilinear:
    whether the centres of the corner pixels stay where they are, or, as by default, the corners of
    the image. Both modes are linear and separable: one small matrix per axis, y = rows x columns^T.
    Nearest by a whole factor is a broadcast. Raises ValueError for arguments that do not fit.
    """
    _check_interpolation(x, size, scale_factor, mode)
    if align_corners is not None and mode == "nearest":
        raise ValueError("interpolate: align_corners is for bilinear, mode is 'nearest'")
    h, w = x.shape[2:]
    factor_h, factor_w = _two(scale_factor)
    if scale_factor is None:
        new_h, new_w = _two(size)
    else:
        new_h = int(h * factor_h)
        new_w = int(w * factor_w)
    if min(h, w, new_h, new_w) < 1:
        raise ValueError(
            f"interpolate: an image of {h} x {w} would get size {new_h} x {new_w}, expected at "
            "least 1 x 1 pixels"
        )
    is_whole = _is_whole_factor(h, new_h, factor_h) and _is_whole_factor(w, new_w, factor_w)
    if mode == "nearest" and is_whole:
        return _repeat_pixels(x, new_h // h, new_w // w)
    if align_corners:
        factor_h = factor_w = "aligned"
    rows = _resizing(h, new_h, factor_h, mode)  # (new_h, H)
    columns = _resizing(w, new_w, factor_w, mode)  # (new_w, W)
    y = matmul(_like(x, rows), x)  # (N, C, new_h, W)
    return matmul(y, transpose(_like(x, columns), 0, 1))  # (N, C, new_h, new_w)


def _check_interpolation(x, size, scale_factor, mode):
    is_pair = [np.shape(v) in ((), (2,)) for v in (size, scale_factor)]
    one_is_given = (size is None) != (scale_factor is None)
    holds_none = None in (_two(size) if scale_factor is None else _two(scale_factor))
    fits = raw(x).ndim == 4 and mode in ("nearest", "bilinear")
    if not (fits and all(is_pair) and one_is_given) or holds_none:
        raise ValueError(
            f"interpolate: x {x.shape}, mode {mode!r}, size {size}, scale_factor {scale_factor}; "
            "expected (N, C, H, W), nearest or bilinear, and one of size and scale_factor, a "
            "number or a pair"
        )
    if scale_factor is None:
        for n in _two(size):
            whole_number("interpolate: size", n, 1)


def _two(value):
    """A pair as it is, a number twice."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def _is_whole_factor(old, new, factor):
    """Is each pixel just repeated? Factors 1 and 2 are exact in PyTorch, whatever was given."""
    if new % old:
        return False
    return new // old in (1, 2) or factor in (None, new // old)


def _repeat_pixels(x, a, b):
    """Each pixel of (N, C, H, W) as a block of a x b."""
    n, c, h, w = x.shape
    x = permute(x, PIXELS)
    x = reshape(x, h, 1, w, 1, n, c)
    x = expand(x, h, a, w, b, n, c)
    x = reshape(x, h * a, w * b, n, c)
    return permute(x, PIXELS)


def _like(x, matrix):
    """A matrix as a Tensor of x's dtype."""
    return Tensor(devices.xp.asarray(matrix, x.dtype))


def _resizing(old, new, factor, mode):
    """The (new, old) matrix that resizes a line of pixels.

    factor: None if the size is given, "aligned" if the first and the last pixel stay in place.
    """
    if new == old or mode == "nearest" and new == 2 * old:
        return np.repeat(np.eye(old), new // old, 0)
    matrix = np.zeros((new, old))
    i = np.arange(new)
    if factor == "aligned":
        return _mixed(matrix, i * ((old - 1) / max(1, new - 1)))
    # Input pixels per output pixel. PyTorch uses the given factor, even if new is rounded.
    ratio = old / new if factor is None else 1 / factor
    if mode == "nearest":
        source = i.astype(np.float32) * np.float32(ratio)  # computed in float32, as in PyTorch
        matrix[i, np.minimum(source, old - 1).astype(int)] = 1
        return matrix
    return _mixed(matrix, (i + 0.5) * ratio - 0.5)


def _mixed(matrix, centre):
    """The matrix, so far zeros, that mixes the two input pixels beside each centre.

    centre: where each output pixel lies among the input's pixels.
    """
    new, old = matrix.shape
    i = np.arange(new)
    centre = np.clip(centre, 0, old - 1)
    left = np.floor(centre).astype(int)
    right = np.minimum(left + 1, old - 1)
    matrix[i, left] = 1 - (centre - left)
    matrix[i, right] += centre - left
    return matrix


def pixel_shuffle(x, upscale_factor):
    """(N, C r r, H, W) -> (N, C, H r, W r): channels become pixels (Shi et al. 2016)."""
    r = whole_number("pixel_shuffle: upscale_factor", upscale_factor, 1)
    if x.ndim != 4 or x.shape[1] % (r * r):
        raise ValueError(f"pixel_shuffle: x has shape {x.shape}, expected (N, C * {r} * {r}, H, W)")
    n, channels, h, w = x.shape
    c = channels // (r * r)
    x = permute(x, PIXELS)  # (h, w, n, channels)
    x = reshape(x, h, w, n, c, r, r)
    x = permute(x, 0, 4, 1, 5, 2, 3)  # (h, r, w, r, n, c)
    x = reshape(x, h * r, w * r, n, c)
    return permute(x, PIXELS)
