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


def costs(line):
    return line.requests, line.cost, line.ideal


# A lane reads number stride * lane + offset -> sectors that a warp takes, and the least.
PATTERNS = {
    "neighbours": (1, 0, 4, 4),
    "neighbours, off the grid": (1, 1, 5, 4),
    "every other": (2, 0, 8, 4),
    "a sector each": (8, 0, 32, 4),
    "all the same": (0, 0, 1, 1),
    "far apart": (33, 0, 32, 4),
}


@pytest.mark.parametrize("stride, offset, sectors, ideal", PATTERNS.values(), ids=list(PATTERNS))
def test_sectors_of_known_patterns(stride, offset, sectors, ideal):
    x = numbers(stride * 256 + offset + 1)
    y = np.empty(256, np.float32)
    sizes = [np.int32(stride), np.int32(offset)]
    arguments = [x, Out(y), *sizes]
    report = run("strided", 2, 128, arguments, counting=True)
    requests = cost = least = 0
    for line in report.lines:
        if line.space == "global":
            requests += line.requests
            cost += line.cost
            least += line.ideal
    # Eight warps read this pattern, and write 32 floats side by side.
    assert requests == 8 + 8
    assert cost == 8 * (sectors + 4)
    assert least == 8 * (ideal + 4)
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
    assert costs(line) == (2, 2 * turns, 2)
    assert report.bank_conflicts == 2 * (turns - 1)


def test_vectors_of_16_bytes_are_one_request_and_served_in_four_turns():
    x = numbers(256)
    y = np.empty(256, np.float32)
    report = run("vectors", 1, 64, [x, Out(y)], counting=True)
    np.testing.assert_array_equal(y, x)
    assert report.sectors_per_request == (16, 16)
    assert report.bank_conflicts == 0
    assert costs(at(report, "copy", "shared")) == (2, 8, 8)
    assert costs(at(report, "copy", "global")) == (2, 32, 32)
    assert run("vectors", 1, 64, [x, Out(y)]).lines == ()
