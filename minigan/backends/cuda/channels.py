"""Operations per channel on kernels/channels.cu: the bias of a convolution and its gradient."""

from ..memory_order import as_image, as_rows
from . import launch
from .arguments import Out
from .grids import reduction, rowwise


def channel_sum(g):
    """(N, C, ...) -> (C,): the sum over all axes but the channels'; the gradient of a bias."""
    rows = as_rows(g)
    if not rows.size:
        return launch.driver.xp.zeros(rows.shape[1], g.dtype)
    return reduction("channel_sum", [rows], rows, 1)[0]


def add_bias(x, bias):
    """(N, C, ...), (C,) -> x + bias, each channel its own."""
    xp = launch.driver.xp
    rows = as_rows(x)
    y = launch.empty(rows.shape, rows.dtype)
    rowwise("add_bias", [rows, xp.ascontiguousarray(bias), Out(y)], rows)
    return as_image(y, x)
