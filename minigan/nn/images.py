"""Layers without weights that arrange images and features: shapes, padding, size, dropout."""

from .. import functional as F
from ..checks import whole_number
from .checks import number
from .module import Module


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

    def __init__(self, p=0.5, inplace=False):
        self.p = number("dropout's p", p, 0, 1)
        if inplace:
            self.inplace = True

    inplace = False

    def forward(self, x):
        return F.dropout(x, self.p, training=self.training, inplace=self.inplace)


class Dropout2d(Dropout):
    """Set whole channels of images to zero, each with probability p (Tompson et al. 2015).

    (N, C, H, W) -> the same shape. See F.dropout2d.
    """

    def forward(self, x):
        return F.dropout2d(x, self.p, training=self.training, inplace=self.inplace)


class _Pad2d(Module):
    """Enlarge images at their edges.

    padding: the number of pixels on every side, or (left, right, top, bottom).
    (N, C, H, W) -> (N, C, H + top + bottom, W + left + right).
    """

    mode = "constant"
    value = 0.0

    def __init__(self, padding):
        if isinstance(padding, int):
            self.padding = (padding, padding, padding, padding)
        else:
            self.padding = tuple(padding)
        if len(self.padding) != 4:
            raise ValueError(
                f"{type(self).__name__}: padding is {padding}, expected an int or (left, right, "
                "top, bottom)"
            )

    def forward(self, x):
        return F.pad(x, self.padding, mode=self.mode, value=self.value)


class ReflectionPad2d(_Pad2d):
    """Enlarge images by mirroring them at their edges.

    padding: the number of pixels on every side, or (left, right, top, bottom).
    """

    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """Enlarge images by repeating the pixels at their edges."""

    mode = "replicate"


class ZeroPad2d(_Pad2d):
    """Enlarge images with zeros."""


class ConstantPad2d(_Pad2d):
    """Enlarge images with a constant value."""

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value


class Upsample(Module):
    """Resize images, see F.interpolate: (N, C, H, W) -> (N, C, *size) or (N, C, f H, f W).

    Give either size, an int or a pair, or scale_factor f, a number or a pair.
    """

    def __init__(self, size=None, scale_factor=None, mode="nearest", align_corners=None):
        self.options = dict(
            size=size, scale_factor=scale_factor, mode=mode, align_corners=align_corners
        )

    def forward(self, x):
        return F.interpolate(x, **self.options)  # (N, C, *size)


class PixelShuffle(Module):
    """Upsample by moving channels into space: (N, C r^2, H, W) -> (N, C, r H, r W).

    r: the upscale_factor (Shi et al. 2016). See F.pixel_shuffle.
    """

    def __init__(self, upscale_factor):
        self.upscale_factor = whole_number("upscale_factor", upscale_factor, 1)

    def forward(self, x):
        return F.pixel_shuffle(x, self.upscale_factor)  # (N, C, r H, r W)
