"""Padding: a frame of constants, of repeated edges, or of mirrored pixels around images."""

import numpy as np

from .. import devices
from ..checks import is_whole_number
from ..creation import raw
from ..engine import record
from .indexing import getitem


def pad(x, padding, mode="constant", value=0.0):
    """Pad the last axes by (left, right) or (left, right, top, bottom), as in torch's F.pad.

    mode: "constant"; "reflect", which does not repeat the edge; or "replicate", which repeats it.
    Raises ValueError for a padding that does not fit the shape.
    """
    x_shape = raw(x).shape
    padding = (padding,) if isinstance(padding, int) else tuple(padding)
    are_whole = all(is_whole_number(n, 0) for n in padding)
    if len(padding) % 2 or len(padding) > 2 * len(x_shape) or not are_whole:
        raise ValueError(
            f"pad: {padding} for shape {x_shape}, expected pairs of non-negative ints, last axis "
            "first"
        )
    widths = [(0, 0)] * len(x_shape)  # of each axis: (before, after)
    for i in range(len(padding) // 2):  # (left, right, top, bottom): the last axis comes first
        widths[-1 - i] = padding[2 * i], padding[2 * i + 1]
    if mode == "constant":
        return _pad_constant(x, widths, value)
    if mode == "replicate":
        return _pad_replicate(x, widths)
    if mode != "reflect":
        raise ValueError(f"pad mode is {mode!r}, expected 'constant', 'reflect' or 'replicate'")
    if any(max(width) >= n for n, width in zip(x_shape, widths) if max(width)):
        raise ValueError(
            f"pad: reflection by {padding} needs an image larger than that, got shape {x_shape}"
        )
    return _pad_reflect(x, widths)


def _pad_constant(x, widths, value):
    """x with a frame of the value; widths: of each axis, how many entries before and after."""
    inside = _inside(x.shape, widths)
    y = _padded_like(x.array, widths)
    y.fill(value)
    y[inside] = x.array
    return record(
        y,
        (x, lambda g: getitem(g, inside)),
        op="pad",
        widths=tuple(widths),
        mode="constant",
        value=value,
    )


def _padded_like(a, widths):
    """An uninitialised array for a and a frame, in the memory order of a."""
    shape = [before + n + after for n, (before, after) in zip(a.shape, widths)]
    return devices.xp.empty_like(a, shape=tuple(shape))


def _inside(shape, widths):
    """Where an array of this shape lies in its frame: a tuple of slices."""
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths))


def _pad_replicate(x, widths):
    """x with the entries at its edges repeated."""
    for axis, (before, after) in enumerate(widths):
        if before or after:
            n = x.shape[axis]
            positions = np.clip(np.arange(-before, n + after), 0, n - 1)
            x = getitem(x, (*(slice(None),) * axis, positions))
    return x


# ---- reflection ----------------------------------------------------------------------------------


def _pad_reflect(x, widths):
    """x mirrored at its edge pixels: ..., 2, 1 come before 0, and n - 2, n - 3, ... after n - 1."""
    x_shape = x.array.shape
    y = _padded_like(x.array, widths)
    known = list(_inside(x_shape, widths))  # what of y is known so far
    y[tuple(known)] = x.array
    for axis, (before, after) in enumerate(widths):
        inside = y[tuple(known)]
        for frame, mirrored in _frame_and_mirrored(x_shape[axis], before, after):
            known[axis] = frame
            y[tuple(known)] = inside[_along(axis, mirrored)]
        known[axis] = slice(None)
    return record(
        y,
        (x, lambda g: _fold(g, x_shape, widths)),
        op="pad",
        widths=tuple(widths),
        mode="reflect",
    )


def _fold(g, shape, widths):
    """The adjoint of reflection: the frame of g is added to the pixels that it mirrors."""
    folded = g.array
    is_ours = False  # then it may be changed
    for axis in reversed(range(len(shape))):
        before, after = widths[axis]
        if before or after:
            n = shape[axis]
            inside = folded[_along(axis, slice(before, before + n))]
            if not is_ours:
                inside = inside.copy(order="K")
            for frame, mirrored in _frame_and_mirrored(n, before, after):
                inside[_along(axis, mirrored)] += folded[_along(axis, frame)]
            folded = inside
            is_ours = True
    return record(
        folded,
        (g, lambda h: _pad_reflect(h, widths)),
        op="fold_reflection",
        widths=tuple(widths),
    )


def _frame_and_mirrored(n, before, after):
    """Two pairs of slices: of a part of the frame of n pixels, and of the pixels that it mirrors.

    The frame is counted from its own edge, the pixels from theirs.
    """
    last = n - 2 - after  # the first one that is not mirrored
    return (
        (slice(0, before), slice(before, 0, -1)),
        (slice(before + n, None), slice(n - 2, last if last >= 0 else None, -1)),
    )


def _along(axis, some):
    """The index of a slice of an axis, and of everything along those before it."""
    return (*[slice(None)] * axis, some)
