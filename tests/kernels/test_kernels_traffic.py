"""What the kernels ask of memory, counted on the host device: whole sectors, 16 bytes at a time,
few bank conflicts.

The counts are those of kernels/PREDICTIONS.md's table. A kernel that reads every other number, or 4
bytes where 16 would do, computes the same and is slow: only this shows it.
"""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from memory_requests import memory_requests  # noqa: E402

from minigan import device  # noqa: E402


@pytest.fixture(scope="module")
def counts():
    """{kernel: (requests to shared memory, bank conflicts, sectors per request, at best)}, of all
    rungs but naive.
    """
    with device("host"):
        return {
            kernel: (requests, conflicts, float(sectors), float(best))
            for kernel, requests, conflicts, sectors, best in memory_requests(("tiled", "tensor"))
        }


def test_every_operation_is_counted(counts):
    assert len(counts) >= 18 and sum("_tensor<" in kernel for kernel in counts) == 3


def test_no_request_costs_more_sectors_than_its_bytes_fill(counts):
    assert {kernel: numbers for kernel, numbers in counts.items() if numbers[2] > numbers[3]} == {}


def test_requests_are_of_16_bytes(counts):
    """32 lanes of 16 bytes are 16 sectors; a few vectors that are read, sums that are written
    bring the mean down.
    """
    wide = {
        kernel: best
        for kernel, (_, _, _, best) in counts.items()
        if "_tensor<" in kernel or re.search(r"\b4>$", kernel)
    }
    assert len(wide) >= 15 and {kernel: best for kernel, best in wide.items() if best < 13} == {}


def test_bank_conflicts_are_rare_in_the_convolutions(counts):
    """Some are left where a block looks up the places of its rows, once."""
    some = {
        kernel: (conflicts, requests)
        for kernel, (requests, conflicts, *_) in counts.items()
        if "conv" in kernel
    }
    assert len(some) == 6 and all(
        conflicts <= 0.13 * requests for conflicts, requests in some.values()
    )
