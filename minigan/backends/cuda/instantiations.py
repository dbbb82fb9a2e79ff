"""All kernels that may be launched: the simulator compiles the kernels of a file together."""

import itertools

from . import launch
from .convolution import tile_template
from .rungs import CHUNK, LADDERS, RUNGS, expression
from .tiles import RULES, loads_suffice


def _templates(operation, rung, ctype):
    """All lists of template arguments of a kernel for one dtype."""
    is_second_pass = RUNGS[operation] == ("tiled",)
    if rung in ("naive", "shared") or is_second_pass:
        return [(ctype,)]
    if "tensor" not in RUNGS[operation]:
        return [(ctype, 1), (ctype, CHUNK[ctype])]
    if rung == "tensor" and ctype != "float":
        return []
    found = set()
    for widths in itertools.product((1, CHUNK[ctype]), repeat=2):
        if operation == "conv2d" and widths[0] != widths[1]:
            continue  # both factors are read along C
        for rule in RULES[rung]:
            if loads_suffice(rule, widths):
                found.add(tile_template(rung, ctype, rule.tile, widths))
    return sorted(found)


def _expressions(file):
    """The kernels of a file, as C++ names them."""
    found = []
    for operation, rungs in LADDERS[file].items():
        for rung, ctype in itertools.product(rungs, CHUNK):
            for template in _templates(operation, rung, ctype):
                found.append(expression(operation, rung, template))
    if any("tensor" in rungs for rungs in LADDERS[file].values()):  # these have split-K
        found += [f"sum_parts_tiled<{ctype}>" for ctype in CHUNK]
    return found


def register():
    """Fill launch.instantiations, in which the simulator looks for the kernels of a file."""
    for file in LADDERS:
        launch.instantiations[file] = _expressions(file)
