"""All kernels that may be launched: on the host device a file's kernels are compiled together."""

import itertools

from . import launch as device
from .convolution import _plan
from .rungs import CHUNK, LADDERS, RUNGS


def _templates(operation, rung, t):
    """All template arguments of a kernel for one dtype."""
    widths = (1, CHUNK[t])
    if rung in ("naive", "shared") or RUNGS[operation] == ("tiled",):  # a second pass
        return [(t,)]
    if "tensor" not in RUNGS[operation]:
        return [(t, v) for v in widths]
    if rung == "tensor" and t != "float":
        return []
    pairs = [
        pair
        for pair in itertools.product(widths, widths)
        if operation != "conv2d" or pair[0] == pair[1]
    ]
    return sorted(
        {
            _plan(rung, t, rows, columns, 1, 1, pair, 147)[0]
            for rows in (1, 128, 1 << 15)
            for columns in (1, 33, 65, 1 << 15)
            for pair in pairs
        }
    )


for _file, _operations in LADDERS.items():
    device.instantiations[_file] = [
        f"{operation}_{rung}<{', '.join(map(str, template))}>"
        for operation, rungs in _operations.items()
        for rung in rungs
        for t in CHUNK
        for template in _templates(operation, rung, t)
    ]
    if any("tensor" in rungs for rungs in _operations.values()):
        device.instantiations[_file] += [f"sum_parts_tiled<{t}>" for t in CHUNK]
