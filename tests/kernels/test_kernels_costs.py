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


@pytest.mark.parametrize(
    "stride, offset, sectors, ideal",
    [(1, 0, 4, 4), (1, 1, 5, 4), (2, 0, 8, 4), (8, 0, 32, 4), (0, 0, 1, 1), (33, 0, 32, 4)],
)
def test_sectors_of_known_patterns(stride, offset, sectors, ideal):
    x, y = numbers(stride * 256 + offset + 1), np.empty(256, np.float32)
    report = run("strided", 2, 128, [x, Out(y), np.int32(stride), np.int32(offset)], counting=True)
    lines = [line for line in report.lines if line.space == "global"]
    # Eight warps read this pattern, and write 32 floats side by side.
    assert sum(line.requests for line in lines) == 8 + 8
    assert sum(line.cost for line in lines) == 8 * (sectors + 4)
    assert sum(line.ideal for line in lines) == 8 * (ideal + 4)
    assert report.sectors_per_request == ((sectors + 4) / 2, (ideal + 4) / 2)
    assert report.bank_conflicts == 0


@pytest.mark.parametrize(
    "stride, turns", [(0, 1), (1, 1), (2, 2), (3, 1), (4, 4), (32, 32), (33, 1)]
)
def test_bank_conflicts_of_known_patterns(stride, turns):
    x, y = numbers(max(1, stride) * 64), np.empty(64, np.float32)
    arguments = [x, Out(y), np.int32(max(1, stride))]
    if stride == 0:  # a broadcast
        report = run("strided", 1, 64, [x, Out(y), np.int32(0), np.int32(0)], counting=True)
        assert report.bank_conflicts == 0
        return
    report = run("strided_shared", 1, 64, arguments, shared=4 * stride * 64, counting=True)
    line = at(report, "shared", "shared")
    assert (line.requests, line.cost, line.ideal) == (2, 2 * turns, 2)
    assert report.bank_conflicts == 2 * (turns - 1)


def test_vectors_of_16_bytes_are_one_request_and_served_in_four_turns():
    x, y = numbers(256), np.empty(256, np.float32)
    report = run("vectors", 1, 64, [x, Out(y)], counting=True)
    np.testing.assert_array_equal(y, x)
    assert report.sectors_per_request == (16, 16) and report.bank_conflicts == 0
    shared = at(report, "copy", "shared")
    assert (shared.requests, shared.cost, shared.ideal) == (2, 8, 8)
    from_global = at(report, "copy", "global")
    assert (from_global.requests, from_global.cost, from_global.ideal) == (2, 32, 32)
    assert run("vectors", 1, 64, [x, Out(y)]).lines == ()
