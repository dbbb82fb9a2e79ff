"""Moving the entries of a tensor round its ends, and the coordinates of a grid."""

from .. import creation, devices
from ..engine import record
from .shapes import expand, reshape, transpose


def roll(x, shifts, dims=None):
    """A copy in which the entries are moved by shifts along dims.

    What leaves at one end comes in at the other. shifts, dims: a number or as many of each. Without
    dims, the tensor is rolled as one row, as in PyTorch.
    """
    shifts = creation.flat((shifts,))
    if dims is None:
        row = reshape(x, -1)
        return reshape(roll(row, shifts, 0), x.shape)
    dims = creation.flat((dims,))
    if len(shifts) != len(dims):
        raise ValueError(f"roll got {len(shifts)} shifts for {len(dims)} axes, expected one each")
    back = tuple(-shift for shift in shifts)
    value = devices.xp.roll(x.array, shifts, dims)
    return record(
        value,
        (x, lambda g: roll(g, back, dims)),
        op="roll",
        shifts=shifts,
        dims=dims,
    )


def meshgrid(*lines, indexing="ij"):
    """Coordinates of a grid: tensors (n_1,), ..., (n_k,) -> k tensors (n_1, ..., n_k).

    The i-th of them varies along axis i only. indexing="xy" exchanges the first two axes.
    """
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing is {indexing!r}, expected 'ij' or 'xy'")
    if len(lines) == 1 and isinstance(lines[0], (list, tuple)):
        (lines,) = lines
    shape = tuple(map(len, lines))
    grids = []
    for axis, line in enumerate(lines):
        lengths = [1] * len(lines)
        lengths[axis] = len(line)
        along_axis = reshape(line, lengths)
        grid = expand(along_axis, shape)
        if indexing == "xy" and len(lines) > 1:
            grid = transpose(grid, 0, 1)
        grids.append(grid)
    return tuple(grids)
