"""The simulator's counts of sectors and bank conflicts, against known patterns."""

import numpy as np
import pytest
from simulator import (
    TEXT,
    compile_patterns,
    needs_a_compiler,
    numbers,
    run,
)

from minigan.backends.cuda.arguments import Out

pytestmark = needs_a_compiler


@pytest.fixture(scope="module", autouse=True)
def compiled():
    compile_patterns()


def at(report, marker, space):
    """The Line of the source line that ends in `// <- marker`."""
    ends = [line.endswith(f"// <- {marker}") for line in TEXT.splitlines()]
    place = ("patterns.cu", 1 + ends.index(True))
    for line in report.lines:
        if line.places[-1] == place and line.space == space:
            return line
    raise LookupError(f"no {space} access at {place}")


# A lane reads number stride * lane + offset -> sectors that a warp takes, and the least.
PATTERNS = [
    (1, 0, 4, 4),
    (1, 1, 5, 4),
    (2, 0, 8, 4),
    (8, 0, 32, 4),
    (0, 0, 1, 1),
    (33, 0, 32, 4),
]


@pytest.mark.parametrize("stride, offset, sectors, ideal", PATTERNS)
def test_sectors_of_known_patterns(stride, offset, sectors, ideal):
    x = numbers(stride * 256 + offset + 1)
    y = np.empty(256, np.float32)
    arguments = [x, Out(y), np.int32(stride), np.int32(offset)]
    report = run("strided", 2, 128, arguments, counting=True)
    lines = [line for line in report.lines if line.space == "global"]
    # Eight warps read this pattern, and write 32 floats side by side.
    assert sum(line.requests for line in lines) == 8 + 8
    assert sum(line.cost for line in lines) == 8 * (sectors + 4)
    assert sum(line.ideal for line in lines) == 8 * (ideal + 4)
    assert report.sectors_per_request == ((sectors + 4) / 2, (ideal + 4) / 2)
    assert report.bank_conflicts == 0


# Lanes that lie so many numbers apart -> turns of the banks that a warp takes.
TURNS = {0: 1, 1: 1, 2: 2, 3: 1, 4: 4, 32: 32, 33: 1}


@pytest.mark.parametrize("stride, turns", TURNS.items())
def test_bank_conflicts_of_known_patterns(stride, turns):
    y = np.empty(64, np.float32)
    if stride == 0:  # a broadcast
        arguments = [numbers(64), Out(y), np.int32(0), np.int32(0)]
        report = run("strided", 1, 64, arguments, counting=True)
        assert report.bank_conflicts == 0
        return
    arguments = [numbers(stride * 64), Out(y), np.int32(stride)]
    report = run("strided_shared", 1, 64, arguments, shared=4 * stride * 64, counting=True)
    line = at(report, "shared", "shared")
    assert (line.requests, line.cost, line.ideal) == (2, 2 * turns, 2)
    assert report.bank_conflicts == 2 * (turns - 1)


def test_vectors_of_16_bytes_are_one_request_and_served_in_four_turns():
    x = numbers(256)
    y = np.empty(256, np.float32)
    report = run("vectors", 1, 64, [x, Out(y)], counting=True)
    np.testing.assert_array_equal(y, x)
    assert report.sectors_per_request == (16, 16)
    assert report.bank_conflicts == 0
    shared = at(report, "copy", "shared")
    assert (shared.requests, shared.cost, shared.ideal) == (2, 8, 8)
    from_global = at(report, "copy", "global")
    assert (from_global.requests, from_global.cost, from_global.ideal) == (2, 32, 32)
    assert run("vectors", 1, 64, [x, Out(y)]).lines == ()
